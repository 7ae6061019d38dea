//! The teachers of a search, read from descents' folders and checked against its settings.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::descent::folder::{allocation_in, metric_in, metric_text, sparsities_in, steps_in};
use crate::descent::steepness::steepness;
use crate::descent::steps::observed;
use crate::exchange::AllocationFile;
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, hexadecimal};
use crate::prune::{Pattern, shares};
use crate::search::settings::Settings;
use crate::search::teacher::{TaughtUnit, Teacher, Teachers};
use crate::search::teacher_error::TeacherError;
use crate::trial::error::TrialError;
use crate::trial::open::Opened;
use crate::trial::target::Target;

/// An allocation of a descent, as read from its file.
struct TaughtAllocation {
    /// The descent's folder.
    folder: PathBuf,
    /// The allocation's file.
    file: PathBuf,
    content: AllocationFile,
    /// Fingerprint of the model that it was made for.
    fingerprint: String,
    /// The steepness of each unit's marginal damage, `[units]`, if the descent's journal shows it.
    steepness: Option<Vec<f64>>,
    /// SHA-256 of the file and the steepness.
    hash: String,
    held_out: bool,
}

/// The teachers of a search, before its models are opened.
pub(super) struct Taught(Vec<TaughtAllocation>);

impl Taught {
    /// Reads the teachers of a search, and refuses those that do not fit its settings.
    ///
    /// # Errors
    /// When a folder does not hold a descent, or the descent used another metric, pattern or unit.
    pub(super) fn read(settings: &Settings) -> Result<Self, TeacherError> {
        let learned = settings.teachers.iter().map(|folder| (folder, false));
        let held_out = settings.held_out_teachers.iter().map(|folder| (folder, true));
        let mut all: Vec<TaughtAllocation> = Vec::new();
        for (folder, held_out) in learned.chain(held_out) {
            check(folder, settings)?;
            let sparsities = sparsities_in(folder).map_err(|error| not_a_descent(folder, &error))?;
            let mut allocations = Vec::with_capacity(sparsities.len());
            for sparsity in sparsities {
                let allocation = TaughtAllocation::read(folder, sparsity, held_out)?;
                check_unit(&allocation, settings)?;
                allocations.push(allocation);
            }
            if allocations.is_empty() {
                return Err(not_a_descent(folder, &"it has no allocation file"));
            }
            all.append(&mut allocations);
        }
        let learned = |hash: &str| all.iter().any(|it| !it.held_out && it.hash == hash);
        match all.iter().find(|it| it.held_out && learned(&it.hash)) {
            Some(both) => Err(TeacherError::Both { folder: both.folder.clone() }),
            None => Ok(Self(all)),
        }
    }

    /// Returns the teachers at the targets of a search, and adds them to the identity of its inputs.
    /// Allocations at other sparsities are skipped.
    ///
    /// # Errors
    /// When a folder has none at a target, belongs to another model, or has uniform ratios.
    pub(super) fn teachers(
        &self,
        opened: &mut Opened<'_>,
        targets: &[Target],
    ) -> Result<Teachers, TeacherError> {
        let mut teachers = Vec::new();
        for of_folder in self.0.chunk_by(|a, b| a.folder == b.folder && a.held_out == b.held_out) {
            let before = teachers.len();
            let mut known = false;
            for (place, target) in targets.iter().enumerate() {
                let Some(checkpoint) = opened.checkpoints().nth(target.subject).cloned() else { continue };
                for taught in of_folder.iter().filter(|it| it.fingerprint == checkpoint.fingerprint()) {
                    known = true;
                    // A JSON reader may change the last bit.
                    if (taught.content.target - target.sparsity).abs() < 1e-9 {
                        teachers.push(taught.teacher(&checkpoint, place)?);
                        let kind = if taught.held_out { "held-out teacher" } else { "teacher" };
                        let what = format!("the {kind} {}", taught.file.display());
                        opened.identity.add(what, &taught.hash);
                    }
                }
            }
            if let (true, Some(first)) = (teachers.len() == before, of_folder.first()) {
                let folder = first.folder.clone();
                return Err(match known {
                    false => TeacherError::OtherModel { folder, taught: first.fingerprint.clone() },
                    true => TeacherError::OtherSparsity {
                        folder,
                        taught: of_folder.iter().map(|it| it.content.target).collect(),
                    },
                });
            }
        }
        Ok(teachers.into())
    }
}

impl TaughtAllocation {
    fn read(folder: &Path, sparsity: f64, held_out: bool) -> Result<Self, TeacherError> {
        let file = allocation_in(folder, sparsity);
        let wrong = |problem: String| not_a_descent(folder, &format!("{}: {problem}", file.display()));
        let bytes = fs::read(&file).map_err(|error| wrong(error.to_string()))?;
        let content = AllocationFile::read(&bytes).map_err(|error| wrong(error.to_string()))?;
        let Some(model) = &content.model else { return Err(wrong("it does not name its model".to_owned())) };
        let fingerprint = model.fingerprint.clone();
        // The ratios are usable without the descent's journal.
        let steps = observed(&steps_in(folder), sparsity).unwrap_or_default();
        let steepness = steepness(&steps).filter(|it| it.len() == content.units.len());
        let mut hash = Sha256::new().chain_update(&bytes);
        steepness.iter().flatten().for_each(|it| hash.update(it.to_le_bytes()));
        let hash = hexadecimal(&hash.finalize());
        Ok(Self { folder: folder.to_owned(), file, content, fingerprint, steepness, hash, held_out })
    }

    /// Returns the allocation as the teacher of the target with an index.
    fn teacher(&self, checkpoint: &Checkpoint, target: usize) -> Result<Teacher, TeacherError> {
        let linears = checkpoint.linears();
        let allocation = self.content.allocation();
        // Checks that it covers exactly these linears.
        shares(linears, &allocation, Pattern::Unstructured).map_err(|cause| TeacherError::Linears {
            file: self.file.clone(),
            cause: Box::new(TrialError::from(cause)),
        })?;
        let units = allocation.units.iter().enumerate().map(|(index, unit)| {
            let of_unit = |name: &str| unit.projections.iter().any(|part| part.name == name);
            let places = linears.iter().enumerate().filter(|(_, linear)| of_unit(&linear.module));
            TaughtUnit {
                linears: places.map(|(place, _)| place).collect(),
                parameters: unit.parameters,
                ratio: unit.sparsity,
                steepness: self.steepness.as_ref().and_then(|all| all.get(index)).copied().unwrap_or(1.0),
            }
        });
        let name = self.folder.display().to_string();
        Teacher::new(name, (target, allocation.target), units.collect(), self.held_out)
    }
}

fn not_a_descent(folder: &Path, problem: &impl ToString) -> TeacherError {
    TeacherError::NotADescent { folder: folder.to_owned(), problem: problem.to_string() }
}

/// Refuses a folder whose descent chose weights differently from the search.
fn check(folder: &Path, settings: &Settings) -> Result<(), TeacherError> {
    if settings.trial.pattern != Pattern::Unstructured {
        return Err(TeacherError::Pattern);
    }
    let taught = metric_in(folder)
        .map_err(|_| not_a_descent(folder, &"it has no identity.json that names a metric"))?;
    let searched = metric_text(&settings.trial.ranking.metric);
    if taught == searched {
        Ok(())
    } else {
        Err(TeacherError::OtherMetric { folder: folder.to_owned(), taught, searched })
    }
}

/// Refuses an allocation whose unit is not the finest of a search: formulas of a finer unit would be free
/// where the teacher says nothing, and formulas of a coarser one could not come near it.
fn check_unit(allocation: &TaughtAllocation, settings: &Settings) -> Result<(), TeacherError> {
    let searched = settings.space.units.iter().copied().max().unwrap_or_default();
    let taught = allocation.content.unit;
    if searched == UnitKind::Row {
        return Err(TeacherError::Rows);
    }
    if taught == searched {
        Ok(())
    } else {
        Err(TeacherError::OtherUnit { folder: allocation.folder.clone(), taught, searched })
    }
}
