//! Tasks ready to be asked: their questions, with the examples that stand before each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::description::Task;
use super::documents::{self, Document};
use super::error::TaskError;
use super::purpose::Purpose;
use super::python_random::PythonRandom;
use super::questions::{Question, questions};

/// What examples are drawn by where nobody says: as in the harness.
pub const SHOT_SEED: u32 = 1234;

/// What stands after each example.
const BETWEEN: &str = "\n\n";

/// Where a task's files are, and how many of its documents are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Selection {
    /// The folder of data.
    pub data: PathBuf,
    /// How many examples a prompt has; as each task says where nothing is.
    pub shots: Option<usize>,
    /// Files of examples by task, instead of those in the folder.
    pub shot_files: BTreeMap<String, PathBuf>,
    /// The most documents of each task, and of each subject, from the first on.
    pub limit: Option<usize>,
    /// What examples are drawn by; [`SHOT_SEED`] where nothing is.
    pub seed: Option<u32>,
    /// What documents are asked for.
    #[serde(skip)]
    pub purpose: Purpose,
}

/// A task, or a subject of one, ready to be asked.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// The subject, where the task has some.
    pub subject: Option<String>,
    /// The documents that are asked, in order.
    pub prompts: Vec<Prompt>,
}

/// A document with what stands before its question.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// The document.
    pub document: Document,
    /// The beginning that all prompts have, and the examples.
    pub before: String,
    /// The question.
    pub question: Question,
}

/// A task with all that is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The task.
    pub task: Task,
    /// How many examples a prompt has.
    pub shots: usize,
    /// The task's prompts, or those of each subject in the order of their names.
    pub parts: Vec<Prompts>,
}

impl Asked {
    /// Reads a task's files and makes its prompts.
    ///
    /// # Errors
    /// When a file is missing or not as the task needs it, or there are fewer examples than a prompt is to have.
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
                // Examples are drawn for all, so that a document has those of `Purpose::All`.
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

    /// Returns how many documents are asked.
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

/// Reads the documents of files and their questions, by subject where the task has some.
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

/// Draws the examples of one prompt after the other, by one stream of random numbers.
struct Draw<'a> {
    name: String,
    random: PythonRandom,
    pool: &'a [(Document, Question)],
    shots: usize,
    first: bool,
    /// Whether the pool is what is asked, so that a document must not be its own example.
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
            // One more than needed, in case the document itself is among them.
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
