//! Recipes of llm-compressor: YAML with a list of ratios in the order of the model's `named_modules()`.
//!
//! A stage's key must end with `_stage` and the key of a list of modifiers with `_modifiers`: otherwise the
//! tool succeeds but prunes nothing. The list follows the model's order, whatever the order of the targets. A
//! block as a target stands for all linears in it.

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

/// Returns the recipe of an allocation: a ratio for each block if its linears have the same ratio, else for
/// each linear.
///
/// # Errors
/// When modules' names have different prefixes, or do not give their block.
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

/// Returns the pattern of the prefix before a block's number, which all modules share.
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

/// Returns the patterns of the names after a block's number, without duplicates.
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

/// Reads a recipe: the ratios of its modifiers that have a `sparsity`.
///
/// The targets of a modifier match either all of the model's blocks or all linears in them: by `re:`
/// patterns, as in Python's `re.match`, by names, or by the class `Linear`. A single number is the ratio of
/// all targets. Several modifiers are combined into one allocation if each has a single number and each
/// linear belongs to exactly one of them.
///
/// # Errors
/// When the text is not YAML, no key ends with `_modifiers` or holds a `sparsity`, a modifier has a key that
/// is not known to leave ratios unchanged, the targets or the list are not the model's, a linear of the model
/// is ignored, or a setting other than the ratios affects the choice of weights.
pub fn read(text: &str, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let recipe = parse(text)?;
    let found = modifiers(&recipe)?;
    for (name, modifier) in &found {
        check_keys(name, modifier)?;
    }
    match &found[..] {
        [] => Err(wrong(
            "no stage (a key ending in `_stage`) has modifiers (a key ending in `_modifiers`) with a `sparsity`",
        )),
        [(_, modifier)] => read_one(modifier, blocks),
        several => read_several(several, blocks),
    }
}

fn wrong(problem: impl Into<String>) -> ExchangeError {
    ExchangeError::malformed(Format::LlmCompressor, problem)
}

/// Parses a recipe as PyYAML does, which accepts lists in brackets with any indentation of their lines.
fn parse(text: &str) -> Result<Yaml, ExchangeError> {
    let loaded = YamlLoader::load_from_str(text);
    let loaded = loaded.or_else(|error| YamlLoader::load_from_str(&indented(text)).map_err(|_| error));
    let mut documents = loaded.map_err(|error| wrong(error.to_string()))?;
    match documents.len() {
        0 => Err(wrong("it is empty")),
        1 => Ok(documents.remove(0)),
        several => Err(wrong(format!("it holds {several} documents, but a recipe is a single one"))),
    }
}

/// Indents the lines that begin inside brackets or braces, as YAML 1.2 requires.
fn indented(text: &str) -> String {
    let (mut depth, mut quote) = (0_usize, None);
    let mut out = String::new();
    for line in text.lines() {
        if depth > 0 && quote.is_none() {
            out.push_str(&" ".repeat(80));
        }
        out.push_str(line);
        out.push('\n');
        let mut before = ' ';
        for sign in line.chars() {
            match (quote, sign) {
                (None, '#') if before.is_whitespace() => break,
                (None, '"' | '\'') if before.is_whitespace() || "[{,:".contains(before) => quote = Some(sign),
                (None, '[' | '{') => depth += 1,
                (None, ']' | '}') => depth = depth.saturating_sub(1),
                (Some(open), _) if sign == open && before != '\\' => quote = None,
                _ => {}
            }
            before = sign;
        }
    }
    out
}

/// Returns the modifiers that have a sparsity, by name.
fn modifiers(recipe: &Yaml) -> Result<Vec<(String, &Yaml)>, ExchangeError> {
    let entries = |yaml: &'_ Yaml| -> Vec<(String, Yaml)> {
        let hash = yaml.as_hash().into_iter().flatten();
        hash.filter_map(|(key, _)| Some((key.as_str()?.to_owned(), key.clone()))).collect()
    };
    let (mut found, mut beside) = (Vec::new(), Vec::new());
    for (stage, key) in entries(recipe) {
        let stage_of = &recipe[key.as_str().unwrap_or_default()];
        if !stage.ends_with("_stage") {
            if contains_sparsity(stage_of) {
                return Err(wrong(format!(
                    "`{stage}` holds a `sparsity`, but the tool ignores it because its name does not end in `_stage`"
                )));
            }
            continue;
        }
        for (list, key) in entries(stage_of) {
            let list_of = &stage_of[key.as_str().unwrap_or_default()];
            if !list.ends_with("_modifiers") {
                if contains_sparsity(list_of) {
                    return Err(wrong(format!(
                        "`{list}` holds a `sparsity`, but the tool ignores it because its name does not end in `_modifiers`"
                    )));
                }
                continue;
            }
            for (name, key) in entries(list_of) {
                let modifier = &list_of[key.as_str().unwrap_or_default()];
                if !modifier["sparsity"].is_badvalue() {
                    found.push((name, modifier));
                } else if name.contains("Pruning") || name.contains("SparseGPT") {
                    return Err(wrong(format!("{name} prunes, but has no `sparsity`")));
                } else {
                    beside.push(name);
                }
            }
        }
    }
    match beside.first().filter(|_| !found.is_empty()) {
        None => Ok(found),
        // Scaled or quantised weights are chosen differently, and a pruned folder would be neither.
        Some(other) => Err(wrong(format!(
            "it also has {other}, which changes the weights; allot reads recipes that only prune, so put the pruning into a recipe of its own"
        ))),
    }
}

/// Returns whether a key `sparsity` exists at any depth.
fn contains_sparsity(yaml: &Yaml) -> bool {
    let hash = yaml.as_hash().into_iter().flatten();
    hash.into_iter().any(|(key, value)| key.as_str() == Some("sparsity") || contains_sparsity(value))
}

/// Keys of a modifier that change neither which linears are pruned nor how many weights of each.
const HARMLESS: [&str; 13] = [
    "block_size",
    "dampening_frac",
    "ids",
    "index",
    "group",
    "name",
    "offload_hessians",
    "preserve_sparsity_mask",
    "sequential_targets",
    "sequential_update",
    "start",
    "end",
    "update",
];

/// Refuses a modifier whose ratios differ from its `sparsity`, or that has settings an allocation cannot
/// represent.
fn check_keys(name: &str, modifier: &Yaml) -> Result<(), ExchangeError> {
    for (key, value) in modifier.as_hash().into_iter().flatten() {
        let key = key.as_str().unwrap_or("a key that is not a text");
        match key {
            "sparsity" | "targets" | "ignore" => {}
            _ if HARMLESS.contains(&key) => {}
            // A null value stands for the default, which changes nothing.
            _ if value.is_null() => {}
            "mask_structure" if matches!(value.as_str(), Some("0:0" | "unstructured")) => {}
            "mask_structure" => {
                let pattern = value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned);
                return Err(wrong(format!(
                    "its `mask_structure` is {pattern}, which restricts where zeros lie, but an allocation cannot; prune with `--pattern {pattern}` and the recipe's sparsity"
                )));
            }
            "sparsity_profile" | "owl_m" | "owl_lmbda" => {
                return Err(wrong(format!(
                    "its `{key}` makes the tool compute ratios from activations, so the recipe holds none; the script `owl` computes them"
                )));
            }
            _ => {
                return Err(wrong(format!(
                    "{name} has the key `{key}`, whose effect on the ratios is unknown; remove it if it has none"
                )));
            }
        }
    }
    Ok(())
}

/// Reads one modifier.
fn read_one(modifier: &Yaml, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let targets = texts(modifier, "targets")?;
    let places = matched(&targets, blocks)?;
    let ignored = texts(modifier, "ignore")?;
    check_head(&targets, &ignored)?;
    let matches = matchers(&ignored)?;
    let is_ignored = |linear: &&Projection| matches.iter().any(|matches| matches(&linear.name));
    if let Some(linear) = linears(blocks).find(is_ignored) {
        return Err(wrong(format!(
            "its `ignore` excludes {}, but an allocation has a ratio for every linear; remove it from `ignore`, or give each linear its own ratio, with 0 for that one",
            linear.name
        )));
    }
    let sparsity = &modifier["sparsity"];
    let values: Option<Vec<f64>> = match (number(sparsity), sparsity.as_vec()) {
        (Some(ratio), _) => Some(vec![ratio; places.count()]),
        (None, Some(list)) => list.iter().map(number).collect(),
        (None, None) => None,
    };
    let values = values.ok_or_else(|| wrong("its `sparsity` is neither a number nor a list of numbers"))?;
    if values.len() != places.count() {
        return Err(wrong(format!(
            "its targets match {} modules, but its `sparsity` has {} ratios",
            places.count(),
            values.len()
        )));
    }
    Ok(match places {
        Places::Blocks(_) => Ratios::Blocks(values),
        Places::Linears(_) => Ratios::Linears(values),
    })
}

/// Reads several modifiers, each responsible for different linears.
fn read_several(several: &[(String, &Yaml)], blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let linears: Vec<&Projection> = linears(blocks).collect();
    let mut ratios: Vec<Option<f64>> = vec![None; linears.len()];
    for (name, modifier) in several {
        let targets = texts(modifier, "targets")?;
        let ignored = texts(modifier, "ignore")?;
        check_head(&targets, &ignored)?;
        let (targets, ignored) = (matchers(&targets)?, matchers(&ignored)?);
        let ratio = number(&modifier["sparsity"]).ok_or_else(|| {
            wrong(format!("it has several modifiers, but the `sparsity` of {name} is not a single number"))
        })?;
        for (linear, found) in linears.iter().zip(&mut ratios) {
            let place = place(&linear.name)?;
            let block = format!("{}{}", place.before, place.block);
            let is = |all: &[Target], name: &str| all.iter().any(|matches| matches(name));
            if !(is(&targets, &linear.name) || is(&targets, &block)) || is(&ignored, &linear.name) {
                continue;
            }
            if found.replace(ratio).is_some() {
                return Err(wrong(format!("two of its modifiers prune {}", linear.name)));
            }
        }
    }
    let ratio = |(linear, ratio): (&&Projection, Option<f64>)| {
        ratio.ok_or_else(|| ExchangeError::NoRatio { module: linear.name.clone() })
    };
    let ratios = linears.iter().zip(ratios).map(ratio).collect::<Result<_, _>>()?;
    Ok(Ratios::Linears(ratios))
}

/// Refuses targets that include the output embedding, for which an allocation has no ratio.
fn check_head(targets: &[String], ignored: &[String]) -> Result<(), ExchangeError> {
    const HEAD: &str = "lm_head";
    let names_head = |all: &[String]| -> Result<bool, ExchangeError> {
        Ok(matchers(all)?.iter().any(|matches| matches(HEAD)))
    };
    if names_head(targets)? && !names_head(ignored)? {
        return Err(wrong(format!(
            "its targets include `{HEAD}`, which allot does not prune; write `ignore: [\"re:.*{HEAD}\"]` if the tool is to leave it alone as well"
        )));
    }
    Ok(())
}

fn number(value: &Yaml) -> Option<f64> {
    value.as_f64().or_else(|| value.as_i64().map(|whole| whole as f64))
}

/// Returns the texts of a key: a single one, a list, or an empty list if the key is missing.
fn texts(modifier: &Yaml, key: &str) -> Result<Vec<String>, ExchangeError> {
    let text = |it: &Yaml| {
        it.as_str()
            .map(str::to_owned)
            .ok_or_else(|| wrong(format!("its `{key}` holds a value that is not a text")))
    };
    match &modifier[key] {
        Yaml::BadValue | Yaml::Null => Ok(Vec::new()),
        Yaml::Array(many) => many.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// What the targets match, with its number.
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

/// A predicate for whether a target of a recipe names a module.
type Target = Box<dyn Fn(&str) -> bool>;

/// Returns a predicate for each target that tells whether it names a module.
fn matchers(targets: &[String]) -> Result<Vec<Target>, ExchangeError> {
    let matcher = |target: &String| -> Result<Target, ExchangeError> {
        let Some(pattern) = target.strip_prefix("re:") else {
            let target = target.clone();
            // A class stands for all of its modules; every linear is a `Linear`.
            return Ok(Box::new(move |name| name == target || (target == "Linear" && !is_block(name))));
        };
        // `re.match` matches at the start of the name and may end anywhere.
        let regex = Regex::new(&format!("^(?:{pattern})")).map_err(|error| {
            ExchangeError::malformed(Format::LlmCompressor, format!("the target `{target}`: {error}"))
        })?;
        Ok(Box::new(move |name| regex.is_match(name).unwrap_or(false)))
    };
    targets.iter().map(matcher).collect()
}

/// Returns whether a name ends with a block's number, unlike the name of a linear.
fn is_block(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.parse::<usize>().is_ok())
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
