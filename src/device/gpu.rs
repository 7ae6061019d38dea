//! Which kernels run on what, and what becomes of their results.

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{DType, Device, Tensor};

use super::source::{self, Combine, Stored, fields, reads_gradient};
use crate::interpret::data::{LinearData, Values};
use crate::interpret::engine::{Backend, EngineError, Least};
use crate::interpret::matrix::{Stage, Task, centre};
use crate::interpret::tally::{Collected, Tally};
use crate::interpret::vector::{Histogram, ordered_bits};

/// Weights that one thread adds up before its sums become doubles.
const GROUP: u64 = 32;
/// Threads of a block, as the kernels have it.
const THREADS: u64 = 256;
/// The most blocks of a kernel: enough for the largest GPU, and the same everywhere, for sums are added block by block.
const BLOCKS: u64 = 1056;
/// The most blocks that look at a sample of a linear.
const SAMPLES: u64 = 64;
/// Values of half the bits of a single.
const DIGITS: usize = 1 << 16;

/// What a kernel takes.
pub enum Argument<'a> {
    /// The numbers of a tensor.
    Tensor(&'a Tensor),
    /// A whole number.
    U32(u32),
    /// A large one.
    U64(u64),
    /// One of the tensors that the kernel writes.
    Out(usize),
}

/// What runs kernels.
pub trait Launcher: fmt::Debug + Send + Sync {
    /// Returns where tensors lie.
    fn device(&self) -> Device;

    /// Runs a kernel of a text in some blocks of 256 threads, and returns what it wrote into tensors that were 0.
    fn launch(
        &self,
        text: &str,
        kernel: &'static str,
        blocks: u32,
        arguments: &[Argument<'_>],
        outs: &[(DType, usize)],
    ) -> Result<Vec<Tensor>, EngineError>;

    /// Says what would fit, when a linear's weights do not.
    fn room(&self, what: &str, bytes: u64) -> Result<(), EngineError>;
}

/// What evaluates on a GPU, or in the emulation of one.
#[derive(Debug)]
pub struct Gpu<L> {
    pub(super) launcher: L,
}

/// A linear of a stage, as its kernels take it.
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

impl<L: Launcher> Gpu<L> {
    /// Lays out what a stage's program takes of one linear, whose tasks these are: some whole rows, from the first to the last.
    fn place(&self, stage: &Stage<'_>, tasks: &[Task]) -> Result<Placed, EngineError> {
        let device = self.launcher.device();
        let (place, linear) = tasks.first().map_or((0, 0), |task| (task.place, task.linear));
        let data = &stage.frame.model.linears[linear];
        let whole = tasks.iter().map(|task| task.rows.len()).sum::<usize>() == data.rows;
        if !whole || u32::try_from(data.rows.max(data.columns)).is_err() {
            return Err(failed("a part of a linear"));
        }
        let none = Tensor::zeros(1, DType::F32, &device)?;
        let (weight, weight_type) = match stage.program.reads_weight {
            true => self.weight(stage, linear, data)?,
            false => (none.clone(), Stored::F32),
        };
        let (gradient, gradient_type) = match &data.gradient {
            Some(gradient) if reads_gradient(stage.program) => self.upload(gradient, "gradients")?,
            _ => (none.clone(), Stored::F32),
        };
        let mut ranks: Vec<f32> = Vec::new();
        for step in &stage.frame.ranks {
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
            numbers: vector(stage.frame.numbers(place, data.columns))?,
            ranks: vector(ranks)?,
        })
    }

    /// Returns a linear's weights on the device: those that lie there already, or a copy.
    fn weight(
        &self,
        stage: &Stage<'_>,
        linear: usize,
        data: &LinearData<'_>,
    ) -> Result<(Tensor, Stored), EngineError> {
        let resident = stage.frame.model.home.weights.get(linear);
        match resident.and_then(|it| Some((it, stored(it.dtype())?))) {
            Some((tensor, stored)) if tensor.elem_count() == data.weight.len() => {
                Ok((tensor.contiguous()?, stored))
            }
            _ => self.upload(&data.weight, &data.name),
        }
    }

    fn upload(&self, values: &Values<'_>, what: &str) -> Result<(Tensor, Stored), EngineError> {
        self.launcher.room(what, (values.len() * values.bytes_per_value()) as u64)?;
        let device = self.launcher.device();
        let count = values.len();
        Ok(match values {
            Values::F32(all) => (Tensor::from_slice(all, count, &device)?, Stored::F32),
            Values::F16(all) => (Tensor::from_slice(all, count, &device)?, Stored::F16),
            Values::Bf16(all) => (Tensor::from_slice(all, count, &device)?, Stored::Bf16),
        })
    }

    /// Runs a kernel of a program with one root on each linear of a stage, and hands what it wrote to `take`.
    fn of_values(
        &self,
        stage: &Stage<'_>,
        kernel: &'static str,
        option: u32,
        out: impl Fn(&Placed, u64) -> (DType, usize),
        mut take: impl FnMut(&Tensor) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let centres = Tensor::zeros(1, DType::F32, &self.launcher.device())?;
        let mut texts: BTreeMap<u8, String> = BTreeMap::new();
        for tasks in stage.tasks.chunk_by(|a, b| a.place == b.place) {
            let placed = self.place(stage, tasks)?;
            if placed.size() == 0 {
                continue;
            }
            let text = texts
                .entry(kind_of(placed.stored))
                .or_insert_with(|| source::of_values(stage.program, placed.stored));
            let blocks = placed.size().div_ceil(THREADS).clamp(1, BLOCKS);
            let outs = [out(&placed, blocks)];
            let arguments = placed.arguments(&centres, option);
            let written = self.launcher.launch(text, kernel, blocks as u32, &arguments, &outs)?;
            take(&written[0])?;
        }
        Ok(())
    }

    /// Returns the `place`-th least key of scores, from 0, and how many keys are below it.
    fn threshold(&self, text: &str, scores: &Tensor, place: u64) -> Result<u32, EngineError> {
        let n = scores.elem_count() as u64;
        let blocks = n.div_ceil(THREADS).clamp(1, BLOCKS) as u32;
        let count = |fine: u32, upper: u32| -> Result<Vec<u32>, EngineError> {
            let arguments = [
                Argument::Tensor(scores),
                Argument::U64(n),
                Argument::U32(fine),
                Argument::U32(upper),
                Argument::Out(0),
            ];
            let outs = [(DType::U32, DIGITS)];
            let counts = self.launcher.launch(text, "score_histogram", blocks, &arguments, &outs)?;
            Ok(counts[0].to_vec1()?)
        };
        let (upper, rest) = digit(&count(0, 0)?, place);
        let (lower, _) = digit(&count(1, upper)?, rest);
        Ok(upper << 16 | lower)
    }

    fn marks_of_rows(
        &self,
        text: &str,
        scores: &Tensor,
        (thresholds, lefts): (&Tensor, &Tensor),
    ) -> Result<Tensor, EngineError> {
        let (rows, columns) = scores.dims2()?;
        let arguments = [
            Argument::Tensor(scores),
            Argument::U32(rows as u32),
            Argument::U32(columns as u32),
            Argument::Tensor(thresholds),
            Argument::Tensor(lefts),
            Argument::Out(0),
        ];
        let outs = [(DType::U8, rows * columns)];
        let mut marks = self.launcher.launch(text, "mark_rows", blocks_of_rows(rows), &arguments, &outs)?;
        marks.pop().ok_or_else(|| failed("mark_rows"))
    }

    /// Marks the `count` least of all scores; with `ties`, all that are equal to the greatest of them as well.
    fn least_of_all(
        &self,
        text: &str,
        scores: &Tensor,
        count: usize,
        ties: bool,
    ) -> Result<Tensor, EngineError> {
        let (rows, columns) = scores.dims2()?;
        let device = self.launcher.device();
        let Some(last) = count.min(rows * columns).checked_sub(1) else {
            return Ok(Tensor::zeros(rows * columns, DType::U8, &device)?);
        };
        let threshold = self.threshold(text, scores, last as u64)?;
        let thresholds = Tensor::full(threshold, rows, &device)?;
        let lefts = if ties {
            Tensor::full(u32::MAX, rows, &device)?
        } else {
            let arguments = [
                Argument::Tensor(scores),
                Argument::U32(rows as u32),
                Argument::U32(columns as u32),
                Argument::U32(threshold),
                Argument::Out(0),
                Argument::Out(1),
            ];
            let outs = [(DType::U32, rows), (DType::U32, rows)];
            let blocks = blocks_of_rows(rows);
            let counts = self.launcher.launch(text, "row_against", blocks, &arguments, &outs)?;
            let below: Vec<u32> = counts[0].to_vec1()?;
            let equal: Vec<u32> = counts[1].to_vec1()?;
            // Of those at the threshold, as many as are still needed, in order.
            let mut left = (last as u64 + 1).saturating_sub(below.into_iter().map(u64::from).sum());
            let taken = equal.into_iter().map(|equal| {
                let taken = left.min(u64::from(equal));
                left -= taken;
                taken as u32
            });
            Tensor::new(taken.collect::<Vec<u32>>(), &device)?
        };
        self.marks_of_rows(text, scores, (&thresholds, &lefts))
    }
}

impl<L: Launcher> Backend for Gpu<L> {
    fn units_side_by_side(&self) -> bool {
        false
    }

    fn counts(&self) -> bool {
        true
    }

    fn collect(
        &self,
        stage: &Stage<'_>,
        tallies: &[Tally],
        takers: &[Vec<usize>],
    ) -> Result<Vec<Collected>, EngineError> {
        let device = self.launcher.device();
        let mut texts: BTreeMap<u8, String> = BTreeMap::new();
        let mut linears: Vec<Placed> = Vec::new();
        for tasks in stage.tasks.chunk_by(|a, b| a.place == b.place) {
            let placed = self.place(stage, tasks)?;
            if placed.size() > 0 {
                texts
                    .entry(kind_of(placed.stored))
                    .or_insert_with(|| source::collecting(stage.program, tallies, takers, placed.stored));
                linears.push(placed);
            }
        }
        let none = Tensor::zeros(tallies.len().max(1), DType::F32, &device)?;
        let mut samples = vec![(0.0, 0.0); tallies.len()];
        let mut sampled = 0;
        for placed in &linears {
            let apart = placed.size().div_ceil(SAMPLES).max(1024);
            let blocks = placed.size().div_ceil(apart) as usize;
            let outs = [(DType::F64, 2 * tallies.len() * blocks)];
            let arguments = placed.arguments(&none, apart as u32);
            let text = &texts[&kind_of(placed.stored)];
            let sums = self.launcher.launch(text, "sample", blocks as u32, &arguments, &outs)?;
            let sums: Vec<f64> = sums[0].to_vec1()?;
            for (sample, sums) in samples.iter_mut().zip(sums.chunks(2 * blocks)) {
                sample.0 += sums[..blocks].iter().sum::<f64>();
                sample.1 += sums[blocks..].iter().sum::<f64>();
            }
            sampled += (0..blocks as u64).map(|block| (placed.size() - block * apart).min(1024)).sum::<u64>();
        }
        // Singles, as the kernel subtracts them; what is made of the sums uses the same numbers.
        let centres: Vec<f32> = tallies
            .iter()
            .zip(&samples)
            .map(|(tally, (sum, _))| if tally.needs_centre() { centre(*sum, sampled) as f32 } else { 0.0 })
            .collect();
        let mut totals: Vec<Collected> = tallies
            .iter()
            .zip(&centres)
            .map(|(tally, centre)| Collected::new(*tally, f64::from(*centre)))
            .collect();
        let on_device = match centres.is_empty() {
            true => none,
            false => Tensor::new(centres.clone(), &device)?,
        };
        let fields: Vec<Vec<Combine>> = tallies
            .iter()
            .map(|tally| fields(*tally).into_iter().map(|(_, combine)| combine).collect())
            .collect();
        let all: usize = fields.iter().map(Vec::len).sum();
        for placed in &linears {
            let blocks = placed.size().div_ceil(THREADS * GROUP).clamp(1, BLOCKS) as usize;
            let outs = [(DType::F64, all * blocks)];
            let arguments = placed.arguments(&on_device, 0);
            let text = &texts[&kind_of(placed.stored)];
            let sums = self.launcher.launch(text, "collect", blocks as u32, &arguments, &outs)?;
            let sums: Vec<f64> = sums[0].to_vec1()?;
            let mut of_fields = sums.chunks(blocks);
            for (place, fields) in fields.iter().enumerate() {
                let numbers: Vec<f64> = fields
                    .iter()
                    .zip(of_fields.by_ref())
                    .map(|(combine, of)| combined(*combine, of))
                    .collect();
                let centre = f64::from(centres[place]);
                totals[place].merge(&Collected::of_numbers(tallies[place], centre, placed.size(), &numbers));
            }
        }
        for (total, (_, size)) in totals.iter_mut().zip(samples) {
            total.set_sample(size, sampled);
        }
        Ok(totals)
    }

    fn values(&self, stage: &Stage<'_>) -> Result<Vec<f32>, EngineError> {
        let mut values = Vec::new();
        let out = |placed: &Placed, _| (DType::F32, placed.size() as usize);
        self.of_values(stage, "fill", 0, out, |written| {
            values.extend(written.to_vec1::<f32>()?);
            Ok(())
        })?;
        Ok(values)
    }

    fn histogram(&self, stage: &Stage<'_>, upper: Option<u16>) -> Result<(Histogram, bool), EngineError> {
        let mut total = upper.map_or_else(Histogram::coarse, Histogram::fine);
        let mut nan = false;
        let option = upper.map_or(DIGITS as u32, u32::from);
        self.of_values(
            stage,
            "histogram",
            option,
            |_, _| (DType::U32, DIGITS + 1),
            |written| {
                let counts: Vec<u32> = written.to_vec1()?;
                total.add_counts(&counts[..DIGITS]);
                nan |= counts[DIGITS] != 0;
                Ok(())
            },
        )?;
        Ok((total, nan))
    }

    fn against(&self, stage: &Stage<'_>, threshold: f32) -> Result<(u64, u64), EngineError> {
        let mut counts = (0, 0);
        let out = |_: &Placed, blocks: u64| (DType::F64, 2 * blocks as usize);
        self.of_values(stage, "against", threshold.to_bits(), out, |written| {
            let parts: Vec<f64> = written.to_vec1()?;
            let (below, equal) = parts.split_at(parts.len() / 2);
            counts.0 += below.iter().sum::<f64>() as u64;
            counts.1 += equal.iter().sum::<f64>() as u64;
            Ok(())
        })?;
        Ok(counts)
    }

    fn least(&self, scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
        let scores = scores.contiguous()?;
        let (rows, columns) = scores.dims2()?;
        let device = self.launcher.device();
        if rows == 0 || columns == 0 {
            return Ok(Tensor::zeros((rows, columns), DType::U8, &device)?);
        }
        let text = source::selecting();
        let marks = match wanted {
            Least::OfAll(count) => self.least_of_all(&text, &scores, *count, false)?,
            Least::UpTo(place) => self.least_of_all(&text, &scores, place.saturating_add(1), true)?,
            Least::OfRows(counts) => {
                let mut counts = counts.clone();
                counts.resize(rows, 0);
                let counts = Tensor::new(counts, &device)?;
                let arguments = [
                    Argument::Tensor(&scores),
                    Argument::U32(rows as u32),
                    Argument::U32(columns as u32),
                    Argument::Tensor(&counts),
                    Argument::Out(0),
                    Argument::Out(1),
                ];
                let outs = [(DType::U32, rows), (DType::U32, rows)];
                let blocks = blocks_of_rows(rows);
                let found = self.launcher.launch(&text, "row_thresholds", blocks, &arguments, &outs)?;
                self.marks_of_rows(&text, &scores, (&found[0], &found[1]))?
            }
            Least::OfGroups { size, count, last } => {
                let size = (*size).max(1);
                let arguments = [
                    Argument::Tensor(&scores),
                    Argument::U32(rows as u32),
                    Argument::U32(columns as u32),
                    Argument::U32(size as u32),
                    Argument::U32(*count as u32),
                    Argument::U32(*last as u32),
                    Argument::Out(0),
                ];
                let groups = (rows * columns.div_ceil(size)) as u64;
                let blocks = groups.div_ceil(THREADS).clamp(1, 1 << 20) as u32;
                let outs = [(DType::U8, rows * columns)];
                let mut marks = self.launcher.launch(&text, "mark_groups", blocks, &arguments, &outs)?;
                marks.pop().ok_or_else(|| failed("mark_groups"))?
            }
        };
        Ok(marks.reshape((rows, columns))?)
    }
}

fn failed(what: &'static str) -> EngineError {
    EngineError::Failed { what, problem: "it is not what the kernel takes".to_owned() }
}

fn blocks_of_rows(rows: usize) -> u32 {
    rows.clamp(1, 1 << 16) as u32
}

/// Returns the digit into which the `place`-th number falls, from 0, and its place among those there.
fn digit(counts: &[u32], mut place: u64) -> (u32, u64) {
    for (digit, count) in counts.iter().enumerate() {
        if place < u64::from(*count) {
            return (digit as u32, place);
        }
        place -= u64::from(*count);
    }
    (ordered_bits(f32::INFINITY) >> 16, 0)
}

fn combined(combine: Combine, of_blocks: &[f64]) -> f64 {
    let nan = of_blocks.iter().any(|x| x.is_nan());
    match combine {
        Combine::Plus => of_blocks.iter().sum(),
        _ if nan => f64::NAN,
        Combine::Least => of_blocks.iter().copied().fold(f64::INFINITY, f64::min),
        Combine::Most => of_blocks.iter().copied().fold(f64::NEG_INFINITY, f64::max),
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
