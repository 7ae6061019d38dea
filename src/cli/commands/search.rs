//! `allot search`: evolve allocation functions on a model.

use std::cell::Cell;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::baselines::program::Program;
use crate::cli::shared::common::{Common, Outcome};
use crate::cli::shared::error::CliError;
use crate::cli::shared::interrupt::Deferred;
use crate::cli::shared::{model, preparation, scripts};
use crate::lang::ops::Op;
use crate::model::Checkpoint;
use crate::prune::Method;
use crate::report::search::script;
use crate::search::error::SearchError;
use crate::search::folder::{self, JOURNAL};
use crate::search::run::{self, State};
use crate::search::searcher::Searcher;
use crate::search::settings::Settings;
use crate::search::space::{Space, SpaceOptions};
use crate::session::{Needs, metric_of};
use crate::stats::{Source, TokenFile, WINDOW_LENGTH, window_length};
use crate::trial::loss::Measure;
use crate::trial::ranking::Ranking;
use crate::trial::settings::{TextSettings, TrialSettings};
use crate::trial::store::Journal;
use crate::trial::target::Target;

/// The texts of a search, in the order in which they are read.
const TEXTS: [&str; 4] = ["calibration", "fitness", "selection", "report"];

/// Evolves allocation functions on a model, and writes the best as scripts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot search MODEL --sparsity 0.7 --texts MODEL/text --length 256 --out RUN
  allot search MODEL --sparsity 0.7 --calibration c.jsonl --fitness f.jsonl --selection s.jsonl --report r.jsonl --out RUN
  allot search MODEL --sparsity 0.7 --calibration T.safetensors:calib_ids --fitness T.safetensors:fitness_ids --out RUN
  allot search MODEL --sparsity 0.7 --texts TEXTS --seeds 3 --control random --control evopress --out RUN
  allot search MODEL --sparsity 0.7 --also 0.6 --also 0.8 --texts TEXTS --out RUN
  allot search --resume RUN

A text is a file of plain text, JSONL with a `text` field, or ready ids, FILE.safetensors:NAME. RUN holds best.allot, front/,
report.html and summary.json at the end, and a journal that `--resume` goes on from.")]
pub(in crate::cli) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    #[arg(required_unless_present = "resume")]
    model: Option<PathBuf>,
    /// Goes on with the run in this folder, as if it had never stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["model", "out", "sparsity"])]
    resume: Option<PathBuf>,
    /// The share of all weights in the blocks' linears that is to be pruned, from 0 to 1
    #[arg(long, short, value_name = "RATIO", required_unless_present = "resume")]
    sparsity: Option<f64>,
    /// The folder to be written
    #[arg(long, short, required_unless_present = "resume")]
    out: Option<PathBuf>,
    #[command(flatten)]
    texts: Texts,
    #[command(flatten)]
    objective: Objective,
    #[command(flatten)]
    space: crate::cli::shared::space::SpaceArguments,
    /// Begins with this script as well, beside the published ones; may be repeated
    #[arg(long, value_name = "SCRIPT", help_heading = "Search space")]
    include: Vec<String>,
    /// How many allocations each search measures
    #[arg(long, short, default_value_t = 500, help_heading = "Budget")]
    evaluations: usize,
    /// How many searches are run, each with its own seed
    #[arg(long, default_value_t = 1, help_heading = "Budget")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, help_heading = "Budget")]
    seed: u64,
    /// Spends the same tokens on a control, and compares: random formulas, depth ramps (ATP), NeuroAL's ramp, BESA,
    /// or EvoPress-style free levels
    #[arg(long, value_name = "CONTROL", value_enum, help_heading = "Budget")]
    control: Vec<Control>,
}

/// What candidates are judged by.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Objective")]
pub(in crate::cli) struct Objective {
    /// Searches for a function that is good there as well: another sparsity, or a model's folder; may be repeated
    #[arg(long, value_name = "RATIO|MODEL")]
    pub(in crate::cli) also: Vec<String>,
    /// What counts as damage: the divergence from the dense model, or perplexity
    #[arg(long, default_value = "kl", value_parser = measure)]
    pub(in crate::cli) measure: Measure,
    /// How weights are chosen: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda")]
    pub(in crate::cli) method: String,
    /// Where zeros may stand: unstructured, or `n:M` as the allocation has it
    #[arg(long, default_value = "unstructured")]
    pub(in crate::cli) pattern: crate::prune::Pattern,
}

/// What a search is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Control {
    /// Random formulas of the same space
    Random,
    /// Depth ramps of all slopes (ATP)
    Ramp,
    /// The depth ramp that disturbs activations least (NeuroAL); it runs whole, whatever it spends
    Neuroal,
    /// Sparsity shared out within each block by gradients (BESA); it runs whole, whatever it spends
    Besa,
    /// Free levels per block and per projection
    Evopress,
}

/// Which texts a search reads, and how much of them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Texts")]
pub(in crate::cli) struct Texts {
    /// A folder with calibration, fitness, selection and report as .jsonl, .txt or .raw, for those that are not given
    #[arg(long, value_name = "FOLDER")]
    texts: Option<PathBuf>,
    /// What the dense model's statistics are collected on
    #[arg(long, value_name = "FILE")]
    calibration: Option<String>,
    /// A statistics file instead, which `allot stats` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "calibration")]
    stats: Option<PathBuf>,
    /// What candidates are measured on
    #[arg(long, value_name = "FILE")]
    fitness: Option<String>,
    /// What the best are ranked by again; without it the fitness text decides
    #[arg(long, value_name = "FILE")]
    selection: Option<String>,
    /// What is measured once, at the end
    #[arg(long, value_name = "FILE")]
    report: Option<String>,
    /// Does not collect gradients on the calibration text: formulas do without the terminal `gradient`
    #[arg(long)]
    no_gradients: bool,
    /// Also collects each linear's reconstruction error (LSA), for the terminal `reconstruction_error`
    #[arg(long)]
    reconstruction_error: bool,
    /// How many tokens a window of the texts has (default: 2048, or the models' context where that is shorter)
    #[arg(long)]
    pub(in crate::cli) length: Option<usize>,
    /// How many windows are drawn from the calibration text, or taken of its ready ids
    #[arg(long, default_value_t = 128)]
    samples: usize,
    /// The most windows of the fitness and of the selection text
    #[arg(long, default_value_t = 16)]
    windows: usize,
    /// The most windows of the report text
    #[arg(long, value_name = "WINDOWS")]
    report_windows: Option<usize>,
}

impl Texts {
    /// Returns what the texts are, with files found in the folder where one is given.
    ///
    /// # Errors
    /// Fails when there is no fitness text.
    pub(in crate::cli) fn settings(&self, seed: u64) -> Result<TextSettings, CliError> {
        self.settings_with(seed, false)
    }

    /// As [`Texts::settings`]; where nothing is searched and there is no fitness text, another one stands in its place.
    ///
    /// # Errors
    /// Fails when there is no fitness text, and none to stand in its place.
    pub(in crate::cli) fn settings_with(
        &self,
        seed: u64,
        unsearched: bool,
    ) -> Result<TextSettings, CliError> {
        let given = [&self.calibration, &self.fitness, &self.selection, &self.report];
        let mut found = Vec::with_capacity(TEXTS.len());
        for (name, given) in TEXTS.into_iter().zip(given) {
            found.push(match given {
                Some(given) => Some(source(given)?),
                None => self.in_folder(name)?,
            });
        }
        let mut found = found.into_iter();
        let mut next = || found.next().flatten();
        let (calibration, fitness, selection, report) = (next(), next(), next(), next());
        let fitness = match (fitness, unsearched) {
            (None, true) => calibration.clone().or_else(|| report.clone()),
            (fitness, _) => fitness,
        };
        Ok(TextSettings {
            calibration: calibration.filter(|_| self.stats.is_none()),
            statistics: self.stats.as_deref().map(absolute).transpose()?,
            gradients: !self.no_gradients,
            reconstruction: self.reconstruction_error,
            samples: self.samples,
            seed,
            // Until the models are known, whose context it may not exceed.
            length: self.length.unwrap_or(WINDOW_LENGTH),
            fitness: fitness.ok_or(CliError::NoText { name: "fitness" })?,
            selection,
            report,
            windows: self.windows,
            report_windows: self.report_windows,
        })
    }

    fn in_folder(&self, name: &str) -> Result<Option<Source>, CliError> {
        let Some(folder) = &self.texts else { return Ok(None) };
        let files = ["jsonl", "txt", "raw"].map(|ending| folder.join(format!("{name}.{ending}")));
        let found = files.iter().find(|path| path.exists());
        Ok(found.map(|path| absolute(path)).transpose()?.map(|path| Source::Text(vec![path])))
    }
}

/// Reads what a text is: a file, or ready ids in one.
fn source(given: &str) -> Result<Source, CliError> {
    match given.rsplit_once(':') {
        Some((file, name)) if file.ends_with(".safetensors") => {
            let (file, tensor) = (absolute(Path::new(file))?, Some(name.to_owned()));
            Ok(Source::Tokens(TokenFile { file, tensor }))
        }
        _ => Ok(Source::Text(vec![absolute(Path::new(given))?])),
    }
}

/// Returns a path that still names the file when the run is resumed from elsewhere.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    path.canonicalize().map_err(|cause| CliError::Read { path: path.to_owned(), cause })
}

fn measure(word: &str) -> Result<Measure, String> {
    let known = [Measure::Kl, Measure::Perplexity].into_iter().find(|it| it.name() == word);
    known.ok_or_else(|| "write `kl` or `perplexity`".to_owned())
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    if let Some(folder) = &arguments.resume {
        let settings = Settings::read(folder)?;
        return work(settings, folder, true, common);
    }
    // clap asks for these unless a run is resumed.
    let (Some(dense), Some(sparsity), Some(out)) = (&arguments.model, arguments.sparsity, &arguments.out)
    else {
        return Err(CliError::NoSparsity);
    };
    let texts = arguments.texts.settings(arguments.seed)?;
    let space = arguments.space.options()?;
    let place = TrialPlace { model: dense, sparsity, length: arguments.texts.length };
    let mut settings = base(place, &arguments.objective, texts, space, common.quiet)?;
    for name in &arguments.include {
        let loaded = scripts::load(name, None, common.quiet)?;
        let needs =
            Needs::of_scripts([&loaded.script], &metric_of(&scripts::method(&arguments.objective.method)?)?);
        settings.trial.texts.reconstruction |= needs.has(Op::ReconstructionError);
        settings.trial.texts.gradients |= needs.has(Op::Gradient);
        settings.include.push(loaded.text);
    }
    settings.evaluations = arguments.evaluations;
    settings.seeds = (arguments.seed..arguments.seed.saturating_add(arguments.seeds)).collect();
    let controls = arguments.control.iter().flat_map(|control| match control {
        Control::Random => vec![Searcher::Random],
        Control::Ramp => vec![Searcher::Program(Program::Ramp)],
        Control::Neuroal => vec![Searcher::Program(Program::Neuroal)],
        Control::Besa => vec![Searcher::Program(Program::Besa)],
        Control::Evopress => {
            [Program::EvopressBlock, Program::EvopressProjection].map(Searcher::Program).to_vec()
        }
    });
    settings.controls = controls.collect();
    begin(settings, out, common)
}

/// Where candidates are measured, as arguments say it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct TrialPlace<'a> {
    /// The main model's folder, or its id.
    pub(in crate::cli) model: &'a Path,
    /// The main target sparsity.
    pub(in crate::cli) sparsity: f64,
    /// How many tokens a window has, where that is said.
    pub(in crate::cli) length: Option<usize>,
}

/// Returns the settings of a new run with one seed and no control.
///
/// # Errors
/// Fails when a model or the method's script cannot be found.
pub(in crate::cli) fn base(
    place: TrialPlace<'_>,
    objective: &Objective,
    texts: TextSettings,
    space: SpaceOptions,
    quiet: bool,
) -> Result<Settings, CliError> {
    Ok(Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trial: trial(place, objective, texts, quiet)?,
        space,
        include: Vec::new(),
        enumeration: None,
        evaluations: usize::MAX,
        seeds: vec![0],
        controls: Vec::new(),
        identities: Vec::new(),
    })
}

/// Returns which models and texts candidates are measured on.
///
/// # Errors
/// Fails when a model or the method's script cannot be found.
pub(in crate::cli) fn trial(
    place: TrialPlace<'_>,
    objective: &Objective,
    mut texts: TextSettings,
    quiet: bool,
) -> Result<TrialSettings, CliError> {
    let method = scripts::method(&objective.method)?;
    let metric = metric_of(&method)?;
    let needs = Needs::of_method(&method);
    texts.reconstruction |= needs.has(Op::ReconstructionError);
    texts.gradients |= needs.has(Op::Gradient);
    let method = match method {
        // What SparseGPT allots by is Wanda's score.
        Method::SparseGpt { .. } => Method::Wanda,
        method => method,
    };
    let mut models = vec![absolute(&model::folder(place.model, quiet)?)?];
    let mut targets = vec![Target { subject: 0, sparsity: place.sparsity }];
    for also in &objective.also {
        match also.parse::<f64>() {
            Ok(sparsity) => targets.push(Target { subject: 0, sparsity }),
            Err(_) => {
                models.push(absolute(&model::folder(Path::new(also), quiet)?)?);
                targets.push(Target { subject: models.len() - 1, sparsity: place.sparsity });
            }
        }
    }
    for model in &models {
        let fits = window_length(place.length, &Checkpoint::open(model)?)?;
        texts.length = fits.min(place.length.unwrap_or(texts.length));
    }
    let ranking = Ranking { method, metric };
    let (pattern, measure) = (objective.pattern, objective.measure);
    Ok(TrialSettings { models, targets, ranking, pattern, measure, texts })
}

/// Begins a run in a new folder, and does all of it.
///
/// # Errors
/// Fails as the search does.
pub(in crate::cli) fn begin(settings: Settings, folder: &Path, common: Common) -> Result<Outcome, CliError> {
    work(settings, folder, false, common)
}

fn work(mut settings: Settings, folder: &Path, resumed: bool, common: Common) -> Result<Outcome, CliError> {
    // What is wrong with the space shows before any model is read, as if every statistic were collected.
    let collected = Op::COLLECTED.to_vec();
    Space::new(&SpaceOptions { collected, ..settings.space.clone() }).map_err(SearchError::from)?;
    let stopped = |error: SearchError| match error {
        SearchError::Interrupted(cause) => CliError::Stopped { folder: folder.to_owned(), cause },
        error => error.into(),
    };
    let prepared = preparation::prepared(&settings.trial, common)?;
    let writing = Deferred::begin();
    if resumed {
        settings.check(folder, &prepared.identities)?;
    } else {
        settings.identities.clone_from(&prepared.identities);
        settings.space.collected = prepared.collected()?;
        settings.begin(folder)?;
    }
    let space = Space::new(&settings.space).map_err(SearchError::from)?;
    let mut journal = Journal::open(&folder.join(JOURNAL))?;
    let line = Line::new(common.quiet);
    let result =
        run::run(&settings, &space, &prepared.evaluator, &mut journal, &mut |state| line.show(&state));
    line.bar.finish_and_clear();
    let summary = result.map_err(stopped)?;
    folder::write(folder, &summary, &|winner| script::file(&summary, winner))?;
    drop(writing);
    super::show::found(&summary, &settings, folder, common)?;
    Ok(Outcome::Fine)
}

/// One line on a terminal: how far, how good, how much is saved.
struct Line {
    bar: ProgressBar,
    /// Which search is shown, and since when.
    since: Cell<(usize, Instant)>,
}

impl Line {
    fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar, since: Cell::new((usize::MAX, Instant::now())) }
    }

    fn show(&self, state: &State<'_>) {
        if self.since.get().0 != state.done {
            self.since.set((state.done, Instant::now()));
        }
        let spent = state.spent;
        let prefix =
            format!("{}/{} {} seed {}", state.done + 1, state.all, state.searcher.name(), state.seed);
        self.bar.set_prefix(prefix);
        self.bar.set_length(state.evaluations.max(spent.evaluations) as u64);
        self.bar.set_position(spent.evaluations as u64);
        let share = |known: usize| 100.0 * known as f64 / spent.proposals.max(1) as f64;
        let rate = spent.evaluations as f64 / self.since.get().1.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!(
            "best {:.4}, known {:.0} % by formula {:.0} % by behaviour, {rate:.0}/s, {:.0} s left",
            state.best,
            share(spent.known_formulas),
            share(spent.known_behaviours),
            state.evaluations.saturating_sub(spent.evaluations) as f64 / rate.max(1e-3),
        ));
    }
}
