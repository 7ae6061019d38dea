//! A table that can be rendered for a terminal, in Markdown, in LaTeX and in HTML.

use comfy_table::{Attribute, Cell};

use crate::report::TableOptions;
use crate::report::number::{shortened, truncated};
use crate::report::svg::escaped;
use crate::report::table::{GAP, align, bare};

/// The minimum width in characters of a shortened column.
const LEAST: usize = 12;

/// The column that is shortened when a line is too long, and where its texts are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flexible {
    /// Cut in the middle: a name, whose ends tell it from others.
    Name(usize),
    /// Cut at the end: a formula.
    Formula(usize),
}

/// A table of rows under a head.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) head: Vec<String>,
    /// Whether a column holds numbers, which are aligned right.
    pub(super) numbers: Vec<bool>,
    pub(super) rows: Vec<Line>,
    pub(super) flexible: Flexible,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The CSS class of the row's kind.
    pub(super) class: &'static str,
    pub(super) cells: Vec<Field>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) text: String,
    /// Whether it is the best in its column.
    pub(super) best: bool,
}

impl Field {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), best: false }
    }
}

impl Grid {
    /// Returns the table for a terminal, with a star after the best values; ends with a newline.
    pub(super) fn text(&self, options: &TableOptions) -> String {
        let grid = self.fitted(options);
        let mut table = bare(options);
        table.set_header(grid.head.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        let strong = |field: &Field| match field.best {
            true => Cell::new(&field.text).add_attribute(Attribute::Bold),
            false => Cell::new(&field.text),
        };
        for line in &grid.rows {
            table.add_row(line.cells.iter().map(strong));
        }
        align(&mut table, |index| self.numbers.get(index).is_some_and(|number| *number));
        table.trim_fmt() + "\n"
    }

    /// Returns the table with its marks inserted, in ASCII if wanted, and with its flexible column shortened
    /// so that lines fit.
    fn fitted(&self, options: &TableOptions) -> Self {
        let mut grid = self.clone();
        let marked: Vec<bool> =
            (0..self.head.len()).map(|column| self.rows.iter().any(|line| line.is_best(column))).collect();
        for line in &mut grid.rows {
            for (field, marked) in line.cells.iter_mut().zip(&marked) {
                // Applies to all cells of the column, so that their digits stay aligned.
                if *marked {
                    field.text.push_str(if field.best { " *" } else { "  " });
                }
            }
        }
        for (title, marked) in grid.head.iter_mut().zip(&marked) {
            title.push_str(if *marked { "  " } else { "" });
        }
        if options.ascii {
            let plain = |text: &str| text.replace('±', "+-").replace(['−', '–'], "-");
            grid.rows
                .iter_mut()
                .flat_map(|line| &mut line.cells)
                .for_each(|field| field.text = plain(&field.text));
        }
        let ellipsis = if options.ascii { "..." } else { "…" };
        let flexible = match self.flexible {
            Flexible::Name(column) | Flexible::Formula(column) => column,
        };
        let others = (0..grid.head.len()).filter(|column| *column != flexible);
        let taken: usize = others.map(|column| grid.width(column) + GAP).sum();
        let room = options.width.saturating_sub(taken).max(LEAST);
        for line in &mut grid.rows {
            if let Some(field) = line.cells.get_mut(flexible) {
                field.text = match self.flexible {
                    Flexible::Name(_) => shortened(&field.text, room, ellipsis),
                    Flexible::Formula(_) => truncated(&field.text, room, ellipsis),
                };
            }
        }
        grid
    }

    /// Returns the table without the columns with these titles.
    pub(super) fn without(mut self, columns: &[&str]) -> Self {
        let kept: Vec<bool> = self.head.iter().map(|title| !columns.contains(&title.as_str())).collect();
        let mut at = 0..;
        self.numbers.retain(|_| at.next().and_then(|place: usize| kept.get(place).copied()).unwrap_or(true));
        for line in &mut self.rows {
            let mut at = 0..;
            line.cells
                .retain(|_| at.next().and_then(|place: usize| kept.get(place).copied()).unwrap_or(true));
        }
        self.head.retain(|title| !columns.contains(&title.as_str()));
        self
    }

    fn width(&self, column: usize) -> usize {
        let head = self.head.get(column).into_iter().flat_map(|title| title.lines());
        let cells =
            self.rows.iter().filter_map(|line| line.cells.get(column)).map(|field| field.text.as_str());
        head.chain(cells).map(|text| text.chars().count()).max().unwrap_or(0)
    }

    /// Returns the table in Markdown, with the best values in bold; ends with a newline.
    pub(super) fn markdown(&self) -> String {
        let plain = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = row(self.head.iter().map(|title| plain(title)).collect());
        out.push_str(&row(self.numbers.iter().map(|n| if *n { "---:" } else { "---" }.to_owned()).collect()));
        for line in &self.rows {
            let strong = |field: &Field| match field.best {
                true => format!("**{}**", plain(&field.text)),
                false => plain(&field.text),
            };
            out.push_str(&row(line.cells.iter().map(strong).collect()));
        }
        out
    }

    /// Returns the table in LaTeX for the package booktabs, with the best values in bold; ends with a
    /// newline.
    pub(super) fn latex(&self, caption: &str) -> String {
        let plain = |text: &str| {
            let text = text
                .replace('\\', "\\textbackslash ")
                .replace('\n', " ")
                .replace('–', "--")
                .replace('∞', "$\\infty$")
                .replace('±', "$\\pm$")
                .replace('≈', "$\\approx$");
            ["%", "_", "&", "#"]
                .iter()
                .fold(text, |text, special| text.replace(special, &format!("\\{special}")))
        };
        let row = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let columns: String = self.numbers.iter().map(|number| if *number { 'r' } else { 'l' }).collect();
        let mut out = format!("% {caption}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n");
        out.push_str(&row(self.head.iter().map(|title| plain(title)).collect()));
        out.push_str("\\midrule\n");
        for line in &self.rows {
            let strong = |field: &Field| match field.best {
                true => format!("\\textbf{{{}}}", plain(&field.text)),
                false => plain(&field.text),
            };
            out.push_str(&row(line.cells.iter().map(strong).collect()));
        }
        out.push_str("\\bottomrule\n\\end{tabular}\n");
        out
    }

    /// Returns the table in HTML, with a caption.
    pub(super) fn html(&self, caption: &str) -> String {
        let side =
            |column: usize| if self.numbers.get(column) == Some(&true) { " class=\"number\"" } else { "" };
        let mut out = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table>\n<caption>{0}</caption>\n<thead><tr>",
            escaped(caption)
        );
        for (column, title) in self.head.iter().enumerate() {
            out.push_str(&format!("<th scope=\"col\"{}>{}</th>", side(column), escaped(title)));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for line in &self.rows {
            out.push_str(&format!("<tr class=\"{}\">", line.class));
            for (column, field) in line.cells.iter().enumerate() {
                let text = escaped(&field.text);
                let text = if field.best { format!("<strong>{text}</strong>") } else { text };
                match column {
                    0 => out.push_str(&format!("<th scope=\"row\">{text}</th>")),
                    _ => out.push_str(&format!("<td{}>{text}</td>", side(column))),
                }
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
        out
    }
}

impl Line {
    fn is_best(&self, column: usize) -> bool {
        self.cells.get(column).is_some_and(|field| field.best)
    }
}
