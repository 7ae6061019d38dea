//! A chart of a page as a separate SVG file for a paper. Its colours are literal, because few programs other
//! than browsers support variables.

/// The page's style sheet, from which the file takes the rules for charts.
const STYLE: &str = include_str!("style.css");

/// The font of the file; a page sets it for its whole body.
const FONT: &str = ".chart { font-family: system-ui, -apple-system, \"Segoe UI\", Roboto, \"Noto Sans\", \"DejaVu Sans\", sans-serif; }";

/// The width of a legend's sample, and the approximate width of a character of its names.
const SAMPLE: f64 = 28.0;
const CHARACTER: f64 = 7.0;

/// Returns the first wide chart of a page's section as an SVG file in light colours, with its legend in a
/// line below it; `None` if there is no chart.
pub(super) fn svg(section: &str) -> Option<String> {
    let start = section.find("<svg class=\"chart wide\"")?;
    let end = start + section[start..].find("</svg>")? + "</svg>".len();
    let chart = &section[start..end];
    let (open, inside) = chart.split_once('>')?;
    let open = open.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    let (width, height) = size(&open)?;
    let entries = legend(section);
    let mut under = String::new();
    let mut x = 2.0;
    for (sample, name) in &entries {
        let (mark, text) = (height + 6.0, height + 16.0);
        under.push_str(&format!(
            "<g transform=\"translate({x:.0} {mark})\">{sample}</g>\n<text class=\"axis\" x=\"{:.0}\" y=\"{text}\">{name}</text>\n",
            x + SAMPLE + 8.0
        ));
        x += SAMPLE + 32.0 + CHARACTER * name.chars().count() as f64;
    }
    let all = if entries.is_empty() { height } else { height + 24.0 };
    let open = open.replacen(&format!("0 0 {width} {height}"), &format!("0 0 {width} {all}"), 1);
    let inside = inside.strip_suffix("</svg>")?;
    Some(format!(
        "{open} width=\"{width}\" height=\"{all}\">\n<style>\n{}\n{FONT}\n</style>\n\
         <rect width=\"{width}\" height=\"{all}\" fill=\"#ffffff\"/>{inside}{under}</svg>\n",
        literal(STYLE)
    ))
}

/// Returns the width and height in a chart's `viewBox`.
fn size(open: &str) -> Option<(f64, f64)> {
    let (_, rest) = open.split_once("viewBox=\"0 0 ")?;
    let (numbers, _) = rest.split_once('"')?;
    let (width, height) = numbers.split_once(' ')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// Returns the entries of a section's legend: the drawing of each sample, and its name.
fn legend(section: &str) -> Vec<(&str, &str)> {
    let Some((_, rest)) = section.split_once("<ul class=\"legend\"") else { return Vec::new() };
    let list = rest.split("</ul>").next().unwrap_or_default();
    let entry = |item| {
        let (drawn, name) = str::split_once(item, "</svg>")?;
        let (_, sample) = drawn.split_once('>')?;
        Some((sample, name.split("</li>").next()?.trim()))
    };
    list.split("<li>").skip(1).filter_map(entry).collect()
}

/// Returns a style sheet's rules about charts, with each variable replaced by its light value.
fn literal(style: &str) -> String {
    let root = style.split('}').next().unwrap_or_default();
    let values: Vec<(&str, &str)> =
        root.split(['{', ';']).filter_map(|part| part.trim().strip_prefix("--")?.split_once(": ")).collect();
    let mut rules = String::new();
    // The page's own rules come first; some rules about charts only concern their layout on the page.
    let charts = style.lines().skip_while(|line| !line.starts_with(".chart text"));
    let drawn = |line: &&str| {
        line.starts_with('.') && ["fill", "stroke", "font-size"].iter().any(|it| line.contains(it))
    };
    for line in charts.filter(drawn) {
        let mut line = line.to_owned();
        for (name, value) in &values {
            line = line.replace(&format!("var(--{name})"), value);
        }
        rules.push_str(&line);
        rules.push('\n');
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "<ul class=\"legend\">\n<li><svg class=\"sample\"><path/></svg>front</li>\n</ul>\n<svg class=\"chart wide\" \
                           role=\"img\" viewBox=\"0 0 200 100\" aria-labelledby=\"a b\">\n<path class=\"best c0\" d=\"M0 0\"/></svg>\n\
                           <svg class=\"chart narrow\" viewBox=\"0 0 20 10\"></svg>";

    #[test]
    fn a_chart_stands_alone() {
        let svg = svg(SECTION).expect("a chart");
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart wide\""), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 200 124\"") && svg.contains("height=\"124\""), "{svg}");
        assert!(
            svg.contains(".c0 { stroke: #0550ae; }")
                && svg.contains("<g transform=\"translate(2 106)\"><path/></g>"),
            "{svg}"
        );
        assert!(svg.contains("x=\"38\" y=\"116\">front</text>"), "{svg}");
        // These rules would hide the chart, or stretch it to the width of a page.
        assert!(!svg.contains("display") && !svg.contains("100%"), "{svg}");
        assert!(!svg.contains("var(--") && !svg.contains("narrow\""), "{svg}");
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    #[test]
    fn a_section_without_a_chart_has_no_svg() {
        assert_eq!(super::svg("<p>Nothing was measured.</p>"), None);
    }
}
