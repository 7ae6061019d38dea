//! Why a file is not a snapshot.

use std::fmt;

/// Says why a file cannot be read as a snapshot: the line where there is one, what is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file is something else.
    #[error("it does not begin with `allot snapshot` and the version of the form")]
    NotASnapshot,
    /// The file is a JSON document of another kind.
    #[error("it is a document `{found}`, and not a snapshot")]
    OtherDocument {
        /// What its field `schema` says.
        found: String,
    },
    /// Another version of allot wrote it, in a form that this one does not know.
    #[error("it has the form {found} of snapshots, and this version of allot reads the form {known}")]
    Version {
        /// The form's number, or what stands in its place.
        found: String,
        /// The number that this version knows.
        known: u32,
    },
    /// The JSON is not as the schema says.
    #[error("it is not as the schema of snapshots says: {problem}")]
    Json {
        /// What is wrong, with its place.
        problem: String,
    },
    /// A line is not as it must be.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: LineProblem,
    },
    /// A line is missing.
    #[error("the line `{key}:` is missing")]
    Missing {
        /// What it begins with.
        key: &'static str,
    },
    /// There are no ratios.
    #[error("it holds no ratios")]
    NoRatios,
    /// There are no ratios at a sparsity, or it is not one.
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

/// What is wrong with a line of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// The line begins with nothing that a snapshot has.
    UnknownKey {
        /// What it begins with.
        key: String,
    },
    /// The line stands there twice.
    Twice {
        /// What it begins with.
        key: &'static str,
    },
    /// The unit is not a kind of unit.
    Unit {
        /// What is there.
        word: String,
    },
    /// The line does not say how many windows there were.
    Windows,
    /// The line does not say a sparsity, and how many weights it is.
    Sparsity,
    /// The line does not say what a unit loses.
    Ratio,
    /// The ratio is not that of the counts beside it.
    OtherRatio {
        /// The ratio.
        said: String,
        /// That of the counts, with as many decimals.
        counted: String,
    },
    /// The counts above are not those of the units below.
    OtherTotal,
    /// The counts of rows stand below no unit, or are not numbers.
    Rows,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key } => write!(f, "a snapshot has no line `{key}`"),
            Self::Twice { key } => write!(f, "the line `{key}:` stands there twice"),
            Self::Unit { word } => write!(f, "`{word}` is not `block`, `projection` or `row`"),
            Self::Windows => f.write_str("expected such as `16 windows of 128 tokens, seed 0`"),
            Self::Sparsity => f.write_str("expected such as `sparsity 0.5: 512 of 1024 weights`"),
            Self::Ratio => f.write_str("expected such as `0.500000  512 of 1024  block 0`"),
            Self::OtherRatio { said, counted } => {
                write!(f, "the ratio is {said}, and the counts beside it give {counted}")
            }
            Self::OtherTotal => f.write_str("the units below do not add up to these counts"),
            Self::Rows => f.write_str("expected the counts of the rows of the unit above, in whole numbers"),
        }
    }
}
