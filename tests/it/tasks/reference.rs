//! Compares likelihoods with those of lm-evaluation-harness, on the reference's first hundred documents of
//! eight tasks.

use std::path::{Path, PathBuf};

use allot::model::{Checkpoint, Decoder, Tokenizer};
use allot::tasks::{Asked, Asking, Encoder, Protocol, Selection, Task, TaskResult, ask, builtin};
use serde_json::Value;

use crate::support::data::reference;

const TASKS: [&str; 8] =
    ["piqa", "arc_easy", "arc_challenge", "openbookqa", "winogrande", "rte", "hellaswag", "boolq"];

/// Returns the data folder, or prints why the test is skipped.
fn data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tasks");
    if !path.exists() {
        println!("skipped: {} does not exist", path.display());
        return None;
    }
    Some(path)
}

/// Returns a task as in the reference, where the last sentence of HellaSwag's public copy was not
/// capitalised.
fn task(name: &str) -> Task {
    let text = builtin::text(name).unwrap().replace("|capitalize_fragment", "");
    Task::parse(name, &text).unwrap()
}

struct Model {
    decoder: Decoder,
    tokenizer: Tokenizer,
    want: Value,
}

/// Returns the models that the reference has likelihoods of.
fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for name in ["tiny-stories-12l", "stories3M"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models").join(name);
        let Some(path) = reference(&format!("{name}/zeroshot.json")).filter(|_| folder.exists()) else {
            continue;
        };
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let decoder = Decoder::load(&checkpoint, &candle_core::Device::Cpu).unwrap();
        let tokenizer = Tokenizer::open(&checkpoint).unwrap();
        let want = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        models.push(Model { decoder, tokenizer, want });
    }
    models
}

/// Returns the prompts, from the copies of the data; those of PIQA come from the reference, whose copy has
/// lost its trailing spaces.
fn asked(name: &str, data: &Path, want: &Value) -> Asked {
    let folder = tempfile::TempDir::new().unwrap();
    let mut selection = Selection { data: data.to_owned(), limit: Some(100), ..Selection::default() };
    if name == "piqa" {
        let rows =
            want["results"]["add_bos_token=True"][name]["items"].as_array().unwrap().iter().map(|item| {
                let goal = item["context"].as_str().unwrap();
                let goal = goal.strip_prefix("Question: ").unwrap().strip_suffix("\nAnswer:").unwrap();
                let choice = |place: usize| &item["continuation"][place].as_str().unwrap()[1..];
                let row = serde_json::json!({
                    "goal": goal, "sol1": choice(0), "sol2": choice(1), "label": item["label"],
                });
                format!("{row}\n")
            });
        std::fs::write(folder.path().join("piqa.jsonl"), rows.collect::<String>()).unwrap();
        selection.data = folder.path().to_owned();
    }
    Asked::read(task(name), &selection).unwrap()
}

fn close(found: f64, want: f64) -> bool {
    (found - want).abs() <= 1e-4 * want.abs()
}

#[test]
fn likelihoods_match_the_harness() {
    let Some(data) = data() else { return };
    let mut compared = 0;
    for Model { decoder, tokenizer, want } in models() {
        for (setting, protocol) in
            [("add_bos_token=False", Protocol::Wanda), ("add_bos_token=True", Protocol::Harness)]
        {
            let all: Vec<Asked> = TASKS.iter().map(|name| asked(name, &data, &want)).collect();
            let asking = Asking { protocol, longest: Some(512), ..Asking::default() };
            let found = ask(&decoder, tokenizer.clone(), &all, asking, &mut |_| {}).unwrap();
            for task in &found {
                compared += compare(task, &want["results"][setting][&task.task], setting);
            }
        }
    }
    println!("{compared} likelihoods compared");
    assert!(compared == 0 || compared > 4000);
}

/// Compares a task's documents with the reference's, and returns the number of likelihoods.
fn compare(found: &TaskResult, want: &Value, setting: &str) -> usize {
    let items = want["items"].as_array().unwrap();
    assert_eq!(found.documents, items.len(), "{}", found.task);
    let mut compared = 0;
    let mut cut = 0;
    for ((_, result), item) in found.results().zip(items) {
        let say = format!("{setting}, {} line {}", found.task, result.line);
        let likelihoods = item["loglikelihood"].as_array().unwrap();
        assert_eq!(result.log_likelihoods.len(), likelihoods.len(), "{say}");
        for (place, want) in likelihoods.iter().enumerate() {
            let (found, want) = (result.log_likelihoods[place], want.as_f64().unwrap());
            assert!(close(found, want), "{say}: {found} and {want}");
            assert_eq!(Some(result.greedy[place]), item["is_greedy"][place].as_bool(), "{say}");
            let rest = item["continuation_tokens"][place].as_array().unwrap().len();
            let context = item["n_context_tokens"][place].as_u64().unwrap() as usize;
            assert_eq!(result.tokens[place][1], rest, "{say}");
            // The reference counts the context before it is cut.
            assert_eq!(result.tokens[place][0], context.min(513 - rest), "{say}");
            cut += usize::from(context + rest > 513);
            compared += 1;
        }
        assert_eq!(result.right.map(|it| it as u64), item["label"].as_u64(), "{say}");
        for (metric, key) in [("acc", "acc"), ("acc_norm", "acc_norm")] {
            let value = result.reported.iter().find(|it| it.metric.name() == metric).map(|it| it.value);
            if let Some(want) = item[key].as_f64() {
                assert_eq!(value, Some(want), "{say} {metric}");
            }
        }
    }
    assert_eq!(found.cut, cut, "{}", found.task);
    for metric in &found.metrics {
        let want = want["metrics"][format!("{},none", metric.metric.name())].as_f64().unwrap();
        assert!((metric.estimate.value - want).abs() < 1e-12, "{} {}", found.task, metric.label());
    }
    compared
}

#[test]
fn contexts_and_tokens_match_the_harness() {
    let Some(data) = data() else { return };
    for Model { tokenizer, want, .. } in models() {
        for (setting, protocol) in
            [("add_bos_token=False", Protocol::Wanda), ("add_bos_token=True", Protocol::Harness)]
        {
            let encoder = Encoder::new(tokenizer.clone(), protocol).unwrap();
            for name in TASKS {
                let asked = asked(name, &data, &want);
                let items = want["results"][setting][name]["items"].as_array().unwrap();
                for (prompt, item) in asked.parts[0].prompts.iter().zip(items) {
                    for (place, (context, rest)) in
                        prompt.question.pairs(&prompt.before).into_iter().enumerate()
                    {
                        let want = match &item["context"] {
                            Value::Array(all) => all[place].as_str(),
                            one => one.as_str(),
                        };
                        assert_eq!(Some(context.as_str()), want, "{name}");
                        assert_eq!(Some(rest.as_str()), item["continuation"][place].as_str(), "{name}");
                        let pair = encoder.pair(&context, &rest).unwrap();
                        let ids: Vec<u64> = pair.continuation.iter().map(|id| u64::from(*id)).collect();
                        let want: Vec<u64> =
                            serde_json::from_value(item["continuation_tokens"][place].clone()).unwrap();
                        assert_eq!(ids, want, "{name}");
                        assert_eq!(Some(pair.context.len() as u64), item["n_context_tokens"][place].as_u64());
                    }
                }
            }
        }
    }
}
