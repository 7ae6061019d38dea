//! The programs, by name.

use crate::lang::types::UnitKind;

/// A program that allocates without a formula of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// Depth ramps of all slopes: ATP with its best one.
    Ramp,
    /// The depth ramp that disturbs activations least: NeuroAL's block step.
    Neuroal,
    /// Sparsity shared out among each block's projections by gradients: BESA.
    Besa,
    /// One free level for each block, as in EvoPress.
    EvopressBlock,
    /// One free level for each projection, as in EvoPress.
    EvopressProjection,
}

impl Baseline {
    /// Every program, in the order of tables.
    pub const ALL: [Self; 5] =
        [Self::Ramp, Self::Neuroal, Self::Besa, Self::EvopressBlock, Self::EvopressProjection];

    /// Returns what commands and files call it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Neuroal => "neuroal",
            Self::Besa => "besa",
            Self::EvopressBlock => "evopress-block",
            Self::EvopressProjection => "evopress-projection",
        }
    }

    /// Returns what tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ramp => "depth ramp, best slope",
            Self::Neuroal => "NeuroAL, block step",
            Self::Besa => "BESA",
            Self::EvopressBlock => "EvoPress-style, per block",
            Self::EvopressProjection => "EvoPress-style, per projection",
        }
    }

    /// Returns whether its course depends on a seed.
    pub const fn has_chance(self) -> bool {
        match self {
            Self::Ramp | Self::Neuroal | Self::Besa => false,
            Self::EvopressBlock | Self::EvopressProjection => true,
        }
    }

    /// Returns what gets one ratio.
    pub const fn unit(self) -> UnitKind {
        match self {
            Self::Ramp | Self::Neuroal | Self::EvopressBlock => UnitKind::Block,
            Self::Besa | Self::EvopressProjection => UnitKind::Projection,
        }
    }
}
