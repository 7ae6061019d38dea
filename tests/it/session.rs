//! The session: its results equal those of the single steps, in any order.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use allot::lang::ops::Op;
use allot::model::Checkpoint;
use allot::prune::{Method, PruneOptions};
use allot::session::{
    AllocationOptions, Calibration, Event, LoadedScript, Note, Session, SessionError, named_method,
};
use allot::stats::Source;
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

fn text(name: &str) -> PathBuf {
    format!("{MODEL}/text/{name}.jsonl").into()
}

fn session() -> Session {
    let calibration = Calibration { samples: 4, length: Some(32), ..Calibration::on(text("calibration")) };
    Session::open(MODEL).expect("the bundled model").calibrated(calibration)
}

fn script(text: &str) -> LoadedScript {
    LoadedScript::check("mine", text.as_bytes(), None).expect("a script")
}

#[test]
fn statistics_are_collected_when_they_are_needed_and_stay() {
    let notes: Arc<Mutex<Vec<Op>>> = Arc::default();
    let kept = Arc::clone(&notes);
    let mut one = session().watched(move |event| {
        if let Event::Note(Note::Collecting(op)) = event {
            kept.lock().expect("no test panics with it").push(*op);
        }
    });
    let scripts = [
        "mean(depth * abs(weight)) |> scale",
        "log(mean(score)) |> scale",
        "mean(log(gradient)) |> scale",
        "neg(log(reconstruction_error)) |> scale",
        "log(mean(score)) + mean(log(gradient)) |> scale",
    ];
    let at = AllocationOptions::at(0.6);
    for text in scripts {
        let loaded = script(text);
        let together = one.allocate(&loaded, &at).expect("a value");
        let alone = session().allocate(&loaded, &at).expect("a value");
        assert_eq!(together, alone, "{text}: what was collected before changes the ratios");
    }
    // Each note appears once, however often the statistic is used.
    assert_eq!(*notes.lock().expect("no test panics with it"), [Op::Gradient, Op::ReconstructionError]);
}

#[test]
fn weights_alone_need_no_text() {
    let mut bare = Session::open(MODEL).expect("the bundled model");
    let outcome = bare.allocate(&script("mean(abs(weight)) |> scale"), &AllocationOptions::at(0.5));
    assert!(outcome.expect("no statistics are needed").allocation.units.len() == 12);
    assert!(bare.at_hand().is_none());
    let missing = bare.allocate(&script("mean(score) |> scale"), &AllocationOptions::at(0.5));
    let Err(SessionError::NoValue { name, cause, .. }) = missing else { panic!("{missing:?}") };
    assert_eq!(name, "mine");
    assert!(cause.to_string().contains("`input_norm` was not collected"), "{cause}");
}

#[test]
fn masks_are_the_zeros_of_the_pruned_folder() {
    let mut session = session();
    let owl = LoadedScript::published("owl").expect("published");
    let allocation = session.allocate(&owl, &AllocationOptions::at(0.7)).expect("a value").allocation;
    for method in [Method::Wanda, named_method("pruner_zero").expect("published")] {
        let options = PruneOptions::new(method);
        let masks = session.masks(&allocation, &options).expect("masks");
        let folder = TempDir::new().expect("a folder");
        let out = folder.path().join("pruned");
        let report = session.prune(&allocation, &options, &out, false, None).expect("a folder");
        assert_eq!(masks.iter().map(|(_, mask)| mask.count()).sum::<u64>(), report.pruned);
        let pruned = Checkpoint::open(&out).expect("the folder opens");
        for (linear, (module, mask)) in pruned.linears().iter().zip(&masks) {
            assert_eq!(&linear.module, module);
            let weight = pruned.weight(linear).expect("a weight");
            let kept = mask.pruned().iter().enumerate().filter(|(_, pruned)| **pruned);
            assert!(kept.into_iter().all(|(at, _)| weight.get(at) == 0.0), "{module}");
        }
        let (decoder, _) = session.prune_in_memory(&allocation, &options).expect("a decoder");
        let text = Source::Text(vec![text("report")]);
        let tokens = text.windows(session.checkpoint(), Some(32), Some(4)).expect("windows");
        let in_memory = session.decoder_perplexity(&decoder, &tokens).expect("a perplexity");
        let saved = Session::open(&out).expect("the folder opens");
        let saved = saved.perplexity(&text, Some(32), Some(4), None).expect("a perplexity");
        assert_eq!(in_memory.window_losses, saved.window_losses);
    }
}

#[test]
fn errors_tell_the_kind_of_what_is_missing() {
    let unknown = LoadedScript::published("owll").expect_err("there is no such script");
    assert!(
        matches!(&unknown, SessionError::NoScript { similar, .. } if similar.contains(&"owl".to_owned()))
    );
    assert!(matches!(named_method("uniform"), Err(SessionError::NoMetric { name }) if name == "uniform"));
    let broken = LoadedScript::check("mine", b"mean(score", None).expect_err("it has an error");
    assert!(broken.to_string().contains("mine:1:"), "{broken}");
    let long = session().perplexity(&Source::Text(vec![text("report")]), Some(513), None, None);
    assert!(long.expect_err("the context is 512").to_string().contains("context of 512"));
}
