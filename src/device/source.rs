//! The kernels of a program, as text: one read of the weights for all that a round collects.
//!
//! A kernel computes the program's instructions for one weight after another in registers, as the processor does chunk by
//! chunk, and adds up what the tallies want: eight weights at a time in singles, 32 before they are added to doubles. Each
//! block of threads writes its sums down; the host adds them in the blocks' order, so a result is the same in every run.

use std::fmt::Write as _;

use crate::interpret::matrix::{Act, Collecting, Instruction, OperandSource, Program};
use crate::kernels::tally::Tally;
use crate::kernels::vector::{Binary, Unary};

/// What all kernels are made of.
const PRELUDE: &str = include_str!("prelude.cu");

/// The parameters that every kernel of a program takes.
const PARAMETERS: &str = "const void* weight, const void* gradient, const float* numbers, const float* ranks, u32 rows, u32 columns, const float* centres, u32 option, void* out";

/// The type in which numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    F32,
    F16,
    Bf16,
}

impl Stored {
    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

/// How a tally's numbers of two threads become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Combine {
    Plus,
    Least,
    Most,
}

/// Returns what a tally collects: for each number the function of a value, and how two of them become one.
///
/// `x` is the value, `d` its distance from the tally's centre.
pub(super) fn fields(tally: Tally) -> Vec<(String, Combine)> {
    let plus = |terms: &[&str]| terms.iter().map(|term| ((*term).to_owned(), Combine::Plus)).collect();
    match tally {
        Tally::Sum(None) => plus(&["x"]),
        Tally::Sum(Some(op)) => vec![(format!("{}(x)", unary(op)), Combine::Plus)],
        Tally::Moments => plus(&["d", "d * d"]),
        Tally::HighMoments => plus(&["d", "d * d", "d * d * d", "d * d * (d * d)"]),
        Tally::Extremes => {
            vec![("x".to_owned(), Combine::Least), ("x".to_owned(), Combine::Most)]
        }
        Tally::Entropy => plus(&["x_log_x(x)"]),
        Tally::NotNegative => plus(&["not_negative(x)"]),
        Tally::Probabilities => plus(&["probability(x)", "(x >= 0.0f ? 1.0f : 0.0f)"]),
        Tally::Factors => plus(&["factor(x)", "(x < 0.0f ? 1.0f : 0.0f)", "(x == 0.0f ? 1.0f : 0.0f)"]),
    }
}

/// Returns the kernels that collect a round's tallies: `sample`, whose blocks look at 1024 weights each, and `collect`.
///
/// `sample` writes for each tally the sum of the values and of the terms' magnitudes; `collect` writes [`fields`]. Both write
/// doubles, `[numbers, blocks]`.
pub(super) fn collecting(
    program: &Program,
    Collecting { tallies, takers }: &Collecting,
    stored: (Stored, Stored),
) -> String {
    let mut text = begin(program);
    let mut takes = vec![0; tallies.len()];
    for (root, takers) in takers.iter().enumerate() {
        takers.iter().for_each(|taker| takes[*taker] = root);
    }
    // What a thread adds up, before and after it becomes doubles.
    let all: Vec<(usize, String, Combine)> = tallies
        .iter()
        .enumerate()
        .flat_map(|(place, tally)| {
            fields(*tally).into_iter().map(move |(term, combine)| (place, term, combine))
        })
        .collect();
    sums(&mut text, &all, tallies, &takes);
    going_through(&mut text, program, stored);
    for (field, (_, _, combine)) in all.iter().enumerate() {
        let with = combine_name(*combine);
        let _ = writeln!(
            text,
            "    {{ double total = of_block<{with}>(sums.total{field}, shared); if (threadIdx.x == 0) results[{field} * gridDim.x + blockIdx.x] = total; }}"
        );
    }
    text.push_str("}\n\n");
    sampling(&mut text, program, tallies, &takes, stored);
    let combines: Vec<Combine> = all.iter().map(|(_, _, combine)| *combine).collect();
    folding(&mut text, "fold", &combines);
    folding(&mut text, "fold_sample", &vec![Combine::Plus; 2 * tallies.len()]);
    text
}

/// Begins the kernel that collects: a thread goes through its weights, and has their sums when this ends.
fn going_through(text: &mut String, program: &Program, stored: (Stored, Stored)) {
    let _ = writeln!(
        text,
        "extern \"C\" __global__ void collect({PARAMETERS}) {{
    __shared__ double shared[THREADS];
    Sums sums;
    sums.begin();
    u64 n = (u64)rows * columns, step = (u64)gridDim.x * THREADS * VECTOR;
    u64 at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    float w[VECTOR], g[VECTOR];
    if (at + VECTOR <= n) {{
        {load_weight}
        {load_gradient}
    }}
    while (at < n) {{
        sums.open();
        #pragma unroll 1
        for (int group = 0; group < GROUP && at < n; group++) {{
            u32 row = (u32)(at / columns), column = (u32)(at % columns);
            u64 here = at;
            at += step;
            if (here + VECTOR <= n) {{
                float now_w[VECTOR], now_g[VECTOR];
                #pragma unroll
                for (int i = 0; i < VECTOR; i++) {{ now_w[i] = w[i]; now_g[i] = g[i]; }}
                // What comes next is fetched while this is computed.
                if (at + VECTOR <= n) {{
                    {load_weight}
                    {load_gradient}
                }}
                // Two at a time, and the rest moves up: the loop is short enough for the cache of instructions.
                #pragma unroll 1
                for (int i = 0; i < VECTOR; i += 2) {{
                    #pragma unroll
                    for (int j = 0; j < 2; j++) {{
                        sums.add(compute(now_w[j], now_g[j], here + i + j, row, column, n, numbers, ranks, rows, columns), centres);
                        if (++column == columns) {{ column = 0; row++; }}
                    }}
                    #pragma unroll
                    for (int j = 0; j + 2 < VECTOR; j++) {{ now_w[j] = now_w[j + 2]; now_g[j] = now_g[j + 2]; }}
                }}
            }} else {{
                for (; here < n; here++) {{
                    sums.add(compute({one_weight}, {one_gradient}, here, row, column, n, numbers, ranks, rows, columns), centres);
                    if (++column == columns) {{ column = 0; row++; }}
                }}
            }}
        }}
        sums.close();
    }}
    double* results = (double*)out;",
        load_weight = load(program.reads_weight, "weight", "w", stored.0),
        load_gradient = load(reads_gradient(program), "gradient", "g", stored.1),
        one_weight = one(program.reads_weight, "weight", stored.0, "here"),
        one_gradient = one(reads_gradient(program), "gradient", stored.1, "here"),
    );
}

/// Writes the kernel that makes one number of those that blocks wrote, `[numbers, blocks]`; a block takes one of the numbers.
fn folding(text: &mut String, name: &str, combines: &[Combine]) {
    let _ = writeln!(
        text,
        "extern \"C\" __global__ void {name}(const double* parts, u32 blocks, void* out) {{
    __shared__ double shared[THREADS];
    const double* own = parts + (u64)blockIdx.x * blocks;
    double* results = (double*)out;
    switch (blockIdx.x) {{"
    );
    for (place, combine) in combines.iter().enumerate() {
        let (with, start) = (combine_name(*combine), start_of(*combine));
        let _ = writeln!(
            text,
            "    case {place}: {{
        double total = {start};
        for (u32 block = threadIdx.x; block < blocks; block += THREADS) total = {with}(total, own[block]);
        total = of_block<{with}>(total, shared);
        if (threadIdx.x == 0) results[{place}] = total;
        break;
    }}"
        );
    }
    text.push_str("    }\n}\n\n");
}

/// Writes what a thread adds up: its numbers, how they begin, and what becomes of a value; `takes` says of which root each tally
/// takes the values.
fn sums(text: &mut String, fields: &[(usize, String, Combine)], tallies: &[Tally], takes: &[usize]) {
    text.push_str("struct Sums {\n");
    for field in 0..fields.len() {
        let _ = writeln!(text, "    float part{field};\n    double total{field};");
    }
    text.push_str("    __device__ __forceinline__ void begin() {\n");
    for (field, (_, _, combine)) in fields.iter().enumerate() {
        let _ = writeln!(text, "        total{field} = {};", start_of(*combine));
    }
    text.push_str("    }\n    __device__ __forceinline__ void open() {\n");
    for (field, (_, _, combine)) in fields.iter().enumerate() {
        let _ = writeln!(text, "        part{field} = {};", start_of(*combine));
    }
    text.push_str("    }\n    __device__ __forceinline__ void close() {\n");
    for (field, (_, _, combine)) in fields.iter().enumerate() {
        let with = combine_name(*combine);
        let _ = writeln!(text, "        total{field} = {with}(total{field}, (double)part{field});");
    }
    text.push_str(
        "    }\n    __device__ __forceinline__ void add(const Values& values, const float* centres) {\n",
    );
    let mut last = usize::MAX;
    for (field, (place, term, combine)) in fields.iter().enumerate() {
        if *place != last {
            if last != usize::MAX {
                text.push_str("        }\n");
            }
            let _ = writeln!(text, "        {{\n            float x = values.root{};", takes[*place]);
            if tallies[*place].needs_centre() {
                let _ = writeln!(text, "            float d = x - centres[{place}];");
            }
            last = *place;
        }
        let _ = match combine {
            Combine::Plus => match term.strip_prefix("d * ") {
                // A product that is added is rounded once.
                Some(factor) => writeln!(text, "            part{field} = fmaf(d, {factor}, part{field});"),
                None => writeln!(text, "            part{field} += {term};"),
            },
            Combine::Least => writeln!(text, "            part{field} = lesser(part{field}, {term});"),
            Combine::Most => writeln!(text, "            part{field} = larger(part{field}, {term});"),
        };
    }
    if last != usize::MAX {
        text.push_str("        }\n");
    }
    text.push_str("    }\n};\n\n");
}

/// Writes the kernel that looks at a sample: 1024 weights a block, `option` weights apart.
fn sampling(
    text: &mut String,
    program: &Program,
    tallies: &[Tally],
    takes: &[usize],
    stored: (Stored, Stored),
) {
    let _ = writeln!(
        text,
        "extern \"C\" __global__ void sample({PARAMETERS}) {{
    __shared__ double shared[THREADS];"
    );
    for place in 0..tallies.len() {
        let _ = writeln!(text, "    double value{place} = 0.0, size{place} = 0.0;");
    }
    let _ = writeln!(
        text,
        "    u64 n = (u64)rows * columns, first = (u64)blockIdx.x * option;
    u64 end = first + 1024 < n ? first + 1024 : n;
    for (u64 at = first + threadIdx.x; at < end; at += THREADS) {{
        u32 row = (u32)(at / columns), column = (u32)(at % columns);
        Values values = compute({}, {}, at, row, column, n, numbers, ranks, rows, columns);",
        one(program.reads_weight, "weight", stored.0, "at"),
        one(reads_gradient(program), "gradient", stored.1, "at"),
    );
    for (place, tally) in tallies.iter().enumerate() {
        let term = match tally {
            Tally::Sum(Some(op)) => format!("{}(x)", unary(*op)),
            _ => "x".to_owned(),
        };
        let _ = writeln!(
            text,
            "        {{ float x = values.root{}; value{place} += x; size{place} += fabsf({term}); }}",
            takes[place]
        );
    }
    text.push_str("    }\n    double* results = (double*)out;\n");
    for place in 0..tallies.len() {
        for (which, name) in ["value", "size"].iter().enumerate() {
            let field = 2 * place + which;
            let _ = writeln!(
                text,
                "    {{ double total = of_block<plus>({name}{place}, shared); if (threadIdx.x == 0) results[{field} * gridDim.x + blockIdx.x] = total; }}"
            );
        }
    }
    text.push_str("}\n");
}

/// Returns the kernels of a program with one root: `fill` writes its values, `histogram` counts them by a half of their bits
/// (65536 whole numbers, and whether one is NaN), and `against` counts those below and at a threshold (two of 64 bits).
///
/// `option` is, for `histogram`, 65536 or the upper half that is looked into; for `against`, the threshold's bits.
pub(super) fn of_values(program: &Program, stored: (Stored, Stored)) -> String {
    let mut text = begin(program);
    let weight = one(program.reads_weight, "weight", stored.0, "at");
    let gradient = one(reads_gradient(program), "gradient", stored.1, "at");
    let kernel = |name: &str, before: &str, each: &str, after: &str| {
        format!(
            "extern \"C\" __global__ void {name}({PARAMETERS}) {{
    {before}
    u64 n = (u64)rows * columns, step = (u64)gridDim.x * THREADS;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < n; at += step) {{
        u32 row = (u32)(at / columns), column = (u32)(at % columns);
        float x = compute({weight}, {gradient}, at, row, column, n, numbers, ranks, rows, columns).root0;
        {each}
    }}
    {after}
}}\n"
        )
    };
    text += &kernel("fill", "float* values = (float*)out;", "values[at] = x;", "");
    text += &kernel(
        "histogram",
        "u32* counts = (u32*)out;",
        "u32 bits = ordered_bits(x);
        if (is_nan(x)) counts[65536] = 1;
        if (option == 65536) atomicAdd(&counts[bits >> 16], 1u);
        else if (bits >> 16 == option) atomicAdd(&counts[bits & 0xffffu], 1u);",
        "",
    );
    text += &kernel(
        "against",
        "__shared__ double shared[THREADS]; double below = 0.0, equal = 0.0; float threshold = __uint_as_float(option); double* results = (double*)out;",
        "below += x < threshold; equal += x == threshold;",
        "below = of_block<plus>(below, shared); equal = of_block<plus>(equal, shared);
    if (threadIdx.x == 0) { results[blockIdx.x] = below; results[gridDim.x + blockIdx.x] = equal; }",
    );
    text
}

/// Returns the kernels that select, which are the same for all programs.
pub(super) fn selecting() -> String {
    [PRELUDE, include_str!("select.cu")].join("\n")
}

/// Returns the kernels between a decoder's products, for numbers of a type of the prelude.
pub(super) fn layers(stored: &str) -> String {
    format!("{PRELUDE}\ntypedef {stored} T;\n{}", include_str!("layers.cu"))
}

/// Returns the kernels of attention for heads of a size.
pub(super) fn attention(head: usize) -> String {
    format!("{PRELUDE}\n#define HEAD {head}\n{}", include_str!("attention.cu"))
}

/// Begins a text: the prelude, and the function that computes a program's roots for one weight.
fn begin(program: &Program) -> String {
    let mut text = PRELUDE.to_owned();
    text.push_str("\nstruct Values {\n");
    let roots = program.acts.iter().filter(|act| matches!(act, Act::Give(..))).count();
    for root in 0..roots {
        let _ = writeln!(text, "    float root{root};");
    }
    text.push_str(
        "};\n\n__device__ __forceinline__ Values compute(float w, float g, u64 at, u32 row, u32 column, u64 n, const float* numbers, const float* ranks, u32 rows, u32 columns) {\n    Values values;\n",
    );
    for register in 0..program.registers {
        let _ = writeln!(text, "    float r{register};");
    }
    let source = |source: &OperandSource| match source {
        OperandSource::Weight => "w".to_owned(),
        OperandSource::Register(register) => format!("r{register}"),
        OperandSource::Scalar(scalar) => format!("numbers[{scalar}]"),
        OperandSource::Input(input) => {
            format!("numbers[{} + (u64){input} * columns + column]", program.scalars.len())
        }
        OperandSource::Output(output) => format!(
            "numbers[{} + (u64){} * columns + (u64){output} * rows + row]",
            program.scalars.len(),
            program.inputs.len()
        ),
    };
    for act in &program.acts {
        let _ = match act {
            Act::Give(root, from) => writeln!(text, "    values.root{root} = {};", source(from)),
            Act::Compute(instruction, register) => {
                let value = match instruction {
                    Instruction::Gradient => "g".to_owned(),
                    Instruction::Ranks(place) => format!("ranks[(u64){place} * n + at]"),
                    Instruction::Unary(op, x) => format!("{}({})", unary(*op), source(x)),
                    Instruction::Binary(op, x, y) => {
                        format!("{}({}, {})", binary(*op), source(x), source(y))
                    }
                    Instruction::Select(condition, x, y) => {
                        format!("op_select({}, {}, {})", source(condition), source(x), source(y))
                    }
                };
                writeln!(text, "    r{register} = {value};")
            }
        };
    }
    text.push_str("    return values;\n}\n\n");
    text
}

/// Returns whether a program reads gradients.
pub(super) fn reads_gradient(program: &Program) -> bool {
    program.acts.iter().any(|act| matches!(act, Act::Compute(Instruction::Gradient, _)))
}

fn load(reads: bool, name: &str, into: &str, stored: Stored) -> String {
    match reads {
        true => format!("{}::vector({name}, at, {into});", stored.name()),
        // Nobody looks at it.
        false => format!("for (int i = 0; i < VECTOR; i++) {into}[i] = 0.0f;"),
    }
}

fn one(reads: bool, name: &str, stored: Stored, at: &str) -> String {
    match reads {
        true => format!("{}::one({name}, {at})", stored.name()),
        false => "0.0f".to_owned(),
    }
}

const fn start_of(combine: Combine) -> &'static str {
    match combine {
        Combine::Plus => "0.0f",
        Combine::Least => "__uint_as_float(0x7f800000u)",
        Combine::Most => "__uint_as_float(0xff800000u)",
    }
}

const fn combine_name(combine: Combine) -> &'static str {
    match combine {
        Combine::Plus => "plus",
        Combine::Least => "least_of",
        Combine::Most => "most_of",
    }
}

const fn unary(op: Unary) -> &'static str {
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

const fn binary(op: Binary) -> &'static str {
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
