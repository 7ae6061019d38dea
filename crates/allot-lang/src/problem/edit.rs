//! Edits that certainly fix a problem, because they only replace a spelling by the language's own.

use super::Problem;
use crate::edit::Edit;
use crate::ops::Op;

impl Problem {
    /// Returns the edit that fixes the problem, if there is one that cannot be wrong. A name that is only similar to another is not
    /// certain; the same name in capitals is.
    pub fn edit(&self) -> Option<Edit> {
        let (span, text) = match self {
            Self::NotInLanguage { symbol, span } if symbol == "**" => (*span, "^".to_owned()),
            Self::UnknownCharacter { character, span } => (*span, character_of(*character)?.to_owned()),
            Self::NotANumber { text, span } => (*span, number_of(text)?),
            Self::UnknownName { name, span, .. } | Self::UnknownOperator { name, span, .. } => {
                let small = name.to_ascii_lowercase();
                (*span, Some(small).filter(|small| small != name && Op::find(small).is_some())?)
            }
            _ => return None,
        };
        Some(Edit { span, text })
    }
}

/// Returns the language's spelling of a foreign character that can mean only one thing.
const fn character_of(character: char) -> Option<&'static str> {
    Some(match character {
        '×' | '·' | '⋅' | '∗' => "*",
        '÷' | '∕' => "/",
        '−' | '–' | '—' => "-",
        '≤' => "<=",
        '≥' => ">=",
        '\u{a0}' | '\u{3000}' => " ",
        '\u{200b}' => "",
        ';' => "\n",
        _ => return None,
    })
}

/// Corrects a number that lacks a digit before or after its point.
fn number_of(text: &str) -> Option<String> {
    let digits = text.trim_matches('.');
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match (plain, text.strip_prefix('.'), text.strip_suffix('.')) {
        (true, Some(rest), _) if rest == digits => Some(format!("0.{digits}")),
        (true, _, Some(rest)) if rest == digits => Some(digits.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, check};
    use crate::edit::apply;

    /// Applies edits to a script until none is left.
    fn mended(source: &str) -> String {
        let mut text = source.to_owned();
        for _ in 0..10 {
            let edits: Vec<Edit> =
                check(&text, CheckOptions::default()).problems.iter().filter_map(Problem::edit).collect();
            if edits.is_empty() {
                break;
            }
            text = apply(&text, edits);
        }
        text
    }

    #[test]
    fn certain_edits_fix_the_script() {
        for (written, meant) in [
            ("mean(score ** 2) |> scale", "mean(score ^ 2) |> scale"),
            ("mean(score × .5) |> scale", "mean(score * 0.5) |> scale"),
            ("Mean(Score) |> Scale", "mean(score) |> scale"),
            ("mean(score) − depth |> scale", "mean(score) - depth |> scale"),
            ("let x = mean(score);x |> scale", "let x = mean(score)\nx |> scale"),
            ("mean(score ≥ 2.) |> scale", "mean(score >= 2) |> scale"),
        ] {
            assert_eq!(mended(written), meant);
            assert_eq!(check(meant, CheckOptions::default()).problems, [], "{meant}");
        }
    }

    #[test]
    fn ambiguous_mistakes_get_no_edit() {
        for written in
            ["mean(scor) |> scale", "mean(score == 1) |> scale", "mean(2x) |> scale", "mean(score |> scale"]
        {
            assert_eq!(mended(written), written);
        }
    }
}
