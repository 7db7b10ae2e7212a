//! WAV files: the header, and samples from any place of the data.
//!
//! The formats are those of the RIFF/WAVE specification (IBM and Microsoft 1991; WAVE_FORMAT_EXTENSIBLE, Microsoft
//! 2001) and EBU Tech 3306 (RF64, for data beyond 4 GiB).

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stored {
    /// Unsigned, 128 is silence.
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Stored {
    pub(crate) fn bits(self) -> u16 {
        8 * self.bytes() as u16
    }

    fn bytes(self) -> usize {
        match self {
            Stored::U8 => 1,
            Stored::I16 => 2,
            Stored::I24 => 3,
            Stored::I32 | Stored::F32 => 4,
            Stored::F64 => 8,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Stored::F32 | Stored::F64)
    }
}

/// A WAV file whose header is known to be sound; the file stands at the next sample.
#[derive(Debug)]
pub(crate) struct Wav {
    pub(crate) rate: u32,
    pub(crate) channels: usize,
    pub(crate) frames: u64,
    pub(crate) stored: Stored,
    /// Bytes from one sample of a channel to the next, at least those stored.
    stride: usize,
    data: u64,
    file: File,
    buffer: Vec<u8>,
}

/// The header of a chunk: four letters and a length.
fn chunk_header(file: &mut File) -> io::Result<Option<([u8; 4], u32)>> {
    let mut h = [0u8; 8];
    match file.read_exact(&mut h) {
        Ok(()) => Ok(Some(([h[0], h[1], h[2], h[3]], u32::from_le_bytes([h[4], h[5], h[6], h[7]])))),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

struct Fmt {
    rate: u32,
    channels: usize,
    stored: Stored,
    stride: usize,
}

impl Wav {
    pub(crate) fn open(path: &Path, mut file: File, size: u64) -> Result<Wav> {
        let fail = |e| Error::read(path, e);
        let mut fmt = None;
        // The size of the data of an RF64 file, which its data chunk cannot hold.
        let mut long = None;
        let mut at = 12;
        loop {
            file.seek(SeekFrom::Start(at)).map_err(fail)?;
            let Some((name, length)) = chunk_header(&mut file).map_err(fail)? else {
                let what = if fmt.is_none() { "no format (\"fmt \")" } else { "no data (\"data\")" };
                return Err(Error::format(path, format!("a WAV file with {what} chunk: it is truncated or damaged")));
            };
            let body = at + 8;
            match &name {
                b"fmt " => {
                    let mut bytes = Vec::new();
                    file.by_ref().take(u64::from(length).min(64)).read_to_end(&mut bytes).map_err(fail)?;
                    fmt = Some(parse_fmt(path, &bytes)?);
                }
                b"ds64" => {
                    let mut sizes = [0u8; 16];
                    if file.read_exact(&mut sizes).is_ok() {
                        long = Some(u64::from_le_bytes(std::array::from_fn(|i| sizes[8 + i])));
                    }
                }
                b"data" => {
                    let fmt = fmt.ok_or_else(|| {
                        Error::format(path, "a WAV file whose data come before its format: it is damaged")
                    })?;
                    return Wav::with_data(path, file, fmt, body, length, long, size);
                }
                _ => {}
            }
            // Chunks begin at even places.
            at = body + u64::from(length) + u64::from(length % 2);
        }
    }

    fn with_data(path: &Path, file: File, fmt: Fmt, body: u64, len: u32, long: Option<u64>, size: u64) -> Result<Wav> {
        let there = size.saturating_sub(body);
        let frame = (fmt.stride * fmt.channels) as u64;
        // Programs that write to a pipe cannot know the length, and leave the largest number.
        let promised = match (len, long) {
            (u32::MAX, Some(long)) => long,
            (u32::MAX, None) => there / frame * frame,
            _ => u64::from(len),
        };
        if promised > there {
            let seconds = |bytes: u64| (bytes / frame) as f64 / f64::from(fmt.rate);
            return Err(Error::format(
                path,
                format!(
                    "the file is truncated: its header promises {} samples per channel ({:.3} s), {} ({:.3} s) are there",
                    promised / frame,
                    seconds(promised),
                    there / frame,
                    seconds(there)
                ),
            ));
        }
        if promised % frame != 0 {
            return Err(Error::format(
                path,
                format!("{promised} bytes of data are no whole number of samples of {frame} bytes: it is damaged"),
            ));
        }
        let mut wav = Wav {
            rate: fmt.rate,
            channels: fmt.channels,
            frames: promised / frame,
            stored: fmt.stored,
            stride: fmt.stride,
            data: body,
            file,
            buffer: Vec::new(),
        };
        wav.seek(0).map_err(|e| Error::read(path, e))?;
        Ok(wav)
    }

    /// Makes `frame` the next to be read.
    pub(crate) fn seek(&mut self, frame: u64) -> io::Result<()> {
        let offset = frame.min(self.frames) * (self.stride * self.channels) as u64;
        self.file.seek(SeekFrom::Start(self.data + offset)).map(drop)
    }

    /// Reads exactly `frames`, which must be there, onto the ends of the channels.
    pub(crate) fn read(&mut self, frames: usize, channels: &mut [Vec<f32>]) -> io::Result<()> {
        let step = self.stride * self.channels;
        // Large files in pieces, so that the bytes need less room than the samples.
        let piece = ((1 << 20) / step).max(1);
        let mut left = frames;
        while left > 0 {
            let n = left.min(piece);
            self.buffer.resize(n * step, 0);
            self.file.read_exact(&mut self.buffer)?;
            for (c, out) in channels.iter_mut().enumerate() {
                decode(&self.buffer[c * self.stride..], self.stored, step, out);
            }
            left -= n;
        }
        Ok(())
    }
}

/// The samples of one channel, every `step` bytes; a container wider than its samples keeps them at its low end.
fn decode(bytes: &[u8], stored: Stored, step: usize, out: &mut Vec<f32>) {
    let each = bytes.chunks(step);
    match stored {
        Stored::U8 => out.extend(each.map(|b| (f32::from(b[0]) - 128.0) / 128.0)),
        Stored::I16 => out.extend(each.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0)),
        Stored::I24 => {
            out.extend(each.map(|b| (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / 8_388_608.0));
        }
        Stored::I32 => {
            let unit = 1.0 / 2_147_483_648.0;
            out.extend(each.map(|b| (f64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])) * unit) as f32));
        }
        Stored::F32 => out.extend(each.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
        Stored::F64 => out.extend(each.map(|b| f64::from_le_bytes(std::array::from_fn(|i| b[i])) as f32)),
    }
}

fn parse_fmt(path: &Path, b: &[u8]) -> Result<Fmt> {
    let refuse = |message: String| Err(Error::format(path, message));
    if b.len() < 16 {
        return refuse("a WAV file whose format chunk is too short: it is truncated or damaged".into());
    }
    let u16_at = |i: usize| u16::from_le_bytes([b[i], b[i + 1]]);
    let (mut tag, channels, align, bits) = (u16_at(0), usize::from(u16_at(2)), usize::from(u16_at(12)), u16_at(14));
    let rate = u32::from_le_bytes([b[4], b[5], b[6], b[7]]);
    if tag == 0xfffe {
        // The real tag begins the GUID.
        if b.len() < 40 {
            return refuse("a WAV file whose extended format chunk is too short: it is damaged".into());
        }
        tag = u16_at(24);
    }
    if channels == 0 || rate == 0 {
        return refuse(format!("a WAV file of {channels} channels at {rate} Hz: its header is damaged"));
    }
    let stored = match (tag, bits) {
        (1, 8) => Stored::U8,
        (1, 16) => Stored::I16,
        (1, 24) => Stored::I24,
        (1, 32) => Stored::I32,
        (3, 32) => Stored::F32,
        (3, 64) => Stored::F64,
        (1, _) => return refuse(format!("a WAV file of {bits}-bit integers; accepted: 8, 16, 24, 32")),
        (3, _) => return refuse(format!("a WAV file of {bits}-bit floats; accepted: 32, 64")),
        _ => {
            let name = match tag {
                2 | 0x11 => " (ADPCM)",
                6 => " (A-law)",
                7 => " (µ-law)",
                0x50 | 0x55 => " (MPEG)",
                _ => "",
            };
            return refuse(format!("a WAV file in coding {tag}{name}; accepted: integers and floats"));
        }
    };
    let stride = align / channels;
    if stride * channels != align || stride < stored.bytes() || stride > 8 {
        return refuse(format!(
            "a WAV file of {channels} channels of {bits} bits in blocks of {align} bytes: its header is damaged"
        ));
    }
    Ok(Fmt { rate, channels, stored, stride })
}
