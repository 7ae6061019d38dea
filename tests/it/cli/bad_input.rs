//! Commands with bad input: one message that names the file and the tensor, exit code 2, and nothing left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const TENSOR: &str = "model.layers.5.self_attn.k_proj.weight";

/// A folder with a copy of the bundled model and a text, in which commands run.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-stories-12l");
        let folder = TempDir::new().expect("a folder");
        let model = folder.path().join("model");
        fs::create_dir(&model).expect("a folder");
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            fs::copy(bundled.join(name), model.join(name)).expect("a copy");
        }
        fs::copy(bundled.join("text/report.jsonl"), folder.path().join("text.jsonl")).expect("a copy");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("readable")
    }

    /// Changes the header of the weights, but not the data.
    fn edit_header(&self, edit: impl FnOnce(&mut Value)) {
        let bytes = self.read("model/model.safetensors");
        let (mut header, start) = header(&bytes);
        edit(&mut header);
        let text = header.to_string();
        let length = (text.len() as u64).to_le_bytes();
        self.write("model/model.safetensors", [&length[..], text.as_bytes(), &bytes[start..]].concat());
    }

    /// Replaces one number of an f16 tensor.
    fn edit_number(&self, tensor: &str, index: usize, value: half::f16) {
        let mut bytes = self.read("model/model.safetensors");
        let (header, start) = header(&bytes);
        let offset = header[tensor]["data_offsets"][0].as_u64().expect("an offset") as usize;
        let at = start + offset + 2 * index;
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        self.write("model/model.safetensors", bytes);
    }

    fn edit_config(&self, key: &str, value: Value) {
        let mut config: Value = serde_json::from_slice(&self.read("model/config.json")).expect("JSON");
        config[key] = value;
        self.write("model/config.json", config.to_string());
    }

    /// Lists everything in the folder, including temporary files.
    fn list(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path);
            }
        }
        found
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.finish(Command::new(env!("CARGO_BIN_EXE_allot")).args(arguments))
    }

    /// Runs a command in which no file may grow beyond 1 KiB.
    fn run_without_space(&self, arguments: &[&str]) -> Output {
        let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
        self.finish(Command::new("bash").args(["-c", limited, env!("CARGO_BIN_EXE_allot")]).args(arguments))
    }

    fn finish(&self, command: &mut Command) -> Output {
        command.current_dir(self.folder.path()).env("TMPDIR", self.folder.path()).output().expect("it runs")
    }

    /// Runs a command, and checks that it refuses with one message that has these parts, and leaves nothing behind.
    fn refuses(&self, arguments: &[&str], parts: &[&str]) {
        let before = self.list();
        let output = self.run(arguments);
        self.check(arguments, &output, parts, &before);
    }

    fn check(&self, arguments: &[&str], output: &Output, parts: &[&str], before: &BTreeSet<PathBuf>) {
        let message = String::from_utf8_lossy(&output.stderr);
        let shown = format!("allot {}\n{message}", arguments.join(" "));
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(output.stdout.is_empty(), "{shown}");
        assert!(message.starts_with("error: ") && message.ends_with('\n'), "{shown}");
        assert!(message.lines().skip(1).all(|line| line.starts_with("  = help: ")), "{shown}");
        for part in parts {
            assert!(message.contains(part), "no `{part}` in: {shown}");
        }
        assert_eq!(&self.list(), before, "{shown}");
    }

    /// Checks that every command refuses the model.
    fn all_refuse(&self, parts: &[&str]) {
        for arguments in [&INSPECT[..], READ, STATS, PPL, PRUNE, MAGNITUDE] {
            self.refuses(arguments, parts);
        }
    }

    /// Checks that every command that reads text refuses it.
    fn readers_refuse(&self, parts: &[&str]) {
        for arguments in [EVAL, STATS, PPL, PRUNE] {
            self.refuses(arguments, parts);
        }
    }
}

const INSPECT: [&str; 3] = ["inspect", "model", "--check"];
/// An evaluation that needs no text.
const READ: &[&str] = &["eval", "model", "global", "--sparsity", "0.5", "--method", "magnitude"];
const EVAL: &[&str] = &[
    "eval",
    "model",
    "owl",
    "--sparsity",
    "0.5",
    "--text",
    "text.jsonl",
    "--samples",
    "2",
    "--length",
    "64",
];
const STATS: &[&str] =
    &["stats", "model", "--text", "text.jsonl", "--samples", "2", "--length", "64", "--out", "s.safetensors"];
const PPL: &[&str] = &["ppl", "model", "--text", "text.jsonl", "--limit", "2", "--length", "64"];
const PRUNE: &[&str] = &[
    "prune",
    "model",
    "uniform",
    "--sparsity",
    "0.5",
    "--text",
    "text.jsonl",
    "--samples",
    "2",
    "--length",
    "64",
    "--out",
    "pruned",
];
const MAGNITUDE: &[&str] =
    &["prune", "model", "uniform", "--sparsity", "0.5", "--method", "magnitude", "--out", "pruned"];

/// Returns a safetensors file's header, and the offset of the data.
fn header(bytes: &[u8]) -> (Value, usize) {
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).expect("a header"), 8 + length)
}

#[test]
fn truncated_and_corrupt_weights() {
    let place = Place::new();
    let whole = place.read("model/model.safetensors");
    let start = header(&whole).1;
    place.write("model/model.safetensors", &whole[..whole.len() - 1000]);
    place.all_refuse(&["model.safetensors is truncated", "download or copy it again"]);
    place.write("model/model.safetensors", &whole[..5]);
    place.all_refuse(&["model.safetensors is truncated"]);
    place.write("model/model.safetensors", b"");
    place.all_refuse(&["model.safetensors is truncated"]);
    place.write("model/model.safetensors", &whole[..start / 2]);
    place.all_refuse(&["model.safetensors states a header"]);
    let mut corrupt = whole.clone();
    corrupt[20..start - 20].fill(b'?');
    place.write("model/model.safetensors", corrupt);
    place.all_refuse(&["model.safetensors is corrupt"]);
}

#[test]
fn a_header_larger_than_the_file() {
    let place = Place::new();
    let mut bytes = place.read("model/model.safetensors");
    for length in [1 << 26, u64::MAX] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        place.write("model/model.safetensors", &bytes);
        place.all_refuse(&["model.safetensors states a header of", &length.to_string()]);
    }
}

#[test]
fn a_missing_shard() {
    let place = Place::new();
    fs::rename(place.path("model/model.safetensors"), place.path("model/model-00001-of-00002.safetensors"))
        .expect("renamed");
    let index = serde_json::json!({"weight_map": {
        "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
        TENSOR: "model-00002-of-00002.safetensors",
    }});
    place.write("model/model.safetensors.index.json", index.to_string());
    place.all_refuse(&["model.safetensors.index.json", "model-00002-of-00002.safetensors"]);
    fs::remove_file(place.path("model/model.safetensors.index.json")).expect("removed");
    place.all_refuse(&["holds neither model.safetensors nor"]);
}

#[test]
fn wrong_shapes_and_types() {
    let place = Place::new();
    place.edit_header(|header| header[TENSOR]["shape"] = serde_json::json!([96, 48]));
    place.all_refuse(&["model.safetensors", TENSOR, "[96, 48]", "[48, 96]"]);
    place.edit_header(|header| {
        header[TENSOR]["shape"] = serde_json::json!([48, 96]);
        header[TENSOR]["dtype"] = "I16".into();
    });
    place.all_refuse(&["model.safetensors", TENSOR, "I16"]);
    place.edit_header(|header| {
        let tensor = header.as_object_mut().and_then(|all| all.remove(TENSOR)).expect("it was there");
        header["other"] = tensor;
    });
    place.all_refuse(&["model.safetensors", TENSOR]);
}

#[test]
fn an_unknown_architecture_and_a_missing_model() {
    let place = Place::new();
    place.edit_config("model_type", "mamba".into());
    place.edit_config("architectures", serde_json::json!(["MambaForCausalLM"]));
    place.all_refuse(&["config.json", "mamba", "supported"]);
    place.write("model/config.json", "{");
    place.all_refuse(&["config.json"]);
    fs::remove_file(place.path("model/config.json")).expect("removed");
    place.all_refuse(&["model", "holds no config.json"]);
    #[cfg(unix)]
    {
        // A file that cannot be opened must not be reported as missing. The test uses a link to itself, as permissions do not stop root.
        std::os::unix::fs::symlink("config.json", place.path("model/config.json")).expect("a link to itself");
        place.all_refuse(&["cannot read model/config.json"]);
    }
    fs::remove_dir_all(place.path("model")).expect("removed");
    place.all_refuse(&["model"]);
}

#[test]
fn a_tokenizer_that_does_not_fit() {
    let place = Place::new();
    let text = String::from_utf8(place.read("model/tokenizer.json")).expect("text");
    place.write("model/tokenizer.json", text.replacen(": 2047", ": 5000", 1));
    place.readers_refuse(&["tokenizer.json", "5000", "2048"]);
    place.write("model/tokenizer.json", "{}");
    place.readers_refuse(&["tokenizer.json", "download or copy it again"]);
    fs::remove_file(place.path("model/tokenizer.json")).expect("removed");
    place.readers_refuse(&["tokenizer.json", "--tokens"]);
}

#[test]
fn weights_that_are_not_finite() {
    let place = Place::new();
    let at = 7 * 96 + 11;
    for value in [half::f16::NAN, half::f16::INFINITY, half::f16::NEG_INFINITY] {
        place.edit_number(TENSOR, at, value);
        place.all_refuse(&["model.safetensors", TENSOR, &value.to_string(), "[7, 11]"]);
    }
    place.edit_number(TENSOR, at, half::f16::ONE);
    let norm = "model.layers.3.input_layernorm.weight";
    place.edit_number(norm, 5, half::f16::NAN);
    for arguments in [&INSPECT[..], EVAL, STATS, PPL, PRUNE] {
        place.refuses(arguments, &["model.safetensors", norm, "NaN", "[5]"]);
    }
}

#[test]
fn texts_that_cannot_be_used() {
    let place = Place::new();
    for (text, parts) in [
        (&b""[..], &["text.jsonl holds no text"][..]),
        (b"\n \n", &["text.jsonl holds no text"]),
        (b"{\"text\": \" \"}\n", &["text.jsonl holds no text"]),
        (b"{\"text\": \"Once upon a time\"}\n", &["text.jsonl gives 5 tokens", "window of 64", "--length"]),
        (b"{\"body\": \"Once\"}\n", &["text.jsonl:1", "`text`"]),
        (b"{\"text\": \"Once", &["text.jsonl:1"]),
        (b"{\"text\": \"\xff\"}\n", &["text.jsonl is not UTF-8"]),
    ] {
        place.write("text.jsonl", text);
        place.readers_refuse(parts);
    }
    fs::remove_file(place.path("text.jsonl")).expect("removed");
    place.readers_refuse(&["cannot read text.jsonl", "check the path"]);
    place.write("ids.safetensors", place.read("model/model.safetensors"));
    for (tokens, parts) in [
        (format!("ids.safetensors:{TENSOR}"), &["ids.safetensors", TENSOR, "token ids"][..]),
        ("ids.safetensors:ids".to_owned(), &["ids.safetensors", "`ids`"]),
        ("nowhere.safetensors:ids".to_owned(), &["nowhere.safetensors"]),
    ] {
        place.refuses(&["ppl", "model", "--tokens", &tokens], parts);
    }
}

#[test]
fn numbers_that_make_no_sense() {
    let place = Place::new();
    let ppl = ["ppl", "model", "--text", "text.jsonl", "--length"];
    place.refuses(&[&ppl[..], &["1"]].concat(), &["length", "1"]);
}

#[test]
fn targets_that_exist_or_cannot_be_written() {
    let place = Place::new();
    place.write("file", "kept");
    place.write("s.safetensors", "kept");
    place.refuses(STATS, &["s.safetensors already exists", "--force"]);
    assert_eq!(place.read("s.safetensors"), b"kept");
    // Not even root can write below a file.
    let below = |arguments: &[&'static str], target: &'static str| -> Vec<&'static str> {
        [&arguments[..arguments.len() - 1], &[target]].concat()
    };
    place.refuses(&below(STATS, "file/s.safetensors"), &["cannot write file/s.safetensors"]);
    place.refuses(&below(STATS, "nowhere/s.safetensors"), &["cannot write nowhere/s.safetensors", "folder"]);
    place.refuses(&below(PRUNE, "file/pruned"), &["file/pruned"]);
    place.refuses(&[READ, &["--figure", "file/f.svg"]].concat(), &["cannot write file/f.svg"]);
    place.refuses(&below(MAGNITUDE, "model/pruned"), &["model/pruned", "next to"]);
    fs::create_dir(place.path("pruned")).expect("a folder");
    place.write("pruned/mine", "kept");
    place.refuses(PRUNE, &["pruned already exists", "--force"]);
    place.refuses(&[PRUNE, &["--force"]].concat(), &["pruned holds no allot.json"]);
    assert_eq!(place.read("pruned/mine"), b"kept");
}

#[test]
#[cfg(unix)]
fn no_space() {
    let place = Place::new();
    for (arguments, part) in [(STATS, "s.safetensors"), (PRUNE, "pruned"), (MAGNITUDE, "pruned")] {
        let before = place.list();
        let output = place.run_without_space(arguments);
        place.check(arguments, &output, &["cannot write", part], &before);
    }
}

#[test]
#[cfg(unix)]
fn no_space_for_a_scratch_file() {
    let place = Place::new();
    let before = place.list();
    for arguments in [PPL, STATS, EVAL, PRUNE] {
        let arguments = [arguments, &["--memory", "700kB"]].concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
        command.args(&arguments).current_dir(place.folder.path()).env("TMPDIR", "nowhere");
        let output = command.output().expect("it runs");
        place.check(&arguments, &output, &["scratch file", "nowhere"], &before);
        // Pruning copies the folder first.
        if arguments[0] != "prune" {
            let output = place.run_without_space(&arguments);
            place.check(&arguments, &output, &["scratch file", "TMPDIR", "--memory"], &before);
        }
    }
}

#[test]
fn a_model_that_is_not_in_the_cache() {
    let place = Place::new();
    let before = place.list();
    let arguments = ["inspect", "owner/name"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
    command.args(arguments).env_remove("HF_HUB_CACHE").env("HF_HOME", place.path("home"));
    command.env("HF_HUB_OFFLINE", "1");
    let output = place.finish(&mut command);
    place.check(&arguments, &output, &["owner/name", "home/hub", "hf download"], &before);
    // The model is found once it is where the hub's tools put it.
    let cached = place.path("home/hub/models--owner--name");
    fs::create_dir_all(cached.join("snapshots")).expect("a folder");
    fs::create_dir_all(cached.join("refs")).expect("a folder");
    fs::create_dir_all(cached.join("snapshots/old")).expect("a folder");
    fs::rename(place.path("model"), cached.join("snapshots/0123abc")).expect("renamed");
    fs::write(cached.join("refs/main"), "0123abc").expect("written");
    let output = place.finish(&mut command);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Interrupts a command, and checks that it ends with exit code 130 and leaves nothing behind.
#[cfg(target_os = "linux")]
fn interrupt(place: &Place, child: std::process::Child, before: &BTreeSet<PathBuf>) {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("it runs");
    assert!(killed.success());
    let output = child.wait_with_output().expect("it ends");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("interrupted; nothing was left behind"), "{message}");
    assert_eq!(&place.list(), before);
}

/// Opens a named pipe for writing, once another process reads it.
#[cfg(target_os = "linux")]
fn opened(pipe: &Path) -> fs::File {
    use std::os::unix::fs::OpenOptionsExt;
    /// O_NONBLOCK: opening fails while there is no reader, instead of waiting for one.
    const AT_ONCE: i32 = 0o4000;
    for _ in 0..24_000 {
        if let Ok(file) = fs::File::options().write(true).custom_flags(AT_ONCE).open(pipe) {
            return file;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("no process reads {}", pipe.display());
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_command_leaves_nothing_behind() {
    let place = Place::new();
    let pipe = place.path("pipe.txt");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it runs").success());
    let before = place.list();
    let start = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
        command.args(arguments).current_dir(place.folder.path()).stderr(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped()).spawn().expect("it runs")
    };
    for arguments in [STATS, PPL, &["kl", "model", "model", "--text", "text.jsonl"]] {
        let arguments: Vec<&str> =
            arguments.iter().map(|it| if *it == "text.jsonl" { "pipe.txt" } else { *it }).collect();
        let child = start(&arguments);
        // Opens as soon as the command reads the pipe, and keeps the command waiting for text.
        let text = opened(&pipe);
        interrupt(&place, child, &before);
        drop(text);
    }
    // Enough text for minutes of work.
    let long = ["--text", "text.jsonl", "--samples", "4000", "--length", "512", "--out", "pruned"];
    let child =
        start(&[&["prune", "model", "--sparsity", "0.5", "--method", "sparsegpt"][..], &long].concat());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while place.list() == before && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_ne!(place.list(), before, "a temporary folder was made");
    interrupt(&place, child, &before);
}

#[test]
fn hessians_and_spectra_are_collected_on_request() {
    let place = Place::new();
    place.refuses(
        &[STATS, &["--hessians", "--memory", "1KiB"]].concat(),
        &["memory", "1.0 KiB", "--hessians"],
    );
    let output = place.run(&[STATS, &["--hessians", "--spectra"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let checkpoint = allot::model::Checkpoint::open(place.path("model")).expect("it opens");
    let statistics =
        allot::stats::Statistics::load(&place.path("s.safetensors"), &checkpoint).expect("it loads");
    for linear in checkpoint.linears() {
        let found = &statistics.linears[&linear.module];
        let moments = found.second_moment.as_ref().expect("collected");
        let hessian = statistics.hessian(&checkpoint, linear).expect("collected");
        for (index, moment) in moments.iter().enumerate() {
            let twice = hessian[index * (linear.columns + 1)] / 2.0;
            assert!((twice - moment).abs() <= 1e-4 * moment, "{}: {twice} and {moment}", linear.module);
        }
        let spectrum = found.spectrum.as_ref().expect("collected");
        let weights = allot::model::widen(&checkpoint.weight(linear).expect("it is there"));
        let squares: f64 = weights.iter().map(|it| f64::from(*it).powi(2)).sum();
        let sum: f64 = spectrum.iter().map(|it| f64::from(*it)).sum();
        assert!((sum - squares).abs() <= 1e-5 * squares, "{}: {sum} and {squares}", linear.module);
    }
    let kept = statistics.linears.values().filter(|it| it.hessian.is_some()).count();
    assert_eq!(kept, 4 * checkpoint.config().blocks, "linears with the same input share one Hessian");
}
