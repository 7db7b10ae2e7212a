//! FLAC, Ogg Vorbis and MP3, decoded packet by packet.

use crate::error::{Error, Result};
use crate::reader::SourceFormat;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::Path;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions, well_known};
use symphonia::core::errors::Error as Trouble;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::default::formats::{FlacReader, MpaReader, OggReader};

/// A coded file, open at its next sample.
pub(crate) struct Coded {
    pub(crate) format: SourceFormat,
    pub(crate) rate: u32,
    pub(crate) channels: usize,
    /// What the file promises; nothing where that would be an estimate.
    pub(crate) frames: Option<u64>,
    /// The byte with which the sound begins, after any tags.
    pub(crate) start: u64,
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// The last packet decoded, and how much of it has been read.
    packet: Vec<Vec<f32>>,
    used: usize,
    /// Samples decoded, those of the packet included.
    decoded: u64,
    ended: bool,
}

impl fmt::Debug for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coded").field("format", &self.format).field("decoded", &self.decoded).finish_non_exhaustive()
    }
}

impl Coded {
    pub(crate) fn open(path: &Path, format: SourceFormat, start: u64) -> Result<Coded> {
        let file = File::open(path).map_err(|e| Error::read(path, e))?;
        let broken = |e: Trouble| match e {
            Trouble::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
                Error::format(path, format!("{} file that is truncated: it ends within its header", article(format)))
            }
            Trouble::IoError(e) => Error::read(path, e),
            e => Error::format(path, format!("{} file that cannot be decoded ({e})", article(format))),
        };
        let mut stream = MediaSourceStream::new(Box::new(file), Default::default());
        stream.seek(SeekFrom::Start(start)).map_err(|e| Error::read(path, e))?;
        let options = FormatOptions::default();
        let reader: Box<dyn FormatReader> = match format {
            SourceFormat::Flac { .. } => Box::new(FlacReader::try_new(stream, options).map_err(broken)?),
            SourceFormat::OggVorbis => Box::new(OggReader::try_new(stream, options).map_err(broken)?),
            _ => Box::new(MpaReader::try_new(stream, options).map_err(broken)?),
        };
        let refuse = |message: String| Err(Error::format(path, message));
        let Some(track) = reader.first_track(TrackType::Audio) else {
            return refuse(format!("{} file without sound", article(format)));
        };
        let Some(codec) = track.codec_params.as_ref().and_then(|p| p.audio()) else {
            return refuse(format!("{} file without sound", article(format)));
        };
        if matches!(format, SourceFormat::OggVorbis) && codec.codec != well_known::CODEC_ID_VORBIS {
            return refuse(
                "an Ogg file with another coding than Vorbis (Opus, FLAC, Speex), which this version does not read"
                    .into(),
            );
        }
        let rate = codec.sample_rate.unwrap_or(0);
        let channels = codec.channels.as_ref().map_or(0, |c| c.count());
        if rate == 0 || channels == 0 {
            return refuse(format!(
                "{} file of {channels} channels at {rate} Hz: its header is damaged",
                article(format)
            ));
        }
        // An MP3 file without the lengths of its padding has only an estimate of its length: it is neither cut
        // to that nor said to be truncated.
        let exact = !matches!(format, SourceFormat::Mp3) || track.delay.is_some();
        // FLAC writes 0 for an unknown length.
        let frames = track.num_frames.filter(|&n| exact && n > 0);
        let options = AudioDecoderOptions::default().gapless(exact);
        let decoder = symphonia::default::get_codecs().make_audio_decoder(codec, &options).map_err(broken)?;
        let bits = codec.bits_per_sample.unwrap_or(0) as u16;
        let format = if matches!(format, SourceFormat::Flac { .. }) { SourceFormat::Flac { bits } } else { format };
        let track = track.id;
        Ok(Coded {
            format,
            rate,
            channels,
            frames,
            start,
            reader,
            decoder,
            track,
            packet: Vec::new(),
            used: 0,
            decoded: 0,
            ended: false,
        })
    }

    /// Reads `most` samples, fewer at the end, onto the ends of the channels.
    pub(crate) fn read(&mut self, path: &Path, most: usize, channels: &mut [Vec<f32>]) -> Result<()> {
        let mut left = most;
        while left > 0 {
            let there = self.packet.first().map_or(0, Vec::len) - self.used;
            if there == 0 {
                if !self.next_packet(path)? {
                    break;
                }
                continue;
            }
            let n = there.min(left);
            for (out, from) in channels.iter_mut().zip(&self.packet) {
                out.extend_from_slice(&from[self.used..self.used + n]);
            }
            self.used += n;
            left -= n;
        }
        Ok(())
    }

    /// Decodes one more packet; false at the end.
    fn next_packet(&mut self, path: &Path) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let at = |message: String| Error::at(path, self.decoded, self.rate, message);
        let packet = match self.reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return self.end(path),
            Err(Trouble::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => return self.end_early(path),
            Err(Trouble::IoError(e)) => return Err(Error::read(path, e)),
            Err(Trouble::ResetRequired) => {
                return Err(at("another stream begins here: files of chained streams are not read".into()));
            }
            Err(e) => return Err(at(format!("the file is damaged after this ({e})"))),
        };
        if packet.track_id != self.track {
            return Ok(true);
        }
        let sound = match self.decoder.decode(&packet) {
            Ok(sound) => sound,
            Err(e) => return Err(at(format!("the file is damaged after this ({e})"))),
        };
        let (rate, count) = (sound.spec().rate(), sound.num_planes());
        if sound.frames() > 0 && (rate != self.rate || count != self.channels) {
            return Err(at(format!(
                "{count} channels at {rate} Hz begin here, after {} at {} Hz: this must not change",
                self.channels, self.rate
            )));
        }
        sound.copy_to_vecs_planar(&mut self.packet);
        self.used = 0;
        self.decoded += self.packet.first().map_or(0, Vec::len) as u64;
        Ok(true)
    }

    /// The end of the data, which must not come before that of the sound.
    fn end(&mut self, path: &Path) -> Result<bool> {
        if self.frames.is_some_and(|promised| self.decoded < promised) {
            return self.end_early(path);
        }
        self.ended = true;
        Ok(false)
    }

    fn end_early(&self, path: &Path) -> Result<bool> {
        let promised = self.frames.map_or("more samples".into(), |n| {
            format!("{n} samples per channel ({:.3} s)", n as f64 / f64::from(self.rate))
        });
        Err(Error::format(
            path,
            format!(
                "the file is truncated or damaged: it promises {promised}, {} ({:.3} s) can be decoded",
                self.decoded,
                self.decoded as f64 / f64::from(self.rate)
            ),
        ))
    }
}

fn article(format: SourceFormat) -> &'static str {
    match format {
        SourceFormat::Flac { .. } => "a FLAC",
        SourceFormat::OggVorbis => "an Ogg",
        _ => "an MP3",
    }
}
