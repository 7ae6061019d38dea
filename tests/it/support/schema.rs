//! A validator for the part of JSON Schema that the project's schemas use. An unknown keyword is a failure.

use std::collections::BTreeSet;

use serde_json::Value;

/// The mistakes in a value, with their places.
pub type Wrong = Vec<String>;

/// Returns the places where a value does not match a schema.
pub fn wrong(schema: &Value, value: &Value) -> Wrong {
    let mut found = Wrong::new();
    Checker { root: schema }.check(schema, value, "", &mut found);
    found
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    /// Checks a value, and returns the names of the object's properties that the schema covers.
    fn check(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Wrong) -> BTreeSet<String> {
        let mut spoken = BTreeSet::new();
        let Some(keywords) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                wrong.push(format!("{at}: no value is allowed here"));
            }
            return spoken;
        };
        for (keyword, told) in keywords {
            match keyword.as_str() {
                "$schema"
                | "$defs"
                | "title"
                | "description"
                | "format"
                | "default"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "prefixItems" => {}
                "$ref" => {
                    let name =
                        told.as_str().and_then(|it| it.strip_prefix("#/$defs/")).expect("a definition");
                    spoken.extend(self.check(&self.root["$defs"][name], value, at, wrong));
                }
                "const" if told != value => wrong.push(format!("{at}: {value} is not {told}")),
                "enum" if !told.as_array().expect("values").contains(value) => {
                    wrong.push(format!("{at}: {value} is not one of {told}"));
                }
                "const" | "enum" => {}
                "type" => self.type_of(told, value, at, wrong),
                "required" => {
                    for name in told.as_array().into_iter().flatten().filter_map(Value::as_str) {
                        if value.is_object() && value.get(name).is_none() {
                            wrong.push(format!("{at}: `{name}` is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, inner) in told.as_object().expect("properties") {
                        spoken.insert(name.clone());
                        if let Some(value) = value.get(name) {
                            self.check(inner, value, &format!("{at}/{name}"), wrong);
                        }
                    }
                }
                "items" => {
                    let before = keywords.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                    for (place, inner) in value.as_array().into_iter().flatten().enumerate().skip(before) {
                        self.check(told, inner, &format!("{at}/{place}"), wrong);
                    }
                }
                "minimum" if value.as_f64().is_some_and(|it| it < told.as_f64().expect("a number")) => {
                    wrong.push(format!("{at}: {value} is below {told}"));
                }
                "maximum" if value.as_f64().is_some_and(|it| it > told.as_f64().expect("a number")) => {
                    wrong.push(format!("{at}: {value} is above {told}"));
                }
                "minItems"
                    if value.as_array().is_some_and(|it| (it.len() as u64) < told.as_u64().unwrap()) =>
                {
                    wrong.push(format!("{at}: fewer than {told}"));
                }
                "maxItems"
                    if value.as_array().is_some_and(|it| (it.len() as u64) > told.as_u64().unwrap()) =>
                {
                    wrong.push(format!("{at}: more than {told}"));
                }
                "minimum" | "maximum" | "minItems" | "maxItems" => {}
                "allOf" => {
                    for inner in told.as_array().expect("schemas") {
                        spoken.extend(self.check(inner, value, at, wrong));
                    }
                }
                "oneOf" | "anyOf" => spoken.extend(self.one(keyword, told, value, at, wrong)),
                other => panic!("the keyword `{other}` is not supported"),
            }
        }
        for (place, inner) in
            keywords.get("prefixItems").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            if let Some(value) = value.get(place) {
                self.check(inner, value, &format!("{at}/{place}"), wrong);
            }
        }
        self.others(keywords, value, &spoken, at, wrong);
        spoken
    }

    /// Checks the properties that no schema covered.
    fn others(
        &self,
        keywords: &serde_json::Map<String, Value>,
        value: &Value,
        spoken: &BTreeSet<String>,
        at: &str,
        wrong: &mut Wrong,
    ) {
        let Some(object) = value.as_object() else { return };
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            let Some(told) = keywords.get(keyword) else { continue };
            for (name, value) in object.iter().filter(|(name, _)| !spoken.contains(*name)) {
                self.check(told, value, &format!("{at}/{name}"), wrong);
            }
        }
    }

    /// Checks a value that must match exactly one schema (`oneOf`) or at least one (`anyOf`).
    fn one(
        &self,
        keyword: &str,
        told: &Value,
        value: &Value,
        at: &str,
        wrong: &mut Wrong,
    ) -> BTreeSet<String> {
        let mut fits = Vec::new();
        let mut reasons = Vec::new();
        for inner in told.as_array().expect("schemas") {
            let mut found = Wrong::new();
            let spoken = self.check(inner, value, at, &mut found);
            if found.is_empty() {
                fits.push(spoken);
            } else {
                reasons.extend(found);
            }
        }
        match (fits.len(), keyword) {
            (0, _) => wrong.push(format!("{at}: no schema of {keyword} matches: {}", reasons.join("; "))),
            (1, _) | (_, "anyOf") => {}
            (many, _) => wrong.push(format!("{at}: {many} schemas of oneOf match")),
        }
        fits.into_iter().flatten().collect()
    }

    fn type_of(&self, told: &Value, value: &Value, at: &str, wrong: &mut Wrong) {
        let is = |word: &str| match word {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("the type `{other}` is not supported"),
        };
        let fits = match told {
            Value::String(word) => is(word),
            Value::Array(words) => words.iter().filter_map(Value::as_str).any(is),
            _ => panic!("{told} is not a type"),
        };
        if !fits {
            wrong.push(format!("{at}: {value} is not of type {told}"));
        }
    }
}
