//! Folders that do not quite match their configuration: each is read as transformers reads it, refused, or
//! warned about.

use std::fs;
use std::path::Path;

use allot::data::Values;
use allot::measure::perplexity;
use allot::model::{Checkpoint, Decoder, ModelError, ModelWarning};
use allot::prune::PrunedFolder;
use allot::stats::Tokens;
use candle_core::Device;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::support::folders::{Named, config, folder, weights, write_tensors};

/// Returns the configuration with different values for some keys.
fn with(changes: Value) -> Value {
    let mut config = config();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// Returns the perplexity on a few ids, which changes with any change of the computation.
fn measured(path: &Path) -> f64 {
    let checkpoint = Checkpoint::open(path).unwrap();
    let tokens = Tokens::new((0..60).map(|it| it * 7 % 20).collect(), 20).unwrap();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    perplexity(&decoder, &tokens, &mut |_, _| ()).unwrap().perplexity
}

fn refusal(config: &Value, weights: &[Named]) -> String {
    match Checkpoint::open(folder(config, weights).path()) {
        Ok(_) => panic!("{config} was read"),
        Err(error) => error.to_string(),
    }
}

fn warnings(config: &Value, weights: &[Named]) -> Vec<ModelWarning> {
    Checkpoint::open(folder(config, weights).path()).unwrap().warnings().to_vec()
}

fn named(name: &str, shape: &[usize]) -> Named {
    (name.to_owned(), shape.to_vec(), vec![0.5; shape.iter().product()])
}

fn renamed(weights: Vec<Named>, from: &str, to: &str) -> Vec<Named> {
    let name = |name: String| name.strip_prefix(from).map_or(name.clone(), |rest| format!("{to}{rest}"));
    weights.into_iter().map(|(old, shape, numbers)| (name(old), shape, numbers)).collect()
}

#[test]
fn keys_that_change_other_decoders_are_refused_unless_they_have_no_effect() {
    for (changes, part) in [
        (json!({"residual_multiplier": 0.2}), "`residual_multiplier` is 0.2"),
        (json!({"logits_scaling": 8}), "`logits_scaling`"),
        (json!({"num_local_experts": 8}), "`num_local_experts`"),
        (json!({"use_bidirectional_attention": true}), "`use_bidirectional_attention`"),
        (json!({"is_causal": false}), "`is_causal`"),
        (json!({"clip_qkv": 8.0}), "`clip_qkv`"),
        (json!({"final_logit_softcapping": 30.0}), "`final_logit_softcapping`"),
        (json!({"no_rope_layers": [1, 0]}), "`no_rope_layers`"),
        (json!({"partial_rotary_factor": 0.5}), "`partial_rotary_factor` is 0.5"),
        (json!({"intermediate_sizes_of_blocks": [12, 24]}), "has a value for each block"),
        (json!({"num_key_value_heads": [1, 2]}), "`num_key_value_heads` is [1,2]"),
        (json!({"layer_types": ["full_attention", "sliding_attention"]}), "`layer_types`"),
        (json!({"layer_types": ["full_attention", "linear_attention"]}), "`linear_attention`"),
        (json!({"architectures": ["LlamaBiModel"]}), "LlamaBiModel"),
        (json!({"architectures": ["LlamaForSequenceClassification"]}), "LlamaForSequenceClassification"),
        (json!({"model_type": "cohere"}), "`cohere` is not supported"),
        (json!({"auto_map": {"AutoModelForCausalLM": "me/mine--modeling.MyLlama"}}), "MyLlama"),
    ] {
        let said = refusal(&with(changes), &weights(1));
        assert!(said.contains("config.json") && said.contains(part), "{part}: {said}");
    }
    for changes in [
        json!({"residual_multiplier": 1.0, "use_bidirectional_attention": false, "pruned_heads": {}, "num_experts": 0}),
        json!({"torch_dtype": "float16", "eos_token_id": [1, 2], "use_cache": true, "clip_qkv": null}),
        json!({"architectures": ["LLaMAForCausalLM"], "layer_types": ["full_attention", "full_attention"]}),
    ] {
        assert_eq!(warnings(&with(changes.clone()), &weights(1)), [], "{changes}");
    }
}

#[test]
fn an_unknown_key_is_warned_about_at_any_level() {
    for (changes, key) in [
        (json!({"attention_temperature": 0.7}), "attention_temperature"),
        (json!({"rope_scaling": {"type": "linear", "factor": 2.0, "ramp": 3}}), "rope_scaling.ramp"),
        (json!({"sliding_window": 16}), "sliding_window"),
        (json!({"do_layer_norm_before": false}), "do_layer_norm_before"),
    ] {
        let found = warnings(&with(changes), &weights(1));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].names(), [key]);
    }
    let own = warnings(
        &with(json!({"auto_map": {"AutoModelForCausalLM": "modeling.LlamaForCausalLM"}})),
        &weights(1),
    );
    assert!(matches!(own[..], [ModelWarning::OwnCode { .. }]), "{own:?}");
}

#[test]
fn rotations_given_twice_or_by_kind_of_attention_are_never_defaulted() {
    let nested = json!({"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 5e5}}});
    assert!(refusal(&with(nested), &weights(1)).contains("`rope_parameters` is nested"));
    let apart = json!({"rope_theta": null, "rope_parameters": {"rope_theta": 5e5}, "rope_scaling": {"type": "linear", "factor": 2.0}});
    assert!(refusal(&with(apart), &weights(1)).contains("500000"));
    let kinds = json!({"rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2.0}});
    assert!(refusal(&with(kinds), &weights(1)).contains("`rope_scaling.rope_type` is `yarn`"));
    let together = json!({"rope_theta": null, "rope_parameters": {"rope_theta": 5e5},
        "rope_scaling": {"type": "linear", "factor": 2.0, "rope_theta": 5e5}});
    let alone = json!({"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 2.0}});
    let both = [together, alone].map(|changes| measured(folder(&with(changes), &weights(1)).path()));
    assert_eq!(both[0], both[1]);
    assert_ne!(both[0], measured(folder(&config(), &weights(1)).path()));
}

#[test]
fn unused_tensors_are_named_except_those_of_older_files() {
    let mut more = weights(1);
    more.push(named("model.layers.0.mlp.up_proj.bias", &[12]));
    more.push(named("model.layers.1.mlp.up_proj.bias", &[12]));
    more.push(named("model.layers.0.self_attn.rotary_emb.inv_freq", &[2]));
    more.push(named("score.weight", &[1, 8]));
    let found = warnings(&config(), &more);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].names(), ["model.layers.*.mlp.up_proj.bias (2)", "score.weight"]);
    assert!(found[0].to_string().contains("3 unused tensors"), "{}", found[0]);
}

#[test]
fn tied_embeddings_load_under_either_name_and_a_separate_head_is_used() {
    let tied = with(json!({"tie_word_embeddings": true}));
    let without = |name: &str| weights(1).into_iter().filter(|it| it.0 != name).collect::<Vec<_>>();
    let embedding = folder(&tied, &without("lm_head.weight"));
    let mut other_name = without("lm_head.weight");
    other_name[0].0 = "lm_head.weight".to_owned();
    let other = folder(&tied, &other_name);
    assert_eq!(measured(embedding.path()), measured(other.path()));
    let mut equal = weights(1);
    let numbers = equal[0].2.clone();
    equal.last_mut().unwrap().2 = numbers;
    let equal = folder(&tied, &equal);
    assert_eq!(measured(equal.path()), measured(embedding.path()));
    for found in [&embedding, &other, &equal] {
        assert_eq!(Checkpoint::open(found.path()).unwrap().warnings(), []);
    }
    // The same numbers in another type are the same head; rounded ones are not.
    for (from, same) in [([1.5, -0.25, 3.0], true), ([1.5, -0.25, 0.1], false)] {
        let mut halves = weights(1);
        halves[0].2.iter_mut().zip(from.iter().cycle()).for_each(|(to, it)| *to = *it);
        let head = halves[0].2.iter().map(|it| half::bf16::from_f32(*it)).collect::<Vec<_>>();
        halves.pop();
        let place = folder(&tied, &halves);
        let file = place.path().join("model.safetensors");
        let mut views: Vec<_> = halves
            .iter()
            .map(|(name, shape, numbers)| {
                let bytes = bytemuck::cast_slice::<f32, u8>(numbers);
                (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
            })
            .collect();
        let view = TensorView::new(Dtype::BF16, vec![20, 8], bytemuck::cast_slice(&head)).unwrap();
        views.push(("lm_head.weight", view));
        fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
        let found = Checkpoint::open(place.path()).unwrap();
        assert_eq!(found.warnings().is_empty(), same, "{:?}", found.warnings());
    }
    // A single different number is enough.
    let mut near = weights(1);
    near[0].2[3] = near.last().unwrap().2[3];
    let numbers: Vec<f32> =
        near[0].2.iter().enumerate().map(|(at, it)| if at == 5 { it + 0.5 } else { *it }).collect();
    near.last_mut().unwrap().2 = numbers;
    assert_eq!(measured(folder(&tied, &near).path()), measured(folder(&config(), &near).path()));
    assert!(matches!(warnings(&tied, &near)[..], [ModelWarning::HeadOfItsOwn { .. }]));
    let said = refusal(&config(), &without("lm_head.weight"));
    assert!(said.contains("no output embedding") && said.contains("tie_word_embeddings"), "{said}");
}

#[test]
fn a_language_model_is_found_inside_any_model_under_any_prefix() {
    let right = measured(folder(&config(), &weights(1)).path());
    let outer =
        |model_type: &str| json!({"model_type": model_type, "vision_config": {}, "text_config": config()});
    for (model_type, prefix, head) in [
        ("llava_next", "language_model.model.", "language_model.lm_head.weight"),
        ("internvl", "model.language_model.", "lm_head.weight"),
        ("smolvlm", "model.text_model.", "lm_head.weight"),
    ] {
        let mut inside = renamed(renamed(weights(1), "model.", prefix), "lm_head.weight", head);
        inside.push(named("vision_tower.encoder.layers.0.self_attn.q_proj.weight", &[4, 4]));
        let folder = folder(&outer(model_type), &inside);
        assert_eq!(measured(folder.path()), right, "{model_type}");
        assert_eq!(Checkpoint::open(folder.path()).unwrap().warnings(), [], "{model_type}");
    }
    let mut strange = outer("my_vlm");
    let inside = renamed(weights(1), "model.", "tower.text.language_model.");
    assert_eq!(measured(folder(&strange, &inside).path()), right);
    assert!(matches!(warnings(&strange, &inside)[..], [ModelWarning::UnknownAround { .. }]));
    strange["fusion_scale"] = 3.into();
    assert_eq!(warnings(&strange, &inside)[1].names(), ["fusion_scale"]);
    let draft = weights(2).into_iter().filter(|it| it.0 != "lm_head.weight").collect();
    let twice = [inside.clone(), renamed(draft, "model.", "draft.language_model.")].concat();
    assert!(refusal(&strange, &twice).contains("several decoders"));
    assert!(refusal(&outer("paligemma"), &inside).contains("`paligemma` is not supported"));
    strange["text_config"]["quantization_config"] = json!({"quant_method": "hqq"});
    assert!(refusal(&strange, &inside).contains("`text_config.quantization_config`"));
}

#[test]
fn a_language_models_tensors_are_named_wherever_the_larger_model_has_them() {
    let config = json!({"model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"],
        "tie_word_embeddings": false, "vision_config": {},
        "text_config": with(json!({"model_type": "mistral", "architectures": null, "sliding_window": null}))});
    for (prefix, head) in [
        ("language_model.model.", "language_model.lm_head.weight"),
        ("model.language_model.", "lm_head.weight"),
    ] {
        let inside = renamed(renamed(weights(1), "model.", prefix), "lm_head.weight", head);
        let with_more = |name: &str, shape: &[usize]| {
            let found = warnings(&config, &[inside.clone(), vec![named(name, shape)]].concat());
            found.iter().flat_map(ModelWarning::names).collect::<Vec<_>>()
        };
        assert_eq!(with_more("vision_tower.layers.0.attention.k_proj.weight", &[4, 4]), [""; 0]);
        assert_eq!(with_more("multi_modal_projector.norm.weight", &[4]), [""; 0]);
        for (name, shape) in [
            ("lm_head.bias", &[20][..]),
            ("language_model.classifier.dense.weight", &[3, 8]),
            ("score.weight", &[1, 8]),
            ("model.norm.weight", &[8]),
            ("model.embed_tokens.weight", &[20, 8]),
        ] {
            if prefix.starts_with("language_model.") || !name.starts_with("language_model.") {
                assert_eq!(with_more(name, shape), [name], "{prefix}");
            }
        }
        // A second head is named unless it holds the same numbers.
        let second =
            if head == "lm_head.weight" { "language_model.lm_head.weight" } else { "lm_head.weight" };
        assert_eq!(with_more(second, &[20, 8]), [second]);
        let copy = (second.to_owned(), vec![20, 8], inside.last().unwrap().2.clone());
        assert_eq!(warnings(&config, &[inside.clone(), vec![copy]].concat()), []);
    }
}

#[test]
fn the_class_of_a_larger_model_is_checked() {
    let inside = renamed(weights(1), "model.", "language_model.model.");
    let of = |model_type: &str, class: &str| json!({"model_type": model_type, "architectures": [class], "vision_config": {}, "text_config": config()});
    for (model_type, class) in [
        ("llava_next", "LlavaForConditionalGeneration"),
        ("smolvlm", "Idefics3ForConditionalGeneration"),
        ("internvl", "InternVLForSequenceClassification"),
        ("video_llava", "LlamaForCausalLM"),
        ("my_vlm", "MyVlmForTokenClassification"),
    ] {
        let said = refusal(&of(model_type, class), &inside);
        assert!(said.contains("`architectures`") && said.contains(class), "{said}");
    }
    for (model_type, class) in
        [("llava_next", "LlavaNextForConditionalGeneration"), ("smolvlm", "SmolVLMModel")]
    {
        assert_eq!(warnings(&of(model_type, class), &inside), []);
    }
}

#[test]
fn the_index_decides_among_copies_and_may_name_folders() {
    let (kept, stale) = (weights(1), weights(2));
    let right = measured(folder(&config(), &kept).path());
    let place = folder(&config(), &[]);
    let path = place.path();
    fs::remove_file(path.join("model.safetensors")).unwrap();
    fs::create_dir(path.join("parts")).unwrap();
    write_tensors(&path.join("parts/b.safetensors"), &kept);
    write_tensors(&path.join("a.safetensors"), &stale[..5]);
    let map = |shard: &dyn Fn(usize) -> &'static str| -> Value {
        kept.iter()
            .enumerate()
            .map(|(at, it)| (it.0.clone(), json!(shard(at))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let index = |map: Value| {
        fs::write(path.join("model.safetensors.index.json"), json!({"weight_map": map}).to_string())
    };
    index(map(&|_| "./parts/b.safetensors")).unwrap();
    assert_eq!(measured(path), right);
    let mut both = map(&|_| "parts/b.safetensors");
    both["of.another.part"] = json!("a.safetensors");
    index(both.clone()).unwrap();
    assert_eq!(measured(path), right);
    // For a tensor that the index does not name, neither copy is better.
    both.as_object_mut().unwrap().remove(&kept[0].0);
    index(both).unwrap();
    let error = Checkpoint::open(path).unwrap_err().to_string();
    assert!(error.contains("assigns it to neither"), "{error}");
    // A single file takes precedence over any index, even a broken one.
    write_tensors(&path.join("model.safetensors"), &kept);
    assert_eq!(measured(path), right);
    assert!(matches!(Checkpoint::open(path).unwrap().warnings(), [ModelWarning::StaleIndex { .. }]));
}

#[test]
fn a_pruned_copy_changes_the_tensors_in_use_in_their_own_folders() {
    let (kept, stale) = (weights(1), weights(2));
    let place = folder(&config(), &[]);
    let path = place.path();
    fs::remove_file(path.join("model.safetensors")).unwrap();
    fs::create_dir(path.join("parts")).unwrap();
    write_tensors(&path.join("parts/a.safetensors"), &kept);
    write_tensors(&path.join("z.safetensors"), &stale);
    let map: serde_json::Map<_, _> = kept
        .iter()
        .map(|it| (it.0.clone(), json!("parts/a.safetensors")))
        .chain([("x".into(), json!("z.safetensors"))])
        .collect();
    fs::write(path.join("model.safetensors.index.json"), json!({"weight_map": map}).to_string()).unwrap();
    let checkpoint = Checkpoint::open(path).unwrap();
    let target = place.path().with_extension("pruned");
    let name = "model.layers.0.self_attn.q_proj.weight";
    let mut pruned = PrunedFolder::create(&checkpoint, &target, false, &|| Ok(())).unwrap();
    pruned.write(name, &Values::F32(vec![0.0; 64].into())).unwrap();
    pruned.finish(&json!({})).unwrap();
    let copy = Checkpoint::open(&target).unwrap();
    assert!(copy.files().tensor(name).unwrap().bytes.iter().all(|byte| *byte == 0));
    let other = "model.layers.0.self_attn.k_proj.weight";
    assert_eq!(copy.files().tensor(other).unwrap().bytes, checkpoint.files().tensor(other).unwrap().bytes);
    fs::remove_dir_all(target).unwrap();
}

#[test]
fn every_quantised_form_is_recognised_from_configuration_files_or_tensors() {
    for (method, name) in [
        (json!({"quant_method": "gptq"}), "GPTQ"),
        (json!({"quant_method": "mxfp4"}), "MXFP4"),
        (json!({"quant_method": "fp8"}), "FP8"),
        (json!({"quant_method": "aqlm"}), "AQLM"),
        (json!({"load_in_8bit": true}), "bitsandbytes"),
        (json!({"quant_method": "vptq"}), "vptq"),
        (json!({"bits": 4, "group_size": 64, "mode": "affine"}), "MLX"),
        (
            json!({"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": null, "targets": ["Linear"]}}}),
            "compressed-tensors, quantised",
        ),
    ] {
        let said = refusal(&with(json!({"quantization_config": method})), &weights(1));
        assert!(said.contains("quantised") && said.contains(name), "{name}: {said}");
    }
    let mlx = with(json!({"quantization": {"bits": 8, "group_size": 32}}));
    assert!(refusal(&mlx, &weights(1)).contains("`quantization` says that the model is quantised (MLX)"));
    for (others, ending, dtype, size, name) in [
        (&[][..], "qweight", Dtype::I32, 4, "GPTQ or AWQ"),
        (&[], "weight_packed", Dtype::I32, 4, "compressed-tensors"),
        (&[], "weight.absmax", Dtype::F32, 4, "bitsandbytes"),
        (&[], "weight", Dtype::F8_E4M3, 1, "FP8"),
        (&[], "weight", Dtype::I8, 1, "8-bit integers"),
        (&[], "weight_blocks", Dtype::U8, 1, "MXFP4"),
        (&["weight_scale"], "weight", Dtype::U8, 1, "packed integers"),
        (&["weight_scale", "weight_scale_2"], "weight", Dtype::U8, 1, "NVFP4"),
        (&["scales", "biases"], "weight", Dtype::U32, 4, "MLX"),
        (&["scale", "zero"], "W_q", Dtype::U8, 1, "HQQ"),
        (&["codes", "scales"], "codebooks", Dtype::F16, 2, "AQLM"),
        (&["weight._scale"], "weight._data", Dtype::I8, 1, "quanto"),
        (&["weight_scale"], "weight_qdata", Dtype::I8, 1, "torchao"),
    ] {
        let folder = folder(&config(), &weights(1));
        let module = "model.layers.0.self_attn.q_proj";
        let (tensor, bytes) = (format!("{module}.{ending}"), vec![0; 8 * size]);
        let mut views = vec![(tensor, TensorView::new(dtype, vec![8], &bytes).unwrap())];
        let beside = [0; 32];
        views.extend(others.iter().map(|ending| {
            (format!("{module}.{ending}"), TensorView::new(Dtype::F32, vec![8], &beside).unwrap())
        }));
        let file = safetensors::serialize(views, None).unwrap();
        fs::write(folder.path().join("model.safetensors"), file).unwrap();
        let said = Checkpoint::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("quantised ({name}")), "{name}: {said}");
    }
    let beside = folder(&config(), &weights(1));
    fs::write(beside.path().join("quantize_config.json"), "{\"bits\": 4}").unwrap();
    let said = Checkpoint::open(beside.path()).unwrap_err().to_string();
    assert!(said.contains("quantize_config.json") && said.contains("GPTQ"), "{said}");
}

#[test]
fn compressed_tensors_are_plain_only_if_every_key_says_so() {
    let of = |changes: Value| {
        let mut object = json!({"quant_method": "compressed-tensors", "format": "dense", "version": "0.11.0",
            "ignore": ["lm_head"], "sparsity_config": {"format": "dense", "sparsity_structure": "2:4"}});
        changes.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
        with(json!({"quantization_config": object}))
    };
    // Pruned by another tool and saved as dense.
    let nothing = json!({"config_groups": {}, "kv_cache_scheme": null});
    for plain in [
        json!({}),
        json!({"config_groups": [], "kv_cache_scheme": null, "transform_config": {"config_groups": {}}}),
        json!({"quantization_config": nothing}),
    ] {
        assert_eq!(warnings(&of(plain), &weights(1)), []);
    }
    let deep = json!({"quantization_config": {"quantization_config": {"kv_cache_scheme": {"num_bits": 8}}}});
    for (changes, part) in [
        (json!({"kv_cache_scheme": {"num_bits": 4, "dynamic": false}}), "kv_cache_scheme"),
        (
            json!({"transform_config": {"config_groups": {"v": {"type": "random-hadamard"}}}}),
            "transform_config",
        ),
        (
            json!({"quantization_config": {"config_groups": {"a": {"input_activations": {"num_bits": 4}}}}}),
            "quantised",
        ),
        (json!({"config_groups": [{"weights": {"num_bits": 4}}]}), "quantised"),
        (json!({"format": ["dense", "pack-quantized"]}), "format"),
        (json!({"rotation": {"size": 64}}), "the unknown key rotation"),
        (deep, "kv_cache_scheme"),
    ] {
        let said = refusal(&of(changes), &weights(1));
        assert!(said.contains("(compressed-tensors, ") && said.contains(part), "{part}: {said}");
    }
}

#[test]
fn folders_in_other_forms_are_refused_with_their_form() {
    let flat = with(
        json!({"model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"], "mm_vision_tower": "clip"}),
    );
    assert!(refusal(&flat, &weights(1)).contains("LLaVA checkpoint of the original code"));
    for (file, content, part) in [
        ("adapter_config.json", "{\"base_model_name_or_path\": \"me/base\"}", "an adapter for me/base"),
        ("consolidated.00.pth", "", "publisher's own files"),
        ("model-Q4_K_M.gguf", "", "GGUF, the format"),
        ("pytorch_model.bin", "", "PyTorch pickles"),
        ("tf_model.h5", "", "another framework (*.h5)"),
        ("weights.safetensors", "", "under other names, such as weights.safetensors"),
    ] {
        for has_config in [true, false] {
            let folder = folder(&config(), &[]);
            fs::remove_file(folder.path().join("model.safetensors")).unwrap();
            fs::write(folder.path().join(file), content).unwrap();
            if !has_config {
                fs::remove_file(folder.path().join("config.json")).unwrap();
            }
            let error = Checkpoint::open(folder.path()).unwrap_err();
            assert!(matches!(error, ModelError::Form { .. } | ModelError::NoWeights { .. }));
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    let beside = folder(&config(), &weights(1));
    fs::write(beside.path().join("adapter_config.json"), "{}").unwrap();
    let opened = Checkpoint::open(beside.path()).unwrap();
    assert!(matches!(opened.warnings(), [ModelWarning::AdapterBeside { .. }]));
}

#[test]
fn keys_that_two_classes_treat_differently_are_read_as_the_class_of_the_family_does() {
    let path = Path::new("config.json");
    let read = |config: Value| allot::model::Config::parse(path, config.as_object().unwrap());
    // Gemma 3 scales only by the new name of the kind; a rotation that scales nothing needs no name.
    let gemma = |scaling: Value| read(json!({"model_type": "gemma3_text", "rope_scaling": scaling}));
    let said = gemma(json!({"type": "yarn", "factor": 4.0})).unwrap_err().to_string();
    assert!(said.contains("`rope_scaling.type` is `yarn`") && said.contains("rename the key"), "{said}");
    assert!(gemma(json!({"rope_type": "linear", "type": "linear", "factor": 2.0})).is_ok());
    assert!(gemma(json!({"type": "default"})).is_ok());
    // A list of kinds of attention makes the private pattern irrelevant.
    let listed = json!({"model_type": "gemma3_text", "num_hidden_layers": 2, "_sliding_window_pattern": 3,
        "layer_types": ["full_attention", "sliding_attention"]});
    let listed = read(listed).unwrap();
    assert_eq!((listed.window.unwrap().1, listed.warnings), (vec![false, true], vec![]));
    // Inside a larger model not even Gemma 2's default caps the logits.
    let inside = json!({"model_type": "llava", "text_config": {"model_type": "gemma2"}});
    let inside = read(inside).unwrap();
    assert_eq!((inside.attention_softcap, inside.logit_softcap), (Some(50.0), None));
    assert!(inside.warnings[0].to_string().contains("LlavaForConditionalGeneration does not use it"));
    for (family, heads) in [("qwen2", 8), ("qwen3", 8), ("mistral", 8), ("phi3", 8)] {
        let config = json!({"model_type": family, "num_attention_heads": heads, "num_key_value_heads": null});
        assert_eq!(read(config).unwrap().key_value_heads, heads, "{family}");
    }
    let late = |first: Value| {
        let config = json!({"model_type": "qwen3", "num_hidden_layers": 3, "max_window_layers": first,
            "use_sliding_window": true, "sliding_window": 8});
        read(config).map(|it| it.window.map(|it| it.1)).map_err(|error| error.to_string())
    };
    assert_eq!(late(json!(0)), Ok(Some(vec![true; 3])));
    assert_eq!(late(json!(2)), Ok(Some(vec![false, false, true])));
    assert!(late(json!(-1)).unwrap_err().contains("from 0 to"));
    let opt = json!({"model_type": "opt", "do_layer_norm_before": false, "_remove_final_layer_norm": false});
    assert_eq!(read(opt).unwrap().warnings, []);
    let smolvlm = json!({"model_type": "smolvlm", "_pad_token_id": 2, "text_config": {"_pad_token_id": 2}});
    assert_eq!(read(smolvlm).unwrap().warnings, []);
}

#[test]
fn the_original_length_beside_the_rotation_counts_and_the_other_is_named() {
    let factors = json!({"rope_type": "longrope", "short_factor": [1.0, 1.0], "long_factor": [2.0, 2.0]});
    let read = |outer: Option<u64>, inner: Option<u64>| {
        let mut config = with(json!({"rope_scaling": factors}));
        outer.into_iter().for_each(|it| config["original_max_position_embeddings"] = it.into());
        inner
            .into_iter()
            .for_each(|it| config["rope_scaling"]["original_max_position_embeddings"] = it.into());
        let config =
            allot::model::Config::parse(Path::new("config.json"), config.as_object().unwrap()).unwrap();
        (config.longest_shared(), config.warnings.len())
    };
    assert_eq!(read(None, None), (64, 0));
    assert_eq!(read(None, Some(16)), (16, 0));
    assert_eq!(read(Some(16), Some(16)), (16, 0));
    assert_eq!(read(Some(16), Some(32)), (16, 1));
}

#[test]
fn gemma_reads_its_own_key_for_the_activation_and_says_so() {
    let path = Path::new("config.json");
    let read = |act: &str| {
        let config =
            json!({"model_type": "gemma2", "hidden_act": act, "hidden_activation": "gelu_pytorch_tanh"});
        allot::model::Config::parse(path, config.as_object().unwrap()).unwrap()
    };
    assert_eq!(read("gelu").activation, read("gelu_pytorch_tanh").activation);
    assert!(matches!(read("gelu").warnings[..], [ModelWarning::OtherKey { .. }]));
    assert_eq!(read("gelu_pytorch_tanh").warnings, []);
}
