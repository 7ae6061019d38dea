//! A whole run: the search and its controls for every seed.

use std::time::Instant;

use super::each_target::{AtEach, Joined};
use super::enumerate::enumerate;
use super::error::SearchError;
use super::evolve::evolve;
use super::finals::{Done, Finals, best, summarise};
use super::measured::MeasuredFormula;
use super::random::search_randomly;
use super::searcher::Searcher;
use super::settings::Settings;
use super::space::Space;
use super::summary::{RunSummary, Summary, Winner, WinnerName};
use super::teacher::Teachers;
use crate::baselines;
use crate::lang::check::{CheckOptions, check};
use crate::lang::program::Script;
use crate::lang::published::{self, PUBLISHED};
use crate::trial::archive::Archive;
use crate::trial::candidate::{Candidate, canonical_form};
use crate::trial::contest::ProposedFormula;
use crate::trial::evaluator::Evaluator;
use crate::trial::objective::Objective;
use crate::trial::race::{Budget, Race};
use crate::trial::scores::Examination;
use crate::trial::spent::Spent;
use crate::trial::store::Store;

/// Progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The searcher that runs now.
    pub searcher: Searcher,
    /// Its seed.
    pub seed: u64,
    /// How many searches and controls are finished.
    pub done: usize,
    /// How many there are in total.
    pub all: usize,
    /// The budget that the current one has spent.
    pub spent: &'a Spent,
    /// How many evaluations it may spend.
    pub evaluations: usize,
    /// The lowest loss on the fitness text so far.
    pub best: f64,
}

/// Callback for progress.
pub type Watch<'a> = dyn FnMut(State<'_>) + 'a;

/// Runs the search and its controls, and returns their results.
///
/// Every measurement goes through `store`; with earlier measurements in it, the run repeats the same course
/// without making them again.
///
/// # Errors
/// When a model cannot run, the store cannot be written, a control cannot run, or the run was interrupted.
pub fn run(
    settings: &Settings,
    space: &Space,
    evaluator: &Evaluator,
    store: &mut dyn Store,
    watch: &mut Watch<'_>,
) -> Result<Summary, SearchError> {
    run_logged(
        settings,
        space,
        evaluator,
        store,
        Course { watch, log: &mut |_| (), deadline: None, examination: None, teachers: &Teachers::default() },
    )
}

/// Callbacks and limits of a run.
pub struct Course<'a, 'w, 'l> {
    /// Called with the progress.
    pub watch: &'a mut Watch<'w>,
    /// Called with every allocation once its loss is known.
    pub log: &'a mut (dyn FnMut(&MeasuredFormula) + 'l),
    /// After this time, the search starts no further measurement; the results so far are ranked and reported.
    pub deadline: Option<Instant>,
    /// The tasks on which winners are scored after all decisions.
    pub examination: Option<&'a mut Examination>,
    /// The teachers of evolution.
    pub teachers: &'a Teachers,
}

/// Runs like [`run`], and reports every measured allocation.
///
/// # Errors
/// As [`run`].
pub fn run_logged(
    settings: &Settings,
    space: &Space,
    evaluator: &Evaluator,
    store: &mut dyn Store,
    course: Course<'_, '_, '_>,
) -> Result<Summary, SearchError> {
    let Course { watch, log, deadline, examination, teachers } = course;
    let objective = Objective::new(evaluator, store)?;
    let seeds = seeds(settings, space);
    let material = Material { space, seeds: &seeds, teachers };
    let ground = Ground { settings, evaluator, objective: &objective, material, deadline };
    let plan = plan(settings);
    let mut done: Vec<Done> = Vec::new();
    for (index, (searcher, seed)) in plan.iter().copied().enumerate() {
        let budget = budget(settings, searcher, seed, &done);
        let evaluations = budget.evaluations.min(settings.evaluations);
        let mut observer = |spent: &Spent, best: f64| {
            watch(State { searcher, seed, done: index, all: plan.len(), spent, evaluations, best });
        };
        let mut tell = |setting: Option<usize>, candidate: &Candidate, loss: f64, full: bool| {
            let measured = MeasuredFormula::new(index + 1, searcher, seed, candidate, loss, full);
            // An allocation at one setting has no distance from the teachers at the others.
            let all = setting.is_none();
            let distance = all.then(|| teachers.distance(&candidate.allotted)).filter(|it| it.is_finite());
            log(&MeasuredFormula { setting, distance, ..measured });
        };
        let joined = ground.joined((searcher, seed), budget, store, &mut observer, &mut tell)?;
        let Joined { archive, spent, points } = joined;
        let mut ranking = Finals { evaluator, store, objective: &objective, examination: None };
        let finalists = ranking.finalists(&archive)?;
        let Some(best) = finalists.first() else { continue };
        // The report text is only read after all decisions, so there is no damage to report yet.
        let best = Winner {
            name: WinnerName::Best(searcher),
            formula: None,
            fitness: best.fitness,
            selection: best.selection,
            report: Vec::new(),
            unsearched: Vec::new(),
            tasks: Vec::new(),
        };
        done.push(Done { run: RunSummary { searcher, seed, spent, points, best }, finalists });
    }
    let mut finals = Finals { evaluator, store, objective: &objective, examination };
    for it in &mut done {
        if let Some(best) = it.finalists.first_mut() {
            if it.run.searcher.is_search() {
                best.simplify(evaluator, space)?;
            }
            it.run.best = finals.winner(WinnerName::Best(it.run.searcher), best)?;
        }
    }
    let published = published(evaluator)?;
    let method = settings.trial.ranking.method.name();
    let mut summary = summarise(&mut finals, space, method, &done, &published)?;
    finals.at_further_sparsities(&settings.report_sparsities, &done, &published, &mut summary)?;
    summary.teachers = best(&done).map(|it| teachers.distances(&it.candidate.allotted)).unwrap_or_default();
    Ok(summary)
}

/// Returns a searcher's budget: a control may read as many tokens as the search with its seed did.
fn budget(settings: &Settings, searcher: Searcher, seed: u64, done: &[Done]) -> Budget {
    let search = done.iter().find(|it| it.run.searcher.is_search() && it.run.seed == seed);
    match (searcher, search) {
        (Searcher::Enumeration, _) => Budget { evaluations: usize::MAX, tokens: u64::MAX },
        (Searcher::Evolution, _) | (_, None) => {
            Budget { evaluations: settings.evaluations, tokens: u64::MAX }
        }
        (_, Some(search)) => Budget { evaluations: usize::MAX, tokens: search.run.spent.tokens },
    }
}

/// The sources of formulas.
#[derive(Clone, Copy)]
struct Material<'a> {
    space: &'a Space,
    seeds: &'a [ProposedFormula],
    teachers: &'a Teachers,
}

/// Callback for each settled candidate: the setting if it was measured at one of several, its loss, and whether
/// it was measured on the whole text.
type Tell<'a> = dyn FnMut(Option<usize>, &Candidate, f64, bool) + 'a;

/// What all searches and controls of a run share.
struct Ground<'a> {
    settings: &'a Settings,
    evaluator: &'a Evaluator,
    objective: &'a Objective,
    material: Material<'a>,
    deadline: Option<Instant>,
}

impl Ground<'_> {
    /// Runs one search or control, given with its seed. `tell` is called with every candidate once its loss
    /// is known, and with the index of the setting if it was measured at one of several.
    fn joined(
        &self,
        (searcher, seed): (Searcher, u64),
        budget: Budget,
        store: &mut dyn Store,
        observer: &mut dyn FnMut(&Spent, f64),
        tell: &mut Tell<'_>,
    ) -> Result<Joined, SearchError> {
        let Self { settings, evaluator, objective, deadline, .. } = *self;
        if let Searcher::Baseline(program) = searcher
            && program.is_of_one_target()
            && evaluator.targets.len() > 1
        {
            let control = AtEach { program, seed, evaluator, objective, budget, deadline };
            let mut watch = |spent: &Spent| observer(spent, f64::INFINITY);
            let mut log = |place, candidate: &Candidate, loss, full| tell(Some(place), candidate, loss, full);
            return control.run(store, &mut watch, &mut log);
        }
        let mut observer = |spent: &Spent, best: f64| observer(spent, best);
        let mut log = |candidate: &Candidate, loss: f64, full: bool| tell(None, candidate, loss, full);
        let race = Race::new(evaluator, store, objective, budget, &mut observer).logged(&mut log);
        let patience = settings.patience.filter(|_| searcher.is_search());
        let mut race = race.until(deadline).patient(patience);
        let archive = search(searcher, seed, &mut race, settings, &self.material)?;
        let (spent, points) = race.end();
        Ok(Joined { archive, spent, points })
    }
}

/// Runs one search or control.
fn search(
    searcher: Searcher,
    seed: u64,
    race: &mut Race<'_>,
    settings: &Settings,
    material: &Material<'_>,
) -> Result<Archive, SearchError> {
    let Material { space, seeds, teachers } = *material;
    match searcher {
        Searcher::Evolution => evolve(race, space, seeds, seed, settings, teachers),
        Searcher::Enumeration => match &settings.enumeration {
            Some(grid) => enumerate(race, space, grid),
            None => Ok(Archive::default()),
        },
        Searcher::Random => search_randomly(race, space, seeds, seed),
        Searcher::Baseline(program) => Ok(baselines::run::run(program, race, seed)?),
    }
}

/// Checks that the controls can run, before any work begins.
///
/// # Errors
/// As [`baselines::run::check`], for the first that cannot run.
pub fn check_controls(settings: &Settings) -> Result<(), SearchError> {
    for control in &settings.controls {
        if let Searcher::Baseline(program) = control {
            baselines::run::check(*program, settings.trial.pattern, &settings.trial.targets)?;
        }
    }
    Ok(())
}

/// Returns the number of searches and controls in a run.
pub fn searches(settings: &Settings) -> usize {
    plan(settings).len()
}

/// Returns the runs: the search and its controls for every seed; a control that does not use the seed runs
/// once.
fn plan(settings: &Settings) -> Vec<(Searcher, u64)> {
    if settings.enumeration.is_some() {
        return vec![(Searcher::Enumeration, 0)];
    }
    let mut plan = Vec::new();
    for (index, seed) in settings.seeds.iter().enumerate() {
        for searcher in Searcher::all() {
            let wanted = searcher == Searcher::Evolution || settings.controls.contains(&searcher);
            if wanted && (index == 0 || searcher.has_chance()) {
                plan.push((searcher, *seed));
            }
        }
    }
    plan
}

/// Returns the allocations that a population starts with: the published ones and those included by the
/// settings.
fn seeds(settings: &Settings, space: &Space) -> Vec<ProposedFormula> {
    let known = PUBLISHED.iter().filter_map(|it| Some((published::script(it.name)?, Some(it.name))));
    let included = settings.include.iter().filter_map(|text| {
        let script = check(text, CheckOptions::default()).script?;
        let allocation = script.allocation.map(|it| it.without_spans());
        Some((Script { metric: None, unit: script.unit, allocation }, None))
    });
    let adapted = |(script, published): (Script, Option<&'static str>)| {
        Some(ProposedFormula { script: space.adapt(&script)?, published })
    };
    known.chain(included).filter_map(adapted).collect()
}

/// Returns the published allocations that have a value on the models, each with its own unit.
fn published(evaluator: &Evaluator) -> Result<Vec<Candidate>, SearchError> {
    let scripts: Vec<(Script, &'static str)> = PUBLISHED
        .iter()
        .filter_map(|it| Some((published::script(it.name)?, it.name)))
        .filter(|(script, _)| script.allocation.is_some())
        .map(|(script, name)| {
            let unit = Some(script.unit.unwrap_or_default());
            (canonical_form(&Script { metric: None, unit, ..script }).0, name)
        })
        .collect();
    let (scripts, names): (Vec<_>, Vec<_>) = scripts.into_iter().unzip();
    let candidates = evaluator.candidates(scripts)?.into_iter().zip(names);
    Ok(candidates
        .filter_map(|(candidate, name)| Some(Candidate { published: Some(name), ..candidate? }))
        .collect())
}
