//! The second axis: importances of any sign and size as bars.

use super::axis::Axis;

/// The importances of all units, in multiples of a power of ten, and their axis.
pub(super) struct Importances {
    pub(super) values: Vec<Option<f64>>,
    pub(super) axis: Axis,
    /// The start of bars, from 0 to 1 of the axis.
    pub(super) base: f64,
    pub(super) title: String,
}

impl Importances {
    /// Returns `None` if no unit has a finite importance.
    pub(super) fn new(importances: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let mut values: Vec<Option<f64>> = importances.map(finite).collect();
        let most = values.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
        if values.iter().all(Option::is_none) {
            return None;
        }

        // Labels such as 0.0000012 are unreadable, so the power of ten goes into the title.
        let exponent = if most > 0.0 { most.log10().floor() as i32 } else { 0 };
        let exponent = if (-2..=4).contains(&exponent) { 0 } else { exponent };
        for value in values.iter_mut().flatten() {
            // In two halves, because the power for a subnormal importance would overflow.
            let half = exponent / 2;
            *value = *value / 10.0_f64.powi(half) / 10.0_f64.powi(exponent - half);
        }
        let least = values.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);

        let size = least.abs().max(most.abs());
        let spread = most - least;
        // Importances that differ only by rounding count as equal, so the axis does not zoom in on them.
        let zoomed = least * most > 0.0 && spread < 0.25 * size && spread > 1e-5 * size;
        let (low, high) = if zoomed {
            (least - 0.2 * spread, most + 0.04 * spread)
        } else if size == 0.0 {
            (0.0, 1.0)
        } else {
            // Leaves room above, so that the largest bar does not touch the edge.
            let margin = 0.04 * (most.max(0.0) - least.min(0.0));
            let below = if least < 0.0 { least - margin } else { 0.0 };
            (below, if most > 0.0 { most + margin } else { 0.0 })
        };
        let axis = Axis::over(low, high, 5);
        let mut notes = Vec::new();
        if exponent != 0 {
            notes.push(format!("×10{}", superscript(exponent)));
        }
        if zoomed {
            notes.push("axis does not start at 0".to_owned());
        }
        let title = if notes.is_empty() {
            "importance".to_owned()
        } else {
            format!("importance ({})", notes.join(", "))
        };
        Some(Self { base: if zoomed { 0.0 } else { axis.position(0.0) }, values, axis, title })
    }
}

fn superscript(exponent: i32) -> String {
    let raised = |character| match character {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    };
    exponent.to_string().chars().map(raised).collect()
}
