//! A model under trial: dense statistics, ranks and predictions, computed once for all candidates.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::Tensor;

use super::cancel::Cancel;
use super::documents::Documents;
use super::error::TrialError;
use super::order::Order;
use super::ranks::Ranks;
use super::text::{Split, Texts};
use crate::data::{LinearData, ModelData, Values};
use crate::device::{EngineError, Fits};
use crate::interpret::matrix::Backend;
use crate::lang::types::Group;
use crate::measure::{Reference, WindowLoss};
use crate::model::{Block, Checkpoint, Decoder, Head, ModelError, Precision, no_tap};
use crate::prune::{Method, Pattern, PruneError, Share, on_device};
use crate::results::Reductions;
use crate::stats::{Statistics, Tokens};
use crate::tasks::ScoredDocument;

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
    reductions: Reductions,
    fitness: Reference,
    selection: Option<Reference>,
    report: Option<Reference>,
    /// What stands in the place of the fitness and the selection text, and what stops it.
    documents: Option<(Documents, Cancel)>,
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
        let resident = resident(checkpoint, &decoder)?;
        let order = Order::new(checkpoint, &resident, statistics.as_ref(), method, group, cancel)?;
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
            reductions: Reductions::new(),
            documents: None,
        })
    }

    /// Puts documents in the place of the fitness and the selection text.
    #[must_use]
    pub(super) fn asked(self, documents: Option<Documents>, cancel: Cancel) -> Self {
        Self { documents: documents.map(|it| (it, cancel)), ..self }
    }

    /// Returns how many windows a text has, or how many documents stand in its place; 0 without either.
    pub fn windows(&self, split: Split) -> usize {
        match self.documents.as_ref().and_then(|(it, _)| it.of(split)) {
            Some(documents) => documents.len(),
            None => self.reference(split).map_or(0, Reference::windows),
        }
    }

    /// Returns how many tokens a window of a text has; where documents stand in its place, in the mean.
    pub fn window_tokens(&self, split: Split) -> u64 {
        match self.documents.as_ref().and_then(|(it, _)| it.of(split)) {
            Some(documents) => {
                let tokens: usize = documents.iter().map(ScoredDocument::tokens).sum();
                tokens.div_ceil(documents.len().max(1)) as u64
            }
            None => self.reference(split).map_or(0, |it| it.tokens().length() as u64),
        }
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

    /// Returns the dense model's head.
    pub const fn head(&self) -> &Head {
        &self.decoder.head
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
        self.order.ranks(place, &self.checkpoint.linears()[place])
    }

    /// Returns in which order the weights of every linear go.
    pub(super) const fn order(&self) -> &Order {
        &self.order
    }

    /// Returns a block whose linears have lost their shares, `[linears of the model]`.
    ///
    /// # Errors
    /// When a linear has no share, or a tensor operation fails.
    pub fn pruned_block(&self, index: usize, shares: &[Share]) -> Result<Block, TrialError> {
        let mut block = self.block(index)?.clone();
        for (linear, place) in block.linears_mut().iter_mut().zip(self.linears_of(index)) {
            let of = &linear.linear;
            let missing = || PruneError::NotAllocated { module: of.module.clone() };
            let share = shares.get(place).ok_or_else(missing)?;
            let masked = self.order.masked(self.checkpoint.engine(), place, of, linear.weight(), share)?;
            linear.set_weight(masked)?;
        }
        Ok(block)
    }

    /// Returns the whole model whose linears have lost their shares.
    ///
    /// # Errors
    /// As [`Subject::pruned_block`].
    pub fn pruned_decoder(&self, shares: &[Share]) -> Result<Decoder, TrialError> {
        let mut decoder = self.decoder.clone();
        for (index, block) in decoder.blocks.iter_mut().enumerate() {
            *block = self.pruned_block(index, shares)?;
        }
        Ok(decoder)
    }

    /// Returns the dense model.
    pub const fn decoder(&self) -> &Decoder {
        &self.decoder
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
        if let Some((documents, cancel)) = self.documents.as_ref().filter(|(it, _)| it.of(split).is_some()) {
            return documents.losses(&self.pruned_decoder(shares)?, split, windows, cancel);
        }
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
