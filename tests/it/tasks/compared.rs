//! Tasks together with perplexities in `allot compare`.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::command::{MODEL, err, out, place, tasks};
use crate::support::place::Place;

const TASKS: [&str; 6] = ["--tasks", "boolq,arc_easy,winogrande,gsm8k", "--data", "data", "--shots", "0"];

fn compare(place: &Place, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let fixed = ["compare", MODEL, "uniform", "atp", "--texts", &texts, "--length", "32", "--samples", "4"];
    place.allot(
        &[&fixed[..], &["--windows", "4", "--report-windows", "4", "--method", "magnitude"], more].concat(),
    )
}

fn json(place: &Place, command: Command) -> Value {
    serde_json::from_slice(&place.run(command).stdout).unwrap()
}

/// Returns the results of tasks without the first tokens of prompts, which a comparison does not contain.
fn without_first_ids(tasks: &Value) -> Vec<Value> {
    let mut tasks = tasks.as_array().unwrap().clone();
    for task in &mut tasks {
        task.as_object_mut().unwrap().remove("first_ids");
    }
    tasks
}

#[test]
fn a_comparison_gets_the_same_results_as_tasks_on_the_same_pruned_model() {
    let place = place();
    let more = [&TASKS[..], &["--sparsity", "0.5", "--format", "json"]].concat();
    let dense = json(&place, compare(&place, &[&more[..], &["--propagate", "dense"]].concat()));
    let alone = json(&place, tasks(&place, &["--tasks", TASKS[1], "--shots", "0", "--format", "json"]));
    assert_eq!(without_first_ids(&dense["dense_tasks"]), without_first_ids(&alone["tasks"]));
    let export = ["export", "atp", "--model", MODEL, "--sparsity", "0.5", "--to", "json", "--out", "a.json"];
    place.run(place.allot(&export));
    let pruned = ["--allocation", "a.json", "--method", "magnitude", "--shots", "0", "--format", "json"];
    let pruned = json(&place, tasks(&place, &[&["--tasks", TASKS[1]], &pruned[..]].concat()));
    let found = &dense["rows"][1]["cells"][0]["measured"]["tasks"];
    assert_eq!(without_first_ids(found), without_first_ids(&pruned["tasks"]));
    assert_ne!(without_first_ids(found), without_first_ids(&dense["dense_tasks"]));
    // Magnitudes are the same behind pruned blocks, and so are the model's answers.
    let behind = json(&place, compare(&place, &more));
    assert_eq!(behind["rows"][1]["cells"][0]["measured"]["tasks"], *found);
}

#[test]
fn a_comparison_measures_only_what_is_new() {
    let place = place();
    let run = |more: &[&str]| compare(&place, &[&TASKS[..], &["--out", "compared"], more].concat());
    let text = out(&place.run(run(&["--sparsity", "0.5"])));
    let kept = || fs::read_to_string(place.path("compared/tasks.jsonl")).unwrap();
    let first = kept();
    // The dense model and two pruned ones.
    assert_eq!(first.lines().count(), 3);
    insta::with_settings!({filters => vec![(r"(\d  +)[\d.e-]+\n", "$1[seconds]\n")]}, {
        insta::assert_snapshot!("compared", text);
    });
    let markdown = fs::read_to_string(place.path("compared/table.md")).unwrap();
    let page = fs::read_to_string(place.path("compared/report.html")).unwrap();
    assert!(markdown.contains("mean acc") && page.contains("mean acc"));
    let latex = fs::read_to_string(place.path("compared/table.tex")).unwrap();
    assert!(latex.contains("mean acc") && latex.contains("$\\pm$") && !latex.contains('±'), "{latex}");
    place.run(run(&["--sparsity", "0.5,0.6"]));
    assert!(kept().starts_with(&first) && kept().lines().count() == 5);
    let again = json(&place, run(&["--sparsity", "0.5", "--format", "json"]));
    assert_eq!(kept().lines().count(), 5);
    assert_eq!(again["rows"][0]["cells"][0]["measured"]["tasks"].as_array().unwrap().len(), 4);
    // With other documents it is another comparison.
    for more in [&["--limit", "1"][..], &["--protocol", "wanda"]] {
        let other = run(&[&["--sparsity", "0.5"], more].concat()).output().unwrap();
        assert_eq!((other.status.code(), out(&other)), (Some(2), String::new()));
        assert!(err(&other).contains("the task boolq"), "{}", err(&other));
    }
    let documents = place.path("data/boolq.jsonl");
    let changed = fs::read_to_string(&documents).unwrap().replace("Tom has a dog", "Tom had a dog");
    fs::write(&documents, changed).unwrap();
    let other = run(&["--sparsity", "0.5"]).output().unwrap();
    assert!(err(&other).contains("the task boolq"), "{}", err(&other));
}

#[test]
fn impossible_requests_are_refused_before_any_work() {
    let place = place();
    for (more, said) in [
        (&["--tasks", "boolq"][..], "--tasks"),
        (&["--limit", "3"], "--limit"),
        (&["--tasks", "boolk", "--data", "data"], "boolq"),
        (&["--tasks", "piqa", "--data", "data"], "piqa"),
    ] {
        let output = compare(&place, &[more, &["--sparsity", "0.5"]].concat()).output().unwrap();
        assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()), "{more:?}");
        assert!(err(&output).contains(said), "{more:?}: {}", err(&output));
    }
}
