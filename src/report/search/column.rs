//! Columns of the final table, and their numbers.

/// A number measured once, or its mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) mean: f64,
    /// The sample standard deviation over seeds (with n - 1).
    pub(super) deviation: Option<f64>,
}

impl Measured {
    pub(super) const fn once(mean: f64) -> Self {
        Self { mean, deviation: None }
    }

    /// Returns `None` if there are no values.
    pub(super) fn over(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(Self { mean, deviation })
    }

    /// Returns the mean, and the deviation if there is one, with some decimals; large numbers have none.
    pub(super) fn text(self, decimals: usize) -> String {
        if !self.mean.is_finite() {
            return "–".to_owned();
        }
        let decimals = if self.mean.abs() >= 1000.0 { 0 } else { decimals };
        match self.deviation {
            Some(deviation) => format!("{:.decimals$} ± {deviation:.decimals$}", self.mean),
            None => format!("{:.decimals$}", self.mean),
        }
    }
}

/// A column of measured numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) title: String,
    /// Whether the highest number is the best one.
    pub(super) highest: bool,
    /// The model and sparsity, if there are several settings.
    pub(super) setting: Option<String>,
    /// Number of decimals of its values.
    pub(super) decimals: usize,
}

impl Column {
    /// Returns a column of losses.
    pub(super) fn of(title: &str, setting: Option<String>, decimals: usize) -> Self {
        Self { title: title.to_owned(), highest: false, setting, decimals }
    }
}
