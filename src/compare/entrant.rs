//! The entrants of a comparison: scripts and programs that choose the ratios.

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
}

impl Decider {
    /// Returns the script, if the entrant is one.
    pub fn script(&self) -> Option<&Script> {
        match self {
            Self::Script(script) => Some(script),
            Self::Baseline(_) => None,
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
        }
    }
}
