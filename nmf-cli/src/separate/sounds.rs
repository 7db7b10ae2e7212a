//! The sounds of a report: the mixture and its sources as WAV files small enough for a page.

use super::folder::Folder;
use super::mixture::Mixture;
use super::output::Output;
use crate::failure::Failure;
use crate::report::Page;
use crate::text::grouped;
use nmf_audio::{Resampler, SampleFormat, SoundReader, WavWriter};

/// Bytes of all sounds of a page together, about.
const MOST: u64 = 12_000_000;
/// Sounds beyond that are brought down to this rate.
const RATE: u32 = 22_050;
/// Bytes of a sample.
const BYTES: u64 = 2;

/// How sounds are cut down, if at all.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    rate: u32,
    mono: bool,
    /// Samples at that rate.
    len: u64,
}

impl Cut {
    /// For `sounds` sounds of `len` samples of `channels` channels at `rate`.
    fn of(sounds: usize, len: u64, channels: usize, rate: u32) -> Cut {
        let sounds = sounds.max(1) as u64;
        if sounds * len * channels as u64 * BYTES <= MOST {
            return Cut { rate, mono: false, len };
        }
        let to = rate.min(RATE);
        let whole = (u128::from(len) * u128::from(to)).div_ceil(u128::from(rate.max(1))) as u64;
        Cut { rate: to, mono: true, len: whole.min(MOST / (BYTES * sounds)) }
    }

    /// What was done to a sound of `seconds`, for its caption.
    fn told(&self, seconds: f64, channels: usize) -> String {
        let has = match channels {
            1 => "mono".into(),
            2 => "stereo".into(),
            n => format!("{n} channels"),
        };
        if !self.mono {
            return format!("{seconds:.1} s, {has}, {} Hz, 16 bits", grouped(u64::from(self.rate)));
        }
        let kept = self.len as f64 / f64::from(self.rate);
        let part = if kept + 0.05 < seconds {
            format!("the first {kept:.1} s of {seconds:.1} s")
        } else {
            format!("{seconds:.1} s")
        };
        let mixed = if channels > 1 { "the mean of its channels, " } else { "" };
        format!("{part}, {mixed}{} Hz, 16 bits", grouped(u64::from(self.rate)))
    }

    /// The samples of a sound from its beginning.
    fn read(&self, reader: &mut SoundReader) -> Result<Vec<Vec<f32>>, Failure> {
        reader.rewind()?;
        if !self.mono {
            return Ok(reader.read_rest()?.into_channels());
        }
        let mut resampler =
            if reader.rate() == self.rate { None } else { Some(Resampler::new(reader.rate(), self.rate)?) };
        let mut out: Vec<f32> = Vec::new();
        let channels = reader.channels().max(1) as f32;
        while (out.len() as u64) < self.len {
            let Some(block) = reader.read_block(1 << 16)? else { break };
            let mean: Vec<f32> =
                (0..block.len()).map(|n| block.channels.iter().map(|c| c[n]).sum::<f32>() / channels).collect();
            match &mut resampler {
                Some(r) => out.extend(r.push(&mean)),
                None => out.extend(mean),
            }
        }
        out.extend(resampler.map_or_else(Vec::new, Resampler::finish));
        out.truncate(self.len as usize);
        Ok(vec![out])
    }
}

/// The section of the sounds: the mixture and every source with a player.
pub(super) fn section(page: &mut Page, mixture: &mut Mixture, output: &Output, folder: &Folder) -> Result<(), Failure> {
    let (channels, rate, seconds) = (mixture.reader.channels(), mixture.rate(), mixture.seconds());
    let cut = Cut::of(output.names.len() + 1, mixture.len as u64, channels, rate);
    let mut sounds = vec![("mixture".to_string(), cut.read(&mut mixture.reader)?)];
    for (name, estimate) in output.names.iter().zip(&output.order) {
        sounds.push((name.clone(), cut.read(&mut SoundReader::open(&output.paths[*estimate])?)?));
    }
    let peak = sounds.iter().flat_map(|s| s.1.iter().flatten()).fold(0.0f32, |a, v| a.max(v.abs()));
    let level = if peak > 1.0 { 1.0 / peak } else { 1.0 };
    let mut text = "The mixture and its sources, which add up to it.".to_string();
    if level < 1.0 {
        text.push_str(&format!(
            " All are played at {level:.2} of their level, as one of them is too loud for 16 bits."
        ));
    }
    if cut.mono {
        text.push_str(" They are cut down as said beside each, so that the page stays small; -o writes them whole.");
    }
    page.section("Sounds", &text);
    let caption = cut.told(seconds, channels);
    // beside the estimates, where nothing is kept
    let scratch = folder.scratch(output.paths.len())?;
    for (name, mut samples) in sounds {
        samples.iter_mut().flatten().for_each(|v| *v *= level);
        let mut out = WavWriter::create(&scratch, cut.rate, samples.len(), SampleFormat::I16)?;
        out.write_block(&samples)?;
        out.finish()?;
        let wav = std::fs::read(&scratch)
            .map_err(|e| Failure::work(format!("{}: cannot be read: {e}", scratch.display())))?;
        page.audio(&name, &wav, &caption);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_sounds_are_the_mean_of_their_channels_at_a_lower_rate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let tone = |n: usize| (n as f32 * 0.02).sin();
        let channels = vec![(0..44_100).map(tone).collect(), vec![0.0; 44_100]];
        let sound = nmf_audio::Sound::new(44_100, channels).unwrap();
        nmf_audio::write(&path, &sound, SampleFormat::F32).unwrap();
        let mut reader = SoundReader::open(&path).unwrap();
        let whole = Cut { rate: 44_100, mono: false, len: 44_100 }.read(&mut reader).unwrap();
        assert_eq!(whole, sound.channels());
        let cut = Cut { rate: 22_050, mono: true, len: 11_025 }.read(&mut reader).unwrap();
        assert_eq!((cut.len(), cut[0].len()), (1, 11_025));
        for n in 1000..11_000 {
            assert!((cut[0][n] - tone(2 * n) / 2.0).abs() < 1e-3, "{n}: {} {}", cut[0][n], tone(2 * n) / 2.0);
        }
    }

    #[test]
    fn long_sounds_are_cut_and_the_caption_says_how() {
        let short = Cut::of(3, 441_000, 2, 44_100);
        assert_eq!(short, Cut { rate: 44_100, mono: false, len: 441_000 });
        assert_eq!(short.told(10.0, 2), "10.0 s, stereo, 44,100 Hz, 16 bits");
        // half a minute fits once it is mono
        let some = Cut::of(3, 30 * 44_100, 2, 44_100);
        assert_eq!(some, Cut { rate: RATE, mono: true, len: 30 * 22_050 });
        assert!(some.told(30.0, 2).starts_with("30.0 s, the mean of its channels, 22,050 Hz"));
        let long = Cut::of(3, 600 * 44_100, 2, 44_100);
        assert!(long.len * 3 * BYTES <= MOST);
        assert!(long.told(600.0, 2).starts_with("the first 90.7 s of 600.0 s, the mean"), "{}", long.told(600.0, 2));
        // a low rate is kept
        assert_eq!(Cut::of(9, 16_000 * 600, 1, 16_000).rate, 16_000);
    }
}
