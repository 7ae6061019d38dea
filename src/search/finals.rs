//! The end of a search: the best candidates are ranked again on the selection text, and the report text is read once.

use super::error::SearchError;
use super::summary::{
    Comparison, Damage, Formula, Ratios, RunSummary, Searcher, SettingSummary, Summary, Winner,
};
use crate::lang::canonical;
use crate::lang::latex;
use crate::lang::program::Script;
use crate::measure::paired::{bootstrap_interval, signed_rank};
use crate::report::search::script;
use crate::trial::archive::{Archive, Individual};
use crate::trial::candidate::Candidate;
use crate::trial::evaluator::{Evaluator, Task};
use crate::trial::race::objective;
use crate::trial::store::{Losses, Store};
use crate::trial::subject::Split;

/// How many candidates are ranked again on the selection text, beside the front.
const HALL: usize = 16;

/// A candidate with its losses on the texts that choose.
#[derive(Clone, Debug)]
pub(super) struct Finalist {
    pub(super) candidate: Candidate,
    pub(super) fitness: f64,
    pub(super) selection: Option<f64>,
}

impl Finalist {
    /// Returns the loss that decides.
    fn deciding(&self) -> f64 {
        self.selection.unwrap_or(self.fitness)
    }
}

/// Measures the texts that candidates are not searched on.
pub(super) struct Finish<'a> {
    pub(super) evaluator: &'a Evaluator,
    pub(super) store: &'a mut dyn Store,
    pub(super) uniform: &'a [f64],
}

impl Finish<'_> {
    /// Returns the candidates of an archive that may win, the best on the selection text first.
    pub(super) fn finalists(&mut self, archive: &Archive) -> Result<Vec<Finalist>, SearchError> {
        let mut hall: Vec<&Individual> =
            archive.ranked().into_iter().filter(|it| it.full).take(HALL).collect();
        let also: Vec<&Individual> = archive
            .front()
            .into_iter()
            .filter(|it| it.candidate.genome.script().is_some())
            .filter(|it| !hall.iter().any(|known| same(known, it)))
            .collect();
        hall.extend(also);
        self.ranked(hall.into_iter().map(|it| it.candidate.clone()).collect())
    }

    /// Measures candidates on the whole fitness text and on the selection text, and returns them, the best first.
    pub(super) fn ranked(&mut self, candidates: Vec<Candidate>) -> Result<Vec<Finalist>, SearchError> {
        let fitness = self.losses(Split::Fitness, &candidates)?;
        let selection = self.losses(Split::Selection, &candidates)?;
        let mut finalists: Vec<Finalist> = candidates
            .into_iter()
            .zip(fitness.iter().zip(&selection))
            .map(|(candidate, (fitness, selection))| Finalist {
                candidate,
                fitness: self.loss(Split::Fitness, fitness),
                selection: (self.evaluator.windows(Split::Selection) > 0)
                    .then(|| self.loss(Split::Selection, selection)),
            })
            .collect();
        let size = |it: &Finalist| it.candidate.genome.size();
        finalists.sort_by(|a, b| a.deciding().total_cmp(&b.deciding()).then(size(a).cmp(&size(b))));
        Ok(finalists)
    }

    /// Returns a finalist with its damage on the report text, which is read here and nowhere else.
    pub(super) fn winner(&mut self, name: &str, finalist: &Finalist) -> Result<Winner, SearchError> {
        let losses = self.losses(Split::Report, std::slice::from_ref(&finalist.candidate))?;
        let report = losses.first().filter(|_| self.evaluator.windows(Split::Report) > 0);
        Ok(Winner {
            name: name.to_owned(),
            formula: finalist.candidate.genome.script().map(|script| formula(self.evaluator, script)),
            fitness: finalist.fitness,
            selection: finalist.selection,
            report: report
                .map(|losses| losses.iter().map(|it| Damage::mean(it)).collect())
                .unwrap_or_default(),
        })
    }

    /// Measures candidates on all windows of a text; those of one behaviour once.
    fn losses(&mut self, split: Split, candidates: &[Candidate]) -> Result<Vec<Losses>, SearchError> {
        let windows = self.evaluator.windows(split);
        if windows == 0 {
            return Ok(vec![Losses::new(); candidates.len()]);
        }
        let task = |candidate: &Candidate| candidate.allotted.clone();
        let allotted: Vec<_> = candidates.iter().map(task).collect();
        let tasks: Vec<Task<'_>> =
            allotted.iter().map(|allotted| Task { allotted, split, windows: 0..windows }).collect();
        self.evaluator.measure(&tasks, self.store)
    }

    fn loss(&self, split: Split, losses: &Losses) -> f64 {
        objective(self.evaluator, self.uniform, losses, self.evaluator.windows(split))
    }
}

fn same(a: &Individual, b: &Individual) -> bool {
    a.candidate.allotted.behaviour == b.candidate.allotted.behaviour
}

/// Returns a formula in its forms, with the metric that its `score` stands for.
fn formula(evaluator: &Evaluator, of: &Script) -> Formula {
    let complete = Script { metric: Some(evaluator.metric.clone()), ..of.clone() };
    Formula {
        script: script::text(&complete),
        latex: of.allocation.as_ref().map(latex::expr).unwrap_or_default(),
        size: of.allocation.as_ref().map_or(0, |it| it.size()),
        hash: canonical::hash(&complete),
    }
}

/// One search or control that is done.
pub(super) struct Done {
    pub(super) run: RunSummary,
    pub(super) finalists: Vec<Finalist>,
}

/// Puts together what all searches found.
pub(super) fn summarise(
    finish: &mut Finish<'_>,
    method: &str,
    done: &[Done],
    published: &[Candidate],
) -> Result<Summary, SearchError> {
    let evaluator = finish.evaluator;
    let evolved = || done.iter().filter(|it| it.run.searcher.is_search());
    let mut all: Vec<&Finalist> = evolved().flat_map(|it| &it.finalists).collect();
    all.sort_by(|a, b| a.deciding().total_cmp(&b.deciding()));
    let Some(best) = all.first().copied() else {
        return Err(SearchError::Control {
            control: "evolution",
            problem: "no formula has a value on the model",
        });
    };
    // Sorted by loss before, so that the first of each size is its best.
    let mut by_size = all.clone();
    by_size.sort_by_key(|it| it.candidate.genome.size());
    let mut front: Vec<Winner> = Vec::new();
    let mut least = f64::INFINITY;
    for finalist in by_size {
        if finalist.deciding() < least {
            least = finalist.deciding();
            front.push(finish.winner(finalist.candidate.published.unwrap_or("discovered"), finalist)?);
        }
    }
    let winner = finish.winner("discovered", best)?;
    let mut known = Vec::new();
    let mut pictured = vec![("discovered".to_owned(), best.candidate.clone())];
    for candidate in published {
        let name = candidate.published.unwrap_or("published");
        let finalists = finish.ranked(vec![candidate.clone()])?;
        known.push(finish.winner(name, &finalists[0])?);
        if ["owl", "uniform"].contains(&name) {
            pictured.push((name.to_owned(), candidate.clone()));
        }
    }
    known.sort_by(|a, b| deciding(a).total_cmp(&deciding(b)));
    let uniform = finish.uniform;
    let settings = evaluator.settings.iter().zip(uniform).map(|(setting, uniform)| {
        let subject = &evaluator.subjects[setting.subject];
        let folder = subject.checkpoint().folder();
        SettingSummary {
            model: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
            target: setting.target,
            dense_perplexity: subject.reference(Split::Report).map_or(f64::NAN, |it| it.perplexity()),
            uniform_loss: *uniform,
        }
    });
    let settings = settings.collect();
    Ok(Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        method: method.to_owned(),
        measure: evaluator.measure,
        settings,
        runs: done.iter().map(|it| it.run.clone()).collect(),
        best: winner,
        front,
        published: known,
        ratios: pictured.iter().map(|(name, candidate)| ratios(evaluator, name, candidate)).collect(),
        comparisons: comparisons(finish, done)?,
    })
}

fn deciding(winner: &Winner) -> f64 {
    winner.selection.unwrap_or(winner.fitness)
}

/// Returns the realised ratios of a candidate at the first setting.
fn ratios(evaluator: &Evaluator, name: &str, candidate: &Candidate) -> Ratios {
    let subject = &evaluator.subjects[evaluator.settings[0].subject];
    Ratios::new(name, subject.checkpoint(), &candidate.allotted.shares[0])
}

/// Compares the best of each search with the best of each control, window by window of the report text.
fn comparisons(finish: &mut Finish<'_>, done: &[Done]) -> Result<Vec<Comparison>, SearchError> {
    let evaluator = finish.evaluator;
    if evaluator.windows(Split::Report) == 0 {
        return Ok(Vec::new());
    }
    let mut of = |searcher: Searcher| -> Result<Vec<(u64, Vec<f64>)>, SearchError> {
        let mut found = Vec::new();
        for it in done.iter().filter(|it| it.run.searcher == searcher) {
            let Some(best) = it.finalists.first() else { continue };
            let losses = finish.losses(Split::Report, std::slice::from_ref(&best.candidate))?;
            let main = losses.first().and_then(|it| it.first()).cloned().unwrap_or_default();
            found.push((it.run.seed, main.iter().map(|it| evaluator.loss(it)).collect()));
        }
        Ok(found)
    };
    let evolved = of(Searcher::Evolution)?;
    let mut comparisons = Vec::new();
    for control in Searcher::ALL.into_iter().filter(|it| !it.is_search()) {
        let controls = of(control)?;
        let groups: Vec<Vec<f64>> = evolved
            .iter()
            .filter_map(|(seed, own)| {
                // A control without chance has one run, for all seeds.
                let (_, other) = controls.iter().find(|it| it.0 == *seed).or(controls.first())?;
                Some(own.iter().zip(other).map(|(own, other)| own - other).collect())
            })
            .collect();
        let Some(windows) = groups.first().map(Vec::len) else { continue };
        let means: Vec<f64> = (0..windows)
            .map(|window| groups.iter().map(|group| group[window]).sum::<f64>() / groups.len() as f64)
            .collect();
        comparisons.push(Comparison {
            control,
            difference: means.iter().sum::<f64>() / means.len().max(1) as f64,
            interval: bootstrap_interval(&groups, 0),
            p_value: signed_rank(&means).two_sided,
        });
    }
    Ok(comparisons)
}
