//! Finds the result in an answer that a model wrote.

use fancy_regex::Regex;

/// A regular expression in Python's dialect.
#[derive(Clone, Debug)]
pub struct Extractor(Regex);

/// How a result is found in an answer.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// Its name in the harness, such as `strict-match`.
    pub name: String,
    /// The pattern of the result; if it has groups, the first group with a non-empty match is the result.
    pub pattern: Extractor,
    /// Whether the last match counts instead of the first.
    pub last: bool,
}

/// Stands for a result that is not found, as in the harness.
pub const NOT_FOUND: &str = "[invalid]";

impl Extractor {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// With the problem of the pattern.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        Regex::new(pattern).map(Self).map_err(|error| format!("is not a regular expression: {error}"))
    }

    /// Returns a text without the matches.
    fn removed(&self, text: &str) -> String {
        self.0.replace_all(text, "").into_owned()
    }
}

impl Extraction {
    /// Returns the result in an answer, or [`NOT_FOUND`].
    pub fn find(&self, answer: &str) -> String {
        let matches = self.pattern.0.captures_iter(answer).map_while(Result::ok);
        let results = matches.map(|found| {
            let groups = (1..found.len()).filter_map(|group| found.get(group)).map(|it| it.as_str());
            match found.len() {
                1 => found.get(0).map(|it| it.as_str().to_owned()),
                _ => groups.map(str::to_owned).find(|it| !it.is_empty()),
            }
        });
        let result = if self.last { results.last() } else { results.take(1).last() };
        result.flatten().map_or_else(|| NOT_FOUND.to_owned(), |it| it.trim().to_owned())
    }
}

/// Returns whether a result is right, comparing both without the ignored parts and in lower case.
pub fn is_match(result: &str, right: &str, ignored: &[Extractor]) -> bool {
    let bare = |text: &str| {
        ignored.iter().fold(text.to_owned(), |text, pattern| pattern.removed(&text)).to_lowercase()
    };
    bare(result) == bare(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::builtin;

    #[test]
    fn results_of_gsm8k_are_found_as_the_harness_finds_them() {
        let task = builtin::task("gsm8k").unwrap().unwrap();
        let generation = task.generation.unwrap();
        let names: Vec<&str> = generation.extractions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["strict-match", "flexible-extract"]);
        for (answer, strict, flexible) in [
            ("2 + 2 = <<2+2=4>>4\n#### 4", "4", "4"),
            ("It costs $1,234.", NOT_FOUND, "$1,234."),
            ("####-5", NOT_FOUND, "-5"),
            ("#### -5 and #### 7", "-5", "7"),
            ("no number", NOT_FOUND, NOT_FOUND),
            ("a . b", NOT_FOUND, NOT_FOUND),
        ] {
            assert_eq!(generation.extractions[0].find(answer), strict, "{answer}");
            assert_eq!(generation.extractions[1].find(answer), flexible, "{answer}");
        }
        let right = "She pays 1,200.\nSo\n#### 1,234";
        assert!(is_match("$1,234.", right, &generation.ignored));
        assert!(!is_match("1,235", right, &generation.ignored));
        assert!(!is_match(NOT_FOUND, right, &generation.ignored));
    }
}
