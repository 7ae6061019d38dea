//! What an allocation does to the weights, by which two of them are the same.

use sha2::{Digest, Sha256};

use crate::model::hexadecimal;
use crate::prune::Share;

/// What identifies an allocation: the whole weights that each linear, and each row with a ratio of its own, loses at every target, and
/// how they are chosen.
///
/// Candidates of one behaviour prune the same weights, so one measurement serves all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Behaviour(String);

impl Behaviour {
    /// Names the allocation of `shares`, `[targets][linears]`, under a `rule` of choosing weights.
    pub fn new(rule: &str, shares: &[Vec<Share>]) -> Self {
        let mut hash = Sha256::new();
        hash.update(rule.as_bytes());
        for of_target in shares {
            hash.update([0]);
            for share in of_target {
                hash.update(share.pruned.to_le_bytes());
                let (n, m) = share.group.unwrap_or_default();
                hash.update((n as u64).to_le_bytes());
                hash.update((m as u64).to_le_bytes());
                if let Some(rows) = &share.rows {
                    hash.update([1]);
                    rows.counts().iter().for_each(|count| hash.update(count.to_le_bytes()));
                }
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

/// What a candidate allocates at every target.
#[derive(Clone, Debug)]
pub struct Allotted {
    /// What each linear loses, `[targets][linears]`.
    pub shares: Vec<Vec<Share>>,
    /// What identifies it.
    pub behaviour: Behaviour,
}
