//! The kernels that write a program's values, or count them.

use super::program::{Form, PARAMETERS, begin, call_at, find_linear};
use crate::interpret::matrix::Program;

/// Returns the kernels of a program with one root: `fill` writes its values, `histogram` counts them by one
/// half of their bits (65536 whole numbers, and a flag for NaN), and `against` counts those below and at a
/// threshold (two f64 for each block).
///
/// `option` is, for `histogram`, 65536 or the upper half whose lower halves are counted; for `against`, the
/// threshold's bits.
pub(in crate::device) fn of_values(program: &Program, form: Form) -> String {
    let mut text = begin(program);
    let (find, call) = (find_linear(program, 0), call_at(program, form));
    let kernel = |name: &str, before: &str, each: &str, after: &str| {
        format!(
            "extern \"C\" __global__ void {name}({PARAMETERS}) {{
    {before}
{find}
    u32 first = it.part * PART, end = it.n - first < PART ? it.n : first + PART;
    for (u32 at = first + threadIdx.x; at < end; at += THREADS) {{
        u32 row = at / it.columns, column = at % it.columns;
        float x = {call}.root0;
        {each}
    }}
    {after}
}}\n"
        )
    };
    text += &kernel("fill", "float* values = (float*)out;", "values[it.out + at] = x;", "");
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
