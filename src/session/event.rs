//! What a session tells while it works.

use std::fmt;
use std::sync::Arc;

use crate::allocate::script;
use crate::lang::ops::Op;
use crate::stats::Pass;

/// Takes what a session tells; it may be called from any thread.
pub type Watch = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// What a session tells.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// How far a piece of work is.
    Progress {
        /// The work.
        phase: Phase,
        /// The share that is done, from 0 to 1.
        share: f64,
        /// The value that is measured, as far as it is known.
        value: Option<f64>,
    },
    /// Something that the user should know.
    Note(&'a Note),
}

/// A piece of work that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Statistics of the linears' inputs are collected.
    Calibrating,
    /// Squared gradients are collected.
    Gradients,
    /// What pruning more of each linear costs is measured at uniformly pruned models.
    Marginals,
    /// Weights are pruned.
    Pruning,
    /// Perplexity is measured.
    Perplexity,
    /// The divergence from another model is measured.
    Divergence,
}

impl From<Pass> for Phase {
    fn from(pass: Pass) -> Self {
        match pass {
            Pass::Calibration => Self::Calibrating,
            Pass::Gradients => Self::Gradients,
        }
    }
}

impl Phase {
    /// Returns what a progress bar calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calibrating => "calibrating",
            Self::Gradients => "gradients",
            Self::Marginals => "marginals",
            Self::Pruning => "pruning",
            Self::Perplexity => "perplexity",
            Self::Divergence => "divergence",
        }
    }
}

/// Something that the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// About an allocation.
    Allocation(script::Note),
    /// A statistic beyond the linears' inputs is collected, because a script or a method uses it.
    Collecting(Op),
    /// The allocation file was made for other weights of the same shapes.
    OtherWeights,
    /// `tokenizer_config.json` says whether texts begin with a token of their own (this), and the tokenizer does otherwise.
    OtherBeginning(bool),
    /// An earlier version wrote the allocation file, which looked at a part of the weights only.
    UnknownWeights,
    /// The statistics were collected on another device, or in another precision.
    OtherPlace {
        /// Where they were collected.
        before: String,
        /// Where the model is now.
        now: String,
    },
}

impl Note {
    /// Returns whether the result may not be what the user expects.
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::Allocation(
                script::Note::Noise
                | script::Note::Uncertain
                | script::Note::Constant
                | script::Note::DeadRows { .. },
            )
            | Self::OtherWeights
            | Self::OtherBeginning(_)
            | Self::UnknownWeights
            | Self::OtherPlace { .. } => true,
            Self::Allocation(script::Note::UnitOverridden { .. }) | Self::Collecting(_) => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocation(note) => note.fmt(f),
            Self::Collecting(op) => {
                write!(f, "`{}` is used, so it is collected on the calibration text", op.name())
            }
            Self::OtherWeights => f.write_str("the allocation was made for other weights of the same shapes"),
            Self::OtherBeginning(said) => write!(
                f,
                "tokenizer_config.json says `add_bos_token`: {said}, and tokenizer.json's post-processor adds {}; it decides, as in transformers 5",
                if *said { "no such token" } else { "one" }
            ),
            Self::UnknownWeights => f.write_str(
                "an earlier version wrote the allocation, so it is not known whether it was made for these weights",
            ),
            Self::OtherPlace { before, now } => write!(
                f,
                "the statistics were collected on {before}, and the model is on {now}; collected here they would differ in the last digits, and by more in another precision"
            ),
        }
    }
}
