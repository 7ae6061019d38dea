//! Candidates: a formula, what it allocates, and by what two of them are the same.

use sha2::{Digest, Sha256};

use crate::allocate::Allocation;
use crate::lang::canonical;
use crate::lang::print;
use crate::lang::program::Script;
use crate::model::hexadecimal;
use crate::prune::Share;

/// What identifies an allocation: the whole weights that each linear loses at every setting, and how they are chosen.
///
/// Candidates of one behaviour prune the same weights, so one measurement serves all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Behaviour(String);

impl Behaviour {
    /// Names the allocation of `shares`, `[settings][linears]`, under a `rule` of choosing weights.
    pub fn new(rule: &str, shares: &[Vec<Share>]) -> Self {
        let mut hash = Sha256::new();
        hash.update(rule.as_bytes());
        for setting in shares {
            hash.update([0]);
            for share in setting {
                hash.update(share.pruned.to_le_bytes());
                let (n, m) = share.group.unwrap_or_default();
                hash.update((n as u64).to_le_bytes());
                hash.update((m as u64).to_le_bytes());
            }
        }
        Self(hexadecimal(&hash.finalize()[..16]))
    }

    /// Returns the behaviour that the journal names.
    pub(super) const fn named(name: String) -> Self {
        Self(name)
    }

    /// Returns the name that the journal uses.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What a candidate allocates at every setting.
#[derive(Clone, Debug)]
pub struct Allotted {
    /// What each linear loses, `[settings][linears]`.
    pub shares: Vec<Vec<Share>>,
    /// What identifies it.
    pub behaviour: Behaviour,
}

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
