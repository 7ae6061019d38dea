//! The parts shared by the figures of a comparison: a style sheet of literal values, light and dark, and the
//! styles of lines.

/// Hues that most readers can tell apart, each used with solid and with dashed lines.
const HUES: usize = 8;

/// The style sheet; colours are literal, so that renderers without media queries show the light ones.
pub(super) const STYLE: &str = "\
.allot-compare{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px}
.allot-compare .page{fill:#ffffff}
.allot-compare text{fill:#4d5761}
.allot-compare .title{fill:#1f2328;font-size:13px;font-weight:600}
.allot-compare .grid{stroke:#e1e5ea;stroke-width:1}
.allot-compare .frame{stroke:#8b949e;stroke-width:1;fill:none}
.allot-compare .target{stroke:#8b949e;stroke-width:1;stroke-dasharray:2 3;fill:none}
.allot-compare .lead{stroke:#c3cad2;stroke-width:1;fill:none}
.allot-compare .line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.allot-compare .dashed{stroke-dasharray:6 3}
.allot-compare .h0{stroke:#0550ae}.allot-compare .h1{stroke:#b35900}.allot-compare .h2{stroke:#8250df}.allot-compare .h3{stroke:#1a7f37}
.allot-compare .h4{stroke:#bf3989}.allot-compare .h5{stroke:#0a7d83}.allot-compare .h6{stroke:#8a6d00}.allot-compare .h7{stroke:#57606a}
@media (prefers-color-scheme:dark){
.allot-compare .page{fill:#0d1117}
.allot-compare text{fill:#a3adb8}
.allot-compare .title{fill:#e6edf3}
.allot-compare .grid{stroke:#262c36}
.allot-compare .frame,.allot-compare .target{stroke:#6e7681}
.allot-compare .lead{stroke:#3a424d}
.allot-compare .h0{stroke:#6cb6ff}.allot-compare .h1{stroke:#f0a04b}.allot-compare .h2{stroke:#c29bff}.allot-compare .h3{stroke:#57c86a}
.allot-compare .h4{stroke:#ff8cc0}.allot-compare .h5{stroke:#4cc4c9}.allot-compare .h6{stroke:#d9b93b}.allot-compare .h7{stroke:#a3adb8}
}
";

/// Returns the CSS classes of the line with an index.
pub(super) fn class(place: usize) -> String {
    let dashed = if (place / HUES) % 2 == 1 { " dashed" } else { "" };
    format!("line h{}{dashed}", place % HUES)
}

/// Returns the start of a figure.
pub(super) fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"allot-compare\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n",
        crate::report::svg::escaped(title)
    )
}
