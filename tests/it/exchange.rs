//! Export of allocations to other tools' formats, and import from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use allot::allocate::{Allocation, Projection, Unit};
use allot::exchange::{AllocationFile, csv, dlp, evopress, llm_compressor, modules};
use allot::lang::published::PUBLISHED;
use allot::lang::types::UnitKind;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

fn allot(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
    command.current_dir(place).args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

fn run(place: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = allot(place, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns a folder that contains the bundled model's statistics.
fn place() -> TempDir {
    let place = TempDir::new().expect("a folder");
    let text = format!("{MODEL}/text/calibration.jsonl");
    let arguments = ["stats", MODEL, "--text", &text, "--length", "64", "--samples", "8", "--gradients"];
    run(place.path(), &[&arguments[..], &["--reconstruction-error", "--out", "s.safetensors"]].concat());
    place
}

fn exported(place: &Path, script: &str, form: &str, more: &[&str]) -> PathBuf {
    let file = place.join(format!("{script}.{form}"));
    let name = file.display().to_string();
    let arguments = ["export", script, "--to", form, "--model", MODEL, "--sparsity", "0.7", "-o", &name];
    run(place, &[&arguments[..], &["--stats", "s.safetensors", "--force"], more].concat());
    file
}

/// Returns the number of weights that each linear loses in an allocation file.
fn pruned(file: &Path) -> Vec<(String, u64)> {
    let data: Value = serde_json::from_slice(&fs::read(file).expect("readable")).expect("JSON");
    let units = data["units"].as_array().expect("units").clone();
    units
        .iter()
        .flat_map(|unit| unit["projections"].as_array().expect("projections").clone())
        .map(|it| (it["name"].as_str().expect("a name").to_owned(), it["pruned"].as_u64().expect("a count")))
        .collect()
}

#[test]
fn an_exported_allocation_comes_back() {
    let place = place();
    let place = place.path();
    for (script, forms) in [
        ("owl", &["json", "csv", "llm-compressor", "evopress", "dlp", "alphapruning"][..]),
        ("lsa_projection", &["json", "csv", "llm-compressor", "evopress"][..]),
    ] {
        let asked = pruned(&exported(place, script, "json", &[]));
        let total: u64 = asked.iter().map(|(_, pruned)| pruned).sum();
        for form in forms {
            let step: &[&str] = if *form == "evopress" { &["--weights-diff", "318"] } else { &[] };
            let file = exported(place, script, form, step).display().to_string();
            let back = place.join(format!("{script}-{form}.back.json"));
            let (from, to) = (file.as_str(), back.display().to_string());
            let mut arguments = vec!["import", from, "--model", MODEL, "-o", &to];
            // Values that the file does not contain have to be given.
            if *form == "evopress" {
                arguments.extend(["--sparsity", "0.7"]);
            }
            arguments.extend(step);
            let output = allot(place, &arguments);
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{script} {form}: {message}");
            let found = pruned(&back);
            assert_eq!(found.iter().map(|(_, pruned)| pruned).sum::<u64>(), total, "{script} {form}");
            for ((name, asked), (other, found)) in asked.iter().zip(&found) {
                assert_eq!(name, other);
                // EvoPress' levels are coarse; the other formats keep each ratio to within a weight.
                let most = if *form == "evopress" { 400 } else { 1 };
                assert!(asked.abs_diff(*found) <= most, "{script} {form} {name}: {asked} and {found}");
            }
        }
    }
}

#[test]
fn the_forms_are_what_their_tools_read() {
    let place = place();
    for form in ["csv", "llm-compressor", "evopress", "dlp"] {
        let text = fs::read_to_string(exported(place.path(), "owl", form, &[])).expect("text");
        insta::assert_snapshot!(form, text.lines().take(24).collect::<Vec<_>>().join("\n"));
    }
    let recipe = exported(place.path(), "lsa_projection", "llm-compressor", &["--modifier", "sparsegpt"]);
    insta::assert_snapshot!("llm-compressor_by_projection", fs::read_to_string(recipe).expect("text"));
    let metric = fs::read(exported(place.path(), "owl", "alphapruning", &[])).expect("readable");
    assert_eq!(&metric[..8], b"\x93NUMPY\x01\x00");
    assert_eq!(metric.len() % 64, (8 * 84) % 64);
}

#[test]
fn an_allocation_file_is_pruned_and_measured_like_its_script() {
    let place = place();
    let place = place.path();
    let file = exported(place, "owl", "json", &[]).display().to_string();
    let text = format!("{MODEL}/text/report.jsonl");
    let measured = ["--text", &text, "--length", "64", "--limit", "8", "--format", "json"];
    let prune = |script: &str, out: &str| {
        let arguments = ["prune", MODEL, script, "--stats", "s.safetensors", "--out", out, "--quiet"];
        let sparsity: &[&str] = if script == "owl" { &["--sparsity", "0.7"] } else { &[] };
        run(place, &[&arguments[..], sparsity].concat());
        let folder = place.join(out).display().to_string();
        let mut data: Value =
            serde_json::from_slice(&run(place, &[&["ppl", &folder][..], &measured].concat())).expect("JSON");
        // The folders have different names.
        data["context"].take();
        serde_json::to_vec(&data).expect("JSON")
    };
    let by_script = prune("owl", "by-script");
    assert_eq!(prune(&file, "by-file"), by_script);
    let in_memory = ["ppl", MODEL, "--allocation", &file, "--stats", "s.safetensors"];
    let in_memory = run(place, &[&in_memory[..], &measured].concat());
    let perplexity = |bytes: &[u8]| -> f64 {
        let data: Value = serde_json::from_slice(bytes).expect("JSON");
        data["perplexity"].as_f64().expect("a number")
    };
    // The masks are the same; only the order of sums may differ.
    assert!((perplexity(&in_memory) / perplexity(&by_script) - 1.0).abs() < 1e-5);
}

#[test]
fn allocations_that_a_format_cannot_hold_are_refused() {
    let place = place();
    let refused = |arguments: &[&str]| {
        let output = allot(place.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let shared = ["--model", MODEL, "--sparsity", "0.7", "--stats", "s.safetensors"];
    let error = refused(&[&["export", "lsa_projection", "--to", "dlp"][..], &shared].concat());
    assert!(error.contains("one ratio for each block"), "{error}");
    let error = refused(&["export", "owl", "--to", "csv"]);
    assert!(error.contains("--model"), "{error}");
    fs::write(place.path().join("few.json"), "[0.3, 0.3]").expect("a file");
    let error = refused(&["import", "few.json", "--from", "dlp", "--model", MODEL]);
    assert!(error.contains("12") && error.contains('2'), "{error}");
    let recipe = fs::read_to_string(exported(place.path(), "owl", "llm-compressor", &[])).expect("text");
    let sparsity = recipe.find("      mask_structure").expect("a modifier");
    let with_ignore =
        |ignored: &str| format!("{}      ignore: [{ignored}]\n{}", &recipe[..sparsity], &recipe[sparsity..]);
    let import = ["import", "recipe.yaml", "--from", "llm-compressor", "--model", MODEL];
    fs::write(place.path().join("recipe.yaml"), with_ignore("lm_head")).expect("a file");
    run(place.path(), &import);
    fs::write(place.path().join("recipe.yaml"), with_ignore("\"re:.*down_proj\"")).expect("a file");
    let error = refused(&import);
    assert!(error.contains("`ignore` excludes model.layers.0.mlp.down_proj"), "{error}");
    fs::write(place.path().join("torn.json"), "{\"units\": [").expect("a file");
    let error = refused(&["eval", MODEL, "torn.json"]);
    assert!(error.contains("torn.json"), "{error}");
}

/// Recipes as people write them, each with its result: a ratio for each of a block's linears, or words of the
/// refusal.
#[test]
fn recipes_of_other_forms_are_read_or_refused_for_a_reason() {
    let names = ["self_attn.q_proj", "mlp.down_proj"];
    let projection =
        |block, name| Projection { name: format!("model.layers.{block}.{name}"), parameters: 100 };
    let blocks: Vec<Unit> = (0..2)
        .map(|block| Unit {
            name: format!("block {block}"),
            projections: names.iter().map(|name| projection(block, name)).collect(),
        })
        .collect();
    let recipe = |modifier: &str, rest: &str| {
        format!("a_stage:\n  b_modifiers:\n    {modifier}:\n      sparsity: 0.5\n{rest}")
    };
    let read = |text: &str| llm_compressor::read(text, &blocks).map_err(|error| error.to_string());
    let gives = |text: &str, ratios: &modules::Ratios| assert_eq!(read(text).as_ref(), Ok(ratios), "{text}");
    let refuses = |text: &str, words: &str| {
        let error = read(text).expect_err(text);
        assert!(error.contains(words), "{words}: {error}");
    };
    let all = "      targets: Linear\n      ignore: [\"re:.*lm_head\"]\n";
    let of_linears = |ratios: &[f64]| modules::Ratios::Linears(ratios.to_vec());
    gives(&recipe("SparseGPTModifier", all), &of_linears(&[0.5; 4]));
    gives(
        &recipe("WandaPruningModifier", &format!("{all}      mask_structure: \"0:0\"\n")),
        &of_linears(&[0.5; 4]),
    );
    // Brackets that close at their key's indentation, with comments, quotes and braces inside.
    let bracket = "      targets: [\n      # all [of them\n        're:model.layers.0$',\n    \"model.layers.1\"\n      ]\n";
    gives(&recipe("SparseGPTModifier", bracket), &modules::Ratios::Blocks(vec![0.5; 2]));
    let flow = "a_stage: {\nb_modifiers: {\nM: {sparsity: [0.25, 0.75], targets: [\n'model.layers.0', model.layers.1\n]\n}\n}\n}\n";
    gives(flow, &modules::Ratios::Blocks(vec![0.25, 0.75]));
    // Two modifiers cover different linears.
    let second = "    WandaPruningModifier:\n      sparsity: 0.25\n      targets: [\"re:.*mlp.down_proj\"]\n";
    let first = "      targets: [\"re:.*q_proj\"]\n";
    gives(&recipe("SparseGPTModifier", &format!("{first}{second}")), &of_linears(&[0.5, 0.25, 0.5, 0.25]));
    refuses(
        &recipe("SparseGPTModifier", &format!("{all}{second}")),
        "two of its modifiers prune model.layers.0.mlp.down_proj",
    );
    let half = "    Other:\n      sparsity: 0.25\n      targets: [model.layers.0.mlp.down_proj]\n";
    refuses(
        &recipe("SparseGPTModifier", &format!("{first}{half}")),
        "no ratio for model.layers.1.mlp.down_proj",
    );
    // Other modifiers change the weights, and would be lost.
    for other in ["SmoothQuantModifier", "GPTQModifier", "QuantizationModifier"] {
        let beside = format!("{all}    {other}:\n      scheme: W4A16\n");
        refuses(&recipe("SparseGPTModifier", &beside), &format!("also has {other}"));
    }
    // Recipes that would become uniform, or lose their pattern, if something were ignored.
    refuses(
        &recipe("SparseGPTModifier", &format!("{all}      sparsity_profile: owl\n      owl_m: 5\n")),
        "`sparsity_profile`",
    );
    refuses(&recipe("SparseGPTModifier", &format!("{all}      mask_structure: \"2:4\"\n")), "--pattern 2:4");
    refuses(
        &recipe("SparseGPTModifier", &format!("{all}      ratios_by_layer: {{a: 1}}\n")),
        "`ratios_by_layer`",
    );
    refuses(&recipe("SparseGPTModifier", "      targets: Linear\n"), "`lm_head`, which allot does not prune");
    refuses(&recipe("SparseGPTModifier", ""), "match 0 of");
    refuses(&recipe("SparseGPTModifier", "      targets: [3]\n"), "not a text");
    let named = recipe("SparseGPTModifier", all);
    refuses(&named.replace("a_stage", "pruning"), "does not end in `_stage`");
    refuses(&named.replace("b_modifiers", "modifiers2"), "does not end in `_modifiers`");
    refuses(&format!("{named}---\n{named}"), "2 documents");
    let without = "b_stage:\n  c_modifiers:\n    MagnitudePruningModifier:\n      init_sparsity: 0.1\n";
    refuses(&format!("{named}{without}"), "MagnitudePruningModifier prunes, but has no `sparsity`");
}

/// An allocation of blocks of arbitrary sizes.
fn allocations() -> impl Strategy<Value = (Vec<Unit>, Allocation)> {
    let block = (prop::collection::vec(64_u64..4000, 3), 0.05_f64..0.95);
    prop::collection::vec(block, 1..6).prop_map(|blocks| {
        let names = ["self_attn.q_proj", "mlp.up_proj", "mlp.down_proj"];
        let units: Vec<Unit> = blocks
            .iter()
            .enumerate()
            .map(|(block, (sizes, _))| Unit {
                name: format!("block {block}"),
                projections: names
                    .iter()
                    .zip(sizes)
                    .map(|(name, parameters)| Projection {
                        name: format!("model.layers.{block}.{name}"),
                        parameters: *parameters,
                    })
                    .collect(),
            })
            .collect();
        let sparsity: Vec<f64> = blocks.iter().map(|(_, sparsity)| *sparsity).collect();
        let sizes: Vec<u64> = units.iter().map(Unit::parameters).collect();
        let target = allot::allocate::mean_sparsity(&sparsity, &sizes).expect("a mean");
        let allocation = Allocation::new(target, &units, None, &sparsity).expect("an allocation");
        (units, allocation)
    })
}

proptest! {
    #[test]
    fn every_format_gives_back_its_ratios((blocks, allocation) in allocations()) {
        let total = allocation.pruned();
        let file = AllocationFile::new(&allocation, UnitKind::Block, "owl", None);
        let json = serde_json::to_vec(&file).expect("JSON");
        let back = AllocationFile::read(&json).expect("a file").allocation();
        for (unit, other) in allocation.units.iter().zip(&back.units) {
            prop_assert_eq!((&unit.name, &unit.projections), (&other.name, &other.projections));
            // A JSON reader may change the last bit of a number.
            prop_assert!((unit.sparsity - other.sparsity).abs() < 1e-15);
        }
        let ratios = [
            csv::read(&csv::write(&allocation).expect("a table"), &blocks),
            dlp::read(&dlp::write(&allocation).expect("a list"), &blocks),
            llm_compressor::read(
                &llm_compressor::write(&allocation, llm_compressor::Modifier::Wanda).expect("a recipe"),
                &blocks,
            ),
        ];
        for ratios in ratios {
            let back = modules::allocation(&blocks, &ratios.expect("ratios"), Some(allocation.target));
            prop_assert!(back.expect("an allocation").allocation.pruned().abs_diff(total) <= 1);
        }
        let levels = evopress::levels(&allocation, None, evopress::LEVELS);
        if let Ok(levels) = levels {
            let sum: i64 = levels.text().lines().filter_map(|it| it.rsplit_once(": ")?.1.parse::<i64>().ok()).sum();
            prop_assert_eq!(sum, 0);
        }
    }
}

/// Python runs the exported function, if it has NumPy; it must give allot's ratios.
#[test]
fn the_numpy_function_gives_the_same_ratios() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", "import numpy, safetensors"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no numpy and safetensors; set PYTHON to one that has");
        return;
    }
    let place = place();
    let place = place.path();
    let mut compared = 0;
    let own: Vec<String> = [
        ("block_mean", "unit projection\nmean(score) - block_mean(mean(score)) |> scale\n"),
        ("previous", "unit projection\nmean(score) - previous(mean(score)) |> scale\n"),
        ("next", "unit block\nnext(mean(score)) |> scale\n"),
    ]
    .into_iter()
    .map(|(name, text)| {
        let file = place.join(name).with_extension("allot");
        fs::write(&file, text).expect("a file");
        file.display().to_string()
    })
    .collect();
    for script in PUBLISHED.iter().map(|it| it.name).chain(own.iter().map(String::as_str)) {
        let file = place.join("exported.py").display().to_string();
        let output = allot(place, &["export", script, "--to", "numpy", "-o", &file]);
        if output.status.code() != Some(0) {
            println!("{script}: {}", String::from_utf8_lossy(&output.stderr));
            continue;
        }
        let asked = exported(place, script, "json", &[]);
        let check = format!(
            "import json, sys, importlib.util\n\
             from safetensors.numpy import load_file\n\
             spec = importlib.util.spec_from_file_location('exported', {file:?})\n\
             module = importlib.util.module_from_spec(spec)\n\
             spec.loader.exec_module(module)\n\
             found = load_file({model:?})\n\
             stats = load_file({stats:?})\n\
             names = json.loads({names:?})\n\
             weights = {{name: found[name + '.weight'] for name in names}}\n\
             rows = {{name: stats['second_moment.' + name] for name in names}}\n\
             json.dump(module.allocate(weights, rows, 0.7), sys.stdout)\n",
            model = format!("{MODEL}/model.safetensors"),
            stats = place.join("s.safetensors").display().to_string(),
            names = serde_json::to_string(&pruned(&asked).iter().map(|it| &it.0).collect::<Vec<_>>())
                .expect("JSON"),
        );
        let output = Command::new(&python).args(["-c", &check]).output().expect("python runs");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let data: Value = serde_json::from_slice(&fs::read(&asked).expect("readable")).expect("JSON");
        for unit in data["units"].as_array().expect("units") {
            let ratio = unit["sparsity"].as_f64().expect("a ratio");
            for projection in unit["projections"].as_array().expect("projections") {
                let name = projection["name"].as_str().expect("a name");
                let theirs = found["sparsity"][name].as_f64().expect("a ratio");
                assert!((ratio - theirs).abs() < 1e-9, "{script} {name}: {ratio} and {theirs}");
                assert_eq!(found["pruned"][name], projection["pruned"], "{script} {name}");
            }
        }
        compared += 1;
    }
    println!("{compared} scripts give the same ratios");
    assert!(compared >= 12);
}
