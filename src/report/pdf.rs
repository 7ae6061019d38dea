//! Figures as PDF, for LaTeX: an SVG on a page of its own size, with selectable text in embedded fonts of this machine.

/// Why a figure cannot become PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The text is not SVG.
    #[error("it is not SVG: {0}")]
    Svg(String),
    /// The machine has no fonts.
    #[error("this machine has no fonts to write its text with; install one, such as DejaVu Sans")]
    NoFont,
    /// The machine's fonts lack characters that the figure has.
    #[error(
        "no font of this machine has the characters of `{text}`; install one that has, such as DejaVu Sans"
    )]
    NoGlyph {
        /// The text.
        text: String,
    },
    /// PDF cannot hold it.
    #[error("it cannot be written as PDF: {0}")]
    Write(String),
    /// This build has no writer of PDF.
    #[error("this allot was built without the feature `pdf`; build it with `--features pdf`")]
    NotBuilt,
}

/// Returns an SVG figure as a PDF of one page; the same bytes for the same figure and fonts.
///
/// # Errors
/// When it is not SVG, a text has no font, or PDF cannot hold it.
pub fn pdf(svg: &str) -> Result<Vec<u8>, PdfError> {
    written::page(svg)
}

/// The writer, where it is built.
#[cfg(feature = "pdf")]
mod written {
    use krilla::Document;
    use krilla::geom::Size;
    use krilla::page::PageSettings;
    use krilla_svg::{SurfaceExt, SvgSettings};
    use usvg::{Group, Node, Options, Tree};

    use super::PdfError;

    /// Fonts that stand for `sans-serif`; the first one that the machine has is taken.
    const SANS_SERIF: [&str; 6] =
        ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Helvetica", "Arial", "Roboto"];

    pub(super) fn page(svg: &str) -> Result<Vec<u8>, PdfError> {
        let mut options = Options::default();
        let fonts = options.fontdb_mut();
        fonts.load_system_fonts();
        if fonts.is_empty() {
            return Err(PdfError::NoFont);
        }
        let names =
            |name: &&str| fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name));
        if let Some(name) = SANS_SERIF.iter().find(|name| names(name)) {
            fonts.set_sans_serif_family(*name);
        }
        let tree = Tree::from_str(svg, &options).map_err(|error| PdfError::Svg(error.to_string()))?;
        check_texts(tree.root())?;
        let (width, height) = (tree.size().width(), tree.size().height());
        let size =
            Size::from_wh(width, height).ok_or_else(|| PdfError::Svg(format!("{width} x {height}")))?;
        let mut document = Document::new();
        let mut page = document.start_page_with(PageSettings::new(size));
        let mut surface = page.surface();
        let drawn = surface.draw_svg(&tree, size, SvgSettings::default());
        surface.finish();
        page.finish();
        drawn.ok_or_else(|| PdfError::Write("it cannot be drawn".to_owned()))?;
        document.finish().map_err(|error| PdfError::Write(format!("{error:?}")))
    }

    /// Refuses texts that would be left out, or drawn as boxes, because a font or a character is missing.
    fn check_texts(group: &Group) -> Result<(), PdfError> {
        for node in group.children() {
            match node {
                Node::Group(group) => check_texts(group)?,
                Node::Text(text) => {
                    let mut glyphs =
                        text.layouted().iter().flat_map(|span| &span.positioned_glyphs).peekable();
                    if glyphs.peek().is_none() || glyphs.any(|glyph| glyph.id.0 == 0) {
                        let text = text.chunks().iter().map(usvg::TextChunk::text).collect();
                        return Err(PdfError::NoGlyph { text });
                    }
                }
                Node::Path(_) | Node::Image(_) => {}
            }
        }
        Ok(())
    }
}

/// Stands for the writer.
#[cfg(not(feature = "pdf"))]
mod written {
    use super::PdfError;

    pub(super) fn page(_svg: &str) -> Result<Vec<u8>, PdfError> {
        Err(PdfError::NotBuilt)
    }
}

#[cfg(all(test, feature = "pdf"))]
mod tests {
    use super::*;

    const FIGURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"90\" height=\"40\" viewBox=\"0 0 90 40\">\n\
                          <style>.a text{font-family:sans-serif;font-size:12px}</style>\n\
                          <g class=\"a\"><path d=\"M0 20h90\" stroke=\"#000\"/><text x=\"4\" y=\"14\">sparsity</text></g></svg>";

    #[test]
    fn a_figure_becomes_a_page_of_its_size_with_embedded_fonts() {
        let written = match pdf(FIGURE) {
            Err(PdfError::NoFont) => {
                eprintln!("skipped: this machine has no fonts");
                return;
            }
            written => written.expect("a page"),
        };
        let text = String::from_utf8_lossy(&written);
        assert!(text.starts_with("%PDF-") && text.contains("/MediaBox [0 0 90 40]"), "{text}");
        assert!(text.contains("/FontFile"), "{text}");
        assert_eq!(pdf(FIGURE).expect("a page"), written);
    }

    #[test]
    fn what_is_not_svg_is_refused() {
        match pdf("<p>text</p>") {
            Err(PdfError::Svg(_) | PdfError::NoFont) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_without_a_font_that_has_its_characters_is_refused() {
        // A private character that no font of a system has.
        let figure = FIGURE.replace("sparsity", "\u{10f000}");
        match pdf(&figure) {
            Err(PdfError::NoGlyph { text }) => assert_eq!(text, "\u{10f000}"),
            Err(PdfError::NoFont) => eprintln!("skipped: this machine has no fonts"),
            other => panic!("{other:?}"),
        }
    }
}
