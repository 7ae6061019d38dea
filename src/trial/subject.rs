//! A model under trial: dense statistics, ranks and predictions, computed once for all candidates.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::{Storage, Tensor};

use super::cancel::Cancel;
use super::error::TrialError;
use super::ranks::Ranks;
use super::text::{Split, Texts};
use crate::data::{LinearData, ModelData, Values};
use crate::device::{Bound, Engine, EngineError, Fits};
use crate::interpret::matrix::Backend;
use crate::lang::types::{Group, UnitKind};
use crate::measure::{Reference, WindowLoss};
use crate::model::{Block, Checkpoint, Decoder, Head, ModelError, Precision, no_tap};
use crate::prune::{
    Method, Pattern, PruneError, Rounding, Share, dense_scores, dense_scores_on_device, in_group, on_device,
};
use crate::results::Reductions;
use crate::stats::{Statistics, Tokens};

/// In which order the weights of every linear go, `[linears]`.
#[derive(Debug)]
enum Order {
    /// On a processor: the ranks, for which the scores were sorted once.
    Ranks(Vec<Ranks>),
    /// On a GPU.
    OnDevice(Vec<OnDevice>),
}

/// In which order a linear's weights go, on a GPU.
#[derive(Debug)]
enum OnDevice {
    /// The ranks within rows or groups, two of 16 bits in each number.
    Ranks(Tensor),
    /// The ranks within the whole matrix.
    Places(Tensor),
    /// The scores, among which it counts each time: of rows too wide to be sorted there.
    Scores(Tensor),
}

/// A model, ready to be pruned and measured many times.
#[derive(Debug)]
pub struct Subject {
    checkpoint: Checkpoint,
    statistics: Option<Statistics>,
    /// The windows that the statistics were collected on, where they were not read from a file.
    calibration: Option<Tokens>,
    decoder: Decoder,
    /// The weights of all linears where scripts can be evaluated on the decoder's; none elsewhere.
    resident: Vec<Tensor>,
    order: Order,
    group: Option<usize>,
    per: Group,
    reductions: Reductions,
    fitness: Reference,
    selection: Option<Reference>,
    report: Option<Reference>,
}

impl Subject {
    /// Ranks a model's weights by a method's scores, and runs the dense model on the texts.
    ///
    /// # Errors
    /// When the method needs statistics that there are not, the texts do not fit the model, the device has no room, or something
    /// asked to stop.
    pub fn new(
        checkpoint: &Checkpoint,
        statistics: Option<Statistics>,
        method: &Method,
        pattern: Pattern,
        texts: &Texts,
        cancel: &Cancel,
    ) -> Result<Self, TrialError> {
        let group = match pattern {
            Pattern::Unstructured => None,
            Pattern::Fixed { m, .. } | Pattern::Mixed { m } => Some(m),
        };
        fits(checkpoint, method.per(), group)?;
        let decoder = Decoder::load(checkpoint, &checkpoint.device())?;
        let linears = checkpoint.linears();
        let device = checkpoint.device();
        let resident = resident(checkpoint, &decoder)?;
        let mut ranks = Vec::with_capacity(linears.len());
        let mut kept = Vec::new();
        for (linear, weight) in linears.iter().zip(&resident) {
            cancel.check()?;
            let scores = dense_scores_on_device(linear, weight, statistics.as_ref(), method)?;
            let Some(scores) = scores else { break };
            kept.push(OnDevice::of(checkpoint.engine(), scores, method.per(), group)?);
        }
        if kept.len() < linears.len() {
            kept.clear();
            let unit = UnitKind::default();
            // Scores do not depend on the target: a metric cannot know it.
            dense_scores::<TrialError>(
                checkpoint,
                statistics.as_ref(),
                method,
                unit,
                0.5,
                |index, scores| {
                    cancel.check()?;
                    let linear = &linears[index];
                    if on_device::applies(&device) {
                        let scores = Tensor::from_vec(scores, (linear.rows, linear.columns), &device)
                            .map_err(ModelError::at(&linear.module))?;
                        kept.push(OnDevice::of(checkpoint.engine(), scores, method.per(), group)?);
                    } else {
                        ranks.push(Ranks::new(&scores, linear.columns, method.per(), group));
                    }
                    Ok(())
                },
            )?;
        }
        let order = if on_device::applies(&device) { Order::OnDevice(kept) } else { Order::Ranks(ranks) };
        let reference = |tokens: &Tokens| -> Result<Reference, TrialError> {
            cancel.check()?;
            Ok(Reference::new(&decoder, tokens)?)
        };
        Ok(Self {
            fitness: reference(&texts.fitness)?,
            selection: texts.selection.as_ref().map(reference).transpose()?,
            report: texts.report.as_ref().map(reference).transpose()?,
            checkpoint: checkpoint.clone(),
            statistics,
            calibration: None,
            decoder,
            resident,
            order,
            group,
            per: method.per(),
            reductions: Reductions::new(),
        })
    }

    /// Keeps the windows that the statistics were collected on, which pruning behind pruned blocks reads again.
    #[must_use]
    pub fn calibrated_on(self, tokens: Option<Tokens>) -> Self {
        Self { calibration: tokens, ..self }
    }

    /// Returns the windows that the statistics were collected on.
    pub const fn calibration(&self) -> Option<&Tokens> {
        self.calibration.as_ref()
    }

    /// Returns the model folder that was loaded.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns what scripts are evaluated on.
    ///
    /// # Errors
    /// As [`Checkpoint::data`].
    pub fn data(&self) -> Result<ModelData<'_>, ModelError> {
        let mut data = self.checkpoint.data()?;
        if let Some(statistics) = &self.statistics {
            statistics.attach(&mut data);
        }
        Ok(data)
    }

    /// Returns what evaluates scripts on the model's data.
    pub fn backend(&self) -> Box<dyn Backend + '_> {
        self.checkpoint.engine().backend(&self.resident)
    }

    /// Returns the dense model's statistics, where some were collected.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// Returns what reductions gave so far, which serves every formula.
    pub fn reductions(&self) -> &Reductions {
        &self.reductions
    }

    /// Returns one of the texts, as the dense model reads it.
    pub fn reference(&self, split: Split) -> Option<&Reference> {
        match split {
            Split::Fitness => Some(&self.fitness),
            Split::Selection => self.selection.as_ref(),
            Split::Report => self.report.as_ref(),
        }
    }

    /// Returns the dense model's blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.decoder.blocks
    }

    /// Returns a block of the dense model.
    ///
    /// # Errors
    /// When there is none.
    pub fn block(&self, index: usize) -> Result<&Block, TrialError> {
        let blocks = self.decoder.blocks.len();
        self.decoder.blocks.get(index).ok_or(TrialError::NoBlock { block: index, blocks })
    }

    /// Returns the places of a block's linears among the model's.
    pub fn linears_of(&self, block: usize) -> Range<usize> {
        let before =
            |end: usize| self.decoder.blocks.iter().take(end).map(|it| it.linears().len()).sum::<usize>();
        before(block)..before(block + 1)
    }

    /// Returns the ranks of a linear's weights, by its place among the model's.
    ///
    /// # Errors
    /// When scores cannot be fetched from their device.
    pub fn ranks(&self, place: usize) -> Result<Cow<'_, Ranks>, TrialError> {
        match &self.order {
            Order::Ranks(ranks) => Ok(Cow::Borrowed(&ranks[place])),
            Order::OnDevice(all) => match &all[place] {
                OnDevice::Ranks(ranks) => {
                    let linear = &self.checkpoint.linears()[place];
                    let pairs: Vec<u32> = ranks.to_vec1().map_err(ModelError::at(&linear.module))?;
                    let places = pairs.into_iter().flat_map(|pair| [pair as u16, (pair >> 16) as u16]);
                    let places = places.take(linear.rows * linear.columns).collect();
                    Ok(Cow::Owned(Ranks::of_places(places, linear.columns, self.group)))
                }
                OnDevice::Places(places) => {
                    let linear = &self.checkpoint.linears()[place];
                    let places = places.to_vec1().map_err(ModelError::at(&linear.module))?;
                    Ok(Cow::Owned(Ranks::of_matrix(places, linear.columns)))
                }
                OnDevice::Scores(scores) => {
                    let columns = scores.dim(1).map_err(ModelError::from)?;
                    let scores: Vec<f32> =
                        scores.flatten_all().and_then(|it| it.to_vec1()).map_err(ModelError::from)?;
                    Ok(Cow::Owned(Ranks::new(&scores, columns, self.per, self.group)))
                }
            },
        }
    }

    /// Returns a block whose linears have lost their shares, `[linears of the model]`.
    ///
    /// # Errors
    /// When a linear has no share, or a tensor operation fails.
    pub fn pruned_block(&self, index: usize, shares: &[Share]) -> Result<Block, TrialError> {
        let mut block = self.block(index)?.clone();
        for (linear, place) in block.linears_mut().iter_mut().zip(self.linears_of(index)) {
            let module = linear.linear.module.clone();
            let share =
                shares.get(place).ok_or_else(|| PruneError::NotAllocated { module: module.clone() })?;
            let shape = (linear.linear.rows, linear.linear.columns);
            let masked = match &self.order {
                Order::Ranks(ranks) => {
                    with_numbers(linear.weight(), |weights| ranks[place].masked(weights, *share))
                        .and_then(|masked| Tensor::from_vec(masked, shape, self.decoder.device()))
                        .map_err(ModelError::at(&module))?
                }
                Order::OnDevice(all) => {
                    let engine = self.checkpoint.engine();
                    all[place].masked(engine, linear.weight(), self.per, self.group, *share)?
                }
            };
            linear.set_weight(masked)?;
        }
        Ok(block)
    }

    /// Returns the losses of some windows of a text when each linear loses its share of weights, `[windows]`.
    ///
    /// The masks are those of the dense statistics. A text that there is not gives nothing.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn losses(
        &self,
        split: Split,
        shares: &[Share],
        windows: Range<usize>,
    ) -> Result<Vec<WindowLoss>, TrialError> {
        let blocks =
            (0..self.decoder.blocks.len()).map(|index| self.pruned_block(index, shares).map(Cow::Owned));
        self.losses_through(blocks, &self.decoder.head, split, windows)
    }

    /// Returns the losses of some windows of a text under a copy of the model that was pruned elsewhere, `[windows]`.
    ///
    /// # Errors
    /// As [`Subject::losses`].
    pub fn losses_of(
        &self,
        pruned: &Decoder,
        split: Split,
        windows: Range<usize>,
    ) -> Result<Vec<WindowLoss>, TrialError> {
        let blocks = pruned.blocks.iter().map(|block| Ok(Cow::Borrowed(block)));
        self.losses_through(blocks, &pruned.head, split, windows)
    }

    /// Runs some windows of a text through blocks, one at a time, and a head.
    fn losses_through<'a>(
        &self,
        blocks: impl Iterator<Item = Result<Cow<'a, Block>, TrialError>>,
        head: &Head,
        split: Split,
        windows: Range<usize>,
    ) -> Result<Vec<WindowLoss>, TrialError> {
        let Some(reference) = self.reference(split) else {
            return Ok(Vec::new());
        };
        let mut hidden = reference.embedded(windows.clone())?;
        for block in blocks {
            let block = block?;
            for batch in &mut hidden {
                *batch = block.forward(batch, reference.angles(), &mut no_tap())?;
            }
        }
        Ok(reference.losses(head, windows, &hidden)?)
    }
}

impl OnDevice {
    /// Ranks scores, f32 `[rows, columns]`, or keeps them where they cannot be ranked on the device.
    fn of(engine: &Engine, scores: Tensor, per: Group, group: Option<usize>) -> Result<Self, ModelError> {
        if per == Group::Matrix && group.is_none() {
            let places = engine.places(&scores)?;
            return Ok(places.map_or(Self::Scores(scores), Self::Places));
        }
        Ok(match engine.ranks(&scores, group)? {
            Some(ranks) => Self::Ranks(ranks),
            None => Self::Scores(scores),
        })
    }

    /// Returns a weight without the share that is pruned.
    fn masked(
        &self,
        engine: &Engine,
        weight: &Tensor,
        per: Group,
        group: Option<usize>,
        share: Share,
    ) -> Result<Tensor, TrialError> {
        let by_rank = |ranks: &Tensor, bound: Bound| {
            let masked = engine.without_least(weight, ranks, bound).map_err(ModelError::from)?;
            masked.ok_or_else(|| TrialError::Model(ModelError::Precision))
        };
        match self {
            Self::Places(places) => by_rank(places, Bound::OfAll { pruned: share.pruned }),
            Self::Ranks(ranks) => {
                let bound = match (group, share.group) {
                    (Some(width), Some((n, m))) => {
                        let of = |width| in_group(Rounding::Exact, n, m, width);
                        let columns = weight.dim(1).map_err(ModelError::from)?;
                        Bound::OfGroups { width, count: of(width), last: of(columns % width.max(1)) }
                    }
                    _ => Bound::OfRows { pruned: share.pruned },
                };
                by_rank(ranks, bound)
            }
            Self::Scores(scores) => {
                let marks = on_device::marks(engine, scores, per, share, Rounding::Exact)?;
                Ok(on_device::masked(engine, weight, &marks)?)
            }
        }
    }
}

/// Refuses a model that a GPU has no room for beside the ranks of all its weights, and what ranking the largest linear takes.
fn fits(checkpoint: &Checkpoint, per: Group, group: Option<usize>) -> Result<(), TrialError> {
    let (Some((free, total)), Some(usable)) = (checkpoint.engine().memory(), checkpoint.free_memory()) else {
        return Ok(());
    };
    let sizes = || checkpoint.linears().iter().map(|it| (it.rows * it.columns) as u64);
    // Ranks within a whole matrix have 32 bits; keys and places are sorted from one copy into another beside the scores.
    let (rank, sorting) = if per == Group::Matrix && group.is_none() { (4, 20) } else { (2, 4) };
    let needed =
        checkpoint.resident_bytes() + rank * sizes().sum::<u64>() + sorting * sizes().max().unwrap_or(0);
    if needed <= usable {
        return Ok(());
    }
    Err(TrialError::Model(ModelError::Engine(EngineError::OutOfMemory {
        what: "the model and the ranks of its weights, which a search keeps there".to_owned(),
        needed,
        free,
        total,
        fits: Fits::Model(usable / (checkpoint.precision().dtype().size_in_bytes() as u64 + rank)),
    })))
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

/// Returns the decoder's weights of all linears where they lie on a GPU and are the very numbers that are stored, so that
/// scripts can be evaluated on them; none elsewhere.
fn resident(checkpoint: &Checkpoint, decoder: &Decoder) -> Result<Vec<Tensor>, ModelError> {
    let exact = |linear: &LinearData<'_>| match linear.weight {
        Values::F32(_) | Values::F16(_) => checkpoint.precision() == Precision::F32,
        Values::Bf16(_) => true,
    };
    if !on_device::applies(decoder.device()) || !checkpoint.data()?.linears.iter().all(exact) {
        return Ok(Vec::new());
    }
    let linears = decoder.blocks.iter().flat_map(|block| block.linears());
    Ok(linears.map(|linear| linear.weight().clone()).collect())
}
