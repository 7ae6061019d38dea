//! `input_kurtosis`, `block_similarity`, `block_change` and `damage`: their definitions, the file, and where they may
//! be used.

use std::collections::BTreeMap;

use allot::allocate::{Allocation, units};
use allot::data::BlockChange;
use allot::lang::ops::Op;
use allot::lang::types::UnitKind;
use allot::measure::divergence;
use allot::model::{Block, Checkpoint, Decoder, no_tap};
use allot::prune::{Method, PruneOptions};
use allot::session::{AllocationOptions, Needs, Session, SessionError};
use allot::stats::{Activations, CalibrationOptions, Statistics, Tokens, calibrate_with};
use candle_core::{Device, Tensor};

use crate::support::calibrated::{self, calibration, importances, noting, script};
use crate::support::data::bundled;
use crate::support::place::{MODEL, Place};

const LENGTH: usize = 32;

fn session() -> Session {
    calibrated::session(LENGTH)
}

/// Reads every number in f64, with plain loops.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    let values: Vec<f32> = tensor.flatten_all().expect("numbers").to_vec1().expect("f32");
    values.into_iter().map(f64::from).collect()
}

/// Returns each linear's kurtosis, and each block's change, from all inputs and hidden states at once.
fn plain(checkpoint: &Checkpoint, tokens: &Tokens) -> (BTreeMap<String, f64>, Vec<BlockChange>) {
    let mut activations = Activations::embed(checkpoint, tokens, &Device::Cpu, u64::MAX).expect("states");
    let (mut kurtoses, mut changes) = (BTreeMap::new(), Vec::new());
    let states = |activations: &Activations| -> Vec<f64> {
        activations.batches().flat_map(|batch| numbers(&batch.expect("a batch"))).collect()
    };
    for index in 0..checkpoint.config().blocks {
        let block = Block::load(checkpoint, index, &Device::Cpu).expect("a block");
        let mut inputs: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        let see = &mut |site, input: &Tensor| {
            inputs.entry(site).or_default().extend(numbers(input));
            Ok(())
        };
        activations.observe(&block, see).expect("inputs");
        for linear in checkpoint.block_linears(index) {
            let values = &inputs[&linear.site];
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let moment = |power| values.iter().map(|it| (it - mean).powi(power)).sum::<f64>() / n;
            kurtoses.insert(linear.module.clone(), moment(4) / moment(2).powi(2));
        }
        let before = states(&activations);
        activations.advance(&block, &mut no_tap()).expect("the next states");
        let after = states(&activations);
        let hidden = checkpoint.config().hidden;
        let pairs = || before.chunks(hidden).zip(after.chunks(hidden));
        let norm = |values: &[f64]| values.iter().map(|it| it * it).sum::<f64>().sqrt();
        let tokens = pairs().count() as f64;
        let similar =
            |(x, y): (&[f64], &[f64])| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / (norm(x) * norm(y));
        let relative = |(x, y): (&[f64], &[f64])| {
            let difference: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - x).collect();
            norm(&difference) / norm(x)
        };
        changes.push(BlockChange {
            similarity: pairs().map(similar).sum::<f64>() / tokens,
            relative: pairs().map(relative).sum::<f64>() / tokens,
        });
    }
    (kurtoses, changes)
}

#[test]
fn kurtoses_and_changes_are_those_of_a_plain_computation() {
    let checkpoint = Checkpoint::open(bundled()).expect("the bundled model");
    let tokens = Tokens::new((0..96).map(|it| it * 31 % 2048).collect(), LENGTH).expect("whole windows");
    let options =
        CalibrationOptions { input_kurtosis: true, block_changes: true, ..CalibrationOptions::default() };
    let collect = || calibrate_with(&checkpoint, &tokens, 0, &Device::Cpu, options, &mut |_| ());
    let statistics = collect().expect("statistics");
    let (kurtoses, changes) = plain(&checkpoint, &tokens);
    for linear in checkpoint.linears() {
        let found = &statistics.linears[&linear.module];
        let (kurtosis, want) = (found.input_kurtosis.expect("a kurtosis"), kurtoses[&linear.module]);
        assert!((kurtosis / want - 1.0).abs() < 1e-9, "{}: {kurtosis} and {want}", linear.module);
        assert!(kurtosis >= 1.0, "no distribution has less");
        let (change, want) = (found.block_change.expect("a change"), changes[linear.block]);
        assert!((change.similarity - want.similarity).abs() < 1e-12, "{change:?} and {want:?}");
        assert!((change.relative / want.relative - 1.0).abs() < 1e-12, "{change:?} and {want:?}");
        assert!(change.similarity.abs() <= 1.0 && change.relative > 0.0, "{change:?}");
    }
    // The file keeps every digit, and is the same every time.
    let place = Place::new();
    let files = [place.path("a"), place.path("b")];
    statistics.save(&files[0]).expect("a file");
    collect().expect("statistics").save(&files[1]).expect("a file");
    assert_eq!(std::fs::read(&files[0]).expect("a file"), std::fs::read(&files[1]).expect("a file"));
    let loaded = Statistics::load(&files[0], &checkpoint).expect("statistics");
    for (module, found) in &statistics.linears {
        assert_eq!(loaded.linears[module].input_kurtosis, found.input_kurtosis);
        assert_eq!(loaded.linears[module].block_change, found.block_change);
    }
}

#[test]
fn scripts_have_the_mean_over_linears_and_the_value_of_their_block() {
    let mut one = session();
    let at = AllocationOptions::at(0.6);
    let tokens = calibration(LENGTH).draw(one.checkpoint()).expect("windows");
    let (kurtoses, changes) = plain(one.checkpoint(), &tokens);
    let of_linears = importances(&mut one, "unit projection\ninput_kurtosis |> scale", &at);
    let linears = one.checkpoint().linears().to_vec();
    for (found, linear) in of_linears.iter().zip(&linears) {
        assert!((found / kurtoses[&linear.module] - 1.0).abs() < 1e-9, "{}", linear.module);
    }
    let of_blocks = importances(&mut one, "input_kurtosis |> scale", &at);
    for (block, found) in of_blocks.iter().enumerate() {
        let own: Vec<f64> =
            linears.iter().filter(|it| it.block == block).map(|it| kurtoses[&it.module]).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        assert!((found / mean - 1.0).abs() < 1e-9, "block {block}");
    }
    let influence = importances(&mut one, "unit projection\n1 - block_similarity |> scale", &at);
    let change = importances(&mut one, "unit projection\nblock_change |> scale", &at);
    for (place, linear) in linears.iter().enumerate() {
        let want = changes[linear.block];
        assert!((influence[place] - (1.0 - want.similarity)).abs() < 1e-12, "{}", linear.module);
        assert!((change[place] / want.relative - 1.0).abs() < 1e-12, "{}", linear.module);
    }
}

/// The damage is the divergence of a model in which only the unit is pruned, as every other command prunes it.
#[test]
fn the_damage_of_a_unit_is_the_divergence_of_the_model_with_only_it_pruned() {
    let sparsity = 0.7;
    let at = AllocationOptions::at(sparsity);
    let mut one = session();
    let tokens = calibration(LENGTH).draw(one.checkpoint()).expect("windows");
    let checkpoint = one.checkpoint().clone();
    let dense = Decoder::load(&checkpoint, &Device::Cpu).expect("the dense model");
    for (kind, text, places) in [
        (UnitKind::Block, "damage |> scale", vec![0, 5, 11]),
        (UnitKind::Projection, "unit projection\ndamage |> scale", vec![0, 6, 45, 83]),
    ] {
        let found = importances(&mut one, text, &at);
        let named = units(&checkpoint.data().expect("data"), kind);
        assert_eq!(found.len(), named.len());
        assert!(found.iter().all(|it| it.is_finite() && *it > 0.0), "{found:?}");
        let weights: f64 = named.iter().map(|unit| unit.parameters() as f64).sum();
        for place in places {
            let ratios: Vec<f64> =
                (0..named.len()).map(|it| if it == place { sparsity } else { 0.0 }).collect();
            let target = sparsity * named[place].parameters() as f64 / weights;
            let alone = Allocation::new(target, &named, None, &ratios).expect("an allocation");
            let options = PruneOptions::new(Method::Wanda);
            let (pruned, _) = one.prune_in_memory(&alone, &options).expect("a pruned model");
            let want = divergence(&dense, &pruned, &tokens, &mut |_, _| ()).expect("a divergence").divergence;
            let name = &named[place].name;
            assert!((found[place] / want - 1.0).abs() < 1e-5, "{name}: {} and {want}", found[place]);
        }
    }
    // The unit of rows has one value for each projection.
    let rows = session().allocate(&script("unit row\ndamage |> scale"), &at).expect("a value").allocation;
    let projections = importances(&mut one, "unit projection\ndamage |> scale", &at);
    let of_rows: Vec<f64> = rows.units.iter().filter_map(|unit| unit.importance).collect();
    assert_eq!(of_rows, projections);
}

#[test]
fn nothing_pruned_does_no_damage() {
    let at = AllocationOptions::at(0.0);
    for text in ["damage |> scale", "unit projection\ndamage |> scale"] {
        let found = importances(&mut session(), text, &at);
        assert!(found.iter().all(|it| *it == 0.0), "{found:?}");
    }
}

#[test]
fn each_sparsity_metric_and_unit_has_its_own_damage_measured_once() {
    let (mut one, notes) = noting(session());
    let magnitude = AllocationOptions { method: &Method::Magnitude, ..AllocationOptions::at(0.6) };
    let rows = AllocationOptions { unit: Some(UnitKind::Projection), ..AllocationOptions::at(0.6) };
    let all =
        [AllocationOptions::at(0.6), AllocationOptions::at(0.7), magnitude, rows, AllocationOptions::at(0.6)];
    let text = "log(damage) + mean(score) |> scale";
    let found = all.map(|at| {
        let found = importances(&mut one, text, &at);
        assert_eq!(found, importances(&mut session(), text, &at));
        found
    });
    assert_eq!(found[0], found[4]);
    assert_ne!(found[0], found[1]);
    assert_ne!(found[0], found[2]);
    assert_eq!(*notes.lock().expect("no test panics with it"), [Op::Damage; 4]);
    // A marginal and a damage of the same models are measured together.
    let both = importances(&mut one, "log(damage) + log(marginal) |> scale", &AllocationOptions::at(0.6));
    assert_eq!(both.len(), 12);
    assert_eq!(notes.lock().expect("no test panics with it").last(), Some(&Op::Marginal));
}

#[test]
fn a_file_of_another_sparsity_metric_or_unit_is_refused_by_name() {
    let place = Place::new();
    let file = place.path("s.safetensors");
    let mut one = session();
    let text = script("log(damage) |> scale");
    let outcome = one.allocate(&text, &AllocationOptions::at(0.6)).expect("a value");
    let statistics = one.statistics(&Needs::default()).expect("statistics").expect("collected").clone();
    statistics.save(&file).expect("a file");
    let from_file = || Session::open(MODEL).expect("a model").with_statistics(&file).expect("the file");
    assert_eq!(from_file().allocate(&text, &AllocationOptions::at(0.6)).expect("a value"), outcome);
    let magnitude = AllocationOptions { method: &Method::Magnitude, ..AllocationOptions::at(0.6) };
    let projections = AllocationOptions { unit: Some(UnitKind::Projection), ..AllocationOptions::at(0.6) };
    for (at, asked) in [
        (
            AllocationOptions::at(0.7),
            "sparsity 0.7 by `metric(per = row) abs(weight) * input_norm` of blocks",
        ),
        (magnitude, "sparsity 0.6 by `metric(per = matrix) abs(weight)` of blocks"),
        (projections, "of projections"),
    ] {
        let refused = from_file().allocate(&text, &at);
        let Err(SessionError::NoValue { cause, .. }) = refused else { panic!("{refused:?}") };
        assert!(cause.to_string().contains(asked), "{cause}");
    }
    let mut broken = statistics;
    broken.linears.values_mut().next().expect("a linear").damages.clear();
    broken.save(&file).expect("a file");
    let error = Statistics::load(&file, one.checkpoint()).expect_err("a tensor is missing").to_string();
    assert!(error.contains("damage.0.model.layers.0."), "{error}");
}

#[cfg(unix)]
#[test]
fn commands_collect_them_where_a_script_needs_them() {
    let place = Place::new();
    let text =
        "unit projection\nlog(damage) + log(input_kurtosis) + block_change - block_similarity |> scale\n";
    std::fs::write(place.path("m.allot"), text).expect("a script");
    let text = format!("{MODEL}/text/calibration.jsonl");
    let small = ["--length", "32", "--samples", "4"];
    let with = |first: &[&str]| place.allot(&[first, &["--text", &text], &small[..]].concat());
    let evaluated = |command| String::from_utf8_lossy(&place.run(command).stdout).into_owned();
    let collected = with(&["eval", MODEL, "m.allot", "-s", "0.6"]);
    let wanted = evaluated(collected);
    place.run(with(&["prune", MODEL, "m.allot", "-s", "0.6", "--out", "pruned"]));
    let options = ["--damage", "--unit", "projection", "--input-kurtosis", "--block-changes"];
    place.run(with(&[&["stats", MODEL, "-s", "0.6", "--out", "s.safetensors"], &options[..]].concat()));
    let from_file = place.allot(&["eval", MODEL, "m.allot", "-s", "0.6", "--stats", "s.safetensors"]);
    assert_eq!(evaluated(from_file), wanted);
    // Ranks are the same on every processor.
    let ranks = "ranks(damage) + 2 * ranks(input_kurtosis) + 4 * ranks(block_change) |> scale\n";
    std::fs::write(place.path("ranks.allot"), ranks).expect("a script");
    insta::assert_snapshot!(evaluated(with(&["eval", MODEL, "ranks.allot", "-s", "0.6"])));
    let texts = format!("{MODEL}/text");
    let trial = |first: &[&str]| {
        let more = ["--texts", &texts, "--windows", "2", "--report-windows", "2"];
        place.allot(&[first, &more, &small[..]].concat())
    };
    let compared = evaluated(trial(&["compare", MODEL, "m.allot", "-s", "0.6,0.7", "--format", "json"]));
    assert!(compared.contains("\"m\"") && !compared.contains("is needed at"), "{compared}");
    let search = ["search", MODEL, "-s", "0.6", "--damage", "--input-kurtosis", "--block-changes"];
    place.run(trial(&[&search[..], &["--evaluations", "4", "--out", "run"]].concat()));
    let settings = std::fs::read_to_string(place.path("run/settings.json")).expect("settings");
    for op in ["damage", "input_kurtosis", "block_similarity", "block_change"] {
        assert!(settings.contains(&format!("\"{op}\"")), "{op} is offered to formulas: {settings}");
    }
    for refused in [
        with(&["prune", MODEL, "m.allot", "-s", "0.5", "--pattern", "n:4", "--out", "refused"]),
        place.allot(&["eval", MODEL, "m.allot", "-s", "0.7", "--stats", "s.safetensors"]),
        place.allot(&["eval", MODEL, "m.allot", "-s", "0.6", "--unit", "block", "--stats", "s.safetensors"]),
        trial(&["compare", MODEL, "m.allot", "-s", "0.6", "--pattern", "n:4"]),
    ] {
        let output = {
            let mut refused = refused;
            refused.output().expect("the binary runs")
        };
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr).replace(MODEL, "MODEL"));
    }
}
