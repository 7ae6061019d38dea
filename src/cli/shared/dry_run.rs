//! `--dry-run`: prints the resources that a command would take, and does nothing else.

use std::path::{Path, PathBuf};

use super::common::{Common, Format, Verdict};
use super::error::CliError;
use super::output;
use crate::forecast::{Forecast, Machine, Sizes, Windows, Work};
use crate::json::DocumentKind;
use crate::model::{Config, ModelError, TensorFiles, Tokenizer, hub};
use crate::report;
use crate::stats::{Source, Text, TokenFile, length_within};
use crate::tasks::{Asked, Asking, Cost, Purpose, TaskPlan};

/// The option `--dry-run`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct DryRun {
    /// Prints the memory, disk space, tokens and time that the command would take on this machine, and does nothing else; a model
    /// folder needs only its config.json, and no weights are downloaded from the hub
    #[arg(long, help_heading = None::<&str>)]
    pub(in crate::cli) dry_run: bool,
}

/// Bytes of text per token, assumed when the model has no tokenizer.
const BYTES_OF_A_TOKEN: f64 = 4.0;
/// Bytes of a text that are tokenised to estimate its bytes per token.
const TRIED: usize = 1 << 16;

/// What a model's configuration tells without its weights.
pub(in crate::cli) struct Outline {
    folder: PathBuf,
    /// The model's sizes.
    pub(in crate::cli) sizes: Sizes,
}

impl Outline {
    /// Reads the configuration of a folder or an id.
    ///
    /// # Errors
    /// Fails when there is no such model, or its configuration is malformed.
    pub(in crate::cli) fn read(model: &Path) -> Result<Self, CliError> {
        let folder = hub::fetch_configuration(model, &mut |_| ())?;
        Ok(Self { sizes: Sizes::read(&folder)?, folder })
    }

    /// Returns the length of a source's windows and their number: as many as the text has, at most `limit`.
    ///
    /// # Errors
    /// Fails when the source cannot be read, or a window is longer than the model's context.
    pub(in crate::cli) fn windows(
        &self,
        source: &Source,
        length: Option<usize>,
        limit: Option<usize>,
    ) -> Result<Windows, CliError> {
        match source {
            Source::Text(paths) => {
                let length = length_within(length, self.sizes.positions)?.max(1) as u64;
                let text = Text::read(paths)?;
                let all = (self.tokens(&text)? / length as f64) as u64;
                let samples = at_most(all, limit).max(1);
                Ok(Windows { samples, length, text: at_once(&text, limit.map(|_| samples * length)) })
            }
            Source::Tokens(ids) => self.ready(ids, limit),
        }
    }

    /// Returns the windows that are drawn from a source: always `samples` of them from a text, however short it is.
    ///
    /// # Errors
    /// As [`Outline::windows`].
    pub(in crate::cli) fn drawn(
        &self,
        source: &Source,
        samples: usize,
        length: Option<usize>,
    ) -> Result<Windows, CliError> {
        match source {
            Source::Text(paths) => {
                let length = length_within(length, self.sizes.positions)?.max(1) as u64;
                // Windows are drawn anywhere in a document, so all of it is tokenised.
                let text = at_once(&Text::read(paths)?, None);
                Ok(Windows { samples: samples as u64, length, text })
            }
            Source::Tokens(ids) => self.ready(ids, Some(samples)),
        }
    }

    /// Returns the windows of a file of token ids.
    fn ready(&self, ids: &TokenFile, limit: Option<usize>) -> Result<Windows, CliError> {
        let files = TensorFiles::open_file(&ids.file)?;
        let shape = files.tensor(ids.tensor.as_deref().unwrap_or("input_ids"))?.shape.to_vec();
        let (samples, length) = match shape[..] {
            [samples, length] => (samples as u64, length),
            _ => (1, shape.iter().product()),
        };
        length_within(Some(length), self.sizes.positions)?;
        Ok(Windows { samples: at_most(samples, limit), length: length as u64, text: 0 })
    }

    /// Estimates the number of tokens of a text.
    fn tokens(&self, text: &Text) -> Result<f64, ModelError> {
        let bytes: usize = text.documents.iter().map(String::len).sum();
        let tokenizer = Tokenizer::of_folder(&self.folder, &Config::read(&self.folder)?);
        let (Ok(tokenizer), Some(document)) = (tokenizer, text.documents.iter().max_by_key(|it| it.len()))
        else {
            return Ok(bytes as f64 / BYTES_OF_A_TOKEN);
        };
        let cut =
            (0..=TRIED.min(document.len())).rev().find(|at| document.is_char_boundary(*at)).unwrap_or(0);
        let tried = tokenizer.encode(&document[..cut])?.len();
        Ok(bytes as f64 * tried as f64 / cut.max(1) as f64)
    }

    /// Returns the work of answering tasks.
    ///
    /// # Errors
    /// Fails when the model has no tokenizer, or a document does not fit its context.
    pub(in crate::cli) fn answers(&self, tasks: &[Asked], asking: &Asking<'_>) -> Result<Work, CliError> {
        let config = Config::read(&self.folder)?;
        let tokenizer = Tokenizer::of_folder(&self.folder, &config)?;
        Ok(Work::Answer(Cost::of(&config, tokenizer, tasks, asking)?))
    }

    /// Returns the work of answering the tasks of a plan, with the documents for a purpose.
    ///
    /// # Errors
    /// As [`Outline::answers`], and when a task's files cannot be read.
    pub(in crate::cli) fn planned(&self, plan: &TaskPlan, purpose: Purpose) -> Result<Work, CliError> {
        let asking = Asking { protocol: plan.protocol, ..Asking::default() };
        self.answers(&plan.read(purpose)?, &asking)
    }

    /// Measures the machine and prints what the work takes on it. Disk space is measured in the folder of `out`.
    ///
    /// # Errors
    /// Fails when standard output does.
    pub(in crate::cli) fn show(
        self,
        work: &[(Work, u64)],
        memory: Option<u64>,
        out: Option<&Path>,
        common: Common,
    ) -> Result<Verdict, CliError> {
        let folder = out.map(|it| match it.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        });
        let machine = Machine::measure(&self.sizes, folder)?;
        let forecast = Forecast::new(self.sizes, machine, work, memory);
        match common.format {
            Format::Json => output::print_json(DocumentKind::Forecast, &forecast)?,
            Format::Text => output::print(&report::forecast::text(&forecast))?,
        }
        Ok(Verdict::Fine)
    }
}

fn at_most(samples: u64, limit: Option<usize>) -> u64 {
    limit.map_or(samples, |limit| samples.min(limit as u64))
}

/// Estimates how many bytes of a text are tokenised at a time, for a number of tokens or for the whole text. Each thread tokenises
/// one whole document.
fn at_once(text: &Text, tokens: Option<u64>) -> u64 {
    // Most tokens have fewer bytes than this (see `Tokens::windows`).
    let most = tokens.map_or(u64::MAX, |tokens| 6 * tokens);
    let longest = text.documents.iter().map(|it| (it.len() as u64).min(most)).max().unwrap_or(0);
    let all: u64 = text.documents.iter().map(|it| it.len() as u64).sum();
    all.min(longest.saturating_mul(rayon::current_num_threads() as u64))
}
