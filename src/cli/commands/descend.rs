//! `allot descend`: finds ratios with equal marginal damage, by gradients.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::Progress;
use crate::cli::shared::trial::{Objective, Texts, TrialPlace, calibration, say_same, trial};
use crate::cli::shared::{output, preparation, terminal, values};
use crate::descent::error::{DescentError, Refusal};
use crate::descent::folder::{Folder, identify};
use crate::descent::rule::Rule;
use crate::descent::settings::{DescentSettings, RowSettings};
use crate::descent::several::{damage, descend_all, uniform};
use crate::descent::steps::{Memory, StepLog};
use crate::descent::summary::{Descended, DescentSummary, Found};
use crate::exchange::AllocationFile;
use crate::forecast::{Trial, Work};
use crate::json::DocumentKind;
use crate::lang::types::UnitKind;
use crate::prune::Pattern;
use crate::report::{TableOptions, descent};
use crate::session::model_name;
use crate::stats::Source;
use crate::trial::band::Band;
use crate::trial::evaluator::Evaluator;
use crate::trial::loss::Measure;
use crate::trial::open::{Placement, open};
use crate::trial::prepare::prepare;
use crate::trial::settings::{TextSettings, TrialSettings};
use crate::trial::text::Split;

/// Finds the ratios at which pruning one more weight does the same damage in every unit, by gradients at the pruned model
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot descend MODEL --sparsity 0.7 --texts MODEL/text --length 128 --out FOUND
  allot descend MODEL --sparsity 0.5,0.6,0.7 --unit projection --texts TEXTS --out FOUND
  allot descend MODEL --sparsity 0.6 --calibration c4.jsonl --fitness f.jsonl --selection s.jsonl --report wiki.test.raw --out FOUND
  allot descend MODEL --sparsity 0.7 --unit block --texts TEXTS --format json
  allot prune MODEL FOUND/0.7.json --text c4.jsonl --out PRUNED

FOUND holds a summary, a journal of the steps, and an allocation file for each sparsity, which `prune`, `eval` and `export` take in
place of a script. The same command continues where it was stopped. Each sparsity starts from the result of the previous one.")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The target sparsities, from 0 to 1, separated by commas
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, value_delimiter = ',', required = true)]
    sparsity: Vec<f64>,
    /// Allocation unit: block, projection or row (an output channel)
    #[arg(long, default_value = "projection", value_parser = values::unit)]
    unit: UnitKind,
    /// Output folder; the same command with the same folder continues where it stopped
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Measure of damage: `kl`, the divergence from the dense model, or `perplexity`
    #[arg(long, default_value = "kl", value_parser = crate::cli::shared::trial::measure)]
    measure: Measure,
    /// Method that chooses the weights to prune: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda")]
    method: String,
    /// Seed for drawing the windows of each step and of the calibration
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    texts: Texts,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    dry_run: DryRun,
}

/// Settings of the descent.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Descent")]
struct Course {
    /// Largest number of steps at each sparsity
    #[arg(long, default_value_t = DescentSettings::default().steps, value_parser = values::count)]
    steps: usize,
    /// Number of windows of the fitness text that each step reads; windows repeat only when too few unread ones are left
    #[arg(long, value_name = "WINDOWS", default_value_t = DescentSettings::default().windows, value_parser = values::count)]
    step_windows: usize,
    /// Rule that turns marginals into a step: shift, log-shift, logits, multipliers or secant
    #[arg(long, default_value = DescentSettings::default().rule.name(), value_parser = values::rule)]
    rule: Rule,
    /// Step size: how far a step moves a unit whose marginal damage is twice the median
    #[arg(long, default_value_t = DescentSettings::default().step_size)]
    step_size: f64,
    /// Momentum: share of a step's direction that the next step keeps, from 0 to 1
    #[arg(long, default_value_t = DescentSettings::default().momentum)]
    momentum: f64,
    /// With `--unit row`, step size of rows: how far a step moves a row whose marginal damage exceeds its projection's by the
    /// median of projections
    #[arg(long, default_value_t = DescentSettings::default().rows.step_size)]
    row_step_size: f64,
    /// With `--unit row`, momentum of rows: share of the rows' direction that the next step keeps, from 0 to 1
    #[arg(long, default_value_t = DescentSettings::default().rows.momentum)]
    row_momentum: f64,
    /// With `--unit row`, highest ratio of a row, from 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = DescentSettings::default().rows.cap)]
    row_cap: f64,
    /// Share of the weights on each side of a threshold that a marginal is measured on (default: 0.02, or 0.1 of a row with
    /// `--unit row`)
    #[arg(long, value_name = "SHARE")]
    band: Option<f64>,
    /// Uses marginals as measured, without shrinking noisy ones
    #[arg(long)]
    no_shrinkage: bool,
    /// Number of steps between two readings of the selection text
    #[arg(long, value_name = "STEPS", default_value_t = DescentSettings::default().check, value_parser = values::count)]
    check: usize,
    /// Number of readings of the selection text without a gain after which the descent stops
    #[arg(long, value_name = "READINGS", default_value_t = DescentSettings::default().patience, value_parser = values::count)]
    patience: usize,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let settings = settings(arguments);
    settings.check().map_err(DescentError::Refused)?;
    let mut sparsities = arguments.sparsity.clone();
    sparsities.sort_by(f64::total_cmp);
    sparsities.dedup();
    if let Some(target) = sparsities.iter().find(|it| !(**it > 0.0 && **it < 1.0)) {
        return Err(DescentError::Refused(Refusal::Target(*target)).into());
    }
    if arguments.dry_run.dry_run {
        return forecast(arguments, &settings, &sparsities, common);
    }
    let trial = trial_settings(arguments, &settings, &sparsities, common.quiet)?;
    for target in &sparsities {
        settings.check_rows(trial.ranking.metric.per, *target).map_err(DescentError::Refused)?;
    }
    let prepared = preparation::prepared(common, |machine, note| {
        let placement =
            Placement { engine: &machine.engine, others: &machine.others, precision: machine.precision };
        let mut opened = open(&trial, placement, &machine.cancel)?;
        identify(&mut opened, &settings, &sparsities)?;
        if let Some(path) = &arguments.out {
            // Checked before the preparation, which takes minutes.
            Folder::check(path, &opened.identity)?;
        }
        Ok::<_, DescentError>(prepare(opened, machine.cancel.clone(), note)?)
    })?;
    say_same(&prepared.same_texts, common.quiet);
    let writing = arguments.out.as_deref().map(preparation::continued);
    let (folder, mut log): (_, Box<dyn StepLog>) = match &arguments.out {
        None => (None, Box::new(Memory::default())),
        Some(path) => {
            let (folder, journal) = Folder::enter(path, &prepared.identity)?;
            (Some(folder), Box::new(journal))
        }
    };
    let mut evaluator = prepared.evaluator;
    let found = descend(&mut evaluator, &settings, &sparsities, log.as_mut(), common.quiet)?;
    let summary = summary(&evaluator, settings, &arguments.method, found)?;
    if let Some(folder) = &folder {
        write(folder, &evaluator, &summary)?;
    }
    drop(writing);
    print(&summary, common.format)?;
    Ok(Verdict::Fine)
}

/// Prints the resources that the command would take if no descent stops early.
fn forecast(
    arguments: &Arguments,
    settings: &DescentSettings,
    sparsities: &[f64],
    common: Common,
) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let texts = text_settings(arguments, settings, sparsities)?;
    let place = TrialPlace { model: &arguments.model, sparsities: &[0.5], length: arguments.texts.length };
    let count = sparsities.len() as u64;
    let steps = count * settings.steps as u64;
    let read = |source: &Option<Source>, limit| {
        source.as_ref().map(|it| outline.windows(it, place.length, limit)).transpose()
    };
    let step = Trial {
        candidates: steps,
        windows: outline.windows(&texts.fitness, place.length, Some(settings.windows))?,
        others: [None; 2],
        best: 0,
        gradients: true,
    };
    let mut work = vec![(Work::Check, 1)];
    work.extend(calibration(&outline, &place, &texts)?);
    work.push((Work::Try(step), 1));
    // The dense model reads each text once. At each sparsity, the found and the uniform allocation read the report text.
    let checks = steps / settings.check as u64 + count;
    let selection = read(&texts.selection, texts.selection_windows)?;
    let report = read(&texts.report, texts.report_windows)?;
    for (windows, times) in [(selection, 1 + checks), (report, 1 + 2 * count)] {
        work.extend(windows.map(|windows| (Work::Measure(windows, 1), times)));
    }
    outline.show(&work, None, None, common)
}

fn settings(arguments: &Arguments) -> DescentSettings {
    let course = arguments.course;
    let default = DescentSettings::of(arguments.unit);
    DescentSettings {
        unit: arguments.unit,
        rule: course.rule,
        steps: course.steps,
        windows: course.step_windows,
        step_size: course.step_size,
        momentum: course.momentum,
        rows: RowSettings {
            step_size: course.row_step_size,
            momentum: course.row_momentum,
            cap: course.row_cap,
        },
        band: course.band.map_or(default.band, |share| Band { share, ..default.band }),
        shrinks: !course.no_shrinkage,
        check: course.check,
        patience: course.patience,
        seed: arguments.seed,
    }
}

/// Returns the settings of the trial, with as much of the fitness text as all steps need.
fn trial_settings(
    arguments: &Arguments,
    settings: &DescentSettings,
    sparsities: &[f64],
    quiet: bool,
) -> Result<TrialSettings, CliError> {
    let texts = text_settings(arguments, settings, sparsities)?;
    let objective = Objective {
        also: Vec::new(),
        measure: arguments.measure,
        method: arguments.method.clone(),
        pattern: Pattern::Unstructured,
    };
    let sparsity = sparsities.first().copied().unwrap_or(0.5);
    let place =
        TrialPlace { model: &arguments.model, sparsities: &[sparsity], length: arguments.texts.length };
    trial(place, &objective, None, texts, quiet)
}

/// Returns the texts to read, and how much of each.
fn text_settings(
    arguments: &Arguments,
    settings: &DescentSettings,
    sparsities: &[f64],
) -> Result<TextSettings, CliError> {
    let mut texts = arguments.texts.settings(arguments.seed)?;
    texts.gradients = false;
    texts.selection_windows = Some(texts.windows);
    texts.windows = settings.windows.saturating_mul(settings.steps).saturating_mul(sparsities.len());
    Ok(texts)
}

/// Descends, with a progress bar.
fn descend(
    evaluator: &mut Evaluator,
    settings: &DescentSettings,
    sparsities: &[f64],
    log: &mut dyn StepLog,
    quiet: bool,
) -> Result<Vec<Descended>, CliError> {
    let bar = Progress::new("descending", quiet);
    let all = (sparsities.len() * settings.steps) as f64;
    let found = descend_all(evaluator, settings, sparsities, log, &mut |step| {
        let before = sparsities.iter().position(|it| *it == step.target).unwrap_or(0) * settings.steps;
        bar.at((before + step.step) as f64 / all);
        bar.value(step.loss);
    });
    bar.done();
    Ok(found?)
}

/// Measures the allocations that were found on the report text.
fn summary(
    evaluator: &Evaluator,
    settings: DescentSettings,
    method: &str,
    found: Vec<Descended>,
) -> Result<DescentSummary, CliError> {
    let subject = evaluator.subjects.first();
    let folder = subject.checkpoint().folder();
    let found = found.into_iter().map(|descended| {
        let uniform = uniform(evaluator, settings.unit, descended.allocation.target)?;
        Ok(Found {
            uniform: damage(evaluator, &uniform, Split::Report)?,
            report: damage(evaluator, &descended.allocation, Split::Report)?,
            descended,
        })
    });
    let found = found.collect::<Result<Vec<_>, DescentError>>()?;
    Ok(DescentSummary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
        method: method.to_owned(),
        length: subject.reference(Split::Fitness).map_or(0, |it| it.tokens().length()),
        settings,
        found,
    })
}

/// Writes the allocation file of each sparsity and the summary.
fn write(folder: &Folder, evaluator: &Evaluator, summary: &DescentSummary) -> Result<(), CliError> {
    for found in &summary.found {
        let allocation = &found.descended.allocation;
        let mut file = AllocationFile::new(allocation, summary.settings.unit, "descent", None);
        let checkpoint = evaluator.subjects.first().checkpoint();
        file.model = Some(model_name(checkpoint));
        let path = folder.allocation(allocation.target);
        output::write_file(
            &path,
            format!("{}\n", serde_json::to_string_pretty(&DocumentKind::Allocation.of(&file))?).as_bytes(),
        )?;
    }
    Ok(folder.keep(summary)?)
}

fn print(summary: &DescentSummary, format: Format) -> Result<(), CliError> {
    match format {
        Format::Json => output::print_json(DocumentKind::Descent, summary),
        Format::Text => {
            let color = terminal::styled(&std::io::stdout());
            let options = TableOptions { width: terminal::width(), color, ascii: false };
            output::print(&descent::text(summary, &options))
        }
    }
}
