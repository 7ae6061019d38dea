//! Numbers as text, in the same format in every table and figure.

/// Returns a count with its digits grouped by threes: `6476005376` is `6,476,005,376`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with its noun, which gets an `s` unless the count is 1: `2 windows`,
/// `2 reads of the weights`.
pub fn counted(count: usize, what: &str) -> String {
    match (count, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (_, Some((noun, rest))) => format!("{count} {noun}s {rest}"),
        (_, None) => format!("{count} {what}s"),
    }
}

/// Returns a number with `digits` significant digits: `0.05`, four digits, is `0.05000`.
///
/// Numbers from 0.001 to 999,999 are written in full, others with an exponent (`1.234e-7`). Zero is `0`, and
/// numbers that are not finite are `inf`, `-inf` or `NaN`. If `digits` is 0, one digit is used.
pub fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 || !number.is_finite() {
        // Not -0.
        return if number == 0.0 { "0".to_owned() } else { number.to_string() };
    }
    let decimals = digits.max(1) - 1;
    let scientific = format!("{number:.decimals$e}");
    // The exponent is read from the rounded text: 9.9999 rounds to 10.00, not to 10.000.
    let exponent = scientific.split('e').nth(1).and_then(|text| text.parse().ok());
    match exponent {
        Some(exponent @ -3..=5) => {
            let decimals = (decimals as i32 - exponent).max(0) as usize;
            format!("{number:.decimals$}")
        }
        _ => scientific,
    }
}

/// Returns a share as a percentage with `decimals` decimals: `0.7` with one decimal is `70.0%`.
pub fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$}%", 100.0 * share)
}

/// Returns a number of bytes in the largest binary unit with a value of at least 1: `1536` is `1.5 KiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would print as 1024.0 in the smaller unit.
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Returns the text shortened in the middle to at most `width` characters, with `ellipsis` in place of the
/// removed part.
///
/// The middle is removed because a module's name starts with its block and ends with its kind.
pub fn shortened(text: &str, width: usize, ellipsis: &str) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let mark: String = ellipsis.chars().take(width).collect();
    let kept = width - mark.chars().count();
    let head = kept / 2;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - (kept - head)).collect();
    format!("{start}{mark}{end}")
}

/// Returns the text shortened at the end to at most `width` characters, with `ellipsis` in place of the
/// removed part.
pub fn truncated(text: &str, width: usize, ellipsis: &str) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mark: String = ellipsis.chars().take(width).collect();
    let start: String = text.chars().take(width - mark.chars().count()).collect();
    format!("{}{mark}", start.trim_end())
}

/// Returns a share as a percentage without needless decimals, at most two: `70%`, `66.7%`.
pub fn plain_percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
