//! Options for the search space of `search` and `enumerate`.

use crate::lang::types::UnitKind;
use crate::search::error::SearchError;
use crate::search::space::{SpaceKind, SpaceOptions, operator};

/// The options for the search space.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Search space")]
pub(in crate::cli) struct SpaceArguments {
    /// Form of the formulas: any well-typed formula (`full`), or chains in DSA's four stages (`dsa`)
    #[arg(long, default_value = "full", value_parser = kind)]
    space: SpaceKind,
    /// Largest number of operators and constants in a formula
    #[arg(long, default_value_t = SpaceOptions::default().max_size, value_parser = super::values::count)]
    max_size: usize,
    /// Allocation unit of all formulas: block, projection or row (default: both block and projection)
    #[arg(long, value_parser = super::values::unit)]
    unit: Option<UnitKind>,
    /// Builds formulas only from these operators, separated by commas
    #[arg(long, value_name = "OPERATOR", value_delimiter = ',')]
    only: Vec<String>,
    /// Builds formulas without these operators, separated by commas
    #[arg(long, value_name = "OPERATOR", value_delimiter = ',')]
    without: Vec<String>,
}

impl SpaceArguments {
    /// Returns the space's options.
    ///
    /// # Errors
    /// When an operator does not exist.
    pub(in crate::cli) fn options(&self) -> Result<SpaceOptions, SearchError> {
        let operators = |names: &[String]| names.iter().map(|name| operator(name)).collect::<Result<_, _>>();
        Ok(SpaceOptions {
            kind: self.space,
            max_size: self.max_size,
            units: self.unit.map_or_else(|| SpaceOptions::default().units, |unit| vec![unit]),
            only: operators(&self.only)?,
            without: operators(&self.without)?,
            ..SpaceOptions::default()
        })
    }
}

fn kind(word: &str) -> Result<SpaceKind, String> {
    let known = SpaceKind::ALL.into_iter().find(|kind| kind.name() == word);
    known.ok_or_else(|| "the spaces are `full` and `dsa`".to_owned())
}
