//! Marginals compared with PyTorch's gradients (`tests/reference/gradients.py`), and with the true loss when
//! a budget moves.

use std::sync::Arc;

use allot::lang::check::{CheckOptions, check};
use allot::measure::SlopeOf;
use allot::model::Checkpoint;
use allot::prune::{Method, Pattern, Share};
use allot::stats::{Source, Tokens, calibrate};
use allot::trial::band::{Band, BandSum};
use allot::trial::cancel::Cancel;
use allot::trial::measurer::{LossTask, PrunedModel, ThresholdTask, WindowThresholds, ask};
use allot::trial::subject::Subject;
use allot::trial::subjects::Subjects;
use allot::trial::text::{Split, Texts};
use allot::trial::threads::Threads;
use candle_core::Device;
use serde_json::Value;

use crate::support::data::bundled;

const EXPECTED: &str = include_str!("../../reference/gradients.json");

/// Returns windows of ids that follow a rule instead of a text, so that another program can make them too.
fn ids(windows: usize, length: usize) -> Tokens {
    let ids = (0..(windows * length) as u32).map(|id| id * 7 % 2048).collect();
    Tokens::new(ids, length).expect("whole windows")
}

fn measurer(checkpoint: &Checkpoint, method: &Method, tokens: Tokens) -> Threads {
    let statistics = calibrate(checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).expect("statistics");
    let texts = Texts { fitness: tokens, selection: None, report: None };
    let cancel = Cancel::default();
    let subject = Subject::new(checkpoint, Some(statistics), method, Pattern::Unstructured, &texts, &cancel);
    Threads::new(Arc::new(Subjects::from(subject.expect("a subject"))), cancel)
}

/// Returns magnitudes compared within rows, as in the reference script; `magnitude` compares them within
/// matrices.
fn by_row() -> Method {
    let script = check("metric(per = row) abs(weight)", CheckOptions::default()).script;
    Method::Metric(script.and_then(|it| it.metric).expect("a metric"))
}

/// Returns shares that take the same whole number of weights from each row.
fn by_whole_rows(checkpoint: &Checkpoint, ratio: f64) -> Vec<Share> {
    let linears = checkpoint.linears().iter();
    linears
        .map(|it| {
            let pruned = (it.rows * (ratio * it.columns as f64) as usize) as u64;
            Share { sparsity: pruned as f64 / (it.rows * it.columns) as f64, pruned, group: None, rows: None }
        })
        .collect()
}

fn thresholds(
    measurer: &Threads,
    shares: &[Share],
    windows: usize,
    band: Band,
    rows: bool,
) -> Vec<WindowThresholds> {
    let task = ThresholdTask {
        model: PrunedModel { subject: 0, shares: shares.to_vec() },
        split: Split::Fitness,
        windows: (0..windows).collect(),
        of: SlopeOf::Divergence,
        band,
        rows,
    };
    ask(measurer, [task]).expect("the model runs").remove(0)
}

/// Returns the distance of sums from the expected ones, as a share of the latter's size.
fn error(found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let size = (wanted.iter().map(|it| it * it).sum::<f64>() / wanted.len() as f64).sqrt();
    found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

#[test]
fn marginals_match_those_of_pytorch() {
    let expected: Value = serde_json::from_str(EXPECTED).expect("JSON");
    let checkpoint = Checkpoint::open(bundled()).expect("the bundled model opens");
    let length = expected["length"].as_u64().expect("a length") as usize;
    let wanted = expected["windows"].as_array().expect("windows");
    let measurer = measurer(&checkpoint, &by_row(), ids(wanted.len(), length));
    let shares = by_whole_rows(&checkpoint, 0.7);
    let of_linears = thresholds(&measurer, &shares, wanted.len(), Band::default(), false);
    let of_rows = thresholds(&measurer, &shares, wanted.len(), Band::default(), true);
    for ((wanted, linears), rows) in wanted.iter().zip(&of_linears).zip(&of_rows) {
        let kl = wanted["kl"].as_f64().expect("a number");
        assert!((linears.loss.kl / kl - 1.0).abs() < 1e-5, "{} for {kl}", linears.loss.kl);
        let names = || checkpoint.linears().iter().map(|it| it.module.as_str());
        let number = |name: &str| wanted["linears"][name].as_f64().unwrap_or_else(|| panic!("{name}"));
        let found: Vec<f64> = linears.sums.iter().map(|it| it[0].sum).collect();
        let far = error(&found, &names().map(number).collect::<Vec<_>>());
        assert!(far < 1e-4, "linears are {far} off");
        for (name, found) in names().zip(&rows.sums) {
            let total: u64 = found.iter().map(|it| it.weights).sum();
            assert!(total > 0 && found.iter().all(|it| it.weights == found[0].weights), "{name}");
            let Some(wanted) = wanted["rows"][name].as_array() else { continue };
            let wanted: Vec<f64> = wanted.iter().filter_map(Value::as_f64).collect();
            let far = error(&found.iter().map(|it| it.sum).collect::<Vec<_>>(), &wanted);
            assert!(far < 1e-4, "rows of {name} are {far} off");
        }
        // The sums of a linear's rows add up to the linear's sum.
        for (rows, linear) in rows.sums.iter().zip(&linears.sums) {
            let together = rows.iter().fold(BandSum::default(), |all, it| BandSum {
                sum: all.sum + it.sum,
                weights: all.weights + it.weights,
            });
            assert_eq!(together, linear[0]);
        }
    }
}

#[test]
fn the_first_order_change_matches_the_loss_when_a_budget_moves_by_a_percent() {
    const WINDOWS: usize = 16;
    const STEP: f64 = 0.01;
    let checkpoint = Checkpoint::open(bundled()).expect("the bundled model opens");
    // On ids that are not a text, the loss is too curved for moving a percent of a projection.
    let text = Source::Text(vec![bundled().join("text/fitness.jsonl")]);
    let tokens = text.windows(&checkpoint, Some(128), Some(WINDOWS)).expect("the bundled text");
    let measurer = measurer(&checkpoint, &Method::Wanda, tokens);
    let linears = checkpoint.linears();
    let share = |place: usize, ratio: f64| {
        let all = (linears[place].rows * linears[place].columns) as f64;
        Share { sparsity: ratio, pruned: (ratio * all).round() as u64, group: None, rows: None }
    };
    let uniform: Vec<Share> = (0..linears.len()).map(|place| share(place, 0.6)).collect();
    // The band holds the weights between both budgets.
    let windows = thresholds(&measurer, &uniform, WINDOWS, Band { share: STEP, least: 1 }, false);
    let moved: Vec<usize> = (0..linears.len()).step_by(5).collect();
    let models = moved.iter().flat_map(|place| {
        [STEP, -STEP].map(|step| {
            let mut shares = uniform.clone();
            shares[*place] = share(*place, 0.6 + step);
            PrunedModel { subject: 0, shares }
        })
    });
    let tasks = models.map(|model| LossTask { model, split: Split::Fitness, windows: 0..WINDOWS });
    let losses: Vec<f64> = ask(&measurer, tasks)
        .expect("the model runs")
        .iter()
        .map(|windows| windows.iter().map(|it| it.kl).sum::<f64>() / WINDOWS as f64)
        .collect();
    let true_changes: Vec<f64> = losses.chunks_exact(2).map(|pair| pair[0] - pair[1]).collect();
    let first_order: Vec<f64> = moved
        .iter()
        .map(|place| {
            let sums = windows.iter().map(|it| it.sums[*place][0]);
            let mean = sums.map(|it| it.sum / it.weights as f64).sum::<f64>() / WINDOWS as f64;
            mean * 2.0 * STEP * (linears[*place].rows * linears[*place].columns) as f64
        })
        .collect();
    // The pruned and the restored weights are not the same, so their second-order terms differ in single
    // projections; overall, the two agree.
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [xx, xy, yy] = [
        sum(&first_order, &first_order),
        sum(&first_order, &true_changes),
        sum(&true_changes, &true_changes),
    ];
    let (alike, slope) = (xy / (xx * yy).sqrt(), xy / xx);
    println!("first order and the loss: cosine {alike:.4}, slope {slope:.4}");
    assert!(alike > 0.9, "{alike}: {first_order:?} for {true_changes:?}");
    assert!((0.8..1.25).contains(&slope), "{slope}: {first_order:?} for {true_changes:?}");
    // A weight's own second-order term cancels between the two sides of the threshold; a band on one side
    // only would keep it.
    assert!(true_changes.iter().any(|it| it.abs() > 1e-3), "{true_changes:?}");
}
