//! A whole search that hands out tasks and takes losses: its folder equals that of a search that measures by
//! itself.

use std::fs;
use std::path::Path;

use allot::device::Engine;
use allot::measure::WindowLoss;
use allot::model::Precision;
use allot::search::searcher::Searcher;
use allot::search::settings::Settings;
use allot::search::space::SpaceOptions;
use allot::search::summary::Summary;
use allot::session::{AskedSearch, Search, TrialOptions, Worker};
use allot::stats::Source;
use allot::trial::cancel::Cancel;
use allot::trial::elsewhere::{AnswerError, Asked};
use allot::trial::settings::TextSettings;
use allot::trial::target::Target;
use tempfile::TempDir;

use crate::support::data::bundled;
use crate::support::models::Numbers;

/// Returns the settings of a small search at two sparsities, with a control and a selection text.
fn settings() -> Settings {
    let text = |name: &str| Source::Text(vec![bundled().join("text").join(format!("{name}.jsonl"))]);
    let texts = TextSettings {
        samples: 4,
        windows: 8,
        selection: Some(text("selection")),
        selection_windows: Some(2),
        ..TextSettings::of(text("calibration"), text("fitness"))
    };
    let at = |sparsity| Target { subject: 0, sparsity };
    let options = TrialOptions {
        targets: vec![at(0.7), at(0.5)],
        length: Some(32),
        ..TrialOptions::at(bundled(), 0.7)
    };
    let trial = options.settings(texts).expect("the bundled model and its texts open");
    let controls = vec![Searcher::Random];
    Settings { evaluations: 40, lag: 12, controls, ..Settings::new(trial, SpaceOptions::default()) }
}

fn asked(folder: &Path) -> AskedSearch {
    Search::new(settings(), folder).prepare(&mut |_, _| ()).expect("it opens").asked()
}

/// Measures all tasks in an order given by a fixed sequence of random numbers; stops once `most` are
/// measured.
fn answer(search: &AskedSearch, most: usize) -> usize {
    let (mut waiting, mut told, mut numbers): (Vec<Asked>, usize, _) = (Vec::new(), 0, Numbers(7));
    let mut together = 0;
    while !search.is_over() && told < most {
        waiting.extend(search.ask());
        together = together.max(waiting.len());
        if waiting.is_empty() {
            continue;
        }
        let next = waiting.swap_remove(numbers.below(waiting.len()));
        let losses = search.measure(&next.task).expect("it runs");
        search.tell(next.id, losses).expect("it was asked for");
        told += 1;
    }
    together
}

fn same(one: &Path, other: &Path) {
    for file in ["journal.jsonl", "measured.jsonl", "settings.json"] {
        let read = |folder: &Path| fs::read(folder.join(file)).expect("it is there");
        assert!(read(one) == read(other), "{file} differs");
    }
}

#[test]
fn losses_told_in_any_order_give_the_same_search() {
    let folder = TempDir::new().expect("a folder");
    let [alone, told] = ["alone", "told"].map(|name| folder.path().join(name));
    let prepared = Search::new(settings(), &alone).prepare(&mut |_, _| ()).expect("it opens");
    let found = prepared.run(&mut |_| ()).expect("it runs");
    let search = asked(&told);
    let together = answer(&search, usize::MAX);
    assert!(together >= 8, "with a lag of 12, {together} tasks were open at most");
    let progress = search.progress().expect("it has measured");
    assert_eq!((progress.done, progress.all), (1, 2));
    assert_eq!(search.ask(), []);
    let data = |summary: &Summary| serde_json::to_string(summary).expect("data");
    assert!(data(&search.end().expect("it is over").summary) == data(&found.summary));
    same(&alone, &told);

    // A stopped search can be resumed, whoever measures then.
    let stopped = folder.path().join("stopped");
    let search = asked(&stopped);
    answer(&search, 60);
    search.end().expect_err("it is not over");
    let rest =
        Search::resume(&stopped).expect("it can be resumed").prepare(&mut |_, _| ()).expect("it opens");
    assert!(data(&rest.run(&mut |_| ()).expect("it runs").summary) == data(&found.summary));
    same(&alone, &stopped);
}

#[test]
fn invalid_losses_are_refused_and_change_nothing() {
    let folder = TempDir::new().expect("a folder");
    let search = asked(&folder.path().join("run"));
    let first = search.ask();
    let [task, ..] = &first[..] else { panic!("uniform sparsity is measured first") };
    let loss = |value: f64| vec![WindowLoss { kl: value, nll: value }; task.task.windows.len()];
    let asked = first.len() as u64;
    assert_eq!(search.tell(asked, loss(1.0)), Err(AnswerError::Unknown { id: asked, asked }));
    assert_eq!(search.tell(task.id, Vec::new()), Err(AnswerError::Count { id: task.id, wanted: 8, told: 0 }));
    assert_eq!(search.tell(task.id, loss(f64::NAN)), Err(AnswerError::NotANumber { id: task.id, place: 0 }));
    assert_eq!(search.tell(task.id, loss(1.0)), Ok(()));
    assert_eq!(search.tell(task.id, loss(1.0)), Err(AnswerError::Twice { id: task.id }));
    // If the uniform model is destroyed, a search cannot compare anything with it.
    for other in &first[1..] {
        search.tell(other.id, loss(f64::INFINITY)).expect("a destroyed model has a loss");
    }
    assert_eq!(search.ask(), []);
    assert!(search.is_over());
    let error = search.end().expect_err("it cannot continue").to_string();
    assert!(error.contains("divergence of inf"), "{error}");
}

#[test]
fn a_worker_measures_the_same_as_the_search() {
    let folder = TempDir::new().expect("a folder");
    let search = asked(&folder.path().join("run"));
    let open = |settings: Settings| {
        let (engine, precision) = (Engine::default(), Precision::default());
        Worker::open(settings, engine, precision, false, Cancel::default(), &mut |_, _| ())
    };
    let text = serde_json::to_string(search.settings()).expect("data");
    let worker = open(serde_json::from_str(&text).expect("the same data")).expect("the same files");
    for asked in search.ask() {
        // Uniform sparsity is measured first, at 0.7 and at 0.5.
        let sparsity = search.sparsity(&asked.task.model).expect("its model");
        let target = if asked.id == 0 { 0.7 } else { 0.5 };
        assert!((sparsity - target).abs() < 1e-3, "{} at {sparsity}", asked.id);
        let [here, there] = [search.measure(&asked.task), worker.measure(&asked.task)];
        assert_eq!(here.expect("it runs"), there.expect("it runs"));
    }
    let mut other = search.settings().clone();
    other.trial.texts.seed += 1;
    let error = open(other).expect_err("other windows are drawn").to_string();
    assert!(error.contains("what /"), "{error}");
}
