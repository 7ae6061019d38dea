//! A script as a Python module that needs only NumPy, for users with their own pruning code.
//!
//! The module computes the same as allot: weights in single precision, reductions and units in double
//! precision, the budget exactly, whole weights by largest remainder. It does not check whether importances
//! are noise. Its helpers are in `numpy/prelude.py`; a module contains only those that it uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ExchangeError;
use crate::lang::canonical;
use crate::lang::number::number as written;
use crate::lang::ops::{
    Allocator, Elementwise, Layerwise, MatrixReduction, Normaliser, Op, ParameterValue, Reduction, Terminal,
};
use crate::lang::print;
use crate::lang::program::{Allocating, Expr, ExprKind, Metric, Script};
use crate::lang::types::{Type, UnitKind};

const PRELUDE: &str = include_str!("numpy/prelude.py");

/// Returns the Python module of a script: a function `allocate(weights, scaler_row, target)`.
///
/// `metric` is the score if the script has no metric of its own; `unit` overrides the script's unit.
///
/// # Errors
/// When the script has no allocation, needs more inputs than weights and input norms, or uses an operator
/// without code here.
pub fn write(
    script: &Script,
    name: &str,
    metric: &Metric,
    unit: Option<UnitKind>,
) -> Result<String, ExchangeError> {
    let allocator = script.allocator().ok_or(ExchangeError::NoAllocation)?;
    let unit = unit.or(script.unit).unwrap_or_default();
    let of_rows = |expr: &Expr| matches!(expr.ty(), Type::Output | Type::Matrix);
    if allocator.importance.is_some_and(of_rows)
        && (unit == UnitKind::Row || allocator.op != Allocator::Global)
    {
        return Err(ExchangeError::RowScript);
    }
    let metric = script.metric.as_ref().unwrap_or(metric);
    let mut writer = Writer { metric, layers: Vec::new(), known: BTreeMap::new() };
    let importance = match allocator.importance {
        Some(expr) if allocator.op == Allocator::Global => writer.part(expr)?,
        Some(expr) => writer.layer(expr)?,
        None => String::new(),
    };
    let (proposal, movement) = proposal(&allocator, &importance);
    let mut body = String::new();
    // Writing to a string does not fail.
    for (place, code) in writer.layers.iter().enumerate() {
        let _ = writeln!(body, "    v{place} = {code}");
    }
    if allocator.importance.is_some() && allocator.op != Allocator::Global {
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

/// Returns the code that proposes a ratio for each unit, and the code that moves the proposal onto the
/// budget; `importance` is the code of the allocator's importance.
fn proposal(allocator: &Allocating<'_>, importance: &str) -> (String, &'static str) {
    let lambda = allocator.parameters.first().and_then(|setting| setting.number()).unwrap_or(0.0);
    let lambda = written(lambda);
    let uniform = "np.full(len(units), float(target))";
    match allocator.op {
        Allocator::Scale => (
            format!(
                "z = minmax(importance)\n    proposed = target - 2 * {lambda} * (z - (z * parameters).sum() / parameters.sum())"
            ),
            "shift_onto_budget(proposed, parameters, target)",
        ),
        Allocator::Rescale => (
            format!(
                "proposed = (1 + {lambda}) - 2 * {lambda} * minmax(importance)\n    if importance.min() == importance.max():\n        proposed = {uniform}"
            ),
            "scale_onto_budget(proposed, parameters, target)",
        ),
        Allocator::Proportional => (
            format!("proposed = importance if importance.max() > 0 else {uniform}"),
            "1 - scale_onto_budget(proposed, parameters, 1 - target)",
        ),
        Allocator::Ramp => (
            format!(
                "positions = np.array([unit().block for unit in units], dtype=np.float64)\n    proposed = target + {lambda} * (positions - positions.max() / 2)"
            ),
            "shift_onto_budget(proposed, parameters, target)",
        ),
        Allocator::Global => (
            format!(
                "values = [together({importance}) for u in (unit() for unit in units)]\n    of = np.concatenate([np.full(value.size, index) for index, value in enumerate(values)])\n    removed = np.argsort(np.concatenate(values), kind=\"stable\")[:round_half_up(target * of.size)]\n    proposed = np.bincount(of[removed], minlength=len(units)) / parameters"
            ),
            "proposed",
        ),
        Allocator::Uniform => (format!("proposed = {uniform}"), "proposed"),
    }
}

/// Code that rounds to whole weights and returns the result by module.
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
        "    \"\"\"Returns the sparsity of each linear of a model.

    The script, with one ratio for each {unit}:

        {text}

    score: {}

    weights: a dict from the module's name, such as \"model.layers.0.self_attn.q_proj\", to its weight, [outputs, inputs];
        every linear of every block, in the order of the model's named_modules().
    scaler_row: a dict from the same names to [inputs]: for each input channel, the mean over samples of the sum over tokens of
        x squared, which is Wanda's scaler_row. None for a script that uses weights only.
    target: the share of all these weights that should be pruned, from 0 to 1.

    Returns {{\"sparsity\": {{name: ratio}}, \"pruned\": {{name: count}}}}. The ratios' mean by weights is the target, and the counts add
    up to round(target * weights).
    \"\"\"
",
        print::expr(&metric.score)
    )
}

/// Returns the prelude's definitions that code needs, directly or indirectly, in the prelude's order.
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

/// Returns whether code uses a name by itself, not as a part of another name or of a library.
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
    /// The index of each code among them.
    known: BTreeMap<String, usize>,
}

impl Writer<'_> {
    /// Returns the name of the values that code computes for each unit.
    fn named(&mut self, code: String) -> String {
        let next = self.layers.len();
        let place = *self.known.entry(code.clone()).or_insert(next);
        if place == next {
            self.layers.push(code);
        }
        format!("v{place}")
    }

    /// Returns the code of a single number, or of one number for each unit.
    fn layer(&mut self, expr: &Expr) -> Result<String, ExchangeError> {
        let (op, operands, parameters) = match expr.kind() {
            ExprKind::Number(value) => return Ok(literal(*value)),
            ExprKind::Call { op, operands, parameters } => (*op, operands, parameters),
        };
        let x = || operands.first().ok_or(ExchangeError::OperatorOf { operator: op.name(), of: expr.ty() });
        Ok(match op {
            Op::Terminal(op) => self.terminal_of_units(op)?,
            Op::Elementwise(op) => {
                let operands =
                    operands.iter().map(|operand| self.layer(operand)).collect::<Result<Vec<_>, _>>()?;
                // Protected operators inspect dtypes, which plain Python numbers lack.
                let operands = operands.iter().map(|code| format!("np.float64({code})"));
                let code = format!("{}({})", function(op), operands.collect::<Vec<_>>().join(", "));
                self.named(code)
            }
            Op::Normaliser(op) => {
                let code = format!("{}({})", normaliser(op), self.layer(x()?)?);
                self.named(code)
            }
            Op::Layerwise(op) => {
                let mut arguments = vec![self.layer(x()?)?];
                arguments.extend(parameters.iter().map(ToString::to_string));
                match op {
                    Layerwise::BlockMean => arguments.push(self.named(of_units("u.block"))),
                    Layerwise::Previous | Layerwise::Next => arguments.push("units".to_owned()),
                    Layerwise::Smooth
                    | Layerwise::CumulativeSum
                    | Layerwise::Difference
                    | Layerwise::Clip => {}
                }
                let code = format!("{}({})", layer_operator(op), arguments.join(", "));
                self.named(code)
            }
            Op::Reduction(op) => {
                let x = self.part(x()?)?;
                let code = of_units(&reduction(op, parameters, &x)?);
                self.named(code)
            }
            Op::MatrixReduction(op) => {
                let x = self.part(x()?)?;
                let code = of_units(&format!("each_linear({}, {x})", whole_matrix(op, parameters)?));
                self.named(code)
            }
            Op::Allocator(op) => {
                return Err(ExchangeError::OperatorOf { operator: op.name(), of: expr.ty() });
            }
        })
    }

    /// Returns the code of a terminal with a single number, or one number for each unit.
    fn terminal_of_units(&mut self, op: Terminal) -> Result<String, ExchangeError> {
        Ok(match op {
            Terminal::Target => "float(target)".to_owned(),
            Terminal::Parameters => "parameters.astype(np.float64)".to_owned(),
            Terminal::Depth => {
                let blocks = self.named(of_units("u.block"));
                format!("({blocks} / max({blocks}.max(), 1.0))")
            }
            Terminal::FanIn => self.named(of_units("u.weight[0].shape[1]")),
            Terminal::FanOut => self.named(of_units("u.weight[0].shape[0]")),
            Terminal::Score
            | Terminal::Weight
            | Terminal::InputNorm
            | Terminal::Gradient
            | Terminal::HessianDiagonal
            | Terminal::ReconstructionError
            | Terminal::InputKurtosis
            | Terminal::BlockSimilarity
            | Terminal::BlockChange
            | Terminal::Damage
            | Terminal::Marginal
            | Terminal::MarginalSlope
            | Terminal::Attention
            | Terminal::Mlp
            | Terminal::Query
            | Terminal::Key
            | Terminal::Value
            | Terminal::Out
            | Terminal::Gate
            | Terminal::Up
            | Terminal::Down => return Err(unavailable(op)),
        })
    }

    /// Returns the code of a value with several numbers in each unit, for the unit `u`.
    fn part(&mut self, expr: &Expr) -> Result<String, ExchangeError> {
        if matches!(expr.ty(), Type::Number) {
            return self.layer(expr);
        }
        if expr.ty() == Type::Layer {
            let code = self.layer(expr)?;
            let name = if code.starts_with('v') { code } else { self.named(code) };
            return Ok(format!("{name}[u.index]"));
        }
        let (op, operands, parameters) = match expr.kind() {
            ExprKind::Number(value) => return Ok(literal(*value)),
            ExprKind::Call { op, operands, parameters } => (*op, operands, parameters),
        };
        let refused = ExchangeError::OperatorOf { operator: op.name(), of: expr.ty() };
        Ok(match (op, operands.first()) {
            (Op::Terminal(op), _) => self.terminal_of_unit(op)?,
            (Op::Elementwise(op), _) => {
                let operands =
                    operands.iter().map(|operand| self.part(operand)).collect::<Result<Vec<_>, _>>()?;
                let precision = if expr.ty() == Type::Matrix { "matrix" } else { "channels" };
                format!("{precision}({}, {})", function(op), operands.join(", "))
            }
            (Op::Normaliser(op), Some(x)) => {
                let x = self.part(x)?;
                match op {
                    Normaliser::ZScore => format!("unit_zscore({x})"),
                    Normaliser::DsaNormalize => format!("unit_normalize({x})"),
                    Normaliser::MinMax => format!("unit_minmax({x})"),
                    Normaliser::DsaMinMax => format!("unit_minmax({x}, 1e-9)"),
                    Normaliser::Softmax => format!("unit_softmax({x})"),
                    Normaliser::Center => format!("unit_center({x})"),
                    Normaliser::Ranks => format!("unit_ranks({x})"),
                }
            }
            (Op::Reduction(op), Some(x)) => {
                let x = self.part(x)?;
                let code = reduction(op, parameters, "x")?;
                format!("over_{}(lambda x: {code}, {x})", expr.over().unwrap_or_default())
            }
            // These yield one number for each unit, or the allocation.
            (Op::MatrixReduction(_) | Op::Layerwise(_) | Op::Allocator(_), _) => return Err(refused),
            (Op::Normaliser(_) | Op::Reduction(_), None) => return Err(refused),
        })
    }

    /// Returns the code of a terminal with several numbers in each unit, for the unit `u`.
    fn terminal_of_unit(&mut self, op: Terminal) -> Result<String, ExchangeError> {
        let metric = self.metric;
        Ok(match op {
            Terminal::Score => self.part(&metric.score)?,
            Terminal::Weight => "u.weight".to_owned(),
            Terminal::InputNorm => "u.input_norm".to_owned(),
            Terminal::Gradient
            | Terminal::HessianDiagonal
            | Terminal::ReconstructionError
            | Terminal::InputKurtosis
            | Terminal::BlockSimilarity
            | Terminal::BlockChange
            | Terminal::Damage
            | Terminal::Marginal
            | Terminal::MarginalSlope
            | Terminal::Depth
            | Terminal::Parameters
            | Terminal::FanIn
            | Terminal::FanOut
            | Terminal::Attention
            | Terminal::Mlp
            | Terminal::Query
            | Terminal::Key
            | Terminal::Value
            | Terminal::Out
            | Terminal::Gate
            | Terminal::Up
            | Terminal::Down
            | Terminal::Target => return Err(unavailable(op)),
        })
    }
}

/// Returns the code that evaluates a value of a unit `u` for each unit.
fn of_units(value: &str) -> String {
    format!("layer(units, lambda u: {value})")
}

/// Returns a number as text from which Python reads back the same value.
fn literal(value: f64) -> String {
    let text = format!("{value:?}");
    if value < 0.0 { format!("({text})") } else { text }
}

fn unavailable(op: Terminal) -> ExchangeError {
    let why = match Op::COLLECTED.contains(&Op::from(op)) {
        true => {
            "the function takes weights and input norms only, but this statistic has to be collected separately"
        }
        false => "the function does not know what kind of projection a module is",
    };
    ExchangeError::Operator { operator: op.name(), why }
}

/// Returns the function of an elementwise operator.
const fn function(op: Elementwise) -> &'static str {
    match op {
        Elementwise::Add => "np.add",
        Elementwise::Subtract => "np.subtract",
        Elementwise::Multiply => "np.multiply",
        Elementwise::Divide => "divide",
        Elementwise::Power => "power",
        Elementwise::Less => "less",
        Elementwise::LessEqual => "less_equal",
        Elementwise::Greater => "greater",
        Elementwise::GreaterEqual => "greater_equal",
        Elementwise::Minimum => "np.minimum",
        Elementwise::Maximum => "np.maximum",
        Elementwise::Where => "where",
        Elementwise::Negate => "np.negative",
        Elementwise::Absolute => "np.abs",
        Elementwise::SquareRoot => "sqrt",
        Elementwise::Square => "np.square",
        Elementwise::Exponential => "np.exp",
        Elementwise::Logarithm => "log",
        Elementwise::AbsoluteLogarithm => "abslog",
        Elementwise::Reciprocal => "reciprocal",
        Elementwise::Sigmoid => "sigmoid",
        Elementwise::HyperbolicTangent => "np.tanh",
        Elementwise::Softplus => "softplus",
        Elementwise::Sine => "np.sin",
        Elementwise::Cosine => "np.cos",
        Elementwise::Tangent => "np.tan",
        Elementwise::ArcSine => "asin",
        Elementwise::ArcCosine => "acos",
        Elementwise::ArcTangent => "np.arctan",
        Elementwise::Rectify => "relu",
        Elementwise::DsaLog => "dsa_log",
        Elementwise::DsaLn => "np.log",
        Elementwise::DsaAsin => "np.arcsin",
        Elementwise::DsaAcos => "np.arccos",
        Elementwise::DsaSanitize => "sanitize",
    }
}

/// Returns the function of a normaliser across units.
const fn normaliser(op: Normaliser) -> &'static str {
    match op {
        Normaliser::ZScore => "zscore",
        Normaliser::DsaNormalize => "dsa_normalize",
        Normaliser::MinMax => "minmax",
        Normaliser::DsaMinMax => "dsa_minmax",
        Normaliser::Softmax => "softmax",
        Normaliser::Ranks => "ranks_of",
        Normaliser::Center => "center",
    }
}

/// Returns the function of a layer operator.
const fn layer_operator(op: Layerwise) -> &'static str {
    match op {
        Layerwise::Smooth => "smooth",
        Layerwise::BlockMean => "block_mean",
        Layerwise::Previous => "previous",
        Layerwise::Next => "following",
        Layerwise::CumulativeSum => "np.cumsum",
        Layerwise::Difference => "diff",
        Layerwise::Clip => "clip",
    }
}

/// Returns the code of a reduction of `x`.
fn reduction(op: Reduction, parameters: &[ParameterValue], x: &str) -> Result<String, ExchangeError> {
    let name = match op {
        Reduction::Mean => "mean",
        Reduction::Sum => "total",
        Reduction::StandardDeviation => "std",
        Reduction::Variance => "var",
        Reduction::Min => "lowest",
        Reduction::Max => "highest",
        Reduction::Median => "median",
        Reduction::Quantile => {
            let p = parameters.first().and_then(|setting| setting.number()).unwrap_or(0.5);
            return Ok(format!("quantile({x}, {})", literal(p)));
        }
        Reduction::L1 => "l1",
        Reduction::L2 => "l2",
        Reduction::GeometricMean => "geomean",
        Reduction::Entropy => "entropy",
        Reduction::Kurtosis => "kurtosis",
        Reduction::Gini => "gini",
        Reduction::DsaVariance => "dsa_var",
        Reduction::DsaStandardDeviation => "dsa_std",
        Reduction::DsaEntropy | Reduction::DsaGeometricMean => return Err(no_code(op.name())),
    };
    Ok(format!("{name}({x})"))
}

/// Returns the function of an operator on one matrix.
fn whole_matrix(op: MatrixReduction, parameters: &[ParameterValue]) -> Result<&'static str, ExchangeError> {
    Ok(match op {
        MatrixReduction::MatrixRank => "matrix_rank",
        MatrixReduction::StableRank => "stable_rank",
        MatrixReduction::SpectralNorm => "spectral_norm",
        MatrixReduction::LogDeterminant => "logdet",
        MatrixReduction::CorrelationOfRows => "corref",
        MatrixReduction::DsaGram => "dsa_gram",
        MatrixReduction::DsaDiagonal => "dsa_diagonal",
        MatrixReduction::AlphaHill => match parameters.first() {
            Some(ParameterValue::Word("mid")) => "alpha_mid",
            Some(ParameterValue::Word("peak_as_coded")) => "lambda x: alpha_peak(x, True)",
            _ => "alpha_peak",
        },
        MatrixReduction::DsaDeterminant => return Err(no_code(op.name())),
    })
}

const fn no_code(operator: &'static str) -> ExchangeError {
    ExchangeError::Operator { operator, why: "it has no NumPy code" }
}
