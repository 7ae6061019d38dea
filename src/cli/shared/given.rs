//! A command's raw arguments, as the tables of rules and targets need them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::input::Input;

/// A command and its arguments.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Given<'a> {
    /// The command's name, such as `prune`.
    pub(in crate::cli) command: &'a str,
    definition: &'a clap::Command,
    matches: &'a ArgMatches,
}

impl<'a> Given<'a> {
    /// Wraps what clap parsed by the definition of all commands; `None` without a command.
    pub(in crate::cli) fn of(definition: &'a clap::Command, parsed: &'a ArgMatches) -> Option<Self> {
        let (command, matches) = parsed.subcommand()?;
        Some(Self { command, definition: definition.find_subcommand(command)?, matches })
    }

    /// Returns whether an argument was written on the command line, rather than set by a default, the configuration or the environment.
    pub(in crate::cli) fn is_written(&self, id: &str) -> bool {
        // clap panics on an argument that the command does not have.
        self.matches.try_contains_id(id).unwrap_or(false)
            && self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// Returns whether the command has an argument with this id in clap.
    pub(in crate::cli) fn has_argument(&self, id: &str) -> bool {
        // Without debug assertions the matches know nothing of unknown arguments.
        self.definition.get_arguments().any(|argument| argument.get_id() == id)
    }

    /// Returns the values of an argument, default or not.
    pub(in crate::cli) fn values(&self, id: &str) -> Vec<&'a OsStr> {
        self.matches.try_get_raw(id).ok().flatten().map(Iterator::collect).unwrap_or_default()
    }

    /// Returns the first value of an argument as text; `None` if there is none, or it is not UTF-8.
    pub(in crate::cli) fn value(&self, id: &str) -> Option<&'a str> {
        self.values(id).first().and_then(|value| value.to_str())
    }

    /// Returns the numbers among the values of some arguments.
    pub(in crate::cli) fn numbers(&self, ids: &[&str]) -> Vec<f64> {
        let values = ids.iter().flat_map(|id| self.values(id));
        values.filter_map(|value| value.to_str()?.parse().ok()).collect()
    }

    /// Returns whether an argument has one of these values.
    pub(in crate::cli) fn is(&self, id: &str, values: &[&str]) -> bool {
        self.value(id).is_some_and(|value| values.contains(&value))
    }

    /// Returns whether a switch is on.
    pub(in crate::cli) fn is_on(&self, id: &str) -> bool {
        self.is(id, &["true"])
    }

    /// Returns whether an argument names an allocation file, judged by its content.
    pub(in crate::cli) fn is_allocation(&self, id: &str) -> bool {
        let values = self.values(id);
        let Some(path) = values.first().map(Path::new) else { return false };
        // A folder, or a name without a file, is not an allocation file; an unreadable file is reported where it is used.
        (path == Path::new("-") || path.is_file()) && Input::read(path).is_ok_and(|input| input.is_json())
    }

    /// Returns the number of arguments that read standard input.
    pub(in crate::cli) fn readers_of_standard_input(&self) -> usize {
        let ids = self.matches.ids();
        // A group repeats the values of its members.
        let single = ids.filter(|id| self.matches.try_get_raw(id.as_str()).is_ok());
        let all = single.flat_map(|id| self.values(id.as_str()));
        all.filter(|value| *value == OsString::from("-").as_os_str()).count()
    }
}
