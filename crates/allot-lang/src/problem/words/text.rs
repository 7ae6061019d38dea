//! Words for mistakes about the size and the encoding of a script.

use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::syntax::{MAX_DEPTH, MAX_SIZE};

pub(super) fn too_long() -> Diagnostic {
    Diagnostic::error("too-long", "a script has at most 1 MiB, and this one has more")
        .help("check that this is an allot script")
}

pub(super) fn not_text(at: usize) -> Diagnostic {
    Diagnostic::error("not-text", format!("the script is not UTF-8 text: byte {at} begins no character"))
        .help("check that this is an allot script, and save it as UTF-8")
}

pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("too-deep", format!("this is nested more than {MAX_DEPTH} levels deep"))
        .label(span, "too deep from here")
        .help("name parts of it with `let`")
}

pub(super) fn too_large(span: Span) -> Diagnostic {
    Diagnostic::error(
        "too-large",
        format!("with bindings written out wherever they are used, this is more than {MAX_SIZE} operators"),
    )
    .label(span, "too large from here")
    .help("bindings that use others add up, and one that uses another twice doubles it")
}
