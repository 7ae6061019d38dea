//! The one table of operators: [`CATALOGUE`] in the order in which they are listed, and, made from the same rows, [`Op`] and an
//! enum for each class.

use super::class::{Class, DsaStage, Need};
use super::notation::{COMPARISON, Notation, POWER, PRODUCT, SUM};
use super::parameter::{Domain, Parameter, ParameterValue};
use crate::types::{Over, Type};

/// One row of the catalogue: everything that is to be known of an operator but its implementation.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// The operator itself.
    pub op: Op,
    /// Its name in scripts.
    pub name: &'static str,
    /// How it is written, when not as a call.
    pub notation: Notation,
    /// How it acts on types.
    pub class: Class,
    /// The names of its operands, in order.
    pub operands: &'static [&'static str],
    /// Its parameters, in order, after the operands.
    pub parameters: &'static [Parameter],
    /// What it needs where it stands.
    pub needs: &'static [Need],
    /// One line that says what it gives.
    pub summary: &'static str,
    /// Its definition for every input, protected cases included.
    pub definition: &'static str,
    /// LaTeX, with `#1`, `#2`, ... for the operands and `#name` for a parameter.
    pub latex: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// A script that uses it.
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

/// Whether a reduction takes the whole unit, or each linear along one side.
const OVER: Parameter = parameter(
    "over",
    Domain::Word(&[Over::Unit.name(), Over::Inputs.name(), Over::Outputs.name()]),
    Some(ParameterValue::Word(Over::Unit.name())),
    "what is reduced: the unit, or the inputs of each output, or the outputs of each input",
);

/// Makes the table and the enums of the rows, which stand in sections: the class of a row is that of its section.
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

        /// Every operator of the language, in the order in which they are listed.
        pub static CATALOGUE: &[Operator] = &[
            $($(Operator {
                op: Op::$class($class::$op), name: $name, notation: $notation, class: Class::$class $(($gives))? $(($takes))?,
                operands: &$operands, parameters: &$parameters, needs: &[$($needs)?], summary: $summary,
                definition: $definition, latex: $latex, source: $source, example: $example, stages: &$stages, full: $full,
            },)*)*
        ];

        #[allow(non_upper_case_globals, reason = "they stand for variants, and patterns name them as such")]
        impl Op {
            $($(#[doc = concat!($summary, ": `", $name, "`.")] pub const $op: Self = Self::$class($class::$op);)*)*
        }

        classes! {
            [Elementwise "An operator that acts on each value by itself."]
            [Normaliser "An operator that sees each value among all those of its kind."]
            [Reduction "An operator that makes one number of many."]
            [MatrixReduction "An operator that makes one number of a linear's whole matrix."]
            [Layerwise "An operator across the units."]
            [Allocator "An operator that ends a script: it makes ratios of importances."]
            [Terminal "A leaf: what the model, its statistics and the command line say."]
            $($class { $($op $name $summary,)* })*
        }
    };
}

/// Makes an enum for each class, of the sections that the class has, and [`Op`] of all of them.
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
        /// Each also goes by its own name, such as `Op::Add`, in patterns too.
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
            definition: "x / y, and 0 where y is 0, whatever x is (a NaN stays one).",
            latex: "\\frac{#1}{#2}", source: "arithmetic",
            example: "mean(score) / std(score) |> scale",
            stages: [], full: true,
        }
        Power "pow" "x to the power y" {
            notation: Notation::Infix { symbol: "^", precedence: POWER }, operands: ["x", "y"], parameters: [],
            definition: "x ^ y; 1 where y is 0; 0 where x is 0 and y negative, and where x is negative and y not whole.",
            latex: "{#1}^{#2}", source: "arithmetic",
            example: "mean(score ^ 2) |> scale",
            stages: [], full: true,
        }
        Less "less" "1 where x is less than y, else 0" {
            notation: Notation::Infix { symbol: "<", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x < y, else 0; NaN where either is.",
            latex: "[#1 < #2]", source: "arithmetic",
            example: "mean(score < 0.1) |> scale",
            stages: [], full: true,
        }
        LessEqual "less_equal" "1 where x is at most y, else 0" {
            notation: Notation::Infix { symbol: "<=", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x <= y, else 0; NaN where either is.",
            latex: "[#1 \\le #2]", source: "arithmetic",
            example: "mean(score <= median(score)) |> scale",
            stages: [], full: true,
        }
        Greater "greater" "1 where x is greater than y, else 0" {
            notation: Notation::Infix { symbol: ">", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x > y, else 0; NaN where either is.",
            latex: "[#1 > #2]", source: "arithmetic",
            example: "mean(score > 5 * mean(score)) |> scale",
            stages: [], full: true,
        }
        GreaterEqual "greater_equal" "1 where x is at least y, else 0" {
            notation: Notation::Infix { symbol: ">=", precedence: COMPARISON }, operands: ["x", "y"], parameters: [],
            definition: "1 where x >= y, else 0; NaN where either is.",
            latex: "[#1 \\ge #2]", source: "arithmetic",
            example: "mean(score >= mean(score)) |> scale",
            stages: [], full: true,
        }
        Minimum "minimum" "The lesser of two values" {
            notation: Notation::Call, operands: ["x", "y"], parameters: [],
            definition: "The lesser of x and y; NaN where either is.",
            latex: "\\min(#1, #2)", source: "arithmetic",
            example: "minimum(mean(score), depth) |> scale",
            stages: [], full: true,
        }
        Maximum "maximum" "The greater of two values" {
            notation: Notation::Call, operands: ["x", "y"], parameters: [],
            definition: "The greater of x and y; NaN where either is.",
            latex: "\\max(#1, #2)", source: "arithmetic",
            example: "maximum(mean(score), depth) |> scale",
            stages: [], full: true,
        }
        Where "where" "x where the condition holds, else y" {
            notation: Notation::Call, operands: ["condition", "x", "y"], parameters: [],
            definition: "x where the condition is not 0, else y; NaN where the condition is.",
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
        SquareRoot "sqrt" "The square root; 0 for a negative" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The root of x, and 0 where x < 0.",
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
            definition: "e ^ x; an error where it leaves the range of the arithmetic (f32 for weights, f64 for units).",
            latex: "\\exp(#1)", source: "DSA, released operators",
            example: "mean(exp(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::PostProcess], full: true,
        }
        Logarithm "log" "The natural logarithm; 0 for what has none" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln x, and 0 where x <= 0.",
            latex: "\\ln(#1)", source: "DSA, released operators, protected as in its LOG without the 1e-6",
            example: "mean(log(score)) |> scale",
            stages: [DsaStage::PreProcess, DsaStage::PostProcess], full: true,
        }
        AbsoluteLogarithm "abslog" "The natural logarithm of the absolute value; 0 at 0" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "ln |x|, and 0 where x is 0.",
            latex: "\\ln\\left|#1\\right|", source: "DSA, released operators (ABSLOG)",
            example: "var(abslog(score)) |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Reciprocal "reciprocal" "One over x; 0 at 0" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "1 / x, and 0 where x is 0.",
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
        ZScore "zscore" "The distance from the mean in standard deviations" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - mean) / std, with n in the variance; 0 where std is 0. The values are the unit's for a Matrix, Input or Output, and the units' for a Layer.",
            latex: "\\operatorname{zscore}(#1)", source: "DSA, table of operators (there named l2_norm)",
            example: "mean(zscore(score) > 2) |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        MinMax "minmax" "The place between the least and the greatest value, from 0 to 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - min) / (max - min); 0 where all values are equal. The values are the unit's for a Matrix, Input or Output, and the units' for a Layer.",
            latex: "\\operatorname{minmax}(#1)", source: "DSA, released operators (MMS)",
            example: "minmax(mean(score)) + depth |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Softmax "softmax" "Positive shares that sum to 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "e^(x - max) / sum of e^(x - max). The values are the unit's for a Matrix, Input or Output, and the units' for a Layer.",
            latex: "\\operatorname{softmax}(#1)", source: "DSA, table of operators",
            example: "log(mean(abs(score))) |> softmax |> scale",
            stages: [DsaStage::PreProcess], full: true,
        }
        Ranks "ranks" "The rank from 0 (least) to 1 (greatest)" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The number of lesser values plus half the number of other equal ones, over n - 1; 0 for a single value. The values are the unit's for a Matrix, Input or Output, and the units' for a Layer.",
            latex: "\\operatorname{ranks}(#1)", source: "DSA, table of operators (rank)",
            example: "ranks(mean(score)) |> scale",
            stages: [DsaStage::Transform], full: true,
        }
        Center "center" "The distance from the mean" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "x - mean. The values are the unit's for a Matrix, Input or Output, and the units' for a Layer.",
            latex: "\\operatorname{center}(#1)", source: "arithmetic",
            example: "center(mean(score)) |> scale",
            stages: [], full: true,
        }
    }

    // Reductions: all values of a unit, each counted once; with `over`, within each linear.
    Reduction {
        Mean "mean" "The mean" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum over n.",
            latex: "\\operatorname{mean}(#1)", source: "DSA, released operators",
            example: "mean(score) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Sum "sum" "The sum" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The sum.",
            latex: "\\sum #1", source: "arithmetic",
            example: "sum(abs(weight)) / params |> scale",
            stages: [], full: true,
        }
        StandardDeviation "std" "The standard deviation" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The root of the variance, with n (not n - 1).",
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
        Min "min" "The least value" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The least value.",
            latex: "\\min(#1)", source: "arithmetic",
            example: "min(score) |> scale",
            stages: [], full: true,
        }
        Max "max" "The greatest value" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The greatest value.",
            latex: "\\max(#1)", source: "arithmetic",
            example: "max(score) / mean(score) |> scale",
            stages: [], full: true,
        }
        Median "median" "The lower median" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The middle value; of an even count, the lower of the two in the middle.",
            latex: "\\operatorname{median}(#1)", source: "DLP, formula 2",
            example: "median(score) |> scale",
            stages: [], full: true,
        }
        Quantile "quantile" "The value below which a share p of the values lie" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("p", Domain::Real(0.0, 1.0), None, "the share of the values that lie below"), OVER],
            definition: "The value at place p (n - 1) of the sorted values, interpolated linearly between neighbours.",
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
        L2 "l2" "The root of the sum of squares" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The root of the sum of x squared (the Frobenius norm of all of the unit's values).",
            latex: "\\left\\lVert #1 \\right\\rVert_F", source: "DSA, released operators (FROBENIUS_NORM)",
            example: "l2(weight) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        GeometricMean "geomean" "The geometric mean, through the protected logarithm" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "exp(mean(log(x))), where log x is 0 for x <= 0.",
            latex: "\\operatorname{geomean}(#1)", source: "DSA, table of operators",
            example: "geomean(score) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Entropy "entropy" "The sum of -x ln x, of x as it is" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "-sum of x ln x, where ln x is 0 for x <= 0; x is not normalised.",
            latex: "-\\sum #1 \\ln #1", source: "DSA, table of operators",
            example: "entropy(score / sum(score)) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        Kurtosis "kurtosis" "The fourth standardised moment" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "The mean of (x - mean)^4 over the variance squared (3 for a normal distribution); 0 where the variance is 0.",
            latex: "\\operatorname{kurtosis}(#1)", source: "Pearson",
            example: "kurtosis(weight) |> scale",
            stages: [], full: true,
        }
        Gini "gini" "The Gini coefficient of the absolute values" {
            notation: Notation::Call, operands: ["x"], parameters: [OVER],
            definition: "sum over the sorted |x| of (2 i - n - 1) |x_i|, over n sum |x|, i from 1; 0 where all are 0.",
            latex: "\\operatorname{gini}(#1)", source: "Gini 1912",
            example: "gini(score) |> scale",
            stages: [], full: true,
        }
    }

    // Matrix reductions: once for each linear, then the plain mean over the unit's linears.
    MatrixReduction {
        MatrixRank "matrix_rank" "The rank" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The number of singular values above the greatest singular value times 2^-23 times the longer side.",
            latex: "\\operatorname{rank}(#1)", source: "DSA, released operators (RANK)",
            example: "unit projection\nmatrix_rank(weight) / minimum(fan_in, fan_out) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        StableRank "stable_rank" "The squared Frobenius norm over the squared spectral norm" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of the squared singular values over the square of the greatest; 0 for a matrix of zeros.",
            latex: "\\frac{\\lVert #1 \\rVert_F^2}{\\lVert #1 \\rVert_2^2}", source: "Rudelson and Vershynin 2007",
            example: "stable_rank(weight) |> scale",
            stages: [], full: true,
        }
        SpectralNorm "spectral_norm" "The greatest singular value" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The greatest singular value.",
            latex: "\\left\\lVert #1 \\right\\rVert_2", source: "arithmetic",
            example: "spectral_norm(weight) |> scale",
            stages: [], full: true,
        }
        LogDeterminant "logdet" "The logarithm of the absolute (pseudo-)determinant" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of the logarithms of the singular values above the greatest singular value times 2^-23 times the longer side: ln |det| of a square matrix of full rank.",
            latex: "\\ln\\left|\\det #1\\right|", source: "DSA, released operators (SLOGDET)",
            example: "logdet(weight) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
        AlphaHill "alpha_hill" "The exponent of the power law that the squared singular values follow in their tail" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("fit", Domain::Word(&["peak", "mid", "peak_as_coded"]), Some(ParameterValue::Word("peak")), "how the tail's lower end is found")],
            definition: "The eigenvalues are the squared singular values, ascending. `mid`: the Hill estimate above the eigenvalue at place floor(N / 2). `peak`: x is the left edge of the fullest of 100 bins of log10 of the eigenvalues; among the eigenvalues from 0.95 x to 1.5 x as the lower end, the fit with the least Kolmogorov-Smirnov distance. `peak_as_coded`: the same without the lower limit, as in the released code, which compares a logarithm with an eigenvalue. A fit is 1 + n / (sum of ln e_i - n ln e_min); 0 where there is none.",
            latex: "\\alpha_{\\text{#fit}}(#1)", source: "AlphaPruning, section 3 and its released code",
            example: "neg(alpha_hill(weight)) |> rescale(epsilon = 0.2)",
            stages: [], full: true,
        }
        CorrelationOfRows "corref" "The mean correlation between rows" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean over all pairs of rows, each with itself included, of Pearson's correlation; a row without variance correlates 0 with all.",
            latex: "\\operatorname{corref}(#1)", source: "DSA, table of operators; as torch.corrcoef in its released code",
            example: "corref(weight) |> scale",
            stages: [DsaStage::Reduce], full: true,
        }
    }

    // Layer operators: across the units, in the model's order.
    Layerwise {
        Smooth "smooth" "The moving average" {
            notation: Notation::Call, operands: ["x"], parameters: [parameter("window", Domain::Odd(1, 999), Some(ParameterValue::Number(3.0)), "how many units, an odd number")],
            definition: "The mean over the window of units centred on each; at the ends the window is cut off.",
            latex: "\\operatorname{smooth}_{#window}(#1)", source: "arithmetic",
            example: "mean(score) |> smooth(window = 3) |> scale",
            stages: [], full: true,
        }
        CumulativeSum "cumsum" "The running sum" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The sum of the values up to and with each unit's own.",
            latex: "\\operatorname{cumsum}(#1)", source: "arithmetic",
            example: "cumsum(mean(score)) |> scale",
            stages: [], full: true,
        }
        Difference "diff" "The change from the unit before" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "x minus the value of the unit before; 0 for the first.",
            latex: "\\Delta(#1)", source: "arithmetic",
            example: "diff(mean(score)) |> scale",
            stages: [], full: true,
        }
        BlockMean "block_mean" "The mean over the units of a block" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean of the values of all units of the unit's block; x itself where each block is one unit. Of some projections: block_mean(attention * x) / block_mean(attention).",
            latex: "\\operatorname{blockmean}(#1)", source: "arithmetic",
            example: "unit projection\nmean(score) - block_mean(mean(score)) |> scale",
            stages: [], full: true,
        }
        Previous "previous" "The value in the block before" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The value of the same unit in the block before: of the block, or of the projection of the same kinds (of several of the same kinds, the one at the same place among them); x itself in the first block, and where the block before has no such projection.",
            latex: "\\operatorname{previous}(#1)", source: "arithmetic",
            example: "unit projection\nmean(score) - previous(mean(score)) |> scale",
            stages: [], full: true,
        }
        Next "next" "The value in the block after" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The value of the same unit in the block after: of the block, or of the projection of the same kinds (of several of the same kinds, the one at the same place among them); x itself in the last block, and where the block after has no such projection.",
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

    // Allocators: high importance keeps more.
    Allocator {
        Scale "scale" "Density that follows the importance within a window" {
            takes: Some(Type::Layer), notation: Notation::Call, operands: ["x"], parameters: [parameter("lambda", Domain::Real(0.0, 1.0), Some(ParameterValue::Number(0.08)), "half the width of the window of densities")],
            definition: "keep = 1 - T + 2 lambda (z - mean z), where z is minmax of the importance and its mean is weighted by parameters; then the exact budget, by a shift and clamp to [0, 1]. Equal importances give uniform.",
            latex: "\\operatorname{scale}_{\\lambda = #lambda}(#1)", source: "OWL, DLP and DSA, as coded (the papers say +-lambda)",
            example: "mean(score > 5 * mean(score)) |> scale(lambda = 0.08)",
            stages: [], full: true,
        }
        Rescale "rescale" "Sparsity in proportion to a factor in [1 - epsilon, 1 + epsilon]" {
            takes: Some(Type::Layer), notation: Notation::Call, operands: ["x"], parameters: [parameter("epsilon", Domain::Real(0.0, 1.0), Some(ParameterValue::Number(0.2)), "the greatest relative departure")],
            definition: "sparsity = eta (1 + epsilon - 2 epsilon z), where z is minmax of the importance and eta meets the budget; clamped to [0, 1]. Equal importances give uniform.",
            latex: "\\operatorname{rescale}_{\\epsilon = #epsilon}(#1)", source: "AlphaPruning, formula 3 (with the importance turned round)",
            example: "neg(alpha_hill(weight)) |> rescale(epsilon = 0.2)",
            stages: [], full: true,
        }
        Proportional "proportional" "Density in proportion to the importance" {
            takes: Some(Type::Layer), notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "density = eta x, at most 1, where eta meets the budget; a negative importance is an error; all 0 gives uniform.",
            latex: "\\operatorname{proportional}(#1)", source: "ER (Mocanu et al. 2018; RigL)",
            example: "unit projection\n(fan_in + fan_out) / (fan_in * fan_out) |> proportional",
            stages: [], full: true,
        }
        Ramp "ramp" "Sparsity that rises by beta from block to block" {
            takes: None, notation: Notation::Call, operands: [], parameters: [parameter("beta", Domain::Real(-1.0, 1.0), None, "the step between neighbouring blocks")],
            definition: "sparsity = T + beta (i - (L - 1) / 2) for block i of L, from 0; then the exact budget, by a shift and clamp to [0, 1].",
            latex: "\\operatorname{ramp}_{\\beta = #beta}", source: "ATP, formula 1",
            example: "ramp(beta = 0.01)",
            stages: [], full: true,
        }
        Uniform "uniform" "The target, everywhere" {
            takes: None, notation: Notation::Call, operands: [], parameters: [],
            definition: "sparsity = T.",
            latex: "\\operatorname{uniform}()", source: "wanda, magnitude",
            example: "uniform()",
            stages: [], full: true,
        }
        Global "global" "What one threshold over all units removes" {
            takes: Some(Type::Matrix), notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The round(T N) least values of all N are removed (ties: the earlier weight first), and each unit gets the share that it lost.",
            latex: "\\operatorname{global}(#1)", source: "magnitude pruning with one global threshold",
            example: "abs(weight) |> global",
            stages: [], full: true,
        }
    }

    // Terminals.
    Terminal {
        Score "score" "The saliency score that decides which weights go" {
            gives: Type::Matrix, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "The script's metric, else that of the pruning method (Wanda: abs(weight) * input_norm), from dense statistics.",
            latex: "A", source: "Wanda, formula 1",
            example: "mean(score) |> scale",
            stages: [], full: true,
        }
        Weight "weight" "The weight" {
            gives: Type::Matrix, notation: Notation::Name, operands: [], parameters: [],
            definition: "The weight as stored, widened exactly.",
            latex: "W", source: "the model",
            example: "mean(abs(weight)) |> scale",
            stages: [], full: true,
        }
        InputNorm "input_norm" "The norm of each input channel" {
            gives: Type::Input, notation: Notation::Name, operands: [], parameters: [],
            definition: "The root of the mean over samples of the sum over tokens of x squared: it grows with the window's length.",
            latex: "\\lVert X \\rVert_2", source: "Wanda, formula 1, as coded",
            example: "mean(abs(weight) * input_norm) |> scale",
            stages: [], full: true,
        }
        Gradient "gradient" "The root of the summed squared gradients" {
            gives: Type::Matrix, notation: Notation::Name, operands: [], parameters: [],
            definition: "The root of the sum over samples of the squared gradient of the loss; must have been collected.",
            latex: "G", source: "Pruner-Zero, section 3",
            example: "mean(abs(weight) * gradient) |> scale",
            stages: [], full: true,
        }
        HessianDiagonal "hessian_diag" "The diagonal of the Hessian of a linear's output error" {
            gives: Type::Input, notation: Notation::Name, operands: [], parameters: [],
            definition: "The diagonal of (2 / n) sum of x x^T over the n samples; must have been collected.",
            latex: "\\operatorname{diag}(H)", source: "SparseGPT, formula 2",
            example: "mean(weight ^ 2 * hessian_diag) |> scale",
            stages: [], full: true,
        }
        ReconstructionError "reconstruction_error" "The least error of a linear's output when half of each row is removed" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "LSA's greedy estimate for each linear, plain mean over the unit's linears; must have been collected.",
            latex: "E", source: "LSA, section 3",
            example: "reconstruction_error |> scale",
            stages: [], full: true,
        }
        Marginal "marginal" "What the loss rises by for each weight more that is pruned, at uniform sparsity" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "At the model pruned by the metric's scores to the target everywhere: the mean, over the weights within 2 % of the ranks on both sides of each row's threshold, of minus the gradient of KL(dense || pruned) with respect to a weight, times the dense weight; the mean over windows, and over the unit's linears by their weights. Nats for each weight; at an optimum all are equal. Must have been collected, at this target and metric; a formula that makes more of its sampling error than of what it says is warned of.",
            latex: "m", source: "first-order condition of the optimum; saliency at the pruned model as in FORCE (de Jorge et al. 2021)",
            example: "unit projection\nsqrt(relu(marginal)) |> scale(lambda = 0.2)",
            stages: [], full: true,
        }
        MarginalSlope "marginal_slope" "What the marginal rises by as the whole model is pruned further" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            needs: Need::Metric,
            definition: "The marginal at uniform sparsity T + h less that at T, over h, which is the smaller of 0.05 and (1 - T) / 2, window by window; then as `marginal`. It is the curvature of the loss along uniform sparsity: a unit's own, and what the others' pruning adds. Nats for each weight and unit of sparsity. Must have been collected, at this target and metric.",
            latex: "\\operatorname{slope}(m)", source: "a secant of the gradient; the diagonal alone is Optimal Brain Damage's (LeCun et al. 1990)",
            example: "unit projection\nranks(marginal + 0.02 * marginal_slope) |> scale",
            stages: [], full: true,
        }
        Depth "depth" "The place of the block, from 0 (first) to 1 (last)" {
            gives: Type::Layer, notation: Notation::Name, operands: [], parameters: [],
            definition: "The block's index over L - 1; 0 for a single block.",
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
        DsaLog "dsa::log" "ln(x + 1e-6), with 1 in the place of what is not positive" {
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
        DsaNormalize "dsa::normalize" "The distance from the mean in standard deviations, with n - 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "(x - mean) / std with n - 1 in the variance; 0 where that is NaN.",
            latex: "\\operatorname{zscore}(#1)", source: "DSA, released engine",
            example: "mean(dsa::normalize(score) > 2) |> scale",
            stages: [], full: false,
        }
        DsaMinMax "dsa::minmax" "The place between the least and the greatest value" {
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
            definition: "The sum of squared distances from the mean over n - 1: NaN for a single value.",
            latex: "\\operatorname{var}(#1)", source: "DSA, released engine",
            example: "dsa::var(abslog(score)) |> scale",
            stages: [], full: false,
        }
        DsaStandardDeviation "dsa::std" "The standard deviation, with n - 1" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The root of dsa::var.",
            latex: "\\operatorname{std}(#1)", source: "DSA, released engine",
            example: "dsa::std(score) |> scale",
            stages: [], full: false,
        }
        DsaEntropy "dsa::entropy" "The entropy of the values as unnormalised probabilities" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "Of the values p >= 0 over their sum: -sum of p ln(min(max(p, 2^-23), 1 - 2^-23)); NaN where there is none.",
            latex: "\\operatorname{H}(#1)", source: "DSA, released engine",
            example: "dsa::entropy(score) |> scale",
            stages: [], full: false,
        }
        DsaGeometricMean "dsa::geometric_mean" "The n-th root of the product, which leaves the range of f32 for all but small units" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The product of all values, 0 below 2^-149 and infinite from 2^128 on, to the power 1 / n; NaN for a negative product.",
            latex: "\\Bigl(\\prod #1\\Bigr)^{1/n}", source: "DSA, released engine",
            example: "dsa::sanitize(dsa::geometric_mean(score)) |> scale",
            stages: [], full: false,
        }
    }
    MatrixReduction {
        DsaGram "dsa::gram" "The mean entry of the Gram matrix of the rows" {
            notation: Notation::Call, operands: ["x"], parameters: [],
            definition: "The mean over all pairs of rows of their inner product.",
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
