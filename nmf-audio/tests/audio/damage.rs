use crate::wav::{fmt, riff};
use crate::{fixture, noise, refused, sine};
use nmf_audio::{Error, SampleFormat, Sound, SoundReader, read, write};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn read_bytes(folder: &Path, bytes: &[u8]) -> Result<Sound, Error> {
    let path = folder.join("a.wav");
    fs::write(&path, bytes).unwrap();
    read(&path)
}

#[test]
fn headers_that_cannot_be() {
    let folder = tempdir().unwrap();
    let refuse = |bytes: &[u8], words: &[&str]| drop(refused(read_bytes(folder.path(), bytes), words));
    let with = |f: Vec<u8>| riff(b"RIFF", &[(b"fmt ", 16, &f), (b"data", 4, &[0; 4])]);
    refuse(&with(fmt(1, 0, 8000, 2, 16)), &["0 channels", "damaged"]);
    refuse(&with(fmt(1, 1, 0, 2, 16)), &["0 Hz", "damaged"]);
    refuse(&with(fmt(1, 2, 8000, 2, 16)), &["blocks of 2 bytes"]);
    refuse(&with(fmt(1, 2, 8000, 5, 16)), &["blocks of 5 bytes"]);
    refuse(&with(fmt(1, 1, 8000, 2, 12)), &["12-bit", "8, 16, 24, 32"]);
    refuse(&with(fmt(3, 1, 8000, 2, 16)), &["16-bit floats", "32, 64"]);
    refuse(&with(fmt(2, 1, 8000, 2, 16)), &["ADPCM"]);
    refuse(&with(fmt(0xfffe, 1, 8000, 2, 16)), &["too short"]);
    refuse(&riff(b"RIFF", &[(b"data", 4, &[0; 4])]), &["before its format"]);
    refuse(&riff(b"RIFF", &[(b"fmt ", 16, &fmt(1, 1, 8000, 2, 16))]), &["no data"]);
    refuse(b"RIFF\0\0\0\0WAVE", &["no format"]);
    let none = riff(b"RIFF", &[(b"fmt ", 16, &fmt(1, 1, 8000, 2, 16)), (b"data", 0, &[])]);
    refuse(&none, &["a.wav", "0 samples"]);
    let uneven = riff(b"RIFF", &[(b"fmt ", 16, &fmt(1, 1, 8000, 2, 16)), (b"data", 3, &[0; 3])]);
    refuse(&uneven, &["3 bytes", "damaged"]);
}

#[test]
fn truncated_wav_says_how_much_is_there() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write(&path, &Sound::new(8000, vec![vec![0.5; 8000]; 2]).unwrap(), SampleFormat::I16).unwrap();
    let bytes = fs::read(&path).unwrap();
    let cut = &bytes[..bytes.len() - 4 * 6000 - 1];
    let words = ["truncated", "promises 8000 samples per channel (1.000 s)", "1999 (0.250 s) are there"];
    refused(read_bytes(folder.path(), cut), &words);
}

#[test]
fn samples_that_are_no_numbers_are_located() {
    let folder = tempdir().unwrap();
    let mut floats = vec![0.5f32; 2000];
    (floats[1403], floats[1502]) = (f32::NAN, f32::INFINITY);
    let data: Vec<u8> = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = riff(b"RIFF", &[(b"fmt ", 16, &fmt(3, 2, 1000, 8, 32)), (b"data", 8000, &data)]);
    let error = refused(read_bytes(folder.path(), &bytes), &["sample 701 (0.701000 s)", "channel 1 is NaN"]);
    assert_eq!(error.sample(), Some(701));
    let mut reader = SoundReader::open(folder.path().join("a.wav")).unwrap();
    reader.seek(702).unwrap();
    refused(reader.read_block(500), &["sample 751", "channel 0 is inf"]);
}

#[test]
fn truncated_and_damaged_coded_files() {
    let folder = tempdir().unwrap();
    for name in ["tone.flac", "tone.ogg", "tone.mp3"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let error = read_bytes(folder.path(), &bytes[..bytes.len() * 9 / 10]).unwrap_err().to_string();
        assert!(error.contains("truncated"), "{name}: {error}");
        // All of the short Ogg file's sound is in one page.
        assert!(error.contains(" can be decoded") || name == "tone.ogg", "{name}: {error}");
        let error = read_bytes(folder.path(), &bytes[..40]).unwrap_err().to_string();
        assert!(error.contains("truncated") || error.contains("cannot be decoded"), "{name}: {error}");
    }
}

/// Whatever is read: no panic, and what succeeds is a sound.
fn survives(folder: &Path, bytes: &[u8]) {
    if let Ok(sound) = read_bytes(folder, bytes) {
        assert!(sound.rate() > 0 && !sound.is_empty() && sound.channels().iter().flatten().all(|x| x.is_finite()));
    }
}

#[test]
fn cut_anywhere_nothing_panics() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("whole.wav");
    for format in [SampleFormat::I16, SampleFormat::I24, SampleFormat::F32] {
        write(&path, &Sound::new(8000, vec![sine(40, 8000, 440.0, 0.5); 2]).unwrap(), format).unwrap();
        let bytes = fs::read(&path).unwrap();
        for n in 0..bytes.len() {
            refused(read_bytes(folder.path(), &bytes[..n]), &["a.wav"]);
        }
    }
    for name in ["tone.flac", "tone24.flac", "tone.ogg", "tone.mp3", "tone_untagged.mp3", "tone.opus"] {
        let bytes = fs::read(fixture(name)).unwrap();
        for n in (0..bytes.len()).step_by(if bytes.len() > 4000 { 37 } else { 11 }) {
            survives(folder.path(), &bytes[..n]);
        }
    }
}

#[test]
fn bytes_changed_anywhere_nothing_panics() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("whole.wav");
    write(&path, &Sound::new(8000, vec![sine(40, 8000, 440.0, 0.5); 2]).unwrap(), SampleFormat::F32).unwrap();
    let wav = fs::read(&path).unwrap();
    for n in 0..wav.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = wav.clone();
            bytes[n] ^= change;
            survives(folder.path(), &bytes);
        }
    }
    for (i, name) in ["tone.flac", "tone24.flac", "tone.ogg", "tone.mp3", "tone_untagged.mp3"].iter().enumerate() {
        let whole = fs::read(fixture(name)).unwrap();
        // Headers byte by byte, the rest here and there.
        for n in (0..whole.len()).filter(|n| *n < 160 || n % 41 == 0) {
            let mut bytes = whole.clone();
            bytes[n] ^= [0xff, 0x80, 0x10, 0x01][(n + i) % 4];
            survives(folder.path(), &bytes);
        }
    }
}

#[test]
fn random_bytes_are_no_sound() {
    let folder = tempdir().unwrap();
    for seed in 0..40 {
        let random: Vec<u8> = noise(3000, seed + 1).iter().map(|x| (x * 127.0) as i8 as u8).collect();
        refused(read_bytes(folder.path(), &random), &["not a sound file"]);
        for magic in [&b"RIFF\0\0\0\0WAVE"[..], b"fLaC", b"OggS", b"ID3\x04\0\0\0\0\0\x10", b"\xff\xfb\x90\x64"] {
            let bytes = [magic, &random].concat();
            refused(read_bytes(folder.path(), &bytes), &["a.wav"]);
        }
    }
}
