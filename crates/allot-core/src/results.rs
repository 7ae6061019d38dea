//! A cache of the results of reductions, because a search evaluates many formulas over the same few reductions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernels::reduction::Reduced;

/// Names a reduction: SHA-256 of its computation (with the metric in place of the score), the allocation unit, and the target if it
/// is used.
pub type Key = [u8; 32];

/// The results of reductions in each unit, by name.
pub type Results = BTreeMap<Key, Arc<[Reduced]>>;

/// Keeps the results of reductions to type `Layer` on one model; several threads may use it at once.
///
/// Every call must have the same weights and statistics. Only finite results of finite operands are kept: everything else is computed
/// again, and fails again. Ranks and values for channels are not kept. A result takes 32 bytes for each unit.
#[derive(Debug, Default)]
pub struct Reductions {
    results: Mutex<Results>,
    asked: AtomicU64,
    found: AtomicU64,
}

/// How often a cache had the requested results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// How many reductions were requested; one that several expressions of a call share counts once.
    pub asked: u64,
    /// How many of them the cache had.
    pub found: u64,
}

impl Reductions {
    /// Returns an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of results.
    pub fn len(&self) -> usize {
        self.results().len()
    }

    /// Returns whether there are no results.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all results.
    pub fn entries(&self) -> Results {
        self.results().clone()
    }

    /// Returns how often the cache had the requested results.
    pub fn hits(&self) -> Hits {
        Hits { asked: self.asked.load(Ordering::Relaxed), found: self.found.load(Ordering::Relaxed) }
    }

    /// Counts requests and hits.
    pub(crate) fn count(&self, asked: u64, found: u64) {
        self.asked.fetch_add(asked, Ordering::Relaxed);
        self.found.fetch_add(found, Ordering::Relaxed);
    }

    /// Returns the results. A panic while the lock was held leaves them whole, because results are only ever added.
    pub(crate) fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<(Key, Arc<[Reduced]>)> for Reductions {
    /// Returns a cache of results that were kept earlier, which must be of the same model and the same [`engine`].
    fn from_iter<T: IntoIterator<Item = (Key, Arc<[Reduced]>)>>(entries: T) -> Self {
        Self { results: Mutex::new(entries.into_iter().collect()), ..Self::default() }
    }
}

/// Returns a description of the program and the processor that compute reductions: if two are equal, results are equal bit for bit.
pub fn engine() -> String {
    #[allow(unused_mut, reason = "features are detected on one architecture only")]
    let mut engine = format!("allot {} {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    #[cfg(target_arch = "x86_64")]
    {
        // The kernels use the first three, and faer's products the last.
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
