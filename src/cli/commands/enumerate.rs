//! `allot enumerate`: measures every formula of a small space.

use std::path::PathBuf;

use super::search;
use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::context;
use crate::cli::shared::dry_run::DryRun;
use crate::cli::shared::error::CliError;
use crate::cli::shared::space::SpaceArguments;
use crate::cli::shared::trial::{Objective, Plans, Texts, TrialPlace, forecast};
use crate::lang::ops::Op;
use crate::search::enumerate::{Grid, formulas};
use crate::search::error::SearchError;
use crate::search::space::{Space, SpaceOptions};
use crate::session::Search;

/// Measures every formula of a small space, and so finds its true optimum
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot enumerate MODEL --sparsity 0.7 --space dsa --unit block --texts MODEL/text --length 256 --out RUN
  allot enumerate MODEL --sparsity 0.7 --max-size 4 --only score,depth,mean,std,gini,neg,scale --texts TEXTS --out RUN
  allot search --resume RUN

In the `dsa` space, formulas have at most one operator before the reduction and one after it. Results are shown and stored as by
`allot search`. Formulas that prune the same weights are measured once.")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: f64,
    /// Output folder
    #[arg(long, short)]
    out: PathBuf,
    #[command(flatten)]
    texts: Texts,
    #[command(flatten)]
    objective: Objective,
    #[command(flatten)]
    space: SpaceArguments,
    /// Values to try for the allocators' parameter (lambda or epsilon), separated by commas
    #[arg(
        long,
        value_name = "NUMBER",
        value_delimiter = ',',
        default_value = "0.08",
        help_heading = "Search space"
    )]
    window: Vec<f64>,
    /// Constants in the formulas of the full space, separated by commas
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', help_heading = "Search space")]
    constants: Vec<f64>,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let texts = arguments.texts.settings(0)?;
    let space = arguments.space.options()?;
    if space.goes_one_way() {
        let note = "without the operator `neg`, formulas can only prune more where a quantity is high, never where it is low";
        context::warn("note", note, common.quiet);
    }
    let sparsities = [arguments.sparsity];
    let place =
        TrialPlace { model: &arguments.model, sparsities: &sparsities, length: arguments.texts.length };
    let grid = Grid { constants: arguments.constants.clone(), windows: arguments.window.clone() };
    if arguments.dry_run.dry_run {
        // An upper bound: every formula, as if all statistics were collected; formulas that prune the same weights are measured once.
        let all = SpaceOptions { collected: Op::COLLECTED.to_vec(), ..space };
        let candidates = formulas(&Space::new(&all).map_err(SearchError::from)?, &grid)?.len() as u64;
        let settings = arguments.objective.settings(&sparsities);
        return forecast(&place, &texts, &Plans::default(), (candidates, settings), common);
    }
    let mut settings = search::base(place, &arguments.objective, None, texts, space, common.quiet)?;
    settings.enumeration = Some(grid);
    search::work(Search::new(settings, &arguments.out), common)
}
