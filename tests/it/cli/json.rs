//! All JSON that commands print and write matches its schema, and every field is documented.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::schema::wrong;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
const BINARY: &str = env!("CARGO_BIN_EXE_allot");

/// The schemas, and the tags of the schemas for which a document was seen.
struct Schemas {
    schemas: BTreeMap<&'static str, Value>,
    seen: BTreeSet<String>,
}

impl Schemas {
    fn new() -> Self {
        let schemas = allot::cli::schemas().map(|(tag, _, schema)| (tag, schema));
        Self { schemas: schemas.collect(), seen: BTreeSet::new() }
    }

    /// Checks that a document matches the schema that it names, and that the schema refuses changed documents.
    fn check(&mut self, what: &str, text: &[u8]) -> Value {
        let document: Value = serde_json::from_slice(text)
            .unwrap_or_else(|error| panic!("{what}: {error}: {}", String::from_utf8_lossy(text)));
        let tag = document["schema"].as_str().unwrap_or_else(|| panic!("{what} names no schema")).to_owned();
        let schema = self.schemas.get(tag.as_str()).unwrap_or_else(|| panic!("{what}: {tag}"));
        let found = wrong(schema, &document);
        assert!(found.is_empty(), "{what} does not match {tag}:\n{}", cut(&found.join("\n")));
        for (name, value) in [("undocumented", json!(1)), ("schema", json!("other/1"))] {
            let mut other = document.clone();
            other[name] = value;
            assert!(!wrong(schema, &other).is_empty(), "{tag} allows another `{name}`");
        }
        self.seen.insert(tag);
        document
    }
}

fn cut(text: &str) -> String {
    text.chars().rev().take(400).collect::<Vec<_>>().into_iter().rev().collect()
}

fn allot(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(BINARY);
    let words = line.split(' ').map(|word| word.replace("MODEL", MODEL));
    command.current_dir(folder).args(words).args(["--format", "json"]).stdin(Stdio::null());
    command.output().expect("the binary runs")
}

const FINE: &[&str] = &[
    "check -e mean(score)|>scale --plan",
    "fmt -e mean(score)|>scale",
    "list",
    "ops --all",
    "explain scale",
    "explain owl",
    "explain unit",
    "explain unknown-name",
    "show owl",
    "schema",
    "import-dsa W:(NO_OP)-(MEAN)-(SIGMOID)",
    "inspect MODEL",
    "stats MODEL --text MODEL/text/calibration.jsonl --samples 4 --length 32 --out s.safetensors",
    "eval MODEL owl --stats s.safetensors --sparsity 0.6",
    "eval MODEL er --method magnitude --sparsity 0.6 --unit row",
    "eval MODEL lsa --text MODEL/text/calibration.jsonl --samples 4 --length 32 --sparsity 0.6",
    "eval MODEL uniform --sparsity 0.6 --stats s.safetensors --length 32 --marginals MODEL/text/fitness.jsonl --marginal-windows 2",
    "diff owl dlp",
    "diff owl dlp --model MODEL --sparsity 0.6 --stats s.safetensors",
    "snapshot owl --model MODEL --stats s.safetensors -s 0.5,0.6",
    "snapshot owl --model MODEL --stats s.safetensors -s 0.5,0.6 --out owl.snap",
    "snapshot owl --model MODEL --stats s.safetensors --check owl.snap",
    "export owl --to canonical",
    "export owl --to csv --model MODEL --stats s.safetensors --sparsity 0.6",
    "export uniform --to evopress --weights-diff 64 --model MODEL --stats s.safetensors --sparsity 0.5",
    "export owl --to alphapruning --model MODEL --stats s.safetensors --sparsity 0.6",
    "prune MODEL owl --stats s.safetensors --sparsity 0.6 --out pruned",
    "prune MODEL --sparsity 0.5 --pattern 2:4 --method magnitude --out half",
    "ppl MODEL --text MODEL/text/report.jsonl --length 32 --limit 4",
    "ppl pruned --text MODEL/text/report.jsonl --length 32 --limit 4 --quiet",
    "kl MODEL pruned --text MODEL/text/report.jsonl --length 32 --limit 4",
    "generate MODEL Once --tokens 4",
    "ppl MODEL --text MODEL/text/report.jsonl --dry-run",
    "descend MODEL --sparsity 0.5 --texts MODEL/text --length 32 --samples 4 --steps 2 --windows 2 --report-windows 2 --out descent",
    "compare MODEL owl uniform --sparsity 0.5,0.6 --texts MODEL/text --length 32 --samples 4 --report-windows 2 --out compared",
    "search MODEL --sparsity 0.6 --texts MODEL/text --length 32 --samples 4 --windows 2 --report-windows 2 --evaluations 12 --out run",
    "show run",
    "show run --front",
    "show run --all",
    "search MODEL --sparsity 0.6 --texts MODEL/text --length 32 --samples 4 --windows 2 --report-windows 2 --evaluations 4 --control random,evopress --out more",
];

/// Command lines that fail, with their exit codes and kinds.
const FAILS: &[(&str, i32, &str)] = &[
    ("eval nowhere uniform --sparsity 0.6", 2, "failed"),
    ("eval MODEL -e mean(scor)|>scale --sparsity 0.6", 2, "script"),
    ("eval MODEL uniform --sparsity 7", 2, "usage"),
    ("eval MODEL uniform --nonsense", 2, "usage"),
    ("list --device cpu", 2, "usage"),
    ("schema perplexit", 2, "failed"),
];

const FILES: &[&str] = &[
    "pruned/allot.json",
    "half/allot.json",
    "descent/summary.json",
    "descent/0.5.json",
    "compared/comparison.json",
    "run/settings.json",
    "run/summary.json",
    "more/settings.json",
    "more/summary.json",
    "exported.json",
    "imported.json",
];

#[test]
fn documents_match_their_schemas() {
    let place = TempDir::new().expect("a folder");
    let place = place.path();
    let mut schemas = Schemas::new();
    for line in FINE {
        let output = allot(place, line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        let document = schemas.check(line, &output.stdout);
        let used = document["context"]["models"].as_array().map_or(0, Vec::len);
        let reads = line.split(' ').filter(|word| *word == "MODEL").count();
        if reads > 0 && !line.contains("--dry-run") && !line.starts_with("import-dsa") {
            assert!(used >= 1, "{line}: no model is named: {}", document["context"]);
        }
    }
    let tasks = place.join("tasks");
    tiny_task(&tasks);
    let line = "tasks MODEL --tasks arc_easy --data tasks";
    let output = allot(place, line);
    assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    schemas.check(line, &output.stdout);

    for line in [
        "export owl --to json --model MODEL --stats s.safetensors --sparsity 0.6 -o exported.json",
        "import exported.json --model MODEL -o imported.json",
    ] {
        let output = Command::new(BINARY)
            .current_dir(place)
            .args(line.split(' ').map(|word| word.replace("MODEL", MODEL)))
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    schemas.check("import", &allot(place, "import exported.json --model MODEL").stdout);
    for file in FILES {
        schemas.check(file, &fs::read(place.join(file)).expect(file));
    }

    // A search that was stopped has no summary yet.
    fs::remove_file(place.join("run/summary.json")).expect("removed");
    schemas.check("show of a stopped run", &allot(place, "show run").stdout);

    for (line, code, kind) in FAILS {
        let output = allot(place, line);
        assert_eq!(output.status.code(), Some(*code), "{line}");
        let document = schemas.check(line, &output.stdout);
        assert_eq!(document["kind"], *kind, "{line}");
        assert_eq!(document["exit_code"], *code, "{line}");
        assert!(document["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
    }
    let all: BTreeSet<String> = allot::cli::schemas().map(|(tag, ..)| tag.to_owned()).collect();
    assert_eq!(schemas.seen, all, "every schema has a document here");
}

#[test]
fn an_interrupted_command_prints_a_document() {
    let text = format!("{MODEL}/text/report.jsonl");
    let mut command = Command::new(BINARY);
    command.args(["ppl", MODEL, "--text", &text, "--length", "512", "--format", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    std::thread::sleep(std::time::Duration::from_millis(400));
    let stop = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    let output = child.wait_with_output().expect("it ends");
    if output.status.code() == Some(0) || !stop.success() {
        eprintln!("skipped: the command ended before it was stopped");
        return;
    }
    assert_eq!(output.status.code(), Some(130));
    let mut schemas = Schemas::new();
    let document = schemas.check("an interrupted command", &output.stdout);
    assert_eq!(document["kind"], "interrupted");
}

/// Writes the documents of a small multiple-choice task.
fn tiny_task(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let row = json!({"id": "a", "question": "Where is the cat?", "answerKey": "A",
        "choices": {"text": ["on the mat", "in the sea"], "label": ["A", "B"]}});
    fs::write(folder.join("arc_easy.jsonl"), format!("{row}\n{row}\n")).expect("written");
}

#[test]
fn documents_include_warnings_even_with_quiet() {
    let place = TempDir::new().expect("a folder");
    let text = format!("{MODEL}/text/report.jsonl");
    fs::copy(&text, place.path().join("fitness.jsonl")).expect("copied");
    let line = "compare MODEL uniform --sparsity 0.5 --calibration MODEL/text/report.jsonl --report fitness.jsonl \
                --length 32 --samples 2 --report-windows 2 --quiet";
    let output = allot(place.path(), line);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let warnings = document["context"]["warnings"].to_string();
    assert!(warnings.contains("the calibration and the report text are the same"), "{warnings}");
}

#[test]
fn every_field_is_documented() {
    let mut missing = Vec::new();
    for (tag, _, schema) in allot::cli::schemas() {
        walk(tag, &schema, &mut missing);
    }
    assert!(missing.is_empty(), "fields without a doc comment:\n{}", missing.join("\n"));
}

/// Collects every property below a schema that has no description.
fn walk(place: &str, schema: &Value, missing: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (key, inner) in map {
                let inside = format!("{place}/{key}");
                if let ("properties", Some(properties)) = (key.as_str(), inner.as_object()) {
                    for (name, property) in properties {
                        // The fields of a choice are covered by the description of the choice.
                        let told = property.get("description").is_some() || map.contains_key("description");
                        if !told {
                            missing.push(format!("{inside}/{name}"));
                        }
                    }
                }
                walk(&inside, inner, missing);
            }
        }
        Value::Array(all) => all.iter().for_each(|inner| walk(place, inner, missing)),
        _ => {}
    }
}
