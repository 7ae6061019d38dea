//! Errors of reading a snapshot.

use std::fmt;

/// The reason why a file cannot be read as a snapshot, with the line if known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file does not hold a snapshot.
    #[error("it does not start with `allot snapshot` and a format version")]
    NotASnapshot,
    /// The file is a JSON document of another kind.
    #[error("it is a document of kind `{found}`, not a snapshot")]
    OtherDocument {
        /// The value of its field `schema`.
        found: String,
    },
    /// Another version of allot wrote it, in an unknown format.
    #[error("it has the format version {found}, but this version of allot reads {known}")]
    Version {
        /// The format version, or the text in its place.
        found: String,
        /// The format version that this program reads.
        known: u32,
    },
    /// The JSON does not match the schema.
    #[error("it does not match the schema of snapshots: {problem}")]
    Json {
        /// The problem, with its place.
        problem: String,
    },
    /// A line is invalid.
    #[error("line {line}: {problem}")]
    Line {
        /// The line number, counted from 1.
        line: usize,
        /// The problem with it.
        problem: LineProblem,
    },
    /// A line is missing.
    #[error("the line `{key}:` is missing")]
    Missing {
        /// The key of the line.
        key: &'static str,
    },
    /// The snapshot has no ratios.
    #[error("it holds no ratios")]
    NoRatios,
    /// A sparsity has no ratios, or is not a valid sparsity.
    #[error("it holds no ratios at the sparsity {sparsity}")]
    NoRatiosAt {
        /// The sparsity.
        sparsity: f64,
    },
    /// The numbers of a unit contradict each other.
    #[error("at the sparsity {sparsity}, the numbers of {unit} contradict each other")]
    Contradiction {
        /// The sparsity.
        sparsity: f64,
        /// The unit.
        unit: String,
    },
}

/// The problem with a line of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// The line has an unknown key.
    UnknownKey {
        /// The key.
        key: String,
    },
    /// The line occurs twice.
    Twice {
        /// The key.
        key: &'static str,
    },
    /// The value is not an allocation unit.
    Unit {
        /// The value.
        word: String,
    },
    /// The line does not describe windows.
    Windows,
    /// The line does not contain a sparsity with its counts.
    Sparsity,
    /// The line does not contain a unit's ratio.
    Ratio,
    /// The ratio does not match the counts.
    OtherRatio {
        /// The ratio.
        said: String,
        /// The ratio given by the counts, with as many decimals.
        counted: String,
    },
    /// The counts above differ from the sums of the units below.
    OtherTotal,
    /// The counts of rows do not follow a unit, or are not numbers.
    Rows,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key } => write!(f, "a snapshot has no line `{key}`"),
            Self::Twice { key } => write!(f, "the line `{key}:` occurs twice"),
            Self::Unit { word } => write!(f, "`{word}` is not `block`, `projection` or `row`"),
            Self::Windows => f.write_str("expected a value such as `16 windows of 128 tokens, seed 0`"),
            Self::Sparsity => f.write_str("expected a line such as `sparsity 0.5: 512 of 1024 weights`"),
            Self::Ratio => f.write_str("expected a line such as `0.500000  512 of 1024  block 0`"),
            Self::OtherRatio { said, counted } => {
                write!(f, "the ratio is {said}, but the counts next to it give {counted}")
            }
            Self::OtherTotal => f.write_str("the units below do not add up to these counts"),
            Self::Rows => f.write_str("expected the counts of the rows of the unit above, in whole numbers"),
        }
    }
}
