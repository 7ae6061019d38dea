//! The inputs of results, as a section of a page: models, texts, windows, device.

use std::fmt::Write;

use super::svg::escaped;
use crate::model::Identity;

/// Returns the section with everything that can change a number. Entries of a model's configuration are only
/// counted, because the run's folder holds them.
pub(super) fn html(identity: &Identity) -> String {
    let (keys, told): (Vec<_>, Vec<_>) =
        identity.pairs().partition(|(what, _)| what.contains(" in config.json"));
    let mut rows = String::new();
    for (what, value) in told {
        let what = what.trim_end_matches(',');
        // Writing to a `String` cannot fail.
        let _ = writeln!(rows, "<dt>{}</dt><dd><code>{}</code></dd>", escaped(what), escaped(value));
    }
    if !keys.is_empty() {
        let _ = writeln!(rows, "<dt>keys of config.json</dt><dd>{}, in the run's folder</dd>", keys.len());
    }
    format!(
        "<section aria-labelledby=\"made-from\">\n<h2 id=\"made-from\">What it was made from</h2>\n<p>Hashes of weights, texts \
         and windows: another run with the same hashes measures the same values.</p>\n<dl class=\"made\">\n{rows}</dl>\n</section>\n"
    )
}
