//! The questions that a task asks of documents.

use super::description::{Ask, Form, Label, Task, Texts};
use super::documents::Document;
use super::error::{DocumentProblem, TaskError};
use super::template::Row;

/// A document's question, with the right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which continuation of a text is the most likely.
    Choices {
        /// The text.
        text: String,
        /// The continuations, without the space before them.
        choices: Vec<String>,
        /// The index of the right one.
        right: usize,
    },
    /// Which context makes a continuation the most likely.
    Contexts {
        /// The texts.
        contexts: Vec<String>,
        /// The continuation, without the space before it.
        continuation: String,
        /// The index of the right one.
        right: usize,
    },
    /// How likely a continuation is.
    Likelihood {
        /// The text.
        text: String,
        /// The continuation, with the space before it.
        continuation: String,
    },
    /// The model's own continuation of a text.
    Answer {
        /// The text.
        text: String,
        /// The right answer.
        answer: String,
    },
}

/// The separator between a text and its continuation.
pub const SPACE: &str = " ";

impl Question {
    /// Returns the index of the right choice, if there are choices.
    pub const fn right(&self) -> Option<usize> {
        match self {
            Self::Choices { right, .. } | Self::Contexts { right, .. } => Some(*right),
            Self::Likelihood { .. } | Self::Answer { .. } => None,
        }
    }

    /// Returns the question with its right answer, as examples show it.
    pub fn with_answer(&self) -> String {
        match self {
            Self::Choices { text, choices, right } => format!("{text}{SPACE}{}", choices[*right]),
            Self::Contexts { contexts, continuation, right } => {
                format!("{}{SPACE}{continuation}", contexts[*right])
            }
            Self::Likelihood { text, continuation } => format!("{text}{SPACE}{continuation}"),
            Self::Answer { text, answer } => format!("{text}{SPACE}{answer}"),
        }
    }

    /// Returns the pairs of context and continuation whose likelihoods answer the question; `before` precedes
    /// each context.
    pub fn pairs(&self, before: &str) -> Vec<(String, String)> {
        match self {
            Self::Choices { text, choices, .. } => {
                let context = format!("{before}{text}");
                choices.iter().map(|choice| (context.clone(), format!("{SPACE}{choice}"))).collect()
            }
            Self::Contexts { contexts, continuation, .. } => contexts
                .iter()
                .map(|context| (format!("{before}{context}"), format!("{SPACE}{continuation}")))
                .collect(),
            Self::Likelihood { text, continuation } => {
                vec![(format!("{before}{text}"), continuation.clone())]
            }
            Self::Answer { .. } => Vec::new(),
        }
    }

    /// Returns everything that the model reads, preceded by `before`: a text for each pair, or the prompt of
    /// an answer.
    pub fn texts(&self, before: &str) -> Vec<String> {
        match self {
            Self::Answer { text, .. } => vec![format!("{before}{text}")],
            Self::Choices { .. } | Self::Contexts { .. } | Self::Likelihood { .. } => {
                self.pairs(before).into_iter().map(|(context, rest)| context + &rest).collect()
            }
        }
    }

    /// Returns the texts whose lengths normalise the likelihoods, one for each pair.
    pub fn measured(&self) -> Vec<&str> {
        match self {
            Self::Choices { choices, .. } => choices.iter().map(String::as_str).collect(),
            Self::Contexts { contexts, .. } => contexts.iter().map(String::as_str).collect(),
            Self::Likelihood { continuation, .. } => vec![continuation],
            Self::Answer { .. } => Vec::new(),
        }
    }

    /// Returns the right answer as text.
    pub fn right_text(&self) -> &str {
        match self {
            Self::Choices { choices, right, .. } => &choices[*right],
            Self::Contexts { contexts, right, .. } => &contexts[*right],
            Self::Likelihood { continuation, .. } => continuation,
            Self::Answer { answer, .. } => answer,
        }
    }
}

/// Makes the questions of documents from one file or folder.
///
/// # Errors
/// When the first document does not have the fields of any form, or a document does not match its form.
pub fn questions(task: &Task, documents: &[Document]) -> Result<Vec<Question>, TaskError> {
    let Some(first) = documents.first() else { return Ok(Vec::new()) };
    let form = form_of(task, first)?;
    documents.iter().map(|document| question(form, &document.row).map_err(document.wrong())).collect()
}

fn form_of<'a>(task: &'a Task, first: &Document) -> Result<&'a Form, TaskError> {
    let fits = |form: &&Form| form.fields.iter().all(|field| first.row.contains_key(field));
    task.forms.iter().find(fits).ok_or_else(|| TaskError::Form {
        path: first.path.to_path_buf(),
        line: first.line,
        task: task.name.clone(),
        found: first.row.keys().filter(|it| *it != "subject").cloned().collect(),
        forms: task.forms.iter().map(|form| form.fields.join(", ")).collect(),
    })
}

fn question(form: &Form, row: &Row) -> Result<Question, DocumentProblem> {
    let mut row = row.clone();
    for (name, template) in &form.defined {
        let value = template.fill(&row)?;
        row.insert(name.clone(), value.into());
    }
    let row = &row;
    Ok(match &form.ask {
        Ask::Choices { text, choices, label } => {
            let choices = texts(choices, row)?;
            if let Some(empty) = choices.iter().find(|it| it.is_empty()) {
                return Err(DocumentProblem::EmptyContinuation(empty.clone()));
            }
            let right = right(label, row, choices.len())?;
            Question::Choices { text: text.fill(row)?, choices, right }
        }
        Ask::Contexts { contexts, continuation, label } => {
            let contexts = texts(contexts, row)?;
            let right = right(label, row, contexts.len())?;
            let continuation = continuation.fill(row)?;
            if continuation.is_empty() {
                return Err(DocumentProblem::EmptyContinuation(continuation));
            }
            Question::Contexts { contexts, continuation, right }
        }
        Ask::Likelihood { text, continuation } => {
            Question::Likelihood { text: text.fill(row)?, continuation: continuation.fill(row)? }
        }
        Ask::Answer { text, answer } => Question::Answer { text: text.fill(row)?, answer: answer.fill(row)? },
    })
}

fn texts(texts: &Texts, row: &Row) -> Result<Vec<String>, DocumentProblem> {
    match texts {
        Texts::Each(templates) => templates.iter().map(|it| it.fill(row)).collect(),
        Texts::List(field) => field.texts(row),
    }
}

/// Returns the index of the right choice among `count`.
fn right(label: &Label, row: &Row, count: usize) -> Result<usize, DocumentProblem> {
    if count < 2 {
        return Err(DocumentProblem::Choices(count));
    }
    let value = label.value.fill(row)?;
    let (right, choices) = match &label.names {
        Some(names) => {
            let names = texts(names, row)?;
            (names.iter().position(|name| *name == value), names.join(", "))
        }
        None => {
            let number = value.trim().parse::<i64>().ok();
            let number = number.and_then(|number| number.checked_sub(label.first));
            let last = label.first + count as i64 - 1;
            (number.and_then(|it| usize::try_from(it).ok()), format!("{} to {last}", label.first))
        }
    };
    let wrong = || DocumentProblem::Label { label: value.clone(), choices };
    right.filter(|right| *right < count).ok_or_else(wrong)
}
