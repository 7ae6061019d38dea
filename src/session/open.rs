//! Sessions: a model with its statistics, and allocations on it.

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
use crate::interpret::measured::metric_name;
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
use crate::trial::measured::{Wanted, add_measured};

/// A model with its statistics, and the operations on them.
pub struct Session {
    checkpoint: Checkpoint,
    calibration: Option<Calibration>,
    /// The calibration windows, once drawn.
    tokens: Option<Tokens>,
    statistics: Option<Statistics>,
    /// The needs that the statistics cover; `None` if they come from a file, which is used as it is.
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

/// Options of an allocation.
#[derive(Clone, Debug)]
pub struct AllocationOptions<'a> {
    /// The share of all weights in the blocks' linears to prune, from 0 to 1.
    pub sparsity: f64,
    /// The method whose scores define `score` in a script without its own metric.
    pub method: &'a Method,
    /// The allocation unit, which replaces the script's own.
    pub unit: Option<UnitKind>,
    /// The bounds of each unit's sparsity.
    pub bounds: Bounds,
}

impl AllocationOptions<'_> {
    /// Returns the options for a sparsity; everything else is as in the script, with Wanda's scores as
    /// default.
    pub fn at(sparsity: f64) -> Self {
        Self { sparsity, method: &Method::Wanda, unit: None, bounds: Bounds::default() }
    }
}

impl Session {
    /// Opens a model's folder in the Hugging Face layout, on the CPU.
    ///
    /// # Errors
    /// When there is no such model, or its files are invalid.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, SessionError> {
        Ok(Self::of(Checkpoint::open(folder.as_ref())?))
    }

    /// Takes an open model on any device.
    pub fn of(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, calibration: None, tokens: None, statistics: None, collected: None, watch: None }
    }

    /// Refuses weights that are not finite, because results with them would be meaningless.
    pub(super) fn check_finite(&self) -> Result<(), SessionError> {
        Ok(self.checkpoint.check_finite()?)
    }

    /// Sets the windows for collecting statistics once something needs them; statistics collected on other
    /// windows are dropped. Statistics from a file have priority.
    #[must_use]
    pub fn calibrated(mut self, calibration: Calibration) -> Self {
        self.calibration = Some(calibration);
        self.tokens = None;
        if self.collected.take().is_some() {
            self.statistics = None;
        }
        self
    }

    /// Takes statistics from a file written by [`Statistics::save`].
    ///
    /// # Errors
    /// When the file is corrupt, or belongs to another model.
    pub fn with_statistics(self, file: impl AsRef<Path>) -> Result<Self, SessionError> {
        let statistics = Statistics::load(file.as_ref(), &self.checkpoint)?;
        Ok(self.take(statistics))
    }

    /// Sends progress and notes to `watch`.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.watch = Some(Arc::new(watch));
        self
    }

    /// Returns the model.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the windows of the calibration text, if there is one.
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

    /// Returns the model's statistics: those of the file, or at least what is needed, collected on the
    /// calibration text. `None` if nothing is needed, or there is neither a file nor a text.
    ///
    /// # Errors
    /// When the windows do not fit the model, or there is too little memory.
    pub fn statistics(&mut self, needs: &Needs) -> Result<Option<&Statistics>, SessionError> {
        self.collect(needs)?;
        Ok(self.statistics.as_ref())
    }

    /// Collects missing statistics, except those measured on pruned models, which depend on a sparsity.
    fn collect(&mut self, needs: &Needs) -> Result<(), SessionError> {
        let needs = &needs.clone().beyond_measured();
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
            input_kurtosis: all.has(Op::InputKurtosis),
            block_changes: all.has_block_changes(),
            memory,
            ..CalibrationOptions::default()
        };
        // Every calibration pass collects the inputs' statistics, without which statistics are incomplete.
        let calibrates = self.statistics.is_none() || missing.terminals().any(|op| op != Op::Gradient);
        let wanted = Collection { calibration: calibrates.then_some(options), gradients, memory };
        // If collecting fails, nothing of the old statistics remains, so that they are never incomplete.
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

    /// Measures what scripts need of models pruned to a sparsity and is missing, on the calibration text;
    /// `metric` scores weights for scripts without their own metric, and `unit` replaces the scripts' own.
    pub(super) fn collect_measured<'a>(
        &mut self,
        scripts: impl Iterator<Item = &'a Script>,
        metric: &Metric,
        sparsity: f64,
        unit: Option<UnitKind>,
    ) -> Result<(), SessionError> {
        for script in scripts {
            let needs = Needs::of_scripts([script], metric);
            if needs.measured().is_none() || (self.statistics.is_some() && self.collected.is_none()) {
                continue;
            }
            let metric = script.metric.as_ref().unwrap_or(metric);
            // The metric's own needs, and what every pass collects.
            let of_metric = Needs::of_method(&Method::Metric(metric.clone()));
            self.collect(&of_metric.and(Needs::inputs()))?;
            let Some(mut statistics) = self.statistics.clone() else { continue };
            let Some(tokens) = self.tokens.clone() else { continue };
            let name = metric_name(&metric.score, metric.per);
            let unit = unit.or(script.unit).unwrap_or_default();
            let missing = |op: &Op| match *op {
                Op::Damage => !statistics.has_damage(&name, sparsity, unit == UnitKind::Block),
                Op::MarginalSlope => !statistics.has_marginals(&name, sparsity, true),
                _ => !statistics.has_marginals(&name, sparsity, false),
            };
            let asked = Op::MEASURED.into_iter().filter(|op| needs.has(*op));
            let missing: Vec<Op> = asked.filter(missing).collect();
            if missing.is_empty() {
                continue;
            }
            missing.iter().for_each(|op| self.note(Note::Collecting(*op)));
            let units = [unit];
            let wanted = Wanted {
                metric,
                sparsities: &[sparsity],
                marginals: missing.contains(&Op::Marginal),
                slopes: missing.contains(&Op::MarginalSlope),
                damages: if missing.contains(&Op::Damage) { &units } else { &[] },
            };
            let mut progress = |share| {
                self.progress(Phase::Measuring, share, None);
                Ok(())
            };
            let cancel = Cancel::default();
            add_measured(&self.checkpoint, &mut statistics, &tokens, wanted, &cancel, &mut progress)
                .map_err(|error| SessionError::Descent(Box::new(error.into())))?;
            self.statistics = Some(statistics);
        }
        Ok(())
    }

    /// Evaluates a script on the model: the importance and sparsity of each unit. Statistics that the script
    /// needs are collected first.
    ///
    /// # Errors
    /// When the script has no allocation or no value on the model, with the place in its text if known.
    pub fn allocate(
        &mut self,
        script: &LoadedScript,
        options: &AllocationOptions<'_>,
    ) -> Result<Outcome, SessionError> {
        let mut outcomes = self.allocate_all(&[script], options)?;
        outcomes.pop().ok_or(SessionError::Script(ScriptError::NoAllocation))
    }

    /// Evaluates several scripts, with statistics collected once for all of them.
    ///
    /// # Errors
    /// As [`Session::allocate`], for the first script without a value.
    pub fn allocate_all(
        &mut self,
        scripts: &[&LoadedScript],
        options: &AllocationOptions<'_>,
    ) -> Result<Vec<Outcome>, SessionError> {
        Ok(self.evaluate(scripts, options, None)?.0)
    }

    /// Does the same as [`Session::allocate_all`], and also returns the values of reductions. `known` holds
    /// values from earlier calls, and replaces those in the statistics file.
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
        self.collect_measured(of_scripts(), &metric, options.sparsity, options.unit)?;
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

    /// Returns the allocation in a file, after checking that it fits the model's linears.
    ///
    /// # Errors
    /// When it belongs to another model, or its sparsity differs from `sparsity`.
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
            Some(_) => {}
            None => self.note(Note::UnnamedWeights),
        }
        Ok(allocation)
    }

    /// Measures the perplexity on a text, in at most `limit` windows of `length` tokens that do not overlap.
    ///
    /// The default length is 2048, or the model's context if that is shorter. `memory` is the number of bytes
    /// that the weights may use before the model streams block by block; `None` means the free memory.
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

    /// Measures the perplexity of a decoder, such as the result of [`Session::prune_in_memory`], on windows
    /// of tokens, such as the result of [`Source::windows`].
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

    /// Measures the mean divergence KL(this || other) of another model's predictions from this one's, in
    /// nats; it reads a text like [`Session::perplexity`].
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
        // Token ids need no tokenizer, so a model may have none.
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

    /// Takes statistics collected earlier, with the same checks as [`Session::with_statistics`].
    ///
    /// # Errors
    /// When they belong to another model, or to an earlier state of this one.
    pub fn with_collected(self, statistics: Statistics) -> Result<Self, SessionError> {
        if let Some(difference) = statistics.provenance.difference(&self.checkpoint)? {
            let model = self.checkpoint.folder().to_owned();
            return Err(SessionError::OtherModel { model, difference: Box::new(difference) });
        }
        Ok(self.take(statistics))
    }

    /// Takes statistics of the model, and notes if they were collected on another device or in another
    /// precision.
    fn take(mut self, statistics: Statistics) -> Self {
        let (before, now) = (&statistics.provenance.place, self.checkpoint.place());
        if *before != now {
            self.note(Note::OtherPlace { before: before.clone(), now });
        }
        self.statistics = Some(statistics);
        self.collected = None;
        self
    }

    /// Stores the values of some scripts' reductions in the statistics, so that later evaluations need not
    /// read the weights for them.
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

    /// Ends the session and returns the statistics.
    pub fn into_statistics(self) -> Option<Statistics> {
        self.statistics
    }

    /// Returns the statistics collected so far, without collecting any.
    pub fn at_hand(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// Returns the windows if they were drawn, without drawing any.
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

    /// Notes that the two files that define the first token of a text contradict each other.
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
