use crate::{amplitude, fixture, refused, sine};
use nmf_audio::{SoundReader, SourceFormat, read};
use std::fs;

#[test]
fn flac_is_exact() {
    // The tone as 16-bit integers, undithered.
    let mut reader = SoundReader::open(fixture("tone.flac")).unwrap();
    assert_eq!(
        (reader.format(), reader.rate(), reader.channels(), reader.frames()),
        (SourceFormat::Flac { bits: 16 }, 22050, 2, Some(6615))
    );
    let sound = reader.read_rest().unwrap();
    for (channel, hz) in sound.channels().iter().zip([441.0, 882.0]) {
        let tone = sine(6615, 22050, hz, 0.5);
        let steps = |x: f32| x * 32768.0;
        assert!(channel.iter().all(|&x| steps(x).fract() == 0.0));
        assert!(channel.iter().zip(tone).all(|(x, y)| (steps(*x) - steps(y)).abs() <= 1.5));
    }
    let deep = read(fixture("tone24.flac")).unwrap();
    assert_eq!((deep.len(), deep.channels().len()), (2205, 1));
    let tone = sine(2205, 22050, 441.0, 0.5);
    assert!(deep.channels()[0].iter().all(|x| (x * 8_388_608.0).fract() == 0.0));
    assert!(deep.channels()[0].iter().zip(tone).all(|(x, y)| (x - y).abs() < 1e-4));
}

/// Length, level and frequency of both channels; `shift` is the most samples by which the tone may come late.
fn check_lossy(name: &str, format: SourceFormat, lengths: std::ops::RangeInclusive<usize>) -> Vec<Vec<f32>> {
    let mut reader = SoundReader::open(fixture(name)).unwrap();
    assert_eq!((reader.format(), reader.rate(), reader.channels()), (format, 22050, 2));
    let sound = reader.read_rest().unwrap();
    assert!(lengths.contains(&sound.len()), "{name}: {} samples", sound.len());
    assert_eq!(reader.frames(), Some(sound.len() as u64));
    for (channel, hz) in sound.channels().iter().zip([441.0, 882.0]) {
        // Ten periods and more, away from the ends.
        let middle = &channel[2000..2000 + 2000];
        let level = amplitude(middle, 22050, hz);
        assert!((level - 0.5).abs() < 0.02, "{name}: {level} at {hz} Hz");
        let other = amplitude(middle, 22050, 1323.0 - hz);
        assert!(other < 0.02, "{name}: {other} at {} Hz", 1323.0 - hz);
    }
    sound.into_channels()
}

#[test]
fn lossy_formats_keep_length_level_and_frequency() {
    let close = |channels: Vec<Vec<f32>>, name: &str| {
        for (channel, hz) in channels.iter().zip([441.0, 882.0]) {
            let tone = sine(channel.len(), 22050, hz, 0.5);
            let difference: Vec<f32> = channel[2000..4000].iter().zip(&tone[2000..]).map(|(x, y)| x - y).collect();
            // One sample late would make it 0.06 and more.
            let part = amplitude(&difference, 22050, hz);
            assert!(part < 0.02, "{name}: differs by {part} at {hz} Hz, as if it came late");
        }
    };
    close(check_lossy("tone.ogg", SourceFormat::OggVorbis, 6615..=6615), "ogg");
    // The LAME header says how much padding there is, so that length and place are exact.
    close(check_lossy("tone.mp3", SourceFormat::Mp3, 6615..=6615), "mp3");
    // Without it, the padding stays: one frame of 576 at least.
    check_lossy("tone_untagged.mp3", SourceFormat::Mp3, 6615 + 576..=6615 + 4 * 576);
}

#[test]
fn blocks_and_seeking_give_the_same_samples() {
    for name in ["tone.flac", "tone.ogg", "tone.mp3", "tone_untagged.mp3"] {
        let whole = read(fixture(name)).unwrap();
        let mut reader = SoundReader::open(fixture(name)).unwrap();
        for size in [100, 4999] {
            let mut all = vec![Vec::new(), Vec::new()];
            while let Some(block) = reader.read_block(size).unwrap() {
                assert_eq!(block.start as usize, all[0].len());
                assert!(block.len() == size || block.start as usize + block.len() == whole.len());
                all.iter_mut().zip(block.channels).for_each(|(a, b)| a.extend(b));
            }
            assert_eq!(all, whole.channels(), "{name}");
            reader.rewind().unwrap();
        }
        for place in [5000, 5100, 17, 6000] {
            reader.seek(place).unwrap();
            let block = reader.read_block(200).unwrap().unwrap();
            let place = place as usize;
            assert_eq!(
                (block.start as usize, &block.channels[1][..]),
                (place, &whole.channels()[1][place..place + 200])
            );
        }
        assert_eq!(reader.count_frames().unwrap() as usize, whole.len());
        assert_eq!(reader.position(), 6200);
    }
}

#[test]
fn other_sounds_are_named() {
    refused(read(fixture("tone.opus")), &["tone.opus", "Ogg", "Opus"]);
    refused(read(fixture("tone.mp2")), &["layer II", "accepted: WAV"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for (bytes, word) in [
        (&b"FORM\0\0\0\0AIFFCOMM"[..], "AIFF"),
        (b"\0\0\0\x20ftypM4A ", "M4A"),
        (b"\x1aE\xdf\xa3....", "Matroska"),
        (b"RIFX\0\0\0\0WAVE", "big-endian"),
        (b"RIFF\0\0\0\0AVI LIST", "not WAVE"),
        (b"%PDF-1.7", "not a sound file"),
        (b"", "empty"),
        (b"ID3\x03\0\0\0\0\0\x02ab", "after its tags"),
    ] {
        fs::write(&path, bytes).unwrap();
        refused(read(&path), &[word, "accepted: WAV"]);
    }
    refused(read(folder.path()), &["a folder"]);
    refused(read(folder.path().join("none.wav")), &["none.wav", "cannot be read"]);
    #[cfg(unix)]
    refused(read("/dev/zero"), &["device"]);
}
