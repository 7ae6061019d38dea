//! Models that open, models that are refused, and the messages of refusals.

use std::fs;
use std::path::Path;

use allot::model::{Checkpoint, ModelError, TensorFiles, Tokenizer};
use allot::stats::{LinearStatistics, Statistics, StatisticsError, Text, TextError, Tokens};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::data::{bundled, reference, with_config};

/// Returns a copy of the bundled model that a test may damage.
fn copy() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(bundled().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    Checkpoint::open(folder).unwrap_err().to_string()
}

/// Replaces text in config.json.
fn edit_config(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

/// Splits a safetensors file into its header's JSON and its data.
fn split(bytes: &[u8]) -> (serde_json::Value, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    (header, bytes[8 + length..].to_vec())
}

fn join(header: &serde_json::Value, data: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

fn expect(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn the_bundled_model_opens_and_is_described() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let summary = checkpoint.summary().unwrap();
    assert_eq!(summary.architecture, "LLaMA");
    assert_eq!((summary.blocks, summary.hidden, summary.vocabulary), (12, 96, 2048));
    assert_eq!(summary.block_parameters, 1_216_512);
    assert_eq!(summary.linears.len(), 84);
    assert_eq!(summary.linears[0].module, "model.layers.0.self_attn.q_proj");
    assert_eq!(summary.linears[0].dtype, "F16");
    checkpoint.check_finite().unwrap();
    let data = checkpoint.data().unwrap();
    assert_eq!(data.linears.len(), 84);
    assert!(data.linears.iter().all(|it| it.weight.len() == it.rows * it.columns));
}

#[test]
fn a_fused_projection_divides_its_parameters_among_kinds() {
    let Some(families) = reference("families") else {
        return;
    };
    let checkpoint = Checkpoint::open(families.join("phi3")).unwrap();
    let names: Vec<&str> = checkpoint.block_linears(1).iter().map(|it| it.module.as_str()).collect();
    assert_eq!(
        names,
        [
            "model.layers.1.self_attn.o_proj",
            "model.layers.1.self_attn.qkv_proj",
            "model.layers.1.mlp.gate_up_proj",
            "model.layers.1.mlp.down_proj",
        ]
    );
    assert_eq!(checkpoint.linears()[1].kinds, [0.5, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(checkpoint.linears()[2].kinds, [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn module_names_and_their_order_are_those_of_named_modules() {
    let Some(families) = reference("families") else {
        return;
    };
    for family in ["llama", "qwen3", "opt", "gemma2", "phi3", "llava"] {
        let folder = families.join(family);
        let text = fs::read_to_string(folder.join("expected.json")).unwrap();
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let want: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut last = 0;
        for linear in checkpoint.linears() {
            let shape = &want["linears"][&linear.module];
            assert_eq!(shape, &serde_json::json!([linear.rows, linear.columns]), "{}", linear.module);
            let at = text.find(&format!("\"{}\": [", linear.module)).unwrap();
            assert!(at > last, "{} comes out of order", linear.module);
            last = at;
        }
        assert_eq!(want["linears"].as_object().unwrap().len(), checkpoint.linears().len());
    }
}

#[test]
fn a_folder_without_a_model_is_refused() {
    let empty = TempDir::new().unwrap();
    expect(&refusal(empty.path()), &["not a model folder", "config.json"]);
    expect(&refusal(&empty.path().join("nowhere")), &["cannot read", "nowhere"]);
    let bare = copy();
    fs::remove_file(bare.path().join("model.safetensors")).unwrap();
    expect(&refusal(bare.path()), &["neither model.safetensors nor"]);
    fs::write(bare.path().join("pytorch_model.bin"), "x").unwrap();
    expect(&refusal(bare.path()), &["PyTorch pickles"]);
}

#[test]
fn a_truncated_file_says_how_many_bytes_are_missing() {
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    let needed = bytes.len().to_string();
    expect(&refusal(folder.path()), &["model.safetensors is truncated", &needed]);
    for length in [0, 5, 8, 100] {
        fs::write(&path, &bytes[..length]).unwrap();
        expect(&refusal(folder.path()), &["model.safetensors"]);
    }
    fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
    expect(&refusal(folder.path()), &["model.safetensors is corrupt"]);
}

#[test]
fn a_header_larger_than_the_file_is_refused() {
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    expect(&refusal(folder.path()), &["header of 18446744073709551615 bytes"]);
}

#[test]
fn a_tensor_that_is_missing_or_misshapen_is_named() {
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let (mut header, data) = split(&bytes);
    let name = "model.layers.3.mlp.up_proj.weight";
    header[name]["shape"] = serde_json::json!([96, 256]);
    fs::write(&path, join(&header, &data)).unwrap();
    expect(&refusal(folder.path()), &["model.safetensors", name, "[96, 256]", "[256, 96]"]);
    header[name]["shape"] = serde_json::json!([256, 96]);
    header[name]["dtype"] = serde_json::json!("I16");
    fs::write(&path, join(&header, &data)).unwrap();
    expect(&refusal(folder.path()), &[name, "I16", "F32, F16 or BF16"]);
    let moved = header.as_object_mut().unwrap().remove(name).unwrap();
    header["other"] = moved;
    fs::write(&path, join(&header, &data)).unwrap();
    expect(&refusal(folder.path()), &["has no tensor", name]);
}

#[test]
fn a_missing_shard_is_named() {
    let Some(families) = reference("families") else {
        return;
    };
    let folder = with_config(&families.join("llama"), "config.json");
    fs::remove_file(folder.path().join("model-00003-of-00004.safetensors")).unwrap();
    expect(&refusal(folder.path()), &["index.json", "model-00003-of-00004.safetensors"]);
}

#[test]
fn an_index_cannot_point_outside_its_folder() {
    let folder = copy();
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    for outside in ["../model.safetensors", "/etc/model.safetensors", "a/../../model.safetensors", "."] {
        let index = format!(r#"{{"weight_map": {{"a": "{outside}"}}}}"#);
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        expect(&refusal(folder.path()), &["the shard", outside]);
    }
}

#[test]
fn configurations_that_cannot_be_used_name_the_key() {
    for (from, to, parts) in [
        ("\"model_type\": \"llama\"", "\"model_type\": \"mamba\"", &["mamba", "llama, mistral"][..]),
        ("\"hidden_size\": 96", "\"hidden_size\": -96", &["`hidden_size` is -96"]),
        ("\"hidden_size\": 96", "\"hidden_size\": 1e99", &["`hidden_size` is 1e+99"]),
        ("\"num_hidden_layers\": 12", "\"num_hidden_layers\": 1234567", &["1234567", "10000"]),
        (
            "\"num_hidden_layers\": 12",
            "\"num_hidden_layers\": 13",
            &["model.layers.12.self_attn.q_proj.weight"],
        ),
        ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", &["does not divide the 4"]),
        ("\"hidden_act\": \"silu\"", "\"hidden_act\": \"mish\"", &["mish", "silu"]),
        ("\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"", &["`rope_parameters.factor` is missing"]),
        ("\"rope_type\": \"default\"", "\"rope_type\": \"proportional\"", &["proportional", "yarn, llama3"]),
        ("\"head_dim\": 24", "\"head_dim\": 23", &["even"]),
        ("{", "", &["not a JSON object"]),
    ] {
        let folder = copy();
        edit_config(folder.path(), from, to);
        expect(&refusal(folder.path()), parts);
        expect(
            &refusal(folder.path()),
            &[if to.contains("13") && to.contains("layers") { "safetensors" } else { "config.json" }],
        );
    }
}

#[test]
fn a_weight_that_is_not_finite_is_found_with_its_position() {
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let (header, data) = split(&bytes);
    let name = "model.layers.5.self_attn.k_proj.weight";
    let start = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
    let at = bytes.len() - data.len() + start + 2 * (7 * 96 + 11);
    bytes[at..at + 2].copy_from_slice(&half::f16::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = Checkpoint::open(folder.path()).unwrap().check_finite().unwrap_err();
    expect(&error.to_string(), &["model.safetensors", name, "NaN", "[7, 11]"]);
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = copy();
    let path = folder.path().join("tokenizer.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(": 2047", ": 5000", 1)).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let error = Tokenizer::open(&checkpoint).unwrap_err();
    expect(&error.to_string(), &["tokenizer.json", "5000", "2048"]);
    fs::remove_file(&path).unwrap();
    let error = Tokenizer::open(&checkpoint).unwrap_err();
    expect(&error.to_string(), &["tokenizer.json", "no such file"]);
}

#[test]
fn texts_that_cannot_be_used_say_why() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let read = |path: &Path| Text::read(&[path.to_owned()]).map_err(|error| error.to_string());
    expect(&read(&write("a.txt", b" \n\n")).unwrap_err(), &["a.txt holds no text"]);
    expect(&read(&write("b.txt", b"ab\xff")).unwrap_err(), &["b.txt", "byte 2"]);
    let lines = b"{\"text\": \"x\"}\n{\"body\": 1}\n";
    expect(&read(&write("c.jsonl", lines)).unwrap_err(), &["c.jsonl:2", "text"]);
    expect(&read(&folder.path().join("d")).unwrap_err(), &["cannot read"]);
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokenizer = Tokenizer::open(&checkpoint).unwrap();
    let text = read(&write("e.txt", b"Once upon a time")).unwrap();
    let short = Tokens::windows(&text, &tokenizer, 128, None).unwrap_err();
    expect(&short.to_string(), &["e.txt gives 5 tokens", "window of 128"]);
    let short = Tokens::draw(&text, &tokenizer, 2, 128, 0).unwrap_err();
    expect(&short.to_string(), &["5 tokens"]);
    let missing = Tokens::read("nowhere.safetensors:ids", &checkpoint).unwrap_err();
    assert!(matches!(missing, TextError::Model(ModelError::Read { .. })));
}

#[test]
fn wikitext_lines_are_joined_as_published_perplexities_join_them() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wiki.raw");
    fs::write(&path, " \n = A = \n \n B .\n").unwrap();
    let text = Text::read(&[path]).unwrap();
    assert_eq!(text.documents, ["\n\n = A = \n\n\n\n\n B .\n"]);
}

#[test]
fn statistics_of_another_model_or_with_impossible_values_are_refused() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("statistics.safetensors");
    let mut statistics = Statistics::default();
    statistics.provenance.model = checkpoint.fingerprint();
    statistics.provenance.config = checkpoint.identity().unwrap();
    for linear in checkpoint.linears() {
        let second_moment = Some(vec![1.0; linear.columns]);
        statistics
            .linears
            .insert(linear.module.clone(), LinearStatistics { second_moment, ..LinearStatistics::default() });
    }
    let refusal = |statistics: &Statistics| {
        statistics.save(&path).unwrap();
        Statistics::load(&path, &checkpoint).unwrap_err()
    };
    statistics.save(&path).unwrap();
    Statistics::load(&path, &checkpoint).unwrap();

    let module = "model.layers.2.mlp.down_proj";
    let change = |edit: &dyn Fn(&mut Vec<f32>)| {
        let mut changed = statistics.clone();
        let linear = changed.linears.get_mut(module).unwrap();
        edit(linear.second_moment.as_mut().unwrap());
        changed
    };
    let error = refusal(&change(&|it| it[5] = -1.0)).to_string();
    expect(&error, &["statistics.safetensors", module, "-1 at 5", "not negative"]);
    let error = refusal(&change(&|it| it[6] = f32::NAN)).to_string();
    expect(&error, &[module, "NaN at 6"]);
    let error = refusal(&change(&|it| it.truncate(3))).to_string();
    expect(&error, &[module, "[3]", "[256]"]);

    let mut missing = statistics.clone();
    missing.linears.remove(module);
    assert!(matches!(refusal(&missing), StatisticsError::Missing { .. }));
    let mut stranger = statistics.clone();
    stranger.linears.insert("elsewhere".into(), statistics.linears[module].clone());
    expect(&refusal(&stranger).to_string(), &["elsewhere", "another model"]);
    let mut stale = statistics.clone();
    stale.provenance.model = "xxh3-0".into();
    expect(&refusal(&stale).to_string(), &["the fingerprint of the weights was xxh3-0"]);
    // Earlier versions hashed only a part of the weights.
    stale.provenance.model = "0".repeat(64);
    assert!(matches!(refusal(&stale), StatisticsError::Old { .. }));
    let mut turned = statistics.clone();
    turned.provenance.config = serde_json::from_str(
        &serde_json::to_string(&statistics.provenance.config).unwrap().replace("10000", "20"),
    )
    .unwrap();
    expect(&refusal(&turned).to_string(), &["`rope_", "in config.json was", "20"]);
    let model = bundled().join("model.safetensors");
    let error = Statistics::load(&model, &checkpoint).unwrap_err();
    expect(&error.to_string(), &["not a statistics file"]);
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let error = Statistics::default().save(&folder.path().join("no/such/file")).unwrap_err();
    expect(&error.to_string(), &["cannot write"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn no_value_of_a_configuration_makes_the_reader_panic() {
    let mut folders = vec![bundled()];
    if let Some(families) = reference("families") {
        folders.extend(["gemma2", "phi3", "opt", "llava"].map(|it| families.join(it)));
    }
    let strange = serde_json::json!([
        null, -1, 0, 1, 3, 1e300, 4_000_000_000_u64, 0.5, true, "x", [], {}, ["sliding_attention"],
        {"rope_type": "longrope", "short_factor": [1], "long_factor": []}, {"rope_type": "llama3", "factor": 0}
    ]);
    for folder in folders {
        let copy = with_config(&folder, "config.json");
        let path = copy.path().join("config.json");
        let config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for key in config.as_object().unwrap().keys() {
            for value in strange.as_array().unwrap() {
                let mut changed = config.clone();
                changed[key] = value.clone();
                if let Some(text) = changed.get_mut("text_config").filter(|it| it.is_object()) {
                    text["num_attention_heads"] = value.clone();
                }
                fs::write(&path, changed.to_string()).unwrap();
                if let Err(error) = Checkpoint::open(copy.path()) {
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No bytes make the reader panic: headers of random JSON-like text, random lengths, random data.
    #[test]
    fn no_file_makes_the_reader_panic(
        length in prop_oneof![any::<u64>(), 0u64..300],
        header in "(\\{\"(a|b|__metadata__)\":(\\{\"dtype\":\"(F32|F16|F4|I64|Q)\",\"shape\":\\[[0-9]{0,20}(,[0-9]{1,4})?\\],\"data_offsets\":\\[[0-9]{1,3},[0-9]{1,20}\\]\\}|1|null)\\} *|.{0,80})",
        exact in any::<bool>(),
        data in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let length = if exact { header.len() as u64 } else { length };
        let bytes = [&length.to_le_bytes()[..], header.as_bytes(), &data].concat();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.safetensors");
        fs::write(&path, bytes).unwrap();
        if let Ok(files) = TensorFiles::open_file(&path) {
            for name in files.names() {
                let _ = files.values(name);
            }
        }
    }
}
