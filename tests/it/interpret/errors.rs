//! A value that is not finite is reported with the deepest expression, its unit, and the values it was computed from.

use allot::data::{ModelData, Values};
use allot::interpret::error::InterpretError;
use allot::interpret::evaluate::{Scores, evaluate, removed_by_threshold};
use allot::lang::render::render;
use allot::lang::types::UnitKind;

use crate::support::models::{Stored, context, evaluate_all, importance, matrix, model, script, wanda};

fn sample() -> ModelData<'static> {
    model(3, &[(4, 6), (5, 8)], Stored::F32, 5)
}

/// Evaluates a script that must fail, and returns the diagnostic.
fn report(source: &str, model: &ModelData<'_>) -> String {
    let script = script(source);
    let standard = wanda();
    let metric = script.metric.as_ref().map_or(&standard, |metric| &metric.score);
    let expr = script.allocator().and_then(|allocator| allocator.importance).expect("an importance");
    let context = context(model, UnitKind::Block, metric);
    let error = evaluate(&[expr], context).remove(0).expect_err("an error");
    render(&[error.diagnostic()], "test.allot", source, false)
}

#[test]
fn errors_say_where_and_from_what() {
    let mut model = sample();
    let mut reports = Vec::new();
    for source in [
        "mean(exp(1e4 * score)) |> scale",
        "let huge = exp(1e6 * mean(score))\nlog(huge) |> scale",
        "metric exp(weight * 1e5)\nmean(score) |> scale",
        "mean(exp(1e5 * input_norm) * weight) |> scale",
        "mean(sum(score, over = outputs) / (input_norm - input_norm) + exp(1e3 / input_norm)) |> scale",
        "unit projection\nfan_in |> scale",
        "mean(weight * 1e300) |> scale",
        "mean(score / 1e-300) |> scale",
    ] {
        reports.push(report(source, &model));
    }
    model.linears[3].weight = Values::F32({
        let mut weight = vec![0.5; 40];
        weight[11] = f32::NAN;
        weight.into()
    });
    reports.push(report("std(score) |> scale", &model));
    reports.push(report("median(score) |> scale", &model));
    reports.push(report("mean(ranks(score)) |> scale", &model));
    reports.push(report("spectral_norm(weight) |> scale", &model));
    model.linears[2].second_moment = None;
    model.linears[2].gradient = None;
    reports.push(report("std(score) |> scale", &model));
    reports.push(report("mean(gradient) |> scale", &model));
    model.linears[2].second_moment = Some(vec![1.0; 5].into());
    reports.push(report("max(input_norm) |> scale", &model));
    model.linears.clear();
    reports.push(report("mean(score) |> scale", &model));
    insta::assert_snapshot!(reports.join("\n"));
}

#[test]
fn each_expression_fails_on_its_own() {
    let mut model = sample();
    model.linears[1].gradient = None;
    // The same overflow in two scripts, at two places.
    let texts = [
        "mean(gradient)",
        "mean(exp(1e4 * score))",
        "mean(score)",
        "1 + mean(exp(1e4 * score))",
        "dsa::sanitize(mean(exp(1e4 * score)))",
    ];
    let expressions: Vec<_> = texts.iter().map(|text| importance(text)).collect();
    let results = evaluate_all(&expressions, &model, UnitKind::Block);
    assert!(matches!(results[0], Err(InterpretError::NotCollected { .. })));
    assert!(results[2].is_ok());
    assert!(results[4].is_ok());
    let place = |result: &Result<_, InterpretError>| match result {
        Err(InterpretError::NotFinite(found)) => {
            (found.expression.clone(), found.span.map(|span| span.start))
        }
        _ => panic!("not finite"),
    };
    assert_eq!(place(&results[1]), ("exp(10000 * score)".to_owned(), Some(5)));
    assert_eq!(place(&results[3]), ("exp(10000 * score)".to_owned(), Some(9)));
}

#[test]
fn errors_do_not_blame_sanitised_values() {
    let model = sample();
    // The logarithm of a negative weight is NaN, but sanitised; the exponential is infinite, and not sanitised.
    let error = evaluate_all(
        &[importance("mean(exp(1e6 + dsa::sanitize(dsa::ln(weight))))")],
        &model,
        UnitKind::Block,
    );
    let Err(InterpretError::NotFinite(found)) = &error[0] else { panic!("{error:?}") };
    assert_eq!(found.expression, "exp(1000000 + dsa::sanitize(dsa::ln(weight)))");
}

#[test]
fn thresholds_and_scores_fail_with_the_place() {
    let mut model = sample();
    model.linears[4].weight = Values::F32(vec![f32::NAN; 24].into());
    let (metric, expr) = (wanda(), matrix("abs(weight)"));
    let context = context(&model, UnitKind::Projection, &metric);
    let Err(InterpretError::NotFinite(found)) = removed_by_threshold(&expr, context, 10) else {
        panic!("no error")
    };
    assert_eq!(found.weight, Some(("blocks.2.linear_0".to_owned(), 0, 0)));
    assert_eq!(found.expression, "weight");
    let scores = Scores::new(&expr, context).expect("nothing to reduce");
    assert!(scores.linear(3).is_ok());
    assert!(matches!(scores.linear(4), Err(InterpretError::NotFinite(_))));
    assert!(scores.linear(99).is_err());
}

#[test]
fn a_threshold_removes_as_many_as_asked() {
    let model = model(3, &[(40, 60), (50, 8)], Stored::Bf16, 8);
    let (metric, expr) = (wanda(), matrix("abs(weight)"));
    let context = context(&model, UnitKind::Projection, &metric);
    let mut all: Vec<(f32, usize)> = Vec::new();
    for (index, linear) in model.linears.iter().enumerate() {
        all.extend((0..linear.weight.len()).map(|place| (linear.weight.get(place).abs(), index)));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    for count in [0, 1, 1000, all.len() / 2, all.len() - 1, all.len(), all.len() + 9] {
        let mut expected = vec![0; model.linears.len()];
        all.iter().take(count).for_each(|(_, linear)| expected[*linear] += 1);
        let removed = removed_by_threshold(&expr, context, count as u64).expect("counts");
        assert_eq!(removed, expected, "{count}");
    }
}
