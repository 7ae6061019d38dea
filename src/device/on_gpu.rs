//! The matrix stage on a GPU: which kernels run on what, and what becomes of their results.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::error::EngineError;
use super::launcher::{Argument, BLOCKS, Code, DIGITS, Launcher, Out, THREADS, failed, launch};
use super::source::{self, Stored, fields, reads_gradient};
use crate::data::{LinearData, Values};
use crate::interpret::matrix::{Backend, BackendError, Collecting, Piece, Sweep, centre};
use crate::kernels::tally::{Collected, Tally};
use crate::kernels::vector::Histogram;

/// Weights that one thread adds up before its sums become doubles.
const GROUP: u64 = 32;
/// Linears whose kernels run before anything is fetched of what they wrote.
const AHEAD: usize = 8;
/// The most blocks that look at a sample of a linear.
const SAMPLES: u64 = 64;

/// A linear of a sweep, as its kernels take it.
struct Placed {
    rows: u32,
    columns: u32,
    weight: Tensor,
    gradient: Tensor,
    stored: (Stored, Stored),
    numbers: Tensor,
    ranks: Tensor,
}

impl Placed {
    fn size(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns)
    }

    /// Returns what every kernel of a program takes.
    fn arguments<'a>(&'a self, centres: &'a Tensor, option: u32) -> [Argument<'a>; 9] {
        [
            Argument::Tensor(&self.weight),
            Argument::Tensor(&self.gradient),
            Argument::Tensor(&self.numbers),
            Argument::Tensor(&self.ranks),
            Argument::U32(self.rows),
            Argument::U32(self.columns),
            Argument::Tensor(centres),
            Argument::U32(option),
            Argument::Out(0),
        ]
    }
}

/// A linear whose values are added up, and its kernels.
struct Prepared {
    code: Code,
    placed: Placed,
}

/// What a sample of a unit's values shows.
struct Sample {
    /// For each tally, the sum of what it takes.
    sums: Vec<f64>,
    /// For each tally, the sum of its terms' magnitudes.
    sizes: Vec<f64>,
    /// How many values were looked at.
    count: u64,
}

/// What evaluates on a GPU.
#[derive(Debug)]
pub(super) struct OnGpu<'a> {
    gpu: &'a dyn Launcher,
    /// The weights of all linears, where they lie on the device already.
    weights: &'a [Tensor],
}

impl<'a> OnGpu<'a> {
    /// Returns what evaluates on a GPU on which these weights lie, or none.
    pub(super) const fn new(gpu: &'a dyn Launcher, weights: &'a [Tensor]) -> Self {
        Self { gpu, weights }
    }
}

impl OnGpu<'_> {
    /// Lays out what a sweep's program takes of one linear, whose tasks these are: some whole rows, from the first to the last.
    /// `none` stands for what it does not read.
    fn place(&self, sweep: &Sweep<'_>, tasks: &[Piece], none: &Tensor) -> Result<Placed, EngineError> {
        let device = self.gpu.device();
        let (place, linear) = tasks.first().map_or((0, 0), |task| (task.place, task.linear));
        let data = &sweep.frame.model.linears[linear];
        let whole = tasks.iter().map(|task| task.rows.len()).sum::<usize>() == data.rows;
        if !whole || u32::try_from(data.rows.max(data.columns)).is_err() {
            return Err(failed("a part of a linear"));
        }
        let (weight, weight_type) = match sweep.program.reads_weight {
            true => self.weight(linear, data)?,
            false => (none.clone(), Stored::F32),
        };
        let (gradient, gradient_type) = match &data.gradient {
            Some(gradient) if reads_gradient(sweep.program) => self.upload(gradient, "gradients")?,
            _ => (none.clone(), Stored::F32),
        };
        let mut ranks: Vec<f32> = Vec::new();
        for step in &sweep.frame.ranks {
            ranks.extend_from_slice(step[place]);
        }
        let vector = |values: Vec<f32>| match values.is_empty() {
            true => Ok(none.clone()),
            false => Tensor::new(values, &device),
        };
        Ok(Placed {
            rows: data.rows as u32,
            columns: data.columns as u32,
            weight,
            gradient,
            stored: (weight_type, gradient_type),
            numbers: vector(sweep.frame.numbers(place, data.columns))?,
            ranks: vector(ranks)?,
        })
    }

    /// Returns a linear's weights on the device: those that lie there already, or a copy.
    fn weight(&self, linear: usize, data: &LinearData<'_>) -> Result<(Tensor, Stored), EngineError> {
        let resident = self.weights.get(linear);
        match resident.and_then(|it| Some((it, stored(it.dtype())?))) {
            Some((tensor, stored)) if tensor.elem_count() == data.weight.len() => {
                Ok((tensor.contiguous()?, stored))
            }
            _ => self.upload(&data.weight, &data.name),
        }
    }

    fn upload(&self, values: &Values<'_>, what: &str) -> Result<(Tensor, Stored), EngineError> {
        self.gpu.room(what, (values.len() * values.bytes_per_value()) as u64)?;
        let device = self.gpu.device();
        let count = values.len();
        Ok(match values {
            Values::F32(all) => (Tensor::from_slice(all, count, &device)?, Stored::F32),
            Values::F16(all) => (Tensor::from_slice(all, count, &device)?, Stored::F16),
            Values::Bf16(all) => (Tensor::from_slice(all, count, &device)?, Stored::Bf16),
        })
    }

    /// Runs a kernel of a program with one root on each linear of a sweep, and hands what it wrote to `take`.
    fn of_values(
        &self,
        sweep: &Sweep<'_>,
        kernel: &'static str,
        option: u32,
        out: impl Fn(&Placed, u64) -> Out,
        mut take: impl FnMut(&Tensor) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let none = Tensor::zeros(1, DType::F32, &self.gpu.device())?;
        let mut codes: BTreeMap<u8, Code> = BTreeMap::new();
        let linears: Vec<&[Piece]> = sweep.tasks.chunk_by(|a, b| a.place == b.place).collect();
        // Several are begun before one is waited for.
        for some in linears.chunks(AHEAD) {
            let mut all = Vec::with_capacity(some.len());
            for tasks in some {
                let placed = self.place(sweep, tasks, &none)?;
                if placed.size() == 0 {
                    continue;
                }
                let code = codes
                    .entry(kind_of(placed.stored))
                    .or_insert_with(|| Code::new(source::of_values(sweep.program, placed.stored)));
                let blocks = placed.size().div_ceil(THREADS).clamp(1, BLOCKS);
                let outs = [out(&placed, blocks)];
                let arguments = placed.arguments(&none, option);
                all.extend(launch(self.gpu, code, kernel, blocks, &arguments, &outs)?);
            }
            all.iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// Lays out a sweep's linears, each with the text of its kernels; those without weights are left out.
    fn linears(&self, sweep: &Sweep<'_>, collecting: &Collecting) -> Result<Vec<Prepared>, EngineError> {
        let none = Tensor::zeros(1, DType::F32, &self.gpu.device())?;
        let mut codes: BTreeMap<u8, Code> = BTreeMap::new();
        let mut linears = Vec::new();
        for tasks in sweep.tasks.chunk_by(|a, b| a.place == b.place) {
            let placed = self.place(sweep, tasks, &none)?;
            if placed.size() > 0 {
                let code = codes.entry(kind_of(placed.stored)).or_insert_with(|| {
                    Code::new(source::collecting(sweep.program, collecting, placed.stored))
                });
                linears.push(Prepared { code: code.clone(), placed });
            }
        }
        Ok(linears)
    }

    /// Looks at a sample of each linear.
    fn sample(&self, linears: &[Prepared], collecting: &Collecting) -> Result<Sample, EngineError> {
        let tallies = collecting.tallies.len();
        let none = Tensor::zeros(tallies.max(1), DType::F32, &self.gpu.device())?;
        let mut sample = Sample { sums: vec![0.0; tallies], sizes: vec![0.0; tallies], count: 0 };
        let mut all = Vec::with_capacity(linears.len());
        for Prepared { code, placed } in linears {
            let apart = placed.size().div_ceil(SAMPLES).max(1024);
            let blocks = placed.size().div_ceil(apart);
            let outs = [Out::whole(DType::F64, 2 * tallies * blocks as usize)];
            let arguments = placed.arguments(&none, apart as u32);
            let written = launch(self.gpu, code, "sample", blocks, &arguments, &outs)?;
            all.extend(self.folded(code, "fold_sample", 2 * tallies, blocks, &written)?);
            let looked_at = (0..blocks).map(|block| (placed.size() - block * apart).min(1024));
            sample.count += looked_at.sum::<u64>();
        }
        for written in fetched(&all)?.chunks_exact((2 * tallies).max(1)) {
            for (tally, both) in written.chunks_exact(2).enumerate() {
                sample.sums[tally] += both[0];
                sample.sizes[tally] += both[1];
            }
        }
        Ok(sample)
    }

    /// Makes one number of what the blocks of a kernel wrote of each.
    fn folded(
        &self,
        code: &Code,
        kernel: &'static str,
        numbers: usize,
        blocks: u64,
        written: &[Tensor],
    ) -> Result<Vec<Tensor>, EngineError> {
        let parts = written.first().ok_or_else(|| failed(kernel))?;
        let arguments = [Argument::Tensor(parts), Argument::U32(blocks as u32), Argument::Out(0)];
        launch(self.gpu, code, kernel, numbers.max(1) as u64, &arguments, &[Out::whole(DType::F64, numbers)])
    }

    /// Adds everything up, about the centres that the sample gives.
    fn totals(
        &self,
        linears: &[Prepared],
        Collecting { tallies, .. }: &Collecting,
        sample: &Sample,
    ) -> Result<Vec<Collected>, EngineError> {
        // Singles, as the kernel subtracts them; what is made of the sums uses the same numbers.
        let centre_of = |(tally, sum): (&Tally, &f64)| {
            if tally.needs_centre() { centre(*sum, sample.count) as f32 } else { 0.0 }
        };
        let centres: Vec<f32> = tallies.iter().zip(&sample.sums).map(centre_of).collect();
        let mut totals: Vec<Collected> = tallies
            .iter()
            .zip(&centres)
            .map(|(tally, centre)| Collected::new(*tally, f64::from(*centre)))
            .collect();
        let on_device = match centres.is_empty() {
            true => Tensor::zeros(1, DType::F32, &self.gpu.device())?,
            false => Tensor::new(centres.clone(), &self.gpu.device())?,
        };
        let counts: Vec<usize> = tallies.iter().map(|tally| fields(*tally).len()).collect();
        let all: usize = counts.iter().sum();
        let mut parts = Vec::with_capacity(linears.len());
        for Prepared { code, placed } in linears {
            let blocks = placed.size().div_ceil(THREADS * GROUP).clamp(1, BLOCKS);
            let outs = [Out::whole(DType::F64, all * blocks as usize)];
            let arguments = placed.arguments(&on_device, 0);
            let written = launch(self.gpu, code, "collect", blocks, &arguments, &outs)?;
            parts.extend(self.folded(code, "fold", all, blocks, &written)?);
        }
        let fetched = fetched(&parts)?;
        for (written, Prepared { placed, .. }) in fetched.chunks_exact(all.max(1)).zip(linears) {
            let mut rest = written;
            for (place, count) in counts.iter().enumerate() {
                let (numbers, after) = rest.split_at(*count);
                rest = after;
                let centre = f64::from(centres[place]);
                totals[place].merge(&Collected::of_numbers(tallies[place], centre, placed.size(), numbers));
            }
        }
        Ok(totals)
    }
}

/// Fetches the numbers of several tensors, all at once.
fn fetched(tensors: &[Tensor]) -> Result<Vec<f64>, EngineError> {
    match tensors {
        [] => Ok(Vec::new()),
        some => Ok(Tensor::cat(some, 0)?.to_vec1()?),
    }
}

impl Backend for OnGpu<'_> {
    fn units_side_by_side(&self) -> bool {
        // Measured on an H200: threads that share a stream wait for each other's work, and all of it takes longer.
        false
    }

    fn counts(&self) -> bool {
        true
    }

    fn collect(&self, sweep: &Sweep<'_>, collecting: &Collecting) -> Result<Vec<Collected>, BackendError> {
        let linears = self.linears(sweep, collecting)?;
        let sample = self.sample(&linears, collecting)?;
        let mut totals = self.totals(&linears, collecting, &sample)?;
        for (total, size) in totals.iter_mut().zip(&sample.sizes) {
            total.set_sample(*size, sample.count);
        }
        Ok(totals)
    }

    fn values(&self, sweep: &Sweep<'_>) -> Result<Vec<f32>, BackendError> {
        let mut values = Vec::new();
        let out = |placed: &Placed, _| Out::whole(DType::F32, placed.size() as usize);
        self.of_values(sweep, "fill", 0, out, |written| {
            values.extend(written.to_vec1::<f32>()?);
            Ok(())
        })?;
        Ok(values)
    }

    fn histogram(&self, sweep: &Sweep<'_>, upper: Option<u16>) -> Result<(Histogram, bool), BackendError> {
        let mut total = upper.map_or_else(Histogram::coarse, Histogram::fine);
        let mut nan = false;
        let option = upper.map_or(DIGITS as u32, u32::from);
        self.of_values(
            sweep,
            "histogram",
            option,
            |_, _| Out::zeros(DType::U32, DIGITS + 1),
            |written| {
                let counts: Vec<u32> = written.to_vec1()?;
                total.add_counts(&counts[..DIGITS]);
                nan |= counts[DIGITS] != 0;
                Ok(())
            },
        )?;
        Ok((total, nan))
    }

    fn against(&self, sweep: &Sweep<'_>, threshold: f32) -> Result<(u64, u64), BackendError> {
        let mut counts = (0, 0);
        let out = |_: &Placed, blocks: u64| Out::whole(DType::F64, 2 * blocks as usize);
        self.of_values(sweep, "against", threshold.to_bits(), out, |written| {
            let parts: Vec<f64> = written.to_vec1()?;
            let (below, equal) = parts.split_at(parts.len() / 2);
            counts.0 += below.iter().sum::<f64>() as u64;
            counts.1 += equal.iter().sum::<f64>() as u64;
            Ok(())
        })?;
        Ok(counts)
    }
}

const fn stored(dtype: DType) -> Option<Stored> {
    match dtype {
        DType::F32 => Some(Stored::F32),
        DType::F16 => Some(Stored::F16),
        DType::BF16 => Some(Stored::Bf16),
        _ => None,
    }
}

const fn kind_of((weight, gradient): (Stored, Stored)) -> u8 {
    4 * weight as u8 + gradient as u8
}
