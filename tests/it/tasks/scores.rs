//! Scores depend only on the model and the documents: not on batches, threads, or other requests.

use allot::model::{Checkpoint, Decoder, Tokenizer};
use allot::tasks::{
    Asked, Asking, Encoder, Likelihood, Protocol, Request, Selection, Task, TaskError, Writing, answers, ask,
    likelihoods,
};
use candle_core::Device;
use tempfile::TempDir;

use crate::support::data::bundled;
use crate::support::models::Numbers;

fn decoder() -> (Decoder, Tokenizer) {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    (Decoder::load(&checkpoint, &Device::Cpu).unwrap(), Tokenizer::open(&checkpoint).unwrap())
}

/// Returns groups of requests with shared beginnings, equal inputs, branches with common beginnings and
/// single-token choices.
fn groups() -> Vec<Vec<Request>> {
    let mut numbers = Numbers(3);
    let mut ids = |count: usize| -> Vec<u32> { (0..count).map(|_| numbers.below(2000) as u32).collect() };
    let beginning = ids(40);
    (0..17)
        .map(|group| {
            let context = [&beginning[..], &ids(1 + 5 * (group % 7))].concat();
            (0..4)
                .map(|choice| {
                    let rest = match group % 3 {
                        0 => vec![choice + 10],
                        1 => [&[5, 6][..], &ids(1 + choice as usize)].concat(),
                        _ => ids(3),
                    };
                    Request { scored: rest.len(), ids: [&context[..], &rest].concat() }
                })
                .collect()
        })
        .collect()
}

fn run(decoder: &Decoder, groups: &[Vec<Request>], rows: usize) -> Vec<Vec<Likelihood>> {
    likelihoods::<allot::model::ModelError>(decoder, groups, rows, &mut |_| Ok(())).unwrap()
}

#[test]
fn no_batch_and_no_number_of_threads_changes_a_bit() {
    let (decoder, _) = decoder();
    let groups = groups();
    // Each request alone, as one whole sequence.
    let alone: Vec<Vec<Likelihood>> = groups
        .iter()
        .map(|group| group.iter().map(|request| run(&decoder, &[vec![request.clone()]], 1)[0][0]).collect())
        .collect();
    for rows in [1, 50, 512, 100_000] {
        assert_eq!(run(&decoder, &groups, rows), alone, "{rows} tokens at a time");
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| run(&decoder, &groups, 200)), alone, "{threads} threads");
    }
    let mut turned = groups.clone();
    turned.reverse();
    let mut found = run(&decoder, &turned, 300);
    found.reverse();
    assert_eq!(found, alone);
}

#[test]
fn likelihoods_match_the_logits() {
    let (decoder, _) = decoder();
    for group in groups().iter().take(3) {
        for (request, found) in group.iter().zip(&run(&decoder, std::slice::from_ref(group), 512)[0]) {
            let input = &request.ids[..request.ids.len() - 1];
            let logits = decoder.logits(input, input.len()).unwrap().squeeze(0).unwrap();
            let rows: Vec<Vec<f32>> = logits.to_vec2().unwrap();
            let first = input.len() - request.scored;
            let mut sum = 0.0;
            let mut greedy = true;
            for place in first..input.len() {
                let row = &rows[place];
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let total: f64 = row.iter().map(|it| f64::from(it - most).exp()).sum();
                let target = row[request.ids[place + 1] as usize];
                sum += f64::from(target - most) - total.ln();
                greedy &= target == most;
            }
            assert!((found.log_likelihood - sum).abs() < 1e-4, "{} and {sum}", found.log_likelihood);
            assert_eq!(found.greedy, greedy);
        }
    }
}

#[test]
fn answers_do_not_depend_on_other_prompts() {
    let (decoder, tokenizer) = decoder();
    let encoder = Encoder::new(tokenizer.clone(), Protocol::Harness).unwrap();
    let prompts: Vec<Vec<u32>> = ["Once upon a time", "The cat", "Tom and Lily went to the park. They"]
        .map(|text| encoder.encode(text).unwrap())
        .into();
    let writing = Writing { longest: 40, stops: vec!["the end".to_owned()] };
    let write = |beside: usize| {
        let go_on = &mut |_| Ok::<(), allot::model::ModelError>(());
        answers(&decoder, &tokenizer, &prompts, &writing, beside, go_on).unwrap()
    };
    let together = write(8);
    assert_eq!(together, write(1));
    assert!(together.iter().all(|text| text.len() > 40), "{together:?}");
    // Generating token by token without kept keys gives the same text.
    let mut ids = prompts[1].clone();
    for _ in 0..10 {
        let logits = decoder.logits(&ids, ids.len()).unwrap().squeeze(0).unwrap();
        let last: Vec<f32> = logits.get(ids.len() - 1).unwrap().to_vec1().unwrap();
        let most = last.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        ids.push(last.iter().position(|it| *it == most).unwrap() as u32);
    }
    let text = tokenizer.decode(&ids[prompts[1].len()..], false).unwrap();
    assert!(together[1].starts_with(text.trim_end_matches('\u{fffd}')), "{text} and {}", together[1]);
}

#[test]
fn an_answer_ends_before_its_stop() {
    let (decoder, tokenizer) = decoder();
    let prompt = vec![tokenizer.encode("Once upon a time").unwrap()];
    let write = |stops: &[&str]| {
        let writing = Writing { longest: 40, stops: stops.iter().map(|it| (*it).to_owned()).collect() };
        let go_on = &mut |_| Ok::<(), allot::model::ModelError>(());
        answers(&decoder, &tokenizer, &prompt, &writing, 1, go_on).unwrap().remove(0)
    };
    let whole = write(&[]);
    let (before, _) = whole.split_once('.').expect("a sentence");
    assert_eq!(write(&[".", "never"]), before);
}

/// Returns the result of a task on one file of documents.
fn result(
    description: &str,
    file: &str,
    limit: Option<usize>,
    longest: usize,
) -> Result<Vec<f64>, Box<TaskError>> {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("d.jsonl"), file).unwrap();
    let task = Task::parse("own.yaml", description).map_err(Box::new)?;
    let selection = Selection { data: folder.path().to_owned(), limit, ..Selection::default() };
    let asked = [Asked::read(task, &selection).map_err(|it| Box::new(without_folder(it)))?];
    let (decoder, tokenizer) = decoder();
    let asking = Asking { longest: Some(longest), ..Asking::default() };
    let found =
        ask(&decoder, tokenizer, &asked, asking, &mut |_| {}).map_err(|it| Box::new(without_folder(it)))?;
    Ok(found[0].results().flat_map(|(_, it)| it.log_likelihoods.clone()).collect())
}

/// Keeps only the file's name, because the folder differs each time.
fn without_folder(mut error: TaskError) -> TaskError {
    if let TaskError::Document { path, .. } | TaskError::Empty { path } | TaskError::Form { path, .. } =
        &mut error
    {
        *path = path.file_name().unwrap().into();
    }
    error
}

const OWN: &str = r#"
task: own
version: 1
files: [d.jsonl]
metrics: [acc, acc_norm]
forms:
  - fields: [q, a]
    text: "{q}"
    choices: "{a}"
    label: "{right}"
"#;

#[test]
fn a_file_describes_a_task() {
    let found =
        result(OWN, "{\"q\": \"A cat\", \"a\": [\"ran\", \"is blue\"], \"right\": 1}\n", None, 512).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|it| it.is_finite() && *it < 0.0));
}

#[test]
fn problems_of_a_document_give_its_location() {
    let good = "{\"q\": \"A cat\", \"a\": [\"ran\", \"sat\"], \"right\": 0}";
    let long = format!("{{\"q\": \"A\", \"a\": [\"x\", \"{}\"], \"right\": 0}}", "a cat sat and ".repeat(40));
    let mut said = String::new();
    for (what, second) in [
        ("no JSON", "{\"q\": 1"),
        ("a field is missing", "{\"q\": \"A\", \"right\": 0}"),
        ("no list", "{\"q\": \"A\", \"a\": \"x\", \"right\": 0}"),
        ("a label beyond the choices", "{\"q\": \"A\", \"a\": [\"x\", \"y\"], \"right\": 2}"),
        ("a label that is not a number", "{\"q\": \"A\", \"a\": [\"x\", \"y\"], \"right\": \"B\"}"),
        ("a hidden label", "{\"q\": \"A\", \"a\": [\"x\", \"y\"], \"right\": -1}"),
        ("one choice", "{\"q\": \"A\", \"a\": [\"x\"], \"right\": 0}"),
        ("an empty continuation", "{\"q\": \"A\", \"a\": [\"x\", \"\"], \"right\": 0}"),
        ("a continuation longer than the context", long.as_str()),
    ] {
        let error = result(OWN, &format!("{good}\n\n{second}\n"), None, 40).expect_err(what).to_string();
        assert!(error.starts_with("d.jsonl:3: "), "{what}: {error}");
        said.push_str(&format!("{what}\n  {error}\n"));
    }
    for (what, file) in [("no documents", "\n"), ("another form", "{\"question\": 1, \"answers\": []}\n")] {
        said.push_str(&format!("{what}\n  {}\n", result(OWN, file, None, 40).expect_err(what)));
    }
    let longest = result(OWN, good, None, 513).expect_err("longer than the context");
    said.push_str(&format!("a length beyond the context\n  {longest}\n"));
    insta::assert_snapshot!("documents", said);
}

#[test]
fn problems_of_a_description_name_the_key() {
    let mut said = String::new();
    for (from, to) in [
        ("task: own", "task: [own"),
        ("version: 1", "versoin: 1"),
        ("files: [d.jsonl]", "files: d.jsonl"),
        ("files: [d.jsonl]", "files: []"),
        ("metrics: [acc, acc_norm]", "metrics: [accuracy]"),
        ("metrics: [acc, acc_norm]", "metrics: [perplexity]"),
        ("choices: \"{a}\"", "choices: \"{a} {q}\""),
        ("choices: \"{a}\"", "choice: \"{a}\""),
        ("text: \"{q}\"", "text: \"{q\""),
        ("text: \"{q}\"", "text: \"{q|upper}\""),
        ("text: \"{q}\"", "answer: \"{q}\""),
        ("label: \"{right}\"", "first: 1"),
        ("version: 1", "version: 1\ngroups: {all: [a, b]}"),
    ] {
        assert!(OWN.contains(from), "{from}");
        let error = Task::parse("own.yaml", &OWN.replace(from, to)).expect_err(to);
        said.push_str(&format!("{to}\n  {error}\n"));
    }
    insta::assert_snapshot!("descriptions", said);
}
