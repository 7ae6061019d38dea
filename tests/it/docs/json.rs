//! Generates the JSON reference from the types: a page, and a JSON Schema for each kind of document.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::reference::{keep, keep_whole};

#[test]
fn json() {
    let mut page = String::from(HEAD);
    let mut defined: BTreeMap<String, Value> = BTreeMap::new();
    for (tag, place, schema) in allot::cli::schemas() {
        let name = tag.split('/').next().expect("a name");
        let file = format!("docs/reference/schemas/{name}.json");
        keep_whole(&file, &format!("{}\n", serde_json::to_string_pretty(&schema).expect("data")));
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            let before = defined.entry(name.clone()).or_insert_with(|| definition.clone());
            assert_eq!(before, definition, "two types are called `{name}`: {tag}");
        }
        let said = schema["description"].as_str().unwrap_or_default();
        let _ = write!(
            page,
            "\n## `{tag}`\n\nPrinted or written by {place}. [JSON Schema](schemas/{name}.json). {said}\n\n"
        );
        fields(&mut page, &schema);
    }
    page.push_str("\n## Parts\n\nTypes that the tables above refer to.\n");
    for (name, definition) in &defined {
        let said = definition["description"].as_str().unwrap_or_default();
        let _ = write!(page, "\n### {name}\n\n{said}\n");
        if definition.get("properties").is_some() {
            page.push('\n');
            fields(&mut page, definition);
        }
        choices(&mut page, definition);
    }
    keep("docs/reference/json.md", &page);
}

const HEAD: &str = "# JSON\n\n\
    Everything that `--format json` prints, and every JSON file that a command writes for other programs, is a *document*: an object\n\
    whose field `schema` names its schema and, after a slash, the schema's version. `allot schema` lists the schemas, and\n\
    `allot schema NAME` prints one as JSON Schema (2020-12); the same files are next to this page in `schemas/`. The version increases\n\
    when a field is removed or changes its meaning, but not when a field is added, so ignore the fields that you do not know.\n\n\
    Printed documents also have a field `context`: the version of allot, the models that were read with the fingerprints of their\n\
    weights, the method, the calibration, the setup in which losses were measured, and every warning and note, also with `--quiet`. Files\n\
    have no `context`, so that their bytes are the same each time.\n\n\
    A command that fails prints a document to standard output as well, in place of the result: [`failure`](#failure1), with the exit\n\
    code, the message, help, and the errors of a script with their places. Standard error has the same as text. So standard output\n\
    always holds one document, unless the process was killed.\n\n\
    A number that is not finite, such as the perplexity of a model that pruning destroyed, is `null`. Ids, hashes and fingerprints are\n\
    strings. `--format sarif` follows SARIF 2.1.0 and has no schema here, and `allot schema NAME` prints a schema, not a document. Files\n\
    for resuming a run, such as `journal.jsonl`, `steps.jsonl`, `identity.json` and `timings.json`, are internal to allot and may change.\n";

/// Writes the table of an object's fields.
fn fields(page: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    page.push_str("| field | type | |\n|---|---|---|\n");
    let first = ["schema"].into_iter().filter(|name| properties.contains_key(*name));
    let others = properties.keys().map(String::as_str).filter(|name| *name != "schema");
    for name in first.chain(others) {
        let property = &properties[name];
        let absent = if required.contains(&name) { "" } else { " May be absent." };
        let said = property["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "| `{name}` | {} | {}{absent} |", kind(property), cell(said));
    }
}

/// Writes the list of the possible words or objects of a value.
fn choices(page: &mut String, schema: &Value) {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        let _ = write!(page, "\nOne of {}.\n", words.join(", "));
    }
    let several = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    let Some(several) = several else { return };
    page.push_str("\nOne of:\n\n");
    for choice in several {
        let said = cell(choice["description"].as_str().unwrap_or_default());
        let inner = match choice["properties"].as_object() {
            None => String::new(),
            Some(properties) => inside(properties),
        };
        let _ = writeln!(page, "- {}: {said}{inner}", kind(choice));
    }
}

/// Returns the fields of an object inside a list.
fn inside(properties: &Map<String, Value>) -> String {
    let told = |(name, property): (&String, &Value)| {
        let inner = property["properties"].as_object().map(inside).unwrap_or_default();
        let said =
            property["description"].as_str().map(|said| format!(", {}", cell(said))).unwrap_or_default();
        format!(" `{name}`: {}{said}{inner}", kind(property))
    };
    properties.iter().map(told).collect::<Vec<_>>().join(";")
}

/// Returns a description of a schema's type.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(word) = schema.get("const") {
        return format!("`{word}`");
    }
    if let Some(several) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        return several.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let words: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let named = words.iter().map(|word| match *word {
        "array" => match (schema.get("items"), schema["prefixItems"].as_array()) {
            (_, Some(each)) => format!("[{}]", each.iter().map(kind).collect::<Vec<_>>().join(", ")),
            (Some(items), None) => format!("array of {}", kind(items)),
            (None, None) => "array".to_owned(),
        },
        "object" => match schema.get("additionalProperties").filter(|it| it.is_object()) {
            Some(values) => format!("object of {}", kind(values)),
            None => "object".to_owned(),
        },
        "number" if words.contains(&"null") => "number".to_owned(),
        word => word.to_owned(),
    });
    let mut named: Vec<String> = named.collect();
    if words.contains(&"number") {
        named.retain(|word| word != "null");
    }
    named.join(" or ")
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace("[`", "`").replace("`]", "`")
}
