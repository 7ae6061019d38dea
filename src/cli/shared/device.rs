//! `--device` and `--precision`: where a command's work is done, and in what type.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use clap::ValueEnum;

use super::error::CliError;
use crate::device::{Engine, EngineError};
use crate::model::{Checkpoint, ModelError, Precision};

/// What `--device` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum DeviceName {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU, by its number from 0.
    Cuda(usize),
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let ordinal = match word.split_once(':') {
            None if word == "cpu" => return Ok(Self::Cpu),
            None if word == "cuda" => Some(0),
            Some(("cuda", number)) => number.parse().ok(),
            _ => None,
        };
        ordinal.map(Self::Cuda).ok_or_else(|| "the devices are `cpu`, `cuda` and `cuda:N`".to_owned())
    }
}

/// In what type a model computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PrecisionName {
    /// 32-bit floats
    #[default]
    F32,
    /// Brain floats, on a GPU only
    Bf16,
}

/// Where work is done, as every command takes it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct DeviceArguments {
    /// Where the heavy work is done: cpu, or cuda or cuda:N in a build with the feature `cuda`
    #[arg(long, global = true, default_value_t)]
    device: DeviceName,
    /// The type in which a model computes
    #[arg(long, global = true, value_enum, default_value_t)]
    precision: PrecisionName,
}

impl DeviceArguments {
    /// Returns the device, which is opened once for all models of a command.
    ///
    /// # Errors
    /// Fails when this build knows no GPU, or there is none of that number.
    pub(in crate::cli) fn engine(self) -> Result<Engine, EngineError> {
        static OPENED: OnceLock<Result<Engine, EngineError>> = OnceLock::new();
        match self.device {
            DeviceName::Cpu => Ok(Engine::Cpu),
            DeviceName::Cuda(ordinal) => OPENED.get_or_init(|| Engine::cuda(ordinal)).clone(),
        }
    }

    /// Returns the type in which models compute.
    pub(in crate::cli) const fn precision(self) -> Precision {
        match self.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Bf16 => Precision::Bf16,
        }
    }

    /// Returns a model that runs, and is evaluated, on the device.
    ///
    /// # Errors
    /// As [`DeviceArguments::engine`], and when a processor is to compute in another type than f32.
    pub(in crate::cli) fn place(self, checkpoint: Checkpoint) -> Result<Checkpoint, CliError> {
        let engine = self.engine().map_err(ModelError::from)?;
        Ok(checkpoint.on(engine, self.precision())?)
    }
}
