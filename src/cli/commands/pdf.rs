//! `allot pdf`: converts figures to PDF.

use std::path::{Path, PathBuf};

use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::{output, terminal};
use crate::report::pdf::pdf;

/// Converts figures to PDF for LaTeX, with embedded fonts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot pdf run/front.svg run/curve.svg
  allot pdf compared/*.svg --out paper/figures
  allot eval MODEL owl --stats S.safetensors -s 0.7 --figure owl.svg
  allot pdf owl.svg

FIGURE.svg is converted to FIGURE.pdf in the same folder, or in the folder of --out. With `-` the figure is read from standard input, and
the PDF goes to standard output.")]
pub(in crate::cli) struct Arguments {
    /// The figures: SVG files written by `search`, `compare` or `eval --figure`, or `-` for standard input
    #[arg(required = true, value_name = "FIGURE")]
    figures: Vec<PathBuf>,
    /// Output folder, which is created if it is missing (default: the folder of each figure)
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Overwrites existing PDF files
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
    // Converts all figures before the first file is written.
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

/// Returns the path of a figure's PDF.
fn target(figure: &Path, out: Option<&Path>) -> PathBuf {
    let beside = figure.with_extension("pdf");
    match (out, beside.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => beside,
    }
}
