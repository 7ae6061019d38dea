//! One ratio for each output channel: the rows of a model.

use crate::data::ModelData;

/// A projection whose output channels get a ratio each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsOf {
    /// The module's name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// How many rows it has: its output channels.
    pub rows: usize,
    /// How many weights a row has.
    pub columns: usize,
}

/// The rows of a model's projections, in the model's order; each row gets a ratio.
///
/// Vectors with one number for each row, `[rows]`, hold those of the first projection, then those of the second, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    projections: Vec<RowsOf>,
}

impl Rows {
    /// Returns the rows of projections, in their order.
    pub const fn new(projections: Vec<RowsOf>) -> Self {
        Self { projections }
    }

    /// Returns the rows of a model.
    pub fn of(model: &ModelData<'_>) -> Self {
        let linears = model.linears.iter();
        Self::new(
            linears.map(|it| RowsOf { name: it.name.clone(), rows: it.rows, columns: it.columns }).collect(),
        )
    }

    /// Returns the projections, in order.
    pub fn projections(&self) -> &[RowsOf] {
        &self.projections
    }

    /// Returns the total number of rows.
    pub fn count(&self) -> usize {
        self.projections.iter().map(|it| it.rows).sum()
    }

    /// Returns how many weights each row has, `[rows]`.
    pub fn parameters(&self) -> Vec<u64> {
        let of = |it: &RowsOf| std::iter::repeat_n(it.columns as u64, it.rows);
        self.projections.iter().flat_map(of).collect()
    }

    /// Splits `values`, `[rows]`, by projection.
    pub fn split<'a>(&'a self, values: &'a [f64]) -> impl Iterator<Item = &'a [f64]> {
        let mut rest = values;
        self.projections.iter().map(move |it| {
            let (here, after) = rest.split_at(it.rows.min(rest.len()));
            rest = after;
            here
        })
    }

    /// Returns the projection that a row belongs to, and its place there.
    pub fn place(&self, row: usize) -> Option<(&RowsOf, usize)> {
        let mut before = 0;
        self.projections.iter().find_map(|it| {
            let place = row.checked_sub(before)?;
            before += it.rows;
            (place < it.rows).then_some((it, place))
        })
    }
}
