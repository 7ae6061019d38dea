//! What is written and printed as JSON: each kind of document has a schema, and says in itself which one, with its version.

use serde::Serialize;

/// A kind of JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// Mistakes in scripts.
    Check,
    /// Scripts in the standard layout.
    Format,
    /// An allocation file.
    Allocation,
    /// What one weight more would do in each unit.
    Marginals,
    /// Two scripts side by side.
    Difference,
    /// A function and its ratios on a model.
    Snapshot,
    /// What became of a snapshot.
    SnapshotCheck,
    /// A model's folder.
    Model,
    /// What statistics were collected on.
    Statistics,
    /// A pruned folder.
    Pruning,
    /// Perplexity.
    Perplexity,
    /// Divergence of one model from another.
    Divergence,
    /// Accuracy by tasks.
    Tasks,
    /// A text that a model wrote.
    Generation,
    /// What a search found.
    Search,
    /// What a search was told.
    SearchSettings,
    /// The Pareto front of a search.
    Front,
    /// All that a search measured.
    Measured,
    /// A search that has not ended.
    Unfinished,
    /// What a descent found.
    Descent,
    /// A comparison.
    Comparison,
    /// The published scripts and programs.
    Published,
    /// A script.
    Script,
    /// The operators.
    Operators,
    /// An operator.
    Operator,
    /// A word of the language.
    Word,
    /// A diagnostic's code.
    Code,
    /// A graph string of DSA as a script.
    DsaScript,
    /// A script or its ratios in another form.
    Export,
    /// What a command would take.
    Forecast,
    /// The schemas.
    Schemas,
    /// A failure.
    Failure,
}

impl DocumentKind {
    /// Every kind, in the order of the reference.
    pub const ALL: [Self; 32] = [
        Self::Check,
        Self::Format,
        Self::Allocation,
        Self::Marginals,
        Self::Difference,
        Self::Snapshot,
        Self::SnapshotCheck,
        Self::Model,
        Self::Statistics,
        Self::Pruning,
        Self::Perplexity,
        Self::Divergence,
        Self::Tasks,
        Self::Generation,
        Self::Search,
        Self::SearchSettings,
        Self::Front,
        Self::Measured,
        Self::Unfinished,
        Self::Descent,
        Self::Comparison,
        Self::Published,
        Self::Script,
        Self::Operators,
        Self::Operator,
        Self::Word,
        Self::Code,
        Self::DsaScript,
        Self::Export,
        Self::Forecast,
        Self::Schemas,
        Self::Failure,
    ];

    /// Returns what a document's field `schema` holds: the schema's name, and its version after a slash. The version rises when a
    /// field goes, or means something else; a new field leaves it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Check => "check/1",
            Self::Format => "format/1",
            Self::Allocation => "allocation/1",
            Self::Marginals => "marginals/1",
            Self::Difference => "difference/1",
            Self::Snapshot => "snapshot/1",
            Self::SnapshotCheck => "snapshot-check/1",
            Self::Model => "model/1",
            Self::Statistics => "statistics/1",
            Self::Pruning => "pruning/1",
            Self::Perplexity => "perplexity/1",
            Self::Divergence => "divergence/1",
            Self::Tasks => "tasks/1",
            Self::Generation => "generation/1",
            Self::Search => "search/1",
            Self::SearchSettings => "search-settings/1",
            Self::Front => "front/1",
            Self::Measured => "measured/1",
            Self::Unfinished => "unfinished/1",
            Self::Descent => "descent/1",
            Self::Comparison => "comparison/1",
            Self::Published => "published/1",
            Self::Script => "script/1",
            Self::Operators => "operators/1",
            Self::Operator => "operator/1",
            Self::Word => "word/1",
            Self::Code => "code/1",
            Self::DsaScript => "dsa-script/1",
            Self::Export => "export/1",
            Self::Forecast => "forecast/1",
            Self::Schemas => "schemas/1",
            Self::Failure => "failure/1",
        }
    }

    /// Returns the schema's name.
    pub fn name(self) -> &'static str {
        self.tag().split('/').next().unwrap_or_default()
    }

    /// Returns where documents of this kind are met.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Check => "`allot check`",
            Self::Format => "`allot fmt`",
            Self::Allocation => {
                "`allot eval`, `allot import`, the file of `allot export --to json`, and `RATIO.json` in the folder of `allot descend`"
            }
            Self::Marginals => "`allot eval --marginals`",
            Self::Difference => "`allot diff`",
            Self::Snapshot => "`allot snapshot`",
            Self::SnapshotCheck => "`allot snapshot --check`",
            Self::Model => "`allot inspect`",
            Self::Statistics => "`allot stats`; the same without `schema` is in the statistics file",
            Self::Pruning => "`allot prune`, and `allot.json` in the pruned folder",
            Self::Perplexity => "`allot ppl`",
            Self::Divergence => "`allot kl`",
            Self::Tasks => "`allot tasks`",
            Self::Generation => "`allot generate`",
            Self::Search => {
                "`allot search`, `allot enumerate`, `allot show RUN`, and `summary.json` in the run's folder"
            }
            Self::SearchSettings => "`settings.json` in a run's folder",
            Self::Front => "`allot show RUN --front`",
            Self::Measured => "`allot show RUN --all`",
            Self::Unfinished => "`allot show RUN` of a search that runs or was stopped",
            Self::Descent => "`allot descend`, and `summary.json` in its folder",
            Self::Comparison => "`allot compare`, and, without `seconds`, `comparison.json` in its folder",
            Self::Published => "`allot list`",
            Self::Script => "`allot show SCRIPT`, and `allot explain` of a published script",
            Self::Operators => "`allot ops`",
            Self::Operator => "`allot explain` of an operator",
            Self::Word => "`allot explain` of a keyword or a type",
            Self::Code => "`allot explain` of a diagnostic's code",
            Self::DsaScript => "`allot import-dsa`",
            Self::Export => "`allot export`",
            Self::Forecast => "`--dry-run` of any command that has it",
            Self::Schemas => "`allot schema`",
            Self::Failure => "any command that fails",
        }
    }

    /// Returns a value as a document of this kind.
    pub const fn of<T>(self, data: &T) -> Tagged<'_, T> {
        Tagged { schema: self.tag(), data }
    }
}

/// A value that says which schema it follows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tagged<'a, T> {
    /// The schema's name and version.
    pub schema: &'static str,
    /// The value.
    #[serde(flatten)]
    pub data: &'a T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<&str> = DocumentKind::ALL.iter().map(|it| it.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DocumentKind::ALL.len());
    }
}
