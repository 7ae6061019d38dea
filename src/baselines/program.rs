//! The programs, by name.

use crate::lang::types::{Group, UnitKind};

/// A program that allocates without a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// Depth ramps with many slopes: ATP with its best slope.
    Ramp,
    /// The depth ramp that changes activations the least: NeuroAL's block step.
    Neuroal,
    /// The same, and within each projection, more for rows whose outputs pruning weakens: NeuroAL's both steps.
    NeuroalRow,
    /// Allocation among each block's projections by gradients: BESA.
    Besa,
    /// Allocation among each block's rows by gradients: BESA with blocks of one row.
    BesaRow,
    /// Rows whose outputs survive pruning well lose more, within uniform projections: TRIM.
    Trim,
    /// One free level per block, as in EvoPress.
    EvopressBlock,
    /// One free level per projection, as in EvoPress.
    EvopressProjection,
    /// Ratios that even out the marginal damage of blocks, by gradients.
    DescentBlock,
    /// Ratios that even out the marginal damage of projections, by gradients.
    Descent,
    /// Ratios that even out the marginal damage of output channels, by gradients.
    DescentRow,
}

impl Baseline {
    /// Every program, in the order of tables.
    pub const ALL: [Self; 11] = [
        Self::Ramp,
        Self::Neuroal,
        Self::NeuroalRow,
        Self::Besa,
        Self::BesaRow,
        Self::Trim,
        Self::EvopressBlock,
        Self::EvopressProjection,
        Self::DescentBlock,
        Self::Descent,
        Self::DescentRow,
    ];

    /// Returns its key in commands and files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Neuroal => "neuroal",
            Self::NeuroalRow => "neuroal-row",
            Self::Besa => "besa",
            Self::BesaRow => "besa-row",
            Self::Trim => "trim",
            Self::EvopressBlock => "evopress-block",
            Self::EvopressProjection => "evopress-projection",
            Self::DescentBlock => "descent-block",
            Self::Descent => "descent",
            Self::DescentRow => "descent-row",
        }
    }

    /// Returns its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ramp => "depth ramp, best slope",
            Self::Neuroal => "NeuroAL, block step",
            Self::NeuroalRow => "NeuroAL, block and row steps",
            Self::Besa => "BESA",
            Self::BesaRow => "BESA, per row",
            Self::Trim => "TRIM, rows of uniform projections",
            Self::EvopressBlock => "EvoPress-style, per block",
            Self::EvopressProjection => "EvoPress-style, per projection",
            Self::DescentBlock => "descent, per block",
            Self::Descent => "descent, per projection",
            Self::DescentRow => "descent, per row",
        }
    }

    /// Returns whether it reads a text other than through candidates' losses: by gradients, norms or outputs.
    pub const fn reads_the_text(self) -> bool {
        match self {
            Self::Ramp | Self::EvopressBlock | Self::EvopressProjection => false,
            Self::Neuroal
            | Self::NeuroalRow
            | Self::Besa
            | Self::BesaRow
            | Self::Trim
            | Self::DescentBlock
            | Self::Descent
            | Self::DescentRow => true,
        }
    }

    /// Returns whether its result belongs to one model at one sparsity, so that it runs at each of several
    /// targets separately.
    pub const fn is_of_one_target(self) -> bool {
        !matches!(self, Self::Ramp)
    }

    /// Returns whether it moves thresholds by single weights, which a pattern does not allow, and needs
    /// weights on both sides of them.
    pub const fn moves_thresholds(self) -> bool {
        match self {
            Self::Ramp
            | Self::Neuroal
            | Self::NeuroalRow
            | Self::EvopressBlock
            | Self::EvopressProjection => false,
            Self::Besa
            | Self::BesaRow
            | Self::Trim
            | Self::DescentBlock
            | Self::Descent
            | Self::DescentRow => true,
        }
    }

    /// Returns whether it can run where weights are compared within a group: ratios of rows need thresholds of
    /// rows.
    pub fn runs_within(self, group: Group) -> bool {
        self.unit() != UnitKind::Row || group == Group::Row
    }

    /// Returns whether its course depends on the seed.
    pub const fn has_chance(self) -> bool {
        match self {
            Self::Ramp
            | Self::Neuroal
            | Self::NeuroalRow
            | Self::Besa
            | Self::BesaRow
            | Self::Trim
            | Self::DescentBlock
            | Self::Descent
            | Self::DescentRow => false,
            Self::EvopressBlock | Self::EvopressProjection => true,
        }
    }

    /// Returns its allocation unit.
    pub const fn unit(self) -> UnitKind {
        match self {
            Self::Ramp | Self::Neuroal | Self::EvopressBlock | Self::DescentBlock => UnitKind::Block,
            Self::Besa | Self::EvopressProjection | Self::Descent => UnitKind::Projection,
            Self::NeuroalRow | Self::BesaRow | Self::Trim | Self::DescentRow => UnitKind::Row,
        }
    }
}
