//! `marginal` and `marginal_slope`: their definition, where they may be used, and when they are noise.

use allot::allocate::script::Note as AllocationNote;
use allot::data::{Marginal, ModelData};
use allot::interpret::context::Context;
use allot::interpret::evaluate::evaluate;
use allot::interpret::matrix::Processor;
use allot::interpret::measured::metric_name;
use allot::lang::ops::Op;
use allot::lang::types::{Group, UnitKind};
use allot::prune::Method;
use allot::results::Reductions;
use allot::session::{AllocationOptions, Needs, Note, Session, SessionError};
use allot::stats::Statistics;

use crate::support::calibrated::{self, calibration, importances, noting, script};
use crate::support::models::{Stored, evaluate_one, importance, matrix, model};
use crate::support::place::{MODEL, Place};

const LENGTH: usize = 64;

fn session() -> Session {
    calibrated::session(LENGTH)
}

/// The statistic equals the result of `eval --marginals` for uniform sparsity on the same windows, pooled by
/// weights.
#[test]
fn marginals_belong_to_the_uniformly_pruned_model() {
    let at = AllocationOptions::at(0.7);
    let mut one = session();
    let uniform = one.allocate(&script("unit projection\nuniform()"), &at).expect("uniform").allocation;
    let tokens = calibration(LENGTH).draw(one.checkpoint()).expect("windows");
    let wanted = one.flatness(&uniform, UnitKind::Projection, &Method::Wanda, tokens).expect("marginals");
    let found = importances(&mut one, "unit projection\nmarginal |> scale", &at);
    assert_eq!(found.len(), 84);
    for (found, wanted) in found.iter().zip(&wanted.units) {
        let wanted = wanted.marginal / 1e6;
        assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1e-12), "{found} and {wanted}");
    }
    let weights: Vec<f64> =
        one.checkpoint().linears().iter().map(|it| (it.rows * it.columns) as f64).collect();
    let of_blocks = importances(&mut one, "marginal |> scale", &at);
    for (block, found) in of_blocks.iter().enumerate() {
        let mut sums = (0.0, 0.0);
        for (place, linear) in one.checkpoint().linears().iter().enumerate() {
            if linear.block == block {
                sums.0 += weights[place] * wanted.units[place].marginal / 1e6;
                sums.1 += weights[place];
            }
        }
        assert!((found / (sums.0 / sums.1) - 1.0).abs() < 1e-9, "block {block}");
    }
}

#[test]
fn the_slope_is_the_marginals_change_from_one_sparsity_to_the_next() {
    let text = "unit projection\nmarginal |> scale";
    let here = importances(&mut session(), text, &AllocationOptions::at(0.6));
    let beyond = importances(&mut session(), text, &AllocationOptions::at(0.65));
    let mut one = session();
    let slopes =
        importances(&mut one, "unit projection\nmarginal_slope |> scale", &AllocationOptions::at(0.6));
    let size = slopes.iter().map(|it| it.abs()).fold(0.0, f64::max);
    for (slope, (here, beyond)) in slopes.iter().zip(here.iter().zip(&beyond)) {
        assert!((slope - (beyond - here) / 0.05).abs() < 1e-6 * size);
    }
    assert!(size > 0.0);
    // A measurement with a slope also contains the marginal itself.
    assert_eq!(importances(&mut one, text, &AllocationOptions::at(0.6)), here);
}

#[test]
fn each_sparsity_and_metric_has_its_own_marginals_measured_once() {
    let (mut one, notes) = noting(session());
    let magnitude = AllocationOptions { method: &Method::Magnitude, ..AllocationOptions::at(0.6) };
    for at in [AllocationOptions::at(0.6), AllocationOptions::at(0.7), magnitude, AllocationOptions::at(0.6)]
    {
        let text = "log(marginal) + mean(score) |> scale";
        assert_eq!(importances(&mut one, text, &at), importances(&mut session(), text, &at));
    }
    assert_eq!(*notes.lock().expect("no test panics with it"), [Op::Marginal; 3]);
}

#[test]
fn a_file_of_another_sparsity_or_metric_is_refused_by_name() {
    let place = Place::new();
    let file = place.path("s.safetensors");
    let mut one = session();
    let text = script("log(marginal) |> scale");
    let outcome = one.allocate(&text, &AllocationOptions::at(0.6)).expect("a value");
    let statistics = one.statistics(&Needs::default()).expect("statistics").expect("collected").clone();
    statistics.save(&file).expect("a file");
    let from_file = || Session::open(MODEL).expect("a model").with_statistics(&file).expect("the file");
    assert_eq!(from_file().allocate(&text, &AllocationOptions::at(0.6)).expect("a value"), outcome);
    let read = Statistics::load(&file, one.checkpoint()).expect("the file");
    assert_eq!(read.provenance, statistics.provenance);
    let magnitude = AllocationOptions { method: &Method::Magnitude, ..AllocationOptions::at(0.6) };
    for (text, at, asked) in [
        (&text, AllocationOptions::at(0.7), "sparsity 0.7 by `metric(per = row) abs(weight) * input_norm`"),
        (&text, magnitude, "sparsity 0.6 by `metric(per = matrix) abs(weight)`"),
        (&script("marginal_slope |> scale"), AllocationOptions::at(0.6), "`marginal_slope`"),
    ] {
        let refused = from_file().allocate(text, &at);
        let Err(SessionError::NoValue { cause, .. }) = refused else { panic!("{refused:?}") };
        assert!(cause.to_string().contains(asked), "{cause}");
    }
    // A file that lacks a tensor listed in its provenance is not a statistics file.
    let mut broken = statistics;
    broken.linears.values_mut().next().expect("a linear").marginals.clear();
    broken.save(&file).expect("a file");
    let error = Statistics::load(&file, one.checkpoint()).expect_err("a tensor is missing").to_string();
    assert!(error.contains("marginal.0.model.layers.0."), "{error}");
}

/// Returns a model whose marginals on `windows` windows scatter around a unit's own value by `noise`.
fn noisy(windows: usize, noise: f64) -> ModelData<'static> {
    let mut model = model(6, &[(3, 4), (5, 2)], Stored::F32, 11);
    for (place, linear) in model.linears.iter_mut().enumerate() {
        let around = |window: usize| 1.0 + place as f64 + noise * [1.0, -1.0][window % 2];
        linear.marginals =
            vec![Marginal { windows: (0..windows).map(around).collect(), ..linear.marginals[0].clone() }];
    }
    model
}

#[test]
fn a_formula_that_amplifies_the_sampling_error_is_detected() {
    let uncertain = |text: &str, model: &ModelData<'_>| {
        evaluate_one(text, model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}")).uncertain
    };
    let model = noisy(16, 1.0);
    for sound in ["log(marginal)", "marginal + mean(score)", "ranks(marginal)"] {
        assert!(!uncertain(sound, &model), "{sound}");
    }
    // Wrapped around many times.
    for wild in ["sin(40 * marginal)", "exp(30 * sin(3 * marginal))"] {
        assert!(uncertain(wild, &model), "{wild}");
    }
    assert!(!uncertain("mean(score)", &model), "it has no marginal");
    assert!(uncertain("log(marginal)", &noisy(1, 0.0)), "the error of one window is unknown");
    assert!(uncertain("log(marginal)", &noisy(4, 50.0)), "the marginals themselves are noise");
    assert!(!uncertain("0 * marginal", &model), "all are equal");
}

#[test]
fn an_uncertain_allocation_is_warned_of() {
    let outcome = session().allocate(&script("sin(1e9 * marginal) |> scale"), &AllocationOptions::at(0.6));
    let notes = outcome.expect("a value").notes;
    assert_eq!(notes, [AllocationNote::Uncertain]);
    assert!(Note::Allocation(AllocationNote::Uncertain).is_warning());
    insta::assert_snapshot!(AllocationNote::Uncertain.to_string());
}

/// A reduction that contains a marginal belongs to one sparsity and metric, and is stored under them.
#[test]
fn stored_reductions_belong_to_their_metric_and_target() {
    let mut model = model(2, &[(3, 4)], Stored::F32, 5);
    let (wanda, magnitude) = (matrix("score"), matrix("abs(weight)"));
    for linear in &mut model.linears {
        let own = linear.marginals[0].clone();
        let doubled: Vec<f64> = own.windows.iter().map(|it| 2.0 * it).collect();
        let name = metric_name(&magnitude, Group::Row);
        let other = Marginal { metric: name.into(), windows: doubled.into(), ..own.clone() };
        let later = Marginal { sparsity: 0.7, windows: vec![3.0; 4].into(), ..own };
        linear.marginals.extend([other, later]);
    }
    let expr = importance("mean(abs(weight) * marginal)");
    let reductions = Reductions::new();
    let at = |metric, target, reductions| {
        let (model, unit, per) = (&model, UnitKind::Block, Group::Row);
        let context = Context { model, unit, metric, per, target, reductions, backend: &Processor };
        evaluate(&[&expr], context).remove(0).expect("a value").values
    };
    for (metric, target) in [(&wanda, 0.6), (&magnitude, 0.6), (&wanda, 0.7), (&wanda, 0.6)] {
        assert_eq!(at(metric, target, Some(&reductions)), at(metric, target, None));
    }
    assert_ne!(at(&wanda, 0.6, None), at(&magnitude, 0.6, None));
}

#[cfg(unix)]
#[test]
fn commands_measure_marginals_where_a_script_needs_them() {
    let place = Place::new();
    std::fs::write(place.path("m.allot"), "unit projection\nlog(marginal) |> scale\n").expect("a script");
    let text = format!("{MODEL}/text/calibration.jsonl");
    let small = ["--length", "32", "--samples", "4"];
    let with = |first: &[&str]| place.allot(&[first, &["--text", &text], &small[..]].concat());
    place.run(with(&["eval", MODEL, "m.allot", "-s", "0.6"]));
    place.run(with(&["prune", MODEL, "m.allot", "-s", "0.6", "--out", "pruned"]));
    place.run(with(&["stats", MODEL, "--reductions", "m.allot", "-s", "0.6", "--out", "s.safetensors"]));
    place.run(place.allot(&["eval", MODEL, "m.allot", "-s", "0.6", "--stats", "s.safetensors"]));
    place.run(with(&[
        "stats",
        MODEL,
        "--marginals",
        "--marginal-slopes",
        "-s",
        "0.6",
        "--out",
        "m.safetensors",
    ]));
    place.run(place.allot(&["eval", MODEL, "m.allot", "-s", "0.6", "--stats", "m.safetensors"]));
    let texts = format!("{MODEL}/text");
    let trial = |first: &[&str]| {
        let more = ["--texts", &texts, "--windows", "2", "--report-windows", "2"];
        place.allot(&[first, &more, &small[..]].concat())
    };
    let compared = trial(&["compare", MODEL, "m.allot", "-s", "0.6,0.7", "--format", "json"]);
    let compared = String::from_utf8_lossy(&place.run(compared).stdout).into_owned();
    // At every sparsity.
    assert!(compared.contains("\"m\"") && !compared.contains("is needed at"), "{compared}");
    place.run(trial(&["search", MODEL, "-s", "0.6", "--marginals", "--evaluations", "4", "--out", "run"]));
    for refused in [
        with(&["eval", MODEL, "m.allot", "-s", "0"]),
        with(&["prune", MODEL, "m.allot", "-s", "0.5", "--pattern", "n:4", "--out", "refused"]),
        place.allot(&["eval", MODEL, "m.allot", "-s", "0.7", "--stats", "s.safetensors"]),
        trial(&["compare", MODEL, "m.allot", "-s", "0.6", "--pattern", "n:4"]),
    ] {
        let output = {
            let mut refused = refused;
            refused.output().expect("the binary runs")
        };
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr).replace(MODEL, "MODEL"));
    }
    assert!(!place.path("refused").exists());
}
