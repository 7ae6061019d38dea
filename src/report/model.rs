//! The contents of a model's folder, as text for people.

use super::number::{bytes, grouped, percent};
use crate::model::ModelSummary;

/// Returns the summary of a model as text: one fact per line, then the projections of a block.
pub fn summary(summary: &ModelSummary) -> String {
    let types: Vec<String> =
        summary.bytes_by_type.iter().map(|(name, size)| format!("{name} {}", bytes(*size))).collect();
    let zeros = summary.zeros as f64 / summary.block_parameters.max(1) as f64;
    let files = if summary.files == 1 { "1 file".to_owned() } else { format!("{} files", summary.files) };
    let tied = if summary.tied { "tied to the input's" } else { "its own" };
    let facts = [
        ("architecture", format!("{} (model_type {})", summary.architecture, summary.model_type)),
        ("blocks", format!("{} of width {}", summary.blocks, summary.hidden)),
        (
            "attention",
            format!(
                "{} heads of width {}, {} for keys and values",
                summary.heads, summary.head_size, summary.key_value_heads
            ),
        ),
        ("MLP", format!("width {}", summary.intermediate)),
        (
            "vocabulary",
            format!("{} tokens, the output embedding is {tied}", grouped(summary.vocabulary as u64)),
        ),
        ("context", format!("{} tokens", grouped(summary.positions as u64))),
        (
            "parameters",
            format!(
                "{}, {} of them prunable",
                grouped(summary.parameters),
                grouped(summary.block_parameters)
            ),
        ),
        ("zeros", format!("{} of the prunable ones", percent(zeros, 2))),
        ("stored", format!("{} in {files}: {}", bytes(summary.bytes), types.join(", "))),
        (
            "in memory",
            format!(
                "{} as f32; {} for one block at a time",
                bytes(summary.resident_bytes),
                bytes(summary.block_bytes)
            ),
        ),
        ("texts", texts(summary)),
        ("fingerprint", summary.fingerprint.clone()),
    ];
    let mut out = String::new();
    for (name, fact) in facts {
        out.push_str(&format!("{name:<13}{fact}\n"));
    }
    out.push_str(&format!(
        "units        {} blocks, or {} projections\n",
        summary.blocks,
        grouped(summary.linears.len() as u64)
    ));
    let odd: Vec<_> = summary.warnings.iter().filter(|it| !it.names.is_empty()).collect();
    if !odd.is_empty() {
        out.push_str("\nnot read\n");
        odd.iter().flat_map(|it| &it.names).for_each(|name| out.push_str(&format!("  {name}\n")));
    }
    out.push_str("\nprojections of block 0\n");
    for linear in summary.linears.iter().filter(|linear| linear.block == 0) {
        let bias = if linear.bias { " with a bias" } else { "" };
        out.push_str(&format!(
            "  {:<40} {:>6} x {:<6} {}{bias}\n",
            linear.module, linear.rows, linear.columns, linear.dtype
        ));
    }
    out
}

/// Returns the tokens that the tokenizer adds at the start and end of each text, and the file that decides
/// this.
fn texts(summary: &ModelSummary) -> String {
    let Some(special) = &summary.special_tokens else {
        let problem = summary.tokenizer_problem.as_deref().unwrap_or_default();
        return format!("cannot be tokenised: {problem}");
    };
    special.to_string()
}
