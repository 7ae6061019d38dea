//! Ask and tell: losses in any order, from anywhere, give the same search.

use std::fs;
use std::path::Path;

use allot::device::CPU;
use allot::lang::published;
use allot::measure::WindowLoss;
use allot::model::Precision;
use allot::prune::{Method, Pattern};
use allot::search::ask::{Asking, Question};
use allot::search::error::SearchError;
use allot::search::space::{Space, SpaceOptions};
use allot::stats::Source;
use allot::trial::cancel::Cancel;
use allot::trial::evaluator::Evaluator;
use allot::trial::loss::{Losses, Measure};
use allot::trial::objective::Objective;
use allot::trial::open::{Placement, open};
use allot::trial::prepare::prepare;
use allot::trial::race::{Budget, Race};
use allot::trial::ranking::Ranking;
use allot::trial::settings::{TextSettings, TrialSettings};
use allot::trial::store::Journal;
use allot::trial::target::Target;
use tempfile::TempDir;

use crate::support::data::bundled;
use crate::support::models::Numbers;

const WINDOWS: usize = 8;
const EVALUATIONS: usize = 70;

pub(super) fn evaluator() -> Evaluator {
    let text = |name: &str| Source::Text(vec![bundled().join("text").join(format!("{name}.jsonl"))]);
    let settings = TrialSettings {
        tasks: None,
        models: vec![bundled()],
        targets: vec![Target { subject: 0, sparsity: 0.7 }],
        ranking: Ranking {
            method: Method::Wanda,
            metric: published::script("wanda").and_then(|it| it.metric).expect("a metric"),
        },
        pattern: Pattern::Unstructured,
        measure: Measure::Kl,
        texts: TextSettings {
            samples: 4,
            length: 32,
            windows: WINDOWS,
            ..TextSettings::of(text("calibration"), text("fitness"))
        },
    };
    let placement = Placement { engine: &CPU, others: &[], precision: Precision::F32 };
    let opened = open(&settings, placement, &Cancel::default()).expect("the bundled model opens");
    prepare(opened, Cancel::default(), &mut |_, _| {}).expect("it runs").evaluator
}

/// Returns losses that depend only on the allocation and the window, like real measurements, but computed
/// quickly and all different.
fn losses(asking: &Asking<'_, '_>, question: &Question) -> Losses {
    let candidate = asking.candidate(question.number).expect("a candidate that is asked for");
    let shares = &candidate.allotted.shares[0];
    let uneven: f64 =
        shares.iter().enumerate().map(|(at, share)| share.pruned as f64 * (at + 1) as f64).sum();
    let one = |window: usize| {
        let loss = 1.0 + (uneven * 1e-5 + window as f64).sin() * 0.3 + (uneven * 1e-7).cos();
        WindowLoss { kl: loss, nll: loss }
    };
    vec![question.windows().map(one).collect()]
}

/// The start of a search.
#[derive(Clone, Copy)]
struct Beginning {
    /// Whether it starts with OWL.
    owl: bool,
    seed: u64,
    lag: usize,
    evaluations: usize,
}

/// Calls `act` with a search that keeps a journal.
fn asking<T>(
    evaluator: &Evaluator,
    journal: &Path,
    beginning: Beginning,
    act: impl FnOnce(Asking<'_, '_>) -> T,
) -> T {
    let Beginning { owl, seed, lag, evaluations } = beginning;
    let mut store = Journal::open(journal).expect("a journal");
    let objective = Objective::new(evaluator, &mut store).expect("losses of uniform sparsity");
    let budget = Budget { evaluations, tokens: u64::MAX };
    let mut observer = |_: &_, _| {};
    let mut race = Race::new(evaluator, &mut store, &objective, budget, &mut observer);
    let space = Space::new(&SpaceOptions::default()).expect("a space");
    let seeds: Vec<_> =
        owl.then(|| published::script("owl").expect("published").into()).into_iter().collect();
    act(Asking::new(&mut race, &space, &seeds, seed, lag).expect("a search"))
}

/// A search with OWL that measures [`EVALUATIONS`] candidates.
const fn with_owl(lag: usize) -> Beginning {
    Beginning { owl: true, seed: 7, lag, evaluations: EVALUATIONS }
}

/// The course of a search: its journal, and every found allocation with its formula and its loss.
type Course = (String, Vec<(String, String, f64)>);

/// Searches with `workers` measurements in progress, any of which may end next.
fn search(evaluator: &Evaluator, journal: &Path, lag: usize, workers: usize, mut order: Numbers) -> Course {
    let found = asking(evaluator, journal, with_owl(lag), |mut asking| {
        let mut waiting = Vec::new();
        loop {
            waiting.extend(asking.ask().expect("questions"));
            if waiting.is_empty() {
                break;
            }
            // Only the earliest `workers` are measured at a time.
            waiting.sort();
            let question = waiting.remove(order.below(workers.min(waiting.len())));
            let told = losses(&asking, &question);
            asking.tell(question.number, question.windows(), told).expect("it was asked for");
        }
        assert!(asking.is_over(), "nothing is asked for, and the search is not over");
        let archive = asking.end();
        let found = archive.ranked().into_iter().map(|it| {
            let behaviour = it.candidate.allotted.behaviour.name().to_owned();
            (behaviour, it.candidate.genome.text(), it.loss)
        });
        found.collect()
    });
    (fs::read_to_string(journal).expect("a journal"), found)
}

#[test]
fn with_the_same_lag_neither_workers_nor_the_order_of_answers_change_a_byte() {
    let evaluator = evaluator();
    let folder = TempDir::new().expect("a folder");
    let mut courses = Vec::new();
    for lag in [1, 10, 64] {
        let run = |name: &str, workers, seed| {
            let journal = folder.path().join(format!("{lag}-{name}"));
            search(&evaluator, &journal, lag, workers, Numbers(seed))
        };
        let one = run("one", 1, 0);
        assert_eq!(one.1.len(), EVALUATIONS);
        for (workers, seed) in [(4, 1), (16, 2), (16, 3), (usize::MAX, 4)] {
            assert!(run(&format!("{workers}-{seed}"), workers, seed) == one, "lag {lag}, {workers} workers");
        }
        courses.push(one);
    }
    // The lag decides what a candidate is made from, so different lags give different searches.
    assert!(courses[0] != courses[1] && courses[1] != courses[2], "the lag changes nothing");
}

#[test]
fn a_resumed_search_asks_only_for_what_its_journal_lacks() {
    let evaluator = evaluator();
    let folder = TempDir::new().expect("a folder");
    let journal = |name: &str| folder.path().join(name);
    let whole = search(&evaluator, &journal("whole"), 24, 8, Numbers(0));
    for kept in [0, 1, 40] {
        let path = journal(&kept.to_string());
        let lines: String = whole.0.split_inclusive('\n').take(kept).collect();
        fs::write(&path, lines).expect("written");
        assert!(search(&evaluator, &path, 24, 8, Numbers(9)) == whole, "{kept} lines");
    }
    // A complete journal leaves nothing to ask.
    asking(&evaluator, &journal("whole"), with_owl(24), |mut asking| {
        assert_eq!(asking.ask().expect("no question"), []);
        assert!(asking.is_over());
    });
}

#[test]
fn as_many_candidates_wait_as_the_lag_is_long() {
    let evaluator = evaluator();
    let folder = TempDir::new().expect("a folder");
    let beginning = Beginning { owl: false, seed: 0, lag: 64, evaluations: 1000 };
    asking(&evaluator, &folder.path().join("journal"), beginning, |mut asking| {
        let questions = asking.ask().expect("questions");
        let mut numbers: Vec<usize> = questions.iter().map(|it| it.number).collect();
        numbers.dedup();
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
        assert!(numbers.len() >= 64, "{}", numbers.len());
        assert_eq!(asking.ask().expect("nothing new"), [], "a question is asked once");
    });
}

#[test]
fn losses_that_cannot_be_taken_change_nothing() {
    let evaluator = evaluator();
    let folder = TempDir::new().expect("a folder");
    let beginning = Beginning { owl: false, seed: 0, lag: 1, evaluations: 100 };
    let answers = asking(&evaluator, &folder.path().join("journal"), beginning, |mut asking| {
        let questions = asking.ask().expect("questions");
        let question = &questions[0];
        let right = losses(&asking, question);
        let mut told = |number, windows, losses| match asking.tell(number, windows, losses) {
            Ok(()) => "taken".to_owned(),
            Err(SearchError::Told(error)) => error.to_string(),
            Err(error) => panic!("{error}"),
        };
        let number = question.number;
        let destroyed = vec![vec![WindowLoss { kl: f64::NAN, nll: f64::NAN }; right[0].len()]];
        [
            told(1_000, question.windows(), right.clone()),
            told(number, 3..5, right.clone()),
            told(number, question.windows(), vec![right[0][1..].to_vec()]),
            told(number, question.windows(), [right.clone(), right.clone()].concat()),
            told(number, question.windows(), destroyed),
            told(number, question.windows(), right),
        ]
    });
    insta::assert_snapshot!(answers.join("\n"));
}
