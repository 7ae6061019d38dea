//! Texts with fields of a document: `Question: {question}\nAnswer:`.

use serde_json::{Map, Value};

use super::error::DocumentProblem;

/// A document as it is read: fields by name.
pub type Row = Map<String, Value>;

/// A text with fields. `{{` and `}}` stand for braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A field of a document, given by its name or by names with dots between, and the filters applied to its
/// text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    path: String,
    filters: Vec<Filter>,
}

/// An operation on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    /// Removes white space at both ends.
    Strip,
    /// Puts the first character in upper case and all others in lower case.
    Capitalize,
    /// Capitalises the last sentence if it is incomplete.
    CapitalizeFragment,
    /// Removes text in brackets, as HellaSwag's texts are prepared.
    WithoutBrackets,
    /// Keeps the text before the first occurrence of a mark.
    Before(String),
    /// Keeps the text after the first occurrence of a mark.
    After(String),
    /// Removes the last word; words are separated by single spaces.
    ButLastWord,
    /// Keeps the last word.
    LastWord,
    /// Removes a number of characters at the start.
    Drop(usize),
    /// Replaces one text by another.
    Replace(String, String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// With the problem, as text for messages.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let doubled = rest[at..].starts_with("{{") || rest[at..].starts_with("}}");
            if doubled {
                plain.push_str(&rest[at..=at]);
                rest = &rest[at + 2..];
                continue;
            }
            if rest[at..].starts_with('}') {
                return Err("closes a brace that was not opened; write `}}` for a literal brace".to_owned());
            }
            let Some(end) = rest[at..].find('}') else {
                return Err("opens a brace that is not closed; write `{{` for a literal brace".to_owned());
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Field(Field::parse(&rest[at + 1..at + end])?));
            rest = &rest[at + end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Returns the text for a document.
    ///
    /// # Errors
    /// When a field is missing, or does not have the type that the template needs.
    pub fn fill(&self, row: &Row) -> Result<String, DocumentProblem> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field(field) => text.push_str(&field.text(row)?),
            }
        }
        Ok(text)
    }

    /// Returns the template's field if it consists of exactly one field.
    pub fn field(&self) -> Option<&Field> {
        match &self.0[..] {
            [Part::Field(field)] => Some(field),
            _ => None,
        }
    }
}

impl Field {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('|').map(str::trim);
        let path = parts.next().unwrap_or_default();
        let named =
            |it: &str| !it.is_empty() && it.chars().all(|it| it.is_alphanumeric() || "_.-".contains(it));
        if !named(path) {
            return Err(format!(
                "has the field `{path}`; a field is a name such as `question` or `choices.text`"
            ));
        }
        Ok(Self { path: path.to_owned(), filters: parts.map(Filter::parse).collect::<Result<_, _>>()? })
    }

    /// Returns the field's value in a document.
    fn value<'a>(&self, row: &'a Row) -> Result<&'a Value, DocumentProblem> {
        let missing = || DocumentProblem::Field(self.path.clone());
        let mut names = self.path.split('.');
        let first = names.next().unwrap_or_default();
        let mut value = row.get(first).ok_or_else(missing)?;
        for name in names {
            value = match value {
                Value::Array(all) => name.parse().ok().and_then(|at: usize| all.get(at)),
                other => other.get(name),
            }
            .ok_or_else(missing)?;
        }
        Ok(value)
    }

    fn text(&self, row: &Row) -> Result<String, DocumentProblem> {
        self.filtered(self.value(row)?)
    }

    /// Returns the texts of a field that is a list.
    ///
    /// # Errors
    /// When it is missing, or is not a list of texts.
    pub fn texts(&self, row: &Row) -> Result<Vec<String>, DocumentProblem> {
        match self.value(row)? {
            Value::Array(all) => all.iter().map(|value| self.filtered(value)).collect(),
            other => Err(self.other_type(other, "a list")),
        }
    }

    fn filtered(&self, value: &Value) -> Result<String, DocumentProblem> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            other => return Err(self.other_type(other, "a text")),
        };
        self.filters.iter().try_fold(text, |text, filter| {
            filter.apply(text).map_err(|mark| DocumentProblem::Mark { field: self.path.clone(), mark })
        })
    }

    fn other_type(&self, value: &Value, wanted: &'static str) -> DocumentProblem {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        DocumentProblem::Type { field: self.path.clone(), found, wanted }
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => {
                let inside = rest.strip_suffix(')').ok_or_else(|| format!("has `{text}` without `)`"))?;
                let arguments: Result<Vec<String>, _> =
                    serde_json::from_str(&format!("[{inside}]")).or_else(|_| {
                        serde_json::from_str::<Vec<usize>>(&format!("[{inside}]"))
                            .map(|all| all.iter().map(usize::to_string).collect())
                    });
                (name.trim(), arguments.map_err(|error| format!("has `{text}`: {error}"))?)
            }
            None => (text, Vec::new()),
        };
        let wrong = || format!("has `{text}`, which is none of {}", FILTERS.join(", "));
        match (name, &arguments[..]) {
            ("strip", []) => Ok(Self::Strip),
            ("capitalize", []) => Ok(Self::Capitalize),
            ("capitalize_fragment", []) => Ok(Self::CapitalizeFragment),
            ("without_brackets", []) => Ok(Self::WithoutBrackets),
            ("but_last_word", []) => Ok(Self::ButLastWord),
            ("last_word", []) => Ok(Self::LastWord),
            ("before", [mark]) if !mark.is_empty() => Ok(Self::Before(mark.clone())),
            ("after", [mark]) if !mark.is_empty() => Ok(Self::After(mark.clone())),
            ("drop", [count]) => count.parse().map(Self::Drop).map_err(|_| wrong()),
            ("replace", [from, to]) if !from.is_empty() => Ok(Self::Replace(from.clone(), to.clone())),
            _ => Err(wrong()),
        }
    }

    /// Returns the filtered text.
    ///
    /// # Errors
    /// With the mark that the text lacks.
    fn apply(&self, text: String) -> Result<String, String> {
        Ok(match self {
            Self::Strip => strip(&text).to_owned(),
            Self::Capitalize => capitalized(&text),
            Self::CapitalizeFragment => fragment_capitalized(&text),
            Self::WithoutBrackets => without_brackets(&text),
            Self::Before(mark) => text.split_once(mark.as_str()).ok_or_else(|| mark.clone())?.0.to_owned(),
            Self::After(mark) => text.split_once(mark.as_str()).ok_or_else(|| mark.clone())?.1.to_owned(),
            Self::ButLastWord => text.rsplit_once(' ').map_or("", |it| it.0).to_owned(),
            Self::LastWord => text.rsplit_once(' ').map_or(text.as_str(), |it| it.1).to_owned(),
            Self::Drop(count) => text.chars().skip(*count).collect(),
            Self::Replace(from, to) => text.replace(from.as_str(), to),
        })
    }
}

/// The filters of a field's text, as they are written.
pub const FILTERS: [&str; 10] = [
    "strip",
    "capitalize",
    "capitalize_fragment",
    "without_brackets",
    "before(\"_\")",
    "after(\"_\")",
    "but_last_word",
    "last_word",
    "drop(9)",
    "replace(\"_\", \" \")",
];

/// Returns whether Python counts a character as white space.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Returns a text as Python's `capitalize` does.
fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.as_str().to_lowercase().chars()).collect()
}

/// Returns a text whose last sentence is capitalised if it is incomplete and follows a complete one.
fn fragment_capitalized(text: &str) -> String {
    const ENDS: [&str; 3] = [". ", "! ", "? "];
    if text.trim_end().ends_with(['.', '!', '?']) {
        return text.to_owned();
    }
    match ENDS.iter().filter_map(|end| text.rfind(end)).max() {
        Some(at) => format!("{}{}", &text[..at + 2], capitalized(&text[at + 2..])),
        None => text.to_owned(),
    }
}

/// Returns a text as HellaSwag's texts are prepared: " [title]" ends a sentence, other brackets are removed
/// with their content, and double spaces become single ones, once.
fn without_brackets(text: &str) -> String {
    let text = strip(text).replace(" [title]", ". ");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        let inside = &rest[open..];
        match inside.find([']', '\n']) {
            Some(close) if inside[close..].starts_with(']') => {
                kept.push_str(&rest[..open]);
                rest = &inside[close + 1..];
            }
            _ => {
                kept.push_str(&rest[..=open]);
                rest = &inside[1..];
            }
        }
    }
    kept.push_str(rest);
    kept.replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str, row: Value) -> Result<String, DocumentProblem> {
        let Value::Object(row) = row else { panic!("a document is an object") };
        Template::parse(template).expect("a template").fill(&row)
    }

    #[test]
    fn fields_and_braces_and_filters() {
        let row = json!({"a": "x_y z", "list": {"text": ["p", "q"]}, "n": 3, "yes": true});
        let fill = |template: &str| filled(template, row.clone()).unwrap();
        assert_eq!(fill("{a}, {n} {{{yes}}}"), "x_y z, 3 {true}");
        assert_eq!(fill("{a|before(\"_\")}-{a|after(\"_\")}"), "x-y z");
        assert_eq!(fill("{a|but_last_word}|{a|last_word}"), "x_y|z");
        assert_eq!(fill("{list.text.1}{a|replace(\"_\", \" \")|drop(2)}"), "qy z");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(filled("{b}", json!({"a": 1})), Err(DocumentProblem::Field("b".to_owned())));
        let mark = DocumentProblem::Mark { field: "a".to_owned(), mark: "_".to_owned() };
        assert_eq!(filled("{a|before(\"_\")}", json!({"a": "none"})), Err(mark));
        assert!(filled("{a}", json!({"a": [1]})).is_err());
        for wrong in ["{a", "a}", "{}", "{a b}", "{a|shout}", "{a|before(_)}", "{a|before()}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn texts_of_hellaswag_are_prepared_as_the_harness_does() {
        let text = " [header] How to [title] Do it [step] Now.  [substeps] Then   stop [open";
        assert_eq!(without_brackets(text), " How to. Do it Now.  Then  stop [open");
        assert_eq!(capitalized("hE SAYS. Yes"), "He says. yes");
        assert_eq!(fragment_capitalized("Roof: A man sits. he Is"), "Roof: A man sits. He is");
        assert_eq!(fragment_capitalized("Roof: A man sits. he is."), "Roof: A man sits. he is.");
        assert_eq!(fragment_capitalized("no end"), "no end");
    }
}
