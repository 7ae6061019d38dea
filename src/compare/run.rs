//! A whole comparison: every entrant at every sparsity.

use std::time::Instant;

use super::entrant::{Base, Decider, Entrant};
use super::error::CompareError;
use super::ground::{Found, Ground};
use super::summary::{Cell, CellResult, Comparison, Row, Timings};
use crate::allocate::Allocation;
use crate::baselines;
use crate::baselines::error::BaselineError;
use crate::baselines::program::Baseline;
use crate::baselines::trim::search_trim;
use crate::lang::ops::Op;
use crate::lang::types::UnitKind;
use crate::results::Reductions;
use crate::trial::archive::Archive;
use crate::trial::loss::Damage;
use crate::trial::objective::Objective;
use crate::trial::race::{Budget, Race};
use crate::trial::ratios::RealisedRatios;
use crate::trial::scores::Examination;
use crate::trial::store::Store;
use crate::trial::text::Split;

/// The problem of an allocation that leaves no loss to compare.
const DESTROYED: &str = "the pruned model's logits are not finite, so it has no perplexity";

/// The plan of a comparison.
#[derive(Clone, Debug)]
pub struct ComparisonPlan {
    /// The entrants, which choose the ratios.
    pub entrants: Vec<Entrant>,
    /// Target sparsities, in ascending order.
    pub sparsities: Vec<f64>,
    /// The units that scripts are tried with; empty for each script's own.
    pub units: Vec<UnitKind>,
    /// Maximum number of allocations that a program may measure at each sparsity.
    pub evaluations: usize,
    /// Seed of programs with randomness.
    pub seed: u64,
}

/// Callback for progress: the numbers of finished and of all cells, and the current work.
pub type Watch<'a> = dyn FnMut(usize, usize, &str) + 'a;

/// Prunes and measures every entrant at every sparsity; returns the results, and the seconds spent on
/// choosing ratios.
///
/// If an entrant has no value at a sparsity, its cell holds the reason, and the others continue.
///
/// # Errors
/// When the model cannot be pruned or run, the store cannot be written, or the work was interrupted.
pub fn compare(
    plan: &ComparisonPlan,
    ground: &mut Ground,
    store: &mut dyn Store,
    watch: &mut Watch<'_>,
) -> Result<(Comparison, Timings), CompareError> {
    let entered: Vec<(&Entrant, Option<UnitKind>)> = plan
        .entrants
        .iter()
        .flat_map(|entrant| entrant.units(&plan.units).into_iter().map(move |unit| (entrant, unit)))
        .collect();
    let all = entered.len() * plan.sparsities.len();
    let (mut rows, mut timings) = (Vec::new(), Timings::new());
    let dense_tasks = ground.dense_tasks()?;
    for (entrant, unit) in entered {
        let mut entry = Entry::new(entrant, unit, ground);
        for &target in &plan.sparsities {
            watch(rows.len() * plan.sparsities.len() + entry.row.cells.len(), all, &entrant.name);
            ground.set_target(target);
            let result = entry.cell(plan, ground, store)?;
            entry.row.cells.push(Cell { target, result });
        }
        timings.push(entry.seconds);
        rows.push(entry.row);
    }
    let subject = ground.subject();
    let report = subject.reference(Split::Report);
    let folder = subject.checkpoint().folder();
    let comparison = Comparison {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
        method: ground.method.name().to_owned(),
        pattern: ground.evaluator.pattern,
        propagation: ground.propagation,
        windows: report.map_or(0, |it| it.windows()),
        length: report.map_or(0, |it| it.tokens().length()),
        dense_perplexity: report.map_or(f64::NAN, |it| it.perplexity()),
        protocol: ground.examination.as_ref().map(Examination::protocol),
        dense_tasks,
        sparsities: plan.sparsities.clone(),
        rows,
    };
    Ok((comparison, timings))
}

/// The state of an entrant with one unit.
struct Entry<'a> {
    entrant: &'a Entrant,
    unit: Option<UnitKind>,
    /// Cache of its reductions, valid for all sparsities.
    reductions: Reductions,
    row: Row,
    seconds: f64,
}

impl<'a> Entry<'a> {
    fn new(entrant: &'a Entrant, unit: Option<UnitKind>, ground: &Ground) -> Self {
        let calibrated = &ground.calibrated;
        let uses = |statistic| entrant.uses(&ground.evaluator.metric, statistic);
        let marginals = uses(Op::Marginal) || uses(Op::MarginalSlope);
        let moments = Op::COLLECTED.into_iter().filter(|op| *op != Op::Gradient).any(uses);
        let gradients = uses(Op::Gradient);
        let read = calibrated.text.as_ref().map_or(0, |text| text.ids().len() as u64);
        let own = match &entrant.decider {
            Decider::Script(script) => unit.or(script.unit).unwrap_or_default(),
            Decider::Baseline(program) => program.unit(),
            Decider::Trim(_) => Baseline::Trim.unit(),
        };
        let script = entrant.decider.script();
        let evaluated = script.map_or(own, |script| unit.or(script.unit).unwrap_or_default());
        let damaged = Some(evaluated.of_layer()).filter(|_| uses(Op::Damage));
        let damages = damaged.and_then(|unit| calibrated.damage_passes.get(&unit)).copied();
        // A backward pass counts as two forward passes.
        let passes = if marginals { 3 * calibrated.marginal_passes as u64 } else { 0 };
        let alone = (damages.unwrap_or_default() * read as f64).round() as u64;
        let row = Row {
            name: entrant.name.clone(),
            unit: own,
            unit_asked: unit.is_some(),
            tokens: read * (u64::from(moments) + u64::from(gradients) + passes) + alone,
            evaluations: 0,
            cells: Vec::new(),
        };
        let of_damages = &calibrated.measured_seconds.damages;
        let seconds = [
            (moments, calibrated.seconds),
            (gradients, calibrated.gradient_seconds),
            (marginals, calibrated.measured_seconds.marginals),
            (true, damaged.and_then(|unit| of_damages.get(&unit)).copied().unwrap_or_default()),
        ];
        let seconds = seconds.into_iter().filter(|(used, _)| *used).map(|(_, seconds)| seconds).sum();
        Self { entrant, unit, reductions: Reductions::new(), row, seconds }
    }

    fn cell(
        &mut self,
        plan: &ComparisonPlan,
        ground: &mut Ground,
        store: &mut dyn Store,
    ) -> Result<CellResult, CompareError> {
        let begun = Instant::now();
        let decided = match &self.entrant.decider {
            Decider::Script(script) => match ground.allocate(script, self.unit, &self.reductions)? {
                Ok(outcome) => Ok(outcome.allocation),
                Err(error) => Err(error.to_string()),
            },
            Decider::Baseline(program) => {
                let run = |race: &mut Race<'_>| baselines::run::run(*program, race, plan.seed);
                self.program(run, plan, ground, store)?
            }
            Decider::Trim(base) => match self.base(base, ground)? {
                Ok(base) => {
                    let run = |race: &mut Race<'_>| search_trim(race, Some(&base));
                    self.program(run, plan, ground, store)?
                }
                Err(problem) => Err(problem),
            },
        };
        self.seconds += begun.elapsed().as_secs_f64();
        let allocation = match decided {
            Ok(allocation) => allocation,
            Err(problem) => return Ok(CellResult::Problem(problem)),
        };
        let Found { allotted, losses, tasks } = ground.measured(&allocation, self.row.unit, store)?;
        let damage = Damage::mean(&losses);
        if !(damage.kl.is_finite() && damage.perplexity.is_finite()) {
            return Ok(CellResult::Problem(DESTROYED.to_owned()));
        }
        let checkpoint = ground.subject().checkpoint();
        let shares = allotted.shares.first().map(Vec::as_slice).unwrap_or_default();
        Ok(CellResult::Measured {
            damage,
            achieved: allocation.achieved(),
            ratios: RealisedRatios::new(&self.row.name, checkpoint, shares),
            tasks,
        })
    }

    /// Returns the allocation that TRIM starts from at the target; the inner result is an error message if there is
    /// none.
    fn base(&self, base: &Base, ground: &Ground) -> Result<Result<Allocation, String>, CompareError> {
        Ok(match base {
            Base::Script(script) => match ground.allocate(script, None, &self.reductions)? {
                Ok(outcome) => Ok(outcome.allocation),
                Err(error) => Err(error.to_string()),
            },
            Base::Allocation(allocation) if allocation.target == ground.target() => Ok(allocation.clone()),
            Base::Allocation(allocation) => Err(format!("its allocation is for {}", allocation.target)),
        })
    }

    /// Runs a program at the target; the inner result is an error message if it finds no allocation.
    fn program(
        &mut self,
        run: impl FnOnce(&mut Race<'_>) -> Result<Archive, BaselineError>,
        plan: &ComparisonPlan,
        ground: &Ground,
        store: &mut dyn Store,
    ) -> Result<Result<Allocation, String>, CompareError> {
        let evaluator = &ground.evaluator;
        let objective = Objective::new(evaluator, store)?;
        let budget = Budget { evaluations: plan.evaluations, tokens: u64::MAX };
        let mut observer = |_: &_, _: f64| {};
        let mut race = Race::new(evaluator, store, &objective, budget, &mut observer);
        let archive = run(&mut race)?;
        self.row.tokens += race.spent().tokens;
        self.row.evaluations += race.spent().evaluations;
        let best = archive.ranked().into_iter().find(|it| it.full).cloned();
        match best {
            Some(best) => Ok(ground.allocation_of(&best.candidate.genome)?.map_err(|it| it.to_string())),
            None => Ok(Err("the program found no allocation".to_owned())),
        }
    }
}
