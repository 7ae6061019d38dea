//! Typed program to LaTeX, for papers.

use super::ops::{self, Class, Notation};
use super::print::{number, sides};
use super::program::{Expr, ExprKind, Script};

/// Returns a script as LaTeX: an `align*` with a line for the metric, if there is one, and one for the allocation.
pub fn script(script: &Script) -> String {
    let mut lines = Vec::new();
    if let Some(metric) = &script.metric {
        lines.push(format!("A &= {}", expr(&metric.score)));
    }
    if let Some(allocation) = &script.allocation {
        match script.allocator().and_then(|allocator| allocator.importance) {
            Some(importance) if !matches!(importance.kind(), ExprKind::Number(_)) => {
                lines.push(format!("I &= {}", expr(importance)));
                lines.push(format!("s &= {}", filled(allocation, &["I".to_owned()])));
            }
            _ => lines.push(format!("s &= {}", expr(allocation))),
        }
    }
    format!("\\begin{{align*}}\n{}\n\\end{{align*}}\n", lines.join(" \\\\\n"))
}

/// Returns an expression as LaTeX, for math mode.
pub fn expr(expr: &Expr) -> String {
    write(expr, 0)
}

fn write(expr: &Expr, precedence: u8) -> String {
    match expr.kind() {
        ExprKind::Number(value) => {
            let text = scientific(&number(*value));
            if value.is_sign_negative() && precedence > ops::SUM {
                format!("\\left({text}\\right)")
            } else {
                text
            }
        }
        ExprKind::Call { op, operands, .. } => {
            let row = op.info();
            // A fraction, a power's exponent and brackets hold whatever stands in them together.
            let (own, least) = match row.notation {
                Notation::Infix { symbol: "/", .. } => (ops::POWER, vec![0, 0]),
                Notation::Infix { precedence: ops::POWER, .. } => (ops::POWER, vec![ops::POWER + 1, 0]),
                Notation::Infix { precedence: ops::COMPARISON, .. } => {
                    (ops::POWER + 1, vec![ops::SUM, ops::SUM])
                }
                Notation::Infix { precedence, .. } => {
                    let (left, right) = sides(precedence);
                    (precedence, vec![left, right])
                }
                Notation::Prefix(_) => (ops::NEGATION, vec![ops::NEGATION]),
                Notation::Call if row.latex.starts_with("{#1}^") => (ops::POWER, vec![ops::POWER + 1]),
                Notation::Call if row.latex == "\\sum #1" || row.latex.ends_with(" #1") => {
                    (ops::PRODUCT, vec![ops::PRODUCT])
                }
                Notation::Call if row.latex.contains("\\ln #1") => (ops::SUM, vec![ops::POWER]),
                Notation::Call | Notation::Name => (ops::POWER + 1, vec![0; operands.len()]),
            };
            let parts: Vec<String> =
                operands.iter().zip(least).map(|(operand, least)| write(operand, least)).collect();
            let text = filled(expr, &parts);
            if own < precedence { format!("\\left({text}\\right)") } else { text }
        }
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
            (None, Some(index)) => out.push_str(&scientific(&expr.parameters()[index].to_string())),
            (None, None) => {}
        }
    }
    out.push_str(rest);
    let hidden = row.class == Class::Reduction;
    match expr.over() {
        Some("inputs") if hidden => format!("\\left.{out}\\right|_{{\\text{{inputs}}}}"),
        Some("outputs") if hidden => format!("\\left.{out}\\right|_{{\\text{{outputs}}}}"),
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
