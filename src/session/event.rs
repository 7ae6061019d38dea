//! Progress and notes of a session.

use std::fmt;
use std::sync::Arc;

use crate::allocate::script;
use crate::lang::ops::Op;
use crate::stats::Pass;

/// Callback for events; it may be called from any thread.
pub type Watch = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// An event of a session.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Progress of a phase.
    Progress {
        /// The phase.
        phase: Phase,
        /// The finished share, from 0 to 1.
        share: f64,
        /// The measured value so far, if there is one.
        value: Option<f64>,
    },
    /// A note for the user.
    Note(&'a Note),
}

/// A phase of long work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Collecting statistics of the linears' inputs.
    Calibrating,
    /// Collecting squared gradients.
    Gradients,
    /// Measuring marginals of uniformly pruned models, or the damage of units that are pruned alone.
    Measuring,
    /// Pruning weights.
    Pruning,
    /// Measuring perplexity.
    Perplexity,
    /// Measuring the divergence from another model.
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
    /// Returns its name in a progress bar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calibrating => "calibrating",
            Self::Gradients => "gradients",
            Self::Measuring => "measuring",
            Self::Pruning => "pruning",
            Self::Perplexity => "perplexity",
            Self::Divergence => "divergence",
        }
    }
}

/// A note for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A note about an allocation.
    Allocation(script::Note),
    /// A statistic beyond the linears' inputs is collected, because a script or a method uses it.
    Collecting(Op),
    /// The allocation file was made for other weights of the same shapes.
    OtherWeights,
    /// `tokenizer_config.json` says whether texts start with a special token (this value), and the tokenizer
    /// does the opposite.
    OtherBeginning(bool),
    /// The allocation file was written by an earlier version, which only checked some of the weights.
    UnknownWeights,
    /// The allocation file does not name the model that it was made for.
    UnnamedWeights,
    /// The statistics were collected on another device or in another precision.
    OtherPlace {
        /// Where they were collected.
        before: String,
        /// Where the model is now.
        now: String,
    },
}

impl Note {
    /// Returns whether the result may differ from what the user expects.
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
            | Self::UnnamedWeights
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
            Self::UnnamedWeights => f.write_str(
                "the allocation does not name its model, so it is not known whether it was made for these weights",
            ),
            Self::OtherPlace { before, now } => write!(
                f,
                "the statistics were collected on {before}, but the model is on {now}; collected here, they would differ in the last digits, or by more in another precision"
            ),
        }
    }
}
