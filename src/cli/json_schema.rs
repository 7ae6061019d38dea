//! The JSON Schemas of the documents, derived from the serialised types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::commands::{check, compare, diff, explain, export, fmt, generate, import_dsa, list, ops, show};
use super::shared::context::Context;
use super::shared::failure::Failure;
use crate::descent::flatness::Flatness;
use crate::descent::summary::DescentSummary;
use crate::exchange::AllocationFile;
use crate::forecast::Forecast;
use crate::json::DocumentKind;
use crate::measure::{Divergence, Perplexity};
use crate::model::ModelSummary;
use crate::prune::Report;
use crate::report::catalogue::Entry;
use crate::report::language::Word;
use crate::report::published::Shown;
use crate::search::settings::Settings;
use crate::search::summary::Summary;
use crate::snapshot::Snapshot;
use crate::snapshot::compare::SnapshotCheck;
use crate::stats::Provenance;
use crate::tasks::TaskReport;

/// The list of the schemas.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Listed {
    /// The schemas, in the order of the reference.
    schemas: Vec<ListedSchema>,
}

/// A schema in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct ListedSchema {
    /// Its name.
    pub(in crate::cli) name: &'static str,
    /// The value of the field `schema` in its documents.
    pub(in crate::cli) tag: &'static str,
    /// Where its documents occur.
    pub(in crate::cli) place: &'static str,
}

impl Listed {
    /// Returns the list of all schemas.
    pub(in crate::cli) fn all() -> Self {
        let schemas = DocumentKind::ALL.iter();
        let listed = |it: &DocumentKind| ListedSchema { name: it.name(), tag: it.tag(), place: it.place() };
        Self { schemas: schemas.map(listed).collect() }
    }

    /// Returns the list as text, one line for each schema.
    pub(in crate::cli) fn text(&self) -> String {
        let width = self.schemas.iter().map(|it| it.tag.len()).max().unwrap_or(0);
        self.schemas.iter().map(|it| format!("{:width$}  {}\n", it.tag, it.place.replace('`', ""))).collect()
    }
}

/// Returns a document's JSON Schema.
pub(in crate::cli) fn of(document: DocumentKind) -> Value {
    let schema = match document {
        DocumentKind::Check => made::<check::Printed<'_>>(),
        DocumentKind::Format => made::<fmt::Printed<'_>>(),
        DocumentKind::Allocation => made::<AllocationFile>(),
        DocumentKind::Marginals => made::<Flatness>(),
        DocumentKind::Difference => made::<diff::Printed<'_>>(),
        DocumentKind::Snapshot => made::<Snapshot>(),
        DocumentKind::SnapshotCheck => made::<SnapshotCheck>(),
        DocumentKind::Model => made::<ModelSummary>(),
        DocumentKind::Statistics => made::<Provenance>(),
        DocumentKind::Pruning => made::<Report>(),
        DocumentKind::Perplexity => made::<Perplexity>(),
        DocumentKind::Divergence => made::<Divergence>(),
        DocumentKind::Tasks => made::<TaskReport>(),
        DocumentKind::Generation => made::<generate::Printed<'_>>(),
        DocumentKind::Search => made::<Summary>(),
        DocumentKind::SearchSettings => made::<Settings>(),
        DocumentKind::Front => made::<show::Front<'_>>(),
        DocumentKind::Measured => made::<show::Measured<'_>>(),
        DocumentKind::Unfinished => made::<show::Unfinished<'_>>(),
        DocumentKind::Descent => made::<DescentSummary>(),
        DocumentKind::Comparison => made::<compare::Printed<'_>>(),
        DocumentKind::Published => made::<list::Printed>(),
        DocumentKind::Script => made::<Shown>(),
        DocumentKind::Operators => made::<ops::Printed>(),
        DocumentKind::Operator => made::<Entry>(),
        DocumentKind::Word => made::<Word>(),
        DocumentKind::Code => made::<explain::Code<'_>>(),
        DocumentKind::DsaScript => made::<import_dsa::Printed<'_>>(),
        DocumentKind::Export => made::<export::Printed>(),
        DocumentKind::Forecast => made::<Forecast>(),
        DocumentKind::Schemas => made::<Listed>(),
        DocumentKind::Failure => made::<Failure>(),
    };
    finished(document, schema)
}

/// Makes the schema of a serialised type, with the field `context` that every printed document has.
fn made<T: JsonSchema>() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let context = generator.subschema_for::<Context>();
    let mut schema = generator.into_root_schema_for::<T>();
    if let Some(properties) =
        schema.ensure_object().entry("properties").or_insert_with(|| json!({})).as_object_mut()
    {
        properties.insert("context".to_owned(), context.into());
    }
    schema
}

fn finished(document: DocumentKind, schema: Schema) -> Value {
    let mut schema = Value::from(schema);
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".to_owned(), document.tag().into());
        let tag = json!({ "const": document.tag(), "description": "The schema's name and version." });
        if let Some(Value::Object(properties)) = map.get_mut("properties") {
            properties.insert("schema".to_owned(), tag);
            if let Some(Value::Object(context)) = properties.get_mut("context") {
                context.insert(
                    "description".to_owned(),
                    "The inputs that the document depends on; in printed documents, not in files.".into(),
                );
            }
        }
        if let Value::Array(required) = map.entry("required").or_insert_with(|| json!([])) {
            required.insert(0, "schema".into());
        }
    }
    close(&mut schema, false);
    schema
}

/// Throughout a schema, forbids unnamed properties, and allows null for numbers, as numbers that are not finite are written as
/// null. `part` says that other schemas describe the same object.
fn close(schema: &mut Value, part: bool) {
    let Some(map) = schema.as_object_mut() else { return };
    if map.get("type") == Some(&json!("number")) {
        map.insert("type".to_owned(), json!(["number", "null"]));
    }
    let named = map.contains_key("properties");
    let beside = named && ["oneOf", "anyOf", "allOf"].iter().any(|key| map.contains_key(*key));
    if named && !part {
        map.remove("additionalProperties");
        let key = if beside { "unevaluatedProperties" } else { "additionalProperties" };
        map.insert(key.to_owned(), false.into());
    } else if named {
        map.remove("additionalProperties");
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for schema in map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            close(schema, part || beside);
        }
    }
    for key in ["properties", "$defs"] {
        let inner: Option<&mut Map<String, Value>> = map.get_mut(key).and_then(Value::as_object_mut);
        for schema in inner.into_iter().flat_map(Map::values_mut) {
            close(schema, false);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(schema) = map.get_mut(key) {
            close(schema, false);
        }
    }
    for schema in map.get_mut("prefixItems").and_then(Value::as_array_mut).into_iter().flatten() {
        close(schema, false);
    }
}
