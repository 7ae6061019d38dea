//! The description of a task: the files that it reads, the question that it asks of a document, and the right
//! answer. A YAML file holds it.

use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

use super::error::TaskError;
use super::extract::{Extraction, Extractor};
use super::template::{Field, Template};

/// A task as its file describes it.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name; tasks of lm-evaluation-harness keep their name there.
    pub name: String,
    /// The version of its definition.
    pub version: String,
    /// Possible paths of its documents below the data folder; the first existing path is used. A folder
    /// stands for all its files.
    pub files: Vec<String>,
    /// Possible paths of the documents that examples are drawn from; empty if they are drawn from the task's
    /// own documents.
    pub shot_files: Vec<String>,
    /// Whether each file, or each value of the field `subject`, is a separate task; the whole task is their
    /// mean weighted by size.
    pub by_subject: bool,
    /// Groups of subjects that also get a mean weighted by size: names and subjects.
    pub groups: Vec<(String, Vec<String>)>,
    /// The start of a prompt; the field `subject` is the subject.
    pub prefix: Option<Template>,
    /// The default number of examples in a prompt.
    pub shots: usize,
    /// Whether the first documents are the examples, instead of ones drawn anew for each document.
    pub first_shots: bool,
    /// The reported metrics.
    pub metrics: Vec<Metric>,
    /// Possible forms of its documents; the first form whose fields a file's first document has is used.
    pub forms: Vec<Form>,
    /// How answers are generated and read, if the model writes them.
    pub generation: Option<Generation>,
}

/// A form of documents.
#[derive(Clone, Debug)]
pub struct Form {
    /// The fields that identify the form.
    pub fields: Vec<String>,
    /// Fields that are computed from others, in order.
    pub defined: Vec<(String, Template)>,
    /// The question.
    pub ask: Ask,
}

/// The question that is asked of a document.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Which continuation is the most likely.
    Choices {
        /// The prompt.
        text: Template,
        /// The continuations, without the space before them.
        choices: Texts,
        /// Which one is right.
        label: Label,
    },
    /// Which context makes the same continuation the most likely.
    Contexts {
        /// The prompts.
        contexts: Texts,
        /// The continuation, without the space before it.
        continuation: Template,
        /// Which one is right.
        label: Label,
    },
    /// How likely a continuation is.
    Likelihood {
        /// The prompt.
        text: Template,
        /// The continuation, with the space before it.
        continuation: Template,
    },
    /// The model's own answer.
    Answer {
        /// The prompt.
        text: Template,
        /// The right answer, as examples show it.
        answer: Template,
    },
}

/// Several texts of a document.
#[derive(Clone, Debug)]
pub enum Texts {
    /// One template for each.
    Each(Vec<Template>),
    /// A field that is a list.
    List(Field),
}

/// Which choice is right.
#[derive(Clone, Debug)]
pub struct Label {
    /// The value in the document.
    pub value: Template,
    /// The names of the choices, in order; if `None`, the value is a number.
    pub names: Option<Texts>,
    /// The number of the first choice.
    pub first: i64,
}

/// How a model's own answers are generated and read.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Texts at which an answer ends.
    pub stops: Vec<String>,
    /// The maximum number of tokens in an answer.
    pub longest: usize,
    /// How the result is found in an answer; each extraction is a separate metric.
    pub extractions: Vec<Extraction>,
    /// Matches that are removed from both sides before they are compared.
    pub ignored: Vec<Extractor>,
}

/// A metric of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Metric {
    /// The share of documents whose most likely choice is right.
    #[serde(rename = "acc")]
    Accuracy,
    /// The same, with the log-likelihood divided by the number of characters of a choice.
    #[serde(rename = "acc_norm")]
    NormalisedAccuracy,
    /// The same, with the log-likelihood divided by the number of bytes.
    #[serde(rename = "acc_bytes")]
    ByteAccuracy,
    /// exp of the mean negative log-likelihood of a continuation.
    #[serde(rename = "perplexity")]
    Perplexity,
    /// The share of documents whose generated answer is right.
    #[serde(rename = "exact_match")]
    ExactMatch,
}

impl Metric {
    /// All metrics, in the order of tables.
    pub const ALL: [Self; 5] =
        [Self::Accuracy, Self::NormalisedAccuracy, Self::ByteAccuracy, Self::Perplexity, Self::ExactMatch];

    /// Returns the name in lm-evaluation-harness.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "acc",
            Self::NormalisedAccuracy => "acc_norm",
            Self::ByteAccuracy => "acc_bytes",
            Self::Perplexity => "perplexity",
            Self::ExactMatch => "exact_match",
        }
    }
}

const KEYS: [&str; 15] = [
    "task",
    "version",
    "files",
    "shot_files",
    "by_subject",
    "groups",
    "prefix",
    "shots",
    "first_shots",
    "metrics",
    "forms",
    "stops",
    "longest_answer",
    "results",
    "ignore",
];

impl Task {
    /// Reads a description; messages call it `place`.
    ///
    /// # Errors
    /// With the invalid key, and what would be valid.
    pub fn parse(place: &str, text: &str) -> Result<Self, TaskError> {
        let wrong = |problem: String| problem_at(place, "$", problem);
        let documents =
            YamlLoader::load_from_str(text).map_err(|error| wrong(format!("is not YAML: {error}")))?;
        let keys = match &documents[..] {
            [Yaml::Hash(keys)] => Keys { place, within: String::new(), keys },
            _ => return Err(wrong("is not a single mapping of keys to values".to_owned())),
        };
        keys.only(&KEYS)?;
        let forms = keys.list("forms")?;
        let forms: Vec<Form> = forms
            .iter()
            .enumerate()
            .map(|(at, form)| Form::read(&keys.below(&format!("forms.{at}"), form)?))
            .collect::<Result<_, _>>()?;
        if forms.is_empty() {
            return Err(keys.problem("forms", "lists no form"));
        }
        let task = Self {
            name: keys.text("task")?,
            version: keys.text("version")?,
            files: keys.texts("files")?,
            shot_files: keys.texts_or_none("shot_files")?,
            by_subject: keys.flag("by_subject")?,
            groups: keys.groups()?,
            prefix: keys.template_or_none("prefix")?,
            shots: keys.count("shots", 0)?,
            first_shots: keys.flag("first_shots")?,
            metrics: keys.metrics()?,
            generation: keys.generation()?,
            forms,
        };
        task.check(&keys)?;
        Ok(task)
    }

    /// Refuses metrics that do not fit the questions.
    fn check(&self, keys: &Keys<'_>) -> Result<(), TaskError> {
        if self.files.is_empty() {
            return Err(keys.problem("files", "lists no file"));
        }
        if !self.groups.is_empty() && !self.by_subject {
            return Err(keys.problem("groups", "is only allowed if `by_subject` is true"));
        }
        for form in &self.forms {
            let possible: &[Metric] = match &form.ask {
                Ask::Choices { .. } => &[Metric::Accuracy, Metric::NormalisedAccuracy, Metric::ByteAccuracy],
                Ask::Contexts { .. } => &[Metric::Accuracy],
                Ask::Likelihood { .. } => &[Metric::Accuracy, Metric::Perplexity],
                Ask::Answer { .. } => &[Metric::ExactMatch],
            };
            if let Some(metric) = self.metrics.iter().find(|metric| !possible.contains(metric)) {
                let problem = format!("has {}, which does not fit the forms' questions", metric.name());
                return Err(keys.problem("metrics", &problem));
            }
            if matches!(form.ask, Ask::Answer { .. }) != self.generation.is_some() {
                return Err(keys
                    .problem("results", "must be present if forms have an `answer`, and absent otherwise"));
            }
        }
        Ok(())
    }
}

impl Form {
    fn read(keys: &Keys<'_>) -> Result<Self, TaskError> {
        const KEYS: [&str; 10] = [
            "fields",
            "define",
            "text",
            "choices",
            "contexts",
            "continuation",
            "label",
            "names",
            "first",
            "answer",
        ];
        keys.only(&KEYS)?;
        let label = || -> Result<Label, TaskError> {
            Ok(Label {
                value: keys.template("label")?,
                names: if keys.has("names") { Some(keys.choices("names")?) } else { None },
                first: keys.count("first", 0)? as i64,
            })
        };
        let ask = match ["choices", "contexts", "continuation", "answer"].map(|key| keys.has(key)) {
            [true, false, false, false] => Ask::Choices {
                text: keys.template("text")?,
                choices: keys.choices("choices")?,
                label: label()?,
            },
            [false, true, true, false] => Ask::Contexts {
                contexts: keys.choices("contexts")?,
                continuation: keys.template("continuation")?,
                label: label()?,
            },
            [false, false, true, false] => {
                Ask::Likelihood { text: keys.template("text")?, continuation: keys.template("continuation")? }
            }
            [false, false, false, true] => {
                Ask::Answer { text: keys.template("text")?, answer: keys.template("answer")? }
            }
            _ => {
                let all = "has neither `text` with `choices`, nor `contexts` with `continuation`, nor `text` with `continuation`, nor `text` with `answer`";
                return Err(keys.problem("$", all));
            }
        };
        Ok(Self { fields: keys.texts("fields")?, defined: keys.defined()?, ask })
    }
}

/// A mapping in a description, and its location.
struct Keys<'a> {
    place: &'a str,
    within: String,
    keys: &'a Hash,
}

fn problem_at(place: &str, key: &str, problem: String) -> TaskError {
    TaskError::Description { place: place.to_owned(), key: key.to_owned(), problem }
}

impl<'a> Keys<'a> {
    fn problem(&self, key: &str, problem: &str) -> TaskError {
        let key = match (self.within.as_str(), key) {
            ("", key) => key.to_owned(),
            (within, "$") => within.to_owned(),
            (within, key) => format!("{within}.{key}"),
        };
        problem_at(self.place, &key, problem.to_owned())
    }

    fn below(&self, within: &str, value: &'a Yaml) -> Result<Self, TaskError> {
        match value {
            Yaml::Hash(keys) => Ok(Self { place: self.place, within: within.to_owned(), keys }),
            _ => Err(self.problem(within, "is not a mapping of keys to values")),
        }
    }

    /// Refuses unknown keys: otherwise a typing error would go unnoticed.
    fn only(&self, known: &[&str]) -> Result<(), TaskError> {
        let unknown = self.keys.keys().find(|key| !key.as_str().is_some_and(|key| known.contains(&key)));
        match unknown {
            None => Ok(()),
            Some(key) => {
                let name = key.as_str().unwrap_or("$");
                Err(self.problem(name, &format!("is not a key of a task; keys are {}", known.join(", "))))
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Yaml> {
        self.keys.get(&Yaml::String(key.to_owned()))
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn text(&self, key: &str) -> Result<String, TaskError> {
        match self.get(key) {
            Some(Yaml::String(text) | Yaml::Real(text)) => Ok(text.clone()),
            Some(Yaml::Integer(number)) => Ok(number.to_string()),
            Some(_) => Err(self.problem(key, "is not a text")),
            None => Err(self.problem(key, "is missing")),
        }
    }

    fn list(&self, key: &str) -> Result<&'a [Yaml], TaskError> {
        match self.get(key) {
            Some(Yaml::Array(all)) => Ok(all),
            Some(_) => Err(self.problem(key, "is not a list")),
            None => Err(self.problem(key, "is missing")),
        }
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, TaskError> {
        let all = self.list(key)?.iter();
        let text = |it: &Yaml| it.as_str().map(str::to_owned);
        all.map(text).collect::<Option<_>>().ok_or_else(|| self.problem(key, "is not a list of texts"))
    }

    fn texts_or_none(&self, key: &str) -> Result<Vec<String>, TaskError> {
        if self.has(key) { self.texts(key) } else { Ok(Vec::new()) }
    }

    fn flag(&self, key: &str) -> Result<bool, TaskError> {
        match self.get(key) {
            None => Ok(false),
            Some(Yaml::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.problem(key, "is neither true nor false")),
        }
    }

    fn count(&self, key: &str, otherwise: usize) -> Result<usize, TaskError> {
        match self.get(key) {
            None => Ok(otherwise),
            Some(Yaml::Integer(number)) => {
                usize::try_from(*number).map_err(|_| self.problem(key, "is negative"))
            }
            Some(_) => Err(self.problem(key, "is not a whole number")),
        }
    }

    fn template(&self, key: &str) -> Result<Template, TaskError> {
        Template::parse(&self.text(key)?).map_err(|problem| self.problem(key, &problem))
    }

    fn template_or_none(&self, key: &str) -> Result<Option<Template>, TaskError> {
        if self.has(key) { self.template(key).map(Some) } else { Ok(None) }
    }

    fn defined(&self) -> Result<Vec<(String, Template)>, TaskError> {
        let Some(value) = self.get("define") else { return Ok(Vec::new()) };
        let keys = self.below("define", value)?;
        let names = keys.keys.keys().filter_map(Yaml::as_str);
        names.map(|name| Ok((name.to_owned(), keys.template(name)?))).collect()
    }

    fn groups(&self) -> Result<Vec<(String, Vec<String>)>, TaskError> {
        let Some(value) = self.get("groups") else { return Ok(Vec::new()) };
        let keys = self.below("groups", value)?;
        let names = keys.keys.keys().filter_map(Yaml::as_str);
        names.map(|name| Ok((name.to_owned(), keys.texts(name)?))).collect()
    }

    /// Reads a list of templates, or a template that consists of one field.
    fn choices(&self, key: &str) -> Result<Texts, TaskError> {
        if let Some(Yaml::String(_)) = self.get(key) {
            let template = self.template(key)?;
            let field = template.field().cloned();
            return match field {
                Some(field) => Ok(Texts::List(field)),
                None => Err(self.problem(key, "is neither a list nor a single field such as \"{choices}\"")),
            };
        }
        let parse = |text: String| Template::parse(&text).map_err(|problem| self.problem(key, &problem));
        Ok(Texts::Each(self.texts(key)?.into_iter().map(parse).collect::<Result<_, _>>()?))
    }

    fn metrics(&self) -> Result<Vec<Metric>, TaskError> {
        let known = Metric::ALL.map(Metric::name).join(", ");
        let named = |name: String| {
            let metric = Metric::ALL.into_iter().find(|it| it.name() == name);
            metric.ok_or_else(|| self.problem("metrics", &format!("has {name}, which is none of {known}")))
        };
        let mut metrics: Vec<Metric> =
            self.texts("metrics")?.into_iter().map(named).collect::<Result<_, _>>()?;
        metrics.sort_unstable();
        metrics.dedup();
        if metrics.is_empty() {
            return Err(self.problem("metrics", "lists no metric"));
        }
        Ok(metrics)
    }

    fn generation(&self) -> Result<Option<Generation>, TaskError> {
        if !self.has("results") {
            return Ok(None);
        }
        let pattern = |keys: &Keys<'_>, key: &str, text: &str| {
            Extractor::parse(text).map_err(|problem| keys.problem(key, &problem))
        };
        let mut extractions = Vec::new();
        for (at, result) in self.list("results")?.iter().enumerate() {
            let keys = self.below(&format!("results.{at}"), result)?;
            keys.only(&["name", "pattern", "last"])?;
            extractions.push(Extraction {
                name: keys.text("name")?,
                pattern: pattern(&keys, "pattern", &keys.text("pattern")?)?,
                last: keys.flag("last")?,
            });
        }
        let ignored = self.texts_or_none("ignore")?;
        Ok(Some(Generation {
            stops: self.texts_or_none("stops")?,
            longest: self.count("longest_answer", 256)?.max(1),
            extractions,
            ignored: ignored.iter().map(|it| pattern(self, "ignore", it)).collect::<Result<_, _>>()?,
        }))
    }
}
