//! The source text of kernels.

mod channels;
mod collecting;
mod fixed;
mod program;
mod values;

pub(super) use channels::channels;
pub(super) use collecting::{collecting, fields, pieces};
pub(super) use fixed::{attention, folding, layers, selecting, slopes};
pub(super) use program::{Form, PART, ROW, SAMPLE, Stored, reads_gradient};
pub(super) use values::of_values;
