//! Diagnostics in the formats of other tools: SARIF and GitHub workflow commands.

use serde_json::{Value, json};

use crate::lang::diagnostic::{DiagnosticData, Severity};

/// Returns diagnostics as SARIF 2.1.0, which code scanners and editors read.
pub fn sarif(diagnostics: &[DiagnosticData]) -> Value {
    let mut rules: Vec<&str> = diagnostics.iter().map(|it| it.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = diagnostics.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "allot", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(diagnostic: &DiagnosticData) -> Value {
    let mut text = diagnostic.message.clone();
    for line in &diagnostic.help {
        text.push_str(&format!("\nhelp: {line}"));
    }
    let location = |label: &crate::lang::diagnostic::LabelData| {
        let place = &label.place;
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": { "uri": diagnostic.file },
                "region": {
                    "startLine": place.line,
                    "startColumn": place.column,
                    "endLine": place.end_line,
                    "endColumn": place.end_column,
                },
            },
        });
        if !label.text.is_empty() {
            location["message"] = json!({ "text": label.text });
        }
        location
    };
    let mut labels = diagnostic.labels.iter().map(location);
    let first = labels.next().map_or_else(
        || json!([{ "physicalLocation": { "artifactLocation": { "uri": diagnostic.file } } }]),
        |first| json!([first]),
    );
    json!({
        "ruleId": diagnostic.code,
        "level": level(diagnostic.severity),
        "message": { "text": text },
        "locations": first,
        "relatedLocations": labels.collect::<Vec<_>>(),
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Returns diagnostics as GitHub workflow commands, which show them next to the lines of a change; each ends
/// with a newline.
pub fn github(diagnostics: &[DiagnosticData]) -> String {
    diagnostics.iter().map(annotation).collect()
}

fn annotation(diagnostic: &DiagnosticData) -> String {
    let mut properties = vec![format!("file={}", property(&diagnostic.file))];
    if let Some(label) = diagnostic.labels.first() {
        let place = &label.place;
        properties.push(format!("line={},endLine={}", place.line, place.end_line));
        if place.line == place.end_line {
            properties.push(format!("col={},endColumn={}", place.column, place.end_column));
        }
    }
    properties.push(format!("title={}", diagnostic.code));
    let mut text = diagnostic.message.clone();
    for line in &diagnostic.help {
        text.push_str(&format!("\nhelp: {line}"));
    }
    format!("::{} {}::{}\n", level(diagnostic.severity), properties.join(","), data(&text))
}

/// Escapes a text as the data of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a text as a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
