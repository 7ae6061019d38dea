//! Options for the models and texts of commands that prune and measure many times: `search`, `enumerate`, `compare`, `descend`.

use std::path::{Path, PathBuf};

use super::common::{Common, Verdict};
use super::dry_run::Outline;
use super::error::CliError;
use super::progress::say_collected;
use super::{context, model, scripts};
use crate::forecast::{Calibration, Trial, Windows, Work};
use crate::lang::ops::Op;
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, Tokenizer};
use crate::session::TrialOptions;
use crate::stats::{PACKED, Source, TokenFile, WINDOW_LENGTH};
use crate::tasks::{Purpose, TaskPlan};
use crate::trial::loss::Measure;
use crate::trial::settings::{TextSettings, TrialSettings};
use crate::trial::target::Target;

/// Rough number of best candidates that are measured on the selection and report texts.
const BEST: u64 = 20;

/// How candidates are judged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Objective")]
pub(in crate::cli) struct Objective {
    /// Also judges functions at another sparsity, or on another model's folder at each sparsity; may be repeated
    #[arg(long, value_name = "RATIO|MODEL", allow_negative_numbers = true, value_parser = super::values::ratio_or_model)]
    pub(in crate::cli) also: Vec<String>,
    /// Measure of damage: `kl`, the divergence from the dense model; `perplexity`; or, only in `search`, `tasks`, the margins on
    /// tasks
    #[arg(long, default_value = "kl", value_parser = measure)]
    pub(in crate::cli) measure: Measure,
    /// Method that chooses the weights to prune: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda")]
    pub(in crate::cli) method: String,
    /// Pattern of the zeros: unstructured, or `n:M` (such as `n:4`) with the number n that follows from each unit's ratio
    #[arg(long, default_value = "unstructured")]
    pub(in crate::cli) pattern: crate::prune::Pattern,
}

impl Objective {
    /// Returns the number of settings, of all models and sparsities.
    pub(in crate::cli) fn settings(&self, sparsities: &[f64]) -> u64 {
        let more = self.also.iter().map(|also| match also.parse::<f64>() {
            Ok(_) => 1,
            Err(_) => sparsities.len() as u64,
        });
        sparsities.len() as u64 + more.sum::<u64>()
    }
}

/// The texts that a search reads, and how much of each.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Texts")]
pub(in crate::cli) struct Texts {
    /// Folder with the texts that are not given by their own options: files named calibration, fitness, selection and report that
    /// end in .jsonl, .ndjson, .json, .txt or .raw, and may be compressed as .gz, .zst or .bz2
    #[arg(long, value_name = "FOLDER")]
    texts: Option<PathBuf>,
    /// Calibration text, on which the dense model's statistics are collected
    #[arg(long, value_name = "FILE")]
    calibration: Option<String>,
    /// Statistics file written by `allot stats`, instead of a calibration text
    #[arg(long, value_name = "FILE", conflicts_with = "calibration")]
    stats: Option<PathBuf>,
    /// Fitness text, on which candidates are measured
    #[arg(long, value_name = "FILE")]
    fitness: Option<String>,
    /// Selection text, on which the best candidates are ranked again (default: the fitness text decides)
    #[arg(long, value_name = "FILE")]
    selection: Option<String>,
    /// Report text, on which the results are measured once, at the end
    #[arg(long, value_name = "FILE")]
    report: Option<String>,
    /// Collects no gradients on the calibration text; formulas then cannot use the terminal `gradient`
    #[arg(long)]
    no_gradients: bool,
    /// Also collects each linear's reconstruction error (LSA), for the terminal `reconstruction_error`
    #[arg(long)]
    reconstruction_error: bool,
    /// Also collects the kurtosis of each linear's input, for the terminal `input_kurtosis`
    #[arg(long)]
    input_kurtosis: bool,
    /// Also collects how each block changes the residual stream, for the terminals `block_similarity` and `block_change`
    #[arg(long)]
    block_changes: bool,
    /// Also measures the divergence when only one unit is pruned to each target, for the terminal `damage`
    #[arg(long)]
    damage: bool,
    /// Also measures the cost of pruning more of each linear, at the uniformly pruned model of each target, for the terminal
    /// `marginal`
    #[arg(long)]
    marginals: bool,
    /// Also measures how that cost rises with the sparsity, for the terminal `marginal_slope`
    #[arg(long)]
    marginal_slopes: bool,
    /// Length of a window of the texts in tokens (default: 2048, or the models' context if that is shorter)
    #[arg(long, value_parser = super::values::count)]
    pub(in crate::cli) length: Option<usize>,
    /// Number of windows to draw from the calibration text, or to take from the start of its token ids
    #[arg(long, default_value_t = 128, value_parser = super::values::count)]
    samples: usize,
    /// Largest number of windows of the fitness text, and of the selection text
    #[arg(long, default_value_t = 16, value_parser = super::values::count)]
    windows: usize,
    /// Largest number of windows of the report text (default: all)
    #[arg(long, value_name = "WINDOWS", value_parser = super::values::count)]
    report_windows: Option<usize>,
}

impl Texts {
    /// Returns whether `--no-gradients` is given.
    pub(in crate::cli) const fn refuses_gradients(&self) -> bool {
        self.no_gradients
    }

    /// Returns the settings of the texts, with files from the folder if one is given.
    ///
    /// # Errors
    /// Fails when there is no fitness text.
    pub(in crate::cli) fn settings(&self, seed: u64) -> Result<TextSettings, CliError> {
        self.settings_with(seed, false)
    }

    /// Like [`Texts::settings`], but where nothing is searched (`unsearched`), another text replaces a missing fitness text.
    ///
    /// # Errors
    /// Fails when there is no fitness text, and none to replace it.
    pub(in crate::cli) fn settings_with(
        &self,
        seed: u64,
        unsearched: bool,
    ) -> Result<TextSettings, CliError> {
        let text = |name: &'static str, given: &Option<String>| match given {
            Some(given) => Ok(Some(source(given))),
            None => self.in_folder(name),
        };
        let calibration = text("calibration", &self.calibration)?;
        let fitness = text("fitness", &self.fitness)?;
        let selection = text("selection", &self.selection)?;
        let report = text("report", &self.report)?;
        let fitness = match (fitness, unsearched) {
            (None, true) => calibration.clone().or_else(|| report.clone()),
            (fitness, _) => fitness,
        };
        Ok(TextSettings {
            calibration: calibration.filter(|_| self.stats.is_none()),
            statistics: self.stats.clone(),
            gradients: !self.no_gradients,
            reconstruction: self.reconstruction_error,
            input_kurtosis: self.input_kurtosis,
            block_changes: self.block_changes,
            damages: if self.damage { vec![UnitKind::Block, UnitKind::Projection] } else { Vec::new() },
            marginals: self.marginals,
            marginal_slopes: self.marginal_slopes,
            marginals_at: Vec::new(),
            samples: self.samples,
            seed,
            // `TrialOptions::settings` limits it to the models' context.
            length: self.length.unwrap_or(WINDOW_LENGTH),
            // A comparison without programs measures only on the report text.
            fitness: fitness
                .ok_or(CliError::NoText { name: if unsearched { "report" } else { "fitness" } })?,
            selection,
            report,
            windows: self.windows,
            selection_windows: None,
            report_windows: self.report_windows,
        })
    }

    /// Returns the file of a text in the folder.
    fn in_folder(&self, name: &'static str) -> Result<Option<Source>, CliError> {
        let Some(folder) = &self.texts else { return Ok(None) };
        let packed = |ending: &str| {
            let plain = format!("{name}.{ending}");
            let packed = PACKED.map(|packed| format!("{plain}.{packed}"));
            [plain].into_iter().chain(packed).map(|file| folder.join(file)).collect::<Vec<_>>()
        };
        let forms = ["jsonl", "ndjson", "json", "txt", "raw"];
        let mut found: Vec<PathBuf> =
            forms.into_iter().flat_map(packed).filter(|path| path.exists()).collect();
        match found.len() {
            0 | 1 => Ok(found.pop().map(|path| Source::Text(vec![path]))),
            _ => Err(CliError::SeveralTexts { name, paths: found }),
        }
    }
}

/// Parses a text: a file, or token ids in a file.
fn source(given: &str) -> Source {
    match given.rsplit_once(':') {
        Some((file, name)) if file.ends_with(".safetensors") => {
            Source::Tokens(TokenFile { file: file.into(), tensor: Some(name.to_owned()) })
        }
        _ => Source::Text(vec![given.into()]),
    }
}

/// Parses the value of `--measure`.
pub(in crate::cli) fn measure(word: &str) -> Result<Measure, String> {
    let known = [Measure::Kl, Measure::Perplexity, Measure::Tasks].into_iter().find(|it| it.name() == word);
    known.ok_or_else(|| "write `kl`, `perplexity` or `tasks`".to_owned())
}

/// Where candidates are measured, as given by the arguments.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct TrialPlace<'a> {
    /// The main model's folder, or its id.
    pub(in crate::cli) model: &'a Path,
    /// The target sparsities; the first is the main one.
    pub(in crate::cli) sparsities: &'a [f64],
    /// The length of a window in tokens, if given.
    pub(in crate::cli) length: Option<usize>,
}

/// Prints the resources for measuring at most this number of candidates at a number of settings, as if all were of the main model, and
/// for the work that is done once.
///
/// # Errors
/// Fails when the model's configuration, a text or a task's file cannot be read.
pub(in crate::cli) fn forecast(
    place: &TrialPlace<'_>,
    texts: &TextSettings,
    plans: &Plans,
    (candidates, settings): (u64, u64),
    common: Common,
) -> Result<Verdict, CliError> {
    let outline = Outline::read(place.model)?;
    let mut work = vec![(Work::Check, 1)];
    work.extend(calibration(&outline, place, texts)?);
    let measured = |source: &Option<Source>, limit| {
        source.as_ref().map(|it| outline.windows(it, place.length, limit)).transpose()
    };
    // Where tasks decide, candidates read the tasks' documents instead of windows.
    let (windows, selection) = match plans.decide {
        Some(_) => (Windows { samples: 0, length: 1, text: 0 }, None),
        None => (
            outline.windows(&texts.fitness, place.length, Some(texts.windows))?,
            measured(&texts.selection, Some(texts.windows))?,
        ),
    };
    let best = BEST * settings;
    let trial = Trial {
        candidates: candidates * settings,
        windows,
        others: [selection, measured(&texts.report, texts.report_windows)?],
        best,
        gradients: false,
    };
    work.push((Work::Try(trial), 1));
    // The dense model answers too, hence the additional one.
    if let Some(plan) = &plans.decide {
        work.push((outline.planned(plan, Purpose::Fitness)?, candidates * settings + 1));
        work.push((outline.planned(plan, Purpose::Selection)?, best + 1));
    }
    if let Some(plan) = &plans.report {
        let purpose = if plans.decide.is_some() { Purpose::Report } else { Purpose::All };
        work.push((outline.planned(plan, purpose)?, best + 1));
    }
    outline.show(&work, None, None, common)
}

/// The tasks of a search.
#[derive(Debug, Default)]
pub(in crate::cli) struct Plans {
    /// The tasks by which candidates are judged.
    pub(in crate::cli) decide: Option<TaskPlan>,
    /// The tasks of the report.
    pub(in crate::cli) report: Option<TaskPlan>,
}

/// Returns the calibration pass of a trial, unless statistics come from a file.
///
/// # Errors
/// Fails when the text cannot be read.
pub(in crate::cli) fn calibration(
    outline: &Outline,
    place: &TrialPlace<'_>,
    texts: &TextSettings,
) -> Result<Option<(Work, u64)>, CliError> {
    let Some(source) = &texts.calibration else { return Ok(None) };
    let windows = outline.drawn(source, texts.samples, place.length)?;
    let sparsities = texts.marginals_at.len().max(1) as u64;
    let damages = |of_blocks: bool| {
        let wanted = texts.damages.iter().any(|unit| (*unit == UnitKind::Block) == of_blocks);
        sparsities * u64::from(wanted)
    };
    let calibration = Calibration {
        reconstruction: texts.reconstruction,
        gradients: texts.gradients,
        input_kurtosis: texts.input_kurtosis,
        damage_of_blocks: damages(true),
        damage_of_linears: damages(false),
        marginals: sparsities * if texts.marginal_slopes { 2 } else { u64::from(texts.marginals) },
        ..Calibration::of(windows)
    };
    Ok(Some((Work::Calibrate(calibration), 1)))
}

/// Returns the settings of the trial: models, texts, method and targets.
///
/// # Errors
/// Fails when a model or the method's script cannot be found.
pub(in crate::cli) fn trial(
    place: TrialPlace<'_>,
    objective: &Objective,
    tasks: Option<TaskPlan>,
    texts: TextSettings,
    quiet: bool,
) -> Result<TrialSettings, CliError> {
    let model = model::folder(place.model, quiet)?;
    let mut options = TrialOptions {
        method: scripts::method(&objective.method)?,
        pattern: objective.pattern,
        measure: objective.measure,
        length: place.length,
        tasks,
        ..TrialOptions::at(model, f64::NAN)
    };
    let at_each = |subject: usize| place.sparsities.iter().map(move |it| Target { subject, sparsity: *it });
    options.targets = at_each(0).collect();
    for also in &objective.also {
        match also.parse::<f64>() {
            Ok(sparsity) => options.targets.push(Target { subject: 0, sparsity }),
            Err(_) => {
                options.models.push(model::folder(Path::new(also), quiet)?);
                let subject = options.models.len() - 1;
                options.targets.extend(at_each(subject));
            }
        }
    }
    for model in &options.models {
        let checkpoint = Checkpoint::open(model)?;
        model::warn(&checkpoint, quiet);
        context::model(&checkpoint);
        let tokenizer = Tokenizer::open(&checkpoint).ok();
        model::warn_of_texts(tokenizer.as_ref().map(Tokenizer::special_tokens), quiet);
    }
    let asked = texts.clone();
    let settings = options.settings(texts)?;
    say_collected_in(&asked, &settings.texts, quiet);
    Ok(settings)
}

/// Notes each statistic that a trial collects without being asked for.
pub(in crate::cli) fn say_collected_in(asked: &TextSettings, collected: &TextSettings, quiet: bool) {
    let of_trial = [
        (Op::Gradient, asked.gradients, collected.gradients),
        (Op::ReconstructionError, asked.reconstruction, collected.reconstruction),
        (Op::InputKurtosis, asked.input_kurtosis, collected.input_kurtosis),
        (Op::BlockChange, asked.block_changes, collected.block_changes),
        (Op::Damage, !asked.damages.is_empty(), !collected.damages.is_empty()),
        (Op::Marginal, asked.marginals, collected.marginals),
        (Op::MarginalSlope, asked.marginal_slopes, collected.marginal_slopes),
    ];
    say_collected(&of_trial, quiet);
}

/// Warns of texts that are the same: a result that was selected on a text and is measured on it again says nothing about other texts.
pub(in crate::cli) fn say_same(pairs: &[[&str; 2]], quiet: bool) {
    for [first, second] in pairs {
        let warning = format!(
            "the {first} and the {second} text are the same or share most of their lines, so figures on one do not test what was decided on the other"
        );
        context::warn("warning", &warning, quiet);
    }
}
