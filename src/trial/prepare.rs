//! One-off work on a trial's models and texts: calibrating, ranking, running the dense model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::cancel::Cancel;
use super::cards::Cards;
use super::error::TrialError;
use super::evaluator::Evaluator;
use super::measured::{Seconds, Wanted, add_measured, passes_of_damages};
use super::measurer::Measurer;
use super::open::{Opened, OpenedModel};
use super::settings::TrialSettings;
use super::subject::Subject;
use super::subjects::Subjects;
use super::threads::Threads;
use crate::interpret::is_at_hand;
use crate::interpret::measured::metric_name;
use crate::lang::ops::Op;
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, Identity};
use crate::prune::Pattern;
use crate::stats::{CalibrationOptions, Collection, Pass, Reconstruction, Statistics, Tokens, collect};

/// Callback with the current phase and the finished share of it.
pub type Preparing<'a> = dyn FnMut(&str, f64) + 'a;

/// Models and texts, ready for measurement.
#[derive(Debug)]
pub struct Prepared {
    /// The evaluator of candidates.
    pub evaluator: Evaluator,
    /// Everything that losses depend on: models, texts, device, precision, and how weights are chosen.
    pub identity: Identity,
    /// Pairs of texts, such as the fitness and report texts, that are identical.
    pub same_texts: Vec<[&'static str; 2]>,
    /// The cost of the calibration.
    pub calibrated: Calibrated,
}

/// The cost of collecting statistics; empty if they came from a file.
#[derive(Clone, Debug, Default)]
pub struct Calibrated {
    /// The windows that the first model read in each pass.
    pub text: Option<Tokens>,
    /// Seconds spent on the inputs' statistics, over all models.
    pub seconds: f64,
    /// Seconds spent on the gradients, over all models.
    pub gradient_seconds: f64,
    /// Seconds spent on what was measured on pruned models, over all models.
    pub measured_seconds: Seconds,
    /// Number of combined forward and backward passes of pruned models over those windows for marginals,
    /// over all targets of the first model.
    pub marginal_passes: usize,
    /// Number of forward passes over those windows that measuring the damage of all blocks, or of all single
    /// linears, is worth, over all targets of the first model.
    pub damage_passes: BTreeMap<UnitKind, f64>,
}

impl Prepared {
    /// Returns the terminals whose statistics all models have in all of these units.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn collected(&self, units: &[UnitKind]) -> Result<Vec<Op>, TrialError> {
        let mut collected = Op::COLLECTED.to_vec();
        let evaluator = &self.evaluator;
        let metric = metric_name(&evaluator.metric.score, evaluator.metric.per);
        for (place, subject) in evaluator.subjects.iter().enumerate() {
            let data = subject.data()?;
            // What was measured at another sparsity, metric or pattern does not count.
            let measured = |known: &dyn Fn(&Statistics, f64) -> bool| {
                let mut targets = evaluator.targets.iter().filter(|target| target.subject == place);
                let known = |sparsity| subject.statistics().is_some_and(|it| known(it, sparsity));
                evaluator.pattern == Pattern::Unstructured && targets.all(|target| known(target.sparsity))
            };
            let in_all_units = |it: &Statistics, sparsity| {
                units.iter().all(|unit| it.has_damage(&metric, sparsity, *unit == UnitKind::Block))
            };
            collected.retain(|op| match *op {
                Op::Damage => measured(&in_all_units),
                Op::Marginal => measured(&|it, sparsity| it.has_marginals(&metric, sparsity, false)),
                Op::MarginalSlope => measured(&|it, sparsity| it.has_marginals(&metric, sparsity, true)),
                _ => data.linears.iter().all(|linear| is_at_hand(*op, linear)),
            });
        }
        Ok(collected)
    }

    /// Returns the first of some sparsities at which the statistics of the first model lack a terminal of
    /// marginals.
    pub fn lacks(&self, op: Op, sparsities: &[f64]) -> Option<f64> {
        let evaluator = &self.evaluator;
        let metric = metric_name(&evaluator.metric.score, evaluator.metric.per);
        let statistics = evaluator.subjects.first().statistics();
        let slopes = op == Op::MarginalSlope;
        let known = |at| statistics.is_some_and(|it| it.has_marginals(&metric, at, slopes));
        sparsities.iter().copied().find(|sparsity| !known(*sparsity))
    }
}

/// Calibrates, ranks all weights and runs the dense models: all one-off work on the opened models and texts.
///
/// # Errors
/// When there is no model, a model cannot be used, required statistics are missing, or the work was
/// interrupted.
pub fn prepare(opened: Opened<'_>, cancel: Cancel, note: &mut Preparing<'_>) -> Result<Prepared, TrialError> {
    let same_texts = opened.same_texts();
    let Opened { settings, models, identity, .. } = opened;
    // Also for statistics from a file.
    if let Some(op) = settings.texts.measured().filter(|_| settings.pattern != Pattern::Unstructured) {
        return Err(TrialError::MeasuredPattern { op, pattern: settings.pattern });
    }
    let count = models.len();
    let mut work = Work { settings, cancel: &cancel, note, calibrated: Calibrated::default() };
    let mut subjects: Vec<Vec<Subject>> = Vec::new();
    for model in models {
        let of_model = work.subject(model, subjects.first().map_or(0, Vec::len))?;
        subjects.resize_with(of_model.len(), Vec::new);
        for (of_device, subject) in subjects.iter_mut().zip(of_model) {
            of_device.push(subject);
        }
    }
    let calibrated = work.calibrated;
    let no_model = || TrialError::NoSubject { subject: 0, models: count };
    let mut devices = Vec::new();
    for of_device in subjects {
        let mut of_device = of_device.into_iter();
        let first = of_device.next().ok_or_else(no_model)?;
        devices.push(Arc::new(Subjects::new(first, of_device.collect())));
    }
    let subjects = Arc::clone(devices.first().ok_or_else(no_model)?);
    let measurer: Arc<dyn Measurer> = match devices.len() {
        1 => Arc::new(Threads::new(Arc::clone(&subjects), cancel.clone())),
        _ => Arc::new(Cards::new(devices, &cancel)),
    };
    let evaluator = Evaluator {
        measurer,
        subjects,
        targets: settings.targets.clone(),
        metric: settings.ranking.metric.clone(),
        pattern: settings.pattern,
        measure: settings.measure,
        cancel,
    };
    for target in &evaluator.targets {
        evaluator.subject(*target)?;
    }
    Ok(Prepared { evaluator, identity, same_texts, calibrated })
}

/// The state while a trial is prepared.
struct Work<'a, 'n> {
    settings: &'a TrialSettings,
    cancel: &'a Cancel,
    note: &'a mut Preparing<'n>,
    calibrated: Calibrated,
}

impl Work<'_, '_> {
    /// Prepares the model at an index of the settings for measurement on every device.
    fn subject(&mut self, model: OpenedModel, place: usize) -> Result<Vec<Subject>, TrialError> {
        let OpenedModel { checkpoint, others, mut statistics, calibration, texts, documents } = model;
        self.cancel.check()?;
        if let Some(tokens) = &calibration {
            statistics = Some(self.calibrate(&checkpoint, tokens, place)?);
            self.calibrated.text.get_or_insert_with(|| tokens.clone());
        }
        self.cancel.check()?;
        (self.note)("running the dense model", 0.0);
        let method = &self.settings.ranking.method;
        let pattern = self.settings.pattern;
        let on = |checkpoint: &Checkpoint| {
            let statistics = statistics.clone();
            let subject = Subject::new(checkpoint, statistics, method, pattern, &texts, self.cancel)?;
            Ok(subject.calibrated_on(calibration.clone()).asked(documents.clone(), self.cancel.clone()))
        };
        std::iter::once(&checkpoint).chain(&others).map(on).collect()
    }

    /// Collects the statistics that the settings ask for on the calibration text.
    fn calibrate(
        &mut self,
        checkpoint: &Checkpoint,
        tokens: &Tokens,
        place: usize,
    ) -> Result<Statistics, TrialError> {
        let texts = &self.settings.texts;
        let calibration = CalibrationOptions {
            reconstruction: texts.reconstruction.then(Reconstruction::default),
            input_kurtosis: texts.input_kurtosis,
            block_changes: texts.block_changes,
            ..CalibrationOptions::default()
        };
        let wanted = Collection { calibration: Some(calibration), gradients: texts.gradients, memory: None };
        let (cancel, note) = (self.cancel, &mut self.note);
        let begun = Instant::now();
        let mut turned = None;
        let mut progress = |pass, share| -> Result<(), TrialError> {
            match pass {
                Pass::Calibration => note("calibrating", share),
                Pass::Gradients => {
                    turned.get_or_insert_with(Instant::now);
                    note("collecting gradients", share);
                }
            }
            Ok(cancel.check()?)
        };
        let mut statistics =
            collect(checkpoint, tokens, texts.seed, Statistics::default(), wanted, &mut progress)?;
        let ended = Instant::now();
        let turned = turned.unwrap_or(ended);
        self.measured(checkpoint, &mut statistics, tokens, place)?;
        self.calibrated.seconds += (turned - begun).as_secs_f64();
        self.calibrated.gradient_seconds += (ended - turned).as_secs_f64();
        Ok(statistics)
    }

    /// Measures what the settings ask for on pruned models, at the targets of the model at an index.
    fn measured(
        &mut self,
        checkpoint: &Checkpoint,
        statistics: &mut Statistics,
        tokens: &Tokens,
        place: usize,
    ) -> Result<(), TrialError> {
        let TrialSettings { targets, ranking, texts, .. } = self.settings;
        if texts.measured().is_none() {
            return Ok(());
        }
        let of_targets = targets.iter().filter(|it| it.subject == place).map(|it| it.sparsity);
        let further = texts.marginals_at.iter().filter(|_| place == 0).copied();
        let mut sparsities: Vec<f64> = of_targets.chain(further).collect();
        sparsities.sort_by(f64::total_cmp);
        sparsities.dedup();
        let (marginals, slopes) = (texts.marginals, texts.marginal_slopes);
        let wanted = Wanted {
            metric: &ranking.metric,
            sparsities: &sparsities,
            marginals,
            slopes,
            damages: &texts.damages,
        };
        let (cancel, note) = (self.cancel, &mut self.note);
        let mut progress = |share| -> Result<(), TrialError> {
            note("measuring pruned models", share);
            Ok(cancel.check()?)
        };
        let seconds = add_measured(checkpoint, statistics, tokens, wanted, cancel, &mut progress)?;
        self.calibrated.measured_seconds.add(&seconds);
        if place == 0 {
            let passes = usize::from(marginals || slopes) + usize::from(slopes);
            self.calibrated.marginal_passes = sparsities.len() * passes;
            let of_unit =
                |unit: &UnitKind| (*unit, sparsities.len() as f64 * passes_of_damages(checkpoint, *unit));
            self.calibrated.damage_passes = texts.damages.iter().map(of_unit).collect();
        }
        Ok(())
    }
}
