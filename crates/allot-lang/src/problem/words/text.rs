//! Words for mistakes about the size and the encoding of a script.

use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::syntax::{MAX_DEPTH, MAX_SIZE};

pub(super) fn too_long() -> Diagnostic {
    Diagnostic::error("too-long", "the script is longer than the maximum of 1 MiB")
        .help("check that this is an allot script")
}

pub(super) fn not_text(at: usize) -> Diagnostic {
    Diagnostic::error("not-text", format!("the script is not UTF-8 text: no character begins at byte {at}"))
        .help("check that this is an allot script, and save it as UTF-8")
}

pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("too-deep", format!("this expression is nested more than {MAX_DEPTH} levels deep"))
        .label(span, "too deep from here")
        .help("nest it less deeply; a binding counts with its full depth")
}

pub(super) fn too_large(span: Span) -> Diagnostic {
    Diagnostic::error(
        "too-large",
        format!("with its bindings written out, the script has more than {MAX_SIZE} operators and constants"),
    )
    .label(span, "too large from here")
    .help("each use of a binding counts its full size: using one twice doubles it")
}
