//! Entry points for bindings in other languages: a search described by a command line, and failures as data.

use std::ffi::OsString;

use clap::{FromArgMatches, Parser};
use serde_json::Value;

use super::commands::{search, show};
use super::shared::common::Common;
use super::shared::device::DeviceArguments;
use super::shared::error::CliError;
use super::shared::failure::Failure;
use super::shared::given::Given;
use super::{Cli, Command, FAILED, check, command};
use crate::device::Engine;
use crate::model::{ModelError, Precision};
use crate::session::{Found, Search};

/// Why a call failed, as commands with `--format json` print it: kind, message, help, and diagnostics with places in a script.
#[derive(Clone, Debug, PartialEq)]
pub struct HostError(pub Value);

impl HostError {
    /// Describes an error of the library.
    pub fn new(error: impl Into<CliError>) -> Self {
        Self::of(&Failure::of(&error.into(), FAILED))
    }

    fn of(failure: &Failure) -> Self {
        // Serialising text and numbers cannot fail.
        Self(serde_json::to_value(failure).unwrap_or_default())
    }
}

/// A search described by a command line.
#[derive(Debug)]
pub struct DescribedSearch {
    /// The search, placed on the named devices.
    pub search: Search,
    common: Common,
}

impl DescribedSearch {
    /// Parses the arguments of `allot search`. Like the command, it refuses contradictory options and checks that the outputs can
    /// be written.
    ///
    /// # Errors
    /// When the command would fail before it starts its work.
    pub fn read(words: &[OsString]) -> Result<Self, HostError> {
        let before = ["allot", "search", "--quiet"].map(OsString::from);
        let mut definition = command();
        let parsed = definition.try_get_matches_from_mut(before.iter().chain(words));
        let read = parsed.and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (matches, cli)));
        let (matches, cli) = read.map_err(|error| HostError::of(&Failure::of_arguments(&error, FAILED)))?;
        check(Given::of(&definition, &matches)).map_err(HostError::new)?;
        let Command::Search(arguments) = &cli.command else {
            return Err(HostError::new(CliError::NoSparsity));
        };
        if search::is_planned(arguments) {
            let (option, when) = ("--dry-run".to_owned(), "here".to_owned());
            let why = "only the command prints a plan";
            return Err(HostError::new(CliError::Refused { option, when, why }));
        }
        let common = cli.common;
        let search = search::described(arguments, common).map_err(HostError::new)?;
        let (engine, others) =
            common.device.engines().map_err(|error| HostError::new(ModelError::from(error)))?;
        let search = search.on(engine, common.device.precision()).beside(others);
        Ok(Self { search, common })
    }

    /// Separates the search from the writer of its results.
    pub fn split(self) -> (Search, Writer) {
        (self.search, Writer { common: self.common })
    }
}

/// Writes the results of a search as the command does.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    common: Common,
}

impl Writer {
    /// Writes scripts, figures, the report page and the summary into the search's folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, found: &Found) -> Result<(), HostError> {
        search::write_scripts(found).map_err(HostError::new)?;
        show::write_pages(found, self.common).map_err(HostError::new)
    }
}

/// Only the options `--device` and `--precision`.
#[derive(Debug, Parser)]
struct Place {
    #[command(flatten)]
    device: DeviceArguments,
}

/// Opens the device that `--device` and `--precision` would name.
///
/// # Errors
/// When there is no such device, or this build cannot use it.
pub fn device(device: &str, precision: &str) -> Result<(Engine, Precision), HostError> {
    let words = ["allot", "--device", device, "--precision", precision];
    let place = Place::try_parse_from(words)
        .map_err(|error| HostError::of(&Failure::of_arguments(&error, FAILED)))?;
    let engine = place.device.engine().map_err(|error| HostError::new(ModelError::from(error)))?;
    Ok((engine, place.device.precision()))
}
