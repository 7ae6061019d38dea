//! The layout of linears for one launch of a program's kernels, whatever units they belong to.

use candle_core::{DType, Device, Tensor};

use super::error::EngineError;
use super::launcher::{Argument, Launcher, failed};
use super::source::{Form, PART, ROW, SAMPLE, Stored, reads_gradient};
use crate::data::{LinearData, Values};
use crate::interpret::matrix::{Piece, Sweep};

/// The maximum number of blocks that read a sample of a linear.
const SAMPLES: u64 = 64;
/// Number of weights in a vector, as in the kernels.
const VECTOR: usize = 8;
/// Alignment, in floats, of each linear's numbers, so that vectors of them can be loaded.
const ALIGNED: usize = 4;

/// The maximum number of weights of a linear that kernels can count.
const MOST_WEIGHTS: u64 = u32::MAX as u64 - PART;

/// Linears on a device, with the table in which a launch's blocks find theirs.
pub(super) struct Placement {
    /// The form that the kernels are generated for.
    pub(super) form: Form,
    /// Number of blocks that process all weights.
    pub(super) blocks: u64,
    /// Number of blocks that read a sample.
    pub(super) sample_blocks: u64,
    /// Number of weights.
    pub(super) size: u64,
    weights: Vec<Tensor>,
    gradients: Vec<Tensor>,
    numbers: Tensor,
    ranks: Tensor,
    table: Tensor,
    /// Each unit's first block, and the end of the last unit's blocks, u32 `[units + 1]`.
    pub(super) firsts: Tensor,
    /// The same for the blocks that read samples.
    pub(super) sample_firsts: Tensor,
    /// Number of values in each unit's sample, u32 `[units]`.
    pub(super) sample_counts: Tensor,
    /// For each unit, the numbers of its weights and of its sample's values.
    pub(super) counts: Vec<(u64, u64)>,
}

/// A program's inputs for one linear, before they lie on the device.
struct Part<'a> {
    place: usize,
    linear: usize,
    data: &'a LinearData<'a>,
}

impl Placement {
    /// Returns the arguments that every kernel of a program takes.
    pub(super) fn arguments<'a>(&'a self, centres: &'a Tensor, option: u32) -> [Argument<'a>; 9] {
        [
            Argument::Addresses(&self.weights),
            Argument::Addresses(&self.gradients),
            Argument::Tensor(&self.numbers),
            Argument::Tensor(&self.ranks),
            Argument::Tensor(&self.table),
            Argument::U32(self.weights.len() as u32),
            Argument::Tensor(centres),
            Argument::U32(option),
            Argument::Out(0),
        ]
    }
}

/// Lays out linears on a device, where all weights may already lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placing<'a> {
    pub(super) gpu: &'a dyn Launcher,
    /// The weights of all linears, if they already lie on the device.
    pub(super) weights: &'a [Tensor],
}

impl Placing<'_> {
    /// Returns the form that a unit's kernels must be generated for; a unit with several types is widened to
    /// f32.
    pub(super) fn form(&self, sweep: &Sweep<'_>) -> Form {
        let mut form: Option<Form> = None;
        for linear in linears(sweep) {
            let data = &sweep.frame.model.linears[linear];
            let weight = match self.resident(linear, data) {
                _ if !sweep.program.reads_weight => Stored::F32,
                Some((_, stored)) => stored,
                None => stored_as(&data.weight),
            };
            let gradient = match &data.gradient {
                Some(gradient) if reads_gradient(sweep.program) => stored_as(gradient),
                _ => Stored::F32,
            };
            let whole_vectors = data.columns.is_multiple_of(VECTOR);
            let joined = |a: Stored, b: Stored| if a == b { a } else { Stored::F32 };
            form = Some(form.map_or(Form { weight, gradient, whole_vectors }, |form| Form {
                weight: joined(form.weight, weight),
                gradient: joined(form.gradient, gradient),
                whole_vectors: form.whole_vectors && whole_vectors,
            }));
        }
        form.unwrap_or(Form { weight: Stored::F32, gradient: Stored::F32, whole_vectors: true })
    }

    /// Returns the bytes of a unit that still have to be copied to the device.
    pub(super) fn bytes(&self, sweep: &Sweep<'_>) -> u64 {
        let of_values = |values: &Values<'_>| (values.len() * 4) as u64;
        let of_linear = |linear: usize| {
            let data = &sweep.frame.model.linears[linear];
            let weight = match self.resident(linear, data) {
                None if sweep.program.reads_weight => of_values(&data.weight),
                _ => 0,
            };
            let gradient = data.gradient.as_ref().filter(|_| reads_gradient(sweep.program));
            weight + gradient.map_or(0, of_values)
        };
        linears(sweep).map(of_linear).sum()
    }

    /// Lays out a program's inputs for units that share a form; linears without weights are left out.
    ///
    /// # Errors
    /// When a sweep covers only a part of a linear, a linear is too large, there is not enough memory, or the
    /// device fails.
    pub(super) fn place(&self, sweeps: &[Sweep<'_>], form: Form) -> Result<Placement, EngineError> {
        let device = self.gpu.device();
        let none = Tensor::zeros(1, DType::F32, &device)?;
        let mut laid = Laid::default();
        let (mut weights, mut gradients) = (Vec::new(), Vec::new());
        for (unit, sweep) in sweeps.iter().enumerate() {
            laid.begin_unit();
            for part in parts(sweep)? {
                weights.push(match sweep.program.reads_weight {
                    true => self.weight(&part, form.weight)?,
                    false => none.clone(),
                });
                gradients.push(match &part.data.gradient {
                    Some(gradient) if reads_gradient(sweep.program) => {
                        self.upload(gradient, "gradients", form.gradient)?
                    }
                    _ => none.clone(),
                });
                laid.add(sweep, &part, unit);
            }
        }
        laid.end();
        let vector = |values: Vec<f32>| match values.is_empty() {
            true => Ok(none.clone()),
            false => Tensor::new(values, &device),
        };
        Ok(Placement {
            form,
            blocks: laid.blocks,
            sample_blocks: laid.sample_blocks,
            size: laid.size,
            weights,
            gradients,
            numbers: vector(laid.numbers)?,
            ranks: vector(laid.ranks)?,
            table: words(&laid.table, &device)?,
            firsts: words(&laid.firsts, &device)?,
            sample_firsts: words(&laid.sample_firsts, &device)?,
            sample_counts: words(&laid.sample_counts, &device)?,
            counts: laid.counts,
        })
    }

    /// Returns a linear's weights if they already lie on the device.
    fn resident(&self, linear: usize, data: &LinearData<'_>) -> Option<(&Tensor, Stored)> {
        let tensor = self.weights.get(linear)?;
        let stored = match tensor.dtype() {
            DType::F32 => Stored::F32,
            DType::F16 => Stored::F16,
            DType::BF16 => Stored::Bf16,
            _ => return None,
        };
        (tensor.elem_count() == data.weight.len()).then_some((tensor, stored))
    }

    fn weight(&self, part: &Part<'_>, form: Stored) -> Result<Tensor, EngineError> {
        match self.resident(part.linear, part.data) {
            Some((tensor, stored)) if stored == form => Ok(tensor.contiguous()?),
            Some((tensor, _)) => Ok(tensor.to_dtype(DType::F32)?.contiguous()?),
            None => self.upload(&part.data.weight, &part.data.name, form),
        }
    }

    fn upload(&self, values: &Values<'_>, what: &str, form: Stored) -> Result<Tensor, EngineError> {
        self.gpu.room(what, (values.len() * values.bytes_per_value()) as u64)?;
        let device = self.gpu.device();
        let count = values.len();
        let tensor = match values {
            Values::F32(all) => Tensor::from_slice(all, count, &device)?,
            Values::F16(all) => Tensor::from_slice(all, count, &device)?,
            Values::Bf16(all) => Tensor::from_slice(all, count, &device)?,
        };
        Ok(if stored_as(values) == form { tensor } else { tensor.to_dtype(DType::F32)? })
    }
}

/// The tables of a placement under construction.
#[derive(Default)]
struct Laid {
    blocks: u64,
    sample_blocks: u64,
    size: u64,
    numbers: Vec<f32>,
    ranks: Vec<f32>,
    table: Vec<u32>,
    firsts: Vec<u32>,
    sample_firsts: Vec<u32>,
    sample_counts: Vec<u32>,
    counts: Vec<(u64, u64)>,
}

impl Laid {
    /// Ends the current unit, and starts the next one.
    fn begin_unit(&mut self) {
        self.end();
        self.counts.push((0, 0));
    }

    /// Records where the blocks of the next unit start, and the sample size of the last one, if there is one.
    fn end(&mut self) {
        if let Some((_, sample)) = self.counts.last() {
            self.sample_counts.push(*sample as u32);
        }
        self.firsts.push(self.blocks as u32);
        self.sample_firsts.push(self.sample_blocks as u32);
    }

    fn add(&mut self, sweep: &Sweep<'_>, part: &Part<'_>, unit: usize) {
        let (rows, columns) = (part.data.rows, part.data.columns);
        let size = rows as u64 * columns as u64;
        self.numbers.resize(self.numbers.len().next_multiple_of(ALIGNED), 0.0);
        let [number, rank, out] = [self.numbers.len() as u64, self.ranks.len() as u64, self.size];
        let apart = size.div_ceil(SAMPLES).max(SAMPLE);
        let halves = |whole: u64| [whole as u32, (whole >> 32) as u32];
        self.table.extend([self.blocks as u32, self.sample_blocks as u32, rows as u32, columns as u32]);
        self.table.extend([apart as u32, number as u32]);
        self.table.extend(halves(rank).into_iter().chain(halves(out)));
        self.table.extend([unit as u32, 0]);
        self.numbers.extend(sweep.frame.numbers(part.place, columns));
        for step in &sweep.frame.ranks {
            self.ranks.extend_from_slice(step[part.place]);
        }
        let samples = size.div_ceil(apart);
        self.blocks += size.div_ceil(PART);
        self.sample_blocks += samples;
        self.size += size;
        if let Some((all, sample)) = self.counts.last_mut() {
            *all += size;
            *sample += (0..samples).map(|block| (size - block * apart).min(SAMPLE)).sum::<u64>();
        }
        debug_assert_eq!(self.table.len() % ROW, 0);
    }
}

/// Returns the linears of a sweep's tasks, by their index in the model.
fn linears<'a>(sweep: &'a Sweep<'_>) -> impl Iterator<Item = usize> + 'a {
    sweep.tasks.chunk_by(|a, b| a.place == b.place).map(|tasks| tasks[0].linear)
}

/// Returns a sweep's linears, each of which must be covered from the first row to the last.
fn parts<'a>(sweep: &Sweep<'a>) -> Result<Vec<Part<'a>>, EngineError> {
    let mut parts = Vec::new();
    for tasks in sweep.tasks.chunk_by(|a, b| a.place == b.place) {
        let Piece { place, linear, .. } = tasks[0];
        let data = &sweep.frame.model.linears[linear];
        let whole = tasks.iter().map(|task| task.rows.len()).sum::<usize>() == data.rows;
        let size = data.rows as u64 * data.columns as u64;
        if !whole {
            return Err(failed("a part of a linear"));
        }
        // The kernels count weights in 32 bits, and read one part ahead.
        if size > MOST_WEIGHTS {
            return Err(EngineError::LargeLinear {
                linear: data.name.clone(),
                weights: size,
                most: MOST_WEIGHTS,
            });
        }
        if size > 0 {
            parts.push(Part { place, linear, data });
        }
    }
    Ok(parts)
}

/// Returns whole numbers on a device; at least one, because a tensor cannot be empty.
fn words(numbers: &[u32], device: &Device) -> Result<Tensor, EngineError> {
    Ok(if numbers.is_empty() { Tensor::zeros(1, DType::U32, device)? } else { Tensor::new(numbers, device)? })
}

const fn stored_as(values: &Values<'_>) -> Stored {
    match values {
        Values::F32(_) => Stored::F32,
        Values::F16(_) => Stored::F16,
        Values::Bf16(_) => Stored::Bf16,
    }
}
