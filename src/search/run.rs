//! A whole run: searches and controls for every seed, and the files that they leave in its folder.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::enumerate::enumerate;
use super::error::SearchError;
use super::evolve::evolve;
use super::finals::{Done, Finish, summarise};
use super::random::{search_by, search_randomly};
use super::space::Space;
use super::summary::{RunSummary, Searcher, Spent, Summary};
use crate::lang::check::{Options, check};
use crate::lang::program::Script;
use crate::lang::published::{self, PUBLISHED};
use crate::model::{ModelError, write_beside};
use crate::report::search::script;
use crate::trial::archive::Archive;
use crate::trial::candidate::{Candidate, canonical_form};
use crate::trial::evaluator::Evaluator;
use crate::trial::prepare::Settings;
use crate::trial::race::{Budget, Lab, uniform_losses};
use crate::trial::store::Store;

/// The files of a run's folder, beside its settings.
pub const JOURNAL: &str = "journal.jsonl";
/// What was found, as data.
pub const SUMMARY: &str = "summary.json";
/// The winning script.
pub const BEST: &str = "best.allot";
/// The folder of the Pareto front's scripts.
pub const FRONT: &str = "front";

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// What proposes candidates now.
    pub searcher: Searcher,
    /// Its seed.
    pub seed: u64,
    /// How many searches and controls are done.
    pub done: usize,
    /// How many there are.
    pub all: usize,
    /// What the current one has spent.
    pub spent: &'a Spent,
    /// What it may spend.
    pub evaluations: usize,
    /// The best loss on the fitness text.
    pub best: f64,
}

/// Tells how a run goes.
pub type Watch<'a> = dyn FnMut(State<'_>) + 'a;

/// Runs all searches and controls, and returns what they found.
///
/// Every measurement goes through `store`; with one that knows earlier measurements the run goes the same way again, without
/// making them.
///
/// # Errors
/// When a model cannot run, the store cannot be written, a control cannot run, or something asked to stop.
pub fn run(
    settings: &Settings,
    space: &Space,
    evaluator: &Evaluator,
    store: &mut dyn Store,
    watch: &mut Watch<'_>,
) -> Result<Summary, SearchError> {
    let uniform = uniform_losses(evaluator, store)?;
    let seeds = seeds(settings, space);
    let mut done: Vec<Done> = Vec::new();
    let plan = plan(settings);
    for (index, (searcher, seed)) in plan.iter().copied().enumerate() {
        // A control spends as many tokens as the search of its seed did.
        let spent = |it: &&Done| it.run.searcher.is_search() && it.run.seed == seed;
        let budget = match (searcher, done.iter().find(spent)) {
            (Searcher::Enumeration, _) => Budget { evaluations: usize::MAX, tokens: u64::MAX },
            (Searcher::Evolution, _) | (_, None) => {
                Budget { evaluations: settings.evaluations, tokens: u64::MAX }
            }
            (_, Some(search)) => Budget { evaluations: usize::MAX, tokens: search.run.spent.tokens },
        };
        let evaluations = budget.evaluations.min(settings.evaluations);
        let mut observer = |spent: &Spent, best: f64| {
            watch(State { searcher, seed, done: index, all: plan.len(), spent, evaluations, best });
        };
        let mut lab = Lab::new(evaluator, store, &uniform, budget, &mut observer);
        let archive: Archive = match searcher {
            Searcher::Evolution => evolve(&mut lab, space, &seeds, seed)?,
            Searcher::Enumeration => match &settings.enumeration {
                Some(grid) => enumerate(&mut lab, space, grid)?,
                None => Archive::default(),
            },
            Searcher::Random => search_randomly(&mut lab, space, &seeds, seed)?,
            program => search_by(program, &mut lab, seed)?,
        };
        let (spent, points) = (lab.spent.clone(), std::mem::take(&mut lab.points));
        let finalists = Finish { evaluator, store, uniform: &uniform }.finalists(&archive)?;
        let Some(best) = finalists.first() else { continue };
        // The report text is read when all is decided; until then there is no damage to tell of.
        let best = super::summary::Winner {
            name: searcher.name().to_owned(),
            formula: None,
            fitness: best.fitness,
            selection: best.selection,
            report: Vec::new(),
        };
        done.push(Done { run: RunSummary { searcher, seed, spent, points, best }, finalists });
    }
    let mut finish = Finish { evaluator, store, uniform: &uniform };
    for it in &mut done {
        if let Some(best) = it.finalists.first() {
            it.run.best = finish.winner(it.run.searcher.name(), best)?;
        }
    }
    let published = published(evaluator)?;
    summarise(&mut finish, &settings.method, &done, &published)
}

/// Returns what is run: for every seed the search and its controls; a control without chance once.
fn plan(settings: &Settings) -> Vec<(Searcher, u64)> {
    if settings.enumeration.is_some() {
        return vec![(Searcher::Enumeration, 0)];
    }
    let mut plan = Vec::new();
    for (index, seed) in settings.seeds.iter().enumerate() {
        for searcher in Searcher::ALL {
            let wanted = searcher == Searcher::Evolution || settings.controls.contains(&searcher);
            if wanted && (index == 0 || searcher.has_chance()) {
                plan.push((searcher, *seed));
            }
        }
    }
    plan
}

/// Returns the allocations with which a population begins: the published ones, and those that the settings include.
fn seeds(settings: &Settings, space: &Space) -> Vec<(Script, Option<&'static str>)> {
    let known = PUBLISHED.iter().filter_map(|it| Some((published::script(it.name)?, Some(it.name))));
    let included = settings.include.iter().filter_map(|text| {
        let script = check(text, Options::default()).script?;
        let allocation = script.allocation.map(|it| it.without_spans());
        Some((Script { metric: None, unit: script.unit, allocation }, None))
    });
    known.chain(included).filter_map(|(script, name)| Some((space.adapt(&script)?, name))).collect()
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

/// Writes what a run found into its folder: the winner, the front, and all of it as data.
///
/// # Errors
/// When a file cannot be written; what was there before is then whole.
pub fn write(folder: &Path, summary: &Summary) -> Result<(), SearchError> {
    let data = |path: &Path, bytes: &[u8]| write_beside(path, |file| std::io::Write::write_all(file, bytes));
    if let Some(text) = script::file(summary, &summary.best) {
        data(&folder.join(BEST), text.as_bytes())?;
    }
    let front = folder.join(FRONT);
    let failed = |source| ModelError::Write { path: front.clone(), source };
    if front.exists() {
        fs::remove_dir_all(&front).map_err(failed)?;
    }
    fs::create_dir_all(&front).map_err(failed)?;
    for winner in &summary.front {
        if let (Some(text), Some(formula)) = (script::file(summary, winner), &winner.formula) {
            data(&front.join(format!("{:03}.allot", formula.size)), text.as_bytes())?;
        }
    }
    Ok(data(&folder.join(SUMMARY), &json(summary)?)?)
}

/// Reads what a run found.
///
/// # Errors
/// When the folder is not a run's, or the run is not finished.
pub fn read(folder: &Path) -> Result<Summary, SearchError> {
    let wrong = |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: SUMMARY, problem };
    let bytes = fs::read(folder.join(SUMMARY)).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, SearchError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| ModelError::Write { path: SUMMARY.into(), source: error.into() })?;
    bytes.push(b'\n');
    Ok(bytes)
}
