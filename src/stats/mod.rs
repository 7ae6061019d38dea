//! Statistics that a calibration pass collects at every linear's input, and the file that stores them.
//!
//! [`Text`] and [`Tokens`] define the model's input, [`Activations`] moves it through the blocks,
//! [`calibrate`] collects.

mod block_change;
mod calibrate;
mod collect;
mod error;
mod file;
mod gradients;
mod hessian;
mod kurtosis;
mod measured;
mod moments;
mod overlap;
mod reconstruction;
mod reductions;
mod source;
mod spectra;
mod states;
mod statistics;
mod stream;
mod text;
mod text_error;
mod text_file;
mod tokens;

pub use calibrate::{CalibrationOptions, calibrate, calibrate_with};
pub use collect::{Collection, Pass, collect};
pub use error::StatisticsError;
pub use gradients::{GRADIENT_SCALE, gradients, gradients_within};
pub use hessian::Hessian;
pub use moments::SecondMoments;
pub use overlap::TextOrigin;
pub use reconstruction::{RECONSTRUCTION_GROUP, Reconstruction, reconstruction_error};
pub use source::{Source, WINDOW_LENGTH, length_within, window_length};
pub use spectra::spectra;
pub use statistics::{
    DamageOf, LinearMarginals, LinearStatistics, MarginalsOf, Provenance, Statistics, hessian_diagonal,
};
pub use stream::{Activations, batch_samples, room};
pub use text::Text;
pub use text_error::TextError;
pub use text_file::PACKED;
pub(crate) use text_file::decode as text_of;
pub use tokens::{TokenFile, Tokens};
