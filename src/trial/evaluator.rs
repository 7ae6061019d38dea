//! The fitness of candidates: from formulas to whole-weight allocations, and from these to losses.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use super::candidate::{Allotted, Behaviour, Candidate, Genome};
use super::store::{Key, Losses, Store};
use super::subject::{Split, Subject};
use crate::allocate::script::{Outcome, Request, ScriptError, allocate_all};
use crate::allocate::{Allocation, Bounds};
use crate::interrupt::Interrupted;
use crate::lang::print;
use crate::lang::program::{Metric, Script};
use crate::measure::WindowLoss;
use crate::prune::{Pattern, Share, shares};
use crate::search::error::SearchError;
use crate::search::summary::Measure;

/// A model at a sparsity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Which of the evaluator's models.
    pub subject: usize,
    /// The target sparsity.
    pub target: f64,
}

/// Everything that candidates are measured with.
#[derive(Debug)]
pub struct Evaluator {
    /// The models.
    pub subjects: Vec<Subject>,
    /// Where candidates are measured; the first is the main one.
    pub settings: Vec<Setting>,
    /// How weights are scored.
    pub metric: Metric,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// Which loss counts.
    pub measure: Measure,
    /// The run's folder, for messages.
    pub folder: PathBuf,
    /// Set by another thread, or a signal, to stop after the measurements that run.
    pub interrupt: Option<&'static AtomicBool>,
}

/// The windows of a text that a candidate is to be measured on.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// What to prune.
    pub allotted: &'a Allotted,
    /// Which text.
    pub split: Split,
    /// Which windows.
    pub windows: Range<usize>,
}

impl Evaluator {
    /// Allocates formulas at every setting; those that share reductions share the reads of the weights.
    ///
    /// # Errors
    /// Each formula fails on its own, when it has no value on a model or its importances cannot be turned into ratios.
    pub fn allot(&self, scripts: &[&Script]) -> Result<Vec<Result<Allotted, ScriptError>>, SearchError> {
        let mut allocations: Vec<Result<Vec<Allocation>, ScriptError>> = vec![Ok(Vec::new()); scripts.len()];
        for setting in &self.settings {
            let of_setting = self.allocate(scripts, *setting)?;
            for (all, outcome) in allocations.iter_mut().zip(of_setting) {
                match (&mut *all, outcome) {
                    (Ok(all), Ok(outcome)) => all.push(outcome.allocation),
                    (Ok(_), Err(error)) => *all = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        allocations
            .into_iter()
            .map(|all| match all {
                Ok(all) => self.allotted(&all).map(Ok),
                Err(error) => Ok(Err(error)),
            })
            .collect()
    }

    /// Allocates formulas at one setting.
    ///
    /// # Errors
    /// When the model cannot be read; each formula fails on its own.
    pub fn allocate(
        &self,
        scripts: &[&Script],
        setting: Setting,
    ) -> Result<Vec<Result<Outcome, ScriptError>>, SearchError> {
        let subject = &self.subjects[setting.subject];
        let (data, backend) = (subject.data()?, subject.backend());
        let request = Request {
            metric: &self.metric,
            unit: None,
            target: setting.target,
            bounds: Bounds::default(),
            reductions: Some(subject.reductions()),
            backend: &*backend,
        };
        Ok(allocate_all(scripts, &data, request))
    }

    /// Returns what allocations, one for each setting, take of each linear.
    ///
    /// # Errors
    /// When an allocation is not one of its setting's model.
    pub fn allotted(&self, allocations: &[Allocation]) -> Result<Allotted, SearchError> {
        let shares: Vec<Vec<Share>> = self
            .settings
            .iter()
            .zip(allocations)
            .map(|(setting, allocation)| {
                let linears = self.subjects[setting.subject].checkpoint().linears();
                shares(linears, allocation, self.pattern)
            })
            .collect::<Result<_, _>>()?;
        let rule = format!("{} {} {}", print::expr(&self.metric.score), self.metric.per, self.pattern);
        let behaviour = Behaviour::new(&rule, &shares);
        Ok(Allotted { shares, behaviour })
    }

    /// Returns formulas as candidates, those that have a value.
    ///
    /// # Errors
    /// As [`Evaluator::allot`].
    pub fn candidates(&self, scripts: Vec<Script>) -> Result<Vec<Option<Candidate>>, SearchError> {
        let borrowed: Vec<&Script> = scripts.iter().collect();
        let allotted = self.allot(&borrowed)?;
        Ok(scripts
            .into_iter()
            .zip(allotted)
            .map(|(script, allotted)| {
                let allotted = allotted.ok()?;
                Some(Candidate { genome: Genome::Formula(script), allotted, published: None })
            })
            .collect())
    }

    /// Returns an allocation that no formula gives as a candidate; there must be one setting.
    ///
    /// # Errors
    /// As [`Evaluator::allotted`].
    pub fn free_candidate(&self, allocation: Allocation) -> Result<Candidate, SearchError> {
        let allotted = self.allotted(std::slice::from_ref(&allocation))?;
        Ok(Candidate { genome: Genome::Free(allocation), allotted, published: None })
    }

    /// Returns the one setting there is.
    ///
    /// # Errors
    /// When there are several, and the result of `control` belongs to one model at one sparsity.
    pub fn only_setting(&self, control: &'static str) -> Result<Setting, SearchError> {
        let [setting] = self.settings[..] else {
            return Err(SearchError::Control {
                control,
                problem: "its result belongs to one model at one sparsity, and there are several settings",
            });
        };
        Ok(setting)
    }

    /// Fails when something asked to stop.
    ///
    /// # Errors
    /// With the run's folder, which says how to go on.
    pub fn go_on(&self) -> Result<(), SearchError> {
        match self.stopped() {
            true => Err(SearchError::Interrupted { folder: self.folder.clone(), cause: Interrupted }),
            false => Ok(()),
        }
    }

    fn stopped(&self) -> bool {
        self.interrupt.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Returns how many windows a text has; 0 without it.
    pub fn windows(&self, split: Split) -> usize {
        let windows = self.subjects.iter().map(|it| it.reference(split).map_or(0, |it| it.windows()));
        windows.min().unwrap_or(0)
    }

    /// Returns how many tokens some windows are, at all settings together.
    pub fn tokens(&self, split: Split, windows: usize) -> u64 {
        let of = |setting: &Setting| {
            let reference = self.subjects[setting.subject].reference(split);
            reference.map_or(0, |it| it.tokens().length() as u64)
        };
        windows as u64 * self.settings.iter().map(of).sum::<u64>()
    }

    /// Measures tasks that the store does not know, on all cores, and keeps each as soon as those before it are kept; returns
    /// all results, in order.
    ///
    /// # Errors
    /// When a model cannot run, the store cannot be written, or something asked to stop.
    pub fn measure(&self, tasks: &[Task<'_>], store: &mut dyn Store) -> Result<Vec<Losses>, SearchError> {
        let key = |task: &Task<'_>| Key::new(task.split, &task.allotted.behaviour, task.windows.clone());
        let mut results: Vec<Option<Losses>> = tasks.iter().map(|task| store.find(&key(task))).collect();
        // Two tasks may ask for the same.
        let mut keys = std::collections::BTreeSet::new();
        let missing: Vec<usize> = (0..tasks.len())
            .filter(|index| results[*index].is_none() && keys.insert(key(&tasks[*index])))
            .collect();
        let mut failure = None;
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let missing = &missing;
            scope.spawn(move || {
                // Each core takes the next task, so that what comes first is known first.
                let next = AtomicUsize::new(0);
                rayon::broadcast(|_| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(index) = missing.get(place) else { break };
                        let stopped = self.stopped();
                        let result = if stopped { None } else { Some(self.run(&tasks[*index])) };
                        // The receiver is gone once something failed.
                        if sender.send((place, result)).is_err() || stopped {
                            break;
                        }
                    }
                });
            });
            let mut waiting = std::collections::BTreeMap::new();
            let mut next = 0;
            for (place, result) in receiver {
                waiting.insert(place, result);
                while let Some(result) = waiting.remove(&next) {
                    let task = &tasks[missing[next]];
                    let kept = match result {
                        None => {
                            Err(SearchError::Interrupted { folder: self.folder.clone(), cause: Interrupted })
                        }
                        Some(result) => result.and_then(|losses| {
                            store.keep(key(task), losses.clone())?;
                            Ok(losses)
                        }),
                    };
                    match kept {
                        Ok(losses) => results[missing[next]] = Some(losses),
                        Err(error) => {
                            failure = Some(error);
                            return;
                        }
                    }
                    next += 1;
                }
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        // Tasks that were asked for twice are in the store by now.
        let found =
            results.into_iter().zip(tasks).map(|(result, task)| result.or_else(|| store.find(&key(task))));
        Ok(found.map(Option::unwrap_or_default).collect())
    }

    fn run(&self, task: &Task<'_>) -> Result<Losses, SearchError> {
        let settings = self.settings.iter().zip(&task.allotted.shares);
        settings
            .map(|(setting, shares)| {
                self.subjects[setting.subject].losses(task.split, shares, task.windows.clone())
            })
            .collect()
    }

    /// Returns the loss that counts of a window.
    pub const fn loss(&self, window: &WindowLoss) -> f64 {
        match self.measure {
            Measure::Kl => window.kl,
            Measure::Perplexity => window.nll,
        }
    }
}
