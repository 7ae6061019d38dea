//! The pruning methods: their names, and the inputs that they need.

use serde::{Deserialize, Serialize};

use super::method_kind::MethodKind;
use super::score::ScoreFormula;
use crate::lang::ops::{Class, Op};
use crate::lang::program::{Expr, Metric, Script};
use crate::lang::published;
use crate::lang::types::{Group, Type};

/// How weights are chosen, and what happens to the remaining ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// `abs(weight)`, over the whole matrix.
    Magnitude,
    /// `abs(weight) * input_norm`, within rows (Sun et al., ICLR 2024, arXiv 2306.11695).
    Wanda,
    /// Optimal brain surgeon column by column: the remaining weights compensate for the pruned ones (Frantar
    /// and Alistarh, ICML 2023, arXiv 2301.00774).
    SparseGpt {
        /// The share of the Hessian's mean diagonal that is added to its diagonal; 0.01 as published.
        damping: f64,
    },
    /// Relative importance and activations (Zhang et al., ICLR 2024): see [`ScoreFormula::Ria`].
    Ria {
        /// The power of the input norm; 0.5 as published.
        power: f32,
        /// The group over which a ratio is applied: the matrix by default in the published code, rows in the
        /// paper.
        per: Group,
    },
    /// Any `metric` of the language.
    Metric(Metric),
}

impl Method {
    /// SparseGPT with its published damping.
    pub const SPARSE_GPT: Self = Self::SparseGpt { damping: 0.01 };

    /// RIA with the defaults of its published code.
    pub const RIA: Self = Self::Ria { power: 0.5, per: Group::Matrix };

    /// Returns the published method that `--method` knows by a name; `None` for the name of a script.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Magnitude, Self::Wanda, Self::SPARSE_GPT, Self::RIA].into_iter().find(|it| it.name() == name)
    }

    /// Returns the method of a script's metric, or `None` if the script has no metric.
    pub fn from_script(script: &Script) -> Option<Self> {
        let metric = script.metric.as_ref()?;
        Some(Self::Metric(Metric { per: metric.per, score: metric.score.without_spans() }))
    }

    /// Returns the kind of method, without its parameters.
    pub const fn kind(&self) -> MethodKind {
        match self {
            Self::Magnitude => MethodKind::Magnitude,
            Self::Wanda => MethodKind::Wanda,
            Self::SparseGpt { .. } => MethodKind::SparseGpt,
            Self::Ria { .. } => MethodKind::Ria,
            Self::Metric(_) => MethodKind::Metric,
        }
    }

    /// Returns the name of its kind.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns the metric that defines `score` in allocations made for this method.
    ///
    /// It comes from the published script with the method's name. SparseGPT's own scores exist only while it
    /// prunes; allocations use Wanda's instead, as OWL and DSA do. Returns `None` if that script is not among
    /// the published ones.
    pub fn metric(&self) -> Option<Metric> {
        let kind = match self {
            Self::Metric(metric) => return Some(metric.clone()),
            Self::SparseGpt { .. } => MethodKind::Wanda,
            Self::Magnitude | Self::Wanda | Self::Ria { .. } => self.kind(),
        };
        published::script(kind.name())?.metric
    }

    /// Returns how weights are scored when the dense model alone decides.
    ///
    /// SparseGPT uses Wanda's formula here, as when a model is pruned many times from dense statistics.
    pub const fn scoring(&self) -> Scoring<'_> {
        match self {
            Self::Magnitude => Scoring::Formula(ScoreFormula::Magnitude),
            Self::Wanda | Self::SparseGpt { .. } => Scoring::Formula(ScoreFormula::Wanda),
            Self::Ria { power, .. } => Scoring::Formula(ScoreFormula::Ria { power: *power }),
            Self::Metric(metric) => Scoring::Metric(metric),
        }
    }

    /// Returns which statistics of a linear's input the method needs.
    pub(super) fn needs(&self) -> InputNeeds {
        match self {
            Self::Magnitude => InputNeeds::Weights,
            Self::Wanda | Self::Ria { .. } => InputNeeds::Moments,
            Self::SparseGpt { .. } => InputNeeds::Hessian,
            // The Hessian's diagonal is twice the second moments.
            Self::Metric(metric)
                if metric.score.uses(Op::InputNorm) || metric.score.uses(Op::HessianDiagonal) =>
            {
                InputNeeds::Moments
            }
            Self::Metric(_) => InputNeeds::Weights,
        }
    }

    /// Returns the group over which a ratio is applied, if the pattern leaves that open.
    pub const fn per(&self) -> Group {
        match self {
            Self::Magnitude | Self::SparseGpt { .. } => Group::Matrix,
            Self::Wanda => Group::Row,
            Self::Ria { per, .. } => *per,
            Self::Metric(metric) => metric.per,
        }
    }

    /// Returns the group if rows have their own ratios: SparseGPT then chooses within rows too.
    pub const fn per_with_rows(&self) -> Group {
        match self {
            Self::SparseGpt { .. } => Group::Row,
            _ => self.per(),
        }
    }
}

/// How the weights of a linear are scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scoring<'a> {
    /// A formula of the linear's own weights and inputs.
    Formula(ScoreFormula),
    /// A metric, which the interpreter evaluates.
    Metric(&'a Metric),
}

/// Whether later blocks see what pruning did to earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Each block's statistics are collected on the outputs of the pruned blocks before it, as published.
    #[default]
    Pruned,
    /// All statistics are the dense model's.
    Dense,
}

/// The statistics of a linear's input that a method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputNeeds {
    /// Nothing.
    Weights,
    /// Its second moments.
    Moments,
    /// Its Hessian.
    Hessian,
}

/// Returns an operator that compares units with each other, if the expression has one.
pub(super) fn across_units(expr: &Expr) -> Option<Op> {
    let mut found = None;
    expr.walk(&mut |part| {
        let Some(op) = part.op() else { return };
        let compares = match op.info().class {
            Class::Layerwise => true,
            Class::Normaliser => part.ty() == Type::Layer,
            _ => false,
        };
        if compares {
            found.get_or_insert(op);
        }
    });
    found
}
