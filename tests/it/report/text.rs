//! Tables, figures and numbers as readers see them.

use allot::allocate::{
    Allocation, Bounds, Projection, Proposal, Unit, budget, proportional, ramp, scale, uniform,
};
use allot::report::number::{bytes, grouped, percent, shortened, significant};
use allot::report::{TableOptions, allocation_figure, allocation_table};

const PARTS: [(&str, u64); 7] = [
    ("self_attn.q_proj", 768 * 768),
    ("self_attn.k_proj", 256 * 768),
    ("self_attn.v_proj", 256 * 768),
    ("self_attn.o_proj", 768 * 768),
    ("mlp.gate_proj", 2048 * 768),
    ("mlp.up_proj", 2048 * 768),
    ("mlp.down_proj", 2048 * 768),
];

fn block(index: usize) -> Vec<Projection> {
    let module = |(part, parameters): &(&str, u64)| Projection {
        name: format!("model.layers.{index}.{part}"),
        parameters: *parameters,
    };
    PARTS.iter().map(module).collect()
}

fn blocks(count: usize) -> Vec<Unit> {
    let unit = |index| Unit { name: format!("block {index}"), projections: block(index) };
    (0..count).map(unit).collect()
}

fn projections(blocks: usize) -> Vec<Unit> {
    let unit = |projection: Projection| Unit { name: projection.name.clone(), projections: vec![projection] };
    (0..blocks).flat_map(block).map(unit).collect()
}

fn sizes(units: &[Unit]) -> Vec<u64> {
    units.iter().map(Unit::parameters).collect()
}

/// The first blocks matter most, with a bump; deterministic.
fn importances(count: usize) -> Vec<f64> {
    let value = |index: usize| {
        let depth = index as f64 / count.max(2) as f64;
        0.02 * (1.3 - depth) + 0.004 * (9.0 * depth).sin() + 0.001 * (index * 7 % 5) as f64
    };
    (0..count).map(value).collect()
}

fn allocate(units: &[Unit], importances: Option<&[f64]>, proposal: &Proposal) -> Allocation {
    let sparsity = budget(proposal, &sizes(units), 0.7, Bounds::default()).unwrap();
    Allocation::new(0.7, units, importances, &sparsity).unwrap()
}

fn scaled(units: &[Unit], importances: &[f64]) -> Allocation {
    let proposal = scale(importances, &sizes(units), 0.7, 0.15).unwrap();
    allocate(units, Some(importances), &proposal)
}

#[test]
fn table_of_blocks() {
    let allocation = scaled(&blocks(12), &importances(12));
    insta::assert_snapshot!(allocation_table(&allocation, &TableOptions::default()));
}

#[test]
fn table_of_projections_narrow_and_ascii() {
    let units = projections(2);
    let allocation = scaled(&units, &importances(14));
    let options = TableOptions { width: 60, ascii: true, ..TableOptions::default() };
    let table = allocation_table(&allocation, &options);
    assert!(table.is_ascii());
    insta::assert_snapshot!(table);
}

#[test]
fn table_without_importances_and_with_noise() {
    let units = blocks(3);
    let mut allocation = allocate(&units, None, &uniform(3, 0.7).unwrap());
    allocation.noise = true;
    insta::assert_snapshot!(allocation_table(&allocation, &TableOptions::default()));
}

#[test]
fn tables_keep_to_the_width() {
    for units in [blocks(40), projections(3)] {
        let allocation = scaled(&units, &importances(units.len()));
        for width in 50..200 {
            for ascii in [false, true] {
                let options = TableOptions { width, ascii, color: false };
                let table = allocation_table(&allocation, &options);
                let widest = table.lines().map(|line| line.chars().count()).max();
                assert!(widest <= Some(width), "{widest:?} over {width}:\n{table}");
            }
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let allocation = scaled(&blocks(4), &importances(4));
    let plain = allocation_table(&allocation, &TableOptions::default());
    let options = TableOptions { color: true, ..TableOptions::default() };
    let mut stripped = String::new();
    let mut escape = false;
    for character in allocation_table(&allocation, &options).chars() {
        match character {
            '\u{1b}' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            _ => stripped.push(character),
        }
    }
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&stripped), trimmed(&plain));
    assert!(!plain.contains('\u{1b}'));
}

#[test]
fn figure_of_four_blocks() {
    let allocation = scaled(&blocks(4), &importances(4));
    insta::assert_snapshot!(allocation_figure(&allocation, "mean(score) |> scale"));
}

/// Returns figures for every shape of model and importances that must work, each with a name. Set
/// `ALLOT_FIGURES` to a folder to look at them.
fn figures() -> Vec<(&'static str, String)> {
    let one = blocks(1);
    let twelve = blocks(12);
    let many = projections(12);
    let hundreds = projections(43);
    let logarithms: Vec<f64> = importances(12).iter().map(|value| value.ln() - 1.0).collect();
    let signed: Vec<f64> = importances(12).iter().map(|value| (value - 0.015) * 1e-7).collect();
    let close: Vec<f64> = importances(12).iter().map(|value| 12.3 + 0.03 * value).collect();
    let huge: Vec<f64> = importances(12).iter().map(|value| value * 1e300).collect();
    let positions: Vec<f64> = (0..32).map(f64::from).collect();
    let by_size: Vec<f64> = sizes(&many).iter().map(|&size| 1.0 / (size as f64).sqrt()).collect();
    let proportional = proportional(&by_size, &sizes(&many), 0.7).unwrap();
    vec![
        ("one", allocation_figure(&scaled(&one, &[0.3]), "One block")),
        (
            "twelve",
            allocation_figure(
                &scaled(&twelve, &importances(12)),
                "mean(score > 5 * mean(score)) |> scale(lambda = 0.15)",
            ),
        ),
        ("eighty_four", allocation_figure(&scaled(&many, &importances(84)), "84 projections")),
        ("proportional", allocation_figure(&allocate(&many, Some(&by_size), &proportional), "Erdős–Rényi")),
        ("hundreds", allocation_figure(&scaled(&hundreds, &importances(301)), "301 projections")),
        ("equal", allocation_figure(&scaled(&twelve, &[0.25; 12]), "Equal importances")),
        ("zero", allocation_figure(&scaled(&twelve, &[0.0; 12]), "Importances of zero")),
        ("negative", allocation_figure(&scaled(&twelve, &logarithms), "Negative <importances> & \"markup\"")),
        ("signed", allocation_figure(&scaled(&twelve, &signed), "Importances of both signs")),
        ("huge", allocation_figure(&scaled(&twelve, &huge), "Huge importances")),
        ("close", allocation_figure(&scaled(&twelve, &close), "Importances close together")),
        ("tiny", allocation_figure(&scaled(&twelve, &[5e-324; 12]), "Tiny importances")),
        (
            "none",
            allocation_figure(
                &allocate(&blocks(32), None, &ramp(&positions, 0.7, 0.01).unwrap()),
                "ramp(beta = 0.01)",
            ),
        ),
    ]
}

#[test]
fn figures_are_well_formed() {
    for (name, svg) in figures() {
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}:\n{svg}");
        assert!(svg.matches("<svg").count() == 1 && svg.ends_with("</svg>\n"), "{name}");
        assert!(!svg.contains("<importances>"), "{name} is not escaped");
        if let Some(folder) = std::env::var_os("ALLOT_FIGURES") {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.svg")), svg).unwrap();
        }
    }
}

#[test]
fn an_empty_allocation_is_an_empty_page() {
    let empty = Allocation { target: 0.7, noise: false, units: Vec::new() };
    assert!(allocation_figure(&empty, "nothing").ends_with("</svg>\n"));
    assert!(allocation_table(&empty, &TableOptions::default()).contains("target 70.00%"));
}

#[test]
fn numbers_as_text() {
    assert_eq!(
        [0, 7, 999, 1000, 6_476_005_376, u64::MAX].map(grouped),
        ["0", "7", "999", "1,000", "6,476,005,376", "18,446,744,073,709,551,615"]
    );
    let numbers = [
        0.0,
        -0.0,
        1.0,
        0.05,
        -12.3456,
        9.99996,
        0.00099,
        0.000999996,
        123_456.7,
        1e6,
        2.5e-12,
        -1e300,
        f64::NAN,
        f64::NEG_INFINITY,
    ];
    assert_eq!(
        numbers.map(|number| significant(number, 4)),
        [
            "0",
            "0",
            "1.000",
            "0.05000",
            "-12.35",
            "10.00",
            "9.900e-4",
            "0.001000",
            "123457",
            "1.000e6",
            "2.500e-12",
            "-1.000e300",
            "NaN",
            "-inf",
        ]
    );
    assert_eq!(percent(0.7, 2), "70.00%");
    assert_eq!(
        [0, 1023, 1024, 1536, 1_048_575, 14_484_000_000, u64::MAX].map(bytes),
        ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "13.5 GiB", "16.0 EiB"]
    );
    assert_eq!(shortened("0.self_attn.q_proj", 12, "…"), "0.sel…q_proj");
    assert_eq!(shortened("block 0", 12, "…"), "block 0");
    assert_eq!(shortened("block", 1, ".."), ".");
}
