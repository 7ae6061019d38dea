//! Kernels whose text is the same for all programs.

/// What all kernels are made of.
pub(super) const PRELUDE: &str = include_str!("../prelude.cu");

/// Returns the kernels that select, which are the same for all programs.
pub(in crate::device) fn selecting() -> String {
    [PRELUDE, include_str!("../select.cu")].join("\n")
}

/// Returns the kernels between a decoder's products, for numbers of a type of the prelude.
pub(in crate::device) fn layers(stored: &str) -> String {
    format!("{PRELUDE}\ntypedef {stored} T;\n{}", include_str!("../layers.cu"))
}

/// Returns the kernels of the way back through what stands between a decoder's products, for numbers of a type of the prelude.
pub(in crate::device) fn slopes(stored: &str) -> String {
    format!("{PRELUDE}\ntypedef {stored} T;\n{}", include_str!("../slopes.cu"))
}

/// Returns the kernels of attention for heads of a size.
pub(in crate::device) fn attention(head: usize) -> String {
    format!("{PRELUDE}\n#define HEAD {head}\n{}", include_str!("../attention.cu"))
}

/// Returns the kernels that make one number for each unit of what blocks wrote.
pub(in crate::device) fn folding() -> String {
    [PRELUDE, include_str!("../fold.cu")].join("\n")
}
