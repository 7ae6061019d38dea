//! Evolution, with losses measured by this process's models or by other processes.

use std::collections::BTreeMap;

use super::ask::{Asking, Question};
use super::error::SearchError;
use super::settings::Settings;
use super::space::Space;
use super::teacher::Teachers;
use crate::lang::print;
use crate::measure::WindowLoss;
use crate::trial::archive::Archive;
use crate::trial::contest::ProposedFormula;
use crate::trial::measurer::Queue;
use crate::trial::race::Race;

/// Evolves formulas of a space, starting from published seeds and random formulas, until the budget is spent
/// or no new behaviour turns up. It measures what [`Asking`] asks for, with the lag of the settings, learns from
/// the teachers if there are any, and screens variations with a surrogate if the settings say so.
///
/// # Errors
/// As [`Race::run`].
pub fn evolve(
    race: &mut Race<'_>,
    space: &Space,
    seeds: &[ProposedFormula],
    seed: u64,
    settings: &Settings,
    teachers: &Teachers,
) -> Result<Archive, SearchError> {
    let elsewhere = race.evaluator().measurer.queue();
    let asking = Asking::new(race, space, seeds, seed, settings.lag)?.learning_from(teachers);
    let mut asking = if settings.surrogate { asking.screening() } else { asking };
    match elsewhere {
        None => while asking.measure()? {},
        Some(queue) => measure_elsewhere(&mut asking, queue)?,
    }
    Ok(asking.end())
}

/// The losses received so far for one question, by target.
struct Answers {
    question: Question,
    losses: Vec<Option<Vec<WindowLoss>>>,
}

/// Queues every measurement that the search asks for, and tells it the losses as they arrive, until it is
/// over.
fn measure_elsewhere(asking: &mut Asking<'_, '_>, queue: &dyn Queue) -> Result<(), SearchError> {
    let mut answers: BTreeMap<(usize, usize), Answers> = BTreeMap::new();
    // Maps each task to its question and target.
    let mut tasks: BTreeMap<u64, ((usize, usize), usize)> = BTreeMap::new();
    loop {
        for question in asking.ask()? {
            let of_targets = asking.tasks(&question);
            let script =
                asking.candidate(question.number).and_then(|it| it.genome.script()).map(print::script);
            let key = (question.number, question.from);
            answers.insert(key, Answers { question, losses: vec![None; of_targets.len()] });
            for (target, task) in of_targets.into_iter().enumerate() {
                tasks.insert(queue.put(task, script.clone()), (key, target));
            }
        }
        if tasks.is_empty() {
            return Ok(());
        }
        let (id, losses) = queue.take()?;
        let Some((key, target)) = tasks.remove(&id) else { continue };
        let Some(of_question) = answers.get_mut(&key) else { continue };
        if let Some(place) = of_question.losses.get_mut(target) {
            *place = Some(losses);
        }
        if of_question.losses.iter().all(Option::is_some)
            && let Some(Answers { question, losses }) = answers.remove(&key)
        {
            let windows = question.windows();
            asking.tell(question.number, windows, losses.into_iter().flatten().collect())?;
        }
    }
}
