//! A small typed language for sparsity allocation functions, its interpreter, and the tools around it: pruning, measuring, search.
//!
//! [`session::Session`] is the main entry point. It opens a model, collects the statistics that a script
//! needs, allocates, and prunes:
//!
//! ```
//! use allot::session::{AllocationOptions, Calibration, LoadedScript, Session};
//!
//! let model = "examples/tiny-stories-12l";
//! let text = format!("{model}/text/calibration.jsonl");
//! let calibration = Calibration { samples: 8, length: Some(64), ..Calibration::on(text) };
//! let mut session = Session::open(model)?.calibrated(calibration);
//! let script = LoadedScript::check("mine", b"log(mean(abs(score))) |> scale", None)?;
//! let outcome = session.allocate(&script, &AllocationOptions::at(0.7))?;
//! assert_eq!(outcome.allocation.units.len(), 12);
//! # Ok::<(), allot::session::SessionError>(())
//! ```
//!
//! `examples/` holds more programs, and `docs/architecture.md` describes how the parts fit together;
//! dependencies between them run one way.
//!
//! # What the library leaves to its host
//! It installs no signal handler, reads no command-line argument, and sets no environment variable. Work runs
//! on rayon's global pool, whose size the host may choose. candle has its own thread pool, which busy-waits;
//! the command sets `CANDLE_NUM_THREADS=1` before any thread starts, and a host that wants the same does so
//! too.
//!
//! # Features
//! `cli` (default) is the command, `report` (in `cli`) adds tables and pages, `hub` (default) downloads
//! models by their id, `cuda` runs on NVIDIA GPUs.

pub mod baselines;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
pub mod descent;
pub mod device;
pub mod exchange;
pub mod forecast;
pub mod interrupt;
pub mod json;
pub mod measure;
pub mod model;
pub mod prune;
#[cfg(feature = "report")]
pub mod report;
pub mod search;
pub mod session;
pub mod snapshot;
pub mod stats;
pub mod tasks;
pub mod trial;

pub use allot_core::{allocate, data, interpret, kernels, results};
pub use allot_lang as lang;
