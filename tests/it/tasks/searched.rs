//! Tasks in a search: as its objective, and in its final table.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::command::{MODEL, err, out, place, tasks};
use crate::support::place::Place;

/// Returns a place with enough documents for every purpose, and a description of a task that asks the same in
/// other words.
fn many() -> Place {
    let place = place();
    let names = ["Tim", "Lily", "Ben", "Sue", "Max", "Anna"];
    let things = ["a ball", "a hat", "the sun", "a dog", "a cake", "a tree", "a car"];
    let mut rows = String::new();
    for (at, name) in names.iter().enumerate() {
        for (right, thing) in things.iter().enumerate() {
            let text = [thing, things[(right + 1 + at) % things.len()], "blue"];
            let choices = json!({"text": text, "label": ["A", "B", "C"]});
            let question = format!("{name} sees {thing}. What does {name} see?");
            rows.push_str(&format!(
                "{}\n",
                json!({"question": question, "choices": choices, "answerKey": "A"})
            ));
        }
    }
    fs::write(place.path("data/arc_easy/test.jsonl"), rows).unwrap();
    let description = out(&place.run(place.allot(&["tasks", "--describe", "arc_easy"])));
    let other = description.replace("task: arc_easy", "task: other").replace("Question: ", "Q: ");
    fs::write(place.path("other.yaml"), other).unwrap();
    place
}

fn search(place: &Place, run: &str, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let fixed =
        ["search", MODEL, "--sparsity", "0.6", "--texts", &texts, "--out", run, "--method", "magnitude"];
    let small = ["--length", "32", "--samples", "4", "--windows", "4", "--report-windows", "4"];
    place.allot(
        &[&fixed[..], &small, &["--evaluations", "16", "--no-gradients", "--data", "data"], more].concat(),
    )
}

fn summary(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(run).join("summary.json")).unwrap()).unwrap()
}

/// Returns each document of `allot tasks` for uniform sparsity, by the purpose of its question.
fn uniform_by_side(place: &Place) -> BTreeMap<u8, Vec<Value>> {
    let export = ["export", "uniform", "--model", MODEL, "-s", "0.6", "--to", "json", "--out", "u.json"];
    place.run(place.allot(&export));
    let pruned = ["--allocation", "u.json", "--method", "magnitude", "--out", "u.jsonl"];
    place.run(tasks(place, &[&["--tasks", "arc_easy"], &pruned[..]].concat()));
    let documents = fs::read_to_string(place.path("data/arc_easy/test.jsonl")).unwrap();
    let documents: Vec<Value> = documents.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut sides: BTreeMap<u8, Vec<Value>> = BTreeMap::new();
    for line in fs::read_to_string(place.path("u.jsonl")).unwrap().lines().skip(1) {
        let found: Value = serde_json::from_str(line).unwrap();
        let document = &documents[found["line"].as_u64().unwrap() as usize - 1];
        let mut hash = Sha256::new();
        for choice in document["choices"]["text"].as_array().unwrap() {
            let question = document["question"].as_str().unwrap();
            hash.update(format!("Question: {question}\nAnswer: {}\0", choice.as_str().unwrap()));
        }
        sides.entry(hash.finalize()[0] % 4).or_default().push(found);
    }
    sides
}

#[test]
fn the_final_table_has_the_reported_tasks() {
    let place = many();
    let more = ["--report-tasks", "arc_easy,winogrande,gsm8k", "--shots", "0"];
    let text = out(&place.run(search(&place, "run", &more)));
    assert!(text.contains("mean acc") && text.contains("standard error over documents"), "{text}");
    let found = summary(&place, "run");
    let dense = &found["settings"][0]["dense_tasks"];
    assert_eq!(dense.as_array().unwrap().len(), 3);
    let alone = tasks(&place, &["--tasks", more[1], "--shots", "0", "--format", "json"]);
    let alone: Value = serde_json::from_slice(&place.run(alone).stdout).unwrap();
    for (found, alone) in dense.as_array().unwrap().iter().zip(alone["tasks"].as_array().unwrap()) {
        assert_eq!((&found["metrics"], &found["documents"]), (&alone["metrics"], &alone["documents"]));
    }
    let published = found["published"].as_array().unwrap();
    let uniform = published.iter().find(|it| it["name"] == "uniform").unwrap();
    let all: Vec<Value> = uniform_by_side(&place).into_values().flatten().collect();
    let right = all.iter().filter(|it| it["reported"][0]["value"] == 1.0).count();
    // A search on texts may report all documents.
    assert_eq!(uniform["tasks"][0][0]["documents"], 42);
    let found = uniform["tasks"][0][0]["metrics"][0]["value"].as_f64().unwrap();
    assert!((found - right as f64 / 42.0).abs() < 1e-12, "{found} {right}");
    // Resuming measures nothing again, and nothing else.
    let kept = || fs::read_to_string(place.path("run/tasks.jsonl")).unwrap();
    let before = kept();
    place.run(place.allot(&["search", "--resume", "run"]));
    assert_eq!(kept(), before);
    let shown = out(&place.run(place.allot(&["show", "run"])));
    assert!(shown.contains("mean acc"), "{shown}");
    let documents = place.path("data/winogrande.jsonl");
    fs::write(&documents, fs::read_to_string(&documents).unwrap().replace("sad", "glad")).unwrap();
    let changed = place.allot(&["search", "--resume", "run"]).output().unwrap();
    assert_eq!(changed.status.code(), Some(2));
    assert!(err(&changed).contains("the reported task winogrande"), "{}", err(&changed));
}

#[test]
fn documents_that_guide_a_search_are_not_reported() {
    let place = many();
    let more = ["--measure", "tasks", "--tasks", "arc_easy", "--report-tasks", "arc_easy,boolq"];
    for threads in ["1", "4"] {
        let mut command = search(&place, threads, &more);
        command.env("RAYON_NUM_THREADS", threads);
        let output = place.run(command);
        assert!(out(&output).contains("task loss") || out(&output).contains("documents of tasks"));
    }
    place.same("1", "4");
    let sides = uniform_by_side(&place);
    let size = |side: u8| sides.get(&side).map_or(0, Vec::len);
    assert!(size(0) > 2 && size(1) > 2 && size(2) + size(3) > 10, "{} {}", size(0), size(1));
    let found = summary(&place, "1");
    let uniform = found["published"].as_array().unwrap().iter().find(|it| it["name"] == "uniform").unwrap();
    assert_eq!(uniform["tasks"][0][0]["documents"], size(2) + size(3));
    let loss = |side: u8| {
        let margins = sides[&side].iter().map(|it| it["margin"].as_f64().unwrap());
        margins.map(|margin| (1.0 + (-margin).exp()).ln()).sum::<f64>() / size(side) as f64
    };
    let near =
        |found: &Value, want: f64| assert!((found.as_f64().unwrap() - want).abs() < 1e-8, "{found} {want}");
    near(&uniform["fitness"], loss(0));
    near(&found["settings"][0]["uniform_loss"], loss(0));
    near(&uniform["selection"], loss(1));
    let best = &found["best"];
    assert!(best["selection"].as_f64().unwrap() <= loss(1) + 1e-12);
    // A resumed run checks the documents that guide it.
    place.run(place.allot(&["search", "--resume", "1"]));
    let documents = place.path("data/arc_easy/test.jsonl");
    fs::write(&documents, fs::read_to_string(&documents).unwrap().replace("Tim", "Tom")).unwrap();
    let changed = place.allot(&["search", "--resume", "1"]).output().unwrap();
    assert_eq!(changed.status.code(), Some(2));
    assert!(err(&changed).contains("documents of the task arc_easy"), "{}", err(&changed));
}

#[test]
fn unsuitable_tasks_are_refused_before_any_work() {
    let place = many();
    let sums =
        (0..40).map(|at| format!("{}\n", json!({"question": format!("{at}?"), "answer": "x\n#### 4"})));
    fs::write(place.path("data/gsm8k/test.jsonl"), sums.collect::<String>()).unwrap();
    let by = ["--measure", "tasks"];
    for (more, said) in [
        (&["--tasks", "arc_easy", "--report-tasks", "other.yaml"][..], "in other words"),
        (&["--tasks", "gsm8k", "--shots", "0"], "the model generates the answers"),
        (&["--tasks", "boolq", "--limit", "1"], "is assigned to"),
        (&["--tasks", "arc_easy", "--control", "neuroal"], "neuroal"),
        (&["--tasks", "arc_easy", "--control", "descent"], "descent"),
    ] {
        let output = search(&place, "run", &[&by[..], more].concat()).output().unwrap();
        assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()), "{more:?}");
        assert!(err(&output).contains(said), "{more:?}: {}", err(&output));
        assert!(!place.path("run").exists(), "{more:?}");
    }
    // Examples of a task without other documents would be reported ones.
    let own = fs::read_to_string(place.path("other.yaml")).unwrap();
    let own: String =
        own.lines().filter(|it| !it.starts_with("shot_files")).map(|it| format!("{it}\n")).collect();
    fs::write(place.path("own.yaml"), own).unwrap();
    let more = ["--measure", "tasks", "--tasks", "own.yaml", "--shots", "1"];
    let output = search(&place, "run", &more).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("its own documents"), "{}", err(&output));
}
