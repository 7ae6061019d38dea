//! What reductions gave, kept by name: a search evaluates ever new formulas over the same few reductions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernels::reduction::Reduced;

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

    /// Counts what was asked of the cache.
    pub(crate) fn count(&self, asked: u64, found: u64) {
        self.asked.fetch_add(asked, Ordering::Relaxed);
        self.found.fetch_add(found, Ordering::Relaxed);
    }

    /// Returns the results. One that panicked while it held the lock left them whole: they are only ever added to.
    pub(crate) fn results(&self) -> MutexGuard<'_, Results> {
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
