//! The one table of operators. Its rows generate [`CATALOGUE`], in listing order, [`Op`] and one enum for each class.

use super::class::{Class, DsaStage, Need};
use super::notation::{COMPARISON, Notation, POWER, PRODUCT, SUM};
use super::parameter::{Domain, Parameter, ParameterValue};
use crate::types::{Over, Type};

/// One row of the catalogue: everything about an operator except its implementation.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// The operator itself.
    pub op: Op,
    /// Its name in scripts.
    pub name: &'static str,
    /// How scripts write it: as a call, a name or a symbol.
    pub notation: Notation,
    /// How it acts on types.
    pub class: Class,
    /// The names of its operands, in order.
    pub operands: &'static [&'static str],
    /// Its parameters, in order, after the operands.
    pub parameters: &'static [Parameter],
    /// Conditions on where it may be used, besides the types of its operands.
    pub needs: &'static [Need],
    /// One-line description of its value.
    pub summary: &'static str,
    /// Its definition for every input, protected cases included.
    pub definition: &'static str,
    /// LaTeX, with `#1`, `#2`, ... for the operands and `#name` for a parameter.
    pub latex: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// An example script.
    pub example: &'static str,
    /// The stages of the `dsa` search space that it takes part in.
    pub stages: &'static [DsaStage],
    /// Whether the `full` search space and typed holes offer it.
    pub full: bool,
}

const fn parameter(
    name: &'static str,
    domain: Domain,
    default: Option<ParameterValue>,
    summary: &'static str,
) -> Parameter {
    Parameter { name, domain, default, summary }
}

/// Any number.
const ANY: Domain = Domain::Real(-f64::MAX, f64::MAX);

/// Whether a reduction covers the whole unit, or runs along one axis of each linear.
const OVER: Parameter = parameter(
    "over",
    Domain::Word(&[Over::Unit.name(), Over::Inputs.name(), Over::Outputs.name()]),
    Some(ParameterValue::Word(Over::Unit.name())),
    "what is reduced: the whole unit, the inputs of each output, or the outputs of each input",
);

/// Makes the table and the enums from the rows. Rows are grouped in sections, and a section sets the class of its rows.
macro_rules! catalogue {
    ($($class:ident {
        $($op:ident $name:literal $summary:literal {
            $(gives: $gives:expr,)? $(takes: $takes:expr,)?
            notation: $notation:expr, operands: $operands:expr, parameters: $parameters:expr,
            $(needs: $needs:expr,)?
            definition: $definition:literal, latex: $latex:literal, source: $source:literal, example: $example:literal,
            stages: $stages:expr, full: $full:literal,
        })*
    })*) => {
        /// The operators in the order of their rows.
        enum Row {
            $($($op,)*)*
        }

        /// Every operator of the language, in listing order.
        pub static CATALOGUE: &[Operator] = &[
            $($(Operator {
                op: Op::$class($class::$op), name: $name, notation: $notation, class: Class::$class $(($gives))? $(($takes))?,
                operands: &$operands, parameters: &$parameters, needs: &[$($needs)?], summary: $summary,
                definition: $definition, latex: $latex, source: $source, example: $example, stages: &$stages, full: $full,
            },)*)*
        ];

        #[allow(non_upper_case_globals, reason = "they alias variants, and patterns use them like variants")]
        impl Op {
            $($(#[doc = concat!($summary, ": `", $name, "`.")] pub const $op: Self = Self::$class($class::$op);)*)*
        }

        classes! {
            [Elementwise "An operator that acts on each value alone."]
            [Normaliser "An operator that compares each value with the others of its unit, or of all units for a `Layer`."]
            [Reduction "An operator that reduces many values to one."]
            [MatrixReduction "An operator that reduces a linear's whole matrix to one number."]
            [Layerwise "An operator across the units, on one value for each."]
            [Allocator "An operator that ends a script and turns importances into ratios."]
            [Terminal "A leaf: a value from the model, its statistics or the command line."]
            $($class { $($op $name $summary,)* })*
        }
    };
}

/// Makes one enum for each class from all sections of that class, and [`Op`] from the enums.
macro_rules! classes {
    ([$($e:tt)*] $n:tt $r:tt $m:tt $l:tt $a:tt $t:tt Elementwise { $($row:tt)* } $($rest:tt)*) => {
        classes! { [$($e)* $($row)*] $n $r $m $l $a $t $($rest)* }
    };
    ($e:tt [$($n:tt)*] $r:tt $m:tt $l:tt $a:tt $t:tt Normaliser { $($row:tt)* } $($rest:tt)*) => {
        classes! { $e [$($n)* $($row)*] $r $m $l $a $t $($rest)* }
    };
    ($e:tt $n:tt [$($r:tt)*] $m:tt $l:tt $a:tt $t:tt Reduction { $($row:tt)* } $($rest:tt)*) => {
        classes! { $e $n [$($r)* $($row)*] $m $l $a $t $($rest)* }
    };
    ($e:tt $n:tt $r:tt [$($m:tt)*] $l:tt $a:tt $t:tt MatrixReduction { $($row:tt)* } $($rest:tt)*) => {
        classes! { $e $n $r [$($m)* $($row)*] $l $a $t $($rest)* }
    };
    ($e:tt $n:tt $r:tt $m:tt [$($l:tt)*] $a:tt $t:tt Layerwise { $($row:tt)* } $($rest:tt)*) => {
        classes! { $e $n $r $m [$($l)* $($row)*] $a $t $($rest)* }
    };
    ($e:tt $n:tt $r:tt $m:tt $l:tt [$($a:tt)*] $t:tt Allocator { $($row:tt)* } $($rest:tt)*) => {
        classes! { $e $n $r $m $l [$($a)* $($row)*] $t $($rest)* }
    };
    ($e:tt $n:tt $r:tt $m:tt $l:tt $a:tt [$($t:tt)*] Terminal { $($row:tt)* } $($rest:tt)*) => {
        classes! { $e $n $r $m $l $a [$($t)* $($row)*] $($rest)* }
    };
    ($([$class:ident $doc:literal $($op:ident $name:literal $summary:literal,)*])*) => {
        $(
            #[doc = $doc]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub enum $class {
                $(#[doc = concat!($summary, ": `", $name, "`.")] $op = Row::$op as isize,)*
            }

            impl $class {
                /// Every operator of the class, in the catalogue's order.
                pub const ALL: &[Self] = &[$(Self::$op,)*];

                /// Returns the operator's row of the catalogue.
                pub fn info(self) -> &'static Operator {
                    Op::from(self).info()
                }

                /// Returns the operator's name in scripts.
                pub fn name(self) -> &'static str {
                    self.info().name
                }
            }

            impl From<$class> for Op {
                fn from(op: $class) -> Self {
                    Self::$class(op)
                }
            }
        )*

        /// An operator of the language, by its class.
        ///
        /// Each operator also has a constant of its own, such as `Op::Add`, which patterns can use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Op {
            $(#[doc = $doc] $class($class),)*
        }

        impl Op {
            /// Returns the operator's row of the catalogue.
            pub fn info(self) -> &'static Operator {
                let row = match self {
                    $(Self::$class(op) => op as usize,)*
                };
                &CATALOGUE[row]
            }
        }
    };
}

catalogue! {

    // Arithmetic.
    Elementwise {
        Add "add" "The sum" {
            notation: Notation::Infix { symbol: "+", precedence: SUM }, operands: ["x", "y"], parameters: [],
            definition: "x + y.",
            latex: "#1 + #2", source: "arithmetic",
            example: "mean(score) + depth |> scale",
            stages: [], full: true,
        }
        Subtract "subtract" "The difference" {
            notation: Notation::Infix { symbol: "-", precedence: SUM }, operands: ["x", "y"], parameters: [],
            definition: "x - y.",
            latex: "#1 - #2", source: "arithmetic",
            example: "mean(score) - depth |> scale",
            stages: [], full: true,
        }
        Multiply "multiply" "The product" {
            notation: Notation::Infix { symbol: "*", precedence: PRODUCT }, operands: ["x", "y"], parameters: [],
            definition: "x * y.",
            latex: "#1 \\cdot #2", source: "arithmetic",
            example: "mean(abs(weight) * input_norm) |> scale",
            stages: [], full: true,
        }
        Divide "divide" "The quotient; 0 where the divisor is 0" {
            notation: Notation::Infix { symbol: "/", precedence: PRODUCT }, operands: ["x", "y"], parameters: [],
            definition: "x / y; 0 where y is 0, unless x is NaN, which stays NaN.",
            latex: "\\frac{#1}{#2}", source: "arithmetic",
            example: "mean(score) / std(score) |> scale",
            stages: [], full: true,
        }
        Power "pow" "x to the power y" {
            notation: Notation::Infix { symbol: "^", precedence: POWER }, operands: ["x", "y"], parameters: [],
            definition: "x ^ y; 1 where y is 0; 0 where x is 0 and y is negative, or where x is negative and y is not a whole number.",
            latex: "{#1}^{#2}", source: "arithmetic",
            example: "mean(score ^ 2) |> scale",
            stages: [], full: true,
        }
        Less "less" "1 where x is less than y, else 0" {
            notation: Notation::Infix { symbol: "<", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x < y, else 0; NaN where x or y is NaN.",
            latex: "[#1 < #2]", source: "arithmetic",
            example: "mean(score < 0.1) |> scale",
            stages: [], full: true,
        }
        LessEqual "less_equal" "1 where x is at most y, else 0" {
            notation: Notation::Infix { symbol: "<=", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x <= y, else 0; NaN where x or y is NaN.",
            latex: "[#1 \\le #2]", source: "arithmetic",
            example: "mean(score <= median(score)) |> scale",
            stages: [], full: true,
        }
        Greater "greater" "1 where x is greater than y, else 0" {
            notation: Notation::Infix { symbol: ">", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x > y, else 0; NaN where x or y is NaN.",
            latex: "[#1 > #2]", source: "arithmetic",
            example: "mean(score > 5 * mean(score)) |> scale",
            stages: [], full: true,
        }
        GreaterEqual "greater_equal" "1 where x is at least y, else 0" {
            notation: Notation::Infix { symbol: ">=", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x >= y, else 0; NaN where x or y is NaN.",
            latex: "[#1 \\ge #2]", source: "arithmetic",
            example: "mean(score >= mean(score)) |> scale",
            stages: [], full: true,
        }
        Minimum "minimum" "The smaller of two values" {
            notation: Notation::Call, operands: ["x", "y"], parameters: [],
            definition: "The smaller of x and y; NaN where x or y is NaN.",
            latex: "\\min(#1, #2)", source: "arithmetic",
            example: "minimum(mean(score), depth) |> scale",
            stages: [], full: true,
        }
        Maximum "maximum" "The larger of two values" {
            notation: Notation::Call, operands: ["x", "y"], parameters: [],
            definition: "The larger of x and y; NaN where x or y is NaN.",
            latex: "\\max(#1, #2)", source: "arithmetic",
            example: "maximum(mean(score), depth) |> scale",
            stages: [], full: true,
        }
        Where "where" "x where the condition holds, else y" {
            notation: Notation::Call, operands: ["condition", "x", "y"], parameters: [],
            definition: "x where the condition is not 0, else y; NaN where the condition is NaN.",
            latex: "\\begin{cases} #2 & \\text{if } #1 \\\\ #3 & \\text{else} \\end{cases}", source: "arithmetic",
            example: "where(depth > 0.5, mean(score), median(score)) |> scale",
            stages: [], full: true,
        }
        Negate "neg" "The negative" {
            notation: Notation::Prefix("-"), operands: ["x"], parameters: [],
            definition: "-x.",
            latex: "-#1", source: "arithmetic",
            example: "neg(mean(score)) |> scale",
            stages: [], full: true,
        }
    }

    // Elementwise functions.
    Elementwise {
        Absolute "abs" "The absolute value" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "|x|.",
            latex: "\\left|#1\\right|", source: "DSA, released operators",
            example: "mean(abs(weight)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::PostProcess], full: true,
        }
        SquareRoot "sqrt" "The square root; 0 for negative values" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The square root of x; 0 where x < 0.",
            latex: "\\sqrt{#1}", source: "DSA, table of operators",
            example: "mean(sqrt(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::Transform, DsaStage::PostProcess], full: true,
        }
        Square "square" "The square" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "x * x.",
            latex: "{#1}^{2}", source: "DSA, released operators (POW)",
            example: "mean(square(score)) |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Exponential "exp" "e to the power x" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "e ^ x; an error where the result overflows (f32 for weights, f64 for units).",
            latex: "\\exp(#1)", source: "DSA, released operators",
            example: "mean(exp(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::PostProcess], full: true,
        }
        Logarithm "log" "The natural logarithm; 0 for x <= 0" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln x; 0 where x <= 0.",
            latex: "\\ln(#1)", source: "DSA, released operators; protected like its LOG, without the 1e-6",
            example: "mean(log(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::PostProcess], full: true,
        }
        AbsoluteLogarithm "abslog" "The natural logarithm of the absolute value; 0 at 0" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln |x|; 0 where x is 0.",
            latex: "\\ln\\left|#1\\right|", source: "DSA, released operators (ABSLOG)",
            example: "var(abslog(score)) |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Reciprocal "reciprocal" "One over x; 0 at 0" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "1 / x; 0 where x is 0.",
            latex: "\\frac{1}{#1}", source: "arithmetic",
            example: "reciprocal(mean(score)) |> scale",
            stages: [], full: true,
        }
        Sigmoid "sigmoid" "The logistic function" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "1 / (1 + e^-x).",
            latex: "\\sigma(#1)", source: "DSA, released operators",
            example: "mean(sigmoid(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::Transform, DsaStage::PostProcess], full: true,
        }
        HyperbolicTangent "tanh" "The hyperbolic tangent" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "tanh x.",
            latex: "\\tanh(#1)", source: "DSA, released operators",
            example: "mean(tanh(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::PostProcess], full: true,
        }
        Softplus "softplus" "A smooth relu" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln(1 + e^x), computed without overflow; x itself where x > 20.",
            latex: "\\operatorname{softplus}(#1)", source: "DSA, released operators",
            example: "softplus(mean(score)) |> scale",
            stages: [DsaStage::PostProcess], full: true,
        }
        Sine "sin" "The sine" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "sin x, in radians.",
            latex: "\\sin(#1)", source: "DSA, released operators",
            example: "sin(mean(score)) |> scale",
            stages: [DsaStage::Transform, DsaStage::PostProcess], full: true,
        }
        Cosine "cos" "The cosine" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "cos x, in radians.",
            latex: "\\cos(#1)", source: "DSA, released operators",
            example: "cos(mean(score)) |> scale",
            stages: [DsaStage::Transform, DsaStage::PostProcess], full: true,
        }
        Tangent "tan" "The tangent" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "tan x, in radians.",
            latex: "\\tan(#1)", source: "DSA, released operators",
            example: "tan(mean(score)) |> scale",
            stages: [DsaStage::PostProcess], full: true,
        }
        ArcSine "asin" "The inverse sine, of x clamped to [-1, 1]" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "asin(min(max(x, -1), 1)).",
            latex: "\\arcsin(#1)", source: "DSA, released operators, clamped",
            example: "asin(tanh(mean(score))) |> scale",
            stages: [DsaStage::PostProcess], full: true,
        }
        ArcCosine "acos" "The inverse cosine, of x clamped to [-1, 1]" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "acos(min(max(x, -1), 1)).",
            latex: "\\arccos(#1)", source: "DSA, released operators, clamped",
            example: "acos(tanh(mean(score))) |> scale",
            stages: [DsaStage::PostProcess], full: true,
        }
        ArcTangent "atan" "The inverse tangent" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "atan x.",
            latex: "\\arctan(#1)", source: "DSA, released operators",
            example: "atan(var(score)) |> scale",
            stages: [DsaStage::PostProcess], full: true,
        }
        Rectify "relu" "x where it is positive, else 0" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "max(x, 0).",
            latex: "\\operatorname{relu}(#1)", source: "arithmetic",
            example: "mean(relu(weight)) |> scale",
            stages: [], full: true,
        }
    }

    // Normalisers.
    Normaliser {
        ZScore "zscore" "The difference from the mean in standard deviations" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - mean) / std, with n (not n - 1) in the variance; 0 where std is 0. Statistics are over the unit's values for a Matrix, Input or Output, and over all units for a Layer.",
            latex: "\\operatorname{zscore}(#1)", source: "DSA, table of operators (there named l2_norm)",
            example: "mean(zscore(score) > 2) |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        MinMax "minmax" "The position between the smallest and the largest value, from 0 to 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - min) / (max - min); 0 where all values are equal. Statistics are over the unit's values for a Matrix, Input or Output, and over all units for a Layer.",
            latex: "\\operatorname{minmax}(#1)", source: "DSA, released operators (MMS)",
            example: "minmax(mean(score)) + depth |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Softmax "softmax" "Positive shares that sum to 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "e^(x - max) / sum of e^(x - max). Statistics are over the unit's values for a Matrix, Input or Output, and over all units for a Layer.",
            latex: "\\operatorname{softmax}(#1)", source: "DSA, table of operators",
            example: "log(mean(abs(score))) |> softmax |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Ranks "ranks" "The rank, from 0 (smallest) to 1 (largest)" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The number of smaller values plus half the number of other equal values, divided by n - 1; 0 for a single value. Statistics are over the unit's values for a Matrix, Input or Output, and over all units for a Layer.",
            latex: "\\operatorname{ranks}(#1)", source: "DSA, table of operators (rank)",
            example: "ranks(mean(score)) |> scale",
            stages: [DsaStage::Transform], full: true,
        }
        Center "center" "The difference from the mean" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "x - mean. Statistics are over the unit's values for a Matrix, Input or Output, and over all units for a Layer.",
            latex: "\\operatorname{center}(#1)", source: "arithmetic",
            example: "center(mean(score)) |> scale",
            stages: [], full: true,
        }
    }

    // Reductions: all values of a unit, each counted once; with `over`, within each linear.
    Reduction {
        Mean "mean" "The mean" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum divided by n.",
            latex: "\\operatorname{mean}(#1)", source: "DSA, released operators",
            example: "mean(score) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Sum "sum" "The sum" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum of the values.",
            latex: "\\sum #1", source: "arithmetic",
            example: "sum(abs(weight)) / params |> scale",
            stages: [], full: true,
        }
        StandardDeviation "std" "The standard deviation" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The square root of the variance, with n (not n - 1).",
            latex: "\\operatorname{std}(#1)", source: "DSA, released operators",
            example: "std(score) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Variance "var" "The variance" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The mean squared distance from the mean, with n (not n - 1).",
            latex: "\\operatorname{var}(#1)", source: "DSA, released operators",
            example: "var(score) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Min "min" "The smallest value" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The smallest value.",
            latex: "\\min(#1)", source: "arithmetic",
            example: "min(score) |> scale",
            stages: [], full: true,
        }
        Max "max" "The largest value" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The largest value.",
            latex: "\\max(#1)", source: "arithmetic",
            example: "max(score) / mean(score) |> scale",
            stages: [], full: true,
        }
        Median "median" "The lower median" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The middle value; for an even count, the lower of the two middle values.",
            latex: "\\operatorname{median}(#1)", source: "DLP, formula 2",
            example: "median(score) |> scale",
            stages: [], full: true,
        }
        Quantile "quantile" "The value below which a share p of the values lies" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("p", Domain::Real(0.0, 1.0), None, "the share of the values below it"), OVER],
            definition: "The value at position p (n - 1) of the sorted values, counted from 0 and interpolated linearly between neighbours.",
            latex: "Q_{#p}(#1)", source: "arithmetic",
            example: "quantile(score, 0.9) |> scale",
            stages: [], full: true,
        }
        L1 "l1" "The sum of absolute values" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum of |x|.",
            latex: "\\sum \\left|#1\\right|", source: "arithmetic (DSA's L1_NORM is mean(abs(x)))",
            example: "l1(weight) / params |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        L2 "l2" "The square root of the sum of squares" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The square root of the sum of x squared (the Frobenius norm of all values of the unit).",
            latex: "\\left\\lVert #1 \\right\\rVert_F", source: "DSA, released operators (FROBENIUS_NORM)",
            example: "l2(weight) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        GeometricMean "geomean" "The geometric mean, with the protected logarithm" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "exp(mean(log(x))), where log x is 0 for x <= 0.",
            latex: "\\operatorname{geomean}(#1)", source: "DSA, table of operators",
            example: "geomean(score) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Entropy "entropy" "The sum of -x ln x, without normalising x" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum of -x ln x, where ln x is 0 for x <= 0; x is not normalised.",
            latex: "-\\sum #1 \\ln #1", source: "DSA, table of operators",
            example: "entropy(score / sum(score)) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Kurtosis "kurtosis" "The fourth standardised moment" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The mean of (x - mean)^4 divided by the squared variance (3 for a normal distribution); 0 where the variance is 0.",
            latex: "\\operatorname{kurtosis}(#1)", source: "Pearson",
            example: "kurtosis(weight) |> scale",
            stages: [], full: true,
        }
        Gini "gini" "The Gini coefficient of the absolute values" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum of (2 i - n - 1) |x_i| over the sorted |x|, divided by n times the sum of |x|, with i from 1; 0 where all values are 0.",
            latex: "\\operatorname{gini}(#1)", source: "Gini 1912",
            example: "gini(score) |> scale",
            stages: [], full: true,
        }
    }

    // Matrix reductions: once for each linear, then the plain mean over the unit's linears.
    MatrixReduction {
        MatrixRank "matrix_rank" "The rank" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The number of singular values above the largest singular value times 2^-23 times the longer side.",
            latex: "\\operatorname{rank}(#1)", source: "DSA, released operators (RANK)",
            example: "unit projection\nmatrix_rank(weight) / minimum(fan_in, fan_out) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        StableRank "stable_rank" "The squared Frobenius norm over the squared spectral norm" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of the squared singular values divided by the largest of them; 0 for a matrix of zeros.",
            latex: "\\frac{\\lVert #1 \\rVert_F^2}{\\lVert #1 \\rVert_2^2}", source: "Rudelson and Vershynin 2007",
            example: "stable_rank(weight) |> scale",
            stages: [], full: true,
        }
        SpectralNorm "spectral_norm" "The largest singular value" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The largest singular value.",
            latex: "\\left\\lVert #1 \\right\\rVert_2", source: "arithmetic",
            example: "spectral_norm(weight) |> scale",
            stages: [], full: true,
        }
        LogDeterminant "logdet" "The logarithm of the absolute (pseudo-)determinant" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of the logarithms of the singular values above the largest singular value times 2^-23 times the longer side; this is ln |det| for a square matrix of full rank.",
            latex: "\\ln\\left|\\det #1\\right|", source: "DSA, released operators (SLOGDET)",
            example: "logdet(weight) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        AlphaHill "alpha_hill" "The exponent of a power law fitted to the tail of the squared singular values" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("fit", Domain::Word(&["peak", "mid", "peak_as_coded"]), Some(ParameterValue::Word("peak")), "how the tail's lower end is found")],
            definition: "The eigenvalues are the squared singular values, ascending. `mid`: the Hill estimate above the eigenvalue at position floor(N / 2). `peak`: the fit with the smallest Kolmogorov-Smirnov distance among those whose lower end is an eigenvalue between 0.95 x and 1.5 x, both excluded, where x is the left edge of the fullest of 100 bins of log10 of the eigenvalues. `peak_as_coded`: the same without the lower limit, as in the released code, which compares a logarithm with an eigenvalue. A fit is 1 + n / (sum of ln e_i - n ln e_min); 0 where no fit exists.",
            latex: "\\alpha_{\\text{#fit}}(#1)", source: "AlphaPruning, section 3 and its released code",
            example: "neg(alpha_hill(weight)) |> rescale(epsilon = 0.2)",
            stages: [], full: true,
        }
        CorrelationOfRows "corref" "The mean correlation between rows" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean of Pearson's correlation over all pairs of rows, including each row with itself; the correlation with a row without variance is 0.",
            latex: "\\operatorname{corref}(#1)", source: "DSA, table of operators; as torch.corrcoef in its released code",
            example: "corref(weight) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
    }

    // Layer operators: across the units, in the model's order.
    Layerwise {
        Smooth "smooth" "The moving average" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("window", Domain::Odd(1, 999), Some(ParameterValue::Number(3.0)), "the number of units in the window")],
            definition: "The mean over a window of units centred on each unit; the window is cut off at the ends.",
            latex: "\\operatorname{smooth}_{#window}(#1)", source: "arithmetic",
            example: "mean(score) |> smooth(window = 3) |> scale",
            stages: [], full: true,
        }
        CumulativeSum "cumsum" "The running sum" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of the values up to and including each unit's own.",
            latex: "\\operatorname{cumsum}(#1)", source: "arithmetic",
            example: "cumsum(mean(score)) |> scale",
            stages: [], full: true,
        }
        Difference "diff" "The change from the previous unit" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "x minus the value of the previous unit; 0 for the first unit.",
            latex: "\\Delta(#1)", source: "arithmetic",
            example: "diff(mean(score)) |> scale",
            stages: [], full: true,
        }
        BlockMean "block_mean" "The mean over the units of a block" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean over all units of the unit's block; x itself where each block is one unit. For the mean over some projections, write block_mean(attention * x) / block_mean(attention).",
            latex: "\\operatorname{blockmean}(#1)", source: "arithmetic",
            example: "unit projection\nmean(score) - block_mean(mean(score)) |> scale",
            stages: [], full: true,
        }
        Previous "previous" "The value in the previous block" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The value of the corresponding unit in the previous block: the block itself, or the projection of the same kinds (if there are several, the one at the same position among them); x itself in the first block, and where the previous block has no such projection.",
            latex: "\\operatorname{previous}(#1)", source: "arithmetic",
            example: "unit projection\nmean(score) - previous(mean(score)) |> scale",
            stages: [], full: true,
        }
        Next "next" "The value in the next block" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The value of the corresponding unit in the next block: the block itself, or the projection of the same kinds (if there are several, the one at the same position among them); x itself in the last block, and where the next block has no such projection.",
            latex: "\\operatorname{next}(#1)", source: "arithmetic",
            example: "unit projection\nmean(score) - next(mean(score)) |> scale",
            stages: [], full: true,
        }
        Clip "clip" "The value, kept within bounds" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("lo", ANY, None, "the lower bound"), parameter("hi", ANY, None, "the upper bound")],
            needs: Need::Ascending,
            definition: "min(max(x, lo), hi); lo must not exceed hi.",
            latex: "\\operatorname{clip}_{[#lo, #hi]}(#1)", source: "arithmetic",
            example: "zscore(mean(score)) |> clip(-2, 2) |> scale",
            stages: [], full: true,
        }
    }

    // Allocators: units of high importance keep more weights.
    Allocator {
        Scale "scale" "Density that follows the importance within a window" {
            takes: Some(Type::Layer), notation: Notation::Call, operands: ["x"], parameters: [parameter("lambda", Domain::Real(0.0, 1.0), Some(ParameterValue::Number(0.08)), "half the width of the window of densities")],
            definition: "keep = 1 - T + 2 lambda (z - mean z), where z is minmax of the importance and its mean is weighted by parameters; a shift and a clamp to [0, 1] then meet the budget exactly. Equal importances give a uniform allocation.",
            latex: "\\operatorname{scale}_{\\lambda = #lambda}(#1)", source: "OWL, DLP and DSA, as coded (the papers say +-lambda)",
            example: "mean(score > 5 * mean(score)) |> scale(lambda = 0.08)",
            stages: [], full: true,
        }
        Rescale "rescale" "Sparsity in proportion to a factor in [1 - epsilon, 1 + epsilon]" {
            takes: Some(Type::Layer), notation: Notation::Call, operands: ["x"], parameters: [parameter("epsilon", Domain::Real(0.0, 1.0), Some(ParameterValue::Number(0.2)), "the largest relative deviation")],
            definition: "sparsity = eta (1 + epsilon - 2 epsilon z), where z is minmax of the importance and eta meets the budget; clamped to [0, 1]. Equal importances give a uniform allocation.",
            latex: "\\operatorname{rescale}_{\\epsilon = #epsilon}(#1)", source: "AlphaPruning, formula 3 (with the importance negated)",
            example: "neg(alpha_hill(weight)) |> rescale(epsilon = 0.2)",
            stages: [], full: true,
        }
        Proportional "proportional" "Density in proportion to the importance" {
            takes: Some(Type::Layer), notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "density = eta x, at most 1, where eta meets the budget; a negative importance is an error; importances that are all 0 give a uniform allocation.",
            latex: "\\operatorname{proportional}(#1)", source: "ER (Mocanu et al. 2018; RigL)",
            example: "unit projection\n(fan_in + fan_out) / (fan_in * fan_out) |> proportional",
            stages: [], full: true,
        }
        Ramp "ramp" "Sparsity that rises by beta from block to block" {
            takes: None, notation: Notation::Call, operands: [], parameters: [parameter("beta", Domain::Real(-1.0, 1.0), None, "the step between neighbouring blocks")],
            definition: "sparsity = T + beta (i - (L - 1) / 2) for block i of L, counted from 0; a shift and a clamp to [0, 1] then meet the budget exactly.",
            latex: "\\operatorname{ramp}_{\\beta = #beta}", source: "ATP, formula 1",
            example: "ramp(beta = 0.01)",
            stages: [], full: true,
        }
        Uniform "uniform" "The target sparsity in every unit" {
            takes: None, notation: Notation::Call, operands: [], parameters: [],
            definition: "sparsity = T.",
            latex: "\\operatorname{uniform}()", source: "wanda, magnitude",
            example: "uniform()",
            stages: [], full: true,
        }
        Global "global" "The sparsities that one threshold over all units gives" {
            takes: Some(Type::Matrix), notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The round(T N) smallest of all N values are removed (ties: the earlier weight first); the sparsity of a unit is the share that it lost.",
            latex: "\\operatorname{global}(#1)", source: "magnitude pruning with one global threshold",
            example: "abs(weight) |> global",
            stages: [], full: true,
        }
    }

    // Terminals.
    Terminal {
        Score "score" "The saliency score that decides which weights are pruned" {
            gives: Type::Matrix, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "The script's metric, or else that of the pruning method (Wanda: abs(weight) * input_norm), from statistics of the dense model.",
            latex: "A", source: "Wanda, formula 1",
            example: "mean(score) |> scale",
            stages: [], full: true,
        }
        Weight "weight" "The weight" {
            gives: Type::Matrix, notation: Notation::Name, operands: [], parameters: [],
            definition: "The weight as stored, widened to f32 exactly.",
            latex: "W", source: "the model",
            example: "mean(abs(weight)) |> scale",
            stages: [], full: true,
        }
        InputNorm "input_norm" "The norm of each input channel" {
            gives: Type::Input, notation: Notation::Name, operands: [], parameters: [],
            definition: "The square root of the mean over samples of the sum over tokens of x squared, so it grows with the length of a window.",
            latex: "\\lVert X \\rVert_2", source: "Wanda, formula 1, as coded",
            example: "mean(abs(weight) * input_norm) |> scale",
            stages: [], full: true,
        }
        Gradient "gradient" "The square root of the summed squared gradients" {
            gives: Type::Matrix, notation: Notation::Name, operands: [], parameters: [],
            definition: "The square root of the sum over samples of the squared gradient of the loss. It must be collected first.",
            latex: "G", source: "Pruner-Zero, section 3",
            example: "mean(abs(weight) * gradient) |> scale",
            stages: [], full: true,
        }
        HessianDiagonal "hessian_diag" "The diagonal of the Hessian of a linear's output error" {
            gives: Type::Input, notation: Notation::Name, operands: [], parameters: [],
            definition: "The diagonal of (2 / n) sum of x x^T over the n samples. It must be collected first.",
            latex: "\\operatorname{diag}(H)", source: "SparseGPT, formula 2",
            example: "mean(weight ^ 2 * hessian_diag) |> scale",
            stages: [], full: true,
        }
        ReconstructionError "reconstruction_error" "The smallest error of a linear's output when half of each row is removed" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "LSA's greedy estimate for each linear, as an unweighted mean over the unit's linears. It must be collected first.",
            latex: "E", source: "LSA, section 3",
            example: "reconstruction_error |> scale",
            stages: [], full: true,
        }
        InputKurtosis "input_kurtosis" "The kurtosis of a linear's input" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The mean of (x - m)^4 divided by the square of the mean of (x - m)^2, where x are the input's values at all tokens and in all channels together, and m is their mean; as an unweighted mean over the unit's linears. It is 3 for normally distributed inputs and grows with outliers; 0 where all values are equal. It must be collected first.",
            latex: "\\operatorname{kurt}(X)", source: "Pearson; of whole activation tensors, as a measure of outliers, in Quantizable Transformers (Bondarenko et al. 2023)",
            example: "log(input_kurtosis) |> scale",
            stages: [], full: true,
        }
        BlockSimilarity "block_similarity" "The cosine similarity of the block's input and output" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "x . y / (|x| |y|) for the residual stream x before and y after the unit's block, as a mean over tokens; 0 at tokens where x or y is 0. All units of a block have the same value. ShortGPT's Block Influence is 1 - block_similarity. It must be collected first.",
            latex: "\\cos(X, Y)", source: "ShortGPT (Men et al. 2024)",
            example: "1 - block_similarity |> scale",
            stages: [], full: true,
        }
        BlockChange "block_change" "The size of the block's contribution, relative to its input" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "|y - x| / |x| for the residual stream x before and y after the unit's block, as a mean over tokens; 0 at tokens where x is 0. All units of a block have the same value. It must be collected first.",
            latex: "\\frac{\\lVert Y - X \\rVert}{\\lVert X \\rVert}", source: "relative contribution of a layer to the residual stream (Csordás et al. 2025)",
            example: "log(block_change) |> scale",
            stages: [], full: true,
        }
        Damage "damage" "The loss when only this unit is pruned" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "The mean over positions of KL(dense || pruned), in nats, where the unit is pruned to the target by the metric's scores and all other units are dense; then averaged over windows. With `unit row` it is that of the row's projection. It must be collected first, at this target, metric and unit. A warning says when its sampling error moves the importances by more than half of their standard deviation.",
            latex: "D", source: "sensitivity of a layer pruned alone (Li et al. 2017, section 3.2), with KL instead of accuracy",
            example: "unit projection\nlog(damage) |> scale",
            stages: [], full: true,
        }
        Marginal "marginal" "The rise of the loss for each further weight that is pruned, at uniform sparsity" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "At the model pruned uniformly to the target by the metric's scores: minus the gradient of KL(dense || pruned) with respect to a weight, times the dense weight, averaged over the weights within 2 % of the ranks on both sides of each row's threshold; then averaged over windows, and over the unit's linears in proportion to their sizes. In nats for each weight; at an optimum all units have the same value. It must be collected first, at this target and metric. A warning says when its sampling error moves the importances by more than half of their standard deviation.",
            latex: "m", source: "first-order condition of the optimum; saliency at the pruned model as in FORCE (de Jorge et al. 2021)",
            example: "unit projection\nsqrt(relu(marginal)) |> scale(lambda = 0.2)",
            stages: [], full: true,
        }
        MarginalSlope "marginal_slope" "The rise of the marginal as the whole model is pruned further" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "The marginal at uniform sparsity T + h minus the marginal at T, divided by h, for each window; h is the smaller of 0.05 and (1 - T) / 2. The averages are those of `marginal`. It is the curvature of the loss along uniform sparsity: the unit's own, plus the effect of pruning the other units. In nats for each weight and unit of sparsity. It must be collected first, at this target and metric.",
            latex: "\\operatorname{slope}(m)", source: "a secant of the gradient; the diagonal alone is Optimal Brain Damage's (LeCun et al. 1990)",
            example: "unit projection\nranks(marginal + 0.02 * marginal_slope) |> scale",
            stages: [], full: true,
        }
        Depth "depth" "The position of the block, from 0 (first) to 1 (last)" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The block's index divided by L - 1; 0 for a single block.",
            latex: "d", source: "the model",
            example: "depth |> scale",
            stages: [], full: true,
        }
        Parameters "params" "The number of weights of the unit" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The number of weights of the unit.",
            latex: "N", source: "the model",
            example: "mean(score) * params |> scale",
            stages: [], full: true,
        }
        FanIn "fan_in" "The number of input channels" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Projections,
            definition: "The columns of the projection's weight; only with `unit projection`.",
            latex: "n_{\\text{in}}", source: "the model",
            example: "unit projection\nreciprocal(fan_in) |> scale",
            stages: [], full: true,
        }
        FanOut "fan_out" "The number of output channels" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Projections,
            definition: "The rows of the projection's weight; only with `unit projection`.",
            latex: "n_{\\text{out}}", source: "the model",
            example: "unit projection\nreciprocal(fan_out) |> scale",
            stages: [], full: true,
        }
        Attention "attention" "The share of the unit's weights in attention projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its attention projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{attention}}", source: "the model",
            example: "unit projection\nmean(score) + attention |> scale",
            stages: [], full: true,
        }
        Mlp "mlp" "The share of the unit's weights in MLP projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its MLP projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{mlp}}", source: "the model",
            example: "unit projection\nmean(score) + mlp |> scale",
            stages: [], full: true,
        }
        Query "query" "The share of the unit's weights in query projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its query projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{query}}", source: "the model",
            example: "unit projection\nmean(score) + query |> scale",
            stages: [], full: true,
        }
        Key "key" "The share of the unit's weights in key projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its key projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{key}}", source: "the model",
            example: "unit projection\nmean(score) + key |> scale",
            stages: [], full: true,
        }
        Value "value" "The share of the unit's weights in value projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its value projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{value}}", source: "the model",
            example: "unit projection\nmean(score) + value |> scale",
            stages: [], full: true,
        }
        Out "out" "The share of the unit's weights in attention output projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its attention output projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{out}}", source: "the model",
            example: "unit projection\nmean(score) + out |> scale",
            stages: [], full: true,
        }
        Gate "gate" "The share of the unit's weights in gate projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its gate projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{gate}}", source: "the model",
            example: "unit projection\nmean(score) + gate |> scale",
            stages: [], full: true,
        }
        Up "up" "The share of the unit's weights in up projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its up projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{up}}", source: "the model",
            example: "unit projection\nmean(score) + up |> scale",
            stages: [], full: true,
        }
        Down "down" "The share of the unit's weights in down projections" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The share of the unit's weights that are in its down projections: 1 or 0 for a projection that is not fused.",
            latex: "\\mathbb{1}_{\\text{down}}", source: "the model",
            example: "unit projection\nmean(score) + down |> scale",
            stages: [], full: true,
        }
        Target "target" "The target sparsity" {
            gives: Type::Number, notation: Notation::Name, operands: [], parameters: [],
            definition: "The target sparsity T, in [0, 1].",
            latex: "T", source: "the command line",
            example: "mean(score) * target |> scale",
            stages: [], full: true,
        }
    }

    // DSA's released operators, as torch computes them; for imported formulas only.
    Elementwise {
        DsaLog "dsa::log" "ln(x + 1e-6), with 1 in place of x where x is not positive" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln((x where x > 0, else 1) + 1e-6).",
            latex: "\\ln(#1 + 10^{-6})", source: "DSA, released engine",
            example: "mean(dsa::log(score)) |> scale",
            stages: [], full: false,
        }
        DsaLn "dsa::ln" "The logarithm, unprotected" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln x: -infinity at 0, NaN below.",
            latex: "\\ln(#1)", source: "DSA, released engine",
            example: "dsa::sanitize(dsa::ln(mean(score))) |> scale",
            stages: [], full: false,
        }
        DsaAsin "dsa::asin" "The inverse sine, unprotected" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "asin x: NaN outside [-1, 1].",
            latex: "\\arcsin(#1)", source: "DSA, released engine",
            example: "dsa::sanitize(dsa::asin(mean(score))) |> scale",
            stages: [], full: false,
        }
        DsaAcos "dsa::acos" "The inverse cosine, unprotected" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "acos x: NaN outside [-1, 1].",
            latex: "\\arccos(#1)", source: "DSA, released engine",
            example: "dsa::sanitize(dsa::acos(mean(score))) |> scale",
            stages: [], full: false,
        }
    }
    Normaliser {
        DsaNormalize "dsa::normalize" "The difference from the mean in standard deviations, with n - 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - mean) / std with n - 1 in the variance; 0 where that is NaN.",
            latex: "\\operatorname{zscore}(#1)", source: "DSA, released engine",
            example: "mean(dsa::normalize(score) > 2) |> scale",
            stages: [], full: false,
        }
        DsaMinMax "dsa::minmax" "The position between the smallest and the largest value" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - min) / (max - min + 1e-9).",
            latex: "\\operatorname{minmax}(#1)", source: "DSA, released engine",
            example: "std(dsa::minmax(score)) |> scale",
            stages: [], full: false,
        }
    }
    Reduction {
        DsaVariance "dsa::var" "The variance, with n - 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of squared distances from the mean divided by n - 1; NaN for a single value.",
            latex: "\\operatorname{var}(#1)", source: "DSA, released engine",
            example: "dsa::var(abslog(score)) |> scale",
            stages: [], full: false,
        }
        DsaStandardDeviation "dsa::std" "The standard deviation, with n - 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The square root of dsa::var.",
            latex: "\\operatorname{std}(#1)", source: "DSA, released engine",
            example: "dsa::std(score) |> scale",
            stages: [], full: false,
        }
        DsaEntropy "dsa::entropy" "The entropy of the values as unnormalised probabilities" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of -p ln(min(max(p, 2^-23), 1 - 2^-23)), where p are the values >= 0 divided by their sum; NaN where there are none.",
            latex: "\\operatorname{H}(#1)", source: "DSA, released engine",
            example: "dsa::entropy(score) |> scale",
            stages: [], full: false,
        }
        DsaGeometricMean "dsa::geometric_mean" "The n-th root of the product, which is outside the range of f32 for all but small units" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The product of all values, taken as 0 below 2^-149 and as infinite from 2^128, to the power 1 / n; NaN for a negative product.",
            latex: "\\Bigl(\\prod #1\\Bigr)^{1/n}", source: "DSA, released engine",
            example: "dsa::sanitize(dsa::geometric_mean(score)) |> scale",
            stages: [], full: false,
        }
    }
    MatrixReduction {
        DsaGram "dsa::gram" "The mean entry of the Gram matrix of the rows" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean inner product over all pairs of rows.",
            latex: "\\operatorname{mean}(#1 {#1}^T)", source: "DSA, released engine",
            example: "dsa::gram(weight) |> scale",
            stages: [], full: false,
        }
        DsaDiagonal "dsa::diagonal" "The mean of the main diagonal" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean of the entries whose row and column are equal.",
            latex: "\\operatorname{mean}(\\operatorname{diag}(#1))", source: "DSA, released engine",
            example: "dsa::diagonal(weight) |> scale",
            stages: [], full: false,
        }
        DsaDeterminant "dsa::determinant" "The determinant of a square matrix" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The determinant; NaN for a matrix that is not square.",
            latex: "\\det(#1)", source: "DSA, released engine",
            example: "unit projection\ndsa::sanitize(dsa::determinant(weight)) |> scale",
            stages: [], full: false,
        }
    }
    Elementwise {
        DsaSanitize "dsa::sanitize" "The value rounded to f32, with 0 for NaN and -1 for infinity" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "x rounded to f32; 0 where that is NaN, and -1 where it is infinite.",
            latex: "#1", source: "DSA, released engine",
            example: "dsa::sanitize(dsa::asin(mean(score))) |> scale",
            stages: [], full: false,
        }
    }
}
