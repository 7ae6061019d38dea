//! The range of many values without their ends, so that a few outliers have no effect.

/// The share of a group's values that is left out at each end: one in this many, rounded up.
const LEFT_OUT: usize = 100;

/// Returns the smallest and the largest value of all groups, leaving out a hundredth of each group's values at either end, rounded up;
/// `None` without a value.
///
/// A group of one or two values is taken whole. Groups of equal values give the range of these values; one outlier in a group of
/// three or more has no effect.
pub fn range<'a>(groups: impl Iterator<Item = &'a [f64]>) -> Option<(f64, f64)> {
    let mut range: Option<(f64, f64)> = None;
    for group in groups {
        let Some(last) = group.len().checked_sub(1) else { continue };
        let out = group.len().div_ceil(LEFT_OUT).min(last / 2);
        let mut values = group.to_vec();
        let (_, least, above) = values.select_nth_unstable_by(out, f64::total_cmp);
        let least = *least;
        // Counted from the end of the values above the smallest.
        let greatest = match above.len().checked_sub(1 + out) {
            Some(place) => *above.select_nth_unstable_by(place, f64::total_cmp).1,
            None => least,
        };
        let (low, high) = range.unwrap_or((least, greatest));
        range = Some((low.min(least), high.max(greatest)));
    }
    range
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn the_ends_of_each_group_are_left_out() {
        let many: Vec<f64> = (0..300).map(f64::from).collect();
        assert_eq!(range([many.as_slice()].into_iter()), Some((3.0, 296.0)));
        assert_eq!(range([&[7.0, -1e300, 8.0, 9.0][..]].into_iter()), Some((7.0, 8.0)));
        assert_eq!(range([&[1.0, 1e9, 2.0][..], &[5.0, 5.0, 5.0]].into_iter()), Some((2.0, 5.0)));
    }

    #[test]
    fn a_group_of_one_or_two_is_whole() {
        assert_eq!(range([&[3.0][..], &[1.0, 2.0], &[]].into_iter()), Some((1.0, 3.0)));
        assert_eq!(range([&[][..]].into_iter()), None);
    }
}
