//! Pictures as PNG.

use crate::pictures::on_light_paper;
use resvg::{tiny_skia, usvg};
use std::sync::Arc;

/// Pixels per unit of a picture.
const SCALE: f32 = 2.0;

/// Draws SVG with a font of its own, so that pictures look the same on every machine; letters that it lacks come from the fonts of this one.
pub(super) struct Painter {
    options: usvg::Options<'static>,
}

impl Painter {
    pub(super) fn new() -> Painter {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.load_font_data(dejavu::sans::bold().to_vec());
        fonts.load_system_fonts();
        fonts.set_sans_serif_family("DejaVu Sans");
        let options =
            usvg::Options { font_family: "DejaVu Sans".into(), fontdb: Arc::new(fonts), ..usvg::Options::default() };
        Painter { options }
    }

    /// The file, on light paper.
    pub(super) fn png(&self, svg: &str) -> Result<Vec<u8>, String> {
        let tree = usvg::Tree::from_str(&on_light_paper(svg), &self.options).map_err(|e| e.to_string())?;
        let size = tree.size().to_int_size().scale_by(SCALE).ok_or("it is too large")?;
        let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or("it is too large")?;
        resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
        pixels.encode_png().map_err(|e| e.to_string())
    }
}
