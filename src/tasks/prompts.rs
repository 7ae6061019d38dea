//! Tasks with their prompts: their questions, with the examples before each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::description::Task;
use super::documents::{self, Document};
use super::error::TaskError;
use super::purpose::Purpose;
use super::python_random::PythonRandom;
use super::questions::{Question, questions};

/// The default seed for drawing examples: that of the harness.
pub const SHOT_SEED: u32 = 1234;

/// The separator after each example.
const BETWEEN: &str = "\n\n";

/// The location of a task's files, and the number of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Selection {
    /// The data folder.
    pub data: PathBuf,
    /// Number of examples in a prompt; null for each task's own default.
    pub shots: Option<usize>,
    /// Files of examples by task, instead of those in the folder.
    pub shot_files: BTreeMap<String, PathBuf>,
    /// The maximum number of documents of each task, and of each subject, starting with the first.
    pub limit: Option<usize>,
    /// The seed for drawing examples; null for the default, 1234.
    pub seed: Option<u32>,
    /// The purpose of the documents.
    #[serde(skip)]
    pub purpose: Purpose,
}

/// The prompts of a task, or of one of its subjects.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// The subject, if the task has subjects.
    pub subject: Option<String>,
    /// The prompts, in the order of the documents.
    pub prompts: Vec<Prompt>,
}

/// A document's question with the text before it.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// The document.
    pub document: Document,
    /// The start that all prompts share, and the examples.
    pub before: String,
    /// The question.
    pub question: Question,
}

/// A task with all of its prompts.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The task.
    pub task: Task,
    /// Number of examples in a prompt.
    pub shots: usize,
    /// The task's prompts, or those of each subject in the order of their names.
    pub parts: Vec<Prompts>,
}

impl Asked {
    /// Reads a task's files and makes its prompts.
    ///
    /// # Errors
    /// When a file is missing or invalid for the task, or there are fewer examples than a prompt needs.
    pub fn read(task: Task, selection: &Selection) -> Result<Self, TaskError> {
        let data = &selection.data;
        let file = documents::find(data, &task.files)?.ok_or_else(|| TaskError::NoFile {
            task: task.name.clone(),
            folder: data.clone(),
            files: task.files.clone(),
        })?;
        let shots = selection.shots.unwrap_or(task.shots);
        let evaluated = by_subject(&task, &file)?;
        let from_others = selection.shot_files.contains_key(&task.name) || !task.shot_files.is_empty();
        if shots > 0 && !from_others && selection.purpose != Purpose::All {
            return Err(TaskError::OwnShots { task: task.name });
        }
        let pool = match (shots, from_others) {
            (0, _) => BTreeMap::new(),
            (_, false) => evaluated.clone(),
            (_, true) => by_subject(&task, &shot_file(&task, shots, selection)?)?,
        };
        let mut parts = Vec::with_capacity(evaluated.len());
        for (subject, documents) in evaluated {
            let name = match subject.as_str() {
                "" => task.name.clone(),
                subject => format!("{} ({subject})", task.name),
            };
            let mut draw = Draw {
                name,
                random: PythonRandom::new(selection.seed.unwrap_or(SHOT_SEED)),
                pool: pool.get(&subject).map_or(&[][..], Vec::as_slice),
                shots,
                first: task.first_shots,
                own: !from_others,
            };
            let count = selection.limit.unwrap_or(usize::MAX);
            let mut prompts = Vec::new();
            for (document, question) in documents {
                if prompts.len() == count {
                    break;
                }
                let beginning = match &task.prefix {
                    Some(prefix) => prefix.fill(&document.row).map_err(document.wrong())?,
                    None => String::new(),
                };
                // Examples are drawn for every document, so that each gets the same ones as under
                // `Purpose::All`.
                let before = beginning + &draw.examples(&question)?;
                if !selection.purpose.has(&question) {
                    continue;
                }
                prompts.push(Prompt { document, before, question });
            }
            parts.push(Prompts { subject: Some(subject).filter(|it| !it.is_empty()), prompts });
        }
        Ok(Self { task, shots, parts })
    }

    /// Returns the number of documents.
    pub fn documents(&self) -> usize {
        self.parts.iter().map(|part| part.prompts.len()).sum()
    }
}

/// Finds the files that a task's examples are drawn from.
fn shot_file(task: &Task, shots: usize, selection: &Selection) -> Result<Vec<PathBuf>, TaskError> {
    if let Some(path) = selection.shot_files.get(&task.name) {
        return Ok(vec![path.clone()]);
    }
    documents::find(&selection.data, &task.shot_files)?.ok_or_else(|| TaskError::NoShots {
        task: task.name.clone(),
        shots,
        folder: selection.data.clone(),
        files: task.shot_files.clone(),
    })
}

type BySubject = BTreeMap<String, Vec<(Document, Question)>>;

/// Reads the documents of files and their questions, by subject if the task has subjects.
fn by_subject(task: &Task, paths: &[PathBuf]) -> Result<BySubject, TaskError> {
    let documents = documents::read_all(paths)?;
    let questions = questions(task, &documents)?;
    let mut subjects = BySubject::new();
    for (document, question) in documents.into_iter().zip(questions) {
        let subject = match (task.by_subject, document.row.get("subject")) {
            (true, Some(subject)) => subject.as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        subjects.entry(subject).or_default().push((document, question));
    }
    Ok(subjects)
}

/// Draws the examples of consecutive prompts from one stream of random numbers.
struct Draw<'a> {
    name: String,
    random: PythonRandom,
    pool: &'a [(Document, Question)],
    shots: usize,
    first: bool,
    /// Whether examples come from the measured documents, so that a document must not be its own example.
    own: bool,
}

impl Draw<'_> {
    fn examples(&mut self, question: &Question) -> Result<String, TaskError> {
        let few = |found: usize| TaskError::FewShots { task: self.name.clone(), shots: self.shots, found };
        let other = |place: &usize| !self.own || self.pool[*place].1 != *question;
        let count = self.pool.len();
        let drawn: Vec<usize> = match (self.shots, self.first) {
            (0, _) => return Ok(String::new()),
            (_, true) => (0..count).filter(other).collect(),
            // One more than needed, in case the document itself is drawn.
            (shots, false) => {
                let wanted = shots + usize::from(self.own);
                let (all, wanted) = (u32::try_from(count), u32::try_from(wanted));
                let (Ok(all), Ok(wanted)) = (all, wanted) else { return Err(few(count)) };
                let places = self.random.sample(all, wanted).ok_or_else(|| few(count))?;
                places.into_iter().map(|it| it as usize).filter(other).collect()
            }
        };
        if drawn.len() < self.shots {
            return Err(few(drawn.len()));
        }
        let examples = drawn[..self.shots].iter().map(|place| self.pool[*place].1.with_answer() + BETWEEN);
        Ok(examples.collect())
    }
}
