//! Formats numbers.

/// Returns a number as it is written in scripts: the shortest decimal that reads back as the same value.
pub fn number(value: f64) -> String {
    let text = format!("{value:?}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}
