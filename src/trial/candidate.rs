//! Candidates: a formula, or free ratios, and what it allocates.

use super::behaviour::Allotted;
use crate::allocate::Allocation;
use crate::lang::canonical;
use crate::lang::print;
use crate::lang::program::Script;

/// Where an allocation comes from.
#[derive(Clone, Debug)]
pub enum Genome {
    /// A formula, in its canonical form.
    Formula(Script),
    /// A free ratio for each unit, which no formula gives.
    Free(Allocation),
}

impl Genome {
    /// Returns the number of operators and constants of a formula, or of free ratios.
    pub fn size(&self) -> usize {
        match self {
            Self::Formula(script) => script.allocation.as_ref().map_or(0, |it| it.size()),
            Self::Free(allocation) => allocation.units.len(),
        }
    }

    /// Returns the formula, where it is one.
    pub fn script(&self) -> Option<&Script> {
        match self {
            Self::Formula(script) => Some(script),
            Self::Free(_) => None,
        }
    }

    /// Returns a text that orders genomes of equal loss and size.
    pub fn text(&self) -> String {
        match self {
            Self::Formula(script) => print::script(script),
            Self::Free(allocation) => {
                let ratios: Vec<f64> = allocation.units.iter().map(|unit| unit.sparsity).collect();
                format!("{ratios:?}")
            }
        }
    }
}

/// A genome with what it allocates.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it comes from.
    pub genome: Genome,
    /// What it allocates.
    pub allotted: Allotted,
    /// The published script that it is, if it is one.
    pub published: Option<&'static str>,
}

/// Returns a script's canonical form and the hash that names it.
pub fn canonical_form(script: &Script) -> (Script, String) {
    let form = canonical::script(script);
    let hash = canonical::hash(&form);
    (form, hash)
}
