//! Reads from `config.json` how queries and keys are rotated: `rope_parameters` (transformers 5), or
//! `rope_theta` and `rope_scaling` (transformers 4), for all blocks or for each kind of attention.

use std::f64::consts::TAU;

use serde_json::{Map, Value};

use super::architecture::{Architecture, Bases};
use super::error::ModelError;
use super::keys::Keys;
use super::known_keys::{Part, unread};
use super::rotary::{Rotary, Scaling};
use super::warning::ModelWarning;

/// The supported kinds of attention in `layer_types`.
pub(super) const FULL: &str = "full_attention";
pub(super) const SLIDING: &str = "sliding_attention";

/// The base if a configuration gives none: every family's class uses it.
const BASE: f64 = 10_000.0;

/// The rotations of a decoder.
pub(super) struct Rotations {
    /// The rotation of blocks with full attention.
    pub(super) full: Rotary,
    /// The rotation of sliding blocks, if it differs.
    pub(super) sliding: Option<Rotary>,
    /// The longest context in tokens, which some scalings stretch.
    pub(super) positions: usize,
    pub(super) warnings: Vec<ModelWarning>,
}

/// Settings outside the rotary object that rotations depend on.
#[derive(Clone, Copy)]
struct Around<'a> {
    /// The language model's keys.
    outer: &'a Keys<'a>,
    /// A head's width.
    head_size: usize,
    /// `max_position_embeddings`.
    positions: usize,
    /// Whether a part of a head's channels may stay unrotated.
    partial: bool,
    /// The class's default of `original_max_position_embeddings`, if it has that key.
    original: Option<usize>,
}

/// Reads the rotations of a family's decoder.
///
/// # Errors
/// When a kind of scaling is not supported, a number that it needs is missing, or two forms contradict each
/// other.
pub(super) fn read(
    keys: &Keys<'_>,
    architecture: &Architecture,
    head_size: usize,
    positions: usize,
) -> Result<Rotations, ModelError> {
    let (partial, original) = (architecture.partial_rotation, architecture.original_positions);
    let around = Around { outer: keys, head_size, positions, partial, original };
    match architecture.bases {
        Bases::One => read_one(around),
        Bases::ByAttention { full, sliding } => read_two(around, full, sliding),
    }
}

fn read_one(around: Around<'_>) -> Result<Rotations, ModelError> {
    let keys = around.outer;
    let new = keys.object("rope_parameters")?;
    let old = keys.object("rope_scaling")?.filter(|it| !it.is_empty());
    for (name, object) in [("rope_parameters", new), ("rope_scaling", old)] {
        if object.is_some_and(|it| it.values().any(Value::is_object)) {
            return Err(
                keys.wrong(name, "is nested by kind of attention, but this family has only one rotation")
            );
        }
    }
    let empty = Map::new();
    let (name, object) = match (old, new) {
        // transformers makes the same choice.
        (Some(old), _) => ("rope_scaling", old),
        (None, new) => ("rope_parameters", new.unwrap_or(&empty)),
    };
    let inner = Keys::below(keys.path(), object, &keys.name(&format!("{name}.")));
    let theta = base(keys, &inner, BASE)?;
    if let (Some(_), Some(new)) = (old, new) {
        let beside = Keys::below(keys.path(), new, "").number("rope_theta")?.unwrap_or(theta);
        if beside != theta {
            return Err(keys.wrong(
                "rope_scaling",
                format!(
                    "gives rope_theta {theta}, but rope_parameters beside it gives {beside}; \
                     write rope_theta into rope_scaling, or keep one of the two"
                ),
            ));
        }
    }
    let (full, positions) = rotary(around, &inner, theta, true)?;
    let mut warnings: Vec<_> = other_original(around, &inner, &full)?.into_iter().collect();
    warnings.extend(unread(&inner, Part::Rotary)?);
    Ok(Rotations { full, sliding: None, positions, warnings })
}

fn read_two(around: Around<'_>, full: f64, sliding: f64) -> Result<Rotations, ModelError> {
    let keys = around.outer;
    let empty = Map::new();
    let new = keys.object("rope_parameters")?;
    let old = keys.object("rope_scaling")?;
    if new.is_none() && old.is_some_and(|it| !it.contains_key("rope_type")) {
        let kind = old.and_then(|it| it.get("type")).and_then(Value::as_str);
        if let Some(kind) = kind.filter(|it| *it != "default") {
            return Err(keys.wrong(
                "rope_scaling.type",
                format!(
                    "is `{kind}`, but this family's class reads only `rope_type` there and leaves the positions \
                     unscaled; rename the key to scale them, or remove rope_scaling"
                ),
            ));
        }
    }
    let new = new.unwrap_or(&empty);
    let nested = Keys::below(keys.path(), new, &keys.name("rope_parameters."));
    let of = |kind| nested.object(kind).map(|it| it.cloned().unwrap_or_default());
    let (mut wide, narrow) = (of(FULL)?, of(SLIDING)?);
    if let Some((key, _)) = nested.never_asked().first() {
        return Err(nested.wrong(
            key,
            format!("is not inside `{FULL}` or `{SLIDING}`, but this family has a rotation for each"),
        ));
    }
    // The old key applies only to full attention.
    wide.extend(old.cloned().unwrap_or_default());
    let wide = Keys::below(keys.path(), &wide, &nested.name(&format!("{FULL}.")));
    let narrow = Keys::below(keys.path(), &narrow, &nested.name(&format!("{SLIDING}.")));
    let theta = match wide.number("rope_theta")? {
        Some(theta) => theta,
        None => keys.number("rope_theta")?.unwrap_or(full),
    };
    let local = match narrow.number("rope_theta")? {
        Some(theta) => theta,
        None => keys.number("rope_local_base_freq")?.unwrap_or(sliding),
    };
    keys.decided(&["rope_theta", "rope_local_base_freq"]);
    let (full, positions) = rotary(around, &wide, theta, false)?;
    let (sliding, _) = rotary(around, &narrow, local, false)?;
    let mut warnings = Vec::new();
    warnings.extend(unread(&wide, Part::Rotary)?);
    warnings.extend(unread(&narrow, Part::Rotary)?);
    Ok(Rotations { full, sliding: Some(sliding), positions, warnings })
}

/// Returns the base: from the rotary object, else from the configuration, else the family's default.
fn base(outer: &Keys<'_>, inner: &Keys<'_>, default: f64) -> Result<f64, ModelError> {
    let outside = outer.number("rope_theta")?;
    Ok(inner.number("rope_theta")?.or(outside).unwrap_or(default))
}

/// Reads one rotation, and returns the longest context with it. `flat` means that keys beside the object
/// apply to it too.
fn rotary(
    around: Around<'_>,
    inner: &Keys<'_>,
    theta: f64,
    flat: bool,
) -> Result<(Rotary, usize), ModelError> {
    let Around { outer, head_size, positions, partial, .. } = around;
    let outside = if flat { outer.number("partial_rotary_factor")? } else { None };
    let share = inner.number("partial_rotary_factor")?.or(outside).unwrap_or(1.0);
    if share != 1.0 && !partial {
        let place = if inner.has("partial_rotary_factor") { inner } else { outer };
        let problem = format!("is {share}, but this family rotates whole heads");
        return Err(place.wrong("partial_rotary_factor", problem));
    }
    let size = (head_size as f64 * share) as usize;
    if size == 0 || size > head_size || !size.is_multiple_of(2) || theta <= 0.0 {
        return Err(outer.wrong(
            "head_dim",
            format!("gives {size} rotated channels of {head_size} with base {theta}; an even number and a positive base are required"),
        ));
    }
    let kind = match kind(inner)? {
        // Older names of longrope in the family whose class has a key for the original length.
        "su" | "yarn" if around.original.is_some() => "longrope",
        kind => kind,
    };
    let original = match outer_original(around, flat)? {
        Some(outside) => outside,
        None => inner.number("original_max_position_embeddings")?.unwrap_or(positions as f64),
    };
    if original <= 0.0 {
        return Err(
            inner.wrong("original_max_position_embeddings", format!("is {original}; it must be above 0"))
        );
    }
    let mut longest = positions;
    let mut stretched = |factor: f64, original: f64| longest = longest.max((factor * original) as usize);
    let scaling = match kind {
        "default" => Scaling::None,
        "linear" => Scaling::Linear { factor: inner.positive("factor")? },
        "dynamic" => {
            let factor = inner.positive("factor")?;
            if size <= 2 || factor < 1.0 {
                return Err(inner.wrong("factor", "must be 1 or more, and heads wider than 2"));
            }
            stretched(factor, positions as f64);
            Scaling::Dynamic { factor, original: positions as f64 }
        }
        "yarn" => {
            let yarn = read_yarn(inner, theta, size, positions, original)?;
            if let Scaling::Yarn { factor, .. } = yarn {
                stretched(factor, original);
            }
            yarn
        }
        "llama3" => Scaling::Llama3 {
            factor: inner.positive("factor")?,
            low: inner.positive("low_freq_factor")?,
            high: inner.positive("high_freq_factor")?,
            original,
        },
        "longrope" | "su" => read_long(inner, size, positions, original)?,
        other => {
            return Err(inner.wrong(
                "rope_type",
                format!("is `{other}`; supported are default, linear, dynamic, yarn, llama3 and longrope"),
            ));
        }
    };
    Ok((Rotary { theta, size, scaling }, longest))
}

/// Returns the context length in training that stands beside the rotary object, or that the family's class
/// has by default. It takes precedence over the one in the object.
fn outer_original(around: Around<'_>, flat: bool) -> Result<Option<f64>, ModelError> {
    let outside = if flat { around.outer.number("original_max_position_embeddings")? } else { None };
    Ok(outside.or(around.original.map(|it| it as f64)))
}

/// Returns a warning if the rotary object has another context length in training than the one that counts.
fn other_original(
    around: Around<'_>,
    inner: &Keys<'_>,
    rotary: &Rotary,
) -> Result<Option<ModelWarning>, ModelError> {
    const KEY: &str = "original_max_position_embeddings";
    let (inside, outside) = (inner.number(KEY)?, outer_original(around, true)?);
    let reads =
        matches!(rotary.scaling, Scaling::Yarn { .. } | Scaling::Llama3 { .. } | Scaling::Long { .. });
    Ok(match (inside, outside) {
        (Some(inside), Some(outside)) if reads && inside != outside => Some(ModelWarning::OtherKey {
            path: inner.path().to_owned(),
            key: format!("`{}`: `{inside}`", inner.name(KEY)),
            used: format!("`{}`: `{outside}`", around.outer.name(KEY)),
        }),
        _ => None,
    })
}

/// Returns the kind of scaling, under its new or its old key.
fn kind<'a>(inner: &Keys<'a>) -> Result<&'a str, ModelError> {
    let (new, old) = (inner.text("rope_type")?, inner.text("type")?);
    match (new, old) {
        (Some(new), Some(old)) if new != old => {
            Err(inner.wrong("rope_type", format!("is `{new}`, but `type` beside it is `{old}`")))
        }
        (new, old) => Ok(new.or(old).unwrap_or("default")),
    }
}

/// Reads YaRN's factor and finds the two channel pairs between which the stretching increases gradually.
fn read_yarn(
    inner: &Keys<'_>,
    theta: f64,
    size: usize,
    positions: usize,
    original: f64,
) -> Result<Scaling, ModelError> {
    let factor = match inner.is_null("factor") {
        // DeepSeek's configurations leave the factor null.
        true => positions as f64 / original,
        false => inner.positive("factor")?,
    };
    let weight = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    let (scale, of_all) = (inner.number("mscale")?, inner.number("mscale_all_dim")?);
    let attention = match (inner.number("attention_factor")?, scale, of_all) {
        (Some(attention), _, _) => attention,
        (None, Some(scale), Some(of_all)) if scale != 0.0 && of_all != 0.0 => weight(scale) / weight(of_all),
        (None, _, _) => weight(1.0),
    };
    let rotations = |key, default: f64| -> Result<f64, ModelError> {
        match inner.number(key)?.filter(|it| *it != 0.0) {
            None => Ok(default),
            Some(number) if number > 0.0 => Ok(number),
            Some(number) => Err(inner.wrong(key, format!("is {number}; it must be above 0"))),
        }
    };
    let pair = |turns: f64| size as f64 * (original / (turns * TAU)).ln() / (2.0 * theta.ln());
    let (low, high) = (pair(rotations("beta_fast", 32.0)?), pair(rotations("beta_slow", 1.0)?));
    let (low, high) = match inner.flag("truncate", true)? {
        true => (low.floor(), high.ceil()),
        false => (low, high),
    };
    let (low, high) = (low.max(0.0), high.min(size as f64 - 1.0));
    if !low.is_finite() || !high.is_finite() || !attention.is_finite() || high < low {
        return Err(
            inner.wrong("rope_type", "is `yarn`, but its numbers give no range of channels to stretch")
        );
    }
    Ok(Scaling::Yarn { factor, low, high, attention })
}

/// Reads the factors of `longrope` for a model trained on `original` positions.
fn read_long(inner: &Keys<'_>, size: usize, positions: usize, original: f64) -> Result<Scaling, ModelError> {
    let factor = inner.number("factor")?.unwrap_or(positions as f64 / original);
    let attention = match inner.number("attention_factor")? {
        Some(attention) => attention,
        None if factor <= 1.0 => 1.0,
        None => (1.0 + factor.ln() / original.ln()).sqrt(),
    };
    Ok(Scaling::Long {
        short: inner.numbers("short_factor", size / 2)?,
        long: inner.numbers("long_factor", size / 2)?,
        original: original as usize,
        attention,
    })
}
