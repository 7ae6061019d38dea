//! Explains why a statement does not parse, in terms of the language rather than of its grammar.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::Rule;
use super::recover::{self, KEYWORDS, is_word};
use crate::ops::{Notation, Op};
use crate::problem::Problem;
use crate::span::Span;

/// The longest token that a message quotes, in characters.
const LONGEST_TOKEN: usize = 40;

/// Operators of other languages, as the grammar reads them.
const FOREIGN: [&str; 6] = ["**", "==", "!=", "&&", "||", "%"];

/// Symbols of more than one character.
const SYMBOLS: [&str; 5] = ["|>", "<=", ">=", "//", "/*"];

/// Returns the problem with a `piece` of the script that does not parse.
pub(super) fn error(source: &str, piece: Span, error: &Error<Rule>) -> Problem {
    let text = piece.of(source);
    let end = recover::trimmed(text).len();
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at.min(end),
    };
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let over = rest.is_empty() || rest.starts_with(['\n', '\r', '#']);
    let found = if over { "" } else { token(&text[at..]) };
    let span = Span::new(piece.start + at, piece.start + at + found.len());
    let before = recover::trimmed(&text[..at]);
    if let Some(symbol) = FOREIGN.into_iter().find(|symbol| before.ends_with(symbol)) {
        let end = piece.start + before.len();
        let span = Span::new(end - symbol.len(), end);
        return Problem::NotInLanguage { symbol: symbol.to_owned(), span };
    }
    if let Some(character) = found.chars().next().filter(|character| !is_written(*character)) {
        return if is_word(character) {
            Problem::UnknownLetter { name: found.to_owned(), span }
        } else {
            Problem::UnknownCharacter { character, span }
        };
    }
    if let Some(problem) = recover::unbalanced(source, piece) {
        return problem;
    }
    let mut expected: Vec<&'static str> = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => {
            positives.iter().filter_map(|rule| words(*rule)).collect()
        }
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    expected.sort_unstable();
    expected.dedup();
    if expected.contains(&"a value") {
        expected.retain(|words| *words != "an operator's name");
    }
    if like_a_number(found) && expected.contains(&"a value") {
        return Problem::NotANumber { text: found.to_owned(), span };
    }
    let help = help(before, found, &expected);
    Problem::Syntax { span, found: found.to_owned(), expected, help }
}

/// Returns what a rule is called in messages; `None` for rules that are not worth naming.
fn words(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::number | Rule::group | Rule::call | Rule::reference | Rule::negate => "a value",
        Rule::pipeline | Rule::inner_pipeline | Rule::expression | Rule::inner_expression => "a value",
        Rule::argument => "a value",
        Rule::stage | Rule::path => "an operator's name",
        Rule::name => "a name",
        Rule::statement | Rule::metric | Rule::unit | Rule::binding => "a statement",
        Rule::pipe => "`|>`",
        Rule::binds => "`=`",
        Rule::comma => "`,`",
        Rule::close => "`)`",
        Rule::add | Rule::subtract | Rule::multiply | Rule::divide | Rule::power => "an operator",
        Rule::less | Rule::less_equal | Rule::greater | Rule::greater_equal => "an operator",
        Rule::EOI => "the end of the statement",
        _ => return None,
    })
}

/// Returns a hint, if the tokens around the mistake suggest one.
fn help(before: &str, found: &str, expected: &[&str]) -> Option<String> {
    let last = last_word(before);
    let said = match found {
        "=" if expected.contains(&"a name") => "to name a value, write `let NAME = VALUE`".to_owned(),
        "=" if last == before && !last.is_empty() => format!("to name a value, write `let {last} = ...`"),
        "=" => "`=` binds a name; compare numbers with `<`, `<=`, `>` or `>=`".to_owned(),
        "|" => "write a pipeline with `|>`".to_owned(),
        "|>" => "begin the pipeline with a value, as in `score |> mean |> scale`".to_owned(),
        "//" | "/*" => "begin a comment with `#`".to_owned(),
        _ if expected == ["a name"] && KEYWORDS.contains(&found) => {
            format!("`{found}` is a keyword; choose another name")
        }
        _ if KEYWORDS.contains(&found) => format!("`{found}` begins a statement; write it on its own line"),
        _ if expected == ["a name"] && last == "unit" => {
            "write `unit block`, `unit projection` or `unit row`".to_owned()
        }
        ":" => "join the parts of a name with `::`".to_owned(),
        "!" => "a condition is 1 or 0; negate it with `1 - ...`".to_owned(),
        "" => return None,
        _ if expected == ["a name"] && like_a_number(found) => "a name must begin with a letter".to_owned(),
        _ if takes_operands(last) => format!("write the operands of `{last}` in parentheses: `{last}(...)`"),
        _ if before.starts_with("metric") && before.ends_with(')') && !before.contains('=') => {
            "name the option of the metric: `metric(per = row) ...`".to_owned()
        }
        _ if found.starts_with(is_word) && expected.contains(&"`,`") => {
            "separate arguments with `,`".to_owned()
        }
        _ => return None,
    };
    Some(said)
}

fn like_a_number(token: &str) -> bool {
    token.starts_with(|character: char| character.is_ascii_digit() || character == '.')
}

/// Returns whether `word` is an operator that is written with parentheses.
fn takes_operands(word: &str) -> bool {
    Op::find(word).is_some_and(|op| op.info().notation != Notation::Name)
}

fn last_word(text: &str) -> &str {
    let part_of_path = |character: char| is_word(character) || character == ':';
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, character)| part_of_path(*character))
        .last()
        .map_or(text.len(), |(at, _)| at);
    &text[start..]
}

/// Returns whether scripts may contain the character outside comments.
fn is_written(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_.:()+-*/^<>=|?,!&%".contains(character)
}

/// Returns the token that `text` begins with: a word or number, a symbol, else one character; empty for no text.
fn token(text: &str) -> &str {
    if let Some(symbol) = SYMBOLS.iter().chain(&FOREIGN).find(|symbol| text.starts_with(**symbol)) {
        return symbol;
    }
    let part_of_word = |character: char| is_word(character) || character == '.';
    let length =
        match text.chars().take(LONGEST_TOKEN).take_while(|c| part_of_word(*c)).map(char::len_utf8).sum() {
            0 => text.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
    &text[..length]
}
