//! Small pictures of few colours as PNG data URIs, and the colours.

use ndarray::ArrayView2;
use png::{BitDepth, ColorType, Encoder};

/// Colours of a raster beside "nothing": one a decibel over a range of 80.
const LEVELS: u8 = 81;

/// Magma (van der Walt & Smith 2015), every sixteenth of it: equal steps look equal, lightness rises throughout.
const MAGMA: [[u8; 3]; 17] = [
    [0, 0, 4],
    [10, 8, 34],
    [29, 17, 71],
    [54, 16, 107],
    [81, 18, 124],
    [106, 28, 129],
    [131, 38, 129],
    [156, 46, 127],
    [183, 55, 121],
    [208, 65, 111],
    [231, 82, 99],
    [245, 107, 92],
    [252, 137, 97],
    [254, 167, 114],
    [254, 196, 136],
    [253, 226, 163],
    [252, 253, 191],
];

/// Blue, white, red (ColorBrewer's RdBu turned round): both ends are equally dark.
const DIVERGING: [[u8; 3]; 17] = [
    [5, 48, 97],
    [21, 80, 141],
    [40, 112, 177],
    [62, 140, 191],
    [104, 171, 208],
    [152, 200, 224],
    [192, 220, 235],
    [222, 235, 242],
    [246, 247, 247],
    [251, 230, 218],
    [251, 206, 183],
    [245, 172, 139],
    [229, 131, 104],
    [210, 88, 73],
    [187, 42, 52],
    [150, 15, 39],
    [103, 0, 31],
];

/// Which colours stand for 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Colours {
    /// Dark to light.
    Rising,
    /// Blue, white in the middle, red.
    Diverging,
}

impl Colours {
    /// The colour of a share in [0, 1].
    pub(super) fn of(self, share: f64) -> [u8; 3] {
        let table = if self == Colours::Rising { &MAGMA } else { &DIVERGING };
        let at = if share > 0.0 { share.min(1.0) } else { 0.0 } * (table.len() - 1) as f64;
        let low = (at as usize).min(table.len() - 2);
        let t = at - low as f64;
        std::array::from_fn(|c| {
            let (a, b) = (f64::from(table[low][c]), f64::from(table[low + 1][c]));
            (a + (b - a) * t).round() as u8
        })
    }
}

/// Pixels by their colour's number; 0 is transparent.
pub(super) struct Raster {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<u8>,
    colours: Colours,
}

impl Raster {
    /// Shares of the colour range, rows from above; NaN is transparent.
    pub(super) fn of(shares: ArrayView2<'_, f32>, colours: Colours) -> Raster {
        let (height, width) = shares.dim();
        let level = |s: &f32| match s.is_nan() {
            true => 0,
            false => 1 + (s.clamp(0.0, 1.0) * f32::from(LEVELS - 1)).round() as u8,
        };
        if width == 0 || height == 0 {
            return Raster { width: 1, height: 1, pixels: vec![0], colours };
        }
        Raster { width, height, pixels: shares.iter().map(level).collect(), colours }
    }

    /// One column, the largest share on top: a colour bar.
    pub(super) fn bar(colours: Colours) -> Raster {
        let n = usize::from(LEVELS);
        Raster { width: 1, height: n, pixels: (1..=LEVELS).rev().collect(), colours }
    }

    /// The file, with a palette of 8 bits.
    pub(super) fn png(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut palette = vec![128u8; 3];
        (0..LEVELS).for_each(|l| palette.extend(self.colours.of(f64::from(l) / f64::from(LEVELS - 1))));
        let (Ok(width), Ok(height)) = (u32::try_from(self.width), u32::try_from(self.height)) else { return out };
        let mut encoder = Encoder::new(&mut out, width, height);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_palette(palette);
        encoder.set_trns(vec![0u8]);
        encoder.set_compression(png::Compression::High);
        // of palettes, filters make larger files
        encoder.set_filter(png::Filter::NoFilter);
        // a vector takes everything, and the sizes agree
        let written = encoder.write_header().and_then(|mut w| w.write_image_data(&self.pixels));
        if written.is_err() {
            out.clear();
        }
        out
    }

    /// The file as an address.
    pub(super) fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", base64(&self.png()))
    }
}

/// RFC 4648, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |bits, (i, b)| bits | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
