//! Published allocation functions: the scripts of `examples/`, embedded and found by name.

use super::check::{CheckOptions, check};
use super::program::{Expr, Metric, Script};

/// A script that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The name by which it is found.
    pub name: &'static str,
    /// Its text.
    pub source: &'static str,
}

impl Published {
    /// Returns whether it follows released code that differs from its paper.
    pub fn is_as_coded(&self) -> bool {
        self.name.ends_with("_as_coded")
    }
}

macro_rules! published {
    ($($name:literal),* $(,)?) => {
        /// Every published script, by name.
        pub static PUBLISHED: &[Published] = &[
            $(Published { name: $name, source: include_str!(concat!("../../../examples/", $name, ".allot")) },)*
        ];
    };
}

published![
    "alphapruning",
    "alphapruning_as_coded",
    "alphapruning_mid",
    "atp",
    "dlp",
    "dlp_as_coded",
    "dsa",
    "er",
    "er_plus",
    "er_plus_as_coded",
    "global",
    "lsa",
    "lsa_groups",
    "lsa_projection",
    "magnitude",
    "owl",
    "pruner_zero",
    "ria",
    "uniform",
    "wanda",
];

/// Returns the published script of a name.
pub fn find(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|script| script.name == name)
}

/// Returns the checked script of a name, without spans; `None` when there is no such script.
pub fn script(name: &str) -> Option<Script> {
    let checked = check(find(name)?.source, CheckOptions::default()).script?;
    let bare = |expr: &Expr| expr.without_spans();
    Some(Script {
        metric: checked.metric.map(|metric| Metric { per: metric.per, score: bare(&metric.score) }),
        unit: checked.unit,
        allocation: checked.allocation.as_ref().map(bare),
    })
}
