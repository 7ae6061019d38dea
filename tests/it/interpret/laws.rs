//! Laws of generated well-typed programs.

use allot::interpret::error::InterpretError;
use allot::interpret::evaluate::Importance;
use allot::lang::canonical;
use allot::lang::ops::{CATALOGUE, Class, Domain, Op, Operator, ParameterValue};
use allot::lang::print;
use allot::lang::program::Expr;
use allot::lang::types::{Type, UnitKind};

use crate::support::models::{Numbers, Stored, evaluate_all, model};

/// Generates an expression of a type.
fn grow(numbers: &mut Numbers, of: Type, depth: usize) -> Expr {
    loop {
        let row = &CATALOGUE[numbers.below(CATALOGUE.len())];
        if let Some(expr) = attempt(numbers, row, of, depth) {
            return expr;
        }
    }
}

fn attempt(numbers: &mut Numbers, row: &Operator, of: Type, depth: usize) -> Option<Expr> {
    let leaf = matches!(row.class, Class::Terminal(_));
    // Random formulas of DSA's unprotected operators are mostly not finite.
    if (depth == 0) != leaf && !(leaf && numbers.below(4) == 0)
        || !row.full
        || matches!(row.op, Op::FanIn | Op::FanOut)
    {
        return None;
    }
    let parameters: Vec<ParameterValue> = row
        .parameters
        .iter()
        .map(|parameter| match (parameter.domain, parameter.name) {
            (Domain::Word(words), _) => ParameterValue::Word(words[numbers.below(words.len())]),
            (_, "lo") => ParameterValue::Number(-1.0),
            (_, "window") => ParameterValue::Number(3.0),
            (_, "p") => ParameterValue::Number([0.0, 0.1, 0.5, 0.93, 1.0][numbers.below(5)]),
            _ => ParameterValue::Number(1.0),
        })
        .collect();
    let types: Vec<Type> = match row.class {
        Class::Allocator(_) => return None,
        Class::Terminal(found) => {
            return (found == of).then(|| Expr::apply(row.op, Vec::new()).ok()).flatten();
        }
        Class::Elementwise => {
            let all = [Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix];
            let mut types: Vec<Type> = row.operands.iter().map(|_| all[numbers.below(5)]).collect();
            if row.operands.len() == 1 {
                types[0] = of;
            }
            types
        }
        Class::Normaliser | Class::Layerwise => vec![of],
        Class::Reduction => vec![[Type::Matrix, Type::Input, Type::Output][numbers.below(3)]],
        Class::MatrixReduction => vec![Type::Matrix],
    };
    let over = match parameters.last() {
        Some(ParameterValue::Word(word)) if row.class == Class::Reduction => word.parse().ok(),
        _ => None,
    };
    if row.op.result_type(&types, over) != Ok(of) {
        return None;
    }
    let operands = types
        .into_iter()
        .map(|of| match of {
            Type::Number if numbers.below(5) == 0 => grow(numbers, of, 0),
            Type::Number => Expr::number([0.5, 2.0, -1.0, 0.1, 3.0, 1e-3][numbers.below(6)]),
            // There is no terminal with one value for each output.
            Type::Output => grow(numbers, of, depth.saturating_sub(1).max(1)),
            _ => grow(numbers, of, depth.saturating_sub(1)),
        })
        .collect();
    Expr::call(row.op, operands, parameters).ok()
}

fn programs(count: usize, seed: u64) -> Vec<Expr> {
    let mut numbers = Numbers(seed);
    (0..count)
        .map(|index| grow(&mut numbers, Type::Layer, 1 + index % 5))
        .filter(|expr| expr.size() < 60)
        .collect()
}

type Found = Result<Importance, InterpretError>;

fn bits(found: &Found) -> Result<(Vec<u64>, bool), String> {
    match found {
        Ok(importance) => Ok((importance.values.iter().map(|x| x.to_bits()).collect(), importance.noise)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn programs_have_values_or_say_which_are_not_finite() {
    let programs = programs(600, 1);
    let mut model = model(3, &[(6, 9), (5, 5), (1, 1100), (13, 1)], Stored::F16, 2);
    let found = evaluate_all(&programs, &model, UnitKind::Block);
    for (program, found) in programs.iter().zip(&found) {
        let fine = matches!(found, Ok(_) | Err(InterpretError::NotFinite(_)));
        assert!(fine, "{}: {found:?}", print::expr(program));
    }
    let values = found.iter().filter(|found| found.is_ok()).count();
    assert!(values * 2 > found.len(), "only {values} of {}", found.len());
    for linear in &mut model.linears {
        (linear.gradient, linear.second_moment) = (None, None);
    }
    let found = evaluate_all(&programs, &model, UnitKind::Projection);
    for (program, found) in programs.iter().zip(&found) {
        let fine =
            matches!(found, Ok(_) | Err(InterpretError::NotFinite(_) | InterpretError::NotCollected { .. }));
        assert!(fine, "{}: {found:?}", print::expr(program));
    }
}

#[test]
fn together_is_the_same_as_alone_to_the_last_bit() {
    let programs = programs(250, 7);
    let model = model(3, &[(6, 9), (7, 300), (1, 1100)], Stored::Bf16, 4);
    let together = evaluate_all(&programs, &model, UnitKind::Block);
    for (program, together) in programs.iter().zip(&together) {
        let alone = evaluate_all(std::slice::from_ref(program), &model, UnitKind::Block).remove(0);
        assert_eq!(bits(together), bits(&alone), "{}", print::expr(program));
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let programs = programs(120, 3);
    // Large enough for several tasks in a unit.
    let model = model(2, &[(150, 1000), (3, 2500)], Stored::F16, 4);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let found = pool.install(|| evaluate_all(&programs, &model, UnitKind::Block));
        found.iter().map(bits).collect::<Vec<_>>()
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(8));
}

#[test]
fn canonical_form_keeps_every_value() {
    let programs = programs(400, 19);
    let model = model(4, &[(6, 9), (5, 70), (1, 1100)], Stored::F32, 6);
    let normal: Vec<Expr> = programs.iter().map(canonical::expr).collect();
    let as_written = evaluate_all(&programs, &model, UnitKind::Block);
    let as_normal = evaluate_all(&normal, &model, UnitKind::Block);
    for ((program, a), b) in programs.iter().zip(&as_written).zip(&as_normal) {
        match (a, b) {
            (Ok(a), Ok(b)) if a.noise || b.noise => {}
            (Ok(a), Ok(b)) => {
                let scale = a.values.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
                for (a, b) in a.values.iter().zip(&b.values) {
                    assert!((a - b).abs() <= 1e-5 * scale, "{}: {a} and {b}", print::expr(program));
                }
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{}: {a:?} and {b:?}", print::expr(program)),
        }
    }
}
