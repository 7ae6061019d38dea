//! Suggestions for an unknown name ("did you mean").

/// The similarity above which a name is suggested, from 0 to 1 (equal).
const LEAST: f64 = 0.8;
/// How far the similarity of another suggestion may be below that of the best one.
const MARGIN: f64 = 0.06;
/// The longest name that is compared, in bytes; longer ones are not typing mistakes.
const LONGEST: usize = 64;

/// Names that other languages and papers use for some operators.
const ELSEWHERE: &[(&str, &str)] = &[
    ("average", "mean"),
    ("avg", "mean"),
    ("clamp", "clip"),
    ("corrcoef", "corref"),
    ("det", "logdet"),
    ("frobenius", "l2"),
    ("if", "where"),
    ("ln", "log"),
    ("logistic", "sigmoid"),
    ("norm", "l2"),
    ("normalise", "zscore"),
    ("normalize", "zscore"),
    ("percentile", "quantile"),
    ("rank", "matrix_rank"),
    ("slogdet", "logdet"),
    ("standardize", "zscore"),
    ("stdev", "std"),
    ("variance", "var"),
    ("weights", "weight"),
    ("x_norm", "input_norm"),
];

/// Returns up to three candidates that are similar to `name`, the most similar first.
pub fn similar<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let lower = name.to_lowercase();
    let base = lower.rsplit("::").next().unwrap_or_default();
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == lower).map(|(_, here)| *here);
    let mut scored: Vec<(f64, &str)> = candidates
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            let same = candidate == lower || candidate == base || Some(candidate) == elsewhere;
            let score = if same { 1.0 } else { strsim::jaro_winkler(&lower, candidate) };
            (score, candidate)
        })
        .filter(|(score, _)| *score > LEAST)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by_key(|(_, candidate)| *candidate);
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored
        .into_iter()
        .take(3)
        .take_while(|(score, _)| best - score <= MARGIN)
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;

    #[test]
    fn names_from_elsewhere_lead_to_operators() {
        for (other, here) in ELSEWHERE {
            assert!(Op::find(other).is_none(), "{other} is an operator of its own");
            assert!(Op::find(here).is_some(), "{here} is not an operator");
        }
    }
}
