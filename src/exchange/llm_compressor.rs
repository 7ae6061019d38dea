//! Recipes of llm-compressor: YAML with a list of ratios, in the order of the model's `named_modules()`.
//!
//! A stage's key must end with `_stage` and the list of modifiers' with `_modifiers`: otherwise the tool ends well and prunes
//! nothing. The list goes by the model's order, whatever the order of the targets. A block as a target stands for all linears in it.

use std::fmt::Write as _;

use fancy_regex::Regex;
use yaml_rust2::{Yaml, YamlLoader};

use super::modules::{LinearRatio, Ratios, linear_ratios, linears, of_blocks, place};
use super::{ExchangeError, Format};
use crate::allocate::{Allocation, Projection, Unit};

/// The method by which llm-compressor chooses weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modifier {
    /// `WandaPruningModifier`.
    #[default]
    Wanda,
    /// `SparseGPTModifier`.
    SparseGpt,
}

impl Modifier {
    /// Returns the modifier's class in llm-compressor.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Wanda => "WandaPruningModifier",
            Self::SparseGpt => "SparseGPTModifier",
        }
    }
}

/// Returns the recipe of an allocation: a ratio for each block where its linears have one ratio, else for each linear.
///
/// # Errors
/// When modules' names do not begin alike, or say nothing of their block.
pub fn write(allocation: &Allocation, modifier: Modifier) -> Result<String, ExchangeError> {
    let linears = linear_ratios(allocation)?;
    let (ratios, targets) = match of_blocks(&linears) {
        Some(blocks) => (blocks, format!("re:{}\\d+$", before(&linears)?)),
        None => {
            let pattern = format!("re:{}\\d+\\.({})$", before(&linears)?, below(&linears)?.join("|"));
            (linears.iter().map(|linear| linear.sparsity).collect(), pattern)
        }
    };
    let ratios: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:?}")).collect();
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "pruning_stage:\n  pruning_modifiers:\n    {}:\n      sparsity: [{}]\n      mask_structure: \"0:0\"\n      targets: [{}]\n",
        modifier.class(),
        ratios.join(", "),
        quoted(&targets),
    );
    if modifier == Modifier::SparseGpt {
        text.push_str("      block_size: 128\n      dampening_frac: 0.01\n");
    }
    Ok(text)
}

/// Returns the pattern of what comes before a block's number, which all modules share.
fn before(linears: &[LinearRatio]) -> Result<String, ExchangeError> {
    let Some(first) = linears.first() else { return Ok(String::new()) };
    let before = place(&first.name)?.before;
    for linear in linears {
        if place(&linear.name)?.before != before {
            let (module, first) = (linear.name.clone(), first.name.clone());
            return Err(ExchangeError::OtherPrefix { module, first });
        }
    }
    Ok(fancy_regex::escape(before).into_owned())
}

/// Returns the patterns of what comes after a block's number, each once.
fn below(linears: &[LinearRatio]) -> Result<Vec<String>, ExchangeError> {
    let mut all = Vec::new();
    for linear in linears {
        let below = fancy_regex::escape(place(&linear.name)?.below).into_owned();
        if !all.contains(&below) {
            all.push(below);
        }
    }
    Ok(all)
}

/// Returns text as a YAML string in double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Reads a recipe: the ratios of its first modifier that has a `sparsity`.
///
/// Its targets must match either all of the model's blocks or all linears in them, by `re:` patterns as Python's `re.match` has
/// them, or by names. One number is the ratio of all.
///
/// # Errors
/// When it is no YAML, no key ends with `_modifiers` or holds a `sparsity`, the targets or the list are not the model's, or a
/// linear of the model is ignored.
pub fn read(text: &str, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let wrong = |problem: String| ExchangeError::malformed(Format::LlmCompressor, problem);
    let documents = YamlLoader::load_from_str(text).map_err(|error| wrong(error.to_string()))?;
    let recipe = documents.first().ok_or_else(|| wrong("it is empty".to_owned()))?;
    let modifier = modifier(recipe).ok_or_else(|| {
        wrong("no stage, a key ending in `_stage`, has modifiers, a key ending in `_modifiers`, with a `sparsity`".to_owned())
    })?;
    let targets = texts(&modifier["targets"]);
    let places = matched(&targets, blocks)?;
    let ignored = texts(&modifier["ignore"]);
    let matches = matchers(&ignored)?;
    let is_ignored = |linear: &&Projection| {
        ignored.iter().any(|it| it == "Linear") || matches.iter().any(|matches| matches(&linear.name))
    };
    if let Some(linear) = linears(blocks).find(is_ignored) {
        return Err(wrong(format!(
            "its `ignore` leaves out {}, and an allocation has a ratio for every linear; take it out of `ignore`, or give each linear its own ratio, and that one 0",
            linear.name
        )));
    }
    let number = |value: &Yaml| value.as_f64().or_else(|| value.as_i64().map(|whole| whole as f64));
    let sparsity = &modifier["sparsity"];
    let values: Option<Vec<f64>> = match (number(sparsity), sparsity.as_vec()) {
        (Some(ratio), _) => Some(vec![ratio; places.count()]),
        (None, Some(list)) => list.iter().map(number).collect(),
        (None, None) => None,
    };
    let values =
        values.ok_or_else(|| wrong("its `sparsity` is no number and no list of numbers".to_owned()))?;
    if values.len() != places.count() {
        return Err(wrong(format!(
            "its targets match {} modules, and its `sparsity` has {} ratios",
            places.count(),
            values.len()
        )));
    }
    Ok(match places {
        Places::Blocks(_) => Ratios::Blocks(values),
        Places::Linears(_) => Ratios::Linears(values),
    })
}

/// Returns the first modifier that has a sparsity.
fn modifier(recipe: &Yaml) -> Option<&Yaml> {
    let entries = |yaml: &'_ Yaml, ending: &str| -> Vec<Yaml> {
        let hash = yaml.as_hash().into_iter().flatten();
        hash.filter(|(key, _)| key.as_str().is_some_and(|key| key.ends_with(ending)))
            .map(|(key, _)| key.clone())
            .collect()
    };
    for stage in entries(recipe, "_stage") {
        let stage = &recipe.as_hash()?[&stage];
        for modifiers in entries(stage, "_modifiers") {
            let modifiers = stage.as_hash()?[&modifiers].as_hash()?;
            if let Some((_, found)) =
                modifiers.iter().find(|(_, modifier)| !modifier["sparsity"].is_badvalue())
            {
                return Some(found);
            }
        }
    }
    None
}

fn texts(yaml: &Yaml) -> Vec<String> {
    let one = yaml.as_str().map(|text| vec![text.to_owned()]);
    let many =
        || yaml.as_vec().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect();
    one.unwrap_or_else(many)
}

/// What targets match, and how many.
#[derive(Clone, Copy, Debug)]
enum Places {
    Blocks(usize),
    Linears(usize),
}

impl Places {
    const fn count(self) -> usize {
        match self {
            Self::Blocks(count) | Self::Linears(count) => count,
        }
    }
}

/// Says whether a target of a recipe names a module.
type Target = Box<dyn Fn(&str) -> bool>;

/// Returns what says whether each of some targets names a module.
fn matchers(targets: &[String]) -> Result<Vec<Target>, ExchangeError> {
    let matcher = |target: &String| -> Result<Target, ExchangeError> {
        let Some(pattern) = target.strip_prefix("re:") else {
            let target = target.clone();
            return Ok(Box::new(move |name| name == target));
        };
        // `re.match` begins at the name's beginning and may end anywhere.
        let regex = Regex::new(&format!("^(?:{pattern})")).map_err(|error| {
            ExchangeError::malformed(Format::LlmCompressor, format!("the target `{target}`: {error}"))
        })?;
        Ok(Box::new(move |name| regex.is_match(name).unwrap_or(false)))
    };
    targets.iter().map(matcher).collect()
}

/// Returns whether targets match all blocks or all linears.
fn matched(targets: &[String], blocks: &[Unit]) -> Result<Places, ExchangeError> {
    let linears: Vec<&str> = linears(blocks).map(|linear| linear.name.as_str()).collect();
    let mut blocks: Vec<String> = Vec::new();
    for linear in &linears {
        let place = place(linear)?;
        blocks.push(format!("{}{}", place.before, place.block));
    }
    blocks.dedup();
    let matches = matchers(targets)?;
    let count = |names: &mut dyn Iterator<Item = &str>| {
        names.filter(|name| matches.iter().any(|matches| matches(name))).count()
    };
    let of_blocks = count(&mut blocks.iter().map(String::as_str));
    let of_linears = count(&mut linears.iter().copied());
    match (of_blocks, of_linears) {
        (all, 0) if all == blocks.len() => Ok(Places::Blocks(all)),
        (0, all) if all == linears.len() => Ok(Places::Linears(all)),
        _ => Err(ExchangeError::Targets {
            targets: targets.join("`, `"),
            blocks: of_blocks,
            all_blocks: blocks.len(),
            linears: of_linears,
            all_linears: linears.len(),
        }),
    }
}
