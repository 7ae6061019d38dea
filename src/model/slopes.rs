//! The backward pass through the operations between a decoder's matrix products on the CPU, in f32.
//!
//! candle's own backward pass takes these operations apart, and allocates a tensor for each part and for each
//! sum of gradients. It still runs for layer norms and for MLPs without a gate.

use candle_core::cpu::erf::erf_f64;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::activation::Activation;
use super::attention::Attention;
use super::exponential::{gelu_tanh_slope, silu_slope};

/// Number of values that one thread works on at a time.
const CHUNK: usize = 1 << 14;

/// Returns a tensor's values in row-major order.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Returns the gradient with respect to the input of a root-mean-square norm over the last dimension.
pub(super) fn root_mean_square(
    input: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    epsilon: f32,
) -> Result<Tensor> {
    let (weights, values, mut slopes) = (numbers(weight)?, numbers(input)?, numbers(gradient)?);
    let columns = weights.len().max(1);
    slopes.par_chunks_mut(columns).zip(values.par_chunks(columns)).for_each(|(slopes, values)| {
        let n = values.len() as f64;
        let squares: f64 = values.iter().map(|it| f64::from(*it).powi(2)).sum();
        let size = (squares / n + f64::from(epsilon)).sqrt().recip();
        slopes.iter_mut().zip(&weights).for_each(|(slope, weight)| *slope *= weight);
        let along: f64 = slopes.iter().zip(values).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let (own, back) = (size as f32, (along * size.powi(3) / n) as f32);
        slopes.iter_mut().zip(values).for_each(|(slope, value)| *slope = *slope * own - value * back);
    });
    Tensor::from_vec(slopes, input.shape(), input.device())
}

/// Returns the gradients with respect to `gate` and `up` of the activation of `gate` times `up`.
pub(super) fn gated(
    activation: Activation,
    gate: &Tensor,
    up: &Tensor,
    gradient: &Tensor,
) -> Result<[Tensor; 2]> {
    let (mut gates, mut ups, slopes) = (numbers(gate)?, numbers(up)?, numbers(gradient)?);
    let pieces = gates.par_chunks_mut(CHUNK).zip(ups.par_chunks_mut(CHUNK)).zip(slopes.par_chunks(CHUNK));
    pieces.for_each(|((gates, ups), slopes)| {
        let all = gates.iter_mut().zip(ups).zip(slopes);
        // The activation is chosen outside the loop, so that each loop can be vectorised.
        match activation {
            Activation::Silu => all.for_each(|it| gated_back(it, silu_slope)),
            Activation::Gelu => all.for_each(|it| gated_back(it, gelu_slope)),
            Activation::GeluTanh => all.for_each(|it| gated_back(it, gelu_tanh_slope)),
            Activation::Relu => all.for_each(|it| gated_back(it, relu_slope)),
        }
    });
    let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
    Ok([tensor(gates, gate)?, tensor(ups, up)?])
}

/// Replaces a gate and its factor by the gradients with respect to them; `activation` returns the value and
/// the derivative.
#[inline(always)]
fn gated_back(((gate, up), slope): ((&mut f32, &mut f32), &f32), activation: impl Fn(f32) -> (f32, f32)) {
    let (value, derivative) = activation(*gate);
    (*gate, *up) = (slope * *up * derivative, slope * value);
}

/// Returns x * Phi(x) and its derivative, Phi(x) + x phi(x).
fn gelu_slope(x: f32) -> (f32, f32) {
    let x = f64::from(x);
    let below = 0.5 * (1.0 + erf_f64(x * std::f64::consts::FRAC_1_SQRT_2));
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    ((x * below) as f32, (below + x * density) as f32)
}

/// Returns max(x, 0) and its derivative.
fn relu_slope(x: f32) -> (f32, f32) {
    (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 })
}

/// Returns the gradients of causal attention over whole sequences with respect to queries
/// `[samples, length, heads, size]` and to keys and values `[samples, length, key_heads, size]`, given the
/// gradient with respect to its result `[samples, length, heads * size]`.
///
/// The shares are recomputed from the queries and keys.
pub(super) fn attention(
    attention: &Attention,
    tensors: [&Tensor; 3],
    gradient: &Tensor,
) -> Result<[Tensor; 3]> {
    let [queries, keys, values] = tensors;
    let (samples, length, heads, size) = queries.dims4()?;
    let key_heads = keys.dim(2)?;
    let [own, near_keys, near_values] = [numbers(queries)?, numbers(keys)?, numbers(values)?];
    let above = numbers(gradient)?;
    let (wide, narrow) = (length * heads * size, length * key_heads * size);
    let shared = heads / key_heads.max(1);
    // A thread takes all heads that share keys, so that no two threads add to one sum.
    let found: Vec<[Vec<f32>; 3]> = (0..samples * key_heads)
        .into_par_iter()
        .map(|at| {
            let (sample, key_head) = (at / key_heads, at % key_heads);
            let (mut of_keys, mut of_values) = (vec![0.0; length * size], vec![0.0; length * size]);
            let mut of_queries = vec![0.0; shared * length * size];
            for (place, of_queries) in of_queries.chunks_mut((length * size).max(1)).enumerate() {
                let head = (key_head * shared + place) * size;
                let key = sample * narrow + key_head * size;
                attention.back_head(
                    length,
                    [
                        (&own[sample * wide + head..], heads * size),
                        (&near_keys[key..], key_heads * size),
                        (&near_values[key..], key_heads * size),
                        (&above[sample * wide + head..], heads * size),
                    ],
                    [of_queries, &mut of_keys, &mut of_values],
                );
            }
            [of_queries, of_keys, of_values]
        })
        .collect();
    let joined = |which: usize, per: usize| -> Result<Tensor> {
        let all: Vec<f32> = found.iter().flat_map(|it| it[which].iter().copied()).collect();
        let tensor = Tensor::from_vec(all, (samples, key_heads * per, length, size), queries.device())?;
        tensor.transpose(1, 2)?.contiguous()
    };
    Ok([joined(0, shared)?, joined(1, 1)?, joined(2, 1)?])
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use candle_nn::ops;

    use super::*;
    use crate::device::gradient_checks::{close, gradients, random};

    #[test]
    fn norm_gradients_match_candles() -> Result<()> {
        for columns in [1, 8, 72, 400] {
            let (input, weight) = (Var::from_tensor(&random(&[3, 5, columns]))?, random(&[columns]));
            let gradient = random(&[3, 5, columns]);
            let wanted = gradients(&[&input], &gradient, || ops::rms_norm_slow(&input, &weight, 1e-2))?;
            close(&root_mean_square(&input, &weight, &gradient, 1e-2)?, &wanted[0], "norm");
        }
        Ok(())
    }

    #[test]
    fn gate_gradients_match_candles() -> Result<()> {
        for activation in [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            let (gate, up) =
                (Var::from_tensor(&(random(&[7, 11]) * 2.0)?)?, Var::from_tensor(&random(&[7, 11]))?);
            let gradient = random(&[7, 11]);
            let wanted = gradients(&[&gate, &up], &gradient, || activation.run(&gate)? * up.as_tensor())?;
            let found = gated(activation, &gate, &up, &gradient)?;
            close(&found[0], &wanted[0], &format!("{activation:?}, gate"));
            close(&found[1], &wanted[1], &format!("{activation:?}, up"));
        }
        Ok(())
    }

    #[test]
    fn attention_gradients_match_candles() -> Result<()> {
        for (length, heads, key_heads, size, window, softcap) in [
            (1, 2, 2, 4, None, None),
            (19, 6, 2, 8, None, None),
            (70, 3, 3, 16, Some(7), None),
            // Last pieces of one and of two queries.
            (65, 2, 1, 8, None, None),
            (66, 2, 2, 8, None, None),
            (150, 4, 1, 10, Some(90), Some(2.0)),
        ] {
            let attention =
                Attention { heads, key_value_heads: key_heads, head_size: size, scale: 0.4, softcap, window };
            let of = |heads: usize| Var::from_tensor(&random(&[2, length, heads, size]));
            let (queries, keys, values) = (of(heads)?, of(key_heads)?, of(key_heads)?);
            let gradient = random(&[2, length, heads * size]);
            let wanted = gradients(&[&queries, &keys, &values], &gradient, || {
                attention.composed(&queries, &keys, &values)
            })?;
            let found = super::attention(&attention, [&queries, &keys, &values], &gradient)?;
            let names = ["queries", "keys", "values"];
            // With a single key, shares are 1 whatever the scores are.
            for which in if length == 1 { 2..3 } else { 0..3 } {
                close(&found[which], &wanted[which], &format!("length {length}, {}", names[which]));
            }
        }
        Ok(())
    }
}
