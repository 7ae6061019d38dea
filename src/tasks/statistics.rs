//! Means, their errors, and paired differences on the same documents.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::python_random::PythonRandom;

/// A value and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its standard error; null if there are too few documents.
    pub error: Option<f64>,
}

/// Returns the mean of values, with the standard error from their spread.
pub fn mean(values: &[f64]) -> Estimate {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt() / count.sqrt());
    Estimate { value: mean, error }
}

/// Returns the mean of a group of tasks weighted by their numbers of documents; errors are pooled as in the
/// harness.
pub fn pooled(parts: &[(Estimate, usize)]) -> Estimate {
    let total: f64 = parts.iter().map(|(_, count)| *count as f64).sum();
    let value = parts.iter().map(|(part, count)| part.value * *count as f64).sum::<f64>() / total;
    let squares: Option<f64> = parts
        .iter()
        .map(|(part, count)| {
            let count = *count as f64;
            part.error.map(|error| (count - 1.0) * count * error * error)
        })
        .sum();
    let freedom = total - parts.len() as f64;
    let error = squares.filter(|_| freedom > 0.0).map(|squares| (squares / freedom / total).sqrt());
    Estimate { value, error }
}

/// Returns the unweighted mean of tasks.
pub fn mean_of_tasks(parts: &[Estimate]) -> Estimate {
    let count = parts.len() as f64;
    let value = parts.iter().map(|part| part.value).sum::<f64>() / count;
    let squares: Option<f64> = parts.iter().map(|part| part.error.map(|error| error * error)).sum();
    Estimate { value, error: squares.map(|it| it.sqrt() / count) }
}

/// Number of chunks of resamples, each with its own generator, and of resamples in a chunk.
const CHUNKS: u32 = 100;
const RESAMPLES: usize = 1000;

/// Returns exp of the mean negative log-likelihood, with the error from the harness's bootstrap of 100,000
/// resamples.
pub fn perplexity(log_likelihoods: &[f64]) -> Estimate {
    let count = log_likelihoods.len();
    let value = (-log_likelihoods.iter().sum::<f64>() / count as f64).exp();
    if count < 2 {
        return Estimate { value, error: None };
    }
    let chunks: Vec<Vec<f64>> = (0..CHUNKS)
        .into_par_iter()
        .map(|seed| {
            let mut random = PythonRandom::new(seed);
            let mut again = || {
                let drawn = (0..count).map(|_| log_likelihoods[random.choice(count)]);
                (-drawn.sum::<f64>() / count as f64).exp()
            };
            (0..RESAMPLES).map(|_| again()).collect()
        })
        .collect();
    let values: Vec<f64> = chunks.into_iter().flatten().collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    Estimate { value, error: Some((squares / (values.len() as f64 - 1.0)).sqrt()) }
}

/// The difference between two models on the same documents.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairedDifference {
    /// The mean difference.
    pub mean: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end of its 95 % interval.
    pub high: f64,
    /// Number of documents.
    pub documents: usize,
    /// Number of documents on which the two models differ.
    pub changed: usize,
    /// Whether the interval contains 0, so that the difference may be chance.
    pub noise: bool,
}

/// The factor of the standard error in a 95 % interval.
const NORMAL: f64 = 1.959_964;

/// Returns the mean difference `after - before` of values on the same documents; `None` for fewer than two
/// documents.
///
/// The interval is the normal one of the mean of differences, which is narrower than that of two means
/// because both models see the same documents.
pub fn paired(before: &[f64], after: &[f64]) -> Option<PairedDifference> {
    let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    let Estimate { value, error } = mean(&differences);
    let reach = NORMAL * error?;
    let (low, high) = (value - reach, value + reach);
    let changed = differences.iter().filter(|it| **it != 0.0).count();
    Some(PairedDifference {
        mean: value,
        low,
        high,
        documents: differences.len(),
        changed,
        noise: !(low > 0.0 || high < 0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_the_harness() {
        // lm_eval.api.metrics: mean_stderr([1, 0, 1, 1]); pooled_sample_stderr of it and of [0, 1, 1].
        let first = mean(&[1.0, 0.0, 1.0, 1.0]);
        assert_eq!(first.value, 0.75);
        assert!((first.error.unwrap() - 0.25).abs() < 1e-15);
        let second = mean(&[0.0, 1.0, 1.0]);
        assert!((second.error.unwrap() - 1.0 / 3.0).abs() < 1e-15);
        let both = pooled(&[(first, 4), (second, 3)]);
        assert!((both.value - 5.0 / 7.0).abs() < 1e-15);
        let want = ((3.0 * 4.0 * 0.0625 + 2.0 * 3.0 / 9.0) / 5.0 / 7.0_f64).sqrt();
        assert!((both.error.unwrap() - want).abs() < 1e-15);
        assert_eq!(mean(&[1.0]).error, None);
    }

    #[test]
    fn equal_models_differ_by_noise_and_others_do_not() {
        let before: Vec<f64> = (0..200).map(|it| f64::from(it % 3 == 0)).collect();
        let same = paired(&before, &before).unwrap();
        assert!(same.noise && same.changed == 0 && same.mean == 0.0);
        let one: Vec<f64> =
            before.iter().enumerate().map(|(at, it)| if at == 0 { 0.0 } else { *it }).collect();
        assert!(paired(&before, &one).unwrap().noise, "one document of 200");
        let worse = paired(&before, &vec![0.0; 200]).unwrap();
        assert!(!worse.noise && worse.high < 0.0);
        assert_eq!(worse.changed, 67);
        assert_eq!(paired(&[1.0], &[0.0]), None);
    }

    #[test]
    fn the_bootstrap_of_a_perplexity_is_near_its_first_order() {
        let values: Vec<f64> = (0..60).map(|it| -2.0 - f64::from(it % 7) * 0.3).collect();
        let found = perplexity(&values);
        let linear = mean(&values).error.unwrap() * found.value;
        assert!((found.error.unwrap() / linear - 1.0).abs() < 0.05, "{found:?} {linear}");
    }
}
