//! Kernels whose text is the same for all programs.

/// The shared prelude of all kernels.
pub(super) const PRELUDE: &str = include_str!("../prelude.cu");

/// Returns the selection kernels, which are the same for all programs.
pub(in crate::device) fn selecting() -> String {
    [PRELUDE, include_str!("../select.cu")].join("\n")
}

/// Returns the kernels between a decoder's products, for a number type of the prelude.
pub(in crate::device) fn layers(stored: &str) -> String {
    format!("{PRELUDE}\ntypedef {stored} T;\n{}", include_str!("../layers.cu"))
}

/// Returns the backward kernels between a decoder's products, for a number type of the prelude.
pub(in crate::device) fn slopes(stored: &str) -> String {
    format!("{PRELUDE}\ntypedef {stored} T;\n{}", include_str!("../slopes.cu"))
}

/// Returns the attention kernels for a head size.
pub(in crate::device) fn attention(head: usize) -> String {
    format!("{PRELUDE}\n#define HEAD {head}\n{}", include_str!("../attention.cu"))
}

/// Returns the kernels that fold the blocks' results into one number for each unit.
pub(in crate::device) fn folding() -> String {
    [PRELUDE, include_str!("../fold.cu")].join("\n")
}
