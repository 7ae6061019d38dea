//! Behaviours: the effect of an allocation on the weights, by which two allocations are equal.

use sha2::{Digest, Sha256};

use crate::model::hexadecimal;
use crate::prune::Share;

/// The identity of an allocation: the number of weights that each linear, and each row with its own ratio,
/// loses at every target, and how those weights are chosen.
///
/// Candidates with the same behaviour prune the same weights, so one measurement serves all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Behaviour(String);

impl Behaviour {
    /// Returns the behaviour of `shares`, `[targets][linears]`, under a `rule` for choosing weights.
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

    /// Returns the behaviour with a name from the journal.
    pub(super) const fn named(name: String) -> Self {
        Self(name)
    }

    /// Returns its name in the journal.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The allocation of a candidate at every target.
#[derive(Clone, Debug)]
pub struct Allotted {
    /// Shares that each linear loses, `[targets][linears]`.
    pub shares: Vec<Vec<Share>>,
    /// Its identity.
    pub behaviour: Behaviour,
}
