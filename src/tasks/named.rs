//! Tasks by name: built-in ones, groups of them, and files.

use std::fs;
use std::path::Path;

use super::builtin;
use super::description::Task;
use super::error::TaskError;
use crate::lang::check::similar::similar;

/// Returns the tasks with the given names, in order: a built-in one, `seven`, `all`, or a file that describes
/// one.
///
/// # Errors
/// When a task does not exist, a description is invalid, or a task is named twice.
pub fn named(names: &[String]) -> Result<Vec<Task>, TaskError> {
    let mut tasks: Vec<Task> = Vec::new();
    for name in names {
        for task in of_name(name)? {
            if tasks.iter().any(|other| other.name == task.name) {
                return Err(TaskError::Twice { name: task.name });
            }
            tasks.push(task);
        }
    }
    Ok(tasks)
}

fn of_name(name: &str) -> Result<Vec<Task>, TaskError> {
    if let Some(names) = builtin::names(name) {
        return names.into_iter().filter_map(builtin::task).collect();
    }
    let path = Path::new(name);
    if path.is_file() {
        let text =
            fs::read_to_string(path).map_err(|source| TaskError::Read { path: path.to_owned(), source })?;
        return Ok(vec![Task::parse(name, &text)?]);
    }
    let similar = similar(name, builtin::known());
    Err(TaskError::Unknown { name: name.to_owned(), similar })
}
