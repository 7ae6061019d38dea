//! The kernels that collect the numbers behind a round's reductions, in one read of the weights.
//!
//! A thread evaluates the program for one weight after another in registers and sums the tallies' terms: 32
//! weights in f32 before their sums are added in f64. Each block of threads writes its sums, and these are
//! added in the blocks' order, so a result is the same in every run, and independent of the launch's other
//! linears.

use std::fmt::Write as _;

use super::program::{Form, PARAMETERS, begin, call_at, call_in_vector, find_linear, reads_gradient, unary};
use crate::interpret::matrix::{Collecting, Program};
use crate::kernels::tally::Tally;

/// The maximum number of values that a launch collects: their totals, an f64 for each thread, share a block's
/// memory.
const MOST_NUMBERS: usize = 32;
/// The maximum number of tallies in a launch; a sample has two numbers for each.
const MOST_TALLIES: usize = 24;
/// Number of weights that a thread sums in f32.
const IN_SINGLES: usize = 32;
/// The maximum of instructions plus twice the sums in a short program. Twenty typical reductions stay below
/// it; eight weights at a time gave them more work while a special function is computed.
const SHORT: usize = 80;

/// How the numbers of two threads are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::device) enum Combine {
    Plus,
    Least,
    Most,
}

/// Returns what a tally collects: for each number, the function of a value, and how two numbers are combined.
///
/// `x` is the value, `d` its distance from the tally's centre.
pub(in crate::device) fn fields(tally: Tally) -> Vec<(String, Combine)> {
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

impl Combine {
    /// Returns the number that represents it in kernels.
    pub(in crate::device) const fn code(self) -> u32 {
        match self {
            Self::Plus => 0,
            Self::Least => 1,
            Self::Most => 2,
        }
    }

    pub(super) const fn start(self) -> &'static str {
        match self {
            Self::Plus => "0.0f",
            Self::Least => "__uint_as_float(0x7f800000u)",
            Self::Most => "__uint_as_float(0xff800000u)",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plus => "plus",
            Self::Least => "least_of",
            Self::Most => "most_of",
        }
    }
}

/// A number that a thread accumulates: its tally, the term for a value, and how terms are combined.
struct Field {
    tally: usize,
    term: String,
    combine: Combine,
}

/// Splits a round's tallies into pieces that fit into a launch.
pub(in crate::device) fn pieces(Collecting { tallies, takers }: &Collecting) -> Vec<Collecting> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    let mut numbers = 0;
    for (place, tally) in tallies.iter().enumerate() {
        let own = fields(*tally).len();
        numbers += own;
        match ranges.last_mut() {
            Some(last) if numbers <= MOST_NUMBERS && last.len() < MOST_TALLIES => last.end = place + 1,
            _ => {
                ranges.push(place..place + 1);
                numbers = own;
            }
        }
    }
    let piece = |range: std::ops::Range<usize>| Collecting {
        tallies: tallies[range.clone()].to_vec(),
        takers: takers
            .iter()
            .map(|of_root| {
                of_root
                    .iter()
                    .filter(|taker| range.contains(taker))
                    .map(|taker| taker - range.start)
                    .collect()
            })
            .collect(),
    };
    ranges.into_iter().map(piece).collect()
}

/// Returns the kernels that collect a round's tallies: `sample`, whose blocks read `SAMPLE` weights each, and
/// `collect`.
///
/// `sample` writes for each tally the sum of the values and of the terms' magnitudes; `collect` writes
/// [`fields`]. Both write f64, `[numbers, blocks]`.
pub(in crate::device) fn collecting(
    program: &Program,
    Collecting { tallies, takers }: &Collecting,
    form: Form,
) -> String {
    let mut takes = vec![0; tallies.len()];
    for (root, takers) in takers.iter().enumerate() {
        takers.iter().for_each(|taker| takes[*taker] = root);
    }
    let all: Vec<Field> = tallies
        .iter()
        .enumerate()
        .flat_map(|(tally, kind)| {
            fields(*kind).into_iter().map(move |(term, combine)| Field { tally, term, combine })
        })
        .collect();
    let mut text = begin(program);
    sums(&mut text, &all, tallies, &takes);
    let _ = writeln!(
        text,
        "extern \"C\" __global__ void collect({PARAMETERS}) {{
{}    const float* about = centres + it.unit * {};
    SHARED_BYTES(shared);
    Sums sums;
    sums.totals = (volatile double*)shared + threadIdx.x;
    sums.begin();
    u32 first = it.part * PART, end = it.n - first < PART ? it.n : first + PART;",
        find_linear(program, 0),
        tallies.len(),
    );
    match form.whole_vectors {
        true => by_vectors(&mut text, program, form, all.len()),
        false => one_by_one(&mut text, program, form),
    }
    let of_way = |way: Combine| -> u64 {
        all.iter().enumerate().map(|(number, field)| u64::from(field.combine == way) << number).sum()
    };
    let _ = writeln!(
        text,
        "    write_down((volatile double*)shared, {}, {:#x}ull, {:#x}ull, (double*)out);\n}}\n",
        all.len(),
        of_way(Combine::Least),
        of_way(Combine::Most),
    );
    sampling(&mut text, program, tallies, &takes, form);
    text
}

/// Processes a part's weights in vectors that lie within one row; the next vector is loaded while the current
/// one is processed.
fn by_vectors(text: &mut String, program: &Program, form: Form, fields: usize) {
    // A short program can use all that memory delivers at once; a long one should fit into the instruction
    // cache.
    let wide = if program.acts.len() + 2 * fields <= SHORT { 8 } else { 4 };
    let (reads_weight, reads_gradient) = (program.reads_weight, reads_gradient(program));
    let declare = |reads: bool, name: &str, stored: &str| match reads {
        true => format!("    Fetched{stored}<{wide}> {name}, next_{name};\n"),
        false => String::new(),
    };
    let fetch = |reads: bool, name: &str, from: &str| match reads {
        true => format!("next_{name}.at(it.{from}, at); "),
        false => String::new(),
    };
    let take = |reads: bool, name: &str| match reads {
        true => format!("{name} = next_{name}; "),
        false => String::new(),
    };
    let fetches = fetch(reads_weight, "w", "weight") + &fetch(reads_gradient, "g", "gradient");
    let inputs: String = (0..program.inputs.len())
        .map(|input| {
            format!(
                "            FetchedF32<{wide}> in{input}; in{input}.at(it.numbers, {input} * it.columns + column);\n"
            )
        })
        .collect();
    let outputs: String = (0..program.outputs.len())
        .map(|output| {
            let before = program.inputs.len();
            format!(
                "            float out{output} = it.numbers[{before} * it.columns + {output} * it.rows + row];\n"
            )
        })
        .collect();
    let _ = writeln!(
        text,
        "{}{}    const u32 step = THREADS * {wide}, rows_on = step / it.columns, columns_on = step % it.columns;
    u32 at = first + threadIdx.x * {wide}, row = at / it.columns, column = at % it.columns;
    if (at < end) {{ {fetches}}}
    while (at < end) {{
        sums.open();
        #pragma unroll 1
        for (int vector = 0; vector < {}; vector++) {{
            {}{}
            at += step;
            if (at < end) {{ {fetches}}}
            at -= step;
{inputs}{outputs}            #pragma unroll
            for (int i = 0; i < {wide}; i++) sums.add({}, about);
            at += step;
            row += rows_on;
            column += columns_on;
            if (column >= it.columns) {{ column -= it.columns; row++; }}
            if (at >= end) break;
        }}
        sums.close();
    }}",
        declare(reads_weight, "w", form.weight.name()),
        declare(reads_gradient, "g", form.gradient.name()),
        IN_SINGLES / wide,
        take(reads_weight, "w"),
        take(reads_gradient, "g"),
        call_in_vector(program),
    );
}

/// Processes a part's weights if rows are not a whole number of vectors.
fn one_by_one(text: &mut String, program: &Program, form: Form) {
    let _ = writeln!(
        text,
        "    u32 at = first + threadIdx.x;
    while (at < end) {{
        sums.open();
        #pragma unroll 1
        for (int number = 0; number < {IN_SINGLES} && at < end; number++, at += THREADS) {{
            u32 row = at / it.columns, column = at % it.columns;
            sums.add({}, about);
        }}
        sums.close();
    }}",
        call_at(program, form),
    );
}

/// Writes the struct of a thread's accumulators: its numbers, their initial values, and the update for a
/// value; `takes` maps each tally to the root whose values it takes.
fn sums(text: &mut String, fields: &[Field], tallies: &[Tally], takes: &[usize]) {
    // Totals lie in shared memory because registers limit the number of threads; `volatile` keeps the
    // compiler from moving them into registers anyway.
    text.push_str("struct Sums {\n    volatile double* totals;\n");
    for number in 0..fields.len() {
        let _ = writeln!(text, "    float part{number};");
    }
    text.push_str("    __device__ __forceinline__ void begin() {\n");
    for (number, field) in fields.iter().enumerate() {
        let _ = writeln!(text, "        totals[{number} * THREADS] = {};", field.combine.start());
    }
    text.push_str("    }\n    __device__ __forceinline__ void open() {\n");
    for (number, field) in fields.iter().enumerate() {
        let _ = writeln!(text, "        part{number} = {};", field.combine.start());
    }
    text.push_str("    }\n    __device__ __forceinline__ void close() {\n");
    for (number, field) in fields.iter().enumerate() {
        let with = field.combine.name();
        let _ = writeln!(
            text,
            "        totals[{number} * THREADS] = {with}(totals[{number} * THREADS], (double)part{number});"
        );
    }
    text.push_str(
        "    }\n    __device__ __forceinline__ void add(const Values& values, const float* about) {\n",
    );
    for (number, field) in fields.iter().enumerate() {
        if number == 0 || fields[number - 1].tally != field.tally {
            let _ = writeln!(text, "        {{\n            float x = values.root{};", takes[field.tally]);
            if tallies[field.tally].needs_centre() {
                let _ = writeln!(text, "            float d = x - about[{}];", field.tally);
            }
        }
        let term = &field.term;
        let _ = match field.combine {
            Combine::Plus => match term.strip_prefix("d * ") {
                // A fused product and sum is rounded once.
                Some(factor) => writeln!(text, "            part{number} = fmaf(d, {factor}, part{number});"),
                None => writeln!(text, "            part{number} += {term};"),
            },
            Combine::Least => writeln!(text, "            part{number} = lesser(part{number}, {term});"),
            Combine::Most => writeln!(text, "            part{number} = larger(part{number}, {term});"),
        };
        if fields.get(number + 1).is_none_or(|next| next.tally != field.tally) {
            text.push_str("        }\n");
        }
    }
    text.push_str("    }\n};\n\n");
}

/// Writes the kernel that reads a sample: `SAMPLE` weights for each block, with the spacing given by the
/// linear's row of the table.
fn sampling(text: &mut String, program: &Program, tallies: &[Tally], takes: &[usize], form: Form) {
    let _ =
        writeln!(text, "extern \"C\" __global__ void sample({PARAMETERS}) {{\n{}", find_linear(program, 1));
    for tally in 0..tallies.len() {
        let _ = writeln!(text, "    double value{tally} = 0.0, size{tally} = 0.0;");
    }
    let _ = writeln!(
        text,
        "    u32 first = it.part * it.sample_step, end = it.n - first < SAMPLE ? it.n : first + SAMPLE;
    for (u32 at = first + threadIdx.x; at < end; at += THREADS) {{
        u32 row = at / it.columns, column = at % it.columns;
        Values values = {};",
        call_at(program, form),
    );
    for (tally, kind) in tallies.iter().enumerate() {
        let term = match kind {
            Tally::Sum(Some(op)) => format!("{}(x)", unary(*op)),
            _ => "x".to_owned(),
        };
        let _ = writeln!(
            text,
            "        {{ float x = values.root{}; value{tally} += x; size{tally} += fabsf({term}); }}",
            takes[tally]
        );
    }
    text.push_str("    }\n    SHARED_BYTES(shared);\n    volatile double* own = (volatile double*)shared + threadIdx.x;\n");
    for tally in 0..tallies.len() {
        let _ = writeln!(
            text,
            "    own[{} * THREADS] = value{tally};\n    own[{} * THREADS] = size{tally};",
            2 * tally,
            2 * tally + 1
        );
    }
    let _ = writeln!(
        text,
        "    write_down((volatile double*)shared, {}, 0, 0, (double*)out);\n}}",
        2 * tallies.len()
    );
}
