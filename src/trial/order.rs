//! In which order a method takes the weights of every linear away, kept where the weights lie.

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

/// In which order the weights of every linear go.
#[derive(Debug)]
pub(super) struct Order {
    linears: Linears,
    /// Over what a ratio is applied.
    per: Group,
    /// The columns of a pattern's group.
    group: Option<usize>,
}

/// The orders of all linears, `[linears]`.
#[derive(Debug)]
enum Linears {
    /// On a processor: the ranks, for which the scores were sorted once.
    OnProcessor(Vec<Ranks>),
    /// On a GPU.
    OnGpu(Arc<dyn Launcher>, Vec<OnGpu>),
}

/// In which order a linear's weights go, on a GPU.
#[derive(Debug)]
enum OnGpu {
    /// The ranks within rows or groups, two of 16 bits in each number.
    InRows(Tensor),
    /// The ranks within the whole matrix.
    InMatrix(Tensor),
    /// The scores, among which it counts each time: of rows too wide to be sorted there.
    Scores(Tensor),
}

impl Order {
    /// Ranks all weights by a method's dense scores; with `group`, within every so many consecutive columns.
    ///
    /// `resident` are the stored weights where they lie on a GPU; or none, and then the processor scores them.
    ///
    /// # Errors
    /// When the method needs statistics that there are not, a score is not finite, the device has no room, or something asked to
    /// stop.
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

    /// Returns the ranks of a linear's weights, by its place among the model's.
    ///
    /// # Errors
    /// When they cannot be fetched from their device.
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

    /// Returns a linear's weight, `[rows, columns]`, without the share that is pruned; `place` is its place among the model's.
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

    /// Does what [`Order::masked`] does by the processor: no kernel takes a row's part of the whole matrix's ranks.
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

    /// Returns the ranks around a linear's threshold that [`Order::around`] adds up: of each row, or a single range of the whole matrix.
    /// `None` where the processor has to do it.
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

    /// Returns minus the sums of gradients `[samples, rows, columns]` times the dense weight over the weights of each row whose rank lies
    /// in a range, f64 `[samples * rows]` on the device; `ranges` are as [`around`] takes them. `None` where the processor has to do it.
    ///
    /// # Errors
    /// When a kernel cannot be run.
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

    /// Returns which ranks within rows or groups a share prunes.
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
    /// Ranks scores, f32 `[rows, columns]`, or keeps them where they cannot be ranked there.
    fn new(gpu: &dyn Launcher, scores: Tensor, per: Group, group: Option<usize>) -> Result<Self, ModelError> {
        let ranked = match (per, group) {
            (Group::Matrix, None) => places(gpu, &scores)?.map(Self::InMatrix),
            _ => ranks(gpu, &scores, group)?.map(Self::InRows),
        };
        Ok(ranked.unwrap_or(Self::Scores(scores)))
    }
}

/// Returns how many weights each row loses, u32 `[rows]`, on the device of the weight.
fn counts(linear: &Linear, weight: &Tensor, share: &Share) -> Result<Tensor, ModelError> {
    let counts: Vec<u32> = (0..linear.rows).map(|row| share.of_row(row, linear.rows) as u32).collect();
    Tensor::new(counts, weight.device()).map_err(ModelError::at(&linear.module))
}

/// Calls `each` with every linear and its dense scores, which the processor computes.
fn scored(
    checkpoint: &Checkpoint,
    statistics: Option<&Statistics>,
    method: &Method,
    cancel: &Cancel,
    mut each: impl FnMut(&Linear, Vec<f32>) -> Result<(), TrialError>,
) -> Result<(), TrialError> {
    // Scores do not depend on the target: a metric cannot know it.
    dense_scores(checkpoint, statistics, method, UnitKind::default(), 0.5, |index, scores| {
        cancel.check()?;
        each(&checkpoint.linears()[index], scores)
    })
}

/// Calls `use_them` with a tensor's numbers, which are not copied where they lie in a row in memory.
fn with_numbers<T>(tensor: &Tensor, use_them: impl FnOnce(&[f32]) -> T) -> candle_core::Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
        return Ok(use_them(&cpu.as_slice::<f32>()?[start..end]));
    }
    drop(storage);
    Ok(use_them(&tensor.flatten_all()?.to_vec1()?))
}
