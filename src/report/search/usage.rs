//! Shell commands that use the result of a search.

use std::path::Path;

use crate::prune::{Method, Pattern};
use crate::search::settings::Settings;
use crate::stats::Source;

/// Returns the commands that evaluate the script `script`, prune the first model by it into the folder `out`,
/// and measure the pruned model on the first `report_windows` windows of the report text, as the search did.
/// They use the search's own texts and options, so that they reproduce its table.
pub fn commands(settings: &Settings, report_windows: usize, script: &str, out: &str) -> Vec<String> {
    let settings = &settings.trial;
    let (Some(model), Some(target)) = (settings.models.first(), settings.targets.first()) else {
        return Vec::new();
    };
    let target = target.sparsity;
    let (model, script, out) = (quoted(&model.display().to_string()), quoted(script), quoted(out));
    let calibration = match (&settings.texts.statistics, &settings.texts.calibration) {
        (Some(file), _) => format!(" --stats {}", path(file)),
        (None, Some(source)) => {
            let (samples, seed) = (settings.texts.samples, settings.texts.seed);
            let length = length_of(source, settings.texts.length);
            format!("{}{length} --samples {samples} --seed {seed}", text(source))
        }
        (None, None) => String::new(),
    };
    let method = match &settings.ranking.method {
        // The script contains its metric.
        Method::Metric(_) => String::new(),
        method => format!(" --method {}", method.name()),
    };
    let pattern = match settings.pattern {
        Pattern::Unstructured => String::new(),
        pattern => format!(" --pattern {pattern}"),
    };
    let propagate = match &settings.ranking.method {
        // Magnitudes do not depend on the outputs of earlier blocks.
        Method::Magnitude => "",
        _ => " --propagate dense",
    };
    let mut commands = vec![
        format!("allot eval {model} {script} --sparsity {target}{calibration}"),
        format!(
            "allot prune {model} {script} --sparsity {target}{method}{pattern}{calibration}{propagate} --out {out}"
        ),
    ];
    if let Some(source) = &settings.texts.report {
        let length = length_of(source, settings.texts.length);
        commands.push(format!("allot ppl {out}{}{length} --limit {report_windows}", text(source)));
    }
    commands
}

/// Returns the options that name a text.
fn text(source: &Source) -> String {
    match source {
        Source::Text(files) => {
            let files: Vec<String> = files.iter().map(|file| path(file)).collect();
            format!(" --text {}", files.join(" "))
        }
        Source::Tokens(ids) => format!(" --tokens {}", quoted(&ids.to_string())),
    }
}

/// Returns the option for the window length; token id files have their own.
fn length_of(source: &Source, length: usize) -> String {
    match source {
        Source::Text(_) => format!(" --length {length}"),
        Source::Tokens(_) => String::new(),
    }
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Returns a word quoted for a shell, if it contains special characters.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-:+=@%,".contains(character);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_read_are_quoted() {
        assert_eq!(quoted("/data/c4-1.jsonl:ids"), "/data/c4-1.jsonl:ids");
        assert_eq!(quoted("my model"), "'my model'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
