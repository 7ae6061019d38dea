//! Searches with a measure of your own: the square of each window's divergence, so that one window that pruning ruins counts
//! more than several that it hardly changes.
//!
//!     cargo run --release --example own_measure -- FOLDER
//!
//! Searches on the bundled model at 70 %. Run it again with the same FOLDER to resume.

use std::error::Error;
use std::path::Path;

use allot::measure::WindowLoss;
use allot::search::settings::{SETTINGS, Settings};
use allot::search::space::SpaceOptions;
use allot::session::{Search, TrialOptions};
use allot::stats::Source;
use allot::trial::error::TrialError;
use allot::trial::measurer::{Answer, Measurer, Receiver, Task};
use allot::trial::settings::TextSettings;

const MODEL: &str = "examples/tiny-stories-12l";

/// Squares the divergence of every window that another measurer measures.
#[derive(Debug)]
struct Squared(Box<dyn Measurer>);

impl Measurer for Squared {
    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        let square = |loss: WindowLoss| WindowLoss { kl: loss.kl * loss.kl, ..loss };
        self.0.measure(tasks, &mut |answer| {
            receive(match answer {
                Answer::Losses(windows) => Answer::Losses(windows.into_iter().map(square).collect()),
                other => other,
            })
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "own-measure".to_owned());
    let search = match Path::new(&folder).join(SETTINGS).exists() {
        true => Search::resume(&folder)?,
        false => Search::new(settings()?, &folder),
    };
    // The name is kept with the run, whose measurements are not mixed with those of another measure.
    let search = search.measured_by("squared divergence", |threads| Box::new(Squared(threads)));
    let found = search.prepare(&mut |_, _| ())?.run(&mut |_| ())?;
    found.write()?;
    let best = &found.summary.best;
    println!("{}", best.formula.as_ref().map_or("no formula", |formula| &formula.script).trim_end());
    println!("squared divergence on the fitness text: {:.4}", best.fitness);
    Ok(())
}

/// Returns the settings of a small search, with texts kept apart.
fn settings() -> Result<Settings, Box<dyn Error>> {
    let text = |name: &str| Source::Text(vec![format!("{MODEL}/text/{name}.jsonl").into()]);
    let texts = TextSettings {
        samples: 16,
        windows: 8,
        selection: Some(text("selection")),
        ..TextSettings::of(text("calibration"), text("fitness"))
    };
    let trial = TrialOptions { length: Some(64), ..TrialOptions::at(MODEL, 0.7) }.settings(texts)?;
    Ok(Settings { evaluations: 60, ..Settings::new(trial, SpaceOptions::default()) })
}
