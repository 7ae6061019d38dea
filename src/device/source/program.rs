//! A program as a function of one weight, and how a kernel finds the function's inputs.

use std::fmt::Write as _;

use super::fixed::PRELUDE;
use crate::interpret::matrix::{Act, Instruction, OperandSource, Program};
use crate::kernels::vector::{Binary, Unary};

/// Number of a linear's weights that a block processes.
pub(in crate::device) const PART: u64 = 1 << 16;
/// Number of words in a linear's row of the table in which a launch's blocks find theirs.
pub(in crate::device) const ROW: usize = 12;
/// Number of values that each block of a sample reads.
pub(in crate::device) const SAMPLE: u64 = 1024;

/// The parameters that every kernel of a program takes.
pub(super) const PARAMETERS: &str = "const void* const* weights, const void* const* gradients, const float* numbers, const float* ranks, const u32* table, u32 linears, const float* centres, u32 option, void* out";

/// The storage type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::device) enum Stored {
    F32,
    F16,
    Bf16,
}

impl Stored {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

/// The properties shared by a launch's linears, which their kernels are generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::device) struct Form {
    /// The type of the weights.
    pub(in crate::device) weight: Stored,
    /// The type of the gradients.
    pub(in crate::device) gradient: Stored,
    /// Whether all rows are whole vectors, so that a thread's next weights lie in one row and can be loaded
    /// at once.
    pub(in crate::device) whole_vectors: bool,
}

/// Starts a text: the prelude, and the function that computes a program's roots for one weight.
pub(super) fn begin(program: &Program) -> String {
    let sizes = format!("#define PART {PART}u\n#define ROW {ROW}\n#define SAMPLE {SAMPLE}");
    let mut text = [PRELUDE, &sizes, include_str!("../reduce.cu")].join("\n");
    text.push_str("\nstruct Values {\n");
    let roots = program.acts.iter().filter(|act| matches!(act, Act::Give(..))).count();
    for root in 0..roots {
        let _ = writeln!(text, "    float root{root};");
    }
    let takes = |name: char, count: usize| (0..count).map(move |place| format!(", float {name}{place}"));
    let parameters: String = takes('i', program.inputs.len())
        .chain(takes('o', program.outputs.len()))
        .chain(takes('s', program.scalars.len()))
        .chain(takes('k', program.ranks.len()))
        .collect();
    let _ = writeln!(
        text,
        "}};\n\n__device__ __forceinline__ Values compute(float w, float g{parameters}) {{\n    Values values;"
    );
    for register in 0..program.registers {
        let _ = writeln!(text, "    float r{register};");
    }
    for act in &program.acts {
        let _ = match act {
            Act::Give(root, from) => writeln!(text, "    values.root{root} = {};", source(*from)),
            Act::Compute(instruction, register) => {
                writeln!(text, "    r{register} = {};", value(instruction))
            }
        };
    }
    text.push_str("    return values;\n}\n\n");
    text
}

fn source(source: OperandSource) -> String {
    match source {
        OperandSource::Weight => "w".to_owned(),
        OperandSource::Register(register) => format!("r{register}"),
        OperandSource::Scalar(scalar) => format!("s{scalar}"),
        OperandSource::Input(input) => format!("i{input}"),
        OperandSource::Output(output) => format!("o{output}"),
    }
}

fn value(instruction: &Instruction) -> String {
    match *instruction {
        Instruction::Gradient => "g".to_owned(),
        Instruction::Ranks(place) => format!("k{place}"),
        Instruction::Unary(op, x) => format!("{}({})", unary(op), source(x)),
        Instruction::Binary(op, x, y) => format!("{}({}, {})", binary(op), source(x), source(y)),
        Instruction::Select(condition, x, y) => {
            format!("op_select({}, {}, {})", source(condition), source(x), source(y))
        }
    }
}

/// Returns whether a program reads gradients.
pub(in crate::device) fn reads_gradient(program: &Program) -> bool {
    program.acts.iter().any(|act| matches!(act, Act::Compute(Instruction::Gradient, _)))
}

/// Returns the code that finds a kernel's linear and the unit's scalars; `word` is the index of the linear's
/// first block in a row of the table.
pub(super) fn find_linear(program: &Program, word: usize) -> String {
    let mut text = format!(
        "    const Linear it = linear_of_block(weights, gradients, numbers, ranks, table, linears, {word});\n"
    );
    for scalar in 0..program.scalars.len() {
        let _ = writeln!(
            text,
            "    const float s{scalar} = it.numbers[{} * it.columns + {} * it.rows + {scalar}];",
            program.inputs.len(),
            program.outputs.len()
        );
    }
    text
}

/// Returns the call that computes the roots for one weight, at index `at`, in `row` and `column`.
pub(super) fn call_at(program: &Program, form: Form) -> String {
    let (inputs, outputs) = (program.inputs.len(), program.outputs.len());
    let mut arguments = vec![
        one(program.reads_weight, "it.weight", form.weight),
        one(reads_gradient(program), "it.gradient", form.gradient),
    ];
    arguments.extend((0..inputs).map(|input| format!("it.numbers[{input} * it.columns + column]")));
    arguments.extend(
        (0..outputs).map(|output| format!("it.numbers[{inputs} * it.columns + {output} * it.rows + row]")),
    );
    arguments.extend((0..program.scalars.len()).map(|scalar| format!("s{scalar}")));
    arguments.extend((0..program.ranks.len()).map(|place| format!("it.ranks[(u64){place} * it.n + at]")));
    format!("compute({})", arguments.join(", "))
}

fn one(reads: bool, name: &str, stored: Stored) -> String {
    match reads {
        true => format!("{}::one({name}, at)", stored.name()),
        // The value is not used.
        false => "0.0f".to_owned(),
    }
}

/// Returns the call that computes the roots for the `i`-th weight of a vector within one row: its weights are
/// in `w`, its gradients in `g`, the inputs' numbers in `in0` and so on, and the outputs' in `out0` and so
/// on.
pub(super) fn call_in_vector(program: &Program) -> String {
    let in_vector = |reads: bool, name: &str| match reads {
        true => format!("{name}.get(i)"),
        false => "0.0f".to_owned(),
    };
    let mut arguments = vec![in_vector(program.reads_weight, "w"), in_vector(reads_gradient(program), "g")];
    arguments.extend((0..program.inputs.len()).map(|input| format!("in{input}.get(i)")));
    arguments.extend((0..program.outputs.len()).map(|output| format!("out{output}")));
    arguments.extend((0..program.scalars.len()).map(|scalar| format!("s{scalar}")));
    arguments.extend((0..program.ranks.len()).map(|place| format!("it.ranks[(u64){place} * it.n + at + i]")));
    format!("compute({})", arguments.join(", "))
}

pub(super) const fn unary(op: Unary) -> &'static str {
    match op {
        Unary::Neg => "op_neg",
        Unary::Abs => "op_abs",
        Unary::Sqrt => "op_sqrt",
        Unary::Square => "op_square",
        Unary::Exp => "op_exp",
        Unary::Log => "op_log",
        Unary::AbsLog => "op_abs_log",
        Unary::Reciprocal => "op_reciprocal",
        Unary::Sigmoid => "op_sigmoid",
        Unary::Tanh => "op_tanh",
        Unary::Softplus => "op_softplus",
        Unary::Sin => "op_sin",
        Unary::Cos => "op_cos",
        Unary::Tan => "op_tan",
        Unary::Asin => "op_asin",
        Unary::Acos => "op_acos",
        Unary::Atan => "op_atan",
        Unary::Relu => "op_relu",
        Unary::DsaLog => "op_dsa_log",
        Unary::RawLog => "op_raw_log",
        Unary::RawAsin => "op_raw_asin",
        Unary::RawAcos => "op_raw_acos",
        Unary::Sanitize => "op_sanitize",
    }
}

pub(super) const fn binary(op: Binary) -> &'static str {
    match op {
        Binary::Add => "op_add",
        Binary::Sub => "op_sub",
        Binary::Mul => "op_mul",
        Binary::Div => "op_div",
        Binary::Power => "op_power",
        Binary::Minimum => "op_minimum",
        Binary::Maximum => "op_maximum",
        Binary::Less => "op_less",
        Binary::LessEqual => "op_less_equal",
        Binary::Greater => "op_greater",
        Binary::GreaterEqual => "op_greater_equal",
    }
}
