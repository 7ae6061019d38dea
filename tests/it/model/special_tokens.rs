//! The special tokens around a text: both the tokenizer's post-processor and `tokenizer_config.json` are
//! taken into account.

use std::fs;
use std::path::Path;

use allot::model::{Checkpoint, ModelError, Tokenizer, TokenizerProblem};
use allot::session::{Event, Note, Session};
use allot::stats::Source;
use serde_json::json;
use tempfile::TempDir;

use crate::support::data::bundled;
use crate::support::folders::{folder, write_tensors};

/// A copy of the bundled model with a `tokenizer_config.json`.
fn copy(add_bos_token: Option<bool>) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(bundled().join(name), folder.path().join(name)).unwrap();
    }
    let _ = fs::remove_file(folder.path().join("tokenizer_config.json"));
    if let Some(said) = add_bos_token {
        let text = json!({"bos_token": "<s>", "add_bos_token": said}).to_string();
        fs::write(folder.path().join("tokenizer_config.json"), text).unwrap();
    }
    folder
}

/// Removes the post-processor, so that texts begin without a special token.
fn without_post_processor(folder: &Path) {
    let path = folder.join("tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["post_processor"] = json!(null);
    fs::write(&path, tokenizer.to_string()).unwrap();
}

#[test]
fn the_post_processor_decides_and_a_contradiction_is_reported_and_recorded() {
    for (said, removed, contradiction) in [
        (None, false, None),
        (Some(true), false, None),
        (Some(false), false, Some(false)),
        (Some(false), true, None),
        (Some(true), true, Some(true)),
        (None, true, None),
    ] {
        let folder = copy(said);
        if removed {
            without_post_processor(folder.path());
        }
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(&checkpoint).unwrap();
        let special = tokenizer.special_tokens();
        assert_eq!(special.before, if removed { vec![] } else { vec![0] });
        assert_eq!((special.add_bos_token, special.contradiction()), (said, contradiction));
        assert_eq!(tokenizer.encode("Once").unwrap().len(), if removed { 1 } else { 2 });
        let text = folder.path().join("text.txt");
        fs::write(&text, "Once upon a time there was a fox. ".repeat(4)).unwrap();
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = told.clone();
        let session = Session::of(checkpoint.clone()).watched(move |event| {
            if let Event::Note(note) = event {
                heard.lock().unwrap().push(note.clone());
            }
        });
        let measured = session.perplexity(&Source::Text(vec![text]), Some(16), None, None).unwrap();
        assert_eq!(measured.special_tokens.as_ref(), Some(special));
        let expected: Vec<Note> = contradiction.map(Note::OtherBeginning).into_iter().collect();
        assert_eq!(*told.lock().unwrap(), expected);
        let summary = checkpoint.summary().unwrap();
        assert_eq!(summary.special_tokens.as_ref(), Some(special));
    }
}

#[test]
fn the_two_files_of_opt_are_read_with_tokenizer_config() {
    let config = json!({"model_type": "opt", "hidden_size": 4, "ffn_dim": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
        "vocab_size": 12, "max_position_embeddings": 8, "enable_bias": false, "layer_norm_elementwise_affine": false});
    let tensor = |name: &str, rows: usize| {
        (format!("model.decoder.{name}.weight"), vec![rows, 4], vec![0.1; rows * 4])
    };
    let mut weights = vec![tensor("embed_tokens", 12), tensor("embed_positions", 10)];
    for linear in
        ["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", "self_attn.out_proj", "fc1", "fc2"]
    {
        weights.push(tensor(&format!("layers.0.{linear}"), 4));
    }
    let place = folder(&config, &weights);
    write_tensors(&place.path().join("model.safetensors"), &weights);
    let checkpoint = Checkpoint::open(place.path()).unwrap();
    let missing = Tokenizer::open(&checkpoint).unwrap_err();
    assert!(matches!(missing, ModelError::Tokenizer { problem: TokenizerProblem::Missing, .. }), "{missing}");
    let vocabulary = json!({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "\u{120}": 6, "ab": 7, "\u{120}ab": 8});
    fs::write(place.path().join("vocab.json"), vocabulary.to_string()).unwrap();
    let alone = Tokenizer::open(&checkpoint).unwrap_err();
    assert!(alone.to_string().contains("vocab.json alone is not supported"), "{alone}");
    fs::write(place.path().join("merges.txt"), "#version: 0.2\na b\n\u{120} ab\n").unwrap();
    let ids = |text: &str| Tokenizer::open(&checkpoint).unwrap().encode(text).unwrap();
    assert_eq!(ids("ab aab"), [7, 6, 4, 7]);
    let config = json!({"add_bos_token": true, "bos_token": {"content": "</s>", "lstrip": false}, "pad_token": "<pad>"});
    fs::write(place.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    assert_eq!(ids("ab ab</s>b"), [2, 7, 8, 2, 5]);
    let tokenizer = Tokenizer::open(&checkpoint).unwrap();
    let special = tokenizer.special_tokens();
    assert_eq!((special.before_text[0].as_str(), special.decided_by), ("</s>", "tokenizer_config.json"));
    assert_eq!(special.contradiction(), None);
}
