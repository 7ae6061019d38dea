//! How weights are ranked: a pruning method, and the metric that scripts see.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::lang::check::{CheckOptions, check};
use crate::lang::print;
use crate::lang::program::{Metric, Script};
use crate::lang::types::Group;
use crate::prune::{Method, MethodKind};

/// The ranking of weights, computed once for all candidates, and the metric that scripts see as `score`.
///
/// Serialised as the method's name (`metric` if it has none), the metric as a script, and the method's
/// parameters if they differ from the published ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "RankingText", try_from = "RankingText")]
#[cfg_attr(feature = "schema", schemars(with = "RankingText"))]
pub struct Ranking {
    /// The method that ranks weights.
    pub method: Method,
    /// The meaning of `score` in scripts without their own metric.
    pub metric: Metric,
}

impl fmt::Display for Ranking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RankingText { method, metric, parameters } = RankingText::from(self.clone());
        write!(f, "{} by {}", method.name(), metric.trim_end())?;
        parameters.map_or(Ok(()), |parameters| write!(f, " ({parameters:?})"))
    }
}

/// A ranking in serialised form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RankingText {
    /// Method that ranks weights.
    method: MethodKind,
    /// The metric as a script.
    metric: String,
    /// Parameters of the method, if they differ from the published ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

/// Parameters of a method that differ from the published ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum Parameters {
    /// Parameters of SparseGPT.
    SparseGpt {
        /// Share of the Hessian's mean diagonal that is added to the diagonal.
        damping: f64,
    },
    /// Parameters of RIA.
    Ria {
        /// Exponent of the input norm.
        power: f32,
        /// The group within which weights compete.
        per: Group,
    },
}

impl Parameters {
    fn of(method: &Method) -> Option<Self> {
        match *method {
            _ if Method::named(method.name()).is_some_and(|published| published == *method) => None,
            Method::SparseGpt { damping } => Some(Self::SparseGpt { damping }),
            Method::Ria { power, per } => Some(Self::Ria { power, per }),
            Method::Magnitude | Method::Wanda | Method::Metric(_) => None,
        }
    }
}

impl From<Ranking> for RankingText {
    fn from(ranking: Ranking) -> Self {
        let parameters = Parameters::of(&ranking.method);
        Self { method: ranking.method.kind(), metric: metric_script(&ranking.metric), parameters }
    }
}

/// The error for a text that is not a script with a metric.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a metric")]
pub struct NoMetric {
    text: String,
}

impl TryFrom<RankingText> for Ranking {
    type Error = NoMetric;

    fn try_from(text: RankingText) -> Result<Self, NoMetric> {
        let script = check(&text.metric, CheckOptions::default()).script;
        let Some(metric) = script.and_then(|it| it.metric) else {
            return Err(NoMetric { text: text.metric });
        };
        let metric = Metric { per: metric.per, score: metric.score.without_spans() };
        let method = match text.parameters {
            Some(Parameters::SparseGpt { damping }) => Method::SparseGpt { damping },
            Some(Parameters::Ria { power, per }) => Method::Ria { power, per },
            None => Method::named(text.method.name()).unwrap_or_else(|| Method::Metric(metric.clone())),
        };
        Ok(Self { method, metric })
    }
}

/// Returns a metric as a script.
fn metric_script(metric: &Metric) -> String {
    let metric = Metric { per: metric.per, score: metric.score.without_spans() };
    print::script(&Script { metric: Some(metric), unit: None, allocation: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::published;

    #[test]
    fn a_ranking_is_serialised_as_a_name_and_a_script() {
        let wanda = published::script("wanda").and_then(|it| it.metric).expect("wanda is published");
        let wanda = Metric { per: wanda.per, score: wanda.score.without_spans() };
        let unpublished = [Method::Ria { power: 0.7, per: Group::Row }, Method::SparseGpt { damping: 0.1 }];
        let published = [Method::Wanda, Method::RIA, Method::SPARSE_GPT, Method::Metric(wanda.clone())];
        for method in published.iter().chain(&unpublished) {
            let ranking = Ranking { method: method.clone(), metric: wanda.clone() };
            let text = serde_json::to_string(&ranking).expect("data");
            assert_eq!(text.contains("parameters"), unpublished.contains(method), "{text}");
            assert!(
                text.starts_with(&format!(r#"{{"method":"{}","metric":"metric"#, method.name())),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<Ranking>(&text).expect("the same data"), ranking, "{text}");
        }
        let broken = serde_json::from_str::<Ranking>(r#"{"method":"wanda","metric":"uniform()"}"#);
        assert!(broken.expect_err("it has no metric").to_string().contains("is not a metric"));
    }
}
