//! Opening the models and texts of a trial, and all that is done once: calibrating, ranking, running the dense model.

use std::sync::Arc;
use std::time::Instant;

use super::cancel::Cancel;
use super::cards::Cards;
use super::error::TrialError;
use super::evaluator::Evaluator;
use super::measurer::Measurer;
use super::settings::{TextSettings, TrialSettings};
use super::subject::Subject;
use super::subjects::Subjects;
use super::text::Texts;
use super::threads::Threads;
use crate::device::Engine;
use crate::interpret::is_at_hand;
use crate::lang::ops::Op;
use crate::model::{Checkpoint, Identity, Precision, TensorFiles, fingerprint};
use crate::stats::{
    CalibrationOptions, Collection, Pass, Reconstruction, Source, Statistics, Tokens, collect,
};

/// Where models run, and in which precision.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// The device that does all that is done once, and measures.
    pub engine: &'a Engine,
    /// Further devices of the same kind that measure.
    pub others: &'a [Engine],
    /// In which precision models run.
    pub precision: Precision,
}

/// Takes what is being done, and the share of it that is done.
pub type Preparing<'a> = dyn FnMut(&str, f64) + 'a;

/// Models and texts, opened and ready.
#[derive(Debug)]
pub struct Prepared {
    /// What candidates are measured with.
    pub evaluator: Evaluator,
    /// What losses are measured with: what models and texts are, where models run, and how weights are chosen.
    pub identity: Identity,
    /// Pairs of texts, such as the fitness and the report text, that are one.
    pub same_texts: Vec<[&'static str; 2]>,
    /// What the calibration took.
    pub calibrated: Calibrated,
}

/// What collecting statistics took; nothing where they came from a file.
#[derive(Clone, Debug, Default)]
pub struct Calibrated {
    /// The windows that the first model read, in each pass.
    pub text: Option<Tokens>,
    /// How many seconds the inputs' statistics took, over all models.
    pub seconds: f64,
    /// How many seconds the gradients took, over all models.
    pub gradient_seconds: f64,
}

impl Prepared {
    /// Returns the terminals whose statistics all models have.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn collected(&self) -> Result<Vec<Op>, TrialError> {
        let mut collected = Op::COLLECTED.to_vec();
        for subject in self.evaluator.subjects.iter() {
            let data = subject.data()?;
            collected.retain(|op| data.linears.iter().all(|linear| is_at_hand(*op, linear)));
        }
        Ok(collected)
    }
}

/// Opens models and texts, calibrates, ranks all weights and runs the dense models: all that is done once.
///
/// # Errors
/// When there is no model, a model or a text cannot be used, the method needs statistics that there are not, or something asked to
/// stop.
pub fn prepare(
    settings: &TrialSettings,
    placement: Placement<'_>,
    cancel: Cancel,
    note: &mut Preparing<'_>,
) -> Result<Prepared, TrialError> {
    for other in placement.others {
        // Another kind of GPU rounds in another way.
        if other.gpu() != placement.engine.gpu() {
            let [first, other] = [placement.engine, other].map(|engine| engine.gpu().unwrap_or_default());
            return Err(TrialError::OtherGpu { first, other });
        }
    }
    let mut opening = Opening {
        settings,
        placement,
        cancel: &cancel,
        note,
        identity: Identity::default(),
        sources: Vec::new(),
        calibrated: Calibrated::default(),
    };
    // What another version computes may differ in the last digits, and a search that goes on compares them.
    opening.identity.add("the version of allot", env!("CARGO_PKG_VERSION"));
    let models = settings.models.len();
    let mut subjects: Vec<Vec<Subject>> = (0..=placement.others.len()).map(|_| Vec::new()).collect();
    for place in 0..models {
        for (of_device, subject) in subjects.iter_mut().zip(opening.subject(place)?) {
            of_device.push(subject);
        }
    }
    let Opening { mut identity, sources, calibrated, .. } = opening;
    identity.add("the pattern", settings.pattern.to_string());
    let same_texts = same(&sources);
    let mut devices = Vec::new();
    for of_device in subjects {
        let mut of_device = of_device.into_iter();
        let first = of_device.next().ok_or(TrialError::NoSubject { subject: 0, models })?;
        devices.push(Arc::new(Subjects::new(first, of_device.collect())));
    }
    let subjects = Arc::clone(&devices[0]);
    let measurer: Box<dyn Measurer> = match devices.len() {
        1 => Box::new(Threads::new(Arc::clone(&subjects), cancel.clone())),
        _ => Box::new(Cards::new(devices, &cancel)),
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

/// A trial that is being opened.
struct Opening<'a, 'n> {
    settings: &'a TrialSettings,
    placement: Placement<'a>,
    cancel: &'a Cancel,
    note: &'a mut Preparing<'n>,
    identity: Identity,
    /// The texts that were read of the first model: what each is for, and its hash.
    sources: Vec<(&'static str, String)>,
    calibrated: Calibrated,
}

impl Opening<'_, '_> {
    /// Opens the model at a place with its texts, on every device.
    fn subject(&mut self, place: usize) -> Result<Vec<Subject>, TrialError> {
        self.cancel.check()?;
        let model = &self.settings.models[place];
        let placement = self.placement;
        let checkpoint = Checkpoint::open(model)?.on(placement.engine.clone(), placement.precision)?;
        checkpoint.check_finite()?;
        let name = model.display().to_string();
        if place == 0 {
            // Its losses are not another device's to the last digit.
            self.identity.add("the device", checkpoint.place());
        }
        self.identity.add(format!("the fingerprint of the weights of {name}"), checkpoint.fingerprint());
        self.identity.add_of(&name, &checkpoint.identity()?);
        let (statistics, calibration) = self.statistics(&checkpoint, place)?;
        let texts = self.texts(&checkpoint, place)?;
        self.cancel.check()?;
        (self.note)("running the dense model", 0.0);
        let method = &self.settings.ranking.method;
        let pattern = self.settings.pattern;
        let others =
            placement.others.iter().map(|other| checkpoint.clone().on(other.clone(), placement.precision));
        let others: Vec<Checkpoint> = others.collect::<Result<_, _>>()?;
        let on = |checkpoint: &Checkpoint| {
            let statistics = statistics.clone();
            let subject = Subject::new(checkpoint, statistics, method, pattern, &texts, self.cancel)?;
            Ok(subject.calibrated_on(calibration.clone()))
        };
        std::iter::once(&checkpoint).chain(&others).map(on).collect()
    }

    /// Writes down a text of a model: what its files or ready ids are, and the tokens that its windows hold, which depend on the
    /// tokenizer, on its rule for special tokens, and on how windows are cut or drawn.
    fn identify(&mut self, what: &'static str, tokens: &Tokens, checkpoint: &Checkpoint, place: usize) {
        if place == 0 {
            self.identity.add(format!("the {what} text"), tokens.hash());
            self.sources.push((what, tokens.hash().to_owned()));
        }
        let model = checkpoint.folder().display();
        let windows = format!("{} windows of {}: {}", tokens.samples(), tokens.length(), tokens.ids_hash());
        let of = if tokens.from_text() {
            ", which its tokenizer and the length and number of windows decide,"
        } else {
            ""
        };
        self.identity.add(format!("what {model} reads of the {what} text{of}"), windows);
    }

    /// Returns a model's statistics, from the file, which is the first model's, or collected on the calibration text, whose windows
    /// come with them then.
    fn statistics(
        &mut self,
        checkpoint: &Checkpoint,
        place: usize,
    ) -> Result<(Option<Statistics>, Option<Tokens>), TrialError> {
        let texts = &self.settings.texts;
        if let (Some(path), 0) = (&texts.statistics, place) {
            let statistics = Statistics::load(path, checkpoint)?;
            let read = fingerprint(&TensorFiles::open_file(path)?);
            self.identity.add(format!("the statistics in {}", path.display()), read);
            self.sources.push(("calibration", statistics.provenance.source.clone()));
            return Ok((Some(statistics), None));
        }
        let Some(source) = &texts.calibration else { return Ok((None, None)) };
        let tokens = source.draw(checkpoint, texts.samples, Some(texts.length), texts.seed)?;
        self.identify("calibration", &tokens, checkpoint, place);
        let statistics = self.calibrate(checkpoint, &tokens, texts)?;
        self.calibrated.text.get_or_insert_with(|| tokens.clone());
        Ok((Some(statistics), Some(tokens)))
    }

    /// Collects what the settings ask for on the calibration text.
    fn calibrate(
        &mut self,
        checkpoint: &Checkpoint,
        tokens: &Tokens,
        texts: &TextSettings,
    ) -> Result<Statistics, TrialError> {
        let calibration = CalibrationOptions {
            reconstruction: texts.reconstruction.then(Reconstruction::default),
            ..CalibrationOptions::default()
        };
        let wanted = Collection { calibration: Some(calibration), gradients: texts.gradients, memory: None };
        let (cancel, note) = (self.cancel, &mut self.note);
        let begun = Instant::now();
        let mut turned = None;
        let statistics =
            collect(checkpoint, tokens, texts.seed, Statistics::default(), wanted, &mut |pass,
                                                                                         share|
             -> Result<
                (),
                TrialError,
            > {
                match pass {
                    Pass::Calibration => note("calibrating", share),
                    Pass::Gradients => {
                        turned.get_or_insert_with(Instant::now);
                        note("collecting gradients", share);
                    }
                }
                Ok(cancel.check()?)
            })?;
        let ended = Instant::now();
        let turned = turned.unwrap_or(ended);
        self.calibrated.seconds += (turned - begun).as_secs_f64();
        self.calibrated.gradient_seconds += (ended - turned).as_secs_f64();
        Ok(statistics)
    }

    fn texts(&mut self, checkpoint: &Checkpoint, place: usize) -> Result<Texts, TrialError> {
        let texts = &self.settings.texts;
        let mut windows = |what: &'static str, source: &Source, limit: Option<usize>| {
            let tokens = source.windows(checkpoint, Some(texts.length), limit)?;
            self.identify(what, &tokens, checkpoint, place);
            Ok::<Tokens, TrialError>(tokens)
        };
        let fitness = windows("fitness", &texts.fitness, Some(texts.windows))?;
        let selection = texts.selection.as_ref().map(|it| windows("selection", it, Some(texts.windows)));
        let selection = selection.transpose()?;
        let report = texts.report.as_ref().map(|it| windows("report", it, texts.report_windows));
        Ok(Texts { fitness, selection, report: report.transpose()? })
    }
}

/// Returns the pairs of texts that are one.
fn same(sources: &[(&'static str, String)]) -> Vec<[&'static str; 2]> {
    let mut pairs = Vec::new();
    for (at, (first, hash)) in sources.iter().enumerate() {
        let others = sources[at + 1..].iter().filter(|(_, other)| other == hash);
        pairs.extend(others.map(|(second, _)| [*first, *second]));
    }
    pairs
}
