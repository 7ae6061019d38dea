//! Scripts by name, file or text, checked.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::SessionError;
use crate::allocate::script::ScriptError;
use crate::lang::canonical;
use crate::lang::check::similar::similar;
use crate::lang::check::{CheckOptions, check_bytes};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::program::Script;
use crate::lang::published::{self, PUBLISHED};
use crate::lang::syntax::MAX_BYTES;
use crate::lang::types::UnitKind;
use crate::prune::{Method, ScriptSource};

/// A checked script and its origin.
#[derive(Clone, Debug)]
pub struct LoadedScript {
    /// File of the script, or its published name.
    pub name: String,
    /// Text of the script.
    pub text: String,
    /// The parsed script.
    pub script: Script,
    /// Warnings about its text.
    pub warnings: Vec<Diagnostic>,
}

impl LoadedScript {
    /// Returns the published script with a name, such as `owl`.
    ///
    /// # Errors
    /// When no published script has the name.
    pub fn published(name: &str) -> Result<Self, SessionError> {
        match published::find(name) {
            Some(found) => Self::check(found.name, found.source.as_bytes(), None),
            None => Err(Self::unknown(name)),
        }
    }

    /// Returns the script in a file, or the published script with a name.
    ///
    /// A file has priority over a published script with its name; a folder does not, because `--out owl`
    /// creates one.
    ///
    /// # Errors
    /// When there is neither, the file cannot be read, or the script has errors.
    pub fn open(name: &str) -> Result<Self, SessionError> {
        let path = Path::new(name);
        if !path.exists() || (path.is_dir() && published::find(name).is_some()) {
            return Self::published(name);
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(|cause| SessionError::Read { path: path.to_owned(), cause })?;
        Self::check(name, &bytes, None)
    }

    /// Checks a script's text. `name` identifies it in messages; `unit` is the allocation unit that it will
    /// be used with, if that is not its own.
    ///
    /// # Errors
    /// When it has errors.
    pub fn check(name: &str, text: &[u8], unit: Option<UnitKind>) -> Result<Self, SessionError> {
        let checked = check_bytes(text, CheckOptions { unit });
        let diagnostics: Vec<Diagnostic> =
            checked.problems.iter().map(|problem| problem.diagnostic()).collect();
        let (name, text) = (name.to_owned(), String::from_utf8_lossy(text).into_owned());
        match checked.script {
            Some(script) => Ok(Self { name, text, script, warnings: diagnostics }),
            None => Err(SessionError::Diagnosed { name, text, diagnostics }),
        }
    }

    /// Returns the default method for choosing weights with this script: its own metric, or Wanda.
    pub fn method(&self) -> Method {
        Method::from_script(&self.script).unwrap_or(Method::Wanda)
    }

    /// Returns the error of a script without an allocation on a model, with the place in its text if known.
    pub fn error(&self, cause: ScriptError) -> SessionError {
        match cause {
            ScriptError::Interpret(cause) => SessionError::NoValue {
                name: self.name.clone(),
                text: self.text.clone(),
                cause: Box::new(cause),
            },
            cause => SessionError::Script(cause),
        }
    }

    /// Returns the record of the script that is stored with a pruned model.
    pub fn source(&self) -> ScriptSource {
        let (name, text) = (self.name.clone(), self.text.clone());
        ScriptSource { name, text, hash: canonical::hash(&self.script) }
    }

    /// Returns the error for an unknown name, with similar published names.
    pub(crate) fn unknown(name: &str) -> SessionError {
        let similar = similar(name, PUBLISHED.iter().map(|script| script.name));
        SessionError::NoScript { name: name.to_owned(), similar }
    }
}
