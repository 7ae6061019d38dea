//! How weights are ranked: a method with the metric that scripts see.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::lang::check::{CheckOptions, check};
use crate::lang::print;
use crate::lang::program::{Metric, Script};
use crate::prune::{Method, MethodKind};

/// How weights are ranked, once for all candidates, and what scripts call their score.
///
/// As data it is the method's name, `metric` for any that has no other, and the metric as a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "RankingText", try_from = "RankingText")]
pub struct Ranking {
    /// What ranks weights.
    pub method: Method,
    /// What `score` stands for in scripts without a metric of their own.
    pub metric: Metric,
}

/// A ranking as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RankingText {
    method: MethodKind,
    metric: String,
}

impl From<Ranking> for RankingText {
    fn from(ranking: Ranking) -> Self {
        Self { method: ranking.method.kind(), metric: metric_script(&ranking.metric) }
    }
}

/// A text that has to be a script with a metric, and is not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no metric")]
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
        let method = Method::named(text.method.name()).unwrap_or_else(|| Method::Metric(metric.clone()));
        Ok(Self { method, metric })
    }
}

/// Returns a metric as a script says it.
fn metric_script(metric: &Metric) -> String {
    let metric = Metric { per: metric.per, score: metric.score.without_spans() };
    print::script(&Script { metric: Some(metric), unit: None, allocation: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::published;

    #[test]
    fn ranking_is_kept_as_a_name_and_a_script() {
        let wanda = published::script("wanda").and_then(|it| it.metric).expect("wanda is published");
        let wanda = Metric { per: wanda.per, score: wanda.score.without_spans() };
        for method in [Method::Wanda, Method::RIA, Method::Metric(wanda.clone())] {
            let ranking = Ranking { method: method.clone(), metric: wanda.clone() };
            let text = serde_json::to_string(&ranking).expect("data");
            assert!(
                text.starts_with(&format!(r#"{{"method":"{}","metric":"metric"#, method.name())),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<Ranking>(&text).expect("the same data"), ranking, "{text}");
        }
        let broken = serde_json::from_str::<Ranking>(r#"{"method":"wanda","metric":"uniform()"}"#);
        assert!(broken.expect_err("it has no metric").to_string().contains("is no metric"));
    }
}
