//! A forecast of work, as text.

use super::number::{bytes, counted, grouped, significant};
use crate::forecast::{Amount, Forecast};

/// Returns a forecast as text: a row per step, and the breakdown of its memory and disk use.
pub fn text(forecast: &Forecast) -> String {
    let model = &forecast.model;
    let machine = &forecast.machine;
    let mut out = format!(
        "model    {} blocks of {} weights, {} in all, {} in files\n",
        model.blocks,
        grouped(model.block_weights),
        grouped(model.weights),
        bytes(model.file_bytes())
    );
    let free = machine.free_memory.map_or(String::new(), |free| format!(", {} of memory free", bytes(free)));
    out.push_str(&format!(
        "machine  {}, {} GFLOP/s, {} million weights read per second{free}\n\n",
        counted(machine.threads, "thread"),
        significant(machine.operations / 1e9, 3),
        grouped((machine.weights / 1e6) as u64)
    ));
    out.push_str(&format!("{:<32}{:>14}{:>11}{:>12}{:>12}\n", "step", "tokens", "time", "memory", "disk"));
    let row = |name: &str, tokens: u64, seconds: f64, memory: u64, disk: u64| {
        format!(
            "{name:<32}{:>14}{:>11}{:>12}{:>12}\n",
            grouped(tokens),
            time(seconds),
            bytes(memory),
            bytes(disk)
        )
    };
    let all = |amounts: &[Amount]| amounts.iter().map(|it| it.bytes).sum::<u64>();
    for step in &forecast.steps {
        out.push_str(&row(step.name, step.tokens, step.seconds, all(&step.memory), all(&step.disk)));
    }
    out.push_str(&row("all", forecast.tokens, forecast.seconds, forecast.memory, forecast.disk));
    if forecast.mapped > 0 {
        out.push_str(&format!(
            "\nUp to {} of the model's files are mapped as well; the system reclaims these pages when memory is short.\n",
            bytes(forecast.mapped)
        ));
    }
    for step in &forecast.steps {
        for (kind, amounts) in [("memory", &step.memory), ("disk", &step.disk)] {
            if !amounts.is_empty() {
                out.push_str(&format!("\n{} for {}\n", kind, step.name));
            }
            for amount in amounts {
                out.push_str(&format!("  {:<44}{:>12}\n", amount.what, bytes(amount.bytes)));
            }
        }
    }
    out
}

/// Returns a time in a suitable unit.
fn time(seconds: f64) -> String {
    let (number, unit) = match seconds {
        _ if seconds < 0.1 => return "< 0.1 s".to_owned(),
        _ if seconds < 120.0 => (seconds, "s"),
        _ if seconds < 7200.0 => (seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "days"),
    };
    format!("{} {unit}", significant(number, 2))
}
