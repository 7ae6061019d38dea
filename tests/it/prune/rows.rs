//! Rows with their own ratios: which weights are pruned, and which settings do not support them.

use std::path::PathBuf;

use allot::allocate::{Allocation, Rows};
use allot::exchange::{AllocationFile, csv};
use allot::lang::types::UnitKind;
use allot::prune::{Mask, Method, Pattern, Propagation, PruneError, PruneOptions, Rounding, RowObstacle};
use allot::session::{AllocationOptions, Calibration, LoadedScript, Session, SessionError, named_method};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
const ROWS: &str = "unit row\nmean(score, over = inputs) |> scale(lambda = 0.3)";

fn session() -> Session {
    let text: PathBuf = format!("{MODEL}/text/calibration.jsonl").into();
    let calibration = Calibration { samples: 4, length: Some(32), ..Calibration::on(text) };
    Session::open(MODEL).expect("the bundled model").calibrated(calibration)
}

fn allocation(session: &mut Session, text: &str) -> Allocation {
    let script = LoadedScript::check("mine", text.as_bytes(), None).expect("a script");
    session.allocate(&script, &AllocationOptions::at(0.6)).expect("a value").allocation
}

fn masks(
    session: &mut Session,
    allocation: &Allocation,
    options: &PruneOptions<'_>,
) -> Result<Vec<Mask>, Box<SessionError>> {
    let masks = session.masks(allocation, options)?;
    Ok(masks.into_iter().map(|(_, mask)| mask).collect())
}

fn of_rows(mask: &Mask) -> Vec<u32> {
    mask.pruned().chunks(mask.columns()).map(|row| row.iter().map(|it| u32::from(*it)).sum()).collect()
}

#[test]
fn every_method_prunes_the_allocated_count_of_each_row() {
    let mut session = session();
    let allocation = allocation(&mut session, ROWS);
    let by_row = || {
        let score = "metric abs(weight) * input_norm + 0 * sum(abs(weight), over = inputs)";
        LoadedScript::check("mine", score.as_bytes(), None).expect("a metric").method()
    };
    for method in [Method::Wanda, named_method("sparsegpt").expect("published"), by_row()] {
        for propagation in [Propagation::Pruned, Propagation::Dense] {
            let options = PruneOptions { propagation, ..PruneOptions::new(method.clone()) };
            let masks = masks(&mut session, &allocation, &options).expect("masks");
            for (mask, unit) in masks.iter().zip(&allocation.units) {
                let counts = unit.projections[0].rows.as_ref().expect("rows");
                assert_eq!(of_rows(mask), counts.counts(), "{}, {:?}", unit.name, method.kind());
            }
        }
    }
}

/// A ratio for each row, equal within each projection, prunes the same weights as a ratio for each
/// projection.
#[test]
fn equal_rows_prune_the_same_as_their_projection() {
    let mut session = session();
    let of_projections = allocation(&mut session, "unit projection\nlog(mean(score)) |> scale(lambda = 0.2)");
    for text in [
        "unit row\nlog(mean(score)) |> scale(lambda = 0.2)",
        "unit row\nlog(mean(score)) + 0 * sum(score, over = inputs) |> scale(lambda = 0.2)",
    ] {
        let of_rows = allocation(&mut session, text);
        for method in ["wanda", "sparsegpt", "magnitude"] {
            let options = PruneOptions::new(named_method(method).expect("published"));
            let expected = masks(&mut session, &of_projections, &options).expect("masks");
            let found = masks(&mut session, &of_rows, &options).expect("even rows are supported everywhere");
            assert!(found == expected, "{method}, {text}");
        }
    }
}

#[test]
fn settings_that_do_not_support_rows_say_so() {
    let mut session = session();
    let allocation = allocation(&mut session, ROWS);
    let base = || PruneOptions::new(Method::Wanda);
    let refused = [
        (PruneOptions::new(Method::Magnitude), RowObstacle::Matrix),
        (PruneOptions { rounding: Rounding::Reference, ..base() }, RowObstacle::Rounding),
        (
            PruneOptions { pattern: "2:4".parse::<Pattern>().expect("a pattern"), ..base() },
            RowObstacle::Pattern,
        ),
        (
            PruneOptions { pattern: "n:4".parse::<Pattern>().expect("a pattern"), ..base() },
            RowObstacle::Pattern,
        ),
    ];
    for (options, expected) in refused {
        let error = masks(&mut session, &allocation, &options).expect_err("rows are not supported");
        let SessionError::Prune(PruneError::Rows { obstacle }) = &*error else { panic!("{error}") };
        assert_eq!(*obstacle, expected, "{error}");
    }
    let error = csv::write(&allocation).expect_err("a list of modules has no rows");
    assert!(error.to_string().contains("rows of model.layers.0.self_attn.q_proj"), "{error}");
}

#[test]
fn a_file_keeps_the_counts_of_rows_and_detects_changed_ones() {
    let mut session = session();
    let allocation = allocation(&mut session, ROWS);
    let file = AllocationFile::new(&allocation, UnitKind::Row, "mine", None);
    let text = serde_json::to_string(&file).expect("data");
    let read = AllocationFile::read(text.as_bytes()).expect("a file");
    let read = session.allocation_of_file(&read, "mine", None).expect("this model's");
    for (read, unit) in read.units.iter().zip(&allocation.units) {
        assert!(read.projections == unit.projections, "{}", unit.name);
    }
    let counts = allocation.units[0].projections[0].rows.as_ref().expect("rows").counts();
    let listed = |counts: &[u32]| {
        format!("\"rows\":[{}]", counts.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    };
    let mut more = counts.to_vec();
    more[0] += 1;
    let mut full = counts.to_vec();
    full[0] += 1000;
    let short = &counts[1..];
    for (wrong, said) in [
        (more.as_slice(), "do not add up to it"),
        (&full, "row 0 of model.layers.0.self_attn.q_proj loses"),
        (short, "counts for 95 rows"),
    ] {
        let changed = text.replacen(&listed(counts), &listed(wrong), 1);
        assert_ne!(changed, text);
        let error = AllocationFile::read(changed.as_bytes()).expect_err("it contradicts itself");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// A file may be consistent and still belong to other rows.
#[test]
fn counts_of_other_rows_are_refused() {
    let mut session = session();
    let data = session.checkpoint().data().expect("data");
    let mut projections = Rows::of(&data).projections().to_vec();
    drop(data);
    (projections[0].rows, projections[0].columns) = (projections[0].rows * 2, projections[0].columns / 2);
    let rows = Rows::new(projections);
    let mut sparsity = vec![0.5; rows.count()];
    (sparsity[0], sparsity[1]) = (0.25, 0.75);
    let allocation = rows.allocation(0.5, None, &sparsity).expect("an allocation");
    let error = masks(&mut session, &allocation, &PruneOptions::new(Method::Wanda)).expect_err("other rows");
    assert!(matches!(&*error, SessionError::Prune(PruneError::RowCounts { .. })), "{error}");
}

/// If a row may lose its least important weights instead of a fixed part of each block of columns, its output
/// changes less.
#[test]
fn sparsegpt_chooses_the_weights_of_a_row_over_all_columns() {
    let mut session = session();
    let allocation = allocation(&mut session, ROWS);
    let options = PruneOptions::new(named_method("sparsegpt").expect("published"));
    let masks = masks(&mut session, &allocation, &options).expect("masks");
    // The projection with the most columns: more than one block of 128.
    let wide = masks.iter().max_by_key(|mask| mask.columns()).expect("masks");
    assert!(wide.columns() > 128);
    let uneven = wide.pruned().chunks(wide.columns()).filter(|row| {
        let of_first = row[..128].iter().filter(|it| **it).count() * wide.columns();
        let of_all = row.iter().filter(|it| **it).count() * 128;
        of_first.abs_diff(of_all) > 8 * wide.columns()
    });
    assert!(uneven.count() > 0, "no row loses a different share of the first block than of the others");
}
