//! `allot compare`: allocation methods side by side on one model.

use std::path::PathBuf;

use serde::Serialize;

use crate::baselines::program::Baseline;
use crate::cli::shared::allocation::{self, RatioSource};
use crate::cli::shared::asked::TaskArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::labels::labels;
use crate::cli::shared::progress::Progress;
use crate::cli::shared::scripts::{self, Named, WrittenScripts};
use crate::cli::shared::trial::{
    Objective, Texts, TrialPlace, calibration, say_collected_in, say_same, trial,
};
use crate::cli::shared::{context, output, preparation, terminal};
use crate::compare::entrant::{Base, Entrant};
use crate::compare::error::CompareError;
use crate::compare::folder::{Folder, TASKS, identify, identify_tasks};
use crate::compare::ground::Ground;
use crate::compare::run::{ComparisonPlan, compare};
use crate::compare::summary::{Comparison, Timings};
use crate::json::DocumentKind;

use crate::forecast::{Evaluation, Pruning, Trial, Work};
use crate::lang::program::Metric;
use crate::lang::published::{self, PUBLISHED};
use crate::lang::types::UnitKind;
use crate::model::Identity;
use crate::prune::{Method, Pattern, Propagation};
use crate::report::{TableOptions, compare as tables};
use crate::session::{Needs, metric_of};
use crate::tasks::Purpose;
use crate::trial::loss::Measure;
use crate::trial::open::{Placement, open};
use crate::trial::prepare::prepare;
use crate::trial::scores::Examination;
use crate::trial::settings::{TextSettings, TrialSettings};
use crate::trial::store::{Memory, Store};

/// Compares allocation scripts and programs on a model: a table of perplexities, and the ratios of each
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot compare MODEL --sparsity 0.5,0.6,0.7,0.8 --texts MODEL/text --length 256
  allot compare MODEL uniform owl my.allot evopress-block descent --sparsity 0.7 --texts TEXTS --out COMPARED
  allot compare MODEL global er_plus er uniform owl dsa --sparsity 0.65,0.7,0.75,0.8 --texts TEXTS --table latex
  allot compare MODEL uniform owl dsa --sparsity 0.7 --texts TEXTS --tasks seven --data DATA --limit 200
  allot compare MODEL --sparsity 0.7 --calibration c4.jsonl --report wiki.test.raw --method sparsegpt

Without SCRIPTs, all published scripts are compared except those named `*_as_coded`. With --out, measurements are kept: the same command
continues where it was stopped, and a command with more scripts or sparsities measures only the new ones. The folder then also holds the
table as Markdown and LaTeX, the figures, and a page, report.html.")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// Scripts or programs to compare: script files, names of published scripts, or the programs ramp, neuroal, neuroal-row,
    /// besa, besa-row, trim, evopress-block, evopress-projection, descent-block, descent, descent-row; trim:NAME starts from the
    /// ratios of a script or an allocation file
    #[arg(value_name = "SCRIPT")]
    scripts: Vec<String>,
    #[command(flatten)]
    written: WrittenScripts,
    /// The target sparsities, from 0 to 1, separated by commas
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, value_delimiter = ',', required = true)]
    sparsity: Vec<f64>,
    /// Method that chooses the weights to prune: wanda, magnitude, sparsegpt, ria, or a script with a metric
    #[arg(long, default_value = "wanda")]
    method: String,
    /// Allocation units to try each script with, instead of its own, separated by commas: block, projection
    #[arg(long, value_name = "UNIT", value_delimiter = ',', value_parser = crate::cli::shared::values::unit)]
    unit: Vec<UnitKind>,
    /// Inputs of later blocks during pruning: the outputs of `pruned` blocks, as in `allot prune`, or of `dense` ones, which is
    /// faster
    #[arg(long, default_value = "pruned", value_parser = crate::cli::shared::values::propagation)]
    propagate: Propagation,
    /// Pattern of the zeros: unstructured, or `n:M` (such as `n:4`) with the number n that follows from each unit's ratio
    #[arg(long, default_value = "unstructured")]
    pattern: Pattern,
    /// Number of allocations that a program measures on the fitness text at each sparsity
    #[arg(long, default_value_t = 300, value_parser = crate::cli::shared::values::count)]
    evaluations: usize,
    /// Seed of the randomised programs and of the calibration windows
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Output folder; the same command with the same folder continues where it stopped
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Format of the table
    #[arg(long, value_enum, default_value_t = TableForm::Text)]
    table: TableForm,
    #[command(flatten)]
    texts: Texts,
    /// Also measures each pruned model's accuracy on these tasks, separated by commas, in a second table
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Tasks")]
    tasks: Vec<String>,
    #[command(flatten)]
    asked: TaskArguments,
    #[command(flatten)]
    dry_run: DryRun,
}

/// Formats of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum TableForm {
    /// Text for a terminal
    Text,
    /// Markdown
    Markdown,
    /// LaTeX with booktabs
    Latex,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let method = scripts::method(&arguments.method)?;
    let metric = metric_of(&method)?;
    if matches!(method, Method::SparseGpt { .. }) && arguments.propagate == Propagation::Dense {
        return Err(CompareError::SparseGptDense.into());
    }
    let plan = plan(arguments, common.quiet)?;
    if arguments.dry_run.dry_run {
        return forecast(arguments, &plan, &metric, &method, common);
    }
    // Wrong tasks are reported before the model is opened.
    let asked = arguments.asked.plan(&arguments.tasks);
    let asked =
        asked.map(|plan| Ok::<_, CliError>(Examination::new(plan.read(Purpose::All)?, plan.protocol)));
    let mut examination = asked.transpose()?;
    let settings = settings(arguments, &plan, &metric, common.quiet)?;
    let prepared = preparation::prepared(common, |machine, note| {
        let preparation::Machine { engine, others, precision, .. } = &machine;
        let placement = Placement { engine, others, precision: *precision };
        let mut opened = open(&settings, placement, &machine.cancel)?;
        identify(&mut opened, &arguments.method);
        if let Some(examination) = &examination {
            identify_tasks(&mut opened, examination);
        }
        if let Some(path) = &arguments.out {
            // Checked before the preparation, which takes minutes.
            Folder::check(path, &opened.identity)?;
        }
        Ok::<_, CompareError>(prepare(opened, machine.cancel, note)?)
    })?;
    let identity = prepared.identity.clone();
    context::measured_with(&identity);
    let same = prepared.same_texts.iter().copied();
    // Without a program nothing reads the fitness text; another text takes its place and has no effect.
    let same: Vec<_> = same.filter(|pair| searches(&plan) || !pair.contains(&"fitness")).collect();
    say_same(&same, common.quiet);
    let writing = arguments.out.as_deref().map(preparation::continued);
    let (folder, mut store): (_, Box<dyn Store>) = match &arguments.out {
        None => (None, Box::new(Memory::default())),
        Some(path) => {
            let (folder, journal) = Folder::enter(path, &prepared.identity)?;
            examination = match examination {
                Some(examination) => Some(examination.kept(&folder.file(TASKS)).map_err(CompareError::from)?),
                None => None,
            };
            (Some(folder), Box::new(journal))
        }
    };
    let mut ground = Ground {
        evaluator: prepared.evaluator,
        method,
        propagation: arguments.propagate,
        examination,
        calibrated: prepared.calibrated,
    };
    let bar = Progress::new("comparing", common.quiet);
    let result = compare(&plan, &mut ground, store.as_mut(), &mut |done, all, name| {
        bar.at(done as f64 / all.max(1) as f64);
        bar.says(name);
    });
    bar.done();
    let (mut comparison, mut timings) = result?;
    if let Some(folder) = &folder {
        folder.restore(&comparison, &mut timings);
    }
    if arguments.scripts.is_empty() && arguments.written.named().next().is_none() {
        comparison.sort(&mut timings);
    }
    if let Some(folder) = &folder {
        write(folder, &comparison, &timings, &identity)?;
    }
    drop(writing);
    print(&comparison, &timings, arguments.table, common.format)?;
    if let Some(folder) = folder.filter(|_| !common.quiet) {
        terminal::message(&format!("the page is {}\n", folder.file(tables::PAGE).display()));
    }
    Ok(Verdict::Fine)
}

/// Prints the resources that the command would take.
fn forecast(
    arguments: &Arguments,
    plan: &ComparisonPlan,
    metric: &Metric,
    method: &Method,
    common: Common,
) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let texts = texts(arguments, plan, metric, common.quiet)?;
    let place = TrialPlace { model: &arguments.model, sparsities: &[0.5], length: arguments.texts.length };
    let calibration = calibration(&outline, &place, &texts)?;
    let read = texts.calibration.as_ref().map(|it| outline.drawn(it, texts.samples, place.length));
    let report = texts.report.as_ref().ok_or(CliError::NoText { name: "report" })?;
    let windows = outline.windows(report, place.length, texts.report_windows)?;
    let (programs, scripts): (Vec<_>, Vec<_>) =
        plan.entrants.iter().map(|it| &it.decider).partition(|it| it.searches());
    let sparsities = plan.sparsities.len() as u64;
    let rows = sparsities * (scripts.len() * plan.units.len().max(1) + programs.len()) as u64;
    let pruning = Pruning {
        windows: read.transpose()?.filter(|_| arguments.propagate == Propagation::Pruned),
        hessians: matches!(method, Method::SparseGpt { .. }),
        propagates: true,
        writes: false,
    };
    let mut work = vec![(Work::Check, 1)];
    work.extend(calibration);
    work.push((Work::Evaluate(Evaluation::of(scripts.iter().filter_map(|it| it.script()))), sparsities));
    if !programs.is_empty() {
        let windows = outline.windows(&texts.fitness, place.length, Some(texts.windows))?;
        let candidates = sparsities * (programs.len() * plan.evaluations) as u64;
        work.push((
            Work::Try(Trial { candidates, windows, others: [None; 2], best: 0, gradients: false }),
            1,
        ));
    }
    work.extend([(Work::Prune(pruning), rows), (Work::Measure(windows, 1), rows + 1)]);
    if let Some(plan) = arguments.asked.plan(&arguments.tasks) {
        work.push((outline.planned(&plan, Purpose::All)?, rows + 1));
    }
    outline.show(&work, None, None, common)
}

/// Prints a comparison in the requested format.
fn print(
    comparison: &Comparison,
    timings: &Timings,
    table: TableForm,
    format: Format,
) -> Result<(), CliError> {
    match (format, table) {
        (Format::Json, _) => {
            output::print_json(DocumentKind::Comparison, &Printed { comparison, seconds: Some(timings) })
        }
        (Format::Text, TableForm::Markdown) => output::print(&tables::markdown(comparison, timings)),
        (Format::Text, TableForm::Latex) => output::print(&tables::latex(comparison)),
        (Format::Text, TableForm::Text) => {
            let color = terminal::styled(&std::io::stdout());
            let options = TableOptions { width: terminal::width(), color, ascii: false };
            output::print(&tables::text(comparison, timings, &options))
        }
    }
}

/// A comparison as `--format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// The seconds that each row took; not in the folder's file, whose bytes do not depend on timing.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<&'a [f64]>,
}

/// Returns the scripts and programs to compare, with sparsities and units.
fn plan(arguments: &Arguments, quiet: bool) -> Result<ComparisonPlan, CliError> {
    let mut entrants = Vec::new();
    let mut files = Vec::new();
    let published = PUBLISHED.iter().filter(|it| !it.is_as_coded()).map(|it| it.name.to_owned());
    let written: Vec<Named> = arguments.written.named().collect();
    let named: Vec<String> = match arguments.scripts.is_empty() && written.is_empty() {
        false => arguments.scripts.clone(),
        true => published
            .filter(|name| published::script(name).is_some_and(|it| it.allocation.is_some()))
            .collect(),
    };
    for name in named.into_iter().map(Named::Name).chain(written) {
        let program = match &name {
            Named::Name(name) => Baseline::ALL.into_iter().find(|it| it.key() == name),
            Named::Text(_) => None,
        };
        let file = name.file();
        if let (Named::Name(text), None) = (&name, &file)
            && let Some(base) = text.strip_prefix(&format!("{}:", Baseline::Trim.key()))
        {
            entrants.push(trimmed(&Named::Name(base.to_owned()), quiet)?);
            files.push(None);
            continue;
        }
        entrants.push(match (program, &name) {
            // A file takes precedence over a program of the same name.
            (Some(program), _) if file.is_none() => Entrant::program(program),
            (_, Named::Name(_)) => {
                let loaded = name.load(None, quiet)?;
                Entrant::script(loaded.name, loaded.script)
            }
            // The text of `-e` serves as the name.
            (_, Named::Text(text)) => Entrant::script(text.clone(), name.load(None, quiet)?.script),
        });
        files.push(file);
    }
    let names: Vec<String> = entrants.iter().map(|entrant| entrant.name.clone()).collect();
    for (entrant, name) in entrants.iter_mut().zip(labels(&names, &files)?) {
        entrant.name = name;
    }
    let mut sparsities = arguments.sparsity.clone();
    sparsities.sort_by(f64::total_cmp);
    sparsities.dedup();
    Ok(ComparisonPlan {
        entrants,
        sparsities,
        units: arguments.unit.clone(),
        evaluations: arguments.evaluations,
        seed: arguments.seed,
    })
}

/// Returns TRIM on the ratios of a script or an allocation file.
fn trimmed(base: &Named, quiet: bool) -> Result<Entrant, CliError> {
    Ok(match allocation::load(base, None, quiet)? {
        RatioSource::Script(loaded) => Entrant::trim(&loaded.name, Base::Script(loaded.script)),
        RatioSource::File(file, name) => Entrant::trim(&name, Base::Allocation(file.allocation())),
    })
}

/// Returns whether a program searches on the fitness text.
fn searches(plan: &ComparisonPlan) -> bool {
    plan.entrants.iter().any(|it| it.decider.searches())
}

/// Returns the texts, and the statistics to collect on the calibration text.
fn texts(
    arguments: &Arguments,
    plan: &ComparisonPlan,
    metric: &Metric,
    quiet: bool,
) -> Result<TextSettings, CliError> {
    let mut texts = arguments.texts.settings_with(arguments.seed, !searches(plan))?;
    // There is no search over formulas, so gradients are collected only if an entrant uses them.
    texts.gradients = false;
    let asked = texts.clone();
    for entrant in &plan.entrants {
        let Some(script) = entrant.decider.script() else { continue };
        let units = entrant.units(&plan.units).into_iter();
        let units: Vec<UnitKind> = units.map(|unit| unit.or(script.unit).unwrap_or_default()).collect();
        Needs::of_scripts([script], metric).collect_in(&mut texts, &units);
    }
    texts.marginals_at.clone_from(&plan.sparsities);
    say_collected_in(&asked, &texts, quiet);
    match texts.report {
        None => Err(CliError::NoText { name: "report" }),
        Some(_) => Ok(texts),
    }
}

/// Returns the settings of the trial: model, texts and method.
fn settings(
    arguments: &Arguments,
    plan: &ComparisonPlan,
    metric: &Metric,
    quiet: bool,
) -> Result<TrialSettings, CliError> {
    let texts = texts(arguments, plan, metric, quiet)?;
    let sparsity = plan.sparsities.first().copied().unwrap_or(0.5);
    let objective = Objective {
        also: Vec::new(),
        measure: Measure::Kl,
        method: arguments.method.clone(),
        pattern: arguments.pattern,
    };
    let place =
        TrialPlace { model: &arguments.model, sparsities: &[sparsity], length: arguments.texts.length };
    trial(place, &objective, None, texts, quiet)
}

/// Writes a comparison into its folder: data, tables, figures and the report page.
fn write(
    folder: &Folder,
    comparison: &Comparison,
    timings: &Timings,
    identity: &Identity,
) -> Result<(), CliError> {
    folder.keep(comparison, timings)?;
    let file = |name: &str, text: &str| output::write_file(&folder.file(name), text.as_bytes());
    file("table.md", &tables::markdown(comparison, timings))?;
    file("table.tex", &tables::latex(comparison))?;
    file("perplexity.svg", &tables::perplexity_figure(comparison))?;
    file("ratios.svg", &tables::ratios_figure(comparison))?;
    file(tables::PAGE, &tables::html(comparison, timings, identity))
}
