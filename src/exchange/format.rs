//! The names of allocation formats.

/// Formats that hold an allocation and can be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// allot's own allocation file.
    Json,
    /// A table with one line for each module.
    Csv,
    /// A recipe of llm-compressor, in YAML.
    LlmCompressor,
    /// A level file of EvoPress.
    EvoPress,
    /// A list of keep ratios, one for each block, of DLP.
    Dlp,
    /// A metric, one value for each linear, of AlphaPruning.
    AlphaPruning,
}

impl Format {
    /// Every format, in the order in which they are listed.
    pub const ALL: [Self; 6] =
        [Self::Json, Self::Csv, Self::LlmCompressor, Self::EvoPress, Self::Dlp, Self::AlphaPruning];

    /// Returns the name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::LlmCompressor => "llm-compressor",
            Self::EvoPress => "evopress",
            Self::Dlp => "dlp",
            Self::AlphaPruning => "alphapruning",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
