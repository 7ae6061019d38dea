//! `allot pdf`: figures as PDF.

use std::path::{Path, PathBuf};

use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::{output, terminal};
use crate::report::pdf::pdf;

/// Turns figures into PDF for LaTeX, with the text in embedded fonts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot pdf run/front.svg run/curve.svg
  allot pdf compared/*.svg --out paper/figures
  allot eval owl --model MODEL -s 0.7 --figure owl.svg && allot pdf owl.svg

Every FIGURE.svg becomes FIGURE.pdf beside it, or in the folder of --out. For `-`, which reads the figure from standard input, the PDF
goes to standard output.")]
pub(in crate::cli) struct Arguments {
    /// The SVG files that `search`, `compare` or `eval --figure` wrote
    #[arg(required = true, value_name = "FIGURE")]
    figures: Vec<PathBuf>,
    /// The folder to write into, which is made if it is missing
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replaces files that exist
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if let [figure] = &arguments.figures[..]
        && figure == Path::new("-")
    {
        let svg = std::io::read_to_string(std::io::stdin()).map_err(CliError::Standard)?;
        output::print_bytes(&page(figure, &svg)?)?;
        return Ok(Verdict::Fine);
    }
    // All of them before the first is written.
    let mut pages = Vec::with_capacity(arguments.figures.len());
    for figure in &arguments.figures {
        let target = target(figure, arguments.out.as_deref());
        if target.exists() && !arguments.force {
            return Err(CliError::Exists { path: target });
        }
        let svg = std::fs::read_to_string(figure)
            .map_err(|cause| CliError::Read { path: figure.clone(), cause })?;
        pages.push((target, page(figure, &svg)?));
    }
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|cause| CliError::Write { path: folder.clone(), cause })?;
    }
    for (target, page) in pages {
        output::write_file(&target, &page)?;
        if !common.quiet {
            terminal::message(&format!("wrote {}\n", target.display()));
        }
    }
    Ok(Verdict::Fine)
}

fn page(figure: &Path, svg: &str) -> Result<Vec<u8>, CliError> {
    pdf(svg).map_err(|problem| CliError::Figure { path: figure.to_owned(), problem })
}

/// Returns where a figure's page goes.
fn target(figure: &Path, out: Option<&Path>) -> PathBuf {
    let beside = figure.with_extension("pdf");
    match (out, beside.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => beside,
    }
}
