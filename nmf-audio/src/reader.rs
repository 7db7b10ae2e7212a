//! Reading sounds block by block, or whole.

use crate::coded::Coded;
use crate::error::{Error, Result};
use crate::sound::Sound;
use crate::wav::Wav;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The inputs that [`SoundReader::open`] accepts, for messages.
pub const INPUT_FORMATS: &str = "WAV (8 to 32-bit integers, floats), FLAC, Ogg Vorbis, MP3";

/// The format of a file, found by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceFormat {
    /// WAV of integers.
    WavInt {
        /// Bits per sample: 8, 16, 24 or 32.
        bits: u16,
    },
    /// WAV of floats.
    WavFloat {
        /// Bits per sample: 32 or 64.
        bits: u16,
    },
    /// FLAC: integers, without loss.
    Flac {
        /// Bits per sample: 4 to 32, 0 if the file does not say.
        bits: u16,
    },
    /// Vorbis in Ogg.
    OggVorbis,
    /// MPEG audio, layer III.
    Mp3,
}

impl fmt::Display for SourceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceFormat::WavInt { bits } => write!(f, "WAV, {bits}-bit integers"),
            SourceFormat::WavFloat { bits } => write!(f, "WAV, {bits}-bit floats"),
            SourceFormat::Flac { bits } => write!(f, "FLAC, {bits}-bit integers"),
            SourceFormat::OggVorbis => write!(f, "Ogg Vorbis"),
            SourceFormat::Mp3 => write!(f, "MP3"),
        }
    }
}

/// A stretch of a sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The sample with which it begins, from 0.
    pub start: u64,
    /// Its samples, `channels[c][n]`, full scale at ±1.
    pub channels: Vec<Vec<f32>>,
}

impl Block {
    /// Samples per channel, at least one.
    pub fn len(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// True if there is no sample, which no block read is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A sound file, read block by block, as often as needed.
///
/// Integers of b bits are divided by 2^(b−1), which is exact up to 24 bits; 32-bit integers and 64-bit floats are
/// rounded to `f32`. Floats are not clipped.
///
/// ```
/// # fn main() -> nmf_audio::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("a.wav");
/// # let sound = nmf_audio::Sound::new(8000, vec![vec![0.25; 1000]])?;
/// # nmf_audio::write(&path, &sound, nmf_audio::SampleFormat::I16)?;
/// let mut reader = nmf_audio::SoundReader::open(&path)?;
/// let mut sum = 0.0;
/// while let Some(block) = reader.read_block(300)? {
///     sum += block.channels[0].iter().sum::<f32>();
/// }
/// assert_eq!((reader.rate(), reader.frames(), sum), (8000, Some(1000), 250.0));
/// reader.rewind()?;
/// assert_eq!(reader.read_block(300)?.unwrap().start, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SoundReader {
    path: PathBuf,
    source: Source,
    format: SourceFormat,
    rate: u32,
    channels: usize,
    frames: Option<u64>,
    position: u64,
}

#[derive(Debug)]
enum Source {
    Wav(Box<Wav>),
    Coded(Box<Coded>),
}

enum Kind {
    Wav,
    Coded(SourceFormat, u64),
}

impl SoundReader {
    /// Opens a file; its content, not its name, says what it is.
    ///
    /// # Errors
    /// If the file cannot be read, is no sound or of no known format, is cut short, has an absurd header, or has no
    /// samples.
    pub fn open(path: impl AsRef<Path>) -> Result<SoundReader> {
        let path = path.as_ref();
        let fail = |e| Error::read(path, e);
        let mut file = File::open(path).map_err(fail)?;
        let about = file.metadata().map_err(fail)?;
        if about.is_dir() {
            return Err(Error::format(path, format!("a folder; accepted: {INPUT_FORMATS}")));
        }
        if !about.is_file() {
            return Err(Error::format(path, "a pipe or device: a sound must be a file, as it is read more than once"));
        }
        let (source, format, rate, channels, frames) = match detect(path, &mut file)? {
            Kind::Wav => {
                let wav = Wav::open(path, file, about.len())?;
                let bits = wav.stored.bits();
                let format =
                    if wav.stored.is_float() { SourceFormat::WavFloat { bits } } else { SourceFormat::WavInt { bits } };
                let (rate, channels, frames) = (wav.rate, wav.channels, wav.frames);
                (Source::Wav(Box::new(wav)), format, rate, channels, Some(frames))
            }
            Kind::Coded(format, start) => {
                let coded = Coded::open(path, format, start)?;
                let (format, rate, channels, frames) = (coded.format, coded.rate, coded.channels, coded.frames);
                (Source::Coded(Box::new(coded)), format, rate, channels, frames)
            }
        };
        if frames == Some(0) {
            return Err(no_samples(path));
        }
        Ok(SoundReader { path: path.into(), source, format, rate, channels, frames, position: 0 })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format of the file.
    pub fn format(&self) -> SourceFormat {
        self.format
    }

    /// Samples per second, at least 1.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The number of channels, at least 1.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples per channel, where the file says so, or once it has been read to its end.
    pub fn frames(&self) -> Option<u64> {
        self.frames
    }

    /// The next sample to be read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next `most` samples of every channel, fewer only at the end, or none after it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged or ends before it should, or if a sample is not a finite number; with
    /// the place.
    pub fn read_block(&mut self, most: usize) -> Result<Option<Block>> {
        let mut channels = Vec::new();
        channels.resize_with(self.channels, Vec::new);
        let start = self.position;
        match &mut self.source {
            Source::Wav(wav) => {
                let n = (wav.frames - start).min(most as u64) as usize;
                channels.iter_mut().for_each(|c| c.reserve_exact(n));
                wav.read(n, &mut channels).map_err(|e| match e.kind() {
                    std::io::ErrorKind::UnexpectedEof => {
                        Error::at(&self.path, start, self.rate, "the file ends after this, it has become shorter")
                    }
                    _ => Error::read(&self.path, e),
                })?;
            }
            Source::Coded(coded) => coded.read(&self.path, most, &mut channels)?,
        }
        let block = Block { start, channels };
        self.position += block.len() as u64;
        if block.len() < most {
            self.frames = Some(self.position);
        }
        if block.is_empty() {
            return if self.position == 0 && most > 0 { Err(no_samples(&self.path)) } else { Ok(None) };
        }
        self.check_finite(&block)?;
        Ok(Some(block))
    }

    /// Makes the first sample the next to be read.
    ///
    /// # Errors
    /// If the file cannot be read again.
    pub fn rewind(&mut self) -> Result<()> {
        self.seek(0)
    }

    /// Makes `sample` the next to be read, the end if there are not so many. WAV files are read from there;
    /// others are decoded up to it, from their beginning where it lies behind.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn seek(&mut self, sample: u64) -> Result<()> {
        if let Source::Wav(wav) = &mut self.source {
            wav.seek(sample).map_err(|e| Error::read(&self.path, e))?;
            self.position = sample.min(wav.frames);
            return Ok(());
        }
        if sample < self.position
            && let Source::Coded(coded) = &mut self.source
        {
            **coded = Coded::open(&self.path, self.format, coded.start)?;
            self.position = 0;
        }
        while self.position < sample {
            let step = (sample - self.position).min(1 << 16) as usize;
            if self.read_block(step)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The number of samples per channel, from reading to the end where the file does not say; the position stays.
    ///
    /// # Errors
    /// As [`SoundReader::read_block`].
    pub fn count_frames(&mut self) -> Result<u64> {
        if let Some(frames) = self.frames {
            return Ok(frames);
        }
        let position = self.position;
        self.seek(u64::MAX)?;
        let frames = self.position;
        self.frames = Some(frames);
        self.seek(position)?;
        Ok(frames)
    }

    /// Everything from the position to the end.
    ///
    /// # Errors
    /// As [`SoundReader::read_block`].
    pub fn read_rest(&mut self) -> Result<Sound> {
        let mut channels = vec![Vec::new(); self.channels];
        if let Source::Wav(wav) = &self.source {
            // The file is known to be as long as that.
            channels.iter_mut().for_each(|c| c.reserve_exact((wav.frames - self.position) as usize));
        }
        while let Some(block) = self.read_block(1 << 16)? {
            channels.iter_mut().zip(&block.channels).for_each(|(c, b)| c.extend_from_slice(b));
        }
        Sound::new(self.rate, channels)
    }

    fn check_finite(&self, block: &Block) -> Result<()> {
        if block.channels.iter().all(|c| c.iter().all(|x| x.is_finite())) {
            return Ok(());
        }
        let first = |(c, samples): (usize, &Vec<f32>)| samples.iter().position(|x| !x.is_finite()).map(|n| (n, c));
        let Some((n, c)) = block.channels.iter().enumerate().filter_map(first).min() else { return Ok(()) };
        let message = format!("channel {c} is {}: samples must be finite numbers", block.channels[c][n]);
        Err(Error::at(&self.path, block.start + n as u64, self.rate, message))
    }
}

/// Reads a whole sound.
///
/// # Errors
/// As [`SoundReader::open`] and [`SoundReader::read_block`].
pub fn read(path: impl AsRef<Path>) -> Result<Sound> {
    SoundReader::open(path)?.read_rest()
}

fn no_samples(path: &Path) -> Error {
    Error::format(path, "a sound file of 0 samples: there is nothing to read")
}

/// What the file is, and where its sound begins.
fn detect(path: &Path, file: &mut File) -> Result<Kind> {
    let fail = |e| Error::read(path, e);
    let refuse = |what: &str| Err(Error::format(path, format!("{what}; accepted: {INPUT_FORMATS}")));
    let mut start = 0;
    let mut tagged = false;
    loop {
        file.seek(SeekFrom::Start(start)).map_err(fail)?;
        let mut head = Vec::new();
        file.by_ref().take(4096).read_to_end(&mut head).map_err(fail)?;
        let begins = |magic: &[u8]| head.starts_with(magic);
        let form = head.get(8..12).unwrap_or_default();
        if head.is_empty() {
            return refuse(if tagged { "the file ends after its tags" } else { "the file is empty" });
        }
        if begins(b"ID3") && head.len() >= 10 {
            // Tags before the sound: four bytes of seven bits say how long.
            let length = head[6..10].iter().fold(0u64, |n, &b| n << 7 | u64::from(b & 0x7f));
            start += 10 + length + if head[5] & 0x10 != 0 { 10 } else { 0 };
            tagged = true;
            continue;
        }
        if (begins(b"RIFF") || begins(b"RF64") || begins(b"BW64")) && form == b"WAVE" {
            return Ok(Kind::Wav);
        }
        if begins(b"fLaC") {
            return Ok(Kind::Coded(SourceFormat::Flac { bits: 0 }, start));
        }
        if begins(b"OggS") {
            return Ok(Kind::Coded(SourceFormat::OggVorbis, start));
        }
        // Some encoders leave zeros after the tags.
        let zeros = if tagged { head.iter().take_while(|&&b| b == 0).count() } else { 0 };
        if let Some(&[0xff, b, c, _]) = head.get(zeros..zeros + 4)
            && b & 0xe0 == 0xe0
        {
            let (version, layer, bitrate, rate) = (b >> 3 & 3, b >> 1 & 3, c >> 4, c >> 2 & 3);
            if version != 1 && layer != 0 && bitrate != 15 && rate != 3 {
                return match layer {
                    1 => Ok(Kind::Coded(SourceFormat::Mp3, start + zeros as u64)),
                    2 => refuse("MPEG audio of layer II, which this version does not read"),
                    _ => refuse("MPEG audio of layer I, which this version does not read"),
                };
            }
        }
        return refuse(match () {
            () if begins(b"FORM") && form.starts_with(b"AIF") => "an AIFF file, which this version does not read",
            () if begins(b"riff") => "a Wave64 file, which this version does not read",
            () if begins(b"RIFX") => "a big-endian WAV file, which this version does not read",
            () if begins(b"caff") => "a CAF file, which this version does not read",
            () if begins(b".snd") => "an AU file, which this version does not read",
            () if begins(b"\x1aE\xdf\xa3") => "a Matroska or WebM file, which this version does not read",
            () if head.get(4..8) == Some(b"ftyp") => "an MP4 or M4A file, which this version does not read",
            () if begins(b"RIFF") => "a RIFF file that is not WAVE",
            () => "not a sound file: its content is that of no known format",
        });
    }
}
