//! What reductions gave, kept: formulas that share reductions read the weights for each of them once.
//!
//! A search evaluates ever new formulas over the same few reductions. Each result is kept under a hash of what it is made of,
//! so the importances, whether they are noise, and the errors are those without the cache, to the last bit and in any order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::evaluate::Context;
use super::finite;
use super::known::Known;
use super::plan::{Need, Plan, StepId, StepKind};
use super::reduce::Reduced;
use crate::lang::ops::{Elementwise, Terminal};
use crate::lang::types::{Type, UnitKind};

/// Names a reduction: SHA-256 of what it computes with the metric for the score, the allocation unit, and the target where it
/// stands in it.
pub type Key = [u8; 32];

/// What reductions gave in each unit, by name.
pub type Results = BTreeMap<Key, Arc<[Reduced]>>;

/// Keeps what reductions to type `Layer` gave on one model; several threads may use it at once.
///
/// It belongs to one model: the same weights and the same statistics in every call. Only what is finite, and made of what
/// is, is kept: everything else is computed again, and fails again. Ranks and values for channels are not kept.
/// A result takes 32 bytes for each unit.
#[derive(Debug, Default)]
pub struct Reductions {
    results: Mutex<Results>,
    asked: AtomicU64,
    found: AtomicU64,
}

/// How often a cache had what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// How many reductions were asked for; one that several expressions of a call share counts once.
    pub asked: u64,
    /// How many of them were there.
    pub found: u64,
}

impl Reductions {
    /// Returns an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many results there are.
    pub fn len(&self) -> usize {
        self.results().len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all results.
    pub fn entries(&self) -> Results {
        self.results().clone()
    }

    /// Returns how often the cache had what was asked of it.
    pub fn hits(&self) -> Hits {
        Hits { asked: self.asked.load(Ordering::Relaxed), found: self.found.load(Ordering::Relaxed) }
    }

    /// Returns the results of those of a plan's reductions that are known.
    pub(super) fn find(&self, plan: &Plan<'_>, context: Context<'_>, units: usize) -> Given {
        let keys = keys(plan, context);
        let results = self.results();
        let find = |(id, key): (StepId, Key)| {
            let found = results.get(&key).filter(|found| found.len() == units)?;
            Some((id, Arc::clone(found)))
        };
        keys.into_iter().filter_map(find).collect()
    }

    /// Keeps the results of a plan's reductions, those that are finite and made of what is.
    pub(super) fn keep(&self, plan: &Plan<'_>, context: Context<'_>, known: &Known) {
        let mut sound: Vec<bool> = Vec::with_capacity(plan.steps.len());
        for (id, step) in plan.steps.iter().enumerate() {
            // What is given was sound when it was kept.
            sound.push(match (step.need, &step.kind) {
                (Need::Given | Need::Unused, _) => true,
                (_, StepKind::Map(Elementwise::DsaSanitize, _)) => finite::is_finite(plan, known, id),
                _ => plan.uses(id).iter().all(|used| sound[*used]) && finite::is_finite(plan, known, id),
            });
        }
        let count = |need: Need| {
            let steps =
                plan.steps.iter().filter(|step| step.need == need && is_kept(&step.kind, step.of_type));
            steps.count() as u64
        };
        let found = count(Need::Given);
        self.asked.fetch_add(found + count(Need::Computed), Ordering::Relaxed);
        self.found.fetch_add(found, Ordering::Relaxed);
        let new: Vec<(Key, Arc<[Reduced]>)> = keys(plan, context)
            .into_iter()
            .filter(|(id, _)| plan.steps[*id].need == Need::Computed && sound[*id])
            .map(|(id, key)| (key, known.reduced(id).into()))
            .collect();
        self.results().extend(new);
    }

    /// Returns the results. One that panicked while it held the lock left them whole: they are only ever added to.
    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<(Key, Arc<[Reduced]>)> for Reductions {
    /// Returns a cache of results that were kept earlier: of the same model, by the same [`engine`].
    fn from_iter<T: IntoIterator<Item = (Key, Arc<[Reduced]>)>>(entries: T) -> Self {
        Self { results: Mutex::new(entries.into_iter().collect()), ..Self::default() }
    }
}

/// Returns what computes reductions here: two that say the same give the same bits.
pub fn engine() -> String {
    #[allow(unused_mut, reason = "features are asked for on one architecture only")]
    let mut engine = format!("allot {} {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    #[cfg(target_arch = "x86_64")]
    {
        // The kernels ask for the first three, faer's products for the last.
        let features = [
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("f16c", is_x86_feature_detected!("f16c")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
        ];
        for (feature, _) in features.into_iter().filter(|(_, there)| *there) {
            engine.push(' ');
            engine.push_str(feature);
        }
    }
    engine
}

/// Reductions of a plan whose results are at hand, in order.
pub(super) type Given = Vec<(StepId, Arc<[Reduced]>)>;

/// Returns whether a step's results are kept.
const fn is_kept(kind: &StepKind, of_type: Type) -> bool {
    matches!(kind, StepKind::Reduce(..) | StepKind::MatrixReduce(..)) && matches!(of_type, Type::Layer)
}

/// Returns the names of the plan's reductions that are kept, in order.
fn keys(plan: &Plan<'_>, context: Context<'_>) -> Vec<(StepId, Key)> {
    let unit: &[u8] = match context.unit {
        UnitKind::Block => b"block",
        UnitKind::Projection => b"projection",
    };
    let mut of_target: Vec<bool> = Vec::with_capacity(plan.steps.len());
    let mut keys = Vec::new();
    for (id, step) in plan.steps.iter().enumerate() {
        let own = step.kind == StepKind::Terminal(Terminal::Target);
        of_target.push(own || plan.uses(id).iter().any(|used| of_target[*used]));
        if is_kept(&step.kind, step.of_type) {
            let mut hash = Sha256::new_with_prefix(step.digest);
            hash.update(unit);
            if of_target[id] {
                hash.update(context.target.to_bits().to_le_bytes());
            }
            keys.push((id, hash.finalize().into()));
        }
    }
    keys
}
