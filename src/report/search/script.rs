//! Discovered formulas as scripts that can be read, edited and used like any other.

use std::path::Path;

use super::rows;
use crate::lang::ops::Op;
use crate::report::number::counted;
use crate::search::settings::Settings;
use crate::search::summary::{Summary, TargetSummary, Winner, WinnerName};
use crate::stats::Source;
use crate::trial::loss::{Damage, Measure};
use crate::trial::settings::TrialSettings;

/// Returns the script file of a discovered formula, with comments on how it was found, on which texts, and
/// its results.
///
/// `settings` are the search's settings, and `report_windows` is the number of report windows read. Returns
/// `None` if the winner is not a formula.
pub fn file(
    summary: &Summary,
    settings: &Settings,
    report_windows: usize,
    winner: &Winner,
) -> Option<String> {
    let formula = winner.formula.as_ref()?;
    let mut text = String::new();
    let mut say = |line: String| text.push_str(&format!("# {line}\n"));
    found(summary, winner, &mut say);
    learned(&settings.trial, &mut say);
    if formula.script.contains(Op::Gradient.name()) {
        say("It uses gradients, which commands collect on the calibration text (`--text`).".to_owned());
    }
    let chosen = match winner.selection {
        Some(selection) => format!("; on the selection text {}", shown(summary, selection)),
        None => String::new(),
    };
    say(format!("Loss on the fitness text {}{chosen}.", shown(summary, winner.fitness)));
    if let Some(source) = settings.trial.texts.report.as_ref().filter(|_| !winner.report.is_empty()) {
        let windows = counted(report_windows, "window");
        say(format!("Measured at the end on the report text {}, {windows}.", named(source)));
    }
    reported(summary, winner, &mut say);
    let size = match formula.size {
        1 => "1 operator".to_owned(),
        size => format!("{size} operators and constants"),
    };
    say(format!("{size}, formula {}.", &formula.hash[..formula.hash.len().min(16)]));
    if let Some(simplified) = rows::simplified(formula) {
        say(format!("{simplified}."));
    }
    text.push_str(&formula.script);
    Some(text)
}

/// Writes what found the formula, and the settings that it was searched for.
fn found(summary: &Summary, winner: &Winner, say: &mut impl FnMut(String)) {
    let settings: Vec<String> = summary.settings.iter().map(at).collect();
    match &winner.name {
        WinnerName::Discovered => {
            say(format!("Discovered by allot {} on {}.", summary.version, settings.join(", ")))
        }
        WinnerName::Best(_) | WinnerName::Published(_) => say(format!(
            "The published `{}`; allot {} found nothing better of this size on {}.",
            winner.name,
            summary.version,
            settings.join(", ")
        )),
    }
    let searches: Vec<_> = summary.runs.iter().filter(|run| run.searcher.is_search()).collect();
    let seeds: Vec<String> = searches.iter().map(|run| run.seed.to_string()).collect();
    let evaluations: usize = searches.iter().map(|run| run.spent.evaluations).sum();
    say(format!("Weights are chosen by {}, from dense statistics.", summary.method));
    let seed = if seeds.len() == 1 { "seed" } else { "seeds" };
    say(format!("Search: {}, {seed} {}.", counted(evaluations, "evaluation"), seeds.join(", ")));
    let teachers: Vec<&str> =
        summary.teachers.iter().filter(|it| !it.held_out).map(|it| it.teacher.as_str()).collect();
    if !teachers.is_empty() {
        say(format!("Teachers: {}.", teachers.join(", ")));
    }
}

/// Writes what the search read.
fn learned(trial: &TrialSettings, say: &mut impl FnMut(String)) {
    let texts = &trial.texts;
    let statistics = match (&texts.statistics, &texts.calibration) {
        (Some(file), _) => format!("the statistics file {}", name(file)),
        (None, Some(source)) => {
            let windows = counted(texts.samples, "window");
            format!("statistics of {} ({windows}, seed {})", named(source), texts.seed)
        }
        (None, None) => "no statistics".to_owned(),
    };
    let at_most = |windows: usize| format!("at most {}", counted(windows, "window"));
    let fitness = match &trial.tasks {
        Some(tasks) => format!("documents of {}", tasks.tasks.join(", ")),
        None => format!("the fitness text {} ({})", named(&texts.fitness), at_most(texts.windows)),
    };
    let selection = texts.selection.as_ref().filter(|_| trial.tasks.is_none()).map(|source| {
        let windows = texts.selection_windows.unwrap_or(texts.windows);
        format!(", chosen on the selection text {} ({})", named(source), at_most(windows))
    });
    say(format!("Learned on {statistics} and {fitness}{}.", selection.unwrap_or_default()));
    say(format!("A window of a text has {}.", counted(texts.length, "token")));
}

/// Writes the formula's results on the report text, compared with uniform sparsity and the dense model.
fn reported(summary: &Summary, winner: &Winner, say: &mut impl FnMut(String)) {
    let uniform = summary.published("uniform");
    for (index, (setting, found)) in summary.settings.iter().zip(&winner.report).enumerate() {
        let against = uniform.and_then(|it| it.report.get(index)).map(|uniform| {
            format!(" (uniform: {}; dense: {:.2})", damage(uniform), setting.dense_perplexity)
        });
        let several = summary.settings.len() + summary.unsearched.len() > 1;
        let place = if several { format!(" of {}", at(setting)) } else { String::new() };
        say(format!("Report text{place}: {}{}.", damage(found), against.unwrap_or_default()));
    }
    let Some(main) = summary.settings.first() else { return };
    for (index, (sparsity, found)) in summary.unsearched.iter().zip(&winner.unsearched).enumerate() {
        let place =
            format!("{} at {} % sparsity, where nothing was searched", main.model, percent(*sparsity));
        let uniform = uniform.and_then(|it| it.unsearched.get(index)?.as_ref());
        let against = uniform.map_or_else(String::new, |it| format!(" (uniform: {})", damage(it)));
        match found {
            Some(found) => say(format!("Report text of {place}: {}{against}.", damage(found))),
            None => say(format!("It has no value on {place}.")),
        }
    }
}

fn at(setting: &TargetSummary) -> String {
    format!("{} at {} % sparsity", setting.model, percent(setting.target))
}

/// Returns the names of a source's files, without their folders.
fn named(source: &Source) -> String {
    match source {
        Source::Text(files) => files.iter().map(|file| name(file)).collect::<Vec<_>>().join(", "),
        Source::Tokens(ids) => name(Path::new(&ids.to_string())),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn damage(damage: &Damage) -> String {
    format!("divergence {:.4}, perplexity {:.2}", damage.kl, damage.perplexity)
}

fn shown(summary: &Summary, loss: f64) -> String {
    match (summary.settings.len(), summary.measure) {
        (1, Measure::Kl) => format!("{loss:.4} nats of divergence"),
        (1, Measure::Perplexity) => format!("perplexity {:.2}", loss.exp()),
        (1, Measure::Tasks) => format!("{loss:.4} nats of the tasks' margins"),
        _ => format!("{:.1} % of uniform's", 100.0 * loss.exp()),
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
