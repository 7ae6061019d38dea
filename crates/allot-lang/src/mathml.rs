//! Converts the LaTeX of formulas to MathML, which browsers typeset without a network.
//!
//! It reads the part of LaTeX that the catalogue's templates use (`tests/it/lang/mathml.rs` converts all of them), so the
//! notation of an operator is still written once, in its row.

use std::iter::Peekable;
use std::str::Chars;

/// Commands that stand for an identifier.
const IDENTIFIERS: [(&str, &str); 6] =
    [("alpha", "α"), ("beta", "β"), ("epsilon", "ε"), ("lambda", "λ"), ("sigma", "σ"), ("Delta", "Δ")];

/// Commands that are functions and stand for their own name.
const FUNCTIONS: [&str; 12] =
    ["exp", "ln", "min", "max", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "tanh", "det"];

/// Commands that stand for an operator.
const OPERATORS: [(&str, &str); 5] = [("cdot", "·"), ("le", "≤"), ("ge", "≥"), ("sum", "∑"), ("prod", "∏")];

/// Brackets that open a group without `\left`, with the markup of both sides.
const FENCES: [(char, &str, &str); 2] = [('(', "(", ")"), ('[', "[", "]")];

/// Returns math-mode LaTeX as a `math` element that is displayed as a block, with the LaTeX as its alternative text.
///
/// Returns `None` for LaTeX beyond what the catalogue's templates use.
pub fn mathml(latex: &str) -> Option<String> {
    let mut reader = Reader { rest: latex.chars().peekable() };
    let row = reader.row(End::Text)?;
    Some(format!("<math display=\"block\" alttext=\"{}\">{}</math>", escaped(latex), grouped(row)))
}

/// What ends a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Text,
    Brace,
    /// A closing parenthesis or bracket.
    Fence(char),
    /// `\right`; the code that opened the group reads the delimiter.
    Right,
    /// `\Bigr`, likewise.
    BigRight,
    /// `\rVert`.
    Bars,
    /// `&`, `\\` or `\end{cases}` within cases.
    Cell,
}

/// How a row within cases ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellEnd {
    Cell,
    Line,
    Cases,
}

/// The kind of an element, which decides the space beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// A function's name, which acts on what follows.
    Function,
    /// A group in its own delimiters.
    Fenced,
    /// A sign between two elements.
    Sign,
}

struct Atom {
    markup: String,
    kind: Kind,
}

impl Atom {
    const fn plain(markup: String) -> Self {
        Self { markup, kind: Kind::Plain }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    /// Reads elements up to an end, which is consumed.
    fn row(&mut self, end: End) -> Option<Vec<Atom>> {
        match self.row_or_cell(end)? {
            (row, None) => Some(row),
            (_, Some(_)) => None,
        }
    }

    fn row_or_cell(&mut self, end: End) -> Option<(Vec<Atom>, Option<CellEnd>)> {
        let mut row: Vec<Atom> = Vec::new();
        loop {
            let Some(character) = self.rest.next() else {
                return (end == End::Text).then_some((row, None));
            };
            match character {
                ' ' => {}
                '}' => return (end == End::Brace).then_some((row, None)),
                ')' | ']' => return (end == End::Fence(character)).then_some((row, None)),
                '&' => return (end == End::Cell).then_some((row, Some(CellEnd::Cell))),
                '{' => row.push(Atom::plain(grouped(self.row(End::Brace)?))),
                '_' | '^' => {
                    let script = self.argument()?;
                    attach(row.last_mut()?, character, &script)?;
                }
                '\\' => {
                    let command = self.command()?;
                    let finished = match command.as_str() {
                        "right" => Some((End::Right, None)),
                        "Bigr" => Some((End::BigRight, None)),
                        "rVert" => Some((End::Bars, None)),
                        "\\" => Some((End::Cell, Some(CellEnd::Line))),
                        "end" => {
                            self.text()?;
                            Some((End::Cell, Some(CellEnd::Cases)))
                        }
                        _ => None,
                    };
                    match finished {
                        Some((ended, cell)) => return (ended == end).then_some((row, cell)),
                        None => row.push(self.named(&command)?),
                    }
                }
                // The sign of one operand, not between two.
                '-' if row.last().is_none_or(|before| before.kind == Kind::Sign) => {
                    row.push(Atom::plain("<mo form=\"prefix\">−</mo>".to_owned()));
                }
                _ => row.push(self.simple(character)?),
            }
        }
    }

    /// Reads the element that begins with a character other than a backslash.
    fn simple(&mut self, character: char) -> Option<Atom> {
        if let Some((_, open, close)) = FENCES.iter().find(|fence| fence.0 == character) {
            let inner = self.row(End::Fence(close.chars().next()?))?;
            return Some(fenced(open, inner, close));
        }
        let sign = |sign: &str| Some(Atom { markup: element("mo", sign), kind: Kind::Sign });
        Some(Atom::plain(match character {
            '0'..='9' | '.' => {
                let mut number = character.to_string();
                while let Some(next) = self.rest.next_if(|next| next.is_ascii_digit() || *next == '.') {
                    number.push(next);
                }
                element("mn", &number)
            }
            '-' => return sign("−"),
            '+' | '=' | '<' | '>' | ',' | '/' => return sign(&character.to_string()),
            letter if letter.is_ascii_alphabetic() => element("mi", &letter.to_string()),
            _ => return None,
        }))
    }

    /// Reads the element that a command stands for.
    fn named(&mut self, command: &str) -> Option<Atom> {
        if let Some((_, letter)) = IDENTIFIERS.iter().find(|(name, _)| *name == command) {
            // MathML slants an identifier of one letter, but capital Greek letters are upright in mathematics.
            let upright = if letter.chars().all(char::is_uppercase) { " mathvariant=\"normal\"" } else { "" };
            return Some(Atom::plain(format!("<mi{upright}>{letter}</mi>")));
        }
        if FUNCTIONS.contains(&command) {
            return Some(Atom { markup: element("mi", command), kind: Kind::Function });
        }
        if let Some((_, sign)) = OPERATORS.iter().find(|(name, _)| *name == command) {
            return Some(Atom::plain(element("mo", sign)));
        }
        Some(match command {
            "operatorname" => Atom { markup: element("mi", &self.text()?), kind: Kind::Function },
            "text" => Atom::plain(element("mtext", &self.text()?)),
            "mathbb" => Atom::plain(element("mn", if self.text()? == "1" { "𝟙" } else { return None })),
            "frac" => Atom::plain(format!("<mfrac>{}{}</mfrac>", self.argument()?, self.argument()?)),
            "sqrt" => Atom::plain(format!("<msqrt>{}</msqrt>", self.argument()?)),
            "left" => {
                let open = self.delimiter()?;
                let inner = self.row(End::Right)?;
                let close = self.delimiter()?;
                fenced(open, inner, close)
            }
            "Bigl" => {
                let open = self.delimiter()?;
                let inner = self.row(End::BigRight)?;
                let close = self.delimiter()?;
                fenced(open, inner, close)
            }
            "lVert" => fenced("‖", self.row(End::Bars)?, "‖"),
            "begin" => Atom::plain(self.cases()?),
            _ => return None,
        })
    }

    /// Reads `{cases} ... \end{cases}`.
    fn cases(&mut self) -> Option<String> {
        if self.text()? != "cases" {
            return None;
        }
        let mut table = String::from("<mtr>");
        loop {
            let (cell, end) = self.row_or_cell(End::Cell)?;
            table.push_str(&format!("<mtd>{}</mtd>", grouped(cell)));
            match end? {
                CellEnd::Cell => {}
                CellEnd::Line => table.push_str("</mtr><mtr>"),
                CellEnd::Cases => break,
            }
        }
        Some(format!("<mrow><mo>{{</mo><mtable class=\"cases\">{table}</mtr></mtable></mrow>"))
    }

    /// Reads the name of a command, after its backslash.
    fn command(&mut self) -> Option<String> {
        let mut name = String::new();
        while let Some(letter) = self.rest.next_if(char::is_ascii_alphabetic) {
            name.push(letter);
        }
        if name.is_empty() {
            name.push(self.rest.next()?);
        }
        Some(name)
    }

    /// Reads a group in braces, or one element without them.
    fn argument(&mut self) -> Option<String> {
        match self.rest.next()? {
            '{' => Some(grouped(self.row(End::Brace)?)),
            '\\' => {
                let command = self.command()?;
                Some(self.named(&command)?.markup)
            }
            character => Some(self.simple(character)?.markup),
        }
    }

    /// Reads a group in braces as text, in which an underscore is escaped.
    fn text(&mut self) -> Option<String> {
        self.rest.next_if_eq(&'{')?;
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '}' => return Some(text),
                '\\' => text.push(self.rest.next()?),
                // MathML drops plain spaces at either end.
                ' ' => text.push('\u{a0}'),
                character => text.push(character),
            }
        }
    }

    /// Reads the delimiter after `\left` or `\right`.
    fn delimiter(&mut self) -> Option<&'static str> {
        match self.rest.next()? {
            '(' => Some("("),
            ')' => Some(")"),
            '[' => Some("["),
            ']' => Some("]"),
            '|' => Some("|"),
            '.' => Some(""),
            '\\' => matches!(self.command()?.as_str(), "lVert" | "rVert").then_some("‖"),
            _ => None,
        }
    }
}

fn element(name: &str, content: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(content))
}

/// Returns elements as one, with a mark of application between a function and its argument.
fn grouped(row: Vec<Atom>) -> String {
    let alone = row.len() == 1;
    let inner = joined(row);
    if alone { inner } else { format!("<mrow>{inner}</mrow>") }
}

fn joined(row: Vec<Atom>) -> String {
    let mut out = String::new();
    let mut atoms = row.into_iter().peekable();
    while let Some(atom) = atoms.next() {
        out.push_str(&atom.markup);
        if let (Kind::Function, Some(next)) = (atom.kind, atoms.peek()) {
            out.push_str("<mo>&#x2061;</mo>");
            if next.kind != Kind::Fenced {
                out.push_str("<mspace width=\"0.17em\"/>");
            }
        }
    }
    out
}

/// Returns elements between delimiters that grow with them.
fn fenced(open: &str, inner: Vec<Atom>, close: &str) -> Atom {
    let delimiter = |side: &str, form: &str| match side {
        "" => String::new(),
        "(" | ")" | "[" | "]" => element("mo", side),
        // Bars are the same on both sides, so a browser cannot tell which side it is.
        bars => format!("<mo stretchy=\"true\" form=\"{form}\">{bars}</mo>"),
    };
    let markup =
        format!("<mrow>{}{}{}</mrow>", delimiter(open, "prefix"), joined(inner), delimiter(close, "postfix"));
    Atom { markup, kind: Kind::Fenced }
}

/// Puts an index or an exponent on an element, or both when it has the other already.
fn attach(base: &mut Atom, kind: char, script: &str) -> Option<()> {
    let both = |inner: &str, from: &str| {
        let inner = inner.strip_prefix(&format!("<{from}>"))?.strip_suffix(&format!("</{from}>"))?;
        Some(inner.to_owned())
    };
    base.markup = match kind {
        '^' => match both(&base.markup, "msub") {
            Some(inner) => format!("<msubsup>{inner}{script}</msubsup>"),
            None => format!("<msup>{}{script}</msup>", base.markup),
        },
        _ => format!("<msub>{}{script}</msub>", base.markup),
    };
    Some(())
}

/// Returns text that is safe between tags and in attributes; a character that XML 1.0 forbids becomes U+FFFD.
pub fn escaped(content: &str) -> String {
    let mut safe = String::with_capacity(content.len());
    for character in content.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}
