//! Allocations in the formats of other tools, and back: one file for each format.
//!
//! Writers take an [`Allocation`](crate::allocate::Allocation) and nothing else: the modules' names say what belongs to which block.
//! Readers give ratios for the model's [`Module`]s, which [`modules::allocation`] puts on an exact budget. [`numpy`] and [`dsa`] take a
//! script: a module of Python that computes the ratios, and a graph string that names its operators.

pub mod alphapruning;
pub mod csv;
pub mod dlp;
pub mod dsa;
mod error;
pub mod evopress;
pub mod file;
pub mod llm_compressor;
pub mod modules;
pub mod npy;
pub mod numpy;

pub use error::ExchangeError;
pub use file::AllocationFile;
pub use modules::Module;

/// The formats that hold an allocation, and that can be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// allot's own allocation file.
    Json,
    /// A table with a line for each module.
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

    /// Returns the word that the command line uses.
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

    /// Returns the format that a file's content looks like, or `None` when it looks like none.
    pub fn guess(content: &[u8]) -> Option<Self> {
        if content.starts_with(npy::MAGIC) {
            return Some(Self::AlphaPruning);
        }
        let text = std::str::from_utf8(content).ok()?.trim_start();
        let line =
            text.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
        match text.chars().next()? {
            '{' => Some(Self::Json),
            '[' => Some(Self::Dlp),
            _ if csv::is_header(line) => Some(Self::Csv),
            _ if evopress::is_level(line) => Some(Self::EvoPress),
            _ if text.contains("sparsity") && text.contains(':') => Some(Self::LlmCompressor),
            _ => None,
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
