//! Several devices measure one search: the results equal those of one device, to the last byte.

use std::fs;
use std::path::{Path, PathBuf};

use allot::device::Engine;
use allot::model::Precision;
use allot::search::settings::Settings;
use allot::search::space::SpaceOptions;
use allot::session::{Search, TrialOptions};
use allot::stats::Source;
use allot::trial::settings::TextSettings;
use tempfile::TempDir;

use crate::support::data::bundled;

fn settings() -> Settings {
    let text = |name: &str| Source::Text(vec![bundled().join(format!("text/{name}.jsonl"))]);
    let texts = TextSettings {
        samples: 4,
        windows: 4,
        selection: Some(text("selection")),
        ..TextSettings::of(text("calibration"), text("fitness"))
    };
    let trial = TrialOptions { length: Some(32), ..TrialOptions::at(bundled(), 0.6) };
    let trial = trial.settings(texts).expect("the texts fit");
    Settings { evaluations: 40, ..Settings::new(trial, SpaceOptions::default()) }
}

/// Runs the search, and returns its journal and its winner's script.
fn found(folder: &Path, engine: Engine, others: Vec<Engine>) -> Vec<Vec<u8>> {
    let search = Search::new(settings(), folder).on(engine, Precision::F32).beside(others);
    let prepared = search.prepare(&mut |_, _| ()).expect("models and texts open");
    let found = prepared.run(&mut |_| ()).expect("the search runs");
    found.write().expect("the folder is written");
    let read = |name: &str| fs::read(folder.join(name)).expect("a file of the run");
    ["journal.jsonl", "best.allot"].map(read).into()
}

#[test]
fn several_devices_find_what_one_does() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    // The same GPU opened twice stands for two of a kind.
    let device = || Engine::cuda(0).unwrap_or(Engine::Cpu);
    let one = found(&path("one"), device(), Vec::new());
    let three = found(&path("three"), device(), vec![device(), device()]);
    assert!(one[0].len() > 1000, "the journal holds measurements");
    assert!(one == three, "three devices measured something else");
}
