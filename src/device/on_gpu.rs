//! The matrix stage on a GPU: which kernels run on which data, and how their results are used.

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

use super::error::EngineError;
use super::launcher::{
    Argument, BLOCKS, Code, DIGITS, Launch, Launcher, Out, THREADS, failed, launch, launch_for_one,
};
use super::placement::{Placement, Placing};
use super::selection;
use super::source::{self, Form, fields};
use crate::interpret::matrix::{Backend, BackendError, Collecting, Program, Sweep};
use crate::kernels::reduction::Aggregate;
use crate::kernels::tally::{Collected, Tally};
use crate::kernels::vector::Histogram;
use crate::lang::types::Over;

/// Bytes copied to the device for one launch, if units are not there yet and a single one takes less.
const COPIED: u64 = 2 << 30;

/// Bytes that sorting takes for each weight: values, their magnitudes, and two copies of keys and positions.
const SORTED: u64 = 24;

/// The backend that evaluates scripts on a GPU.
#[derive(Debug)]
pub(super) struct OnGpu<'a> {
    placing: Placing<'a>,
}

impl<'a> OnGpu<'a> {
    /// Returns the backend for a GPU on which the given weights lie, possibly none.
    pub(super) const fn new(gpu: &'a dyn Launcher, weights: &'a [Tensor]) -> Self {
        Self { placing: Placing { gpu, weights } }
    }
}

/// Returns the kernels that fold the blocks' results into one number for each unit.
fn folding() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| Code::new(source::folding()))
}

/// The results of launches for the tallies of several units, on the device: for each unit and tally the
/// centre of its powers and the sum of the sample's magnitudes, and for each unit the numbers of its tallies.
struct Written {
    centres: Tensor,
    numbers: Tensor,
}

/// Several units whose launches have started.
struct Begun {
    /// For each unit, the numbers of its weights and of its sample's values.
    counts: Vec<(u64, u64)>,
    /// The results for each piece; empty if no unit has weights.
    written: Vec<Written>,
}

impl OnGpu<'_> {
    fn gpu(&self) -> &dyn Launcher {
        self.placing.gpu
    }

    /// Runs a kernel of a program with one root on a unit, and returns its output; `None` for a unit without
    /// weights.
    fn of_values(
        &self,
        sweep: &Sweep<'_>,
        kernel: &'static str,
        option: u32,
        out: impl Fn(&Placement) -> Out,
    ) -> Result<Option<Tensor>, EngineError> {
        let placement = self.placing.place(std::slice::from_ref(sweep), self.placing.form(sweep))?;
        if placement.blocks == 0 {
            return Ok(None);
        }
        let code = Code::new(source::of_values(sweep.program, placement.form));
        let none = Tensor::zeros(1, DType::F32, &self.gpu().device())?;
        let arguments = placement.arguments(&none, option);
        let outs = [out(&placement)];
        Ok(launch(self.gpu(), &code, kernel, placement.blocks, &arguments, &outs)?.pop())
    }

    /// Returns the values of a program's only root, on the device; `None` for a unit without weights.
    fn filled(&self, sweep: &Sweep<'_>) -> Result<Option<Tensor>, EngineError> {
        self.of_values(sweep, "fill", 0, |placement| Out::whole(DType::F32, placement.size as usize))
    }

    /// Reduces f32 values `[rows, columns]` along their channels: returns the aggregate of each tally in each
    /// remaining channel.
    fn of_channels(
        &self,
        values: &Tensor,
        (rows, columns): (usize, usize),
        tallies: &[(Tally, Aggregate, Over)],
    ) -> Result<Vec<Vec<f64>>, EngineError> {
        let mut written = Vec::with_capacity(tallies.len());
        for (tally, _, over) in tallies {
            let (kernel, channels, blocks) = match over {
                Over::Outputs => ("columns", columns, columns.div_ceil(32).max(1)),
                Over::Unit | Over::Inputs => ("rows", rows, rows.clamp(1, 1 << 16)),
            };
            let code = Code::new(source::channels(*tally));
            let arguments = [
                Argument::Tensor(values),
                Argument::U32(rows as u32),
                Argument::U32(columns as u32),
                Argument::Out(0),
            ];
            let numbers = 1 + fields(*tally).len();
            let launch = Launch { blocks: blocks as u32, shared: 0, arguments: &arguments };
            let out = Out::whole(DType::F64, channels * numbers);
            written.push(launch_for_one(self.gpu(), &code, kernel, launch, out)?);
        }
        let of_tally = |((tally, aggregate, over), written): (&(Tally, Aggregate, Over), &Tensor)| {
            let count = if *over == Over::Outputs { rows } else { columns } as u64;
            let numbers: Vec<f64> = written.to_vec1()?;
            let channels = numbers.chunks_exact(1 + fields(*tally).len());
            let value = |own: &[f64]| {
                Collected::of_numbers(*tally, own[0], count, &own[1..]).finish(*aggregate).value
            };
            Ok(channels.map(value).collect())
        };
        tallies.iter().zip(&written).map(of_tally).collect()
    }

    /// Returns the Gini coefficient of a unit's magnitudes, if there is enough memory to sort them.
    fn sorted_gini(&self, sweep: &Sweep<'_>) -> Result<Option<f64>, EngineError> {
        let weights = sweep
            .tasks
            .iter()
            .map(|task| (task.rows.len() * sweep.frame.model.linears[task.linear].columns) as u64);
        let needed = SORTED * weights.sum::<u64>();
        if self.gpu().memory().is_some_and(|(free, _)| needed > free) {
            return Ok(None);
        }
        let Some(values) = self.filled(sweep)? else { return Ok(None) };
        let values = values.abs()?;
        let Some(ranks) = selection::places(self.gpu(), &values)? else { return Ok(None) };
        let n = values.elem_count() as u64;
        let arguments =
            [Argument::Tensor(&values), Argument::Tensor(&ranks), Argument::U64(n), Argument::Out(0)];
        let blocks = n.div_ceil(THREADS).clamp(1, BLOCKS);
        let launch = Launch { blocks: blocks as u32, shared: 0, arguments: &arguments };
        let out = Out::whole(DType::F64, 2 * blocks as usize);
        let parts: Vec<f64> =
            launch_for_one(self.gpu(), folding(), "weighted_by_rank", launch, out)?.to_vec1()?;
        let (sums, weighted) = parts.split_at(parts.len() / 2);
        let (sum, weighted) = (sums.iter().sum::<f64>(), weighted.iter().sum::<f64>());
        Ok(Some(if sum == 0.0 { 0.0 } else { weighted / (n as f64 * sum) }))
    }

    /// Starts collecting for units of one form, without waiting.
    fn begin(&self, sweeps: &[Sweep<'_>], form: Form, pieces: &[Collecting]) -> Result<Begun, EngineError> {
        let placement = self.placing.place(sweeps, form)?;
        let mut written = Vec::new();
        if let (Some(first), true) = (sweeps.first(), placement.blocks > 0) {
            for piece in pieces {
                written.push(self.begin_piece(first.program, &placement, sweeps.len(), piece)?);
            }
        }
        Ok(Begun { counts: placement.counts, written })
    }

    /// Starts collecting one launch's share.
    fn begin_piece(
        &self,
        program: &Program,
        placement: &Placement,
        units: usize,
        collecting: &Collecting,
    ) -> Result<Written, EngineError> {
        let gpu = self.gpu();
        let device = gpu.device();
        let code = Code::new(source::collecting(program, collecting, placement.form));
        let tallies = collecting.tallies.len();
        let run = |kernel, blocks: u64, numbers: usize, centres: &Tensor| {
            let arguments = placement.arguments(centres, 0);
            let shared = (numbers * THREADS as usize * size_of::<f64>()) as u32;
            let launch = Launch { blocks: blocks as u32, shared, arguments: &arguments };
            launch_for_one(gpu, &code, kernel, launch, Out::whole(DType::F64, numbers * blocks as usize))
        };
        let none = Tensor::zeros(1, DType::F32, &device)?;
        let sampled = run("sample", placement.sample_blocks, 2 * tallies, &none)?;
        let centred: Vec<u32> =
            collecting.tallies.iter().map(|tally| u32::from(tally.needs_centre())).collect();
        let centred = Tensor::new(centred, &device)?;
        let arguments = [
            Argument::Tensor(&sampled),
            Argument::U32(placement.sample_blocks as u32),
            Argument::Tensor(&placement.sample_firsts),
            Argument::Tensor(&placement.sample_counts),
            Argument::Tensor(&centred),
            Argument::U32(tallies as u32),
            Argument::Out(0),
            Argument::Out(1),
        ];
        let each = units * tallies;
        let outs = [Out::whole(DType::F64, 2 * each), Out::whole(DType::F32, each)];
        let written = launch(gpu, folding(), "centre", each as u64, &arguments, &outs)?;
        let [centres, about] = <[Tensor; 2]>::try_from(written).map_err(|_| failed("centre"))?;
        let ways: Vec<u32> = collecting
            .tallies
            .iter()
            .flat_map(|tally| fields(*tally).into_iter().map(|(_, combine)| combine.code()))
            .collect();
        let count = ways.len();
        let parts = run("collect", placement.blocks, count, &about)?;
        let ways = Tensor::new(ways, &device)?;
        let arguments = [
            Argument::Tensor(&parts),
            Argument::U32(placement.blocks as u32),
            Argument::Tensor(&placement.firsts),
            Argument::Tensor(&ways),
            Argument::U32(count as u32),
            Argument::Out(0),
        ];
        let launch = Launch { blocks: (units * count) as u32, shared: 0, arguments: &arguments };
        let out = Out::whole(DType::F64, units * count);
        let numbers = launch_for_one(gpu, folding(), "fold", launch, out)?;
        Ok(Written { centres, numbers })
    }
}

/// Splits units, in order, into groups that share a form and whose copies to the device are small enough.
fn groups(placing: Placing<'_>, sweeps: &[Sweep<'_>]) -> Vec<(Form, usize)> {
    let mut groups: Vec<(Form, usize)> = Vec::new();
    let mut copied = 0;
    for sweep in sweeps {
        let (form, bytes) = (placing.form(sweep), placing.bytes(sweep));
        copied += bytes;
        match groups.last_mut() {
            Some((last, count)) if *last == form && copied <= COPIED => *count += 1,
            _ => {
                groups.push((form, 1));
                copied = bytes;
            }
        }
    }
    groups
}

/// Returns the results of a unit's tallies from the copied numbers.
fn of_unit(
    collecting: &Collecting,
    (weights, sample): (u64, u64),
    centres: &[f64],
    numbers: &[f64],
) -> Vec<Collected> {
    let mut rest = numbers;
    collecting
        .tallies
        .iter()
        .zip(centres.chunks_exact(2))
        .map(|(tally, about)| {
            let (own, after) = rest.split_at(fields(*tally).len().min(rest.len()));
            rest = after;
            let mut collected = Collected::of_numbers(*tally, about[0], weights, own);
            collected.set_sample(about[1], sample);
            collected
        })
        .collect()
}

impl Backend for OnGpu<'_> {
    fn takes_units_together(&self) -> bool {
        true
    }

    fn counts(&self) -> bool {
        true
    }

    fn collect(
        &self,
        sweeps: &[Sweep<'_>],
        collecting: &Collecting,
    ) -> Result<Vec<Vec<Collected>>, BackendError> {
        let pieces = source::pieces(collecting);
        let mut begun: Vec<Begun> = Vec::new();
        let mut rest = sweeps;
        for (form, count) in groups(self.placing, sweeps) {
            let (here, after) = rest.split_at(count);
            rest = after;
            begun.push(self.begin(here, form, &pieces)?);
        }
        // Everything is copied at once, because every copy waits for the device.
        let written = begun.iter().flat_map(|begun| &begun.written);
        let all: Vec<&Tensor> = written.flat_map(|written| [&written.centres, &written.numbers]).collect();
        let fetched: Vec<f64> = match all.is_empty() {
            true => Vec::new(),
            false => Tensor::cat(&all, 0).and_then(|all| all.to_vec1()).map_err(EngineError::from)?,
        };
        let mut rest = fetched.as_slice();
        let mut take = |tensor: &Tensor| {
            let (here, after) = rest.split_at(tensor.elem_count().min(rest.len()));
            rest = after;
            here
        };
        let mut collected = Vec::with_capacity(sweeps.len());
        for Begun { counts, written } in &begun {
            let start = collected.len();
            collected.resize(start + counts.len(), Vec::with_capacity(collecting.tallies.len()));
            let units = &mut collected[start..];
            for (piece, written) in pieces.iter().zip(written) {
                let [centres, numbers] = [take(&written.centres), take(&written.numbers)];
                let [of_centres, of_numbers] =
                    [centres, numbers].map(|all| (all.len() / counts.len()).max(1));
                let read = centres.chunks(of_centres).zip(numbers.chunks(of_numbers));
                for ((unit, counts), (centres, numbers)) in units.iter_mut().zip(counts).zip(read) {
                    unit.extend(of_unit(piece, *counts, centres, numbers));
                }
            }
            if written.is_empty() {
                let nothing = |tally: &_| Collected::new(*tally, 0.0);
                units.iter_mut().for_each(|unit| unit.extend(collecting.tallies.iter().map(nothing)));
            }
        }
        Ok(collected)
    }

    fn channels(
        &self,
        sweep: &Sweep<'_>,
        wanted: &[(Aggregate, Over)],
    ) -> Result<Option<Vec<Vec<Vec<f64>>>>, BackendError> {
        let tallies: Result<Vec<(Tally, Aggregate, Over)>, _> = wanted
            .iter()
            .map(|(aggregate, over)| Tally::of(*aggregate).map(|tally| (tally, *aggregate, *over)))
            .collect();
        let (Ok(tallies), Some(values)) = (tallies, self.filled(sweep)?) else { return Ok(None) };
        let mut before = 0;
        let mut found = Vec::new();
        for tasks in sweep.tasks.chunk_by(|a, b| a.place == b.place) {
            let data = &sweep.frame.model.linears[tasks[0].linear];
            let shape = (data.rows, data.columns);
            let own = values.narrow(0, before, shape.0 * shape.1).map_err(EngineError::from)?;
            before += shape.0 * shape.1;
            found.push(self.of_channels(&own, shape, &tallies)?);
        }
        Ok(Some(found))
    }

    fn gini(&self, sweep: &Sweep<'_>) -> Result<Option<f64>, BackendError> {
        Ok(self.sorted_gini(sweep)?)
    }

    fn values(&self, sweep: &Sweep<'_>) -> Result<Vec<f32>, BackendError> {
        let written = self.filled(sweep)?;
        Ok(written.map_or_else(|| Ok(Vec::new()), |written| written.to_vec1()).map_err(EngineError::from)?)
    }

    fn histogram(&self, sweep: &Sweep<'_>, upper: Option<u16>) -> Result<(Histogram, bool), BackendError> {
        let mut total = upper.map_or_else(Histogram::coarse, Histogram::fine);
        let option = upper.map_or(DIGITS as u32, u32::from);
        let written = self.of_values(sweep, "histogram", option, |_| Out::zeros(DType::U32, DIGITS + 1))?;
        let Some(written) = written else { return Ok((total, false)) };
        let counts: Vec<u32> = written.to_vec1().map_err(EngineError::from)?;
        total.add_counts(&counts[..DIGITS]);
        Ok((total, counts[DIGITS] != 0))
    }

    fn against(&self, sweep: &Sweep<'_>, threshold: f32) -> Result<(u64, u64), BackendError> {
        let out = |placement: &Placement| Out::whole(DType::F64, 2 * placement.blocks as usize);
        let Some(written) = self.of_values(sweep, "against", threshold.to_bits(), out)? else {
            return Ok((0, 0));
        };
        let parts: Vec<f64> = written.to_vec1().map_err(EngineError::from)?;
        let (below, equal) = parts.split_at(parts.len() / 2);
        Ok((below.iter().sum::<f64>() as u64, equal.iter().sum::<f64>() as u64))
    }
}
