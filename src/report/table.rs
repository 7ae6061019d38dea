//! The table of `allot eval`: one row per unit, and a line of totals.

use comfy_table::{Attribute, Cell, CellAlignment, Color, LineStyle, Table, TableStyle, presets};

use super::number::{grouped, percent, shortened, significant};
use super::row_range;
use crate::allocate::{Allocation, UnitAllocation};

/// The appearance of a table, as chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// The maximum number of characters per line; below about 50, lines may be longer.
    pub width: usize,
    /// Whether to colour with ANSI sequences.
    pub color: bool,
    /// Whether to use ASCII characters only.
    pub ascii: bool,
}

impl Default for TableOptions {
    /// Returns 80 characters of Unicode without colour.
    fn default() -> Self {
        Self { width: 80, color: false, ascii: false }
    }
}

/// The number of spaces between two columns.
pub(super) const GAP: usize = 2;
/// The range of useful bar widths.
const BAR: std::ops::RangeInclusive<usize> = 8..=40;
/// The minimum number of characters that still distinguishes module names.
const NAME: usize = 12;

/// Returns the table of an allocation: name, parameters, importance, realised sparsity and a bar for each
/// unit, then the totals.
///
/// Bars run from 0 to 100 %, and a mark shows the target if a bar ends before it. The importance column is
/// shown if any unit has an importance. Names are shown without their common leading components. To fit the
/// width, bars get shorter and then disappear, then the middles of names are cut, then the parameter column
/// disappears. Ends with a newline.
pub fn allocation_table(allocation: &Allocation, options: &TableOptions) -> String {
    let names = short_names(&allocation.units);
    let layout = Layout::new(allocation, &names, options.width);
    let ellipsis = if options.ascii { ".." } else { "…" };
    let bars = BarStyle::new(options.ascii);

    let mut table = bare(options);
    let inner = layout.bar.unwrap_or(0).saturating_sub("0%".len());
    let scale = format!("0%{:>inner$}", "100%");
    table.set_header(layout.row(
        |title| Cell::new(title).add_attribute(Attribute::Bold),
        ["unit", "parameters", "importance", "sparsity", &scale],
    ));
    for (unit, name) in allocation.units.iter().zip(&names) {
        let share = unit.achieved();
        let cells = [
            shortened(name, layout.name, ellipsis),
            grouped(unit.parameters),
            importance(unit),
            percent(share, 2),
            bars.draw(share, allocation.target, layout.bar.unwrap_or(0)),
        ];
        let mut row = layout.row(Cell::new, cells);
        if layout.bar.is_some()
            && let Some(bar) = row.pop()
        {
            row.push(bar.fg(Color::Cyan));
        }
        table.add_row(row);
    }
    let count = table.column_count();
    align(&mut table, |index| index > 0 && !(layout.bar.is_some() && index + 1 == count));

    let mut text = table.trim_fmt();
    text.push('\n');
    for line in summary(allocation, options.width) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns an empty table with an underlined head and no other lines.
pub(super) fn bare(options: &TableOptions) -> Table {
    let mut table = Table::new();
    let rule = if options.ascii { '-' } else { '─' };
    table.load_style(TableStyle { header_separator: LineStyle::none().fill(rule), ..presets::NOTHING });
    if options.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

/// Spaces out a table's columns, and aligns those with numbers right.
pub(super) fn align(table: &mut Table, is_number: impl Fn(usize) -> bool) {
    let count = table.column_count();
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index + 1 < count { GAP as u16 } else { 0 }));
        let side = if is_number(index) { CellAlignment::Right } else { CellAlignment::Left };
        column.set_cell_alignment(side);
    }
}

/// The shown columns, and the widths of the flexible ones.
struct Layout {
    name: usize,
    parameters: bool,
    importance: bool,
    bar: Option<usize>,
}

impl Layout {
    fn new(allocation: &Allocation, names: &[String], width: usize) -> Self {
        let units = &allocation.units;
        let widest =
            |title: &str, cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0).max(title.len());
        let name = widest("unit", &mut names.iter().map(|name| name.chars().count()));
        let parameters = widest("parameters", &mut units.iter().map(|unit| grouped(unit.parameters).len()));
        let has_importance = units.iter().any(|unit| unit.importance.is_some());
        let importances =
            widest("importance", &mut units.iter().map(|unit| importance(unit).chars().count()));

        // The numbers and the gaps before them; the name and the bar's gap are added to this.
        let always = GAP + "sparsity".len() + if has_importance { GAP + importances } else { 0 };
        let numbers = always + GAP + parameters;
        let left = width.saturating_sub(numbers + name + GAP);
        let bar = (left >= *BAR.start()).then(|| left.min(*BAR.end()));
        let shows_parameters = width >= numbers + name.min(NAME);
        let room = width.saturating_sub(if shows_parameters { numbers } else { always });
        Self { name: name.min(room.max(NAME)), parameters: shows_parameters, importance: has_importance, bar }
    }

    /// Returns the cells of the shown columns.
    fn row<T>(&self, cell: impl Fn(T) -> Cell, texts: [T; 5]) -> Vec<Cell> {
        let shown = [true, self.parameters, self.importance, true, self.bar.is_some()];
        let texts = texts.into_iter().zip(shown);
        texts.filter(|(_, shown)| *shown).map(|(text, _)| cell(text)).collect()
    }
}

fn importance(unit: &UnitAllocation) -> String {
    unit.importance.map_or_else(String::new, |value| significant(value, 4))
}

/// Returns the units' names without their common leading dotted components.
pub(super) fn short_names(units: &[UnitAllocation]) -> Vec<String> {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    without_shared(&names)
}

/// Returns names without their common leading dotted components.
pub(super) fn without_shared(all: &[&str]) -> Vec<String> {
    let mut names = all.iter().map(|name| name.split('.').collect::<Vec<_>>());
    let mut shared = names.next().unwrap_or_default();
    // The last component always belongs to the name.
    shared.pop();
    for name in names {
        let same = shared.iter().zip(&name).take_while(|(a, b)| a == b).count();
        shared.truncate(same.min(name.len() - 1));
    }
    // A single module keeps its whole name, because there are no others to tell it from.
    let skipped = if all.len() < 2 { 0 } else { shared.len() };
    let short = |name: &&str| name.split('.').skip(skipped).collect::<Vec<_>>().join(".");
    all.iter().map(short).collect()
}

/// The characters of bars.
struct BarStyle {
    full: char,
    /// Fractions of a character, the narrowest first.
    parts: &'static [char],
    target: char,
}

impl BarStyle {
    fn new(ascii: bool) -> Self {
        if ascii {
            Self { full: '#', parts: &[], target: '|' }
        } else {
            Self { full: '█', parts: &['▏', '▎', '▍', '▌', '▋', '▊', '▉'], target: '╎' }
        }
    }

    /// Returns a bar that fills `share` of `width` characters, with a mark at the target if it ends before
    /// that.
    fn draw(&self, share: f64, target: f64, width: usize) -> String {
        let steps = self.parts.len() + 1;
        let filled = (share.clamp(0.0, 1.0) * (width * steps) as f64).round() as usize;
        let mut bar: String = std::iter::repeat_n(self.full, filled / steps).collect();
        if !filled.is_multiple_of(steps) {
            bar.push(self.parts[filled % steps - 1]);
        }
        let mark = ((target.clamp(0.0, 1.0) * width as f64) as usize).min(width.saturating_sub(1));
        let length = bar.chars().count();
        if width > 0 && length <= mark {
            bar.extend(std::iter::repeat_n(' ', mark - length));
            bar.push(self.target);
        }
        bar
    }
}

/// Returns the lines under the table: the requested and the realised sparsity.
fn summary(allocation: &Allocation, width: usize) -> Vec<String> {
    let mut parts = vec![
        format!("target {}", percent(allocation.target, 2)),
        format!("achieved {}", percent(allocation.achieved(), 2)),
        format!("{} of {} weights pruned", grouped(allocation.pruned()), grouped(allocation.parameters())),
    ];
    parts.extend(row_range::line(allocation));
    if allocation.noise {
        parts.push("importances differ by rounding only, so all are equal".to_owned());
    }
    // As many parts per line as fit.
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + GAP + part.chars().count() <= width => {
                line.push_str(", ");
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}
