//! What a program in another language calls: a search that a command line describes, and failures as data.

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
        // It is text and numbers, which JSON has a form for.
        Self(serde_json::to_value(failure).unwrap_or_default())
    }
}

/// A search as a command line describes it, and where it runs.
#[derive(Debug)]
pub struct DescribedSearch {
    /// The search, on the devices that were named.
    pub search: Search,
    common: Common,
}

impl DescribedSearch {
    /// Reads the words behind `allot search`. Contradictory options are refused, and what is to be written is checked, as the command
    /// does it.
    ///
    /// # Errors
    /// When the command would fail before its work.
    pub fn read(words: &[OsString]) -> Result<Self, HostError> {
        let before = ["allot", "search", "--quiet"].map(OsString::from);
        let parsed = command().try_get_matches_from(before.iter().chain(words));
        let read = parsed.and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (matches, cli)));
        let (matches, cli) = read.map_err(|error| HostError::of(&Failure::of_arguments(&error, FAILED)))?;
        check(Given::of(&matches)).map_err(HostError::new)?;
        let Command::Search(arguments) = &cli.command else {
            return Err(HostError::new(CliError::NoSparsity));
        };
        if search::is_planned(arguments) {
            let (option, when) = ("--dry-run".to_owned(), "here".to_owned());
            let why = "a plan is printed by the command, and nothing is searched";
            return Err(HostError::new(CliError::Refused { option, when, why }));
        }
        let common = cli.common;
        let search = search::described(arguments, common).map_err(HostError::new)?;
        let (engine, others) =
            common.device.engines().map_err(|error| HostError::new(ModelError::from(error)))?;
        let search = search.on(engine, common.device.precision()).beside(others);
        Ok(Self { search, common })
    }

    /// Takes the search, and keeps what writing its results takes.
    pub fn split(self) -> (Search, Writer) {
        (self.search, Writer { common: self.common })
    }
}

/// Writes what a search found as the command does.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    common: Common,
}

impl Writer {
    /// Writes scripts, figures, the page and all of it as data into the search's folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, found: &Found) -> Result<(), HostError> {
        search::write_scripts(found).map_err(HostError::new)?;
        show::write_pages(found, self.common).map_err(HostError::new)
    }
}

/// `--device` and `--precision` alone.
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
