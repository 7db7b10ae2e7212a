//! Writing WAV files.

use crate::error::{Error, Result};
use crate::pending::Pending;
use crate::sound::Sound;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// How samples are stored in a WAV file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleFormat {
    /// 16-bit integers.
    I16,
    /// 24-bit integers.
    I24,
    /// 32-bit integers.
    I32,
    /// 32-bit floats, which hold every sample exactly and never clip.
    #[default]
    F32,
}

impl SampleFormat {
    fn bytes(self) -> usize {
        match self {
            SampleFormat::I16 => 2,
            SampleFormat::I24 => 3,
            SampleFormat::I32 | SampleFormat::F32 => 4,
        }
    }
}

/// A WAV file that is written block by block, beside its name, and appears there whole on [`WavWriter::finish`];
/// dropped before that, it is removed, and what was there before stays.
///
/// Integers of b bits hold the sample times 2^(b−1), rounded to the nearest (ties away from 0). They do not clip
/// in silence: a sample beyond [−1, 1] is refused with its place. Exactly 1, and what rounds to it, becomes the
/// largest number, one step less. What [`crate::SoundReader`] read from integers of up to 24 bits is written back
/// unchanged at the same or a greater width.
#[derive(Debug)]
pub struct WavWriter {
    file: BufWriter<File>,
    pending: Pending,
    rate: u32,
    channels: usize,
    format: SampleFormat,
    frames: u64,
    header: usize,
    bytes: Vec<u8>,
}

impl WavWriter {
    /// Begins a file of `channels` channels at `rate` Hz.
    ///
    /// # Errors
    /// For no channels or more than WAV can name, for a rate of 0, and if the file cannot be created.
    pub fn create(path: impl AsRef<Path>, rate: u32, channels: usize, format: SampleFormat) -> Result<WavWriter> {
        let path = path.as_ref();
        let block = channels.saturating_mul(format.bytes());
        if rate == 0 || channels == 0 || block > usize::from(u16::MAX) || u64::from(rate) * block as u64 > LARGEST {
            let most = usize::from(u16::MAX) / format.bytes();
            return Err(Error::setting(format!(
                "{channels} channels at {rate} Hz: a WAV file has 1 to {most} channels and 4 GiB at most"
            )));
        }
        let (file, pending) = Pending::create(path)?;
        let mut file = BufWriter::with_capacity(128 << 10, file);
        let header = header(rate, channels, format, 0);
        file.write_all(&header).map_err(|e| Error::write(path, e))?;
        Ok(WavWriter { file, pending, rate, channels, format, frames: 0, header: header.len(), bytes: Vec::new() })
    }

    /// Samples per channel written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Appends a block: as many slices as there are channels, all of one length.
    ///
    /// # Errors
    /// For other numbers of channels or different lengths; for a sample that is not finite, or that an integer
    /// format would clip; if the file would exceed 4 GiB, the most that WAV holds; if it cannot be written. After
    /// an error the file can only be dropped.
    pub fn write_block<C: AsRef<[f32]>>(&mut self, channels: &[C]) -> Result<()> {
        let frames = channels.first().map_or(0, |c| c.as_ref().len());
        if channels.len() != self.channels || channels.iter().any(|c| c.as_ref().len() != frames) {
            return Err(Error::setting(format!(
                "a block of {} channels, or of different lengths, for a file of {} channels",
                channels.len(),
                self.channels
            )));
        }
        let step = self.channels * self.format.bytes();
        let size = (self.frames + frames as u64).saturating_mul(step as u64);
        if size > LARGEST {
            let message = "the file would exceed 4 GiB, the most that WAV holds";
            return Err(Error::write(&self.pending.shown, io::Error::other(message)));
        }
        // Pieces, so that the bytes need less room than the samples.
        let piece = ((1 << 18) / step).max(1);
        let mut bytes = std::mem::take(&mut self.bytes);
        for from in (0..frames).step_by(piece) {
            let to = (from + piece).min(frames);
            bytes.resize((to - from) * step, 0);
            for (c, samples) in channels.iter().enumerate() {
                let places = bytes[c * self.format.bytes()..].chunks_mut(step);
                if let Err(n) = encode(&samples.as_ref()[from..to], self.format, places) {
                    return Err(self.refuse(c, from + n, samples.as_ref()[from + n]));
                }
            }
            self.file.write_all(&bytes).map_err(|e| Error::write(&self.pending.shown, e))?;
        }
        self.bytes = bytes;
        self.frames += frames as u64;
        Ok(())
    }

    fn refuse(&self, channel: usize, n: usize, x: f32) -> Error {
        let what = if x.is_finite() {
            format!("channel {channel} is {x}: integers would clip it, as it lies beyond ±1; write floats, or scale")
        } else {
            format!("channel {channel} is {x}: samples must be finite numbers")
        };
        Error::at(&self.pending.shown, self.frames + n as u64, self.rate, what)
    }

    /// Completes the file and moves it to its name.
    ///
    /// # Errors
    /// If it cannot be written to its end or moved; what was there before stays.
    pub fn finish(self) -> Result<()> {
        let WavWriter { mut file, pending, rate, channels, format, frames, header: header_len, .. } = self;
        let size = frames * (channels * format.bytes()) as u64;
        let complete = header(rate, channels, format, frames);
        debug_assert_eq!(complete.len(), header_len);
        let mut write = || {
            if size % 2 == 1 {
                // Chunks end at even places.
                file.write_all(&[0])?;
            }
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&complete)?;
            file.flush()?;
            // Some file systems report a full disk only now.
            file.get_ref().sync_all()
        };
        write().map_err(|e| Error::write(&pending.shown, e))?;
        drop(file);
        pending.publish()
    }
}

/// Writes a whole sound as WAV.
///
/// # Errors
/// As [`WavWriter::write_block`] and [`WavWriter::finish`].
pub fn write(path: impl AsRef<Path>, sound: &Sound, format: SampleFormat) -> Result<()> {
    let mut writer = WavWriter::create(path, sound.rate(), sound.channels().len(), format)?;
    writer.write_block(sound.channels())?;
    writer.finish()
}

/// Bytes of data, so that they and the header can be counted in 32 bits.
const LARGEST: u64 = u32::MAX as u64 - 256;

/// The header for so many samples per channel; its length does not depend on them.
fn header(rate: u32, channels: usize, format: SampleFormat, frames: u64) -> Vec<u8> {
    let bytes = format.bytes();
    let block = (channels * bytes) as u32;
    let data = (frames * u64::from(block)) as u32;
    let tag: u16 = if format == SampleFormat::F32 { 3 } else { 1 };
    // Readers expect the extended form for wide integers and many channels, and a count of samples for floats.
    let extended = channels > 2 || matches!(format, SampleFormat::I24 | SampleFormat::I32);
    let mut fmt = Vec::with_capacity(40);
    fmt.extend((if extended { 0xfffe } else { tag }).to_le_bytes());
    fmt.extend((channels as u16).to_le_bytes());
    fmt.extend(rate.to_le_bytes());
    fmt.extend((rate * block).to_le_bytes());
    fmt.extend((block as u16).to_le_bytes());
    fmt.extend((8 * bytes as u16).to_le_bytes());
    if extended {
        fmt.extend(22u16.to_le_bytes());
        fmt.extend((8 * bytes as u16).to_le_bytes());
        // The speakers: the front pair, or one in front; of more channels nothing is known.
        fmt.extend((if channels == 1 { 4u32 } else { u32::from(channels == 2) * 3 }).to_le_bytes());
        fmt.extend(tag.to_le_bytes());
        fmt.extend(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    } else if tag == 3 {
        fmt.extend(0u16.to_le_bytes());
    }
    let mut out = Vec::with_capacity(80);
    let mut chunk = |name: &[u8; 4], body: &[u8]| {
        out.extend(name);
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
    };
    chunk(b"fmt ", &fmt);
    if tag == 3 {
        chunk(b"fact", &(frames as u32).to_le_bytes());
    }
    let mut all = Vec::with_capacity(out.len() + 20);
    all.extend(b"RIFF");
    all.extend((4 + out.len() as u32 + 8 + data + data % 2).to_le_bytes());
    all.extend(b"WAVE");
    all.extend(out);
    all.extend(b"data");
    all.extend(data.to_le_bytes());
    all
}

/// Stores the samples at the beginnings of the places, or says which cannot be stored.
fn encode<'a>(samples: &[f32], format: SampleFormat, places: impl Iterator<Item = &'a mut [u8]>) -> Result<(), usize> {
    // The largest absolute value of the integers; in f64, where every product and sum here is exact.
    let full = match format {
        SampleFormat::F32 => {
            for (n, (x, place)) in samples.iter().zip(places).enumerate() {
                if !x.is_finite() {
                    return Err(n);
                }
                place[..4].copy_from_slice(&x.to_le_bytes());
            }
            return Ok(());
        }
        SampleFormat::I16 => 32_768.0f64,
        SampleFormat::I24 => 8_388_608.0,
        SampleFormat::I32 => 2_147_483_648.0,
    };
    let bytes = format.bytes();
    for (n, (&x, place)) in samples.iter().zip(places).enumerate() {
        // Also false for NaN.
        if !matches!(x.abs(), 0.0..=1.0) {
            return Err(n);
        }
        let i = (f64::from(x) * full).round().min(full - 1.0) as i32;
        place[..bytes].copy_from_slice(&i.to_le_bytes()[..bytes]);
    }
    Ok(())
}
