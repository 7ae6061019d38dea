//! A model under trial: its dense statistics, ranks and predictions are computed once for all candidates.

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

/// A model that can be pruned and measured many times.
#[derive(Debug)]
pub struct Subject {
    checkpoint: Checkpoint,
    statistics: Option<Statistics>,
    /// The windows that the statistics were collected on, unless they were read from a file.
    calibration: Option<Tokens>,
    decoder: Decoder,
    /// The weights of all linears, if scripts can be evaluated on the decoder's own tensors; otherwise empty.
    resident: Vec<Tensor>,
    order: Order,
    reductions: Reductions,
    fitness: Reference,
    selection: Option<Reference>,
    report: Option<Reference>,
    /// The documents that replace the fitness and selection texts, and the flag that stops their evaluation.
    documents: Option<(Documents, Cancel)>,
}

impl Subject {
    /// Ranks a model's weights by a method's scores, and runs the dense model on the texts.
    ///
    /// # Errors
    /// When required statistics are missing, the texts do not fit the model, the device has too little
    /// memory, or the work was interrupted.
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

    /// Replaces the fitness and selection texts by documents.
    #[must_use]
    pub(super) fn asked(self, documents: Option<Documents>, cancel: Cancel) -> Self {
        Self { documents: documents.map(|it| (it, cancel)), ..self }
    }

    /// Returns whether documents replace a text.
    pub(super) fn reads_documents(&self, split: Split) -> bool {
        self.documents.as_ref().is_some_and(|(it, _)| it.of(split).is_some())
    }

    /// Returns the number of windows of a text, or of documents that replace it; 0 without either.
    pub fn windows(&self, split: Split) -> usize {
        match self.documents.as_ref().and_then(|(it, _)| it.of(split)) {
            Some(documents) => documents.len(),
            None => self.reference(split).map_or(0, Reference::windows),
        }
    }

    /// Returns the number of tokens in a window of a text, or the mean number in the documents that replace
    /// it.
    pub fn window_tokens(&self, split: Split) -> u64 {
        match self.documents.as_ref().and_then(|(it, _)| it.of(split)) {
            Some(documents) => {
                let tokens: usize = documents.iter().map(ScoredDocument::tokens).sum();
                tokens.div_ceil(documents.len().max(1)) as u64
            }
            None => self.reference(split).map_or(0, |it| it.tokens().length() as u64),
        }
    }

    /// Stores the windows that the statistics were collected on, for pruning block by block.
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

    /// Returns the data that scripts are evaluated on.
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

    /// Returns the backend that evaluates scripts on the model's data.
    pub fn backend(&self) -> Box<dyn Backend + '_> {
        self.checkpoint.engine().backend(&self.resident)
    }

    /// Returns the dense model's statistics, if any were collected.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// Returns the cache of reductions, shared by all formulas.
    pub fn reductions(&self) -> &Reductions {
        &self.reductions
    }

    /// Returns one of the texts, with the dense model's predictions.
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
    /// When there is no such block.
    pub fn block(&self, index: usize) -> Result<&Block, TrialError> {
        let blocks = self.decoder.blocks.len();
        self.decoder.blocks.get(index).ok_or(TrialError::NoBlock { block: index, blocks })
    }

    /// Returns the indices of a block's linears among the model's.
    pub fn linears_of(&self, block: usize) -> Range<usize> {
        let before =
            |end: usize| self.decoder.blocks.iter().take(end).map(|it| it.linears().len()).sum::<usize>();
        before(block)..before(block + 1)
    }

    /// Returns the ranks of a linear's weights; `place` is its index among the model's linears.
    ///
    /// # Errors
    /// When they cannot be fetched from the device.
    pub fn ranks(&self, place: usize) -> Result<Cow<'_, Ranks>, TrialError> {
        self.order.ranks(place, &self.checkpoint.linears()[place])
    }

    /// Returns the pruning order of every linear's weights.
    pub(super) const fn order(&self) -> &Order {
        &self.order
    }

    /// Returns a block with each linear pruned by its share, `[linears of the model]`.
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

    /// Returns the whole model with each linear pruned by its share.
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

    /// Returns the losses of some windows of a text with each linear pruned by its share, `[windows]`.
    ///
    /// Masks use the dense statistics. Returns an empty vector if the text is missing.
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

    /// Returns the losses of some windows of a text under an already pruned copy of the model, `[windows]`.
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

    /// Returns the losses of some windows of a text under already pruned blocks, `[windows]`.
    ///
    /// # Errors
    /// As [`Subject::losses`].
    pub(super) fn losses_of_blocks(
        &self,
        pruned: &[Block],
        split: Split,
        windows: Range<usize>,
    ) -> Result<Vec<WindowLoss>, TrialError> {
        let blocks = pruned.iter().map(|block| Ok(Cow::Borrowed(block)));
        self.losses_through(blocks, &self.decoder.head, split, windows)
    }

    /// Runs some windows of a text, one at a time, through blocks and a head.
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

/// Refuses a model if the GPU cannot hold it, the ranks of all its weights, and the memory for ranking the
/// largest linear.
fn fits(checkpoint: &Checkpoint, per: Group, group: Option<usize>) -> Result<(), TrialError> {
    let (Some((free, total)), Some(usable)) = (checkpoint.engine().memory(), checkpoint.free_memory()) else {
        return Ok(());
    };
    let sizes = || checkpoint.linears().iter().map(|it| (it.rows * it.columns) as u64);
    // Ranks within a whole matrix have 32 bits; sorting keeps two copies of keys and ranks beside the scores.
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

/// Returns the decoder's weights of all linears if they are on a GPU and equal the stored numbers exactly, so
/// that scripts can be evaluated on them; otherwise returns an empty vector.
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
