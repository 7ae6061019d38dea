//! The order in which a method prunes the weights of every linear, stored where the weights are.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Storage, Tensor};

use super::band::Band;
use super::cancel::Cancel;
use super::error::TrialError;
use super::ranks::Ranks;
use crate::device::layers::{Bound, Ranked, around, without_least};
use crate::device::{Engine, Launcher, places, ranks};
use crate::lang::types::{Group, UnitKind};
use crate::model::{Checkpoint, Linear, ModelError};
use crate::prune::{Method, Rounding, Share, dense_scores, dense_scores_on_device, in_group, on_device};
use crate::stats::Statistics;

/// The pruning order of the weights of every linear.
#[derive(Debug)]
pub(super) struct Order {
    linears: Linears,
    /// The group within which a ratio applies.
    per: Group,
    /// Number of columns in a pattern's group.
    group: Option<usize>,
}

/// The orders of all linears, `[linears]`.
#[derive(Debug)]
enum Linears {
    /// On a CPU: ranks, from scores sorted once.
    OnProcessor(Vec<Ranks>),
    /// On a GPU.
    OnGpu(Arc<dyn Launcher>, Vec<OnGpu>),
}

/// The pruning order of one linear on a GPU.
#[derive(Debug)]
enum OnGpu {
    /// The ranks within rows or groups, two 16-bit ranks in each number.
    InRows(Tensor),
    /// The ranks within the whole matrix.
    InMatrix(Tensor),
    /// The scores, which are counted anew for each mask, because the rows are too wide to be sorted there.
    Scores(Tensor),
}

impl Order {
    /// Ranks all weights by a method's dense scores; with `group`, within each run of that many consecutive
    /// columns.
    ///
    /// `resident` holds the stored weights if they are on a GPU; if it is empty, the CPU computes the scores.
    ///
    /// # Errors
    /// When required statistics are missing, a score is not finite, the device has too little memory, or the
    /// work was interrupted.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        resident: &[Tensor],
        statistics: Option<&Statistics>,
        method: &Method,
        group: Option<usize>,
        cancel: &Cancel,
    ) -> Result<Self, TrialError> {
        let (per, all) = (method.per(), checkpoint.linears());
        let linears = match checkpoint.engine() {
            Engine::Gpu(gpu) if on_device::applies(&gpu.device()) => {
                let order = |scores| OnGpu::new(gpu.as_ref(), scores, per, group);
                let mut orders = Vec::with_capacity(all.len());
                for (linear, weight) in all.iter().zip(resident) {
                    cancel.check()?;
                    let Some(scores) = dense_scores_on_device(linear, weight, statistics, method)? else {
                        break;
                    };
                    orders.push(order(scores)?);
                }
                if orders.len() < all.len() {
                    orders.clear();
                    scored(checkpoint, statistics, method, cancel, |linear, scores| {
                        let scores = Tensor::from_vec(scores, (linear.rows, linear.columns), &gpu.device());
                        orders.push(order(scores.map_err(ModelError::at(&linear.module))?)?);
                        Ok(())
                    })?;
                }
                Linears::OnGpu(Arc::clone(gpu), orders)
            }
            Engine::Cpu | Engine::Gpu(_) => {
                let mut orders = Vec::with_capacity(all.len());
                scored(checkpoint, statistics, method, cancel, |linear, scores| {
                    orders.push(Ranks::new(&scores, linear.columns, per, group));
                    Ok(())
                })?;
                Linears::OnProcessor(orders)
            }
        };
        Ok(Self { linears, per, group })
    }

    /// Returns the ranks of a linear's weights; `place` is its index among the model's linears.
    ///
    /// # Errors
    /// When they cannot be fetched from the device.
    pub(super) fn ranks(&self, place: usize, linear: &Linear) -> Result<Cow<'_, Ranks>, TrialError> {
        let failed = ModelError::at(&linear.module);
        let orders = match &self.linears {
            Linears::OnProcessor(ranks) => return Ok(Cow::Borrowed(&ranks[place])),
            Linears::OnGpu(_, orders) => orders,
        };
        Ok(Cow::Owned(match &orders[place] {
            OnGpu::InRows(ranks) => {
                let pairs: Vec<u32> = ranks.to_vec1().map_err(failed)?;
                let places = pairs.into_iter().flat_map(|pair| [pair as u16, (pair >> 16) as u16]);
                let places = places.take(linear.rows * linear.columns).collect();
                Ranks::of_places(places, linear.columns, self.group)
            }
            OnGpu::InMatrix(places) => Ranks::of_matrix(places.to_vec1().map_err(failed)?, linear.columns),
            OnGpu::Scores(scores) => {
                let scores: Vec<f32> = scores.flatten_all().and_then(|it| it.to_vec1()).map_err(failed)?;
                Ranks::new(&scores, linear.columns, self.per, self.group)
            }
        }))
    }

    /// Returns a linear's weight, `[rows, columns]`, without the pruned share; `place` is its index among the
    /// model's linears.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(super) fn masked(
        &self,
        engine: &Engine,
        place: usize,
        linear: &Linear,
        weight: &Tensor,
        share: &Share,
    ) -> Result<Tensor, TrialError> {
        let (gpu, orders) = match &self.linears {
            Linears::OnProcessor(ranks) => {
                let shape = (linear.rows, linear.columns);
                let masked = with_numbers(weight, |weights| ranks[place].masked(weights, share));
                let masked = masked.and_then(|masked| Tensor::from_vec(masked, shape, weight.device()));
                return Ok(masked.map_err(ModelError::at(&linear.module))?);
            }
            Linears::OnGpu(gpu, orders) => (gpu.as_ref(), orders),
        };
        let counts = match (&share.rows, &orders[place]) {
            (None, _) | (Some(_), OnGpu::Scores(_)) => None,
            (Some(_), OnGpu::InRows(_)) if self.group.is_none() => Some(counts(linear, weight, share)?),
            (Some(_), _) => return self.masked_by_row(place, linear, weight, share),
        };
        let (ranks, bound) = match &orders[place] {
            OnGpu::InMatrix(ranks) => (ranks, Bound::OfAll { pruned: share.pruned }),
            OnGpu::InRows(ranks) => match &counts {
                Some(pruned) => (ranks, Bound::OfEach { pruned }),
                None => (ranks, self.bound(linear.columns, share)),
            },
            OnGpu::Scores(scores) => {
                let marks = on_device::marks(engine, scores, self.per, share, Rounding::Exact)?;
                return Ok(on_device::masked(engine, weight, &marks)?);
            }
        };
        Ok(without_least(gpu, weight, ranks, bound).map_err(ModelError::from)?)
    }

    /// Does the work of [`Order::masked`] on the CPU, because no kernel takes per-row counts with ranks of
    /// the whole matrix.
    fn masked_by_row(
        &self,
        place: usize,
        linear: &Linear,
        weight: &Tensor,
        share: &Share,
    ) -> Result<Tensor, TrialError> {
        let at = |error: candle_core::Error| ModelError::at(&linear.module)(error);
        let ranks = self.ranks(place, linear)?;
        let shape = (linear.rows, linear.columns);
        let weights: Vec<f32> = weight
            .to_dtype(DType::F32)
            .and_then(|it| it.flatten_all())
            .and_then(|it| it.to_vec1())
            .map_err(at)?;
        let masked = Tensor::from_vec(ranks.masked(&weights, share), shape, weight.device());
        Ok(masked.and_then(|it| it.to_dtype(weight.dtype())).map_err(at)?)
    }

    /// Returns the ranges of ranks around a linear's thresholds for [`Order::around`]: one per row, or a
    /// single one for the whole matrix. `None` if the CPU has to compute the sums.
    pub(super) fn ranges(&self, linear: &Linear, share: &Share, band: Band) -> Option<Vec<Range<u64>>> {
        let Linears::OnGpu(..) = &self.linears else { return None };
        match (self.group, self.per) {
            (Some(_), _) => None,
            (None, Group::Matrix) => {
                Some(vec![band.around(share.pruned, (linear.rows * linear.columns) as u64)])
            }
            (None, Group::Row) => {
                let of_row = |row| band.around(share.of_row(row, linear.rows), linear.columns as u64);
                Some((0..linear.rows).map(of_row).collect())
            }
        }
    }

    /// Returns minus the sums of gradients `[samples, rows, columns]` times the dense weight over the weights
    /// of each row whose rank lies in a range, f64 `[samples * rows]` on the device; `ranges` are as
    /// [`around`] takes them. `None` if the CPU has to compute the sums.
    ///
    /// # Errors
    /// When a kernel fails.
    pub(super) fn around(&self, place: usize, tensors: [&Tensor; 3]) -> Result<Option<Tensor>, TrialError> {
        let (gpu, ranked) = match &self.linears {
            Linears::OnGpu(gpu, orders) if self.group.is_none() => match &orders[place] {
                OnGpu::InRows(ranks) => (gpu, Ranked::InRows(ranks)),
                OnGpu::InMatrix(ranks) => (gpu, Ranked::InMatrix(ranks)),
                OnGpu::Scores(_) => return Ok(None),
            },
            Linears::OnGpu(..) | Linears::OnProcessor(_) => return Ok(None),
        };
        Ok(around(gpu.as_ref(), tensors, ranked).map_err(ModelError::from)?)
    }

    /// Returns the bound below which a share prunes ranks within rows or groups.
    fn bound(&self, columns: usize, share: &Share) -> Bound<'static> {
        match (self.group, share.group) {
            (Some(width), Some((n, m))) => {
                let of = |width| in_group(Rounding::Exact, n, m, width);
                Bound::OfGroups { width, count: of(width), last: of(columns % width.max(1)) }
            }
            _ => Bound::OfRows { pruned: share.pruned },
        }
    }
}

impl OnGpu {
    /// Ranks scores, f32 `[rows, columns]`, or keeps them if they cannot be ranked on the GPU.
    fn new(gpu: &dyn Launcher, scores: Tensor, per: Group, group: Option<usize>) -> Result<Self, ModelError> {
        let ranked = match (per, group) {
            (Group::Matrix, None) => places(gpu, &scores)?.map(Self::InMatrix),
            _ => ranks(gpu, &scores, group)?.map(Self::InRows),
        };
        Ok(ranked.unwrap_or(Self::Scores(scores)))
    }
}

/// Returns the number of weights that each row loses, u32 `[rows]`, on the weight's device.
fn counts(linear: &Linear, weight: &Tensor, share: &Share) -> Result<Tensor, ModelError> {
    let counts: Vec<u32> = (0..linear.rows).map(|row| share.of_row(row, linear.rows) as u32).collect();
    Tensor::new(counts, weight.device()).map_err(ModelError::at(&linear.module))
}

/// Calls `each` with every linear and its dense scores, computed on the CPU.
fn scored(
    checkpoint: &Checkpoint,
    statistics: Option<&Statistics>,
    method: &Method,
    cancel: &Cancel,
    mut each: impl FnMut(&Linear, Vec<f32>) -> Result<(), TrialError>,
) -> Result<(), TrialError> {
    // Scores do not depend on the target, because a metric cannot read it.
    dense_scores(checkpoint, statistics, method, UnitKind::default(), 0.5, |index, scores| {
        cancel.check()?;
        each(&checkpoint.linears()[index], scores)
    })
}

/// Calls `use_them` with a tensor's values, without copying them if they are contiguous in memory.
pub(super) fn with_numbers<T>(tensor: &Tensor, use_them: impl FnOnce(&[f32]) -> T) -> candle_core::Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
        return Ok(use_them(&cpu.as_slice::<f32>()?[start..end]));
    }
    drop(storage);
    Ok(use_them(&tensor.flatten_all()?.to_vec1()?))
}
