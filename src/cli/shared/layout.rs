//! Layout of help texts: clap wraps paragraphs to the terminal, and examples can be pasted into a shell.

/// Maximum width of an example line in columns, so that clap does not wrap it in a terminal of 80.
const EXAMPLE: usize = 78;

/// Indentation of the continuation lines of an example.
const CONTINUED: &str = "      ";

/// Lays out the text after a command's options, and that of its subcommands.
pub(in crate::cli) fn laid_out(command: clap::Command) -> clap::Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(after_help(&text)),
        None => command,
    };
    command.mut_subcommands(laid_out)
}

/// Joins the lines of each paragraph, and breaks examples, which are the indented lines, with backslashes.
fn after_help(text: &str) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    for line in text.lines() {
        let example = line.starts_with("  ");
        if (example || line.trim().is_empty()) && !paragraph.is_empty() {
            out.push_str(&format!("{paragraph}\n"));
            paragraph.clear();
        }
        match (example, line.trim()) {
            (true, example) => out.push_str(&broken(example)),
            (false, "") => out.push('\n'),
            (false, words) if paragraph.is_empty() => words.clone_into(&mut paragraph),
            (false, words) => paragraph.push_str(&format!(" {words}")),
        }
    }
    out.push_str(&paragraph);
    out.trim_end().to_owned()
}

/// Breaks an example into lines that end with a backslash, except the last one.
fn broken(example: &str) -> String {
    let mut lines = vec!["  ".to_owned()];
    let mut quoted = false;
    let mut words: Vec<String> = vec![String::new()];
    for character in example.chars() {
        quoted ^= character == '\'';
        match (character, words.last_mut()) {
            (' ', _) if !quoted => words.push(String::new()),
            (character, Some(word)) => word.push(character),
            (_, None) => {}
        }
    }
    // An option and its value stay together.
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let value = words.get(at + 1).filter(|next| word.starts_with("--") && !next.starts_with('-'));
        let piece = value.map_or_else(|| word.clone(), |value| format!("{word} {value}"));
        at += if value.is_some() { 2 } else { 1 };
        let Some(line) = lines.last_mut() else { break };
        let length = line.chars().count() + piece.chars().count();
        match line.trim().is_empty() {
            true => line.push_str(&piece),
            // Leaves room for the backslash.
            false if length + " \\ ".len() > EXAMPLE => {
                line.push_str(" \\");
                lines.push(format!("{CONTINUED}{piece}"));
            }
            false => line.push_str(&format!(" {piece}")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_can_be_copied_and_paragraphs_are_whole() {
        let text = "Examples:\n  allot check 'a b' -\n  allot prune MODEL owl --sparsity 0.7 --text calibration.jsonl --length 256 --out PRUNED\n\nOne\ntwo.\n\nThree.";
        let expected = "Examples:\n  allot check 'a b' -\n  allot prune MODEL owl --sparsity 0.7 --text calibration.jsonl --length 256 \\\n      --out PRUNED\n\nOne two.\n\nThree.";
        assert_eq!(after_help(text), expected);
    }
}
