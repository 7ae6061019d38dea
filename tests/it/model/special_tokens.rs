//! The special tokens around a text: both the tokenizer's post-processor and `tokenizer_config.json` are
//! taken into account.

use std::fs;
use std::path::Path;

use allot::model::{Checkpoint, ModelError, ModelWarning, Tokenizer, TokenizerProblem};
use allot::session::{Event, Note, Session};
use allot::stats::Source;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::data::bundled;
use crate::support::folders::folder;

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
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
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

/// Returns the warnings of a folder, without those about its weights.
fn warned(folder: &Path) -> Vec<ModelWarning> {
    Checkpoint::open(folder).unwrap().warnings().to_vec()
}

#[test]
fn tokens_that_only_the_files_beside_the_tokenizer_have_are_named() {
    let folder = copy(None);
    let write =
        |name: &str, content: &Value| fs::write(folder.path().join(name), content.to_string()).unwrap();
    let tokenizer: Value =
        serde_json::from_slice(&fs::read(folder.path().join("tokenizer.json")).unwrap()).unwrap();
    let added = tokenizer["added_tokens"][0].clone();
    let (name, id) = (added["content"].as_str().unwrap(), added["id"].to_string());
    let clear = || {
        for name in ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"] {
            let _ = fs::remove_file(folder.path().join(name));
        }
    };
    let decoder = |id: &str, token: &Value| {
        let mut object = json!({"added_tokens_decoder": {}});
        object["added_tokens_decoder"][id] = token.clone();
        object
    };
    let mut wider = added.clone();
    wider["rstrip"] = json!(!added["rstrip"].as_bool().unwrap());
    let stranger = json!({"content": "<tool>", "lstrip": false});
    let (config, map) = ("tokenizer_config.json", "special_tokens_map.json");
    for (file, content, key, tokens) in [
        (config, json!({"pad_token": "Once"}), "`pad_token`", &["Once"][..]),
        (config, json!({"mask_token": stranger}), "`mask_token`", &["<tool>"]),
        (config, json!({"image_token": "<image>"}), "`image_token`", &["<image>"]),
        (
            config,
            json!({"extra_special_tokens": {"a": "<b>", "c": name}}),
            "`extra_special_tokens`",
            &["<b>"],
        ),
        (
            config,
            json!({"extra_special_tokens": [name, "<x>", "<w>"]}),
            "`extra_special_tokens`",
            &["<w>", "<x>"],
        ),
        (config, decoder("9", &stranger), "`added_tokens_decoder`", &["<tool>"]),
        (config, decoder("7", &added), "with another id", &[name]),
        (config, decoder(&id, &wider), "other flags", &[name]),
        (map, json!({"additional_special_tokens": ["<tag>"]}), "`additional_special_tokens`", &["<tag>"]),
        ("added_tokens.json", json!({"<tag>": 2047}), "the file names", &["<tag>"]),
    ] {
        clear();
        write(file, &content);
        let found = warned(folder.path());
        assert_eq!(found.len(), 1, "{content}: {found:?}");
        assert_eq!(found[0].names(), tokens, "{content}");
        let said = found[0].to_string();
        assert!(said.contains(file) && said.contains(key) && said.contains("tokenizer.json"), "{said}");
    }
    clear();
    let same = json!({"bos_token": name, "pad_token": null, "unk_token": "", "add_bos_token": true, "added_tokens_decoder": {&id: added}});
    write(config, &same);
    // transformers reads neither of these beside a list by id.
    write(map, &json!({"additional_special_tokens": ["<tag>"]}));
    write("added_tokens.json", &json!({"<tag>": 2047}));
    assert_eq!(warned(folder.path()), []);
}

#[test]
fn a_space_before_a_text_that_only_the_class_puts_is_named() {
    let folder = copy(None);
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let byte_level = |space: bool| {
        json!({"type": "Sequence", "pretokenizers": [
        {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": true}]})
    };
    let metaspace =
        json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": true});
    for (pre_tokenizer, config, warns) in [
        (byte_level(false), json!({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true}), true),
        (byte_level(true), json!({"tokenizer_class": "GPT2TokenizerFast"}), true),
        (byte_level(false), json!({"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": true}), true),
        (metaspace.clone(), json!({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": false}), true),
        (metaspace, json!({"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": true}), false),
        (byte_level(true), json!({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": false}), false),
        (
            byte_level(false),
            json!({"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": true}),
            false,
        ),
        (byte_level(false), json!({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": null}), false),
    ] {
        tokenizer["pre_tokenizer"] = pre_tokenizer;
        tokenizer["normalizer"] = json!(null);
        fs::write(&path, tokenizer.to_string()).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        let found = warned(folder.path());
        assert_eq!(found.len(), usize::from(warns), "{config}: {found:?}");
        assert!(found.iter().all(|it| it.to_string().contains("before a text")), "{found:?}");
    }
}

/// A folder with OPT's two tokenizer files and random weights.
fn opt() -> TempDir {
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
    folder(&config, &weights)
}

#[test]
fn the_two_files_of_opt_are_read_with_tokenizer_config() {
    let place = opt();
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

#[test]
fn the_special_tokens_of_opts_two_files_come_from_every_file_that_names_them() {
    let place = opt();
    let write =
        |name: &str, content: &Value| fs::write(place.path().join(name), content.to_string()).unwrap();
    let vocabulary = json!({"<s>": 0, "<pad>": 1, "</s>": 2, "a": 3, "b": 4, "<|endoftext|>": 5, "<tag>": 6, "<": 7, "/": 8, "s": 9, ">": 10});
    write("vocab.json", &vocabulary);
    fs::write(place.path().join("merges.txt"), "#version: 0.2\n").unwrap();
    let checkpoint = Checkpoint::open(place.path()).unwrap();
    let open = || Tokenizer::open(&checkpoint);
    let ids = |text: &str| open().unwrap().encode(text).unwrap();
    // The class's own default.
    assert_eq!(ids("</s><|endoftext|>"), [7, 8, 9, 10, 5]);
    write("tokenizer_config.json", &json!({"add_bos_token": true}));
    assert_eq!(ids("a"), [5, 3]);
    write(
        "special_tokens_map.json",
        &json!({"bos_token": {"content": "<s>", "rstrip": true}, "eos_token": "</s>",
        "unk_token": "</s>", "additional_special_tokens": ["<tag>"]}),
    );
    assert_eq!(ids("b</s><tag>"), [0, 4, 2, 6]);
    let tokenizer = open().unwrap();
    assert_eq!((tokenizer.beginning(), tokenizer.special_tokens().contradiction()), (Some(0), None));
    write("tokenizer_config.json", &json!({"add_bos_token": false, "add_eos_token": true}));
    assert_eq!(ids("a<s>"), [3, 0, 2]);
    assert_eq!(open().unwrap().special_tokens().after, [2]);
    assert_eq!(warned(place.path()), []);
    write("added_tokens.json", &json!({"<new>": 11}));
    let found = warned(place.path());
    assert_eq!((found.len(), found[0].names()), (1, vec!["<new>".to_owned()]));
    assert!(found[0].to_string().contains("not among the tokens of vocab.json"), "{}", found[0]);
    write(
        "tokenizer_config.json",
        &json!({"add_bos_token": true, "bos_token": "<bos>", "added_tokens_decoder": {}}),
    );
    let error = open().unwrap_err().to_string();
    assert!(error.contains("vocab.json") && error.contains("`<bos>`"), "{error}");
    fs::write(place.path().join("tokenizer_config.json"), "{}").unwrap();
    fs::write(place.path().join("special_tokens_map.json"), "{").unwrap();
    assert!(open().unwrap_err().to_string().contains("special_tokens_map.json"));
}
