//! Measurers answer typed tasks, in order.
//!
//! Tasks and answers are plain data without references to a model, so that another process can answer them.
//! An answer depends only on its task, and not on who answers it, on earlier tasks, or on how often it is
//! asked. Transport of answers must keep every bit of their numbers. Only the driver writes results to a
//! [store](super::store).

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::band::{Band, BandSum};
use super::error::TrialError;
use super::ranking::Ranking;
use super::text::Split;
use crate::allocate::Allocation;
use crate::lang::types::UnitKind;
use crate::measure::{SlopeOf, WindowLoss};
use crate::prune::{Pattern, Share};

/// One of the models, pruned by the ranks of its dense scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrunedModel {
    /// Index of the model among the subjects.
    pub subject: usize,
    /// Share that each linear loses, `[linears]`.
    pub shares: Vec<Share>,
}

/// Requests the losses of some windows of a text under a pruned model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossTask {
    /// The pruned model.
    pub model: PrunedModel,
    /// The text to read.
    pub split: Split,
    /// Its windows to measure.
    pub windows: Range<usize>,
}

/// Requests the marginals of each part of a pruned model's weights, window by window, by one backward pass
/// each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginalTask {
    /// The pruned model.
    pub model: PrunedModel,
    /// The text to read.
    pub split: Split,
    /// Its windows to measure.
    pub windows: Range<usize>,
    /// The quantity to differentiate.
    pub error: Differentiated,
    /// Number of equal parts that the ranks of a linear's weights are split into.
    pub parts: usize,
    /// Whether each row has its own sums, instead of one of the whole linear for each part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rows: bool,
}

/// A differentiable quantity of a pruned model on a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Differentiated {
    /// The squared error of a block's output given that the blocks before it are pruned, divided by the
    /// square of the dense block's output on dense inputs.
    BlockError {
        /// The block.
        block: usize,
    },
}

/// Marginals on one window, `[linears][parts]` or `[linears][rows * parts]`: the sums, over the weights of each
/// part of the ranks, of the gradient times the dense weight. The part with the lowest scores comes first.
///
/// It covers the linears that can move the quantity: for a block's error, the block's own.
pub type WindowMarginals = Vec<Vec<f64>>;

/// Requests the marginals of the weights at a pruned model's thresholds with respect to its loss, window by
/// window, by one forward and one backward pass each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdTask {
    /// The pruned model.
    pub model: PrunedModel,
    /// The text to read.
    pub split: Split,
    /// Its windows to measure.
    pub windows: Vec<usize>,
    /// The loss to differentiate.
    pub of: SlopeOf,
    /// The band of weights to sum over.
    pub band: Band,
    /// Whether there is one sum per row, if ratios apply within rows, or one per linear.
    pub rows: bool,
}

/// The loss of a pruned model on one window, and the marginals at its thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowThresholds {
    /// The loss.
    pub loss: WindowLoss,
    /// The sums over bands of minus the gradient times the dense weight, `[linears][1]` or `[linears][rows]`.
    /// Divided by the number of weights, a sum is the first-order rise of the loss for each additional pruned
    /// weight.
    pub sums: Vec<Vec<BandSum>>,
}

/// Requests how far pruning moves the norms of linears' inputs, block by block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormTask {
    /// The pruned model.
    pub model: PrunedModel,
    /// The text to read.
    pub split: Split,
    /// Its windows to read.
    pub windows: Range<usize>,
}

/// Requests by how much pruning lowers the norms of linears' input channels, block by block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShiftTask {
    /// The pruned model.
    pub model: PrunedModel,
    /// The text to read.
    pub split: Split,
    /// Its windows to read.
    pub windows: Range<usize>,
}

/// Requests ratios of rows within each linear's ratio, by how well the rows' outputs survive pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrimTask {
    /// The pruned model; the rows of each linear get ratios around its share.
    pub model: PrunedModel,
    /// The text to read.
    pub split: Split,
    /// Its windows to read.
    pub windows: Range<usize>,
}

/// Requests the losses of some windows under a model that is pruned block by block, with later blocks
/// calibrated on the outputs of the pruned ones, as when a pruned folder is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropagatedTask {
    /// Index of the model among the subjects.
    pub subject: usize,
    /// Ratio of each unit.
    pub allocation: Allocation,
    /// The allocation unit, over which a metric's reductions run.
    pub unit: UnitKind,
    /// How weights are ranked.
    pub ranking: Box<Ranking>,
    /// The sparsity pattern.
    pub pattern: Pattern,
    /// The text to read.
    pub split: Split,
    /// Its windows to measure.
    pub windows: Range<usize>,
}

/// A task for a measurer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Requests losses.
    Losses(LossTask),
    /// Requests marginals.
    Marginals(MarginalTask),
    /// Requests marginals at the thresholds.
    Thresholds(ThresholdTask),
    /// Requests divergences of norms.
    Norms(NormTask),
    /// Requests shifts of norms.
    Shifts(ShiftTask),
    /// Requests ratios of rows by TRIM.
    Trim(TrimTask),
    /// Requests losses with pruning propagated block by block.
    Propagated(PropagatedTask),
}

/// The answer of a measurer; empty if the text is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The losses, `[windows]`.
    Losses(Vec<WindowLoss>),
    /// The marginals, `[windows]`.
    Marginals(Vec<WindowMarginals>),
    /// The losses and the marginals at thresholds, `[windows]`.
    Thresholds(Vec<WindowThresholds>),
    /// The [divergences](super::norms::norm_divergence), `[blocks]`.
    Norms(Vec<f64>),
    /// The dense minus the pruned norms, `[linears][columns]`.
    Shifts(Vec<Vec<f64>>),
    /// The ratios of rows, `[linears][rows]`.
    Rows(Vec<Vec<f64>>),
}

/// A kind of task, together with the type of its answer.
pub trait Question: Clone + Into<Task> {
    /// The type of its answer.
    type Answer;

    /// Extracts the answer; `None` if it belongs to another kind of task.
    fn read(answer: Answer) -> Option<Self::Answer>;

    /// Returns whether an answer has the requested number of values.
    fn fits(&self, answer: &Self::Answer) -> bool;
}

macro_rules! questions {
    ($($kind:ident $question:ty => $variant:ident $answer:ty, $fits:expr;)*) => {
        $(
            impl From<$question> for Task {
                fn from(question: $question) -> Self {
                    Self::$kind(question)
                }
            }

            impl Question for $question {
                type Answer = $answer;

                fn read(answer: Answer) -> Option<$answer> {
                    if let Answer::$variant(answer) = answer { Some(answer) } else { None }
                }

                fn fits(&self, answer: &$answer) -> bool {
                    let fits: fn(&$question, &$answer) -> bool = $fits;
                    fits(self, answer)
                }
            }
        )*
    };
}

questions! {
    Losses LossTask => Losses Vec<WindowLoss>, |task, answer| answer.len() == task.windows.len();
    Marginals MarginalTask => Marginals Vec<WindowMarginals>, |task, answer| {
        let fits = |linear: &Vec<f64>| match task.rows {
            true => !linear.is_empty() && linear.len().is_multiple_of(task.parts.max(1)),
            false => linear.len() == task.parts,
        };
        let whole = |window: &WindowMarginals| window.iter().all(fits);
        answer.len() == task.windows.len() && answer.iter().all(whole)
    };
    Thresholds ThresholdTask => Thresholds Vec<WindowThresholds>, |task, answer| {
        let whole = |window: &WindowThresholds| window.sums.len() == task.model.shares.len();
        answer.len() == task.windows.len() && answer.iter().all(whole)
    };
    Norms NormTask => Norms Vec<f64>, |_, _| true;
    Shifts ShiftTask => Shifts Vec<Vec<f64>>, |task, answer| answer.len() == task.model.shares.len();
    Trim TrimTask => Rows Vec<Vec<f64>>, |task, answer| answer.len() == task.model.shares.len();
    Propagated PropagatedTask => Losses Vec<WindowLoss>, |task, answer| answer.len() == task.windows.len();
}

/// Callback for answers, in the order of their tasks.
pub type Receiver<'a> = dyn FnMut(Answer) -> Result<(), TrialError> + 'a;

/// Measures pruned models, with the threads of this process or elsewhere.
pub trait Measurer: Debug + Send + Sync {
    /// Answers all tasks. Each answer is passed to `receive` as soon as all earlier ones were; nothing
    /// follows once `receive` fails.
    ///
    /// # Errors
    /// When a model cannot run, the work was interrupted, or `receive` fails.
    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError>;

    /// Returns how many windows a task about thresholds needs to keep its worker busy.
    fn windows_together(&self) -> usize {
        1
    }

    /// Returns the queue for measuring losses in any order; `None` if tasks are answered in order.
    fn queue(&self) -> Option<&dyn Queue> {
        None
    }
}

impl Measurer for Arc<dyn Measurer> {
    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        (**self).measure(tasks, receive)
    }

    fn windows_together(&self) -> usize {
        (**self).windows_together()
    }

    fn queue(&self) -> Option<&dyn Queue> {
        (**self).queue()
    }
}

/// Takes tasks one by one, and returns their losses in any order.
pub trait Queue: Debug + Send + Sync {
    /// Queues a task, with the script whose ratios it measures, and returns the number that identifies its
    /// losses.
    fn put(&self, task: LossTask, script: Option<String>) -> u64;

    /// Waits for the losses of a task, `[windows]`, and returns them with its number.
    ///
    /// # Errors
    /// When the queue is closed, so that nothing more will be measured.
    fn take(&self) -> Result<(u64, Vec<WindowLoss>), TrialError>;
}

/// Sends questions of one kind to a measurer; `receive` gets each answer as soon as all earlier ones were
/// received.
///
/// # Errors
/// As [`Measurer::measure`]; also when the measurer's answers do not match the questions.
pub fn ask_each<Q: Question>(
    measurer: &dyn Measurer,
    questions: impl IntoIterator<Item = Q>,
    receive: &mut dyn FnMut(Q::Answer) -> Result<(), TrialError>,
) -> Result<(), TrialError> {
    let questions: Vec<Q> = questions.into_iter().collect();
    let tasks: Vec<Task> = questions.iter().cloned().map(Into::into).collect();
    let mut found = 0;
    measurer.measure(&tasks, &mut |answer| {
        let answer = Q::read(answer).ok_or(TrialError::OtherAnswer)?;
        let fits = questions.get(found).is_some_and(|question| question.fits(&answer));
        found += 1;
        if fits { receive(answer) } else { Err(TrialError::AnswerCut { task: found }) }
    })?;
    if found == tasks.len() { Ok(()) } else { Err(TrialError::AnswersMissing { asked: tasks.len(), found }) }
}

/// Sends questions of one kind to a measurer, and returns the answers in order.
///
/// # Errors
/// As [`ask_each`].
pub fn ask<Q: Question>(
    measurer: &dyn Measurer,
    questions: impl IntoIterator<Item = Q>,
) -> Result<Vec<Q::Answer>, TrialError> {
    let mut answers = Vec::new();
    ask_each(measurer, questions, &mut |answer| {
        answers.push(answer);
        Ok(())
    })?;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_and_answers_survive_serialisation() {
        let model = PrunedModel {
            subject: 1,
            shares: vec![Share::new(0.5, 8), Share { group: Some((1, 4)), ..Share::new(0.25, 4) }],
        };
        let (split, windows) = (Split::Selection, 2..5);
        let tasks: [Task; 3] = [
            LossTask { model: model.clone(), split, windows: windows.clone() }.into(),
            MarginalTask {
                model: model.clone(),
                split,
                windows: windows.clone(),
                error: Differentiated::BlockError { block: 3 },
                parts: 100,
                rows: false,
            }
            .into(),
            NormTask { model, split, windows }.into(),
        ];
        for task in tasks {
            let text = serde_json::to_string(&task).expect("data");
            assert_eq!(serde_json::from_str::<Task>(&text).expect("the same data"), task, "{text}");
        }
        let answer = Answer::Losses(vec![WindowLoss { kl: 0.5, nll: 2.25 }]);
        let text = serde_json::to_string(&answer).expect("data");
        assert_eq!(serde_json::from_str::<Answer>(&text).expect("the same data"), answer);
    }

    /// Answers every task with norms, except the last, which gets no answer.
    #[derive(Debug)]
    struct Wrong;

    impl Measurer for Wrong {
        fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
            tasks.iter().skip(1).try_for_each(|_| receive(Answer::Norms(Vec::new())))
        }
    }

    #[test]
    fn missing_and_unrelated_answers_are_refused() {
        let model = PrunedModel { subject: 0, shares: Vec::new() };
        let norms = NormTask { model: model.clone(), split: Split::Fitness, windows: 0..1 };
        let losses = LossTask { model, split: Split::Fitness, windows: 0..1 };
        let missing = ask(&Wrong, [norms.clone(), norms]).expect_err("one answer is missing");
        assert!(matches!(missing, TrialError::AnswersMissing { asked: 2, found: 1 }), "{missing}");
        let other = ask(&Wrong, [losses.clone(), losses]).expect_err("norms are not losses");
        assert!(matches!(other, TrialError::OtherAnswer), "{other}");
    }
}
