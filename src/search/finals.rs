//! The end of a search: the best candidates are ranked again on the selection text, then the report text is
//! read once.

use super::error::SearchError;
use super::searcher::Searcher;
use super::simplify::simplified;
use super::space::Space;
use super::summary::{ControlComparison, Formula, RunSummary, Summary, TargetSummary, Winner, WinnerName};
use crate::lang::program::Script;
use crate::lang::{canonical, format, latex, print};
use crate::measure::paired::{bootstrap_interval, signed_rank};
use crate::tasks::TaskScore;
use crate::trial::archive::{Archive, Individual};
use crate::trial::candidate::Candidate;
use crate::trial::evaluator::{Evaluation, Evaluator};
use crate::trial::loss::{Damage, Losses, Measure};
use crate::trial::objective::Objective;
use crate::trial::ratios::RealisedRatios;
use crate::trial::scores::Examination;
use crate::trial::store::Store;
use crate::trial::target::Target;
use crate::trial::text::Split;

/// How many candidates are ranked again on the selection text, in addition to the front.
const HALL: usize = 16;

/// The published allocations whose ratios are plotted beside the winner's, in addition to the best one.
const PICTURED: [&str; 2] = ["owl", "uniform"];

/// A candidate with its losses on the texts that choose.
#[derive(Clone, Debug)]
pub(super) struct Finalist {
    pub(super) candidate: Candidate,
    /// The formula as found, if the candidate holds a simpler one of the same behaviour.
    pub(super) found: Option<Script>,
    pub(super) fitness: f64,
    pub(super) selection: Option<f64>,
}

impl Finalist {
    /// Returns the loss that decides.
    fn deciding(&self) -> f64 {
        self.selection.unwrap_or(self.fitness)
    }

    /// Replaces the formula by a simpler one of the same behaviour, if one is found.
    pub(super) fn simplify(&mut self, evaluator: &Evaluator, space: &Space) -> Result<(), SearchError> {
        if self.found.is_some() {
            return Ok(());
        }
        let simple = simplified(evaluator, space, &self.candidate)?;
        let before = self.candidate.genome.script().cloned();
        if before.as_ref() != simple.genome.script() {
            self.found = before;
            self.candidate = simple;
        }
        Ok(())
    }
}

/// Measures on the texts that the search does not use.
pub(super) struct Finals<'a> {
    pub(super) evaluator: &'a Evaluator,
    pub(super) store: &'a mut dyn Store,
    pub(super) objective: &'a Objective,
    /// The tasks on which winners are scored, in addition to the report text.
    pub(super) examination: Option<&'a mut Examination>,
}

impl Finals<'_> {
    /// Returns the candidates of an archive that may win, in order of their loss on the selection text.
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

    /// Measures candidates on the whole fitness text and on the selection text, and returns them sorted, the
    /// best first.
    pub(super) fn ranked(&mut self, candidates: Vec<Candidate>) -> Result<Vec<Finalist>, SearchError> {
        let fitness = self.losses(Split::Fitness, &candidates)?;
        let selection = self.losses(Split::Selection, &candidates)?;
        let mut finalists: Vec<Finalist> = candidates
            .into_iter()
            .zip(fitness.iter().zip(&selection))
            .map(|(candidate, (fitness, selection))| Finalist {
                candidate,
                found: None,
                fitness: self.loss(Split::Fitness, fitness),
                selection: (self.evaluator.windows(Split::Selection) > 0)
                    .then(|| self.loss(Split::Selection, selection)),
            })
            .collect();
        let size = |it: &Finalist| it.candidate.genome.size();
        finalists.sort_by(|a, b| a.deciding().total_cmp(&b.deciding()).then(size(a).cmp(&size(b))));
        Ok(finalists)
    }

    /// Returns a finalist with its damage on the report text, which is read nowhere else.
    pub(super) fn winner(&mut self, name: WinnerName, finalist: &Finalist) -> Result<Winner, SearchError> {
        let losses = self.losses(Split::Report, std::slice::from_ref(&finalist.candidate))?;
        let tasks = self.tasks(&finalist.candidate)?;
        let report = losses.first().filter(|_| self.evaluator.windows(Split::Report) > 0);
        Ok(Winner {
            name,
            formula: finalist
                .candidate
                .genome
                .script()
                .map(|script| formula(self.evaluator, script, finalist.found.as_ref())),
            fitness: finalist.fitness,
            selection: finalist.selection,
            report: report
                .map(|losses| losses.iter().map(|it| Damage::mean(it)).collect())
                .unwrap_or_default(),
            unsearched: Vec::new(),
            tasks,
        })
    }

    /// Scores a candidate on the reported tasks, setting by setting.
    fn tasks(&mut self, candidate: &Candidate) -> Result<Vec<Vec<TaskScore>>, SearchError> {
        let Some(examination) = &mut self.examination else { return Ok(Vec::new()) };
        let evaluator = self.evaluator;
        let mut all = Vec::with_capacity(evaluator.targets.len());
        for (place, (target, shares)) in evaluator.targets.iter().zip(&candidate.allotted.shares).enumerate()
        {
            let name = format!("{} at setting {place}", candidate.allotted.behaviour.name());
            let decoder = || evaluator.subject(*target)?.pruned_decoder(shares);
            let found = examination.of(&name, &evaluator.cancel, decoder)?;
            all.push(found.iter().map(TaskScore::from).collect());
        }
        Ok(all)
    }

    /// Scores the dense model of a setting on the reported tasks.
    fn dense_tasks(&mut self, target: Target) -> Result<Vec<TaskScore>, SearchError> {
        let Some(examination) = &mut self.examination else { return Ok(Vec::new()) };
        let name = format!("dense model {}", target.subject);
        let decoder = || Ok(self.evaluator.subject(target)?.decoder());
        let found = examination.of(&name, &self.evaluator.cancel, decoder)?;
        Ok(found.iter().map(TaskScore::from).collect())
    }

    /// Measures candidates on all windows of a text, each behaviour once.
    pub(super) fn losses(
        &mut self,
        split: Split,
        candidates: &[Candidate],
    ) -> Result<Vec<Losses>, SearchError> {
        let windows = self.evaluator.windows(split);
        if windows == 0 {
            return Ok(vec![Losses::new(); candidates.len()]);
        }
        let evaluations: Vec<Evaluation<'_>> = candidates
            .iter()
            .map(|it| Evaluation { allotted: &it.allotted, split, windows: 0..windows })
            .collect();
        Ok(self.evaluator.measure(&evaluations, self.store)?)
    }

    pub(super) fn loss(&self, split: Split, losses: &Losses) -> f64 {
        self.objective.value(losses, self.evaluator.windows(split))
    }
}

fn same(a: &Individual, b: &Individual) -> bool {
    a.candidate.allotted.behaviour == b.candidate.allotted.behaviour
}

/// Returns a formula in all its forms, with the metric that its `score` stands for.
fn formula(evaluator: &Evaluator, of: &Script, found: Option<&Script>) -> Formula {
    let complete = |of: &Script| Script { metric: Some(evaluator.metric.clone()), ..of.clone() };
    let found = found.map(|it| script_text(&complete(it)));
    let complete = complete(of);
    Formula {
        script: script_text(&complete),
        latex: of.allocation.as_ref().map(latex::expr).unwrap_or_default(),
        size: of.allocation.as_ref().map_or(0, |it| it.size()),
        hash: canonical::hash(&complete),
        found,
    }
}

/// Returns a script's text in the standard layout.
fn script_text(script: &Script) -> String {
    let plain = print::script(script);
    format::format(&plain).unwrap_or(plain)
}

/// A finished run of the search or a control.
pub(super) struct Done {
    pub(super) run: RunSummary,
    pub(super) finalists: Vec<Finalist>,
}

/// Returns the finalists of all runs of the search, the best first.
fn found(done: &[Done]) -> Vec<&Finalist> {
    let evolved = done.iter().filter(|it| it.run.searcher.is_search());
    let mut all: Vec<&Finalist> = evolved.flat_map(|it| &it.finalists).collect();
    all.sort_by(|a, b| a.deciding().total_cmp(&b.deciding()));
    all
}

/// Returns the best finalist of all runs of the search.
pub(super) fn best(done: &[Done]) -> Option<&Finalist> {
    found(done).first().copied()
}

/// Assembles the summary of all runs.
pub(super) fn summarise(
    finals: &mut Finals<'_>,
    space: &Space,
    method: &str,
    done: &[Done],
    published: &[Candidate],
) -> Result<Summary, SearchError> {
    let evaluator = finals.evaluator;
    let all = found(done);
    let Some(best) = all.first().copied() else {
        return Err(SearchError::NoFormula);
    };
    let front = front(finals, space, all.clone())?;
    let winner = finals.winner(WinnerName::Discovered, best)?;
    let leaving_out = finals.leaving_out(best)?;
    let mut known = Vec::new();
    for candidate in published {
        let Some(name) = candidate.published else { continue };
        let Some(finalist) = finals.ranked(vec![candidate.clone()])?.into_iter().next() else { continue };
        known.push(finals.winner(WinnerName::Published(name.to_owned()), &finalist)?);
    }
    known.sort_by(|a, b| deciding(a).total_cmp(&deciding(b)));
    let mut pictured = vec![(WinnerName::Discovered.to_string(), &best.candidate)];
    let best_known = known.first().map(|winner| winner.name.to_string()).unwrap_or_default();
    let others = [&*best_known].into_iter().chain(PICTURED.into_iter().filter(|name| *name != best_known));
    pictured.extend(others.filter_map(|name| {
        let candidate = published.iter().find(|it| it.published == Some(name))?;
        Some((name.to_owned(), candidate))
    }));
    let ratios = pictured.iter().map(|(name, candidate)| ratios(evaluator, name, candidate));
    Ok(Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        method: method.to_owned(),
        measure: evaluator.measure,
        settings: settings(finals)?,
        unsearched: Vec::new(),
        runs: done.iter().map(|it| it.run.clone()).collect(),
        best: winner,
        front,
        published: known,
        ratios: ratios.collect::<Result<_, _>>()?,
        comparisons: comparisons(finals, done)?,
        leaving_out,
        teachers: Vec::new(),
    })
}

/// Simplifies the finalists of the front, and returns those that are better than every smaller one, by size;
/// `finalists` are sorted, the best first.
fn front(
    finals: &mut Finals<'_>,
    space: &Space,
    finalists: Vec<&Finalist>,
) -> Result<Vec<Winner>, SearchError> {
    let mut simple: Vec<Finalist> = better_than_smaller(finalists).into_iter().cloned().collect();
    simple.iter_mut().try_for_each(|it| it.simplify(finals.evaluator, space))?;
    simple.sort_by(|a, b| a.deciding().total_cmp(&b.deciding()));
    // A simplified formula may be as small as another, worse one.
    let front = better_than_smaller(simple.iter().collect());
    front
        .into_iter()
        .map(|finalist| {
            let published = finalist.candidate.published;
            let name =
                published.map_or(WinnerName::Discovered, |name| WinnerName::Published(name.to_owned()));
            finals.winner(name, finalist)
        })
        .collect()
}

/// Returns the finalists that are better than every smaller one, by size; `finalists` are sorted, the best
/// first.
fn better_than_smaller(mut finalists: Vec<&Finalist>) -> Vec<&Finalist> {
    // The sort is stable on a list ordered by loss, so the first of each size is its best.
    finalists.sort_by_key(|it| it.candidate.genome.size());
    let mut least = f64::INFINITY;
    finalists.retain(|finalist| {
        let better = finalist.deciding() < least;
        least = least.min(finalist.deciding());
        better
    });
    finalists
}

/// Returns the summary of each target.
fn settings(finals: &mut Finals<'_>) -> Result<Vec<TargetSummary>, SearchError> {
    let evaluator = finals.evaluator;
    let targets = evaluator.targets.iter().zip(finals.objective.uniform());
    let summary = |(target, uniform): (&Target, &f64)| {
        let subject = evaluator.subject(*target)?;
        let folder = subject.checkpoint().folder();
        Ok(TargetSummary {
            model: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
            target: target.sparsity,
            dense_perplexity: subject.reference(Split::Report).map_or(f64::NAN, |it| it.perplexity()),
            uniform_loss: *uniform,
            dense_tasks: finals.dense_tasks(*target)?,
        })
    };
    targets.map(summary).collect()
}

fn deciding(winner: &Winner) -> f64 {
    winner.selection.unwrap_or(winner.fitness)
}

/// Returns a candidate's realised ratios at the first target.
fn ratios(evaluator: &Evaluator, name: &str, candidate: &Candidate) -> Result<RealisedRatios, SearchError> {
    let place = evaluator.targets.first().map_or(0, |it| it.subject);
    let checkpoint = evaluator.subjects.get(place)?.checkpoint();
    let shares = candidate.allotted.shares.first().map(Vec::as_slice).unwrap_or_default();
    Ok(RealisedRatios::new(name, checkpoint, shares))
}

/// Compares the best of each run of the search with the best of each control, window by window on the report
/// text, at each setting.
fn comparisons(finals: &mut Finals<'_>, done: &[Done]) -> Result<Vec<ControlComparison>, SearchError> {
    let evaluator = finals.evaluator;
    if evaluator.windows(Split::Report) == 0 {
        return Ok(Vec::new());
    }
    let mut of = |searcher: Searcher| -> Result<Vec<(u64, Losses)>, SearchError> {
        let mut found = Vec::new();
        for it in done.iter().filter(|it| it.run.searcher == searcher) {
            let Some(best) = it.finalists.first() else { continue };
            let losses = finals.losses(Split::Report, std::slice::from_ref(&best.candidate))?;
            found.extend(losses.into_iter().map(|losses| (it.run.seed, losses)));
        }
        Ok(found)
    };
    let evolved = of(Searcher::Evolution)?;
    let mut comparisons = Vec::new();
    for control in Searcher::all().filter(|it| !it.is_search()) {
        let controls = of(control)?;
        let at = |setting| compared(evaluator.measure, control, setting, &evolved, &controls);
        comparisons.extend((0..evaluator.targets.len()).filter_map(at));
    }
    Ok(comparisons)
}

/// Compares the losses of searches with those of a control at one setting, each with its seed; `None` if
/// there are none.
fn compared(
    measure: Measure,
    control: Searcher,
    setting: usize,
    searches: &[(u64, Losses)],
    controls: &[(u64, Losses)],
) -> Option<ControlComparison> {
    let groups: Vec<Vec<f64>> = searches
        .iter()
        .filter_map(|(seed, own)| {
            // A control that does not use the seed has one run for all seeds.
            let (_, other) = controls.iter().find(|it| it.0 == *seed).or(controls.first())?;
            let pairs = own.get(setting)?.iter().zip(other.get(setting)?);
            Some(pairs.map(|(own, other)| measure.of(own) - measure.of(other)).collect())
        })
        .collect();
    let windows = groups.first().map(Vec::len)?;
    let means: Vec<f64> = (0..windows)
        .map(|window| groups.iter().map(|group| group[window]).sum::<f64>() / groups.len() as f64)
        .collect();
    Some(ControlComparison {
        control,
        setting,
        difference: means.iter().sum::<f64>() / means.len().max(1) as f64,
        interval: bootstrap_interval(&groups, 0),
        p_value: signed_rank(&means).two_sided,
    })
}
