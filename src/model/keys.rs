//! Typed access to a JSON object, with errors that name the key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::ModelError;

/// A JSON object of a configuration file; null counts as absent. It records which keys were read.
pub(super) struct Keys<'a> {
    path: &'a Path,
    object: &'a Map<String, Value>,
    /// Prefix of the object's keys in messages, such as `text_config.`.
    above: String,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(path: &'a Path, object: &'a Map<String, Value>) -> Self {
        Self::below(path, object, "")
    }

    /// Wraps a nested object; its prefix ends in a period: `text_config.`.
    pub(super) fn below(path: &'a Path, object: &'a Map<String, Value>, above: &str) -> Self {
        Self { path, object, above: above.to_owned(), asked: RefCell::default() }
    }

    /// Returns a key's name in messages.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.above)
    }

    /// Marks keys as read whose values another key has determined.
    pub(super) fn decided(&self, keys: &[&str]) {
        self.asked.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Returns the present, non-null keys that were never read.
    pub(super) fn never_asked(&self) -> Vec<(&'a str, &'a Value)> {
        let asked = self.asked.borrow();
        let left = self.object.iter().filter(|(key, value)| !value.is_null() && !asked.contains(*key));
        left.map(|(key, value)| (key.as_str(), value)).collect()
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> ModelError {
        ModelError::Config { path: self.path.to_owned(), key: self.name(key), problem: problem.into() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.object.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns whether the key is present with the value null.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.asked.borrow_mut().insert(key.to_owned());
        self.object.get(key).is_some_and(Value::is_null)
    }

    pub(super) fn object(&self, key: &str) -> Result<Option<&'a Map<String, Value>>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(self.wrong(key, format!("is {other}, not an object"))),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, format!("is {other}, not a string"))),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, ModelError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let texts = value.as_array().and_then(|all| all.iter().map(Value::as_str).collect());
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(key, "is not a list of strings")),
        }
    }

    pub(super) fn first_text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_array()?.first()?.as_str()
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|it| it.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(key, format!("is {value}, not a number"))),
            },
        }
    }

    /// Returns a required number above 0.
    pub(super) fn positive(&self, key: &str) -> Result<f64, ModelError> {
        match self.number(key)? {
            Some(number) if number > 0.0 => Ok(number),
            Some(number) => Err(self.wrong(key, format!("is {number}; it must be above 0"))),
            None => Err(self.wrong(key, "is missing, but this kind of rotary scaling needs it")),
        }
    }

    pub(super) fn numbers(&self, key: &str, length: usize) -> Result<Vec<f64>, ModelError> {
        let numbers: Option<Vec<f64>> =
            self.get(key).and_then(Value::as_array).and_then(|all| all.iter().map(Value::as_f64).collect());
        match numbers {
            Some(numbers) if numbers.len() == length && numbers.iter().all(|&it| it > 0.0) => Ok(numbers),
            _ => Err(self.wrong(key, format!("must be a list of {length} numbers above 0"))),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, format!("is {other}, not true or false"))),
        }
    }

    /// Returns the whole number at `key`, from 0 to `largest`.
    pub(super) fn index(&self, key: &str, default: usize, largest: u64) -> Result<usize, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => match value.as_u64().filter(|it| *it <= largest) {
                Some(index) => Ok(index as usize),
                None => {
                    Err(self.wrong(key, format!("is {value}; it must be a whole number from 0 to {largest}")))
                }
            },
        }
    }

    /// Returns the whole number at the first of `names` that is present, from 1 to `largest`.
    pub(super) fn count(&self, names: &[&str], default: usize, largest: u64) -> Result<usize, ModelError> {
        for key in names {
            let Some(value) = self.get(key) else {
                continue;
            };
            return match value.as_u64().filter(|it| (1..=largest).contains(it)) {
                Some(count) => Ok(count as usize),
                None => {
                    Err(self.wrong(key, format!("is {value}; it must be a whole number from 1 to {largest}")))
                }
            };
        }
        if default == 0 {
            let key = names.first().copied().unwrap_or("$");
            return Err(self.wrong(key, "is missing or gives an empty model"));
        }
        Ok(default)
    }
}
