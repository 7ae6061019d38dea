//! Statistics of a model's linears, and how they were collected.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tokens::Tokens;
use crate::data::{BlockChange, Damage, LinearData, Marginal, ModelData, Values};
use crate::model::{Checkpoint, Difference, FINGERPRINT, Identity, Linear, ModelError};
use crate::results::Results;

/// How statistics were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Provenance {
    /// Number of windows that were read.
    pub samples: usize,
    /// Number of tokens in a window.
    pub length: usize,
    /// Number of tokens in all windows.
    pub tokens: usize,
    /// Seed that drew the windows.
    pub seed: u64,
    /// SHA-256 of the text or token file.
    pub source: String,
    /// SHA-256 of the token ids that were read.
    #[serde(default)]
    pub ids: String,
    /// The fingerprint of the model's weights ([`Checkpoint::fingerprint`]).
    pub model: String,
    /// The keys of the model's `config.json`, each with its value, or SHA-256 of a long one.
    #[serde(default)]
    pub config: Identity,
    /// SHA-256 of each of the tokenizer's files, if a text was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<Identity>,
    /// The device on which the model ran, and its precision.
    #[serde(default)]
    pub place: String,
    /// The version of allot that wrote the file.
    pub version: String,
    /// The uniformly pruned models at which marginals were measured, on the same windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marginals: Vec<MarginalsOf>,
    /// The models with a single pruned unit whose damage was measured, on the same windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damages: Vec<DamageOf>,
    /// The XXH3 hash of the file's data, by which damage is found; only in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// SHA-256 of everything that reductions depend on, if there are any: version, CPU, weights, statistics. Reductions with another hash are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reductions: Option<String>,
}

impl Provenance {
    /// Returns the provenance of statistics of a model on these tokens.
    ///
    /// # Errors
    /// When the model's `config.json` or tokenizer can no longer be read.
    pub fn new(checkpoint: &Checkpoint, tokens: &Tokens, seed: u64) -> Result<Self, ModelError> {
        let tokenizer = tokens.from_text().then(|| checkpoint.tokenizer_identity());
        Ok(Self {
            samples: tokens.samples(),
            length: tokens.length(),
            tokens: tokens.ids().len(),
            seed,
            source: tokens.hash().to_owned(),
            ids: tokens.ids_hash(),
            model: checkpoint.fingerprint(),
            config: checkpoint.identity()?,
            tokenizer: tokenizer.transpose()?,
            place: checkpoint.place(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            marginals: Vec::new(),
            damages: Vec::new(),
            checksum: None,
            reductions: None,
        })
    }

    /// Returns whether an earlier version made them, which did not read every byte of the weights.
    pub fn is_old(&self) -> bool {
        !self.model.starts_with(FINGERPRINT)
    }

    /// Returns what has changed since the statistics were collected: the model's weights, its configuration,
    /// or its tokenizer if a text was read. The device and the precision are not compared.
    ///
    /// # Errors
    /// When the model's `config.json` or tokenizer can no longer be read.
    pub fn difference(&self, checkpoint: &Checkpoint) -> Result<Option<Difference>, ModelError> {
        let (mut before, mut now) = (Identity::default(), Identity::default());
        before.add("the fingerprint of the weights", self.model.as_str());
        now.add("the fingerprint of the weights", checkpoint.fingerprint());
        if let Some(difference) = before.difference(&now) {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.config.difference(&checkpoint.identity()?) {
            return Ok(Some(difference));
        }
        let Some(tokenizer) = &self.tokenizer else { return Ok(None) };
        Ok(tokenizer.difference(&checkpoint.tokenizer_identity()?))
    }
}

/// A uniformly pruned model at which marginals were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MarginalsOf {
    /// The metric whose scores decided which weights were pruned, in its normal form.
    pub metric: String,
    /// The share of weights that was pruned.
    pub sparsity: f64,
    /// The higher share at which the marginals were measured again, for their slope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond: Option<f64>,
}

// A sparsity comes from a command line or a file, where it cannot be NaN.
impl Eq for MarginalsOf {}

/// The models with a single pruned unit whose damage was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DamageOf {
    /// The metric whose scores decided which of the unit's weights were pruned, in its normal form.
    pub metric: String,
    /// The share of the unit's weights that was pruned.
    pub sparsity: f64,
    /// Whether each unit is a block; otherwise it is a single linear.
    pub of_blocks: bool,
}

// As for the marginals.
impl Eq for DamageOf {}

impl DamageOf {
    /// Returns whether these are the models of a metric, a sparsity and a kind of unit.
    fn is(&self, metric: &str, sparsity: f64, of_blocks: bool) -> bool {
        self.metric == metric && self.sparsity == sparsity && self.of_blocks == of_blocks
    }
}

/// A linear's marginals at a uniformly pruned model, in nats for each additionally pruned weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearMarginals {
    /// One value for each window, `[windows]`.
    pub windows: Vec<f64>,
    /// The same at the higher sparsity, if they were measured there.
    pub beyond: Option<Vec<f64>>,
}

/// The statistics of one linear.
#[derive(Clone, Debug, Default)]
pub struct LinearStatistics {
    /// The mean over samples of the sum over tokens of x squared, `[columns]`.
    pub second_moment: Option<Vec<f32>>,
    /// The diagonal of the Hessian of the output error, `[columns]`.
    pub hessian_diagonal: Option<Vec<f32>>,
    /// The Hessian of the output error, `[columns, columns]`; linears that read the same input use the first
    /// one's.
    pub hessian: Option<Vec<f32>>,
    /// The root of the summed squared gradients, `[rows, columns]`.
    pub gradient: Option<Values<'static>>,
    /// The error of a linear's output after half of each row is removed greedily (LSA).
    pub reconstruction_error: Option<f32>,
    /// The kurtosis of its input, over all tokens and channels.
    pub input_kurtosis: Option<f64>,
    /// How its block changes the residual stream, the same for all linears of a block.
    pub block_change: Option<BlockChange>,
    /// The divergence on each window, in nats, when only its unit is pruned, in the order of
    /// [`Provenance::damages`]; the same for all linears of a unit.
    pub damages: Vec<Vec<f64>>,
    /// Its marginals, in the order of [`Provenance::marginals`].
    pub marginals: Vec<LinearMarginals>,
    /// The squares of the weight's singular values, ascending.
    pub spectrum: Option<Vec<f32>>,
}

/// Statistics of a model's block linears, by module name.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// How they were made.
    pub provenance: Provenance,
    /// The statistics, by module name.
    pub linears: BTreeMap<String, LinearStatistics>,
    /// Results of reductions, for each unit; [`Statistics::set_reductions`] sets them, [`Statistics::cache`]
    /// uses them.
    pub reductions: Results,
}

impl Statistics {
    /// Takes over the gradients, marginals and damages of other statistics of the same text, which a calibration pass
    /// does not collect.
    pub(super) fn with_other_passes_of(mut self, other: Self) -> Self {
        self.provenance.marginals = other.provenance.marginals;
        self.provenance.damages = other.provenance.damages;
        for (module, linear) in other.linears {
            let own = self.linears.entry(module).or_default();
            own.marginals = linear.marginals;
            own.damages = linear.damages;
            if let Some(gradient) = linear.gradient {
                own.gradient = Some(gradient);
            }
        }
        self
    }

    /// Returns whether marginals were measured at a sparsity with a metric, including their slopes if those
    /// are requested.
    pub fn has_marginals(&self, metric: &str, sparsity: f64, slopes: bool) -> bool {
        let mut all = self.provenance.marginals.iter();
        all.any(|it| it.metric == metric && it.sparsity == sparsity && (!slopes || it.beyond.is_some()))
    }

    /// Adds marginals measured on the same windows, by module name; they replace those at the same model.
    pub fn add_marginals(&mut self, of: MarginalsOf, marginals: BTreeMap<String, LinearMarginals>) {
        let all = &mut self.provenance.marginals;
        let known = all.iter().position(|it| it.metric == of.metric && it.sparsity == of.sparsity);
        match known {
            Some(place) => all[place] = of,
            None => all.push(of),
        }
        for (module, marginals) in marginals {
            let own = &mut self.linears.entry(module).or_default().marginals;
            match known.and_then(|place| own.get_mut(place)) {
                Some(before) => *before = marginals,
                None => own.push(marginals),
            }
        }
    }

    /// Returns whether the damage of blocks, or of single linears, was measured at a sparsity with a metric.
    pub fn has_damage(&self, metric: &str, sparsity: f64, of_blocks: bool) -> bool {
        self.provenance.damages.iter().any(|it| it.is(metric, sparsity, of_blocks))
    }

    /// Adds the damage of each linear's unit, measured on the same windows, by module name and `[windows]`;
    /// it replaces that of the same models.
    pub fn add_damages(&mut self, of: DamageOf, damages: BTreeMap<String, Vec<f64>>) {
        let all = &mut self.provenance.damages;
        let known = all.iter().position(|it| it.is(&of.metric, of.sparsity, of.of_blocks));
        if known.is_none() {
            all.push(of);
        }
        for (module, damage) in damages {
            let own = &mut self.linears.entry(module).or_default().damages;
            match known.and_then(|place| own.get_mut(place)) {
                Some(before) => *before = damage,
                None => own.push(damage),
            }
        }
    }

    /// Adds the result of [`gradients`](super::gradients).
    pub fn add_gradients(&mut self, gradients: BTreeMap<String, Vec<f32>>) {
        for (module, gradient) in gradients {
            let linear = self.linears.entry(module).or_default();
            linear.gradient = Some(Values::F32(Cow::Owned(gradient)));
        }
    }

    /// Adds the result of [`spectra`](super::spectra).
    pub fn add_spectra(&mut self, spectra: BTreeMap<String, Vec<f32>>) {
        for (module, spectrum) in spectra {
            self.linears.entry(module).or_default().spectrum = Some(spectrum);
        }
    }

    /// Returns the Hessian of a linear's input, `[columns, columns]`, from the linear that keeps it.
    pub fn hessian(&self, checkpoint: &Checkpoint, linear: &Linear) -> Option<&[f32]> {
        let sharers = checkpoint.block_linears(linear.block).iter().filter(|it| it.site == linear.site);
        let mut found = sharers.filter_map(|it| self.linears.get(&it.module)?.hessian.as_deref());
        found.next()
    }

    /// Returns the model's weights together with these statistics, as the interpreter reads them.
    ///
    /// # Errors
    /// As [`Checkpoint::data`].
    pub fn data<'a>(&'a self, checkpoint: &'a Checkpoint) -> Result<ModelData<'a>, ModelError> {
        let mut data = checkpoint.data()?;
        self.attach(&mut data);
        Ok(data)
    }

    /// Adds these statistics to the linears of the same names.
    pub fn attach<'a>(&'a self, data: &mut ModelData<'a>) {
        for linear in &mut data.linears {
            self.attach_to(linear);
        }
    }

    /// Adds the statistics of the linear of the same name, if there are any.
    pub fn attach_to<'a>(&'a self, linear: &mut LinearData<'a>) {
        let Some(found) = self.linears.get(&linear.name) else { return };
        linear.second_moment = found.second_moment.as_deref().map(Cow::Borrowed);
        linear.hessian_diagonal = match (&found.hessian_diagonal, &found.second_moment) {
            (Some(collected), _) => Some(Cow::Borrowed(collected)),
            (None, Some(moments)) => Some(hessian_diagonal(moments).into()),
            (None, None) => None,
        };
        linear.gradient = found.gradient.as_ref().map(borrow);
        linear.reconstruction_error = found.reconstruction_error.map(f64::from);
        linear.input_kurtosis = found.input_kurtosis;
        linear.block_change = found.block_change;
        let damages = self.provenance.damages.iter().zip(&found.damages);
        linear.damages = damages
            .map(|(of, windows)| Damage {
                sparsity: of.sparsity,
                metric: Cow::Borrowed(&of.metric),
                of_block: of.of_blocks,
                windows: Cow::Borrowed(windows),
            })
            .collect();
        let marginals = self.provenance.marginals.iter().zip(&found.marginals);
        linear.marginals = marginals
            .map(|(of, marginals)| Marginal {
                sparsity: of.sparsity,
                metric: Cow::Borrowed(&of.metric),
                windows: Cow::Borrowed(&marginals.windows),
                beyond: of.beyond.zip(marginals.beyond.as_deref().map(Cow::Borrowed)),
            })
            .collect();
    }
}

/// Returns the diagonal of the Hessian of a linear's output error from the second moments of its input, both `[columns]`.
///
/// The Hessian is 2 / samples * sum of x x^T, so its diagonal is twice the second moments.
pub fn hessian_diagonal(second_moment: &[f32]) -> Vec<f32> {
    second_moment.iter().map(|it| 2.0 * it).collect()
}

fn borrow<'a>(values: &'a Values<'static>) -> Values<'a> {
    match values {
        Values::F32(all) => Values::F32(Cow::Borrowed(all)),
        Values::F16(all) => Values::F16(Cow::Borrowed(all)),
        Values::Bf16(all) => Values::Bf16(Cow::Borrowed(all)),
    }
}
