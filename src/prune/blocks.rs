//! Block by block: collect what its linears read, prune them, go on behind what is left.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Tensor;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::error::PruneError;
use super::factor::{InverseFactor, MOST_DAMPING};
use super::mask::Mask;
use super::on_device;
use super::options::{Needs, Options, across_units};
use super::pattern::{Rounding, Share, least, least_of_rows, shares};
use super::report::LinearReport;
use super::score::{self, Method, Propagation, WandaRows};
use super::sparsegpt::prune_columns;
use crate::allocate::Allocation;
use crate::interpret::data::{Home, LinearData, ModelData, Values};
use crate::interpret::error::InterpretError;
use crate::interpret::evaluate::{Context, Scores};
use crate::model::{Block, Checkpoint, Linear, ModelError, Site, first_not_finite, no_tap, widen};
use crate::stats::{Activations, Hessian, SecondMoments, Statistics, room};

/// One pruned linear.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// Which weights were pruned.
    pub mask: Mask,
    /// All weights, `[rows, columns]`, in the type that the model stores.
    pub weight: Values<'static>,
    /// The share of the Hessian's mean diagonal that was added (SparseGPT).
    pub damping: Option<f64>,
}

/// A function that takes each linear as it is pruned, in the model's order.
pub type Keep<'a> = dyn FnMut(&Linear, Pruned) -> Result<(), PruneError> + 'a;

/// What was collected of one block's inputs.
#[derive(Default)]
struct Inputs {
    moments: Option<SecondMoments>,
    hessians: BTreeMap<Site, Hessian>,
    factors: BTreeMap<Site, InverseFactor>,
}

/// Refuses weights that are not finite, one linear at a time, so that a model that streams does not fill the memory.
///
/// # Errors
/// With the first one's file, tensor and place.
pub(super) fn check_weights(checkpoint: &Checkpoint, options: &Options<'_>) -> Result<(), PruneError> {
    for linear in checkpoint.linears() {
        options.go_on()?;
        let found = first_not_finite(&checkpoint.weight(linear)?);
        checkpoint.files().release(&linear.weight);
        if found.is_some() {
            checkpoint.check_finite()?;
        }
    }
    Ok(())
}

/// Prunes all linears of all blocks, in order, and hands each to `keep`; `progress` is called with how many blocks are done.
///
/// Only one block's weights are in memory, with the hidden states of all tokens where the method needs inputs. What later
/// blocks see of earlier ones is what is kept, in the type that the model stores.
///
/// # Errors
/// When a weight is not finite, the allocation is another model's, the method lacks what it needs, or a step fails.
pub fn prune_blocks(
    checkpoint: &Checkpoint,
    allocation: &Allocation,
    options: &Options<'_>,
    keep: &mut Keep<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<LinearReport>, PruneError> {
    options.check()?;
    let shares = shares(checkpoint.linears(), allocation, options.pattern)?;
    check_weights(checkpoint, options)?;
    prune_checked(checkpoint, &shares, allocation.target, options, keep, progress)
}

/// Does what [`prune_blocks`] does, once everything that can be refused beforehand has been.
pub(super) fn prune_checked(
    checkpoint: &Checkpoint,
    shares: &[Share],
    target: f64,
    options: &Options<'_>,
    keep: &mut Keep<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<LinearReport>, PruneError> {
    let (blocks, device) = (checkpoint.config().blocks, checkpoint.device());
    let mut activations = match options.tokens.filter(|_| options.runs_model()) {
        Some(tokens) => {
            let room = room(checkpoint, tokens, options.memory, collected_bytes(checkpoint, options));
            Some(Activations::embed(checkpoint, tokens, &device, room)?)
        }
        None => None,
    };
    let mut shares = shares.iter().copied();
    let mut reports = Vec::with_capacity(checkpoint.linears().len());
    for index in 0..blocks {
        options.go_on()?;
        let mut block = None;
        let mut inputs = Inputs::default();
        if let Some(activations) = &mut activations {
            let loaded = Block::stream(checkpoint, index, &device)?;
            inputs = collect(checkpoint, activations, &loaded, options)?;
            // The last block's output is nobody's input.
            let advances = options.propagation == Propagation::Pruned && index + 1 < blocks;
            block = Some(loaded).filter(|_| advances);
        }
        let linears = checkpoint.block_linears(index);
        let (data, first) = metric_data(checkpoint, index, &inputs, options)?;
        let metric = match &options.method {
            Method::Metric(metric) => {
                let (unit, score) = (options.unit, &metric.score);
                let context = Context { model: &data, unit, metric: score, target, reductions: None };
                Some(Scores::new(score, context).map_err(no_value(linears))?)
            }
            _ => None,
        };
        for (position, linear) in linears.iter().enumerate() {
            options.go_on()?;
            let Some(share) = shares.next() else { break };
            // One linear's scores at a time: a block's would be as large as the block.
            let scores = metric
                .as_ref()
                .map(|metric| metric.linear(first + position).map_err(no_value(&linears[position..])));
            let pruned = prune_linear(checkpoint, linear, share, &mut inputs, scores.transpose()?, options)?;
            if let Some(target) = block.as_mut().and_then(|it| it.linears_mut().get_mut(position)) {
                let shape = (linear.rows, linear.columns);
                let weight = checkpoint.working(widen(&pruned.weight), shape, &device);
                target.set_weight(weight.map_err(ModelError::at(&linear.module))?)?;
            }
            reports.push(LinearReport::new(linear, share, &pruned));
            keep(linear, pruned)?;
            checkpoint.files().release(&linear.weight);
        }
        if let (Some(activations), Some(block)) = (&mut activations, &block) {
            activations.advance(block, &mut no_tap())?;
        }
        progress(index + 1);
    }
    Ok(reports)
}

/// Returns about how many bytes a block's collected inputs take: Hessians of every site, and the widest one's factor.
fn collected_bytes(checkpoint: &Checkpoint, options: &Options<'_>) -> u64 {
    if options.method.needs() != Needs::Hessian {
        return 0;
    }
    let mut sites: Vec<_> =
        checkpoint.block_linears(0).iter().map(|it| (it.site, it.columns as u64)).collect();
    sites.sort_unstable();
    sites.dedup();
    let widest = sites.iter().map(|(_, columns)| *columns).max().unwrap_or(0);
    4 * (sites.iter().map(|(_, columns)| columns * columns).sum::<u64>() + 2 * widest * widest)
}

/// Collects what a block's linears read; with dense propagation the hidden states move on in the same pass.
fn collect(
    checkpoint: &Checkpoint,
    activations: &mut Activations,
    block: &Block,
    options: &Options<'_>,
) -> Result<Inputs, PruneError> {
    let mut inputs = Inputs::default();
    let mut moments = SecondMoments::default();
    let needs = options.method.needs();
    if needs == Needs::Hessian {
        for linear in checkpoint.block_linears(block.index()) {
            inputs.hessians.entry(linear.site).or_insert_with(|| Hessian::new(linear.columns));
        }
    }
    let hessians = &mut inputs.hessians;
    let mut tap = |site: Site, input: &Tensor| match hessians.get_mut(&site) {
        Some(hessian) => hessian.add(input),
        None => moments.add(site, input),
    };
    match options.propagation {
        Propagation::Pruned => activations.observe(block, &mut tap)?,
        Propagation::Dense => activations.advance(block, &mut tap)?,
    }
    if needs == Needs::Moments {
        inputs.moments = Some(moments);
    }
    Ok(inputs)
}

fn prune_linear(
    checkpoint: &Checkpoint,
    linear: &Linear,
    share: Share,
    inputs: &mut Inputs,
    scores: Option<Vec<f32>>,
    options: &Options<'_>,
) -> Result<Pruned, PruneError> {
    let stored = checkpoint.weight(linear)?;
    let mut weights = widen(&stored);
    if let Method::SparseGpt { damping } = options.method {
        let factor = factor(linear, inputs, damping)?;
        if on_device::applies(&checkpoint.device()) {
            let damping = Some(factor.damping());
            let (weights, mask) =
                on_device::prune_columns(checkpoint.engine(), weights, factor, share, options.rounding)?;
            return Ok(Pruned { weight: narrow(checkpoint, linear, weights, &stored)?, mask, damping });
        }
        let mask = prune_columns(&mut weights, factor, share, options.rounding);
        let damping = Some(factor.damping());
        return Ok(Pruned { weight: narrow(checkpoint, linear, weights, &stored)?, mask, damping });
    }
    let moments = || second_moment(linear, inputs, options.statistics);
    if on_device::applies(&checkpoint.device()) {
        let mask = mask_on_device(checkpoint, linear, weights, (moments, scores), share, options)?;
        return Ok(Pruned { weight: mask.apply(&stored), mask, damping: None });
    }
    if let (Method::Wanda, None) = (&options.method, &scores) {
        let mask = wanda_mask(linear, &weights, &moments()?, share, options.rounding)?;
        drop(weights);
        return Ok(Pruned { weight: mask.apply(&stored), mask, damping: None });
    }
    let scores = match (&options.method, scores) {
        (_, Some(scores)) => scores,
        (Method::Ria { power, .. }, _) => score::relative_importance(&weights, &moments()?, *power),
        _ => score::magnitude(&weights),
    };
    // The mask takes room of its own.
    drop(weights);
    score::check(&linear.module, &scores, linear.columns)?;
    let mask = least(&scores, linear.columns, options.method.per(), share, options.rounding);
    Ok(Pruned { weight: mask.apply(&stored), mask, damping: None })
}

/// Chooses on another device than the processor, by a metric's scores or those of the method.
fn mask_on_device(
    checkpoint: &Checkpoint,
    linear: &Linear,
    weights: Vec<f32>,
    (moments, scores): (impl Fn() -> Result<Vec<f32>, PruneError>, Option<Vec<f32>>),
    share: Share,
    options: &Options<'_>,
) -> Result<Mask, PruneError> {
    let at = |error: ModelError| error.inside(&linear.module);
    let (shape, device) = ((linear.rows, linear.columns), checkpoint.device());
    let moments = match (&scores, options.method.needs()) {
        (None, Needs::Moments) => Some(moments()?),
        _ => None,
    };
    let scores = match scores {
        Some(scores) => {
            Some(Tensor::from_vec(scores, shape, &device).map_err(ModelError::at(&linear.module))?)
        }
        None => {
            let weight = Tensor::from_vec(weights, shape, &device).map_err(ModelError::at(&linear.module))?;
            on_device::scores(&options.method, &weight, moments.as_deref()).map_err(at)?
        }
    };
    let Some(scores) = scores else {
        return Err(PruneError::NeedsActivations { method: options.method.name().to_owned() });
    };
    let total =
        scores.sum_all().and_then(|it| it.to_scalar::<f32>()).map_err(ModelError::at(&linear.module))?;
    if total.is_nan() {
        let scores: Vec<f32> =
            scores.flatten_all().and_then(|it| it.to_vec1()).map_err(ModelError::at(&linear.module))?;
        score::check(&linear.module, &scores, linear.columns)?;
    }
    let (engine, per) = (checkpoint.engine(), options.method.per());
    let marks = on_device::marks(engine, &scores, per, share, options.rounding).map_err(at)?;
    Ok(on_device::mask(&marks).map_err(at)?)
}

/// Chooses by Wanda's scores, which are never held for more than a few rows.
fn wanda_mask(
    linear: &Linear,
    weights: &[f32],
    moments: &[f32],
    share: Share,
    rounding: Rounding,
) -> Result<Mask, PruneError> {
    let rows = WandaRows::new(weights, moments);
    let not_a_number = AtomicBool::new(false);
    let score = |row: usize, scores: &mut [f32]| {
        rows.write(row, scores);
        if scores.iter().any(|it| it.is_nan()) {
            not_a_number.store(true, Ordering::Relaxed);
        }
    };
    let mask = least_of_rows([linear.rows, linear.columns], score, share, rounding);
    if not_a_number.into_inner() {
        // Where it is, all scores tell.
        score::check(&linear.module, &score::wanda(weights, moments), linear.columns)?;
    }
    Ok(mask)
}

/// Returns the factor of a linear's input, which all linears that share the input share.
fn factor<'a>(
    linear: &Linear,
    inputs: &'a mut Inputs,
    damping: f64,
) -> Result<&'a InverseFactor, PruneError> {
    let module = || linear.module.clone();
    if let Some(hessian) = inputs.hessians.remove(&linear.site) {
        let hessian = hessian.finish()?;
        if !hessian.par_iter().all(|it| it.is_finite()) {
            return Err(PruneError::Activations { module: module() });
        }
        let factor = InverseFactor::new(hessian, linear.columns, damping)
            .ok_or_else(|| PruneError::Singular { module: module(), damping: MOST_DAMPING })?;
        // The factors of sites that are done are not needed again.
        inputs.factors.clear();
        inputs.factors.insert(linear.site, factor);
    }
    inputs.factors.get(&linear.site).ok_or_else(|| PruneError::NeedsTokens { method: "sparsegpt".to_owned() })
}

/// Returns a linear's second moments: those just collected, else the dense model's.
fn second_moment(
    linear: &Linear,
    inputs: &Inputs,
    statistics: Option<&Statistics>,
) -> Result<Vec<f32>, PruneError> {
    let collected = inputs.moments.as_ref().and_then(|moments| moments.mean(linear.site));
    let dense = || statistics?.linears.get(&linear.module)?.second_moment.clone();
    collected
        .or_else(dense)
        .ok_or_else(|| PruneError::NeedsActivations { method: format!("the score of {}", linear.module) })
}

/// Returns what a metric is evaluated on for a block, and where the block's linears begin in it; nothing for other methods.
///
/// It is the block alone, unless the metric compares units with each other.
fn metric_data<'a>(
    checkpoint: &'a Checkpoint,
    block: usize,
    inputs: &Inputs,
    options: &Options<'a>,
) -> Result<(ModelData<'a>, usize), PruneError> {
    let linears = match &options.method {
        Method::Metric(metric) if across_units(&metric.score).is_some() => checkpoint.linears(),
        Method::Metric(_) => checkpoint.block_linears(block),
        _ => &[],
    };
    let first = linears.iter().position(|linear| linear.block == block).unwrap_or(0);
    let data = linears.iter().map(|linear| linear_data(checkpoint, linear, inputs, options.statistics));
    let home = Home { engine: checkpoint.engine().clone(), weights: Vec::new() };
    let data =
        ModelData { blocks: checkpoint.config().blocks, linears: data.collect::<Result<_, _>>()?, home };
    Ok((data, first))
}

/// Says on which linear a metric has no value.
fn no_value(linears: &[Linear]) -> impl FnOnce(InterpretError) -> PruneError {
    let module = linears.first().map(|linear| linear.module.clone()).unwrap_or_default();
    move |source| PruneError::Metric { module, source: Box::new(source) }
}

fn linear_data<'a>(
    checkpoint: &'a Checkpoint,
    linear: &Linear,
    inputs: &Inputs,
    statistics: Option<&'a Statistics>,
) -> Result<LinearData<'a>, PruneError> {
    let dense = statistics.and_then(|it| it.linears.get(&linear.module));
    let collected = inputs.moments.as_ref().and_then(|moments| moments.mean(linear.site));
    Ok(LinearData {
        name: linear.module.clone(),
        block: linear.block,
        kinds: linear.kinds,
        rows: linear.rows,
        columns: linear.columns,
        weight: checkpoint.weight(linear)?,
        hessian_diagonal: match (&collected, dense) {
            (Some(moments), _) => Some(doubled(moments)),
            (None, Some(dense)) => match (&dense.hessian_diagonal, &dense.second_moment) {
                (Some(diagonal), _) => Some(Cow::Borrowed(diagonal.as_slice())),
                (None, moments) => moments.as_deref().map(doubled),
            },
            (None, None) => None,
        },
        second_moment: match collected {
            Some(collected) => Some(Cow::Owned(collected)),
            None => dense.and_then(|it| it.second_moment.as_deref()).map(Cow::Borrowed),
        },
        gradient: dense.and_then(|it| it.gradient.as_ref()).map(borrowed),
        reconstruction_error: dense.and_then(|it| it.reconstruction_error).map(f64::from),
    })
}

/// Returns the diagonal of the Hessian, 2 / samples * sum of x x^T, from the second moments.
fn doubled<'a>(moments: &[f32]) -> Cow<'a, [f32]> {
    moments.iter().map(|it| 2.0 * it).collect()
}

fn borrowed<'a>(values: &'a Values<'static>) -> Values<'a> {
    match values {
        Values::F32(all) => Values::F32(Cow::Borrowed(all)),
        Values::F16(all) => Values::F16(Cow::Borrowed(all)),
        Values::Bf16(all) => Values::Bf16(Cow::Borrowed(all)),
    }
}

/// Rounds updated weights to the type that the model stores.
fn narrow(
    checkpoint: &Checkpoint,
    linear: &Linear,
    weights: Vec<f32>,
    stored: &Values<'_>,
) -> Result<Values<'static>, PruneError> {
    let (narrowed, dtype) = match stored {
        Values::F32(_) => (Values::F32(weights.into()), "F32"),
        Values::F16(_) => {
            let mut to = vec![f16::ZERO; weights.len()];
            to.convert_from_f32_slice(&weights);
            (Values::F16(to.into()), "F16")
        }
        Values::Bf16(_) => {
            let mut to = vec![bf16::ZERO; weights.len()];
            to.convert_from_f32_slice(&weights);
            (Values::Bf16(to.into()), "BF16")
        }
    };
    let Some(at) = first_not_finite(&narrowed) else {
        return Ok(narrowed);
    };
    Err(PruneError::Overflow {
        path: checkpoint.files().tensor(&linear.weight)?.path.to_owned(),
        tensor: linear.weight.clone(),
        dtype,
        row: at / linear.columns,
        column: at % linear.columns,
        value: narrowed.get(at),
    })
}
