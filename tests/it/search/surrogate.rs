//! Searches whose measurements a surrogate chooses: they are reproducible, and they measure better formulas.
#![cfg(unix)]

use std::fs;

use allot::measure::WindowLoss;
use allot::search::ask::Asking;
use allot::search::folder;
use allot::search::space::{Space, SpaceOptions};
use allot::trial::evaluator::Evaluator;
use allot::trial::objective::Objective;
use allot::trial::race::{Budget, Race};
use allot::trial::store::Memory;

use super::ask::evaluator;
use crate::support::place::{MODEL, Place};

const SMALL: [&str; 10] =
    ["--length", "32", "--samples", "4", "--windows", "4", "--report-windows", "4", "--evaluations", "60"];

#[test]
fn a_screened_search_is_the_same_with_any_number_of_threads_and_when_it_is_resumed() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    for (run, threads) in [("one", "1"), ("two", "2")] {
        let mut command =
            place.allot(&["search", MODEL, "--texts", &texts, "--sparsity", "0.7", "--out", run]);
        command.args(SMALL).args(["--surrogate", "--lag", "8"]).env("RAYON_NUM_THREADS", threads);
        let output = place.run(command);
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(table.contains("A surrogate predicted the losses of "), "{table}");
    }
    place.same("one", "two");
    let summary = folder::read(&place.path("one")).expect("a summary");
    let spent = &summary.runs[0].spent;
    assert!(spent.screened > 3 * spent.evaluations, "{spent:?}");

    // A run that was stopped has written the beginning of its journal.
    let journal = place.path("two").join("journal.jsonl");
    let whole = fs::read_to_string(&journal).expect("a journal");
    fs::write(&journal, whole.split_inclusive('\n').take(40).collect::<String>()).expect("written");
    place.run(place.allot(&["search", "--resume", "two"]));
    place.same("one", "two");
}

/// Returns the losses of the candidates of a search, in the order of proposal. The loss is the squared distance
/// of the ratios from an allocation that a formula can only approach.
fn losses(evaluator: &Evaluator, screens: bool) -> Vec<f64> {
    let mut store = Memory::default();
    let objective = Objective::new(evaluator, &mut store).expect("losses of uniform sparsity");
    let mut observer = |_: &_, _| {};
    let budget = Budget { evaluations: 200, tokens: u64::MAX };
    let mut race = Race::new(evaluator, &mut store, &objective, budget, &mut observer);
    let space = Space::new(&SpaceOptions::default()).expect("a space");
    let asking = Asking::new(&mut race, &space, &[], 3, 1).expect("a search");
    let mut asking = if screens { asking.screening() } else { asking };
    let linears = evaluator.subjects.first().checkpoint().linears().to_vec();
    let mut all = Vec::new();
    loop {
        let questions = asking.ask().expect("questions");
        if questions.is_empty() {
            return all;
        }
        for question in questions {
            let candidate = asking.candidate(question.number).expect("a candidate that is asked for");
            let off = |(place, share): (usize, &allot::prune::Share)| {
                let weights = (linears[place].rows * linears[place].columns) as f64;
                let wanted = 0.7 + 0.2 * ((place / 7) as f64 / 5.5 - 1.0) + 0.05 * ((place % 7) as f64).sin();
                (share.pruned as f64 / weights - wanted).powi(2)
            };
            let loss = 0.1 + candidate.allotted.shares[0].iter().enumerate().map(off).sum::<f64>();
            if question.from == 0 {
                all.push(loss);
            }
            let told = vec![vec![WindowLoss { kl: loss, nll: loss }; question.windows().len()]];
            asking.tell(question.number, question.windows(), told).expect("it was asked for");
        }
    }
}

#[test]
fn screened_formulas_are_better_than_others() {
    let evaluator = evaluator();
    let median = |screens| {
        let mut losses = losses(&evaluator, screens).split_off(100);
        losses.sort_by(f64::total_cmp);
        losses[losses.len() / 2]
    };
    let (screened, plain) = (median(true), median(false));
    assert!(screened < 0.8 * plain, "{screened} {plain}");
}
