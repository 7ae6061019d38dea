//! Saved folders: their contents, and the state of the disk after a failure.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use allot::measure::perplexity;
use allot::model::{Checkpoint, Decoder, ModelError, widen};
use allot::prune::{Method, Output, PruneError, PruneOptions, Report, ScriptSource, prune, prune_in_memory};
use allot::stats::Tokens;
use candle_core::Device;
use tempfile::TempDir;

use crate::support::allocation::allocation;
use crate::support::data::{bundled, reference};

fn tokens(vocabulary: usize) -> Tokens {
    Tokens::new((0_usize..384).map(|it| (it * 31 % vocabulary) as u32).collect(), 16).unwrap()
}

fn save(checkpoint: &Checkpoint, folder: &Path, force: bool) -> Result<Report, PruneError> {
    save_with(checkpoint, folder, force, &PruneOptions::new(Method::Magnitude), &mut |_| ())
}

fn save_with(
    checkpoint: &Checkpoint,
    folder: &Path,
    force: bool,
    options: &PruneOptions<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Report, PruneError> {
    let script =
        ScriptSource { name: "uniform".to_owned(), text: "uniform\n".to_owned(), hash: "abc".to_owned() };
    let output = Output { folder, force, script: Some(script) };
    prune(checkpoint, &allocation(checkpoint, 0.5), options, output, progress)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Returns a copy of the bundled model that a test may damage.
fn copy() -> TempDir {
    let copy = TempDir::new().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(bundled().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
fn every_family_is_saved_with_only_its_linears_changed() {
    let Some(families) = reference("families") else {
        return;
    };
    for family in ["llama", "llama3", "mistral", "qwen2", "qwen3", "opt", "gemma2", "phi3", "llava"] {
        let dense = Checkpoint::open(families.join(family)).unwrap();
        let parent = TempDir::new().unwrap();
        let folder = parent.path().join("pruned");
        let tokens = tokens(dense.config().vocabulary.min(128));
        let options = PruneOptions { tokens: Some(&tokens), ..PruneOptions::new(Method::SPARSE_GPT) };
        let report = save_with(&dense, &folder, false, &options, &mut |_| ()).unwrap();
        let pruned = Checkpoint::open(&folder).unwrap();
        let linears: BTreeSet<&str> = dense.linears().iter().map(|it| it.weight.as_str()).collect();
        for name in dense.files().names() {
            let [before, after] = [&dense, &pruned].map(|it| it.files().tensor(name).unwrap());
            assert_eq!(before.path.file_name(), after.path.file_name());
            assert_eq!((before.dtype, before.shape), (after.dtype, after.shape));
            assert_eq!(before.bytes == after.bytes, !linears.contains(name), "{family} {name}");
        }
        for (linear, report) in pruned.linears().iter().zip(&report.linears) {
            let zeros = widen(&pruned.weight(linear).unwrap()).iter().filter(|it| **it == 0.0).count();
            assert_eq!((zeros as u64, report.tensor.as_str()), (report.zeros, linear.weight.as_str()));
        }
        // The bytes before the data, and therefore all names and offsets, are the same; so are all other
        // files.
        for name in names(&families.join(family)) {
            let [before, after] = [&families.join(family), &folder].map(|it| it.join(&name));
            if name.starts_with("model") && name.ends_with(".safetensors") {
                let (before, after) = (fs::read(before).unwrap(), fs::read(after).unwrap());
                let header = 8 + u64::from_le_bytes(before[..8].try_into().unwrap()) as usize;
                assert!(before.len() == after.len() && before[..header] == after[..header]);
            } else if name.ends_with(".safetensors") {
                assert!(!after.exists() && report.left_out.contains(&name));
            } else {
                assert_eq!(fs::read(before).unwrap(), fs::read(after).unwrap(), "{name}");
            }
        }
        assert_eq!(names(parent.path()).len(), 1);
    }
}

#[test]
fn a_saved_model_equals_the_one_pruned_in_memory_and_records_how_it_was_made() {
    let dense = Checkpoint::open(bundled()).unwrap();
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("pruned");
    let tokens = tokens(2048);
    let options =
        PruneOptions { tokens: Some(&tokens), seed: Some(3), ..PruneOptions::new(Method::SPARSE_GPT) };
    let mut done = Vec::new();
    let report = save_with(&dense, &folder, false, &options, &mut |blocks| done.push(blocks)).unwrap();
    assert_eq!(done, (1..=12).collect::<Vec<_>>());
    let pruned = Checkpoint::open(&folder).unwrap();
    let saved = Decoder::load(&pruned, &Device::Cpu).unwrap();
    let half = allocation(&dense, 0.5);
    let (in_memory, _) = prune_in_memory(&dense, &half, &options, &mut |_| ()).unwrap();
    let measure = |decoder| perplexity(decoder, &tokens, &mut |_, _| ()).unwrap().window_losses;
    assert_eq!(measure(&saved), measure(&in_memory));
    // The example's texts are copied, like everything that is not weights.
    assert!(folder.join("text/report.jsonl").is_file() && folder.join("tokenizer.json").is_file());
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("allot.json")).unwrap()).unwrap();
    assert_eq!(json["method"], "sparsegpt");
    assert_eq!(json["model"], dense.fingerprint());
    assert_eq!(json["script"]["text"], "uniform\n");
    assert_eq!(json["calibration"]["source"], tokens.hash());
    assert_eq!(json["calibration"]["seed"], 3);
    assert_eq!(json["linears"].as_array().unwrap().len(), 84);
    assert_eq!(json["pruned"], report.pruned);
    assert_eq!(json["target"], 0.5);
}

#[test]
fn a_folder_is_replaced_only_with_force_and_only_if_allot_wrote_it() {
    let dense = Checkpoint::open(bundled()).unwrap();
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("pruned");
    // An empty folder may be replaced like a missing one.
    fs::create_dir(&folder).unwrap();
    save(&dense, &folder, false).unwrap();
    fs::write(folder.join("note.txt"), "mine").unwrap();
    assert!(matches!(save(&dense, &folder, false), Err(PruneError::Exists { .. })));
    assert!(folder.join("note.txt").exists());
    save(&dense, &folder, true).unwrap();
    assert!(!folder.join("note.txt").exists() && folder.join("allot.json").exists());
    let precious = parent.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.tex"), "").unwrap();
    assert!(matches!(save(&dense, &precious, true), Err(PruneError::NotOurs { .. })));
    assert!(precious.join("thesis.tex").exists());
    assert_eq!(names(parent.path()), BTreeSet::from(["precious", "pruned"].map(str::to_owned)));
}

#[test]
fn the_model_itself_is_never_written_to() {
    let model = copy();
    let dense = Checkpoint::open(model.path()).unwrap();
    let below: PathBuf = model.path().join("pruned");
    for folder in [model.path(), &below, model.path().parent().unwrap()] {
        let refused = save(&dense, folder, true);
        assert!(matches!(refused, Err(PruneError::Overlaps { .. })), "{refused:?}");
    }
    assert_eq!(names(model.path()).len(), 2);
}

#[test]
fn no_failure_leaves_anything_behind() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("pruned");
    // Interrupted halfway.
    let dense = Checkpoint::open(bundled()).unwrap();
    let stop = AtomicBool::new(false);
    let options = PruneOptions { interrupt: Some(&stop), ..PruneOptions::new(Method::Magnitude) };
    let stopped = save_with(&dense, &folder, false, &options, &mut |blocks| {
        stop.store(blocks == 5, Ordering::Relaxed);
    });
    assert!(matches!(stopped, Err(PruneError::Interrupted(_))));
    // A weight that is not a number, in the last linear: it is found before any work.
    let model = copy();
    let weight = dense.linears().last().unwrap();
    let stored = dense.files().tensor(&weight.weight).unwrap();
    let mut bytes = fs::read(stored.path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let data = bytes[header..].windows(64).position(|it| it == &stored.bytes[..64]).unwrap();
    bytes[header + data..header + data + 2].copy_from_slice(&0x7e00_u16.to_le_bytes());
    fs::write(model.path().join("model.safetensors"), bytes).unwrap();
    let damaged = Checkpoint::open(model.path()).unwrap();
    let mut progress = |_| panic!("no block may be pruned");
    let refused = save_with(&damaged, &folder, false, &PruneOptions::new(Method::Magnitude), &mut progress);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains(&weight.weight) && message.contains("model.safetensors"), "{message}");
    // Paths that cannot be written to.
    for place in [parent.path().join("missing/pruned"), model.path().join("config.json/pruned")] {
        let refused = save(&dense, &place, false);
        assert!(matches!(refused, Err(PruneError::Model(ModelError::Write { .. }))), "{refused:?}");
    }
    assert_eq!(names(parent.path()), BTreeSet::new());
}
