//! `allot generate`: text that a model writes, for people to read.

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::pruned::PrunedArguments;
use crate::cli::shared::{model, output};
use crate::json::DocumentKind;
use crate::model::Tokenizer;
use crate::tasks::{Encoder, Protocol, Writing, continued};

/// Continues a prompt, by taking the likeliest token each time or by sampling, to see how well a pruned model still writes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot generate MODEL 'Once upon a time'
  allot generate MODEL 'Once upon a time' --tokens 200 --temperature 0.8 --top-p 0.95 --draw-seed 7
  allot generate MODEL 'Tom said' --stop '.' --allocation A.json --method magnitude")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The text to continue
    prompt: String,
    /// Largest number of tokens to write; a model stops earlier at the end token that its folder names
    #[arg(long, value_name = "COUNT", default_value_t = 128)]
    tokens: usize,
    /// Stops before this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Samples tokens at this temperature, instead of taking the likeliest
    #[arg(long, value_name = "NUMBER", value_parser = temperature)]
    temperature: Option<f64>,
    /// Samples from the likeliest tokens whose probabilities add up to this share, above 0 and up to 1
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "temperature")]
    top_p: Option<f64>,
    /// Samples from this number of likeliest tokens
    #[arg(long, value_name = "COUNT", requires = "temperature")]
    top_k: Option<usize>,
    /// Seed for sampling tokens
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "temperature")]
    draw_seed: u64,
    #[command(flatten)]
    pruned: PrunedArguments,
}

fn temperature(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|it: &f64| it.is_finite() && *it > 0.0);
    number.ok_or_else(|| "write a number above 0".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|it: &f64| *it > 0.0 && *it <= 1.0);
    number.ok_or_else(|| "write a number above 0 and up to 1".to_owned())
}

/// The document of `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed<'a> {
    /// The prompt that the model continued.
    prompt: &'a str,
    /// The number of tokens of the prompt.
    prompt_tokens: usize,
    /// The text that it wrote.
    text: &'a str,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let checkpoint = model::open(&arguments.model, common)?;
    let tokenizer = Tokenizer::open(&checkpoint)?;
    model::warn_of_texts(Some(tokenizer.special_tokens()), common.quiet);
    let encoder = Encoder::new(tokenizer, Protocol::Harness)?;
    let prompt = encoder.encode(&arguments.prompt)?;
    if prompt.is_empty() {
        return Err(CliError::EmptyPrompt);
    }
    let context = checkpoint.config().positions;
    let length = prompt.len() + arguments.tokens;
    if length > context {
        return Err(CliError::LongText { prompt: prompt.len(), tokens: arguments.tokens, context });
    }
    let decoder = arguments.pruned.decoder(checkpoint, common.quiet)?;
    let writing = Writing { longest: arguments.tokens, stops: arguments.stop.clone() };
    let mut processor = LogitsProcessor::from_sampling(arguments.draw_seed, sampling(arguments));
    let mut choose = |logits: &[f32]| -> Result<u32, CliError> {
        let logits = Tensor::new(logits, &Device::Cpu);
        logits.and_then(|it| processor.sample(&it)).map_err(|error| CliError::Draw(error.to_string()))
    };
    let shown = common.format == Format::Text;
    let mut printed = 0;
    let held = arguments.stop.iter().map(String::len).max().unwrap_or(0);
    let mut each = |text: &str| -> Result<(), CliError> {
        // Holds back an incomplete character, and text that may be the start of a `--stop` text.
        let mut whole = text.trim_end_matches('\u{fffd}').len().saturating_sub(held);
        while !text.is_char_boundary(whole) {
            whole -= 1;
        }
        if shown && whole > printed && text.is_char_boundary(printed) {
            output::print(&text[printed..whole])?;
            printed = whole;
        }
        Ok(())
    };
    if shown {
        output::print(&arguments.prompt)?;
    }
    let text = continued(&decoder, encoder.tokenizer(), &prompt, &writing, &mut choose, &mut each)?;
    match common.format {
        Format::Json => output::print_json(
            DocumentKind::Generation,
            &Printed { prompt: &arguments.prompt, prompt_tokens: prompt.len(), text: &text },
        )?,
        Format::Text => output::print(&format!("{}\n", text.get(printed..).unwrap_or_default()))?,
    }
    Ok(Verdict::Fine)
}

fn sampling(arguments: &Arguments) -> Sampling {
    match (arguments.temperature, arguments.top_k, arguments.top_p) {
        (None, _, _) => Sampling::ArgMax,
        (Some(temperature), None, None) => Sampling::All { temperature },
        (Some(temperature), Some(k), None) => Sampling::TopK { k, temperature },
        (Some(temperature), None, Some(p)) => Sampling::TopP { p, temperature },
        (Some(temperature), Some(k), Some(p)) => Sampling::TopKThenTopP { k, p, temperature },
    }
}
