//! Candidates: a formula or free ratios, with the resulting allocation.

use super::behaviour::Allotted;
use crate::allocate::Allocation;
use crate::lang::canonical;
use crate::lang::print;
use crate::lang::program::Script;

/// The origin of an allocation.
#[derive(Clone, Debug)]
pub enum Genome {
    /// A formula, in its canonical form.
    Formula(Script),
    /// A free ratio per unit, not produced by a formula.
    Free(Allocation),
    /// A genome of its own for every target, from a program whose result belongs to one target.
    Each(Vec<Self>),
}

impl Genome {
    /// Returns the number of operators and constants of a formula, or the number of free ratios; over all
    /// targets if each has a genome of its own.
    pub fn size(&self) -> usize {
        match self {
            Self::Formula(script) => script.allocation.as_ref().map_or(0, |it| it.size()),
            Self::Free(allocation) => allocation.ratio_count(),
            Self::Each(genomes) => genomes.iter().map(Self::size).sum(),
        }
    }

    /// Returns the formula, if the genome is one for all targets.
    pub fn script(&self) -> Option<&Script> {
        match self {
            Self::Formula(script) => Some(script),
            Self::Free(_) | Self::Each(_) => None,
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
            Self::Each(genomes) => genomes.iter().map(Self::text).collect::<Vec<_>>().join("; "),
        }
    }
}

/// A genome with its allocation.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The origin of the allocation.
    pub genome: Genome,
    /// The allocation at every target.
    pub allotted: Allotted,
    /// Name of the published script, if the candidate is one.
    pub published: Option<&'static str>,
}

/// Returns a script's canonical form and the hash that identifies it.
pub fn canonical_form(script: &Script) -> (Script, String) {
    let form = canonical::script(script);
    let hash = canonical::hash(&form);
    (form, hash)
}
