//! Prints the ratios of a script on a model.
//!
//!     cargo run --release --example ratios -- MODEL TEXT SCRIPT SPARSITY
//!
//! Without arguments it evaluates OWL on the bundled model at 70 %.

use std::error::Error;

use allot::session::{AllocationOptions, Calibration, LoadedScript, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |place: usize, default: &str| arguments.get(place).map_or(default, |it| it).to_owned();
    let model = argument(0, "examples/tiny-stories-12l");
    let text = argument(1, "examples/tiny-stories-12l/text/calibration.jsonl");
    let script = LoadedScript::open(&argument(2, "owl"))?;
    let sparsity: f64 = argument(3, "0.7").parse()?;

    // Statistics are collected on the text when the script needs them.
    let calibration = Calibration { samples: 16, length: Some(128), ..Calibration::on(text) };
    let mut session = Session::open(model)?.calibrated(calibration);
    let outcome = session.allocate(&script, &AllocationOptions::at(sparsity))?;
    for unit in &outcome.allocation.units {
        println!("{:<10} {:.4}", unit.name, unit.achieved());
    }
    println!("{:<10} {:.4}", "all", outcome.allocation.achieved());
    Ok(())
}
