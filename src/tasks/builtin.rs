//! The built-in tasks: descriptions in the same form as a user's, and names for groups of them.

use super::description::Task;
use super::error::TaskError;

/// Names and descriptions, in the order of tables.
const TASKS: [(&str, &str); 11] = [
    ("boolq", include_str!("builtin/boolq.yaml")),
    ("rte", include_str!("builtin/rte.yaml")),
    ("hellaswag", include_str!("builtin/hellaswag.yaml")),
    ("winogrande", include_str!("builtin/winogrande.yaml")),
    ("arc_easy", include_str!("builtin/arc_easy.yaml")),
    ("arc_challenge", include_str!("builtin/arc_challenge.yaml")),
    ("openbookqa", include_str!("builtin/openbookqa.yaml")),
    ("piqa", include_str!("builtin/piqa.yaml")),
    ("lambada_openai", include_str!("builtin/lambada_openai.yaml")),
    ("mmlu", include_str!("builtin/mmlu.yaml")),
    ("gsm8k", include_str!("builtin/gsm8k.yaml")),
];

/// The first tasks of the table are the seven zero-shot tasks that papers on pruning report.
const SEVEN: usize = 7;

/// Returns the tasks that a name stands for: a single one, `seven`, or `all`.
pub fn names(name: &str) -> Option<Vec<&'static str>> {
    let all = TASKS.iter().map(|(name, _)| *name);
    match name {
        "seven" => Some(all.take(SEVEN).collect()),
        "all" => Some(all.collect()),
        _ => all.filter(|it| *it == name).map(|it| vec![it]).next(),
    }
}

/// Returns all names that [`names`] knows.
pub fn known() -> impl Iterator<Item = &'static str> {
    TASKS.iter().map(|(name, _)| *name).chain(["seven", "all"])
}

/// Returns the description of a task by its name, as text.
pub fn text(name: &str) -> Option<&'static str> {
    TASKS.iter().find(|(it, _)| *it == name).map(|(_, text)| *text)
}

/// Returns a task by its name.
///
/// # Errors
/// Never because of a user's input: a test reads all descriptions.
pub fn task(name: &str) -> Option<Result<Task, TaskError>> {
    text(name).map(|text| Task::parse(&format!("the built-in task {name}"), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_is_read_and_has_its_name() {
        for name in names("all").unwrap() {
            let task = task(name).unwrap().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(task.name, name);
        }
        assert_eq!(names("seven").unwrap().last(), Some(&"openbookqa"));
        assert_eq!(names("sevn"), None);
    }
}
