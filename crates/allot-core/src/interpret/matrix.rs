//! The matrix stage: reductions of per-weight values.
//!
//! A `Round` visits a unit's weights in tasks of whole rows, each task in chunks that stay in the first cache: widen the
//! weights, run the elementwise chains of all reductions of the round ([`Program`]), and add the results to each reduction's
//! [`tally`](crate::kernels::tally). Tasks run on all cores and are combined in their order, so results do not depend on the number
//! of threads. Order statistics, ranks, spectra and reductions along channels need all values of a unit or a linear at once:
//! for these the weights are read again into a buffer, one step after another (`buffered`).

mod backend;
mod buffered;
mod chunk;
mod frame;
mod lookup;
mod piece;
mod processor;
mod program;
mod registers;
mod round;
mod sweep;
mod threshold;

pub use backend::{Backend, BackendError};
pub(super) use chunk::Chunk;
pub use frame::Frame;
pub(super) use lookup::{Lookup, StepValue};
pub use piece::Piece;
pub(super) use piece::tasks;
pub use processor::{Processor, centre};
pub use program::{Act, Instruction, OperandSource, Program};
pub(super) use registers::Registers;
pub(super) use round::{Round, values};
pub use sweep::{Collecting, Sweep};
pub(super) use threshold::{NotANumber, Removed, removed_by_threshold};
