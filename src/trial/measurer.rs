//! What measures: typed tasks in, typed answers out, in order.
//!
//! Tasks and answers are plain data, which borrow nothing of a model, so that another process can answer them. An answer depends on
//! its task alone, and not on who answers it, after which other tasks, or how often. Who carries answers elsewhere keeps every bit
//! of their numbers. Only the driver writes what comes of them into a [store](super::store).

use std::fmt::Debug;
use std::ops::Range;

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
    /// The place of the model among the subjects.
    pub subject: usize,
    /// What each linear loses, `[linears]`.
    pub shares: Vec<Share>,
}

/// Asks for the losses of some windows of a text under a pruned model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossTask {
    /// What is pruned, and how much of it.
    pub model: PrunedModel,
    /// Which text is read.
    pub split: Split,
    /// Which windows of it.
    pub windows: Range<usize>,
}

/// Asks what each part of the weights is worth to a pruned model, window by window: by one backward pass for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginalTask {
    /// What is pruned, and how much of it.
    pub model: PrunedModel,
    /// Which text is read.
    pub split: Split,
    /// Which windows of it.
    pub windows: Range<usize>,
    /// What is differentiated.
    pub error: Differentiated,
    /// Into how many equal parts the ranks of a linear's weights are cut.
    pub parts: usize,
}

/// A number that a pruned model has on a window, and that can be differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Differentiated {
    /// The squared error of a block's output behind pruned blocks, over the square of the dense block's output on dense inputs.
    BlockError {
        /// The block.
        block: usize,
    },
}

/// What the weights of some linears are worth on one window, `[linears][parts]`: the sums, over the weights of each part of the
/// ranks, of the gradient times the dense weight. The part of the least scores comes first.
///
/// The linears are those that can move the number: of a block's error, the block's own.
pub type WindowMarginals = Vec<Vec<f64>>;

/// Asks what the weights at the thresholds of a pruned model are worth to its loss, window by window: by one pass forward and one back
/// for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdTask {
    /// What is pruned, and how much of it.
    pub model: PrunedModel,
    /// Which text is read.
    pub split: Split,
    /// Which windows of it.
    pub windows: Vec<usize>,
    /// Which loss is differentiated.
    pub of: SlopeOf,
    /// Which weights count.
    pub band: Band,
    /// Whether there is a sum for each row, where a ratio is applied within rows, or one for each linear.
    pub rows: bool,
}

/// What a pruned model loses on one window, and what the weights at its thresholds are worth there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowThresholds {
    /// The loss.
    pub loss: WindowLoss,
    /// The sums over bands of minus the gradient times the dense weight, `[linears][1]`, or `[linears][rows]`: over the number of
    /// weights, what the loss rises by to first order for each weight more that is pruned.
    pub sums: Vec<Vec<BandSum>>,
}

/// Asks how far pruning moves the norms of what linears read, block by block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormTask {
    /// What is pruned, and how much of it.
    pub model: PrunedModel,
    /// Which text is read.
    pub split: Split,
    /// Which windows of it.
    pub windows: Range<usize>,
}

/// Asks for ratios of rows by how well their outputs survive, within the ratios of their linears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrimTask {
    /// How much each linear loses; its rows get ratios around that.
    pub model: PrunedModel,
    /// Which text is read.
    pub split: Split,
    /// Which windows of it.
    pub windows: Range<usize>,
}

/// Asks for the losses of some windows of a text under a model that is pruned block by block, later blocks calibrated behind the
/// pruned ones, as a pruned folder is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropagatedTask {
    /// The place of the model among the subjects.
    pub subject: usize,
    /// What each unit loses.
    pub allocation: Allocation,
    /// What gets one ratio, which is what a metric's reductions reduce.
    pub unit: UnitKind,
    /// How weights are chosen.
    pub ranking: Box<Ranking>,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// Which text is read.
    pub split: Split,
    /// Which windows of it.
    pub windows: Range<usize>,
}

/// What a measurer can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// For losses.
    Losses(LossTask),
    /// For marginals.
    Marginals(MarginalTask),
    /// For what the weights at thresholds are worth.
    Thresholds(ThresholdTask),
    /// For divergences of norms.
    Norms(NormTask),
    /// For ratios of rows by TRIM.
    Trim(TrimTask),
    /// For losses behind pruned blocks.
    Propagated(PropagatedTask),
}

/// What a measurer answers; of a text that is missing, nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The losses, `[windows]`.
    Losses(Vec<WindowLoss>),
    /// The marginals, `[windows]`.
    Marginals(Vec<WindowMarginals>),
    /// The losses and the worth at thresholds, `[windows]`.
    Thresholds(Vec<WindowThresholds>),
    /// The [divergences](super::norms::norm_divergence), `[blocks]`.
    Norms(Vec<f64>),
    /// The ratios of rows, `[linears][rows]`.
    Rows(Vec<Vec<f64>>),
}

/// A kind of task, which says what its answer is.
pub trait Question: Clone + Into<Task> {
    /// What answers it.
    type Answer;

    /// Returns the answer; `None` when it answers another kind of task.
    fn read(answer: Answer) -> Option<Self::Answer>;

    /// Returns whether an answer has as many numbers as were asked for.
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
        let whole = |window: &WindowMarginals| window.iter().all(|linear| linear.len() == task.parts);
        answer.len() == task.windows.len() && answer.iter().all(whole)
    };
    Thresholds ThresholdTask => Thresholds Vec<WindowThresholds>, |task, answer| {
        let whole = |window: &WindowThresholds| window.sums.len() == task.model.shares.len();
        answer.len() == task.windows.len() && answer.iter().all(whole)
    };
    Norms NormTask => Norms Vec<f64>, |_, _| true;
    Trim TrimTask => Rows Vec<Vec<f64>>, |task, answer| answer.len() == task.model.shares.len();
    Propagated PropagatedTask => Losses Vec<WindowLoss>, |task, answer| answer.len() == task.windows.len();
}

/// Takes answers, in the order of their tasks.
pub type Receiver<'a> = dyn FnMut(Answer) -> Result<(), TrialError> + 'a;

/// Something that measures pruned models: the threads of this process, or whatever answers elsewhere.
pub trait Measurer: Debug + Send + Sync {
    /// Answers all tasks; each answer is handed over as soon as those before it are, and nothing more once `receive` fails.
    ///
    /// # Errors
    /// When a model cannot run, something asked to stop, or `receive` fails.
    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError>;

    /// Returns how many windows a task about thresholds should have so that whoever answers it is busy.
    fn windows_together(&self) -> usize {
        1
    }

    /// Returns the way to whoever measures losses in any order; `None` where tasks are answered in their order.
    fn queue(&self) -> Option<&dyn Queue> {
        None
    }
}

/// Takes tasks one by one, and gives their losses back in any order.
pub trait Queue: Debug + Send + Sync {
    /// Hands a task out, with the script whose ratios it measures, and returns the number by which its losses are known.
    fn put(&self, task: LossTask, script: Option<String>) -> u64;

    /// Waits for the losses of a task, `[windows]`, and returns them with the task's number.
    ///
    /// # Errors
    /// When nobody will measure any more.
    fn take(&self) -> Result<(u64, Vec<WindowLoss>), TrialError>;
}

/// Puts questions of one kind to a measurer; `receive` gets each answer as soon as those before it were received.
///
/// # Errors
/// As [`Measurer::measure`]; also when the measurer does not answer what it was asked.
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

/// Puts questions of one kind to a measurer, and returns the answers in order.
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
    fn tasks_and_answers_travel_as_data() {
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

    /// Answers every task with norms, the last one not at all.
    #[derive(Debug)]
    struct Wrong;

    impl Measurer for Wrong {
        fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
            tasks.iter().skip(1).try_for_each(|_| receive(Answer::Norms(Vec::new())))
        }
    }

    #[test]
    fn what_was_not_asked_is_no_answer() {
        let model = PrunedModel { subject: 0, shares: Vec::new() };
        let norms = NormTask { model: model.clone(), split: Split::Fitness, windows: 0..1 };
        let losses = LossTask { model, split: Split::Fitness, windows: 0..1 };
        let missing = ask(&Wrong, [norms.clone(), norms]).expect_err("one answer is missing");
        assert!(matches!(missing, TrialError::AnswersMissing { asked: 2, found: 1 }), "{missing}");
        let other = ask(&Wrong, [losses.clone(), losses]).expect_err("norms are no losses");
        assert!(matches!(other, TrialError::OtherAnswer), "{other}");
    }
}
