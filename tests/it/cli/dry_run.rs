//! `--dry-run`: a plan, and nothing else.

use std::fs;

use serde_json::Value;

use crate::support::place::{MODEL, Place};

/// How many tokens the model reads follows from the windows, and not from the machine.
#[test]
fn a_plan_counts_what_the_command_reads_and_writes_nothing() {
    let place = Place::new();
    let text = format!("{MODEL}/text/report.jsonl");
    let windows = ["--length", "128", "--samples", "4"];
    let commands: [(&[&str], u64); 3] = [
        (&["ppl", MODEL, "--text", &text, "--length", "128", "--limit", "8"], 8 * 128),
        (
            &["stats", MODEL, "--text", &text, "--out", "s.stats", "--length", "128", "--samples", "4"],
            4 * 128,
        ),
        (
            &[
                "prune", MODEL, "owl", "-s", "0.5", "--text", &text, "--out", "pruned", windows[0],
                windows[1], windows[2], windows[3],
            ],
            512 + 512 * 23 / 12,
        ),
    ];
    // Pruning runs each of the 12 blocks, and all but the last again with pruned weights, for what comes next.
    for (arguments, tokens) in commands {
        let mut command = place.allot(arguments);
        command.args(["--dry-run", "--format", "json"]);
        let output = command.output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(plan["tokens"].as_u64(), Some(tokens), "{arguments:?}: {plan}");
        assert!(plan["seconds"].as_f64().is_some_and(|it| it > 0.0), "{plan}");
        assert!(plan["memory"].as_u64().is_some_and(|it| it > 1 << 20), "{plan}");
    }
    assert_eq!(fs::read_dir(place.path(".")).expect("a folder").count(), 0, "a plan leaves no file");
}

/// Each step of a descent reads windows of its own: the dense model once, the pruned one forward, forward again, and back.
#[test]
fn the_plan_of_a_descent_counts_every_pass_of_its_steps() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let plan = |steps: &str, sparsities: &str| -> Value {
        let arguments = [
            "descend",
            MODEL,
            "-s",
            sparsities,
            "--texts",
            &texts,
            "--length",
            "128",
            "--steps",
            steps,
            "--step-windows",
            "2",
            "--dry-run",
            "--format",
            "json",
        ];
        serde_json::from_slice(&place.run(place.allot(&arguments)).stdout).expect("JSON")
    };
    let candidates = |plan: &Value| -> u64 {
        let steps = plan["steps"].as_array().expect("steps");
        let first = steps.iter().find(|it| it["name"] == "descending, at most");
        first.and_then(|it| it["tokens"].as_u64()).expect("a step with tokens")
    };
    let (short, long) = (plan("3", "0.5"), plan("3", "0.5,0.7"));
    assert_eq!(candidates(&short), 3 * 4 * 2 * 128);
    assert_eq!(candidates(&long), 2 * candidates(&short));
    // Seconds come from two measurements of the machine; operations are the same anywhere.
    let operations = |plan: &Value| -> f64 {
        let steps = plan["steps"].as_array().expect("steps");
        steps.iter().filter_map(|it| it["operations"].as_f64()).sum()
    };
    assert!(operations(&long) > operations(&short), "{short} and {long}");
    assert_eq!(fs::read_dir(place.path(".")).expect("a folder").count(), 0, "a plan leaves no file");
}

/// A text that is tokenised whole takes more memory than the windows that are cut from it.
#[test]
fn a_plan_counts_the_memory_that_tokenising_takes() {
    let place = Place::new();
    let memory = |name: &str, lines: usize| -> u64 {
        fs::write(place.path(name), "Once upon a time there was a little girl.\n".repeat(lines))
            .expect("written");
        let arguments = [
            "stats",
            MODEL,
            "--text",
            name,
            "--samples",
            "1",
            "--length",
            "16",
            "--out",
            "s",
            "--dry-run",
            "--format",
            "json",
        ];
        let plan: Value = serde_json::from_slice(&place.run(place.allot(&arguments)).stdout).expect("JSON");
        plan["memory"].as_u64().expect("bytes")
    };
    assert!(memory("long.txt", 200_000) > memory("short.txt", 100) + (100 << 20));
}

/// A folder with config.json alone has a plan, in which a larger model takes more of everything.
#[test]
fn a_configuration_alone_is_enough() {
    let place = Place::new();
    let plan = |name: &str, hidden: u64, blocks: u64| -> Value {
        let folder = place.path(name);
        fs::create_dir_all(&folder).expect("a folder");
        let config = serde_json::json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
            "intermediate_size": hidden * 43 / 16, "num_hidden_layers": blocks, "num_attention_heads": hidden / 128,
            "num_key_value_heads": hidden / 128, "vocab_size": 32_000, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5, "torch_dtype": "float16", "hidden_act": "silu", "tie_word_embeddings": false,
        });
        fs::write(folder.join("config.json"), config.to_string()).expect("written");
        let text = format!("{MODEL}/text/report.jsonl");
        let arguments = ["ppl", name, "--text", &text, "--length", "2048", "--dry-run", "--format", "json"];
        serde_json::from_slice(&place.run(place.allot(&arguments)).stdout).expect("JSON")
    };
    let (small, large) = (plan("seven", 4096, 32), plan("thirteen", 5120, 40));
    for what in ["seconds", "memory"] {
        let number = |plan: &Value| plan[what].as_f64().expect("a number");
        assert!(number(&large) > number(&small), "{what}: {small} and {large}");
    }
    // LLaMA-2-7B's linears and embeddings, without norms.
    let of_a_block = 4 * 4096_u64 * 4096 + 3 * 4096 * 11_008;
    assert_eq!(small["model"]["weights"].as_u64(), Some(32 * of_a_block + 2 * 32_000 * 4096));
}

/// Runs a command with `--dry-run` and returns its plan.
fn planned(place: &Place, arguments: &[&str]) -> Value {
    let command = place.allot(&[arguments, &["--dry-run", "--format", "json"]].concat());
    serde_json::from_slice(&place.run(command).stdout).expect("JSON")
}

/// Writes documents of two tasks, and returns the folder's name: ten of a task whose answer is a word, and three that are written.
fn documents(place: &Place) -> &'static str {
    let story = |n: usize| {
        let text = format!("Tom has {n} dogs. They run in the park. The dogs like Tom");
        serde_json::json!({ "text": text }).to_string() + "\n"
    };
    let sum = |n: usize| {
        let answer = format!("It is {n}.\n#### {n}");
        serde_json::json!({ "question": format!("Mia had {n} cats. How many?"), "answer": answer })
            .to_string()
            + "\n"
    };
    fs::create_dir_all(place.path("data/gsm8k")).expect("a folder");
    fs::write(place.path("data/lambada_openai.jsonl"), (0..10).map(story).collect::<String>())
        .expect("written");
    fs::write(place.path("data/gsm8k/test.jsonl"), (0..3).map(sum).collect::<String>()).expect("written");
    "data"
}

/// A document is read without its last token, and a written answer counts as the longest that its task allows.
#[test]
fn a_plan_counts_the_tokens_of_tasks() {
    let place = Place::new();
    let data = documents(&place);
    let asked =
        |task: &str| ["tasks", MODEL, "--tasks", task, "--data", data, "--shots", "0"].map(str::to_owned);
    for (task, answer) in [("lambada_openai", 0), ("gsm8k", 256)] {
        let arguments = asked(task);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let plan = planned(&place, &arguments);
        let out = format!("{task}.jsonl");
        place.run(place.allot(&[&arguments[..], &["--out", &out]].concat()));
        let lines = fs::read_to_string(place.path(&out)).expect("documents");
        let documents: Vec<Value> =
            lines.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let read = |document: &Value| {
            let [context, scored] = [0, 1].map(|at| document["tokens"][0][at].as_u64().expect("a count"));
            if answer == 0 { context + scored - 1 } else { context + answer }
        };
        let read: u64 = documents.iter().map(read).sum();
        assert_eq!(plan["tokens"].as_u64(), Some(read), "{task}: {plan}");
    }
    // What is shared is computed once: with examples that all prompts begin with, less than twice as much for twice as many prompts.
    let shared = |limit: &str| {
        let arguments = asked("lambada_openai");
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.truncate(6);
        let more =
            ["--shots", "3", "--shots-from", "lambada_openai=data/lambada_openai.jsonl", "--limit", limit];
        planned(&place, &[&arguments[..], &more].concat())["tokens"].as_u64().expect("a count")
    };
    assert!(shared("2") > shared("1"));
}

/// Every allocation of a comparison answers the tasks, and so does the dense model; a search by tasks asks each candidate.
#[test]
fn a_plan_counts_tasks_for_every_model_that_answers_them() {
    let place = Place::new();
    let data = documents(&place);
    let texts = format!("{MODEL}/text");
    let tasks = ["--tasks", "lambada_openai", "--data", data, "--shots", "0"];
    let alone = planned(&place, &[&["tasks", MODEL], &tasks[..]].concat())["tokens"].as_u64();
    let windows = ["--texts", &texts, "--length", "32", "--samples", "4", "--windows", "4"];
    let compared = [&["compare", MODEL, "uniform", "owl", "-s", "0.5,0.6"], &windows[..]].concat();
    let tokens = |arguments: &[&str]| planned(&place, arguments)["tokens"].as_u64().expect("a count");
    let more = tokens(&[&compared[..], &tasks].concat()) - tokens(&compared);
    // Two scripts at two sparsities, and the dense model.
    assert_eq!(Some(more), alone.map(|alone| 5 * alone));
    let search = |evaluations: &str, measure: &[&str]| {
        let fixed = ["search", MODEL, "-s", "0.5", "--out", "run", "--evaluations", evaluations];
        tokens(&[&fixed[..], &windows, measure].concat())
    };
    let by_tasks = [&["--measure", "tasks"], &tasks[..]].concat();
    assert!(search("200", &by_tasks) > search("100", &by_tasks));
    let reported = ["--report-tasks", "lambada_openai", "--data", data, "--shots", "0"];
    assert!(search("100", &reported) > search("100", &[]));
    assert!(!place.path("run").exists(), "a plan leaves no folder");
}
