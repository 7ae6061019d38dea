//! Prunes a model by a script into a folder that loads in transformers, and measures what that costs.
//!
//!     cargo run --release --example pruned_folder -- FOLDER
//!
//! Prunes the bundled model to 60 % with OWL's ratios and Wanda's metric.

use std::error::Error;

use allot::prune::PruneOptions;
use allot::session::{AllocationOptions, Calibration, LoadedScript, Session};
use allot::stats::Source;

const MODEL: &str = "examples/tiny-stories-12l";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "pruned".to_owned());
    let text = format!("{MODEL}/text/calibration.jsonl");
    let calibration = Calibration { samples: 16, length: Some(128), ..Calibration::on(text) };
    let mut session = Session::open(MODEL)?.calibrated(calibration);

    let script = LoadedScript::published("owl")?;
    let outcome = session.allocate(&script, &AllocationOptions::at(0.6))?;
    let options = PruneOptions::of(script.method(), &outcome);
    let report = session.prune(&outcome.allocation, &options, &folder, false, None)?;
    println!("{} of {} weights pruned, into {folder}", report.pruned, report.parameters);

    let text = Source::Text(vec![format!("{MODEL}/text/report.jsonl").into()]);
    let pruned = Session::open(&folder)?;
    for (name, session) in [("dense", &session), ("pruned", &pruned)] {
        let measured = session.perplexity(&text, Some(128), Some(16), None)?;
        println!("{name}: perplexity {:.2}", measured.perplexity);
    }
    Ok(())
}
