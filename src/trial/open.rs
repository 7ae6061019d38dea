//! Opens the models and texts of a trial. This fixes what losses depend on, before any long work starts.

use super::cancel::Cancel;
use super::documents::{DecidingTasks, Documents};
use super::error::TrialError;
use super::loss::Measure;
use super::settings::TrialSettings;
use super::text::Texts;
use crate::device::Engine;
use crate::lang::program::Metric;
use crate::model::{Checkpoint, Identity, Precision, TensorFiles, fingerprint};
use crate::stats::{Source, Statistics, TextOrigin, Tokens};

/// Name of the measuring device in an [`Identity`].
pub const DEVICE: &str = "the device";

/// The devices and precision that models run with.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// The device that does all one-off work, and measures.
    pub engine: &'a Engine,
    /// Further devices of the same kind, which only measure.
    pub others: &'a [Engine],
    /// Precision in which models run.
    pub precision: Precision,
}

/// An opened model with its texts.
#[derive(Debug)]
pub(super) struct OpenedModel {
    /// The model.
    pub(super) checkpoint: Checkpoint,
    /// The model on each further device.
    pub(super) others: Vec<Checkpoint>,
    /// The statistics read from a file.
    pub(super) statistics: Option<Statistics>,
    /// The windows for collecting statistics, if they do not come from a file.
    pub(super) calibration: Option<Tokens>,
    /// The texts that it is measured on.
    pub(super) texts: Texts,
    /// The documents that replace the fitness and selection texts.
    pub(super) documents: Option<Documents>,
}

/// The opened models and texts of a trial, before any work on them.
#[derive(Debug)]
pub struct Opened<'a> {
    pub(super) settings: &'a TrialSettings,
    pub(super) models: Vec<OpenedModel>,
    /// The tasks whose documents decide.
    pub deciding: Option<DecidingTasks>,
    /// Everything that losses depend on: models, texts, device, precision, and how weights are chosen.
    pub identity: Identity,
    /// The texts read for the first model: purpose and source of each.
    sources: Vec<(&'static str, TextOrigin)>,
}

/// Opens models and texts.
///
/// # Errors
/// When a model or a text cannot be used, the devices are of different kinds, or the work was interrupted.
pub fn open<'a>(
    settings: &'a TrialSettings,
    placement: Placement<'_>,
    cancel: &Cancel,
) -> Result<Opened<'a>, TrialError> {
    for other in placement.others {
        // Another kind of GPU rounds differently.
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
    // Another version's results may differ in the last digits, and a resumed search compares losses.
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
    /// Returns the opened models.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.models.iter().map(|model| &model.checkpoint)
    }

    /// Returns how weights are scored.
    pub fn metric(&self) -> &Metric {
        &self.settings.ranking.metric
    }

    /// Returns the loss that candidates are measured by.
    pub fn measure(&self) -> Measure {
        self.settings.measure
    }

    /// Returns the pairs of texts, such as the fitness and report texts, that are the same or share most of
    /// their lines.
    pub(super) fn same_texts(&self) -> Vec<[&'static str; 2]> {
        let mut pairs = Vec::new();
        for (at, (first, origin)) in self.sources.iter().enumerate() {
            let others = self.sources[at + 1..].iter().filter(|(_, other)| origin.overlaps(other));
            pairs.extend(others.map(|(second, _)| [*first, *second]));
        }
        pairs
    }

    /// Opens the model at an index with its texts.
    fn model(&mut self, place: usize, placement: Placement<'_>) -> Result<OpenedModel, TrialError> {
        let model = &self.settings.models[place];
        let checkpoint = Checkpoint::open(model)?.on(placement.engine.clone(), placement.precision)?;
        checkpoint.check_finite()?;
        let name = model.display().to_string();
        if place == 0 {
            // Its losses differ from those of another device in the last digits.
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

    /// Records a text of a model: its files or token ids, the special tokens that the tokenizer adds to each
    /// document, and the tokens of its windows, which depend on both and on how windows are cut or drawn.
    fn identify(&mut self, what: &'static str, tokens: &Tokens, checkpoint: &Checkpoint, place: usize) {
        if place == 0 {
            self.identity.add(format!("the {what} text"), tokens.hash());
            self.sources.push((what, tokens.origin()));
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

    /// Returns the statistics from the file, which belongs to the first model, or else the windows to collect
    /// them on.
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
            let origin = TextOrigin::of_hash(statistics.provenance.source.clone());
            self.sources.push(("calibration", origin));
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
