//! `--device` and `--precision`: where a command computes, and in which type.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use clap::ValueEnum;

use super::error::CliError;
use crate::device::{Engine, EngineError};
use crate::model::{Checkpoint, ModelError, Precision};

/// The value of `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum DeviceName {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU, by its number from 0.
    Cuda(usize),
    /// Several GPUs.
    Cards(CardList),
}

/// The GPUs of `cuda:all`, or of a list such as `cuda:0,2`: one bit per number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct CardList(u64);

impl CardList {
    /// All GPUs of the machine.
    const ALL: Self = Self(u64::MAX);

    /// Returns the numbers in the list, in order.
    fn ordinals(self) -> impl Iterator<Item = usize> {
        (0..u64::BITS).filter(move |bit| self.0 >> bit & 1 == 1).map(|bit| bit as usize)
    }

    /// Opens the GPUs; `all` opens as many as the machine has.
    fn open(self) -> Result<Vec<Engine>, EngineError> {
        let mut opened = Vec::new();
        for ordinal in self.ordinals() {
            match Engine::cuda(ordinal) {
                Ok(engine) => opened.push(engine),
                Err(_) if self == Self::ALL && ordinal > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }
}

impl FromStr for CardList {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        if list == "all" {
            return Ok(Self::ALL);
        }
        let mut bits = 0_u64;
        for word in list.split(',') {
            let word = word.strip_prefix("cuda:").unwrap_or(word);
            let bit: u32 =
                word.parse().ok().filter(|it| *it < u64::BITS).ok_or("a GPU's number is from 0 to 63")?;
            if bits >> bit & 1 == 1 {
                return Err(format!("GPU {bit} is named twice"));
            }
            bits |= 1 << bit;
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Cards(CardList::ALL) => f.write_str("cuda:all"),
            Self::Cards(cards) => {
                let numbers: Vec<String> = cards.ordinals().map(|ordinal| ordinal.to_string()).collect();
                write!(f, "cuda:{}", numbers.join(","))
            }
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.split_once(':') {
            None if word == "cpu" => Ok(Self::Cpu),
            None if word == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", list)) if list != "all" && !list.contains(',') => {
                list.parse().map(Self::Cuda).map_err(|_| DEVICES.to_owned())
            }
            Some(("cuda", list)) => list.parse().map(Self::Cards),
            _ => Err(DEVICES.to_owned()),
        }
    }
}

/// Message for an unknown device.
const DEVICES: &str =
    "the devices are `cpu`, `cuda`, `cuda:N`, and for searches and comparisons `cuda:N,N` and `cuda:all`";

/// The type that a model computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PrecisionName {
    /// 32-bit floats
    #[default]
    F32,
    /// bfloat16, only on a GPU
    Bf16,
}

/// The device options that every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct DeviceArguments {
    /// Device to compute on: cpu, or cuda or cuda:N in a build with the feature `cuda`; `search`, `enumerate` and `compare`
    /// also measure candidates on several GPUs with cuda:N,N or cuda:all
    #[arg(long, global = true, env = "ALLOT_DEVICE", hide_env_values = true, default_value_t)]
    device: DeviceName,
    /// Type that models compute in
    #[arg(long, global = true, value_enum, env = "ALLOT_PRECISION", hide_env_values = true, default_value_t)]
    precision: PrecisionName,
}

impl DeviceArguments {
    /// Returns the device. It is opened once and shared by all models of a command.
    ///
    /// # Errors
    /// Fails when this build has no GPU support, there is no GPU of that number, or several GPUs are named.
    pub(in crate::cli) fn engine(self) -> Result<Engine, EngineError> {
        static OPENED: OnceLock<Result<Engine, EngineError>> = OnceLock::new();
        match self.device {
            DeviceName::Cpu => Ok(Engine::Cpu),
            DeviceName::Cuda(ordinal) => OPENED.get_or_init(|| Engine::cuda(ordinal)).clone(),
            DeviceName::Cards(_) => Err(EngineError::SeveralGpus { asked: self.device.to_string() }),
        }
    }

    /// Returns the devices on which a search or a comparison measures candidates: the first, which also does all other work, and
    /// the others.
    ///
    /// # Errors
    /// Fails as [`DeviceArguments::engine`] does, except that several GPUs are allowed.
    pub(in crate::cli) fn engines(self) -> Result<(Engine, Vec<Engine>), EngineError> {
        let DeviceName::Cards(cards) = self.device else { return Ok((self.engine()?, Vec::new())) };
        let mut opened = cards.open()?;
        let others = opened.split_off(opened.len().min(1));
        let none = || EngineError::NoDevice { ordinal: 0, problem: "no GPU is named".to_owned() };
        Ok((opened.pop().ok_or_else(none)?, others))
    }

    /// Returns the options that select this device in another command, each after a space; empty for the processor.
    pub(in crate::cli) fn flags(self) -> String {
        match self.device {
            DeviceName::Cpu => String::new(),
            device => format!(" --device {device}{}", self.precision_flag()),
        }
    }

    /// Like [`DeviceArguments::flags`], for a command that runs on one device: it names only the first of several GPUs.
    pub(in crate::cli) fn flags_of_one(self) -> String {
        match self.device {
            DeviceName::Cards(cards) => {
                let first = cards.ordinals().next().unwrap_or(0);
                format!(" --device cuda:{first}{}", self.precision_flag())
            }
            DeviceName::Cpu | DeviceName::Cuda(_) => self.flags(),
        }
    }

    fn precision_flag(self) -> &'static str {
        match self.precision {
            PrecisionName::F32 => "",
            PrecisionName::Bf16 => " --precision bf16",
        }
    }

    /// Returns the type that models compute in.
    pub(in crate::cli) const fn precision(self) -> Precision {
        match self.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Bf16 => Precision::Bf16,
        }
    }

    /// Returns the model placed on the device.
    ///
    /// # Errors
    /// As [`DeviceArguments::engine`], and when a type other than f32 is asked for on the processor.
    pub(in crate::cli) fn place(self, checkpoint: Checkpoint) -> Result<Checkpoint, CliError> {
        let engine = self.engine().map_err(ModelError::from)?;
        Ok(checkpoint.on(engine, self.precision())?)
    }
}
