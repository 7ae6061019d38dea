//! The entrants of a comparison: scripts and programs that choose the ratios.

use crate::allocate::Allocation;
use crate::baselines::program::Baseline;
use crate::lang::ops::Op;
use crate::lang::program::{Metric, Script};
use crate::lang::types::UnitKind;

/// A script or a program that chooses the ratios.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// Name in tables.
    pub name: String,
    /// How it chooses ratios.
    pub decider: Decider,
}

/// How ratios are chosen.
#[derive(Clone, Debug)]
pub enum Decider {
    /// By a script.
    Script(Box<Script>),
    /// By a program that measures on the fitness text.
    Baseline(Baseline),
    /// By TRIM, which spreads the ratio of each projection over its rows; the projections' ratios are given.
    Trim(Box<Base>),
}

/// The projections' ratios that a program starts from.
#[derive(Clone, Debug)]
pub enum Base {
    /// Those of a script.
    Script(Script),
    /// Those of an allocation, which serves only the sparsity that it was made for.
    Allocation(Allocation),
}

impl Decider {
    /// Returns the script whose statistics are needed, if there is one.
    pub fn script(&self) -> Option<&Script> {
        match self {
            Self::Script(script) => Some(script),
            Self::Trim(base) => match &**base {
                Base::Script(script) => Some(script),
                Base::Allocation(_) => None,
            },
            Self::Baseline(_) => None,
        }
    }

    /// Returns whether it measures on the fitness text.
    pub const fn searches(&self) -> bool {
        match self {
            Self::Script(_) => false,
            Self::Baseline(_) | Self::Trim(_) => true,
        }
    }
}

impl Entrant {
    /// Returns an entrant for a script.
    pub fn script(name: impl Into<String>, script: Script) -> Self {
        Self { name: name.into(), decider: Decider::Script(Box::new(script)) }
    }

    /// Returns an entrant for a program.
    pub fn program(program: Baseline) -> Self {
        Self { name: program.key().to_owned(), decider: Decider::Baseline(program) }
    }

    /// Returns an entrant for TRIM on the ratios of a script or an allocation; `name` is that of the base.
    pub fn trim(name: &str, base: Base) -> Self {
        let name = format!("{}:{name}", Baseline::Trim.key());
        Self { name, decider: Decider::Trim(Box::new(base)) }
    }

    /// Returns the units to compare it with: its own, or `asked`; a program's unit is fixed.
    pub fn units(&self, asked: &[UnitKind]) -> Vec<Option<UnitKind>> {
        match &self.decider {
            Decider::Script(_) if !asked.is_empty() => asked.iter().copied().map(Some).collect(),
            _ => vec![None],
        }
    }

    /// Returns whether it uses a statistic from a calibration pass; `metric` defines `score`.
    pub fn uses(&self, metric: &Metric, statistic: Op) -> bool {
        match &self.decider {
            Decider::Script(script) => script.allocates_by(statistic, metric),
            // A program's masks come from scores.
            Decider::Baseline(_) => metric.score.uses(statistic),
            Decider::Trim(_) => {
                let of_base =
                    self.decider.script().is_some_and(|script| script.allocates_by(statistic, metric));
                of_base || metric.score.uses(statistic)
            }
        }
    }
}
