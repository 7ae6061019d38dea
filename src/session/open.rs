//! A model with its statistics, and allocations on it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::calibration::Calibration;
use super::error::SessionError;
use super::event::{Event, Note, Phase, Watch};
use super::method::metric_of;
use super::needs::Needs;
use super::script::LoadedScript;
use crate::allocate::script::{Outcome, Request, ScriptError, allocate};
use crate::allocate::{Allocation, Bounds};
use crate::exchange::AllocationFile;
use crate::interpret::marginal::metric_name;
use crate::lang::ops::Op;
use crate::lang::program::{Metric, Script};
use crate::lang::types::UnitKind;
use crate::measure::{Divergence, Perplexity, divergence_of, perplexity, perplexity_of};
use crate::model::{Checkpoint, Decoder, FINGERPRINT, ModelError, SpecialTokens, Tokenizer};
use crate::prune::{Method, Pattern, shares};
use crate::results::Reductions;
use crate::stats::{
    CalibrationOptions, Collection, Pass, Reconstruction, Source, Statistics, Tokens, collect, window_length,
};
use crate::trial::cancel::Cancel;
use crate::trial::uniform_marginals::{WantedMarginals, add_uniform_marginals};

/// A model, its statistics, and what is done with both.
pub struct Session {
    checkpoint: Checkpoint,
    calibration: Option<Calibration>,
    /// The windows of the calibration, once they are drawn.
    tokens: Option<Tokens>,
    statistics: Option<Statistics>,
    /// What the statistics were collected for; `None` where they come from a file, which is taken as it is.
    collected: Option<Needs>,
    watch: Option<Watch>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("model", &self.checkpoint.folder())
            .field("calibration", &self.calibration)
            .field("collected", &self.collected)
            .finish_non_exhaustive()
    }
}

/// What an allocation is asked to be.
#[derive(Clone, Debug)]
pub struct AllocationOptions<'a> {
    /// The share of all weights in the blocks' linears that is to be pruned, from 0 to 1.
    pub sparsity: f64,
    /// The method whose scores `score` stands for in a script without a metric of its own.
    pub method: &'a Method,
    /// The allocation unit, instead of the script's own.
    pub unit: Option<UnitKind>,
    /// Between which sparsities each unit must stay.
    pub bounds: Bounds,
}

impl AllocationOptions<'_> {
    /// Returns the options of a sparsity, with all else as the script says, and Wanda's scores where it does not.
    pub fn at(sparsity: f64) -> Self {
        Self { sparsity, method: &Method::Wanda, unit: None, bounds: Bounds::default() }
    }
}

impl Session {
    /// Opens a model's folder, as Hugging Face lays it out, on the processor.
    ///
    /// # Errors
    /// When there is no such model, or it is not as it must be.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, SessionError> {
        Ok(Self::of(Checkpoint::open(folder.as_ref())?))
    }

    /// Takes an open model, on whatever device it is.
    pub fn of(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, calibration: None, tokens: None, statistics: None, collected: None, watch: None }
    }

    /// Refuses weights that are not finite, whose results would mean nothing.
    pub(super) fn check_finite(&self) -> Result<(), SessionError> {
        Ok(self.checkpoint.check_finite()?)
    }

    /// Collects statistics on these windows, as soon as something needs them; what was collected on others is dropped. Statistics
    /// from a file go before.
    #[must_use]
    pub fn calibrated(mut self, calibration: Calibration) -> Self {
        self.calibration = Some(calibration);
        self.tokens = None;
        if self.collected.take().is_some() {
            self.statistics = None;
        }
        self
    }

    /// Takes statistics from a file that [`Statistics::save`] wrote.
    ///
    /// # Errors
    /// When the file is corrupt, or another model's.
    pub fn with_statistics(self, file: impl AsRef<Path>) -> Result<Self, SessionError> {
        let statistics = Statistics::load(file.as_ref(), &self.checkpoint)?;
        Ok(self.take(statistics))
    }

    /// Tells progress and notes to `watch`.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.watch = Some(Arc::new(watch));
        self
    }

    /// Returns the model.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the windows of the calibration text, where there is one.
    ///
    /// # Errors
    /// As [`Calibration::draw`].
    pub fn calibration_windows(&mut self) -> Result<Option<&Tokens>, SessionError> {
        if let (None, Some(calibration)) = (&self.tokens, &self.calibration) {
            let tokens = calibration.draw(&self.checkpoint)?;
            self.note_beginning(&tokens);
            self.tokens = Some(tokens);
        }
        Ok(self.tokens.as_ref())
    }

    /// Returns the model's statistics: those of the file, else what is needed and maybe more, collected on the calibration text.
    /// `None` where nothing is needed, or there is neither a file nor a text.
    ///
    /// # Errors
    /// When the windows do not fit the model, or the memory does not suffice.
    pub fn statistics(&mut self, needs: &Needs) -> Result<Option<&Statistics>, SessionError> {
        self.collect(needs)?;
        Ok(self.statistics.as_ref())
    }

    /// Collects what is needed and not at hand, but for marginals, which are of a sparsity.
    fn collect(&mut self, needs: &Needs) -> Result<(), SessionError> {
        let needs = &needs.clone().beyond_marginals();
        let from_file = self.statistics.is_some() && self.collected.is_none();
        let at_hand = self.collected.as_ref().is_some_and(|collected| collected.cover(needs));
        if from_file || at_hand || needs.is_empty() || self.calibration_windows()?.is_none() {
            return Ok(());
        }
        self.check_finite()?;
        let Some(calibration) = &self.calibration else { return Ok(()) };
        let seed = calibration.seed;
        let known = self.collected.clone().unwrap_or_default();
        let missing = needs.clone().without(&known);
        for op in missing.clone().beyond_inputs().terminals() {
            self.note(Note::Collecting(op));
        }
        let all = needs.clone().and(known);
        let (gradients, memory) = (missing.has(Op::Gradient), calibration.memory);
        let options = CalibrationOptions {
            reconstruction: all.has(Op::ReconstructionError).then(Reconstruction::default),
            memory,
            ..CalibrationOptions::default()
        };
        // Statistics are complete only with the inputs', which every calibration pass collects.
        let calibrates = self.statistics.is_none() || missing.terminals().any(|op| op != Op::Gradient);
        let wanted = Collection { calibration: calibrates.then_some(options), gradients, memory };
        // Where collecting fails, nothing of the old stays, so that what is left is never incomplete.
        let at_hand = self.statistics.take().unwrap_or_default();
        self.collected = None;
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let mut progress = |pass: Pass, share| {
            self.progress(pass.into(), share, None);
            Ok::<(), SessionError>(())
        };
        let statistics = collect(&self.checkpoint, tokens, seed, at_hand, wanted, &mut progress)?;
        self.statistics = Some(statistics);
        self.collected = Some(all);
        Ok(())
    }

    /// Measures the marginals that scripts need at a sparsity and are not at hand, on the calibration text; `metric` scores weights where
    /// a script does not say.
    pub(super) fn collect_marginals<'a>(
        &mut self,
        scripts: impl Iterator<Item = &'a Script>,
        metric: &Metric,
        sparsity: f64,
    ) -> Result<(), SessionError> {
        for script in scripts {
            let needs = Needs::of_scripts([script], metric);
            if !needs.has_marginals() || (self.statistics.is_some() && self.collected.is_none()) {
                continue;
            }
            let metric = script.metric.as_ref().unwrap_or(metric);
            // What chooses weights, and what every pass collects.
            let of_metric = Needs::of_method(&Method::Metric(metric.clone()));
            self.collect(&of_metric.and(Needs::inputs()))?;
            let Some(mut statistics) = self.statistics.clone() else { continue };
            let Some(tokens) = self.tokens.clone() else { continue };
            let slopes = needs.has(Op::MarginalSlope);
            if statistics.has_marginals(&metric_name(&metric.score, metric.per), sparsity, slopes) {
                continue;
            }
            for op in needs.terminals().filter(|op| matches!(*op, Op::Marginal | Op::MarginalSlope)) {
                self.note(Note::Collecting(op));
            }
            let wanted = WantedMarginals { metric, sparsities: &[sparsity], slopes };
            let mut progress = |share| {
                self.progress(Phase::Marginals, share, None);
                Ok(())
            };
            let cancel = Cancel::default();
            let checkpoint = &self.checkpoint;
            add_uniform_marginals(checkpoint, &mut statistics, &tokens, wanted, &cancel, &mut progress)
                .map_err(|error| SessionError::Descent(Box::new(error.into())))?;
            self.statistics = Some(statistics);
        }
        Ok(())
    }

    /// Returns what a script gives on the model: importance and sparsity of each unit. What the script needs is collected first.
    ///
    /// # Errors
    /// When the script has no allocation or no value on the model, with the place in its text where that shows.
    pub fn allocate(
        &mut self,
        script: &LoadedScript,
        options: &AllocationOptions<'_>,
    ) -> Result<Outcome, SessionError> {
        let mut outcomes = self.allocate_all(&[script], options)?;
        outcomes.pop().ok_or(SessionError::Script(ScriptError::NoAllocation))
    }

    /// Returns what each of some scripts gives, from statistics that are collected once for all of them.
    ///
    /// # Errors
    /// As [`Session::allocate`], with the first script that has no value.
    pub fn allocate_all(
        &mut self,
        scripts: &[&LoadedScript],
        options: &AllocationOptions<'_>,
    ) -> Result<Vec<Outcome>, SessionError> {
        Ok(self.evaluate(scripts, options, None)?.0)
    }

    /// Does what [`Session::allocate_all`] does, and returns what the reductions gave as well. `known` is what they gave in earlier
    /// calls, in the place of what the statistics file says.
    pub(super) fn evaluate(
        &mut self,
        scripts: &[&LoadedScript],
        options: &AllocationOptions<'_>,
        known: Option<Reductions>,
    ) -> Result<(Vec<Outcome>, Option<Reductions>), SessionError> {
        let metric = metric_of(options.method)?;
        self.check_finite()?;
        let of_scripts = || scripts.iter().map(|it| &it.script);
        self.collect(&Needs::of_scripts(of_scripts(), &metric))?;
        self.collect_marginals(of_scripts(), &metric, options.sparsity)?;
        let mut data = self.checkpoint.data()?;
        if let Some(statistics) = &self.statistics {
            statistics.attach(&mut data);
        }
        let reductions = known.or_else(|| self.statistics.as_ref().map(Statistics::cache));
        let engine = self.checkpoint.engine().clone();
        let backend = engine.backend(&[]);
        let request = Request {
            metric: &metric,
            unit: options.unit,
            target: options.sparsity,
            bounds: options.bounds,
            reductions: reductions.as_ref(),
            backend: &*backend,
        };
        let mut outcomes = Vec::with_capacity(scripts.len());
        for loaded in scripts {
            let outcome = allocate(&loaded.script, &data, request).map_err(|error| loaded.error(error))?;
            outcome.notes.iter().for_each(|note| self.note(Note::Allocation(*note)));
            outcomes.push(outcome);
        }
        drop(data);
        Ok((outcomes, reductions))
    }

    /// Returns an allocation file's allocation, once it is one of the model's linears.
    ///
    /// # Errors
    /// When it is another model's, or `sparsity` is not its own.
    pub fn allocation_of_file(
        &self,
        file: &AllocationFile,
        name: &str,
        sparsity: Option<f64>,
    ) -> Result<Allocation, SessionError> {
        if let Some(asked) = sparsity.filter(|asked| *asked != file.target) {
            return Err(SessionError::DecidedSparsity { name: name.to_owned(), target: file.target, asked });
        }
        let allocation = file.allocation();
        shares(self.checkpoint.linears(), &allocation, Pattern::Unstructured)?;
        match &file.model {
            Some(model) if !model.fingerprint.starts_with(FINGERPRINT) => self.note(Note::UnknownWeights),
            Some(model) if model.fingerprint != self.checkpoint.fingerprint() => {
                self.note(Note::OtherWeights)
            }
            _ => {}
        }
        Ok(allocation)
    }

    /// Measures the perplexity of a text, in windows of `length` tokens that do not overlap, at most `limit` of them.
    ///
    /// The default length is 2048, or the model's context where that is shorter. `memory` is how many bytes the weights may take
    /// before the model streams block by block; `None` for what is free.
    ///
    /// # Errors
    /// When the text cannot be read, is shorter than a window, or a window is longer than the model's context.
    pub fn perplexity(
        &self,
        source: &Source,
        length: Option<usize>,
        limit: Option<usize>,
        memory: Option<u64>,
    ) -> Result<Perplexity, SessionError> {
        self.check_finite()?;
        let tokens = source.windows(&self.checkpoint, length, limit)?;
        self.note_beginning(&tokens);
        let mut progress = |share, value| self.progress(Phase::Perplexity, share, value);
        Ok(perplexity_of(&self.checkpoint, &tokens, &self.checkpoint.device(), memory, &mut progress)?)
    }

    /// Measures the perplexity of a decoder, such as [`Session::prune_in_memory`] returns, on windows of tokens, such as
    /// [`Source::windows`] returns.
    ///
    /// # Errors
    /// When the windows do not fit the model.
    pub fn decoder_perplexity(&self, decoder: &Decoder, tokens: &Tokens) -> Result<Perplexity, SessionError> {
        window_length(Some(tokens.length()), &self.checkpoint)?;
        let windows = tokens.samples().max(1) as f64;
        Ok(perplexity(decoder, tokens, &mut |done, value| {
            self.progress(Phase::Perplexity, done as f64 / windows, Some(value));
        })?)
    }

    /// Measures the mean divergence KL(this || other) of another model's predictions from this one's, in nats, as
    /// [`Session::perplexity`] reads a text.
    ///
    /// # Errors
    /// As [`Session::perplexity`], for both models.
    pub fn divergence(
        &self,
        other: &Self,
        source: &Source,
        length: Option<usize>,
        limit: Option<usize>,
        memory: Option<u64>,
    ) -> Result<Divergence, SessionError> {
        self.check_finite()?;
        other.check_finite()?;
        let [here, there] = [&self.checkpoint, &other.checkpoint].map(|it| it.config().vocabulary);
        if here != there {
            return Err(ModelError::OtherVocabulary { dense: here, other: there }.into());
        }
        let tokenizers = [&self.checkpoint, &other.checkpoint].map(Tokenizer::open);
        // Ready ids need no tokenizer, so that a model may have none.
        if let [Ok(here), Ok(there)] = tokenizers {
            here.check_same_tokens(&there)?;
        }
        let [here, there] = [&self.checkpoint, &other.checkpoint].map(|it| window_length(length, it));
        let tokens = source.windows(&self.checkpoint, Some(here?.min(there?)), limit)?;
        self.note_beginning(&tokens);
        window_length(Some(tokens.length()), &other.checkpoint)?;
        let mut progress = |share, value| self.progress(Phase::Divergence, share, value);
        let device = self.checkpoint.device();
        Ok(divergence_of(&self.checkpoint, &other.checkpoint, &tokens, &device, memory, &mut progress)?)
    }

    /// Takes statistics that were collected before, as [`Session::with_statistics`] takes those of a file.
    ///
    /// # Errors
    /// When they are of another model, or of the model as it was.
    pub fn with_collected(self, statistics: Statistics) -> Result<Self, SessionError> {
        if let Some(difference) = statistics.provenance.difference(&self.checkpoint)? {
            let model = self.checkpoint.folder().to_owned();
            return Err(SessionError::OtherModel { model, difference: Box::new(difference) });
        }
        Ok(self.take(statistics))
    }

    /// Takes statistics that are of the model, and says where they were collected when it is not where the model is now.
    fn take(mut self, statistics: Statistics) -> Self {
        let (before, now) = (&statistics.provenance.place, self.checkpoint.place());
        if *before != now {
            self.note(Note::OtherPlace { before: before.clone(), now });
        }
        self.statistics = Some(statistics);
        self.collected = None;
        self
    }

    /// Keeps what the reductions of some scripts give in the statistics, so that later evaluations with these need not read the
    /// weights for them.
    ///
    /// # Errors
    /// As [`Session::allocate_all`].
    pub fn keep_reductions(
        &mut self,
        scripts: &[&LoadedScript],
        options: &AllocationOptions<'_>,
    ) -> Result<(), SessionError> {
        let watch = self.watch.take();
        let kept = self.evaluate(scripts, options, None);
        self.watch = watch;
        let (_, Some(reductions)) = kept? else { return Ok(()) };
        if let Some(statistics) = &mut self.statistics {
            statistics.set_reductions(&reductions);
        }
        Ok(())
    }

    /// Returns the statistics, and ends the session.
    pub fn into_statistics(self) -> Option<Statistics> {
        self.statistics
    }

    /// Returns the statistics that are at hand, without collecting any.
    pub fn at_hand(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// Returns the windows that are drawn, without drawing any.
    pub(super) fn drawn(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    pub(super) fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    pub(super) fn progress(&self, phase: Phase, share: f64, value: Option<f64>) {
        if let Some(watch) = &self.watch {
            watch(Event::Progress { phase, share, value });
        }
    }

    /// Notes that the two files that say how a text begins contradict each other.
    fn note_beginning(&self, tokens: &Tokens) {
        if let Some(said) = tokens.special_tokens().and_then(SpecialTokens::contradiction) {
            self.note(Note::OtherBeginning(said));
        }
    }

    pub(super) fn note(&self, note: Note) {
        if let Some(watch) = &self.watch {
            watch(Event::Note(&note));
        }
    }
}
