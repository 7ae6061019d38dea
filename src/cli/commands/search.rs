//! `allot search`: evolves allocation functions on a model.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::baselines::program::Baseline;
use crate::cli::shared::asked::TaskArguments;
use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::dry_run::DryRun;
use crate::cli::shared::error::CliError;
use crate::cli::shared::interrupt::Deferred;
use crate::cli::shared::progress::Progress;
use crate::cli::shared::scripts::{Named, WrittenScripts};
use crate::cli::shared::trial::{
    Objective, Plans, Texts, TrialPlace, forecast, say_collected_in, say_same, trial,
};
use crate::cli::shared::values::{count, duration};
use crate::cli::shared::{help, preparation};
use crate::interrupt::Interrupted;
use crate::lang::types::{Group, UnitKind};
use crate::report::search::script;
use crate::search::error::SearchError;
use crate::search::folder;
use crate::search::run::State;
use crate::search::searcher::Searcher;
use crate::search::settings::Settings;
use crate::search::space::SpaceOptions;
use crate::session::{Found, Search, include, learn_from};
use crate::tasks::TaskPlan;
use crate::trial::loss::Measure;
use crate::trial::settings::TextSettings;

/// Options whose values come from the run's folder. `--resume` would ignore them, so it refuses them. A group has the name of its struct.
const OF_NEW: [&str; 21] = [
    "expression",
    "model",
    "out",
    "sparsity",
    "report_sparsity",
    "include",
    "teacher",
    "held_out_teacher",
    "surrogate",
    "patience",
    "lag",
    "seeds",
    "seed",
    "control",
    "Texts",
    "Objective",
    "tasks",
    "report_tasks",
    "TaskArguments",
    "SpaceArguments",
    "dry_run",
];

/// Default number of allocations that a search measures.
const EVALUATIONS: usize = 500;

/// Evolves allocation functions on a model, and writes the best ones as scripts
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "allot search MODEL --sparsity RATIO --out RUN [OPTIONS]\n       allot search --resume RUN [OPTIONS]"
)]
#[command(after_help = "Examples:
  allot search MODEL --sparsity 0.7 --texts MODEL/text --length 256 --out RUN
  allot search MODEL --sparsity 0.7 --calibration c.jsonl --fitness f.jsonl --selection s.jsonl --report r.jsonl --out RUN
  allot search MODEL --sparsity 0.7 --calibration T.safetensors:calib_ids --fitness T.safetensors:fitness_ids --out RUN
  allot search MODEL --sparsity 0.7 --texts TEXTS --seeds 3 --control random --control evopress --out RUN
  allot search MODEL --sparsity 0.5,0.6,0.7,0.8 --report-sparsity 0.55,0.65,0.75 --texts TEXTS --out RUN
  allot search MODEL --sparsity 0.7 --texts TEXTS --report-tasks seven --data DATA --out RUN
  allot search MODEL --sparsity 0.7 --texts TEXTS --measure tasks --tasks piqa,arc_easy --report-tasks seven --data DATA --out RUN
  allot search MODEL --sparsity 0.7 --texts TEXTS --evaluations 100000 --time-limit 8h --out RUN
  allot search MODEL --sparsity 0.7 --texts TEXTS --marginals --teacher FOUND --held-out-teacher OTHER --out RUN
  allot search --resume RUN
  allot search --resume RUN --evaluations 2000
  allot search MODEL --sparsity 0.7 --texts TEXTS --lag 64 --ray auto --workers 16 --out RUN

A text is a file of plain text, of JSON lines with a field `text`, or of token ids, FILE.safetensors:NAME. At the end RUN holds
best.allot, front/, report.html and summary.json, and all along a journal from which `--resume` continues.")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    #[arg(required_unless_present = "resume")]
    model: Option<PathBuf>,
    /// Continues the run in this folder, with the same result as without the stop
    #[arg(long, value_name = "RUN", conflicts_with_all = OF_NEW)]
    resume: Option<PathBuf>,
    /// The target sparsities, from 0 to 1, separated by commas: the share of all weights in the blocks' linears to prune. The search
    /// looks for one function that is good at all of them; the first is the main one
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, value_delimiter = ',', required_unless_present = "resume")]
    sparsity: Vec<f64>,
    /// Sparsities at which the search does not look, separated by commas: the functions found and the published ones are measured
    /// there on the report text, at the end
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, value_delimiter = ',')]
    report_sparsity: Vec<f64>,
    /// Output folder
    #[arg(long, short, required_unless_present = "resume")]
    out: Option<PathBuf>,
    #[command(flatten)]
    texts: Texts,
    #[command(flatten)]
    objective: Objective,
    /// Tasks of `--measure tasks`, separated by commas: a quarter of their documents replaces the fitness text, another quarter the
    /// selection text
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Tasks")]
    tasks: Vec<String>,
    /// Tasks on which the final table scores allocations, separated by commas, using only documents that the search did not use
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Tasks")]
    report_tasks: Vec<String>,
    #[command(flatten)]
    asked: TaskArguments,
    #[command(flatten)]
    space: crate::cli::shared::space::SpaceArguments,
    /// Also starts from this script, besides the published ones; may be repeated; `-e` takes the text of a script instead
    #[arg(long, value_name = "SCRIPT", help_heading = "Search space")]
    include: Vec<String>,
    /// Teaches the search with this folder of `allot descend --out`, at the search's sparsities: formulas are judged by the distance
    /// of their ratios from the descent's, and mostly the nearest ones are measured; may be repeated
    #[arg(long, value_name = "DESCENT", help_heading = "Teachers")]
    teacher: Vec<PathBuf>,
    /// Reports the distance of the results from this descent, from which the search does not learn; may be repeated
    #[arg(long, value_name = "DESCENT", help_heading = "Teachers")]
    held_out_teacher: Vec<PathBuf>,
    #[command(flatten)]
    written: WrittenScripts,
    /// Proposes sixteen formulas for each measurement, and measures those for which a surrogate, fitted to the losses so far,
    /// predicts the lowest loss
    #[arg(long, help_heading = "Budget")]
    surrogate: bool,
    /// Number of allocations that each search measures (default: 500); with `--resume`, at least as many as the run was started with
    #[arg(long, value_parser = count, help_heading = "Budget")]
    evaluations: Option<usize>,
    /// Ends each search after this number of allocations without an improvement
    #[arg(long, value_name = "EVALUATIONS", value_parser = count, help_heading = "Budget")]
    patience: Option<usize>,
    /// Breeds a candidate only from candidates that were proposed at least this many places earlier, so that about as many can be
    /// measured at the same time; with 1, each generation waits for the previous one
    #[arg(long, value_name = "CANDIDATES", default_value_t = 1, value_parser = count, help_heading = "Budget")]
    lag: usize,
    /// Starts no further measurement after measuring for this time, such as 90m or 8h, and reports the results so far; `--resume`
    /// continues from there
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Budget")]
    time_limit: Option<Duration>,
    /// Number of searches, each with its own seed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Budget")]
    seeds: u64,
    /// Seed of the first search; the others use the numbers after it
    #[arg(long, default_value_t = 0, help_heading = "Budget")]
    seed: u64,
    /// Also runs these controls with the same budget of tokens and compares them with the search; separated by commas, may be
    /// repeated
    #[arg(long, value_name = "CONTROL", value_enum, value_delimiter = ',', help_heading = "Budget")]
    control: Vec<Control>,
    #[command(flatten)]
    many: ManyMachines,
    #[command(flatten)]
    dry_run: DryRun,
}

/// Options for measuring on other machines. Only the command of the Python package, which runs Ray, supports them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Many machines")]
struct ManyMachines {
    /// Measures on the Ray cluster at this address: `auto` for the cluster of this machine, `local` to start one here; only in the
    /// command of the Python package
    #[arg(long, value_name = "ADDRESS")]
    ray: Option<String>,
    /// Largest number of workers (default: as many as the cluster has room for)
    #[arg(long, value_name = "COUNT", value_parser = count, requires = "ray")]
    workers: Option<usize>,
    /// Number of processor cores that Ray reserves for each worker
    #[arg(long, value_name = "CPUS", default_value_t = 1.0, requires = "ray")]
    worker_cpus: f64,
    /// Number of GPUs that Ray reserves for each worker
    #[arg(long, value_name = "GPUS", default_value_t = 0.0, requires = "ray")]
    worker_gpus: f64,
    /// Seconds after which a measurement is started again on another worker (default: no limit)
    #[arg(long, value_name = "SECONDS", requires = "ray")]
    deadline: Option<f64>,
    /// Accepts workers on devices of another kind than this machine's, whose losses differ in the last digits
    #[arg(long, requires = "ray")]
    any_device: bool,
}

/// A control that a search is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Control {
    /// Random formulas of the same space
    Random,
    /// Depth ramps of all slopes (ATP)
    Ramp,
    /// The depth ramp with the smallest change of activations (NeuroAL); runs to its end whatever it costs
    Neuroal,
    /// Sparsity distributed within each block by gradients (BESA); runs to its end whatever it costs
    Besa,
    /// EvoPress-style free levels, per block and per projection
    Evopress,
    /// Equal marginal damage per block, per projection and, where weights are compared within rows, per row; found by gradients
    Descent,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        let (place, mut texts) = (place(arguments)?, texts(arguments)?);
        let also = arguments.objective.also.iter().filter_map(|it| it.parse().ok());
        texts.marginals_at.extend(place.sparsities.iter().copied().chain(also));
        // Every control spends as much as a search.
        let searches = arguments.seeds * (1 + arguments.control.len() as u64);
        let candidates = arguments.evaluations.unwrap_or(EVALUATIONS) as u64 * searches;
        let plans = Plans {
            decide: arguments.asked.plan(&arguments.tasks),
            report: arguments.asked.plan(&arguments.report_tasks),
        };
        let settings = arguments.objective.settings(place.sparsities);
        return forecast(&place, &texts, &plans, (candidates, settings), common);
    }
    work(described(arguments, common)?, common)
}

/// Returns the search that the arguments describe: a new one, or one to resume.
///
/// # Errors
/// Fails when a model, a text or a script cannot be found, or the folder to resume is not a search's.
pub(in crate::cli) fn described(arguments: &Arguments, common: Common) -> Result<Search, CliError> {
    if arguments.many.ray.is_some() {
        return Err(CliError::NoRay);
    }
    if let Some(folder) = &arguments.resume {
        let search = Search::resume(folder)?;
        let search = match arguments.evaluations {
            Some(_) if search.is_enumeration() => return Err(CliError::EveryFormula),
            Some(evaluations) => search.with_evaluations(evaluations)?,
            None => search,
        };
        return Ok(search.within(arguments.time_limit));
    }
    let Some(out) = &arguments.out else { return Err(CliError::NoSparsity) };
    let (place, texts) = (place(arguments)?, texts(arguments)?);
    let space = arguments.space.options()?;
    let decides = arguments.asked.plan(&arguments.tasks);
    let mut settings = base(place, &arguments.objective, decides, texts, space, common.quiet)?;
    let reported = arguments.asked.plan(&arguments.report_tasks);
    settings.report_tasks = reported.map(TaskPlan::from_anywhere).transpose()?;
    let included = arguments.include.iter().cloned().map(Named::Name).chain(arguments.written.named());
    for name in included {
        let loaded = name.load(None, common.quiet)?;
        let asked = settings.trial.texts.clone();
        include(&mut settings, &loaded);
        say_collected_in(&asked, &settings.trial.texts, common.quiet);
        if arguments.texts.refuses_gradients() && settings.trial.texts.gradients {
            return Err(CliError::NoGradients { name: loaded.name });
        }
    }
    for (folders, held_out) in [(&arguments.teacher, false), (&arguments.held_out_teacher, true)] {
        folders.iter().try_for_each(|folder| learn_from(&mut settings, folder, held_out))?;
    }
    settings.evaluations = arguments.evaluations.unwrap_or(EVALUATIONS);
    settings.patience = arguments.patience;
    settings.lag = arguments.lag;
    settings.surrogate = arguments.surrogate;
    settings.seeds = (arguments.seed..arguments.seed.saturating_add(arguments.seeds)).collect();
    settings.controls = controls(&arguments.control, settings.trial.ranking.metric.per);
    settings.report_sparsities.clone_from(&arguments.report_sparsity);
    Ok(Search::new(settings, out).within(arguments.time_limit))
}

/// Returns whether `--dry-run` is given.
pub(in crate::cli) const fn is_planned(arguments: &Arguments) -> bool {
    arguments.dry_run.dry_run
}

/// Returns the model and target of a new search; clap requires both unless a run is resumed.
fn place(arguments: &Arguments) -> Result<TrialPlace<'_>, CliError> {
    match (&arguments.model, &arguments.sparsity[..]) {
        (None, _) | (_, []) => Err(CliError::NoSparsity),
        (Some(model), sparsities) => Ok(TrialPlace { model, sparsities, length: arguments.texts.length }),
    }
}

/// Returns the texts of a new search.
fn texts(arguments: &Arguments) -> Result<TextSettings, CliError> {
    // Where tasks decide, nothing reads the fitness text; another text takes its place and has no effect.
    let by_tasks = arguments.objective.measure == Measure::Tasks;
    let mut texts = arguments.texts.settings_with(arguments.seed, by_tasks)?;
    texts.marginals_at.clone_from(&arguments.report_sparsity);
    Ok(texts)
}

/// Returns the searchers of the controls that can run where weights are compared within a group.
fn controls(asked: &[Control], per: Group) -> Vec<Searcher> {
    let several = |control: &Control| match control {
        Control::Random => vec![Searcher::Random],
        Control::Ramp => vec![Searcher::Baseline(Baseline::Ramp)],
        Control::Neuroal => vec![Searcher::Baseline(Baseline::Neuroal)],
        Control::Besa => vec![Searcher::Baseline(Baseline::Besa)],
        Control::Evopress => {
            [Baseline::EvopressBlock, Baseline::EvopressProjection].map(Searcher::Baseline).to_vec()
        }
        Control::Descent => {
            let all = [Baseline::DescentBlock, Baseline::Descent, Baseline::DescentRow];
            all.into_iter().filter(|program| program.runs_within(per)).map(Searcher::Baseline).collect()
        }
    };
    asked.iter().flat_map(several).collect()
}

/// Returns the settings of a new run with one seed and no control.
///
/// # Errors
/// Fails when a model or the method's script cannot be found.
pub(in crate::cli) fn base(
    place: TrialPlace<'_>,
    objective: &Objective,
    tasks: Option<TaskPlan>,
    mut texts: TextSettings,
    space: SpaceOptions,
    quiet: bool,
) -> Result<Settings, CliError> {
    texts.damages.retain(|unit: &UnitKind| space.units.iter().any(|own| own.of_layer() == *unit));
    Ok(Settings {
        evaluations: usize::MAX,
        ..Settings::new(trial(place, objective, tasks, texts, quiet)?, space)
    })
}

/// Runs a search, or the rest of it, and shows its results.
///
/// # Errors
/// Fails as the search does.
pub(in crate::cli) fn work(search: Search, common: Common) -> Result<Verdict, CliError> {
    let prepared = preparation::prepared(common, |machine, note| {
        let search = search.on(machine.engine, machine.precision).beside(machine.others);
        search.cancelled_by(machine.cancel).prepare(note)
    })?;
    say_same(&prepared.same_texts(), common.quiet);
    let folder = prepared.folder().to_owned();
    let stopped =
        CliError::Stopped { folder: folder.clone(), device: common.device.flags(), cause: Interrupted };
    let writing = Deferred::resumable(&folder, help::explained(&stopped));
    let line = Line::new(common.quiet);
    let found = prepared.run(&mut |state| line.show(&state));
    line.bar.done();
    let found = found.map_err(|error| match error {
        SearchError::Interrupted(cause) => {
            CliError::Stopped { folder: folder.clone(), device: common.device.flags(), cause }
        }
        error => error.into(),
    })?;
    write_scripts(&found)?;
    drop(writing);
    super::show::found(&found, common)?;
    Ok(Verdict::Fine)
}

/// Writes the scripts that were found, each with a header that says how it was found, and the summary.
///
/// # Errors
/// Fails when a file cannot be written.
pub(in crate::cli) fn write_scripts(found: &Found) -> Result<(), CliError> {
    let script = |winner: &_| script::file(&found.summary, &found.settings, found.report_windows, winner);
    Ok(folder::write(&found.folder, &found.summary, &script)?)
}

/// The progress line of a search: how far it is, its best loss, and the time left.
struct Line {
    bar: Progress,
    /// When the first search started. `since` holds the search that is shown, and when it started.
    begun: Instant,
    since: Cell<(usize, Instant)>,
}

impl Line {
    fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self { bar: Progress::new("searching", quiet), begun: now, since: Cell::new((usize::MAX, now)) }
    }

    fn show(&self, state: &State<'_>) {
        if self.since.get().0 != state.done {
            self.since.set((state.done, Instant::now()));
            let several = format!(
                "{} of {}: {}, seed {}",
                state.done + 1,
                state.all,
                state.searcher.name(),
                state.seed
            );
            self.bar.named(if state.all == 1 { "searching" } else { &several });
        }
        let spent = state.spent.evaluations;
        let all = state.evaluations.max(spent).max(1);
        let best =
            if state.best.is_finite() { format!(", lowest loss {:.4}", state.best) } else { String::new() };
        self.bar.says(&format!("{spent} of {all} allocations{best}"));
        self.bar.at_with(spent as f64 / all as f64, self.left(state, spent as f64 / all as f64));
    }

    /// Estimates the time left for this search and the following ones from the time of those before.
    fn left(&self, state: &State<'_>, share: f64) -> Option<Duration> {
        let done = state.done as f64 + share;
        let known = share > 0.01 && self.begun.elapsed() > Duration::from_secs(2);
        known.then(|| self.begun.elapsed().mul_f64((state.all as f64 - done).max(0.0) / done))
    }
}
