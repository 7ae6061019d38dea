//! Converts typed programs to LaTeX, for papers.

use super::number::number;
use super::ops::{self, Notation, Op, ParameterValue};
use super::program::{Expr, ExprKind, Script};
use super::types::Over;

/// Returns a script as LaTeX: an `align*` with a line for the metric, if there is one, and one for the allocation.
pub fn script(script: &Script) -> String {
    let lines: Vec<String> =
        equations(script, usize::MAX).into_iter().map(|(left, right)| format!("{left} &= {right}")).collect();
    format!("\\begin{{align*}}\n{}\n\\end{{align*}}\n", lines.join(" \\\\\n"))
}

/// Returns the equations of a script's metric, importance and allocation, each as the LaTeX of its two sides.
///
/// An operand with more than `most` operators and constants is split off as a part `u_1`, `u_2`, ..., whose equation comes before the
/// first one that uses it. An importance that is only a number has no equation of its own.
pub fn equations(script: &Script, most: usize) -> Vec<(String, String)> {
    let mut equations = Vec::new();
    let mut parts = Parts { most, written: 0, equations: Vec::new() };
    let mut add = |left: &str, expr: &Expr| {
        let right = parts.whole(expr);
        equations.append(&mut parts.equations);
        equations.push((left.to_owned(), right));
    };
    if let Some(metric) = &script.metric {
        add("A", &metric.score);
    }
    if let Some(allocation) = &script.allocation {
        match script.allocator().and_then(|allocator| allocator.importance) {
            Some(importance) if !matches!(importance.kind(), ExprKind::Number(_)) => {
                add("I", importance);
                equations.push(("s".to_owned(), filled(allocation, &["I".to_owned()])));
            }
            _ => add("s", allocation),
        }
    }
    equations
}

/// Returns an expression as LaTeX, for math mode.
pub fn expr(expr: &Expr) -> String {
    Parts { most: usize::MAX, written: 0, equations: Vec::new() }.whole(expr)
}

/// The parts that get their own equations because they are too long to stand in another one.
struct Parts {
    /// The largest number of operators and constants in an operand that is written in place.
    most: usize,
    written: usize,
    equations: Vec<(String, String)>,
}

impl Parts {
    /// Returns an expression that stands alone.
    fn whole(&mut self, expr: &Expr) -> String {
        self.bare(expr).text
    }

    /// Returns an operand, in parentheses if it binds less tightly than `least`, or the name of its part if it is long; and its size.
    fn operand(&mut self, expr: &Expr, least: u8) -> (String, usize) {
        let Bare { binding, text, size } = self.bare(expr);
        if size > self.most {
            self.written += 1;
            let name = format!("u_{{{}}}", self.written);
            self.equations.push((name.clone(), text));
            return (name, 1);
        }
        (if binding < least { format!("\\left({text}\\right)") } else { text }, size)
    }

    fn bare(&mut self, expr: &Expr) -> Bare {
        match expr.kind() {
            ExprKind::Number(value) => {
                let text = scientific(&number(*value));
                let binding = match value.is_sign_negative() {
                    true => ops::SUM,
                    false if text.contains("\\cdot") => ops::PRODUCT,
                    false if text.contains('^') => ops::POWER,
                    false => ATOM,
                };
                Bare { binding, text, size: 1 }
            }
            // The replacement of NaN and infinity by DSA's engine is not part of the formula.
            ExprKind::Call { op: Op::DsaSanitize, operands, .. } => match operands.first() {
                Some(operand) => self.bare(operand),
                None => Bare { binding: ATOM, text: String::new(), size: 0 },
            },
            ExprKind::Call { op, operands, .. } => {
                let (own, first, others) = binding(*op);
                let own = if expr.over().is_some_and(Over::is_within_linears) { ops::POWER } else { own };
                let mut size = 1;
                let mut texts = Vec::with_capacity(operands.len());
                for (index, operand) in operands.iter().enumerate() {
                    let (text, of) = self.operand(operand, if index == 0 { first } else { others });
                    size += of;
                    texts.push(text);
                }
                Bare { binding: own, text: filled(expr, &texts), size }
            }
        }
    }
}

/// An expression's LaTeX without parentheses around it.
struct Bare {
    /// How tightly it binds.
    binding: u8,
    text: String,
    /// The number of operators and constants in it, with a part counted as one.
    size: usize,
}

/// The binding of an expression that never needs parentheses.
const ATOM: u8 = ops::POWER + 1;

/// Returns how tightly an operator's LaTeX binds, and how tightly its first and its other operands must bind to go
/// without parentheses.
fn binding(op: Op) -> (u8, u8, u8) {
    match op {
        // A fraction bar delimits both of its operands, and an exponent is delimited by its position.
        Op::Divide | Op::Reciprocal | Op::StableRank => (ops::POWER, 0, 0),
        Op::Power => (ops::POWER, ATOM, 0),
        Op::Square | Op::DsaGram => (ops::POWER, ATOM, ATOM),
        Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => (ATOM, ops::SUM, ops::SUM),
        // These apply to a whole term on their right.
        Op::Negate | Op::Sum => (ops::SUM, ops::PRODUCT, ops::PRODUCT),
        Op::Entropy => (ops::SUM, ops::POWER, ops::POWER),
        Op::L1 | Op::Where => (ops::SUM, 0, 0),
        // Bars and roots act as parentheses.
        Op::Absolute | Op::SquareRoot | Op::L2 | Op::SpectralNorm => (ATOM, 0, 0),
        Op::HessianDiagonal => (ops::POWER, 0, 0),
        _ => match op.info().notation {
            Notation::Infix { precedence, .. } => {
                let (left, right) = ops::sides(precedence);
                (precedence, left, right)
            }
            Notation::Name => (ATOM, 0, 0),
            Notation::Call | Notation::Prefix(_) => (ops::POWER, 0, 0),
        },
    }
}

/// Returns the operator's template with its operands and parameters filled in.
fn filled(expr: &Expr, operands: &[String]) -> String {
    let Some(op) = expr.op() else { return String::new() };
    let row = op.info();
    let mut out = String::new();
    let mut rest = row.latex;
    while let Some(at) = rest.find('#') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let key = &rest[..end];
        rest = &rest[end..];
        let place = key.parse::<usize>().ok().and_then(|index| operands.get(index.wrapping_sub(1)));
        let parameter = row.parameters.iter().position(|parameter| parameter.name == key);
        match (place, parameter) {
            (Some(operand), _) => out.push_str(operand),
            (None, Some(index)) => match expr.parameters().get(index) {
                Some(ParameterValue::Number(value)) => out.push_str(&scientific(&number(*value))),
                Some(ParameterValue::Word(word)) => out.push_str(&word.replace('_', "\\_")),
                None => {}
            },
            (None, None) => {}
        }
    }
    out.push_str(rest);
    match expr.over() {
        Some(over) if over.is_within_linears() => format!("\\left.{out}\\right|_{{\\text{{{over}}}}}"),
        _ => out,
    }
}

/// Returns `1e-6` as `10^{-6}`.
fn scientific(text: &str) -> String {
    match text.split_once('e') {
        Some(("1", exponent)) => format!("10^{{{exponent}}}"),
        Some(("-1", exponent)) => format!("-10^{{{exponent}}}"),
        Some((digits, exponent)) => format!("{digits} \\cdot 10^{{{exponent}}}"),
        None => text.to_owned(),
    }
}
