//! Generates well-typed programs with every operator of the catalogue, from streams of choices.
//!
//! After the end of a stream only leaves are generated, so shorter streams give smaller programs, and failing programs shrink.

use allot::lang::ops::{CATALOGUE, Class, Domain, Need, Op, Operator, ParameterValue};
use allot::lang::program::{Expr, Metric, Script};
use allot::lang::types::{Group, Type, UnitKind};
use proptest::prelude::*;

/// Largest nesting depth of generated expressions.
const DEPTH: usize = 9;

/// Every shape.
pub const SHAPES: [Type; 5] = [Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix];

/// Constants that are easily confused with others, or exceed the range of smaller types.
const NUMBERS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    0.5,
    3.0,
    5.0,
    0.1,
    1e-6,
    -1e-7,
    1e16,
    -1e21,
    1e-300,
    5e-324,
    1e300,
    f64::MAX,
    f64::MIN,
    std::f64::consts::PI,
];

/// Restrictions on the generated programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Language {
    /// Whether `score` may occur.
    pub no_score: bool,
    /// Whether allocators may take an `Output`.
    pub rows: bool,
    /// Whether to use only elementwise operators and terminals.
    pub elementwise: bool,
}

/// Generates whole scripts.
pub fn scripts() -> impl Strategy<Value = Script> {
    streams().prop_map(|choices| Builder::new(&choices, Language::default()).script())
}

/// Generates expressions of any shape.
pub fn expressions(language: Language) -> impl Strategy<Value = Expr> {
    streams().prop_map(move |choices| {
        let mut builder = Builder::new(&choices, language);
        // No elementwise operator turns other shapes into an Output.
        let shapes: Vec<Type> =
            SHAPES.into_iter().filter(|shape| !(language.elementwise && *shape == Type::Output)).collect();
        let shape = shapes[builder.choose(shapes.len())];
        builder.expr(shape, DEPTH)
    })
}

fn streams() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 0..300)
}

struct Builder<'a> {
    choices: std::slice::Iter<'a, u32>,
    language: Language,
}

impl<'a> Builder<'a> {
    fn new(choices: &'a [u32], language: Language) -> Self {
        Self { choices: choices.iter(), language }
    }

    /// Returns the next choice among `count`, or 0 after the end of the stream.
    fn choose(&mut self, count: usize) -> usize {
        self.choices.next().map_or(0, |choice| *choice as usize % count)
    }

    fn script(&mut self) -> Script {
        let metric = (self.choose(3) == 1).then(|| {
            let per = Group::ALL[self.choose(2)];
            let before = self.language;
            self.language.no_score = true;
            let score = self.expr(Type::Matrix, DEPTH);
            self.language = before;
            Metric { per, score }
        });
        let unit = [None, Some(UnitKind::Block), Some(UnitKind::Projection), Some(UnitKind::Row)];
        let unit = unit[self.choose(4)];
        self.language.rows = unit == Some(UnitKind::Row);
        let without = metric.is_some() && self.choose(4) == 1;
        let allocation = (!without).then(|| self.expr(Type::Sparsity, DEPTH));
        Script { metric, unit, allocation }
    }

    fn expr(&mut self, wanted: Type, depth: usize) -> Expr {
        let number = wanted == Type::Number && self.choose(3) > 0;
        if number || (wanted == Type::Number && depth == 0) {
            return self.number();
        }
        let leaf = depth == 0 || self.choices.len() == 0;
        let mut rows: Vec<&Operator> = CATALOGUE
            .iter()
            .filter(|row| gives(row, wanted))
            .filter(|row| !(self.language.no_score && row.needs.contains(&Need::Metric)))
            .filter(|row| {
                let elementwise = matches!(row.class, Class::Elementwise | Class::Terminal(_));
                elementwise || !self.language.elementwise
            })
            .collect();
        if leaf {
            // There is no terminal of type Output.
            rows.retain(|row| match wanted {
                Type::Output => row.op == Op::Sum,
                _ => row.operands.is_empty(),
            });
        }
        if leaf && wanted == Type::Number {
            return self.number();
        }
        let row = rows[self.choose(rows.len())];
        let operands = self.operands(row, wanted, depth.saturating_sub(1));
        let parameters = self.parameters(row, wanted);
        let expr = Expr::call(row.op, operands, parameters).expect("the program is well-typed");
        assert_eq!(expr.ty(), wanted);
        expr
    }

    fn operands(&mut self, row: &Operator, wanted: Type, depth: usize) -> Vec<Expr> {
        let sides = [Type::Matrix, Type::Input, Type::Output];
        match row.class {
            Class::Terminal(_) | Class::Allocator(None) => Vec::new(),
            Class::Normaliser | Class::Layerwise => vec![self.expr(wanted, depth)],
            Class::Reduction if wanted == Type::Layer => {
                let shape = sides[self.choose(3)];
                vec![self.expr(shape, depth)]
            }
            Class::Reduction | Class::MatrixReduction => vec![self.expr(Type::Matrix, depth)],
            Class::Allocator(Some(Type::Layer)) if self.language.rows && self.choose(3) > 0 => {
                vec![self.expr(Type::Output, depth)]
            }
            Class::Allocator(Some(shape)) => vec![self.expr(shape, depth)],
            Class::Elementwise => {
                let count = row.operands.len();
                let full = self.choose(count);
                let outer =
                    wanted == Type::Matrix && count > 1 && !self.language.elementwise && self.choose(4) == 1;
                let narrower: Vec<Type> = SHAPES
                    .into_iter()
                    .filter(|shape| shape.join(wanted) == Some(wanted))
                    .filter(|shape| !(self.language.elementwise && *shape == Type::Output))
                    .collect();
                (0..count)
                    .map(|index| {
                        let shape = match index == full {
                            true if outer => Type::Input,
                            true => wanted,
                            false if outer => Type::Output,
                            false => narrower[self.choose(narrower.len())],
                        };
                        self.expr(shape, depth)
                    })
                    .collect()
            }
        }
    }

    fn parameters(&mut self, row: &Operator, wanted: Type) -> Vec<ParameterValue> {
        let mut settings: Vec<ParameterValue> = Vec::new();
        for parameter in row.parameters {
            let setting = match (parameter.name, wanted, parameter.default) {
                ("over", Type::Input, _) => ParameterValue::Word("outputs"),
                ("over", Type::Output, _) => ParameterValue::Word("inputs"),
                ("over", _, _) => ParameterValue::Word("unit"),
                (_, _, Some(default)) if self.choose(2) == 0 => default,
                _ => match parameter.domain {
                    Domain::Real(low, high) => {
                        let number = self.finite().clamp(low, high);
                        ParameterValue::Number(number)
                    }
                    Domain::Whole(low, high) => {
                        let span = (high - low).min(20) as usize + 1;
                        ParameterValue::Number(f64::from(low) + self.choose(span) as f64)
                    }
                    Domain::Odd(low, _) => {
                        ParameterValue::Number(f64::from(low) + 2.0 * self.choose(9) as f64)
                    }
                    Domain::Word(words) => ParameterValue::Word(words[self.choose(words.len())]),
                },
            };
            settings.push(setting);
        }
        if let (Op::Clip, [ParameterValue::Number(low), ParameterValue::Number(high)]) =
            (row.op, &mut settings[..])
            && *low > *high
        {
            std::mem::swap(low, high);
        }
        settings
    }

    fn number(&mut self) -> Expr {
        Expr::number(self.finite())
    }

    fn finite(&mut self) -> f64 {
        match self.choose(NUMBERS.len() + 4) {
            // Any f64, by its bits.
            index if index >= NUMBERS.len() => {
                let bits = ((self.choose(1 << 32) as u64) << 32) | self.choose(1 << 32) as u64;
                Some(f64::from_bits(bits)).filter(|value| value.is_finite()).unwrap_or(7.25)
            }
            index => NUMBERS[index],
        }
    }
}

/// Returns whether an operator gives a value of a type.
fn gives(row: &Operator, wanted: Type) -> bool {
    match row.class {
        Class::Terminal(shape) => shape == wanted,
        Class::Elementwise => wanted != Type::Sparsity,
        Class::Normaliser => !matches!(wanted, Type::Number | Type::Sparsity),
        Class::Reduction => match wanted {
            Type::Layer => true,
            Type::Input | Type::Output => row.parameters.iter().any(|parameter| parameter.name == "over"),
            _ => false,
        },
        Class::MatrixReduction | Class::Layerwise => wanted == Type::Layer,
        Class::Allocator(_) => wanted == Type::Sparsity,
    }
}
