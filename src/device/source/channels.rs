//! The kernels that reduce a matrix along its channels.

use std::fmt::Write as _;

use super::collecting::{Combine, fields};
use super::fixed::PRELUDE;
use crate::kernels::tally::Tally;

/// Returns the kernels that collect a tally of f32 values `[rows, columns]`: `rows` collects in each row,
/// with one row at a time in a block, and `columns` in each column, with 32 columns in a block.
///
/// Both write f64, `[channels, 1 + numbers]`: the centre of powers, then [`fields`].
pub(in crate::device) fn channels(tally: Tally) -> String {
    let mut text = PRELUDE.to_owned();
    text.push_str(
        "
// Combines the numbers of the eight threads that work on a column; each of them gets the result.
template <double (*COMBINE)(double, double)>
__device__ __forceinline__ double of_column(double value, double* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    double all = shared[threadIdx.x % 32];
    for (u32 lane = 1; lane < THREADS / 32; lane++) all = COMBINE(all, shared[lane * 32 + threadIdx.x % 32]);
    __syncthreads();
    return all;
}
",
    );
    text += &kernel(
        tally,
        "rows",
        "of_block",
        "for (u32 channel = blockIdx.x; channel < rows; channel += gridDim.x) {
        const float* own = values + (u64)channel * columns;
        const u32 first = threadIdx.x, count = columns, step = THREADS;
        const u64 apart = 1;
        const bool writes = threadIdx.x == 0;",
    );
    text += &kernel(
        tally,
        "columns",
        "of_column",
        "for (u32 start = blockIdx.x * 32; start < columns; start += gridDim.x * 32) {
        const u32 channel = start + threadIdx.x % 32;
        const float* own = values + channel;
        const u32 first = threadIdx.x / 32, count = channel < columns ? rows : 0, step = THREADS / 32;
        const u64 apart = columns;
        const bool writes = threadIdx.x < 32 && channel < columns;",
    );
    text
}

/// Returns a kernel that iterates over channels as in `each`, and combines its threads' numbers with
/// `gather`.
fn kernel(tally: Tally, name: &str, gather: &str, each: &str) -> String {
    let fields = fields(tally);
    let mut text = format!(
        "extern \"C\" __global__ void {name}(const float* values, u32 rows, u32 columns, void* out) {{
    __shared__ double shared[THREADS];
    {each}
        double* to = (double*)out + (u64)channel * {};
        float about = 0.0f;\n",
        fields.len() + 1
    );
    if tally.needs_centre() {
        let _ = writeln!(
            text,
            "        double sum = 0.0;
        for (u32 at = first; at < count; at += step) sum += (double)own[at * apart];
        sum = {gather}<plus>(sum, shared);
        if (!isinf(sum) && sum == sum && count > 0) about = (float)(sum / (double)count);"
        );
    }
    for (number, (_, combine)) in fields.iter().enumerate() {
        let _ = writeln!(text, "        double part{number} = {};", combine.start());
    }
    text.push_str(
        "        for (u32 at = first; at < count; at += step) {\n            float x = own[at * apart], d = x - about;\n",
    );
    for (number, (term, combine)) in fields.iter().enumerate() {
        let term = match combine {
            // A power's factors are f32, and their product is f64.
            Combine::Plus => term.replace("d * d", "(double)d * d"),
            Combine::Least | Combine::Most => term.clone(),
        };
        let with = combine.name();
        let _ = writeln!(text, "            part{number} = {with}(part{number}, (double)({term}));");
    }
    text.push_str("        }\n");
    for (number, (_, combine)) in fields.iter().enumerate() {
        let _ = writeln!(
            text,
            "        part{number} = {gather}<{}>(part{number}, shared);\n        if (writes) to[{}] = part{number};",
            combine.name(),
            number + 1
        );
    }
    text.push_str("        if (writes) to[0] = (double)about;\n    }\n}\n\n");
    text
}
