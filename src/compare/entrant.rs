//! What is compared: scripts and programs that decide how much each unit loses.

use crate::baselines::program::Baseline;
use crate::lang::ops::Op;
use crate::lang::program::{Metric, Script};
use crate::lang::types::UnitKind;

/// Something that decides the ratios.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// What tables call it.
    pub name: String,
    /// How it decides.
    pub decider: Decider,
}

/// How ratios are decided.
#[derive(Clone, Debug)]
pub enum Decider {
    /// By a script.
    Script(Box<Script>),
    /// By a program that measures on the fitness text.
    Baseline(Baseline),
}

impl Decider {
    /// Returns the script, where it is one.
    pub fn script(&self) -> Option<&Script> {
        match self {
            Self::Script(script) => Some(script),
            Self::Baseline(_) => None,
        }
    }
}

impl Entrant {
    /// Returns an entrant that is a script.
    pub fn script(name: impl Into<String>, script: Script) -> Self {
        Self { name: name.into(), decider: Decider::Script(Box::new(script)) }
    }

    /// Returns an entrant that is a program.
    pub fn program(program: Baseline) -> Self {
        Self { name: program.key().to_owned(), decider: Decider::Baseline(program) }
    }

    /// Returns the units that it is compared with: its own, or `asked`; a program has none to choose.
    pub fn units(&self, asked: &[UnitKind]) -> Vec<Option<UnitKind>> {
        match &self.decider {
            Decider::Script(_) if !asked.is_empty() => asked.iter().copied().map(Some).collect(),
            _ => vec![None],
        }
    }

    /// Returns whether it decides by a statistic that a calibration pass collects, `score` being `metric`.
    pub fn uses(&self, metric: &Metric, statistic: Op) -> bool {
        match &self.decider {
            Decider::Script(script) => script.allocates_by(statistic, metric),
            // Masks are made of scores while a program searches.
            Decider::Baseline(_) => metric.score.uses(statistic),
        }
    }
}
