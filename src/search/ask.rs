//! Ask and tell: the search asks for measurements, and takes their losses in any order.
//!
//! Candidates are numbered in the order of proposal. They are proposed in generations. A generation is made
//! from exactly the candidates numbered below its own first number minus the *lag*, and each proposal draws
//! from its own random stream. So neither the order in which losses arrive nor the number of measurements
//! running at a time changes anything: the same seed and lag give the same bytes. With a lag of 1, each
//! generation waits for all candidates before it. A longer lag removes this barrier, and about as many
//! candidates as the lag can be measured at the same time.
//!
//! [`evolve`](super::evolve::evolve) is the first user: it measures what is asked for with the models of this
//! process.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::error::{SearchError, TellError};
use super::population::{EXHAUSTED, Evolution};
use super::space::Space;
use super::teacher::Teachers;
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::behaviour::Behaviour;
use crate::trial::candidate::Candidate;
use crate::trial::contest::{Contest, ProposedFormula};
use crate::trial::entry::Entry;
use crate::trial::evaluator::Evaluation;
use crate::trial::loss::Losses;
use crate::trial::measurer::LossTask;
use crate::trial::race::Race;
use crate::trial::store::MeasurementKey;
use crate::trial::text::Split;

/// A measurement that a search asks for: a candidate and some windows of the fitness text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The candidate's generation, counted from 0.
    generation: usize,
    /// Index among the candidate's measurements, counted from 0.
    stage: usize,
    /// Number of the candidate, counted from 0; pass it to [`Asking::tell`].
    pub number: usize,
    /// The first window.
    pub from: usize,
    /// One past the last window.
    pub to: usize,
}

impl Question {
    /// Returns the windows of the fitness text to measure.
    pub fn windows(&self) -> Range<usize> {
        self.from..self.to
    }
}

/// A question whose losses are not in the journal yet.
struct Unkept {
    behaviour: Behaviour,
    /// Whether it was handed out.
    asked: bool,
    /// The losses, once told.
    losses: Option<Losses>,
}

impl Unkept {
    fn key(&self, question: &Question) -> MeasurementKey {
        MeasurementKey::new(Split::Fitness, &self.behaviour, question.windows())
    }

    /// Returns whether it was handed out and still waits for its losses.
    fn is_open(&self) -> bool {
        self.asked && self.losses.is_none()
    }
}

/// A candidate that is not in the archive yet.
struct Waiting {
    generation: usize,
    entry: Entry,
}

/// A search that proposes candidates, asks for their losses, and is told them.
pub struct Asking<'c, 'r> {
    evolution: Evolution<'c, 'r>,
    lag: usize,
    /// The proposed candidates that are not in the archive yet, by number.
    waiting: BTreeMap<usize, Waiting>,
    /// The questions in the order of the journal; each is removed when its losses are kept.
    unkept: BTreeMap<Question, Unkept>,
    /// How many candidates were proposed.
    proposed: usize,
    /// The generation that is proposed next.
    generation: usize,
    /// The remaining islands of this round, each with its number of new behaviours.
    round: VecDeque<(UnitKind, usize)>,
    /// How many candidates there were at the start of this round.
    before: usize,
    /// How many rounds in a row proposed nothing new.
    idle: usize,
    /// Whether no more candidates are proposed.
    ended: bool,
}

impl<'c, 'r> Asking<'c, 'r> {
    /// Starts with some formulas, all of which are measured on the whole text.
    ///
    /// `lag` is at least 1.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn new(
        race: &'c mut Race<'r>,
        space: &'c Space,
        seeds: &[ProposedFormula],
        seed: u64,
        lag: usize,
    ) -> Result<Self, SearchError> {
        let contest = Contest::new(race, seed);
        let mut asking = Self {
            evolution: Evolution::new(contest, space),
            lag: lag.max(1),
            waiting: BTreeMap::new(),
            unkept: BTreeMap::new(),
            proposed: 0,
            generation: 0,
            round: VecDeque::new(),
            before: 0,
            idle: 0,
            ended: false,
        };
        let candidates = asking.evolution.seeds(seeds)?;
        asking.enter(candidates, None);
        Ok(asking)
    }

    /// Makes the search learn from teachers: most formulas of a generation then have ratios near theirs.
    #[must_use]
    pub fn learning_from(mut self, teachers: &'c Teachers) -> Self {
        self.evolution.learn_from(teachers);
        self
    }

    /// Makes a surrogate of the measured losses choose which variations of a generation are measured.
    #[must_use]
    pub fn screening(mut self) -> Self {
        self.evolution.screen();
        self
    }

    /// Returns the measurements that can be made now and were not returned before, in the order of the
    /// journal. Empty while the search waits for answers, and when it is [over](Self::is_over).
    ///
    /// # Errors
    /// When a model cannot be read, or the journal cannot be written.
    pub fn ask(&mut self) -> Result<Vec<Question>, SearchError> {
        let mut asked = Vec::new();
        loop {
            self.advance()?;
            let store = self.evolution.contest.race_mut().store();
            let mut known = Vec::new();
            for (question, unkept) in self.unkept.iter_mut().filter(|(_, it)| !it.asked) {
                unkept.asked = true;
                // Measurements of an earlier run are not asked for again.
                match store.find(&unkept.key(question)) {
                    Some(losses) => known.push((question.clone(), losses)),
                    None => asked.push(question.clone()),
                }
            }
            if known.is_empty() {
                asked.sort();
                return Ok(asked);
            }
            // Their losses may lead to further questions.
            for (question, losses) in known {
                self.answer(question, losses)?;
            }
        }
    }

    /// Takes the losses of a question, `[targets][windows]`, and writes them to the journal as soon as all
    /// earlier ones are written. A NaN loss means that pruning destroyed the model.
    ///
    /// # Errors
    /// When the losses were not asked for, were already told, or have the wrong count; nothing changes then.
    /// Also when the journal cannot be written.
    pub fn tell(&mut self, number: usize, windows: Range<usize>, losses: Losses) -> Result<(), SearchError> {
        if number >= self.proposed {
            return Err(TellError::Unknown { number, asked: self.proposed }.into());
        }
        let asked = self.open().find(|it| it.number == number && it.windows() == windows).cloned();
        let Some(question) = asked else { return Err(TellError::NotAsked { number, windows }.into()) };
        let targets = self.evolution.contest.race().evaluator().targets.len();
        let told: Vec<usize> = losses.iter().map(Vec::len).collect();
        if told.len() != targets || told.iter().any(|count| *count != windows.len()) {
            return Err(TellError::Count { number, windows: windows.len(), targets, told }.into());
        }
        self.answer(question, losses)
    }

    /// Returns the candidate with a number, if it was asked for.
    pub fn candidate(&self, number: usize) -> Option<&Candidate> {
        self.waiting.get(&number).map(|it| &it.entry.candidate)
    }

    /// Returns the measurements of a question, one per target; empty once it is answered.
    pub fn tasks(&self, question: &Question) -> Vec<LossTask> {
        let Some(candidate) = self.candidate(question.number) else { return Vec::new() };
        let evaluation =
            Evaluation { allotted: &candidate.allotted, split: Split::Fitness, windows: question.windows() };
        self.evolution.contest.race().evaluator().questions(&evaluation)
    }

    /// Returns whether the last [`ask`](Self::ask) found all candidates measured and none left to propose.
    pub fn is_over(&self) -> bool {
        self.ended && self.unkept.is_empty()
    }

    /// Measures the open questions of the earliest generation with the models of this process, on all its
    /// threads and devices. Returns whether there were any.
    ///
    /// # Errors
    /// As [`Evaluator::measure`](crate::trial::evaluator::Evaluator::measure).
    pub fn measure(&mut self) -> Result<bool, SearchError> {
        self.ask()?;
        let Some(first) = self.open().next() else { return Ok(false) };
        let place = (first.generation, first.stage);
        let questions: Vec<Question> =
            self.open().take_while(|it| (it.generation, it.stage) == place).cloned().collect();
        let race = self.evolution.contest.race_mut();
        let evaluator = race.evaluator();
        let evaluations: Vec<Evaluation<'_>> = questions
            .iter()
            .filter_map(|it| {
                let allotted = &self.waiting.get(&it.number)?.entry.candidate.allotted;
                Some(Evaluation { allotted, split: Split::Fitness, windows: it.windows() })
            })
            .collect();
        let losses = evaluator.measure(&evaluations, race.store())?;
        for (question, losses) in questions.into_iter().zip(losses) {
            self.answer(question, losses)?;
        }
        Ok(true)
    }

    /// Ends the search with the candidates measured so far, in order of their numbers, and returns the
    /// archive.
    pub fn end(mut self) -> Archive {
        self.add_before(usize::MAX);
        self.evolution.contest.end()
    }

    /// Returns the questions that were handed out but not answered, in the order of the journal.
    fn open(&self) -> impl Iterator<Item = &Question> {
        self.unkept.iter().filter(|(_, unkept)| unkept.is_open()).map(|(question, _)| question)
    }

    /// Proposes generations while all candidates that they are made from are measured.
    fn advance(&mut self) -> Result<(), SearchError> {
        while !self.ended {
            let due = (self.proposed + 1).saturating_sub(self.lag);
            if !self.add_before(due) {
                return Ok(());
            }
            if self.round.is_empty() {
                self.begin_round();
                continue;
            }
            let Some((unit, wanted)) = self.round.pop_front() else { continue };
            let wanted = wanted.min(self.left());
            let waiting = self.waiting.values().map(|it| &it.entry.candidate.allotted.behaviour).collect();
            let (candidates, reference) = self.evolution.generation(unit, wanted, &waiting)?;
            self.enter(candidates, reference.as_ref());
        }
        Ok(())
    }

    /// Starts the next round of all islands, or ends the search.
    fn begin_round(&mut self) {
        self.idle = if self.generation > 1 && self.before == self.proposed { self.idle + 1 } else { 0 };
        self.ended = self.left() == 0 || self.idle >= EXHAUSTED;
        self.before = self.proposed;
        if !self.ended {
            self.round = self.evolution.islands(self.proposed).into();
        }
    }

    /// Returns how many more candidates may be proposed.
    fn left(&self) -> usize {
        self.evolution.contest.race().left().saturating_sub(self.waiting.len())
    }

    /// Numbers candidates up to the budget, and asks for their first windows.
    fn enter(&mut self, candidates: Vec<Candidate>, reference: Option<&Behaviour>) {
        for candidate in candidates.into_iter().take(self.left()) {
            let entry = self.evolution.contest.race().enter(candidate, reference);
            let waiting = Waiting { generation: self.generation, entry };
            self.want(self.proposed, &waiting);
            self.waiting.insert(self.proposed, waiting);
            self.proposed += 1;
        }
        self.generation += 1;
    }

    /// Asks for the next windows of a candidate, unless it is done.
    fn want(&mut self, number: usize, waiting: &Waiting) {
        let Waiting { generation, entry } = waiting;
        if let Some(windows) = entry.next_windows() {
            let (generation, stage) = (*generation, entry.stages_done());
            let question = Question { generation, stage, number, from: windows.start, to: windows.end };
            let behaviour = entry.candidate.allotted.behaviour.clone();
            self.unkept.insert(question, Unkept { behaviour, asked: false, losses: None });
        }
    }

    /// Takes the losses of a question, asks for the candidate's next windows, and writes to the journal what
    /// is due.
    fn answer(&mut self, question: Question, losses: Losses) -> Result<(), SearchError> {
        let number = question.number;
        let objective = self.evolution.contest.race().objective();
        if let Some(mut waiting) = self.waiting.remove(&number) {
            waiting.entry.add(losses.clone(), objective);
            self.want(number, &waiting);
            self.waiting.insert(number, waiting);
        }
        if let Some(unkept) = self.unkept.get_mut(&question) {
            unkept.losses = Some(losses);
        }
        self.keep()
    }

    /// Writes losses to the journal by generation, stage and number, in whatever order they were told.
    fn keep(&mut self) -> Result<(), SearchError> {
        while let Some(first) = self.unkept.first_entry() {
            if first.get().losses.is_none() {
                break;
            }
            let (question, unkept) = first.remove_entry();
            let key = unkept.key(&question);
            let store = self.evolution.contest.race_mut().store();
            if let (None, Some(losses)) = (store.find(&key), unkept.losses) {
                store.keep(key, losses)?;
            }
        }
        Ok(())
    }

    /// Moves the candidates with numbers below `due` to the archive, in order; returns whether all of them
    /// are measured.
    fn add_before(&mut self, due: usize) -> bool {
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() >= due {
                break;
            }
            if first.get().entry.settled().is_none() {
                return false;
            }
            self.evolution.add(first.remove().entry);
        }
        true
    }
}
