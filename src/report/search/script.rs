//! Discovered formulas as scripts that a person reads, edits and uses like any other.

use crate::lang::ops::Op;
use crate::search::summary::{Summary, TargetSummary, Winner, WinnerName};
use crate::trial::loss::{Damage, Measure};

/// Returns the file of a discovered formula: how it was found and what was measured, as comments, and the script.
///
/// Returns `None` for what is no formula.
pub fn file(summary: &Summary, winner: &Winner) -> Option<String> {
    let formula = winner.formula.as_ref()?;
    let mut text = String::new();
    let mut say = |line: String| text.push_str(&format!("# {line}\n"));
    let at = |setting: &TargetSummary| format!("{} at {} % sparsity", setting.model, percent(setting.target));
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
    let learned: Vec<&str> =
        summary.teachers.iter().filter(|it| !it.held_out).map(|it| it.teacher.as_str()).collect();
    if !learned.is_empty() {
        say(format!("Teachers: {}.", learned.join(", ")));
    }
    if formula.script.contains(Op::Gradient.name()) {
        say("It uses gradients, which commands collect on the calibration text (`--text`).".to_owned());
    }
    let chosen = match winner.selection {
        Some(selection) => format!("; on the selection text {}", shown(summary, selection)),
        None => String::new(),
    };
    say(format!("Loss on the fitness text {}{chosen}.", shown(summary, winner.fitness)));
    let uniform = summary.published("uniform");
    for (index, (setting, found)) in summary.settings.iter().zip(&winner.report).enumerate() {
        let against = uniform.and_then(|it| it.report.get(index)).map(|uniform| {
            format!(" (uniform: {}; dense: {:.2})", damage(uniform), setting.dense_perplexity)
        });
        let place = if summary.settings.len() > 1 { format!(" of {}", at(setting)) } else { String::new() };
        say(format!("Report text{place}: {}{}.", damage(found), against.unwrap_or_default()));
    }
    say(format!(
        "{}, formula {}.",
        match formula.size {
            1 => "1 operator".to_owned(),
            size => format!("{size} operators and constants"),
        },
        &formula.hash[..formula.hash.len().min(16)]
    ));
    text.push_str(&formula.script);
    Some(text)
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
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
