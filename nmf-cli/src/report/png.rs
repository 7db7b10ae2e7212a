//! Pictures as PNG.

use crate::pictures::on_light_paper;
use resvg::{tiny_skia, usvg};
use std::sync::Arc;

/// Pixels per unit of a picture.
const SCALE: f32 = 2.0;

/// Draws SVG with a font of its own, so that pictures look the same on every machine; letters that it lacks come from the fonts of this one.
pub(crate) struct Painter {
    options: usvg::Options<'static>,
}

impl Painter {
    /// Reads the fonts.
    pub(crate) fn new() -> Painter {
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
    pub(crate) fn png(&self, svg: &str) -> Result<Vec<u8>, String> {
        let tree = usvg::Tree::from_str(&on_light_paper(svg), &self.options).map_err(|e| e.to_string())?;
        let size = tree.size().to_int_size().scale_by(SCALE).ok_or("it is too large")?;
        let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or("it is too large")?;
        resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
        pixels.encode_png().map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::{Series, lines};

    #[test]
    fn pictures_are_drawn_with_their_texts_on_light_paper() {
        let line = Series::new("a", [(0.0, 1.0), (1.0, 2.0)]);
        let svg = |title: &str| lines(title, "iteration", "objective", std::slice::from_ref(&line), &[], false);
        let painter = Painter::new();
        let pixels = |title: &str| {
            let png = painter.png(&svg(title)).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            pixels.truncate(info.buffer_size());
            (info.width as usize, pixels)
        };
        let (width, titled) = pixels("Title");
        assert_eq!((width, &titled[..4]), (880, &[255, 255, 255, 255][..]));
        // the letters of the title are dark, those of no title are not there; the line has its colour
        let dark = |pixels: &[u8]| pixels[..60 * 4 * width].chunks(4).filter(|p| p[0] < 60 && p[1] < 60).count();
        assert!(dark(&titled) > 200, "{}", dark(&titled));
        assert_eq!(dark(&pixels("").1), 0);
        assert!(titled.chunks(4).any(|p| p == [9, 105, 218, 255]));
    }
}
