//! A script as a module of Python that needs NumPy only, for those who prune with code of their own.
//!
//! The module computes what allot computes: weights in single precision, reductions and units in double, the budget exactly, whole
//! weights by largest remainder. It does not ask whether importances are noise. Its helpers stand in `numpy/prelude.py`; a module
//! gets those that it uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ExchangeError;
use crate::lang::canonical;
use crate::lang::ops::{Class, Op, Setting};
use crate::lang::print;
use crate::lang::program::{Expr, ExprKind, Metric, Script};
use crate::lang::types::{Type, UnitKind};

const PRELUDE: &str = include_str!("numpy/prelude.py");

/// Returns the Python module of a script: a function `allocate(weights, scaler_row, target)`.
///
/// `metric` is the score where the script has no metric of its own, and `unit` what gets one ratio instead of what the script says.
///
/// # Errors
/// When the script has no allocation, or uses an operator that needs more than weights and the norms of inputs, or has no code here.
pub fn write(
    script: &Script,
    name: &str,
    metric: &Metric,
    unit: Option<UnitKind>,
) -> Result<String, ExchangeError> {
    let allocator = script.allocator().ok_or(ExchangeError::NoAllocation)?;
    let unit = unit.or(script.unit).unwrap_or_default();
    let metric = script.metric.as_ref().unwrap_or(metric);
    let mut writer = Writer { metric, layers: Vec::new(), known: BTreeMap::new() };
    let number =
        |index: usize| allocator.parameters.get(index).and_then(|setting| setting.number()).unwrap_or(0.0);
    let importance = match allocator.importance {
        Some(expr) if allocator.op == Op::Global => writer.part(expr)?,
        Some(expr) => writer.layer(expr)?,
        None => String::new(),
    };
    let lambda = print::number(number(0));
    let uniform = "np.full(len(units), float(target))";
    // What is proposed for each unit, and how it is moved onto the budget.
    let (proposal, movement) = match allocator.op {
        Op::Scale => (
            format!(
                "z = minmax(importance)\n    proposed = target - 2 * {lambda} * (z - (z * parameters).sum() / parameters.sum())"
            ),
            "shift_onto_budget(proposed, parameters, target)",
        ),
        Op::Rescale => (
            format!(
                "proposed = (1 + {lambda}) - 2 * {lambda} * minmax(importance)\n    if importance.min() == importance.max():\n        proposed = {uniform}"
            ),
            "scale_onto_budget(proposed, parameters, target)",
        ),
        Op::Proportional => (
            format!("proposed = importance if importance.max() > 0 else {uniform}"),
            "1 - scale_onto_budget(proposed, parameters, 1 - target)",
        ),
        Op::Ramp => (
            format!(
                "positions = np.array([unit().block for unit in units], dtype=np.float64)\n    proposed = target + {lambda} * (positions - positions.max() / 2)"
            ),
            "shift_onto_budget(proposed, parameters, target)",
        ),
        Op::Global => (
            format!(
                "values = [together({importance}) for u in (unit() for unit in units)]\n    of = np.concatenate([np.full(value.size, index) for index, value in enumerate(values)])\n    removed = np.argsort(np.concatenate(values), kind=\"stable\")[:round_half_up(target * of.size)]\n    proposed = np.bincount(of[removed], minlength=len(units)) / parameters"
            ),
            "proposed",
        ),
        _ => (format!("proposed = {uniform}"), "proposed"),
    };
    let mut body = String::new();
    // Writing to a string does not fail.
    for (place, code) in writer.layers.iter().enumerate() {
        let _ = writeln!(body, "    v{place} = {code}");
    }
    if allocator.importance.is_some() && allocator.op != Op::Global {
        let _ = writeln!(body, "    importance = {importance} + np.zeros(len(units))");
    }
    let _ = writeln!(body, "    {proposal}\n    ratios = {movement}");
    let main = format!(
        "def allocate(weights, scaler_row, target):\n{}    units = units_of(weights, scaler_row, {})\n    parameters = np.array([unit().parameters for unit in units])\n{body}{}",
        docstring(script, metric, unit),
        if unit == UnitKind::Block { "True" } else { "False" },
        ENDING,
    );
    let helpers = helpers(&main);
    Ok(format!(
        "\"\"\"`{name}` as a function of NumPy, written by allot {}.\"\"\"\n\nimport re\n\nimport numpy as np\n\n\n{helpers}{main}",
        env!("CARGO_PKG_VERSION"),
    ))
}

/// Whole weights, and the result by module.
const ENDING: &str =
    "    counts = whole_weights(round_half_up(target * parameters.sum()), ratios * parameters, parameters)
    result = {\"sparsity\": {}, \"pruned\": {}}
    for unit, ratio, count in zip(units, ratios, counts):
        unit = unit()
        sizes = np.array([weight.size for weight in unit.weight])
        shares = [int(count) * int(size) for size in sizes]
        whole = np.array([share // unit.parameters for share in shares])
        rest = np.array([share % unit.parameters for share in shares])
        whole[np.argsort(-rest, kind=\"stable\")[:int(count) - int(whole.sum())]] += 1
        for name, pruned in zip(unit.names, whole):
            result[\"sparsity\"][name] = float(ratio)
            result[\"pruned\"][name] = int(pruned)
    return result
";

fn docstring(script: &Script, metric: &Metric, unit: UnitKind) -> String {
    let text = print::script(&canonical::script(script)).trim_end().replace('\n', "\n        ");
    format!(
        "    \"\"\"Returns how much each linear of a model loses.

    The script, with one ratio for each {unit}:

        {text}

    score: {}

    weights: a dict from the module's name, such as \"model.layers.0.self_attn.q_proj\", to its weight, [outputs, inputs];
        every linear of every block, in the order of the model's named_modules().
    scaler_row: a dict from the same names to [inputs]: for each input channel, the mean over samples of the sum over tokens of
        x squared, which is Wanda's scaler_row. None for a script that uses weights only.
    target: the share of all these weights that is to be pruned, from 0 to 1.

    Returns {{\"sparsity\": {{name: ratio}}, \"pruned\": {{name: count}}}}. The ratios' mean by weights is the target, and the counts add
    up to round(target * weights).
    \"\"\"
",
        print::expr(&metric.score)
    )
}

/// Returns those of the prelude's definitions that code needs, directly or through others, in the prelude's order.
fn helpers(main: &str) -> String {
    let blocks: Vec<(&str, &str)> = PRELUDE
        .trim_end()
        .split("\n\n\n")
        .filter_map(|block| {
            let head = block.strip_prefix("def ").or_else(|| block.strip_prefix("class "))?;
            Some((head.split(['(', ':']).next()?, block))
        })
        .collect();
    let mut used = vec![false; blocks.len()];
    let mut todo = vec![main];
    while let Some(code) = todo.pop() {
        for (index, (name, block)) in blocks.iter().enumerate() {
            if !used[index] && names(code, name) {
                used[index] = true;
                todo.push(block);
            }
        }
    }
    let chosen = blocks.iter().zip(used).filter(|(_, used)| *used);
    chosen.map(|((_, block), _)| format!("{block}\n\n\n")).collect()
}

/// Returns whether code uses a name by itself, and not as a part of another or of a library.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let part = |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
        !part(before) && before != Some('.') && !part(after)
    })
}

struct Writer<'a> {
    metric: &'a Metric,
    /// The code of each `v0`, `v1`, ...: one number for each unit.
    layers: Vec<String>,
    /// Which of them a code is.
    known: BTreeMap<String, usize>,
}

impl Writer<'_> {
    /// Returns the name of what code gives for each unit.
    fn named(&mut self, code: String) -> String {
        let next = self.layers.len();
        let place = *self.known.entry(code.clone()).or_insert(next);
        if place == next {
            self.layers.push(code);
        }
        format!("v{place}")
    }

    /// Returns the code of a number, or of one number for each unit.
    fn layer(&mut self, expr: &Expr) -> Result<String, ExchangeError> {
        let (op, operands, parameters) = match expr.kind() {
            ExprKind::Number(value) => return Ok(literal(*value)),
            ExprKind::Call { op, operands, parameters } => (*op, operands, parameters),
        };
        let of_unit = |value: &str| format!("layer(units, lambda u: {value})");
        Ok(match (op.info().class, operands.first()) {
            (Class::Terminal(_), _) => match op {
                Op::Target => "float(target)".to_owned(),
                Op::Parameters => "parameters.astype(np.float64)".to_owned(),
                Op::Depth => {
                    let blocks = self.named(of_unit("u.block"));
                    format!("({blocks} / max({blocks}.max(), 1.0))")
                }
                Op::FanIn => self.named(of_unit("u.weight[0].shape[1]")),
                Op::FanOut => self.named(of_unit("u.weight[0].shape[0]")),
                _ => return Err(unavailable(op)),
            },
            (Class::Elementwise, _) => {
                let operands =
                    operands.iter().map(|operand| self.layer(operand)).collect::<Result<Vec<_>, _>>()?;
                // Protected operators look at dtypes, which a number of Python has none of.
                let operands = operands.iter().map(|code| format!("np.float64({code})"));
                let code = format!("{}({})", function(op)?, operands.collect::<Vec<_>>().join(", "));
                self.named(code)
            }
            (Class::Normaliser | Class::Layerwise, Some(x)) => {
                let mut arguments = vec![self.layer(x)?];
                arguments.extend(parameters.iter().map(ToString::to_string));
                if op == Op::BlockMean {
                    arguments.push(self.named(of_unit("u.block")));
                }
                let code = format!("{}({})", layerwise(op)?, arguments.join(", "));
                self.named(code)
            }
            (Class::Reduction, Some(x)) => {
                let x = self.part(x)?;
                let code = of_unit(&reduction(op, parameters, &x)?);
                self.named(code)
            }
            (Class::MatrixReduction, Some(x)) => {
                let x = self.part(x)?;
                let code = of_unit(&format!("each_linear({}, {x})", whole_matrix(op, parameters)?));
                self.named(code)
            }
            _ => return Err(ExchangeError::OperatorOf { operator: op.name(), of: expr.of_type() }),
        })
    }

    /// Returns the code of a value that has several numbers in each unit, for the unit `u`.
    fn part(&mut self, expr: &Expr) -> Result<String, ExchangeError> {
        if matches!(expr.of_type(), Type::Number) {
            return self.layer(expr);
        }
        if expr.of_type() == Type::Layer {
            let code = self.layer(expr)?;
            let name = if code.starts_with('v') { code } else { self.named(code) };
            return Ok(format!("{name}[u.index]"));
        }
        let (op, operands, parameters) = match expr.kind() {
            ExprKind::Number(value) => return Ok(literal(*value)),
            ExprKind::Call { op, operands, parameters } => (*op, operands, parameters),
        };
        let metric = self.metric;
        Ok(match (op.info().class, operands.first()) {
            (Class::Terminal(_), _) => match op {
                Op::Score => self.part(&metric.score)?,
                Op::Weight => "u.weight".to_owned(),
                Op::InputNorm => "u.input_norm".to_owned(),
                _ => return Err(unavailable(op)),
            },
            (Class::Elementwise, _) => {
                let operands =
                    operands.iter().map(|operand| self.part(operand)).collect::<Result<Vec<_>, _>>()?;
                let precision = if expr.of_type() == Type::Matrix { "matrix" } else { "channels" };
                format!("{precision}({}, {})", function(op)?, operands.join(", "))
            }
            (Class::Normaliser, Some(x)) => {
                let x = self.part(x)?;
                match op {
                    Op::ZScore => format!("unit_zscore({x})"),
                    Op::DsaNormalize => format!("unit_normalize({x})"),
                    Op::MinMax => format!("unit_minmax({x})"),
                    Op::DsaMinMax => format!("unit_minmax({x}, 1e-9)"),
                    Op::Softmax => format!("unit_softmax({x})"),
                    Op::Center => format!("unit_center({x})"),
                    _ => format!("unit_ranks({x})"),
                }
            }
            (Class::Reduction, Some(x)) => {
                let x = self.part(x)?;
                let code = reduction(op, parameters, "x")?;
                format!("over_{}(lambda x: {code}, {x})", expr.over().unwrap_or_default())
            }
            _ => return Err(ExchangeError::OperatorOf { operator: op.name(), of: expr.of_type() }),
        })
    }
}

/// Returns a number as Python reads it back to the same value.
fn literal(value: f64) -> String {
    let text = format!("{value:?}");
    if value < 0.0 { format!("({text})") } else { text }
}

fn unavailable(op: Op) -> ExchangeError {
    let why = match op {
        Op::Gradient | Op::HessianDiagonal | Op::ReconstructionError => {
            "the function takes weights and the norms of inputs, and this is collected besides"
        }
        _ => "the function does not know what kind of projection a module is",
    };
    ExchangeError::Operator { operator: op.name(), why }
}

/// Returns the function of an elementwise operator.
fn function(op: Op) -> Result<&'static str, ExchangeError> {
    Ok(match op {
        Op::Add => "np.add",
        Op::Subtract => "np.subtract",
        Op::Multiply => "np.multiply",
        Op::Divide => "divide",
        Op::Power => "power",
        Op::Less => "less",
        Op::LessEqual => "less_equal",
        Op::Greater => "greater",
        Op::GreaterEqual => "greater_equal",
        Op::Minimum => "np.minimum",
        Op::Maximum => "np.maximum",
        Op::Where => "where",
        Op::Negate => "np.negative",
        Op::Absolute => "np.abs",
        Op::SquareRoot => "sqrt",
        Op::Square => "np.square",
        Op::Exponential => "np.exp",
        Op::Logarithm => "log",
        Op::AbsoluteLogarithm => "abslog",
        Op::Reciprocal => "reciprocal",
        Op::Sigmoid => "sigmoid",
        Op::HyperbolicTangent => "np.tanh",
        Op::Softplus => "softplus",
        Op::Sine => "np.sin",
        Op::Cosine => "np.cos",
        Op::Tangent => "np.tan",
        Op::ArcSine => "asin",
        Op::ArcCosine => "acos",
        Op::ArcTangent => "np.arctan",
        Op::Rectify => "relu",
        Op::DsaLog => "dsa_log",
        Op::DsaLn => "np.log",
        Op::DsaAsin => "np.arcsin",
        Op::DsaAcos => "np.arccos",
        Op::DsaSanitize => "sanitize",
        _ => return Err(no_code(op)),
    })
}

/// Returns the function of a normaliser or layer operator across units.
fn layerwise(op: Op) -> Result<&'static str, ExchangeError> {
    Ok(match op {
        Op::ZScore => "zscore",
        Op::DsaNormalize => "dsa_normalize",
        Op::MinMax => "minmax",
        Op::DsaMinMax => "dsa_minmax",
        Op::Softmax => "softmax",
        Op::Ranks => "ranks_of",
        Op::Center => "center",
        Op::Smooth => "smooth",
        Op::BlockMean => "block_mean",
        Op::CumulativeSum => "np.cumsum",
        Op::Difference => "diff",
        Op::Clip => "clip",
        _ => return Err(no_code(op)),
    })
}

/// Returns the code of a reduction of `x`.
fn reduction(op: Op, parameters: &[Setting], x: &str) -> Result<String, ExchangeError> {
    let name = match op {
        Op::Mean => "mean",
        Op::Sum => "total",
        Op::StandardDeviation => "std",
        Op::Variance => "var",
        Op::Min => "least",
        Op::Max => "greatest",
        Op::Median => "median",
        Op::Quantile => {
            let p = parameters.first().and_then(|setting| setting.number()).unwrap_or(0.5);
            return Ok(format!("quantile({x}, {})", literal(p)));
        }
        Op::L1 => "l1",
        Op::L2 => "l2",
        Op::GeometricMean => "geomean",
        Op::Entropy => "entropy",
        Op::Kurtosis => "kurtosis",
        Op::Gini => "gini",
        Op::DsaVariance => "dsa_var",
        Op::DsaStandardDeviation => "dsa_std",
        _ => return Err(no_code(op)),
    };
    Ok(format!("{name}({x})"))
}

/// Returns the function of an operator on one matrix.
fn whole_matrix(op: Op, parameters: &[Setting]) -> Result<&'static str, ExchangeError> {
    Ok(match op {
        Op::MatrixRank => "matrix_rank",
        Op::StableRank => "stable_rank",
        Op::SpectralNorm => "spectral_norm",
        Op::LogDeterminant => "logdet",
        Op::CorrelationOfRows => "corref",
        Op::DsaGram => "dsa_gram",
        Op::DsaDiagonal => "dsa_diagonal",
        Op::AlphaHill => match parameters.first() {
            Some(Setting::Word("mid")) => "alpha_mid",
            Some(Setting::Word("peak_as_coded")) => "lambda x: alpha_peak(x, True)",
            _ => "alpha_peak",
        },
        _ => return Err(no_code(op)),
    })
}

fn no_code(op: Op) -> ExchangeError {
    ExchangeError::Operator { operator: op.name(), why: "there is no code for it here" }
}
