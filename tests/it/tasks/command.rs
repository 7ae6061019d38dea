//! The commands `allot tasks` and `allot generate`.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::place::Place;

pub(super) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

pub(super) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Returns a place with a few documents in the hub's forms.
pub(super) fn place() -> Place {
    let place = Place::new();
    let data = place.path("data");
    for folder in ["mmlu/test", "mmlu/dev", "arc_easy", "gsm8k", "boolq", "winogrande"] {
        fs::create_dir_all(data.join(folder)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(data.join(name), text).unwrap();
    let arc = |question: &str, key: &str| {
        let choices = json!({"text": ["a ball", "a big red ball", "the sun"], "label": ["A", "B", "C"]});
        json!({"id": question, "question": question, "choices": choices, "answerKey": key})
    };
    write(
        "arc_easy/test.jsonl",
        &lines(&[arc("What does Tim throw?", "A"), arc("What is hot?", "C"), arc("What is it?", "B")]),
    );
    write(
        "arc_easy/train.jsonl",
        &lines(&[arc("What bounces?", "A"), arc("What shines?", "C"), arc("And now?", "B")]),
    );
    let boolq = |question: &str, label: u8| json!({"passage": "Tom has a dog.", "question": question, "label": label, "idx": 0});
    let others = lines(&[boolq("is tom old", 0), boolq("has tom a pet", 1)]);
    write("boolq/train.jsonl", &others);
    write("rte.jsonl", "{\"sentence1\": \"Tom ran.\", \"sentence2\": \"Tom sat.\", \"label\": 1}\n");
    write("boolq.jsonl", &lines(&[boolq("does tom have a dog", 1), boolq("does tom have a cat", 0)]));
    let blank = |answer: &str| json!({"sentence": "Lily gave the cat a toy because _ was sad.", "option1": "Lily", "option2": "the cat", "answer": answer});
    let others = lines(&[blank("2"), blank("1"), blank("2")]);
    write("winogrande/train.jsonl", &others);
    write("winogrande.jsonl", &lines(&[blank("1"), blank("2")]));
    let story = |text: &str| json!({"text": text});
    write(
        "lambada_openai.jsonl",
        &lines(&[story("Once upon a time"), story("Tom and his mom went to the park")]),
    );
    let sum = |question: &str, answer: &str| json!({"question": question, "answer": format!("So it is {answer}.\n#### {answer}")});
    write(
        "gsm8k/test.jsonl",
        &lines(&[sum("Tim has 2 balls and gets 2. How many?", "4"), sum("Mia had 3 cats. How many?", "3")]),
    );
    write("gsm8k/train.jsonl", &lines(&[sum("1 and 1?", "2"), sum("2 and 3?", "5"), sum("4 and 1?", "5")]));
    write(
        "mmlu/test/old_toys_test.csv",
        "question,choice0,choice1,choice2,choice3,answer\nWhat is round?,ball,box,car,\"bed, big\",0\n What is soft? ,rock,bear,key,\"the \"\"x\"\"\",1\n",
    );
    write(
        "mmlu/test/animals_test.csv",
        "question,choice0,choice1,choice2,choice3,answer\nWhat barks?,cat,cow,dog,bee,2\n",
    );
    for subject in ["old_toys", "animals"] {
        write(
            &format!("mmlu/dev/{subject}_dev.csv"),
            "question,choice0,choice1,choice2,choice3,answer\nWhat flies?,kite,box,car,bed,0\nWhat rolls?,kite,box,car,bed,2\n",
        );
    }
    place
}

pub(super) fn tasks(place: &Place, arguments: &[&str]) -> Command {
    place.allot(&[&["tasks", MODEL, "--data", "data"], arguments].concat())
}

#[test]
fn the_table_has_both_accuracies_with_errors_and_means() {
    let place = place();
    let all = "boolq,winogrande,arc_easy,lambada_openai,mmlu,gsm8k";
    let output = place.run(tasks(&place, &["--tasks", all, "--shots", "1"]));
    insta::assert_snapshot!("table", out(&output));
    assert_eq!(err(&output), "");
}

#[test]
fn prompts_and_choices_match_the_harness() {
    let place = place();
    place.run(tasks(&place, &["--tasks", "mmlu", "--shots", "2", "--out", "o.jsonl"]));
    let text = fs::read_to_string(place.path("o.jsonl")).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["about"]["protocol"], "harness");
    assert_eq!(rows[1]["subject"], "animals");
    assert_eq!(
        (&rows[3]["subject"], &rows[3]["line"], &rows[3]["right"]),
        (&json!("old_toys"), &json!(3), &json!(1))
    );
    // The hash of the harness's prompt, with the subject in words, examples first and the question stripped.
    let context = "The following are multiple choice questions (with answers) about old toys.\n\nWhat flies?\nA. kite\nB. box\nC. car\nD. bed\nAnswer: A\n\nWhat rolls?\nA. kite\nB. box\nC. car\nD. bed\nAnswer: C\n\nWhat is soft?\nA. rock\nB. bear\nC. key\nD. the \"x\"\nAnswer:";
    let whole: Vec<String> = ["A", "B", "C", "D"].map(|it| format!("{context} {it}")).into();
    let want = <sha2::Sha256 as sha2::Digest>::digest(whole.join("\0").as_bytes());
    let want: String = want.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(rows[3]["prompt"], want);
}

const PARQUET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tasks");

#[test]
fn parquet_files_of_the_hub_are_read_like_their_json_lines() {
    let place = place();
    let data = place.path("data/arc_easy");
    let copy = |from: &str, to: &str| fs::copy(format!("{PARQUET}/{from}.parquet"), data.join(to)).unwrap();
    let ask = |out: &str| {
        place.run(tasks(&place, &["--tasks", "arc_easy", "--out", out]));
        let text = fs::read_to_string(place.path(out)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let questions = [("What does Tim throw?", "A"), ("What is hot?", "C"), ("Und wie heißt es “so”?", "B")];
    let choices = json!({"text": ["a ball", "a big red ball", "the sun"], "label": ["A", "B", "C"]});
    let row = |(question, key)| json!({"question": question, "choices": choices, "answerKey": key});
    fs::write(data.join("test.jsonl"), lines(&questions.map(row))).unwrap();
    let want = ask("lines.jsonl");
    fs::remove_file(data.join("test.jsonl")).unwrap();
    copy("test-00000-of-00002", "test-00000-of-00002.parquet");
    let part = tasks(&place, &["--tasks", "arc_easy"]).output().unwrap();
    assert_eq!(part.status.code(), Some(2));
    assert!(err(&part).contains("test-00001-of-00002.parquet"), "{}", err(&part));
    copy("test-00001-of-00002", "test-00001-of-00002.parquet");
    let found = ask("parts.jsonl");
    assert_eq!(found.len(), 3);
    // Row numbers count within each part.
    assert_eq!(found[2].replace("\"line\":1", "\"line\":3"), want[2]);
    assert_eq!(found[..2], want[..2]);
    // Another compression is refused.
    copy("zstd", "test.parquet");
    let packed = tasks(&place, &["--tasks", "arc_easy"]).output().unwrap();
    assert_eq!((packed.status.code(), out(&packed)), (Some(2), String::new()));
    assert!(err(&packed).contains("test.parquet") && err(&packed).contains("to_json"), "{}", err(&packed));
    // So is a file that only begins like a parquet file.
    fs::write(data.join("test.parquet"), b"PAR1 and nothing else").unwrap();
    let torn = tasks(&place, &["--tasks", "arc_easy"]).output().unwrap();
    assert_eq!(torn.status.code(), Some(2));
    assert!(err(&torn).contains("cannot read the parquet file"), "{}", err(&torn));
}

#[test]
fn groups_of_subjects_are_means_by_size() {
    let place = place();
    let test = place.path("data/mmlu/test");
    let table = |subject: &str, right: [u8; 3]| {
        let rows: String =
            right.iter().enumerate().map(|(at, it)| format!("Say {at}?,ball,box,car,bed,{it}\n")).collect();
        let text = format!("question,choice0,choice1,choice2,choice3,answer\n{rows}");
        fs::write(test.join(format!("{subject}_test.csv")), text).unwrap();
    };
    table("anatomy", [0, 1, 2]);
    table("astronomy", [3, 3, 1]);
    table("virology", [0, 2, 2]);
    let output = place.run(tasks(&place, &["--tasks", "mmlu", "--format", "json"]));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let task = &found["tasks"][0];
    let groups = task["groups"].as_array().unwrap();
    let seen: Vec<_> =
        groups.iter().map(|it| (it["group"].as_str().unwrap(), it["documents"].as_u64())).collect();
    // Subjects without a group count only towards the whole.
    assert_eq!(seen, [("stem", Some(6)), ("other", Some(3))]);
    let part = |subject: &str| {
        let parts = task["parts"].as_array().unwrap();
        let part = parts.iter().find(|it| it["subject"] == subject).unwrap();
        let metric = &part["metrics"][0];
        (metric["value"].as_f64().unwrap(), metric["error"].as_f64().unwrap())
    };
    let ((first, e1), (second, e2)) = (part("anatomy"), part("astronomy"));
    let stem = &groups[0]["metrics"][0];
    assert!((stem["value"].as_f64().unwrap() - (first + second) / 2.0).abs() < 1e-12);
    // The harness: sqrt((sum of (n - 1) n se^2) / (sum of n - subjects) / sum of n).
    let want = ((6.0 * e1 * e1 + 6.0 * e2 * e2) / 4.0 / 6.0_f64).sqrt();
    assert!((stem["error"].as_f64().unwrap() - want).abs() < 1e-12);
    let (value, _) = part("virology");
    assert_eq!(groups[1]["metrics"][0]["value"].as_f64(), Some(value));
    let text = out(&place.run(tasks(&place, &["--tasks", "mmlu"])));
    assert!(text.contains("\n  stem ") && text.contains("\n  other "), "{text}");
}

#[test]
fn files_are_the_same_for_any_batch() {
    let place = place();
    let write = |name: &str, batch: &str| {
        let all = "boolq,winogrande,arc_easy,lambada_openai,mmlu,gsm8k";
        place.run(tasks(&place, &["--tasks", all, "--shots", "1", "--batch", batch, "--out", name]));
        fs::read(place.path(name)).unwrap()
    };
    assert!(write("a.jsonl", "1") == write("b.jsonl", "4096"));
}

#[test]
fn a_pruned_model_is_compared_document_by_document_and_warned_about() {
    let place = place();
    let three = ["--tasks", "boolq,arc_easy,winogrande"];
    let dense = place.run(tasks(&place, &[&three[..], &["--out", "dense.jsonl"]].concat()));
    assert_eq!(err(&dense), "");
    place.run(place.allot(&[
        "export",
        "uniform",
        "--model",
        MODEL,
        "--sparsity",
        "0.5",
        "--to",
        "json",
        "--out",
        "a.json",
    ]));
    let pruned = ["--allocation", "a.json", "--method", "magnitude", "--against", "dense.jsonl"];
    let output = place.run(tasks(&place, &[&three[..], &pruned].concat()));
    assert!(err(&output).contains("can no longer write"), "{}", err(&output));
    insta::assert_snapshot!("against", out(&output));
    let same =
        place.run(tasks(&place, &[&three[..], &["--against", "dense.jsonl", "--format", "json"]].concat()));
    // Documents that are read in another way are not paired.
    for (more, said) in
        [(["--protocol", "wanda"], "protocol is"), (["--max-length", "40"], "longest is 512 there")]
    {
        let other =
            tasks(&place, &[&three[..], &["--against", "dense.jsonl"], &more].concat()).output().unwrap();
        assert_eq!(other.status.code(), Some(2), "{more:?}");
        assert!(err(&other).contains(said), "{}", err(&other));
    }
    let found: Value = serde_json::from_slice(&same.stdout).unwrap();
    let differences = found["differences"].as_array().unwrap();
    assert!(differences.len() >= 6);
    assert!(differences.iter().all(|it| it["mean"] == 0.0 && it["noise"] == true && it["changed"] == 0));
    // A pruned folder is recognised as such.
    place.run(place.allot(&[
        "prune",
        MODEL,
        "--sparsity",
        "0.5",
        "--method",
        "magnitude",
        "--out",
        "half",
        "--quiet",
    ]));
    let folder = place.allot(&[
        "tasks",
        "half",
        "--data",
        "data",
        "--tasks",
        "boolq",
        "--against",
        "dense.jsonl",
        "--format",
        "json",
    ]);
    let folder: Value = serde_json::from_slice(&place.run(folder).stdout).unwrap();
    assert_eq!(folder["warnings"][0]["warning"], "choices_alone");
}

#[test]
fn a_model_that_generates_answers_is_not_warned_about() {
    let place = place();
    place.run(place.allot(&[
        "prune",
        MODEL,
        "--sparsity",
        "0.5",
        "--method",
        "magnitude",
        "--out",
        "half",
        "--quiet",
    ]));
    let both = place.run(place.allot(&[
        "tasks",
        "half",
        "--data",
        "data",
        "--tasks",
        "boolq,gsm8k",
        "--shots",
        "0",
    ]));
    assert_eq!(err(&both), "");
}

#[test]
fn impossible_requests_say_what_to_do() {
    let place = place();
    place.run(tasks(&place, &["--tasks", "boolq", "--out", "dense.jsonl"]));
    fs::write(place.path("other.jsonl"), "{\"text\": 1}\n").unwrap();
    let mut said = String::new();
    for (what, arguments) in [
        ("an unknown task", &["--tasks", "bolq"][..]),
        ("a task twice", &["--tasks", "boolq,all"]),
        ("a task without its file", &["--tasks", "piqa"]),
        ("examples without a file", &["--tasks", "rte", "--shots", "2"]),
        ("too many examples", &["--tasks", "arc_easy", "--shots", "4"]),
        ("too many examples of a subject", &["--tasks", "mmlu", "--shots", "3"]),
        (
            "examples of the wrong form",
            &["--tasks", "boolq", "--shots", "1", "--shots-from", "boolq=other.jsonl"],
        ),
        ("a length beyond the context", &["--tasks", "boolq", "--max-length", "513"]),
        ("answers beyond the context", &["--tasks", "gsm8k", "--shots", "0", "--max-length", "200"]),
        (
            "an earlier file of other prompts",
            &["--tasks", "boolq", "--against", "dense.jsonl", "--limit", "1"],
        ),
        ("an earlier file of other tasks", &["--tasks", "winogrande", "--against", "dense.jsonl"]),
        ("an earlier file of another kind", &["--tasks", "boolq", "--against", "other.jsonl"]),
        ("a file that exists", &["--tasks", "boolq", "--out", "dense.jsonl"]),
    ] {
        let output = tasks(&place, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{what}");
        assert_eq!(out(&output), "", "{what}");
        said.push_str(&format!("## {what}\n{}\n", err(&output)));
    }
    insta::assert_snapshot!("refused", said);
}

#[test]
fn a_built_in_description_is_a_file_to_start_from() {
    let place = place();
    let text = out(&place.run(place.allot(&["tasks", "--describe", "boolq"])));
    fs::write(place.path("mine.yaml"), text.replace("task: boolq", "task: mine")).unwrap();
    let read = |name: &str| -> Value {
        let output = place.run(tasks(&place, &["--tasks", name, "--format", "json"]));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        found["tasks"][0]["metrics"].clone()
    };
    assert_eq!(read("mine.yaml"), read("boolq"));
    let none = place.allot(&["tasks", "--describe", "bool"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(err(&none).contains("built-in tasks: boolq, rte"), "{}", err(&none));
}

#[test]
fn a_model_continues_a_text_the_same_way_each_time() {
    let place = Place::new();
    let write = |arguments: &[&str]| {
        let all = [&["generate", MODEL, "Once upon a time", "--tokens", "24"], arguments].concat();
        out(&place.run(place.allot(&all)))
    };
    insta::assert_snapshot!("likeliest", write(&[]));
    let drawn =
        |seed: &str| write(&["--temperature", "1", "--top-k", "50", "--top-p", "0.9", "--draw-seed", seed]);
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    // With only one token to draw from, drawing takes the most likely one.
    assert_eq!(write(&["--temperature", "1", "--top-k", "1"]), write(&[]));
    let whole = write(&[]);
    let stopped = write(&["--stop", ","]);
    assert_eq!(stopped.trim_end(), whole.split(',').next().unwrap());
    let printed: Value = serde_json::from_str(&write(&["--format", "json"])).unwrap();
    assert_eq!(format!("Once upon a time{}\n", printed["text"].as_str().unwrap()), whole);
    let refused = place.allot(&["generate", MODEL, "Once", "--tokens", "600"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("context of 512 tokens"), "{}", err(&refused));
}
