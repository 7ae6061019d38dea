//! The cost of work: one formula for each kind, with its source.
//!
//! Operations are those of matrix products: two for each weight and token. Other work is expressed as the
//! products that take the same time, based on the output of `benches/prune.rs` (docs/concepts/speed.md): 100
//! GFLOP/s, 68 ms for the masks of 4096 x 11008 weights, 0.66 s for a factor of 4096 columns and 0.61 s for
//! the pass that follows it.

use super::machine::Machine;
use super::sizes::Sizes;
use super::step::{Amount, Step};
use crate::lang::ops::{Class, Op};
use crate::lang::program::{Expr, Script};
use crate::model::positions_together;
use crate::tasks::Cost;

/// The share of a plain product's rate that a forward pass reaches, including attention, norms and
/// activations: 84 to 90 % there.
const EFFICIENCY: f64 = 0.85;
/// Operations for each weight to choose the pruned weights.
const MASK: f64 = 150.0;
/// The maximum number of tokens that go through a block together, except for longer windows
/// (`stats::batch_samples`).
const BATCH: u64 = 2048;
/// The maximum bytes of probabilities that a search keeps for a text (`measure::reference`); beyond it,
/// hidden states are kept.
const PROBABILITIES: u64 = 1 << 30;

/// Singular values of a matrix, for each unit of its larger side times the square of its smaller side: 24 ms
/// for 512 x 512 and 512 x 1408.
const SPECTRUM: f64 = 5.0;
/// A reduction of the score in a sweep, for each weight (`benches/matrix.rs`): `mean(sigmoid(score))` takes
/// 48 ms for 103 million.
const REDUCTION: f64 = 50.0;
/// The same for reductions that select, sort or rank the values.
const SELECTION: f64 = 360.0;
const SORT: f64 = 1100.0;
const RANKING: f64 = 3700.0;
/// The first four moments of inputs, for each value.
const MOMENTS: f64 = 100.0;

/// The cost of evaluating scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Operations for each weight.
    of_a_weight: f64,
    /// How many times the spectrum of every weight is needed.
    spectra: usize,
}

impl Evaluation {
    /// Adds up the cost of the scripts' reductions.
    pub fn of<'a>(scripts: impl IntoIterator<Item = &'a Script>) -> Self {
        let mut all = Self::default();
        for allocation in scripts.into_iter().filter_map(|script| script.allocation.as_ref()) {
            allocation.walk(&mut |part| all.add(part));
        }
        all
    }

    /// Adds one spectrum of every weight.
    #[must_use]
    pub const fn with_spectrum(self) -> Self {
        Self { spectra: self.spectra + 1, ..self }
    }

    fn add(&mut self, part: &Expr) {
        let Some(op) = part.op() else { return };
        self.of_a_weight += match (op, op.info().class) {
            (Op::Median | Op::Quantile, _) => SELECTION,
            (Op::Gini, _) => SORT,
            (Op::Ranks, _) => RANKING,
            (_, Class::Reduction | Class::Normaliser) => REDUCTION,
            _ => 0.0,
        };
        if op.info().class == Class::MatrixReduction {
            self.spectra += 1;
        }
    }
}

/// Windows of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Number of windows.
    pub samples: u64,
    /// Number of tokens in each window.
    pub length: u64,
    /// Bytes of text that are tokenised at once to cut the windows.
    pub text: u64,
}

/// The statistics that a calibration pass collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// The windows that the model reads.
    pub windows: Windows,
    /// Whether every Hessian is kept.
    pub hessians: bool,
    /// Whether the reconstruction error of each linear is computed.
    pub reconstruction: bool,
    /// Whether squared gradients are also collected.
    pub gradients: bool,
    /// Whether the kurtosis of each linear's input is also collected.
    pub input_kurtosis: bool,
    /// Number of sparsities to which each block is pruned alone; each time, the windows go through the model
    /// from that block on.
    pub damage_of_blocks: u64,
    /// The same for each linear.
    pub damage_of_linears: u64,
    /// Number of pruned models that process the windows forward and backward for marginals.
    pub marginals: u64,
}

impl Calibration {
    /// Returns the pass that collects only the inputs' second moments.
    pub const fn of(windows: Windows) -> Self {
        Self {
            windows,
            hessians: false,
            reconstruction: false,
            gradients: false,
            input_kurtosis: false,
            damage_of_blocks: 0,
            damage_of_linears: 0,
            marginals: 0,
        }
    }
}

/// How a model is pruned.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The windows that the model reads on the way; `None` if the method needs none, or statistics are
    /// available.
    pub windows: Option<Windows>,
    /// Whether each site's Hessian is inverted (SparseGPT).
    pub hessians: bool,
    /// Whether later blocks see pruned ones, which takes a second pass through each block.
    pub propagates: bool,
    /// Whether a pruned copy is written.
    pub writes: bool,
}

/// Many candidates measured on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The maximum number of measured candidates.
    pub candidates: u64,
    /// The windows on which each candidate is measured.
    pub windows: Windows,
    /// The windows of the other texts, which the dense model and the best candidates read.
    pub others: [Option<Windows>; 2],
    /// Number of the best candidates that read them.
    pub best: u64,
    /// Whether the gradients of each candidate's loss are also measured, with separate windows for each
    /// candidate.
    pub gradients: bool,
}

/// A part of a command's work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Reads every weight, for the fingerprint and the check for finite numbers.
    Check,
    /// Collects statistics.
    Calibrate(Calibration),
    /// Evaluates scripts.
    Evaluate(Evaluation),
    /// Prunes.
    Prune(Pruning),
    /// Measures losses of this number of models at the same time.
    Measure(Windows, u64),
    /// Measures candidates.
    Try(Trial),
    /// Answers tasks.
    Answer(Cost),
}

impl Windows {
    fn tokens(self) -> u64 {
        self.samples * self.length
    }

    /// Returns the number of tokens that go through a block together.
    fn batch(self) -> u64 {
        (BATCH / self.length.max(1)).clamp(1, self.samples.max(1)) * self.length
    }
}

impl Sizes {
    /// Returns the operations of one window in all blocks: every weight, and the scores and values of causal
    /// attention.
    fn blocks_operations(&self, windows: Windows) -> f64 {
        let length = windows.length;
        let seen = |window: &Option<u64>| {
            let width = window.map_or(length, |window| window.min(length));
            // Each of the first queries sees one token more than the previous one, all later ones see the
            // whole window.
            (width * (width + 1) / 2 + (length - width) * width) as f64
        };
        let attention: f64 = self.windows.iter().map(|window| 4.0 * self.queries as f64 * seen(window)).sum();
        windows.samples as f64 * (2.0 * self.linear_weights() as f64 * length as f64 + attention)
    }

    fn head_operations(&self, windows: Windows) -> f64 {
        2.0 * self.head_weights as f64 * (windows.samples * windows.length.saturating_sub(1)) as f64
    }

    fn hessian_operations(&self, windows: Windows) -> f64 {
        let squares: u64 = self.sites().iter().map(|columns| columns * columns).sum();
        2.0 * (windows.tokens() * squares * self.blocks as u64) as f64
    }

    /// Returns the memory for a block's weights in f32 and for the intermediate results between its linears:
    /// queries, keys, values and two copies, gate, up and their product (`stats::room`).
    fn block_memory(&self, windows: Windows) -> Vec<Amount> {
        vec![
            amount("a block's weights in f32", 4 * self.block_weights),
            amount(
                "intermediate results between its linears",
                4 * windows.batch() * (8 * self.hidden + 3 * self.intermediate),
            ),
        ]
    }

    fn state_bytes(&self, windows: Windows) -> u64 {
        4 * windows.tokens() * self.hidden
    }

    /// Returns the bytes of the Hessians of a block's sites.
    fn site_bytes(&self) -> u64 {
        4 * self.sites().iter().map(|columns| columns * columns).sum::<u64>()
    }
}

impl Work {
    /// Returns the windows that the model reads.
    pub(super) fn windows(&self) -> Vec<Windows> {
        match self {
            Self::Check | Self::Evaluate(_) | Self::Answer(_) => Vec::new(),
            Self::Calibrate(calibration) => vec![calibration.windows],
            Self::Prune(pruning) => pruning.windows.into_iter().collect(),
            Self::Measure(windows, _) => vec![*windows],
            Self::Try(trial) => trial.others.into_iter().flatten().chain([trial.windows]).collect(),
        }
    }

    /// Returns the cost of the work if it may take `room` bytes.
    pub(super) fn step(self, sizes: &Sizes, machine: &Machine, room: u64) -> Step {
        match self {
            Self::Check => {
                let operations = sizes.weights as f64 / machine.weights * machine.operations;
                step("reading the weights", machine, operations)
            }
            Self::Calibrate(calibration) => calibrate(calibration, sizes, machine, room),
            Self::Evaluate(evaluation) => {
                let spectrum = |rows: u64, columns: u64| {
                    SPECTRUM * (rows.min(columns).pow(2) as f64) * rows.max(columns) as f64
                };
                let spectra: f64 =
                    sizes.linears.iter().map(|(_, rows, columns)| spectrum(*rows, *columns)).sum();
                let sweeps = evaluation.of_a_weight * sizes.linear_weights() as f64;
                let all = sweeps + evaluation.spectra as f64 * spectra * sizes.blocks as f64;
                let mapped = if all > 0.0 { sizes.stored_bytes * sizes.linear_weights() } else { 0 };
                Step { mapped, ..step("evaluating the script", machine, all) }
            }
            Self::Prune(pruning) => prune(pruning, sizes, machine, room),
            Self::Measure(windows, models) => measure(windows, models, sizes, machine, room),
            Self::Try(trial) => trying(trial, sizes, machine),
            Self::Answer(cost) => answer(cost, sizes, machine),
        }
    }
}

fn amount(what: &'static str, bytes: u64) -> Amount {
    Amount { what, bytes }
}

fn step(name: &'static str, machine: &Machine, operations: f64) -> Step {
    let seconds = operations / machine.operations;
    Step { name, times: 1, tokens: 0, operations, seconds, memory: Vec::new(), mapped: 0, disk: Vec::new() }
}

/// Places hidden states in memory, or on the disk if they do not fit with the rest.
fn wait(step: &mut Step, bytes: u64, room: u64) {
    let taken: u64 = step.memory.iter().map(|it| it.bytes).sum();
    match taken.saturating_add(bytes) <= room {
        true => step.memory.push(amount("hidden states", bytes)),
        false => step.disk.push(amount("hidden states, in a scratch file", bytes)),
    }
}

fn calibrate(calibration: Calibration, sizes: &Sizes, machine: &Machine, room: u64) -> Step {
    let Calibration { windows, hessians, reconstruction, gradients, marginals, input_kurtosis, .. } =
        calibration;
    let Calibration { damage_of_blocks, damage_of_linears, .. } = calibration;
    let mut operations = sizes.blocks_operations(windows);
    let mut tokens = windows.tokens();
    let mut memory = sizes.block_memory(windows);
    let all_sites = sizes.blocks as u64 * sizes.site_bytes();
    let sums: u64 = sizes.linears.iter().map(|(_, _, columns)| 4 * columns).sum();
    let mut written = sizes.blocks as u64 * sums;
    if hessians || reconstruction {
        operations += sizes.hessian_operations(windows);
        memory.push(amount("Hessians", if hessians { 2 * all_sites } else { sizes.site_bytes() }));
    }
    if hessians {
        written += all_sites;
    }
    if reconstruction {
        memory.push(amount("a second copy of a block's weights", 4 * sizes.block_weights));
        // As in the pass after SparseGPT's factor: each pruned column changes the remaining weights of its
        // row.
        operations += solved(sizes);
    }
    let mut states = sizes.state_bytes(windows);
    if gradients {
        // Forward; then forward again and a backward pass of twice the cost, and the head's losses and
        // gradients.
        operations += 4.0 * sizes.blocks_operations(windows) + 2.0 * sizes.head_operations(windows);
        tokens *= 3;
        memory.push(amount("a block's gradients and their squares", 8 * sizes.block_weights));
        memory.push(amount("gradients of all linears", 4 * sizes.linear_weights()));
        states *= sizes.blocks as u64 + 1;
        written += 2 * sizes.linear_weights();
    }
    if input_kurtosis {
        // Two readings of each input.
        let inputs: u64 = sizes.sites().iter().sum();
        operations += MOMENTS * (windows.tokens() * inputs * sizes.blocks as u64) as f64;
    }
    let alone = damage_of_blocks + damage_of_linears * sizes.linears.len() as u64;
    if marginals + alone > 0 {
        // The dense model forward; then each pruned model forward and a backward pass of twice the cost.
        let once = sizes.blocks_operations(windows) + sizes.head_operations(windows);
        operations += (1.0 + 3.0 * marginals as f64) * once;
        tokens += windows.tokens() * (1 + 3 * marginals);
        if alone > 0 {
            // The dense model again, and from each block on, the later half of it on average, for each unit.
            let blocks = sizes.blocks.max(1) as f64;
            let of_blocks = sizes.blocks_operations(windows);
            let share = 0.5 * (blocks + 1.0) / blocks;
            let units = alone as f64 * blocks;
            operations += of_blocks + units * (share * of_blocks + sizes.head_operations(windows));
            tokens += (windows.tokens() as f64 * (1.0 + units * share)) as u64;
            memory.push(amount("hidden states before a block", 2 * sizes.state_bytes(windows)));
        }
        memory.push(amount("weights in f32", 4 * (sizes.linear_weights() + sizes.head_weights)));
        memory.push(amount("ranks of all weights", 2 * sizes.linear_weights()));
        memory.push(amount("pruned weights in f32", 4 * sizes.linear_weights()));
        memory.push(amount("the dense model's predictions", predicted(sizes, windows)));
    }
    // The rows of the tokens are read from the embedding, then one linear at a time.
    let mapped =
        sizes.stored_bytes * widest(sizes).max((windows.tokens() * sizes.hidden).min(sizes.head_weights));
    let mut step = Step { tokens, memory, mapped, ..step("calibrating", machine, operations / EFFICIENCY) };
    wait(&mut step, states, room);
    step.disk.push(amount("the statistics", written));
    step
}

/// Returns the operations of SparseGPT's pass over all rows, or of a similar pass.
fn solved(sizes: &Sizes) -> f64 {
    let of_block: u64 = sizes.linears.iter().map(|(_, rows, columns)| rows * columns * columns).sum();
    of_block as f64 * sizes.blocks as f64
}

fn prune(pruning: Pruning, sizes: &Sizes, machine: &Machine, room: u64) -> Step {
    let Pruning { windows, hessians, propagates, writes } = pruning;
    let mut operations = match hessians {
        false => MASK * sizes.linear_weights() as f64,
        true => {
            let factors: f64 = sizes.sites().iter().map(|columns| (*columns as f64).powi(3)).sum();
            factors * sizes.blocks as f64 + solved(sizes)
        }
    };
    // A linear's weights in f32, scores, their order, a mask of bytes, and the output in 16 bits, in addition
    // to the stored weights.
    let mut memory = vec![amount("a linear, its scores and its mask", widest(sizes) * 17)];
    let (mut tokens, mut states) = (0, None);
    if let Some(windows) = windows {
        // No block reads the last block's output.
        let blocks = sizes.blocks.max(1) as f64;
        let passes = if propagates { 2.0 - 1.0 / blocks } else { 1.0 };
        let hessian = if hessians { sizes.hessian_operations(windows) } else { 0.0 };
        operations += (passes * sizes.blocks_operations(windows) + hessian) / EFFICIENCY;
        tokens = (windows.tokens() as f64 * passes) as u64;
        memory.extend(sizes.block_memory(windows));
        states = Some(sizes.state_bytes(windows));
    }
    if hessians {
        let columns = sizes.sites().into_iter().max().unwrap_or(0);
        memory.push(amount(
            "Hessians, and the factor of the widest one",
            sizes.site_bytes() + 8 * columns * columns,
        ));
    }
    let mut step = Step { tokens, memory, ..step("pruning", machine, operations) };
    if let Some(states) = states {
        wait(&mut step, states, room);
    }
    if writes {
        let bytes = sizes.file_bytes();
        step.disk.push(amount("the pruned model", bytes));
        // Writing counts in full, because the files must be on the disk before the folder is renamed.
        step.seconds += machine.written.map_or(0.0, |written| bytes as f64 / written);
    }
    // One linear's pages at a time.
    step.mapped = sizes.stored_bytes * widest(sizes);
    step
}

fn widest(sizes: &Sizes) -> u64 {
    sizes.linears.iter().map(|(_, rows, columns)| rows * columns).max().unwrap_or(0)
}

fn measure(windows: Windows, models: u64, sizes: &Sizes, machine: &Machine, room: u64) -> Step {
    let operations =
        models as f64 * (sizes.blocks_operations(windows) + sizes.head_operations(windows)) / EFFICIENCY;
    let resident = models * 4 * (sizes.linear_weights() + sizes.head_weights);
    let positions = windows.batch().min(positions_together(sizes.vocabulary as usize) as u64);
    let mut memory = sizes.block_memory(windows);
    memory.push(amount("logits", models * 8 * positions * sizes.vocabulary));
    let streams = resident > room;
    memory[0] = match streams {
        false => amount("weights in f32", resident),
        true => {
            amount("a block's weights or the head in f32", 4 * sizes.block_weights.max(sizes.head_weights))
        }
    };
    let tokens = models * windows.tokens();
    let mapped = sizes.stored_bytes * sizes.head_weights.max(widest(sizes));
    let mut step = Step { tokens, memory, mapped, ..step("measuring", machine, operations) };
    match streams {
        true => wait(&mut step, models * sizes.state_bytes(windows), room),
        false => step.memory.push(amount("hidden states", 4 * windows.batch() * sizes.hidden)),
    }
    step
}

fn answer(cost: Cost, sizes: &Sizes, machine: &Machine) -> Step {
    let Cost { tokens, predictions, attended, written, steps, held, pass } = cost;
    let products = |tokens: u64| 2.0 * (tokens * sizes.linear_weights()) as f64;
    let head = 2.0 * (predictions * sizes.head_weights) as f64;
    let attention = 4.0 * (sizes.queries * attended * sizes.blocks as u64) as f64;
    // A step of a few tokens takes as long as reading all weights from memory; the measured rate of widening them stands for it.
    let weights = sizes.linear_weights() + sizes.head_weights;
    let reading = steps as f64 * weights as f64 / machine.weights * machine.operations;
    let operations =
        (products(tokens) + head + attention) / EFFICIENCY + reading.max(products(written) / EFFICIENCY);
    let positions = pass.min(positions_together(sizes.vocabulary as usize) as u64);
    let memory = vec![
        amount("weights in f32", 4 * weights),
        amount(
            "intermediate results between its linears",
            4 * pass * (8 * sizes.hidden + 3 * sizes.intermediate),
        ),
        amount("keys and values", 8 * held * sizes.keys * sizes.blocks as u64),
        amount("logits", 8 * positions * sizes.vocabulary),
    ];
    let mapped = sizes.stored_bytes * sizes.head_weights.max(widest(sizes));
    let name = if written > 0 { "answering tasks, at most" } else { "answering tasks" };
    Step { tokens: tokens + written, memory, mapped, ..step(name, machine, operations) }
}

/// Returns the bytes of the dense model's predictions for windows: probabilities, or last hidden states if
/// the probabilities take too much memory.
fn predicted(sizes: &Sizes, windows: Windows) -> u64 {
    let probabilities = 4 * windows.tokens() * sizes.vocabulary;
    if probabilities <= PROBABILITIES { probabilities } else { sizes.state_bytes(windows) }
}

fn trying(trial: Trial, sizes: &Sizes, machine: &Machine) -> Step {
    let Trial { candidates, windows, others, best, gradients } = trial;
    let pass = |windows| (sizes.blocks_operations(windows) + sizes.head_operations(windows)) / EFFICIENCY;
    // Each candidate's weights are written anew, with one comparison of ranks for each weight.
    let masked = sizes.linear_weights() as f64 / machine.weights * machine.operations;
    // Once for windows that all candidates share.
    let dense = if gradients { candidates } else { 1 };
    let mut operations = (dense + candidates) as f64 * (pass(windows) + masked);
    let mut tokens = (dense + candidates) * windows.tokens();
    if gradients {
        // Blocks forward again and a backward pass of twice the cost; the head's gradients.
        let back = 3.0 * sizes.blocks_operations(windows) + sizes.head_operations(windows);
        operations += candidates as f64 * back / EFFICIENCY;
        tokens += 2 * candidates * windows.tokens();
    }
    let mut predictions = predicted(sizes, Windows { samples: dense * windows.samples, ..windows });
    for other in others.into_iter().flatten() {
        operations += (1 + best) as f64 * (pass(other) + masked);
        tokens += (1 + best) * other.tokens();
        predictions += predicted(sizes, other);
    }
    let mut memory = sizes.block_memory(windows);
    memory[0] = amount("weights in f32", 4 * (sizes.linear_weights() + sizes.head_weights));
    memory.push(amount("ranks of all weights", 2 * sizes.linear_weights()));
    memory.push(amount("a candidate's weights in f32", 4 * sizes.linear_weights()));
    memory.push(amount("the dense model's predictions", predictions));
    if gradients {
        memory.push(amount("gradients of all linears", 4 * sizes.linear_weights()));
        memory.push(amount(
            "hidden states of all blocks",
            4 * windows.batch() * sizes.hidden * (sizes.blocks as u64 + 1),
        ));
    }
    let mapped = sizes.stored_bytes * sizes.linear_weights();
    let name = if gradients { "descending, at most" } else { "measuring candidates, at most" };
    Step { tokens, memory, mapped, ..step(name, machine, operations) }
}
