//! Published allocation functions, embedded: the scripts of `examples/`, callable by name.

/// A script that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The name it is called by.
    pub name: &'static str,
    /// Its text.
    pub source: &'static str,
}

macro_rules! published {
    ($($name:literal),* $(,)?) => {
        /// Every published script, by name.
        pub static PUBLISHED: &[Published] = &[
            $(Published { name: $name, source: include_str!(concat!("../../examples/", $name, ".allot")) },)*
        ];
    };
}

published![
    "atp",
    "dlp",
    "dlp_as_coded",
    "dsa",
    "er",
    "global",
    "magnitude",
    "owl",
    "ria",
    "uniform",
    "wanda",
];

/// Returns the published script of a name.
pub fn find(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|script| script.name == name)
}
