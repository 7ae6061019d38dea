//! Opening the models and texts of a trial: what losses will be measured with is known then, before anything takes long.

use super::cancel::Cancel;
use super::documents::{DecidingTasks, Documents};
use super::error::TrialError;
use super::loss::Measure;
use super::settings::TrialSettings;
use super::text::Texts;
use crate::device::Engine;
use crate::lang::program::Metric;
use crate::model::{Checkpoint, Identity, Precision, TensorFiles, fingerprint};
use crate::stats::{Source, Statistics, Tokens};

/// What the device on which losses are measured is called among the things that they depend on.
pub const DEVICE: &str = "the device";

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

/// A model with the texts that it reads.
#[derive(Debug)]
pub(super) struct OpenedModel {
    /// The model.
    pub(super) checkpoint: Checkpoint,
    /// The model on each of the further devices.
    pub(super) others: Vec<Checkpoint>,
    /// The statistics of a file.
    pub(super) statistics: Option<Statistics>,
    /// The windows that statistics are collected on instead.
    pub(super) calibration: Option<Tokens>,
    /// What it is measured on.
    pub(super) texts: Texts,
    /// The documents in the place of its fitness and its selection text.
    pub(super) documents: Option<Documents>,
}

/// The models and texts of a trial, read and not yet worked on.
#[derive(Debug)]
pub struct Opened<'a> {
    pub(super) settings: &'a TrialSettings,
    pub(super) models: Vec<OpenedModel>,
    /// The tasks whose documents decide.
    pub deciding: Option<DecidingTasks>,
    /// What losses are measured with: what models and texts are, where models run, and how weights are chosen.
    pub identity: Identity,
    /// The texts that were read of the first model: what each is for, and its hash.
    sources: Vec<(&'static str, String)>,
}

/// Opens models and texts.
///
/// # Errors
/// When a model or a text cannot be used, the devices are of different kinds, or something asked to stop.
pub fn open<'a>(
    settings: &'a TrialSettings,
    placement: Placement<'_>,
    cancel: &Cancel,
) -> Result<Opened<'a>, TrialError> {
    for other in placement.others {
        // Another kind of GPU rounds in another way.
        if other.gpu() != placement.engine.gpu() {
            let [first, other] = [placement.engine, other].map(|engine| engine.gpu().unwrap_or_default());
            return Err(TrialError::OtherGpu { first, other });
        }
    }
    let deciding = match (settings.measure, &settings.tasks) {
        (Measure::Tasks, None) => return Err(TrialError::NoTasks),
        (Measure::Tasks, Some(plan)) => Some(DecidingTasks::read(plan)?),
        (Measure::Kl | Measure::Perplexity, _) => None,
    };
    let mut opened =
        Opened { settings, models: Vec::new(), deciding, identity: Identity::default(), sources: Vec::new() };
    // What another version computes may differ in the last digits, and a search that goes on compares them.
    opened.identity.add("the version of allot", env!("CARGO_PKG_VERSION"));
    for place in 0..settings.models.len() {
        cancel.check()?;
        let model = opened.model(place, placement)?;
        opened.models.push(model);
    }
    if let Some(deciding) = &opened.deciding {
        deciding.identify(&mut opened.identity);
    }
    opened.identity.add("the pattern", settings.pattern.to_string());
    Ok(opened)
}

impl Opened<'_> {
    /// Returns the models' folders, as they were opened.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.models.iter().map(|model| &model.checkpoint)
    }

    /// Returns how weights are scored.
    pub fn metric(&self) -> &Metric {
        &self.settings.ranking.metric
    }

    /// Returns which loss counts.
    pub fn measure(&self) -> Measure {
        self.settings.measure
    }

    /// Returns the pairs of texts, such as the fitness and the report text, that are one.
    pub(super) fn same_texts(&self) -> Vec<[&'static str; 2]> {
        let mut pairs = Vec::new();
        for (at, (first, hash)) in self.sources.iter().enumerate() {
            let others = self.sources[at + 1..].iter().filter(|(_, other)| other == hash);
            pairs.extend(others.map(|(second, _)| [*first, *second]));
        }
        pairs
    }

    /// Opens the model at a place with its texts.
    fn model(&mut self, place: usize, placement: Placement<'_>) -> Result<OpenedModel, TrialError> {
        let model = &self.settings.models[place];
        let checkpoint = Checkpoint::open(model)?.on(placement.engine.clone(), placement.precision)?;
        checkpoint.check_finite()?;
        let name = model.display().to_string();
        if place == 0 {
            // Its losses are not another device's to the last digit.
            self.identity.add(DEVICE, checkpoint.place());
        }
        self.identity.add(format!("the fingerprint of the weights of {name}"), checkpoint.fingerprint());
        self.identity.add_of(&name, &checkpoint.identity()?);
        let (statistics, calibration) = self.statistics(&checkpoint, place)?;
        let texts = self.texts(&checkpoint, place)?;
        let on_other = |other: &Engine| checkpoint.clone().on(other.clone(), placement.precision);
        let others = placement.others.iter().map(on_other).collect::<Result<_, _>>()?;
        let documents = self.deciding.as_ref().map(|it| it.of(&checkpoint)).transpose()?;
        Ok(OpenedModel { checkpoint, others, statistics, calibration, texts, documents })
    }

    /// Writes down a text of a model: what its files or ready ids are, what the tokenizer puts around each document, and the tokens
    /// that its windows hold, which depend on both and on how windows are cut or drawn.
    fn identify(&mut self, what: &'static str, tokens: &Tokens, checkpoint: &Checkpoint, place: usize) {
        if place == 0 {
            self.identity.add(format!("the {what} text"), tokens.hash());
            self.sources.push((what, tokens.hash().to_owned()));
        }
        let model = checkpoint.folder().display();
        if let Some(special) = tokens.special_tokens() {
            self.identity
                .add(format!("how {model} reads a document of the {what} text"), special.to_string());
        }
        let windows = format!("{} windows of {}: {}", tokens.samples(), tokens.length(), tokens.ids_hash());
        let of = if tokens.from_text() {
            ", which its tokenizer and the length and number of windows decide,"
        } else {
            ""
        };
        self.identity.add(format!("what {model} reads of the {what} text{of}"), windows);
    }

    /// Returns a model's statistics, from the file, which is the first model's, or the windows that they are to be collected on.
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
        Ok((None, Some(tokens)))
    }

    fn texts(&mut self, checkpoint: &Checkpoint, place: usize) -> Result<Texts, TrialError> {
        let texts = &self.settings.texts;
        let mut windows = |what: &'static str, source: &Source, limit: Option<usize>| {
            let tokens = source.windows(checkpoint, Some(texts.length), limit)?;
            self.identify(what, &tokens, checkpoint, place);
            Ok::<Tokens, TrialError>(tokens)
        };
        let fitness = windows("fitness", &texts.fitness, Some(texts.windows))?;
        let selected = Some(texts.selection_windows.unwrap_or(texts.windows));
        let selection = texts.selection.as_ref().map(|it| windows("selection", it, selected));
        let selection = selection.transpose()?;
        let report = texts.report.as_ref().map(|it| windows("report", it, texts.report_windows));
        Ok(Texts { fitness, selection, report: report.transpose()? })
    }
}
