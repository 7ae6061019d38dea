//! Converts typed programs to text: `parse(print(program)) == program`, always.

use super::number::number;
use super::ops::{self, Class, Notation, Op, Parameter, ParameterValue};
use super::program::{Expr, ExprKind, Script};

/// Returns a script's text, one statement on each line, with a new line at its end.
pub fn script(script: &Script) -> String {
    let mut text = String::new();
    if let Some(metric) = &script.metric {
        text.push_str(&format!("metric(per = {}) {}\n", metric.per, expr(&metric.score)));
    }
    if let Some(unit) = script.unit {
        text.push_str(&format!("unit {unit}\n"));
    }
    if let Some(allocation) = &script.allocation {
        text.push_str(&pipeline(allocation));
        text.push('\n');
    }
    text
}

/// Returns an expression's text, as nested calls.
pub fn expr(expr: &Expr) -> String {
    let mut text = String::new();
    write(expr, 0, &mut text);
    text
}

/// Returns an allocation's text with its allocator as the last stage of a pipeline.
fn pipeline(allocation: &Expr) -> String {
    match (allocation.op(), allocation.operands()) {
        (Some(op), [importance]) => {
            format!("{} |> {}", expr(importance), call(op, &[], allocation.parameters()))
        }
        _ => expr(allocation),
    }
}

/// Writes an expression, in parentheses if it binds less tightly than `precedence`.
fn write(expr: &Expr, precedence: u8, out: &mut String) {
    match expr.kind() {
        ExprKind::Number(value) => {
            let sign = value.is_sign_negative() && precedence > ops::NEGATION;
            parenthesised(sign, out, |out| out.push_str(&number(*value)));
        }
        ExprKind::Call { op, operands, parameters } => match (op.info().notation, &operands[..]) {
            (Notation::Name, _) => out.push_str(op.name()),
            (Notation::Infix { symbol, precedence: own }, [left, right]) => {
                let (left_least, right_least) = ops::sides(own);
                parenthesised(own < precedence, out, |out| {
                    write(left, left_least, out);
                    out.push_str(&format!(" {symbol} "));
                    write(right, right_least, out);
                });
            }
            (Notation::Prefix(symbol), [operand]) if operand.as_number().is_none() => {
                parenthesised(ops::NEGATION < precedence, out, |out| {
                    out.push_str(symbol);
                    write(operand, ops::NEGATION + 1, out);
                });
            }
            _ => out.push_str(&call(*op, operands, parameters)),
        },
    }
}

fn parenthesised(needed: bool, out: &mut String, inside: impl FnOnce(&mut String)) {
    if needed {
        out.push('(');
    }
    inside(out);
    if needed {
        out.push(')');
    }
}

fn call(op: Op, operands: &[Expr], parameters: &[ParameterValue]) -> String {
    let row = op.info();
    let mut arguments: Vec<String> = operands.iter().map(expr).collect();
    arguments.extend(
        row.parameters
            .iter()
            .zip(parameters)
            .filter(|(parameter, setting)| is_shown(row.class, parameter, **setting))
            .map(|(parameter, setting)| format!("{} = {setting}", parameter.name)),
    );
    match arguments.is_empty() && !row.operands.is_empty() {
        // A stage of a pipeline, whose operand precedes it.
        true => row.name.to_owned(),
        false => format!("{}({})", row.name, arguments.join(", ")),
    }
}

/// Returns whether a parameter is written: defaults are left out, except those of allocators.
pub(super) fn is_shown(class: Class, parameter: &Parameter, setting: ParameterValue) -> bool {
    matches!(class, Class::Allocator(_)) || parameter.default != Some(setting)
}
