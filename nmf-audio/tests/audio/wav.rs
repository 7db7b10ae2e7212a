use crate::{noise, refused, sine};
use hound::{SampleFormat as HoundFormat, WavReader, WavSpec};
use nmf_audio::{SampleFormat, Sound, SoundReader, SourceFormat, WavWriter, read, write};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn hound_writes(path: &Path, bits: u16, format: HoundFormat, values: &[i32]) {
    let spec = WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: bits, sample_format: format };
    let mut w = hound::WavWriter::create(path, spec).unwrap();
    for &v in values {
        match format {
            HoundFormat::Int => w.write_sample(v).unwrap(),
            HoundFormat::Float => w.write_sample(v as f32).unwrap(),
        }
    }
    w.finalize().unwrap();
}

#[test]
fn every_width_is_read_as_another_implementation_writes_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for (bits, scale) in [(8u16, 128.0f64), (16, 32768.0), (24, 8_388_608.0), (32, 2_147_483_648.0)] {
        let top = (scale - 1.0) as i32;
        let values = [0, 1, -1, top, -top - 1, top / 3, -top / 7];
        hound_writes(&path, bits, HoundFormat::Int, &values);
        let reader = SoundReader::open(&path).unwrap();
        assert_eq!(
            (reader.format(), reader.rate(), reader.channels(), reader.frames()),
            (SourceFormat::WavInt { bits }, 8000, 1, Some(7))
        );
        let expected: Vec<f32> = values.iter().map(|&v| (f64::from(v) / scale) as f32).collect();
        assert_eq!(read(&path).unwrap().channels(), [expected]);
    }
    hound_writes(&path, 32, HoundFormat::Float, &[0, 3, -7]);
    assert_eq!(SoundReader::open(&path).unwrap().format(), SourceFormat::WavFloat { bits: 32 });
    assert_eq!(read(&path).unwrap().channels(), [[0.0, 3.0, -7.0]]);
}

#[test]
fn every_format_is_written_as_another_implementation_reads_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for channels in [1usize, 2, 3, 8] {
        let planes: Vec<Vec<f32>> = (0..channels).map(|c| noise(1001, c as u64 + 1)).collect();
        let sound = Sound::new(44100, planes.clone()).unwrap();
        for (format, bits) in
            [(SampleFormat::I16, 16), (SampleFormat::I24, 24), (SampleFormat::I32, 32), (SampleFormat::F32, 32)]
        {
            write(&path, &sound, format).unwrap();
            let mut reader = WavReader::open(&path).unwrap();
            let spec = reader.spec();
            assert_eq!((usize::from(spec.channels), spec.sample_rate, spec.bits_per_sample), (channels, 44100, bits));
            assert_eq!(reader.duration(), 1001);
            let back: Vec<f64> = if format == SampleFormat::F32 {
                reader.samples::<f32>().map(|s| f64::from(s.unwrap())).collect()
            } else {
                let scale = f64::from(bits - 1).exp2();
                reader.samples::<i32>().map(|s| f64::from(s.unwrap()) / scale).collect()
            };
            let half_step = if format == SampleFormat::F32 { 0.0 } else { 0.5 / f64::from(bits - 1).exp2() };
            for (i, v) in back.iter().enumerate() {
                let x = f64::from(planes[i % channels][i / channels]);
                assert!((v - x).abs() <= half_step, "{format:?}, {channels} channels: {v} for {x}");
            }
            // RIFF counts everything after its own eight bytes.
            let bytes = fs::read(&path).unwrap();
            assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);
            assert_eq!(bytes.len() % 2, 0);
        }
    }
}

#[test]
fn sixteen_and_more_bits_return_unchanged() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let all: Vec<f32> = (-32768..=32767).map(|i| i as f32 / 32768.0).collect();
    let sound = Sound::new(48000, vec![all.clone(), all.into_iter().rev().collect()]).unwrap();
    for format in [SampleFormat::I16, SampleFormat::I24, SampleFormat::I32, SampleFormat::F32] {
        write(&path, &sound, format).unwrap();
        assert_eq!(read(&path).unwrap(), sound, "{format:?}");
    }
    let wide: Vec<f32> = (-9..9).map(|i| i as f32 * 931_111.0 / 8_388_608.0).collect();
    let sound = Sound::new(48000, vec![wide]).unwrap();
    write(&path, &sound, SampleFormat::I24).unwrap();
    assert_eq!(read(&path).unwrap(), sound);
}

#[test]
fn integers_refuse_to_clip_and_floats_do_not_clip() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    // Full scale is one step above the largest number, which is not worth an error.
    write(&path, &Sound::new(8000, vec![vec![1.0, -1.0]]).unwrap(), SampleFormat::I16).unwrap();
    assert_eq!(read(&path).unwrap().channels(), [[32767.0 / 32768.0, -1.0]]);
    let loud = Sound::new(8000, vec![vec![0.0; 12], [vec![0.5; 10], vec![1.5, 0.0]].concat()]).unwrap();
    for format in [SampleFormat::I16, SampleFormat::I24, SampleFormat::I32] {
        let error = refused(write(&path, &loud, format), &["sample 10 (0.001250 s)", "channel 1 is 1.5", "clip"]);
        assert!(error.sample() == Some(10) && !error.is_output());
    }
    // What was there is unchanged, and nothing is left beside it.
    assert_eq!(read(&path).unwrap().channels(), [[32767.0 / 32768.0, -1.0]]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    write(&path, &loud, SampleFormat::F32).unwrap();
    assert_eq!(read(&path).unwrap(), loud);
    for bad in [f32::NAN, f32::INFINITY] {
        let sound = Sound::new(8000, vec![vec![0.0, bad]]).unwrap();
        for format in [SampleFormat::I16, SampleFormat::F32] {
            refused(write(&path, &sound, format), &["sample 1", "finite"]);
        }
    }
}

#[test]
fn blocks_cover_the_sound_from_any_place() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sound = Sound::new(8000, vec![noise(10_000, 1), noise(10_000, 2)]).unwrap();
    let mut writer = WavWriter::create(&path, 8000, 2, SampleFormat::F32).unwrap();
    for start in (0..10_000).step_by(777) {
        let end = (start + 777).min(10_000);
        writer.write_block(&sound.channels().iter().map(|c| &c[start..end]).collect::<Vec<_>>()).unwrap();
    }
    assert_eq!(writer.frames(), 10_000);
    assert!(!path.exists());
    writer.finish().unwrap();
    let mut reader = SoundReader::open(&path).unwrap();
    for size in [1, 999, 10_000, 20_000] {
        reader.rewind().unwrap();
        let mut all = [Vec::new(), Vec::new()];
        while let Some(block) = reader.read_block(size).unwrap() {
            assert_eq!(block.start as usize, all[0].len());
            assert_eq!(block.len(), size.min(10_000 - all[0].len()));
            all.iter_mut().zip(block.channels).for_each(|(a, b)| a.extend(b));
            if size == 1 && all[0].len() == 50 {
                break;
            }
        }
        let n = all[0].len();
        assert!(n == if size == 1 { 50 } else { 10_000 });
        all.iter().zip(sound.channels()).for_each(|(a, b)| assert_eq!(a[..], b[..n]));
    }
    reader.seek(9_990).unwrap();
    let block = reader.read_block(100).unwrap().unwrap();
    assert_eq!((block.start, &block.channels[1][..]), (9_990, &sound.channels()[1][9_990..]));
    reader.seek(1 << 40).unwrap();
    assert_eq!((reader.position(), reader.read_block(5).unwrap()), (10_000, None));
}

#[test]
fn an_unfinished_file_disappears() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let mut writer = WavWriter::create(&path, 8000, 1, SampleFormat::I16).unwrap();
    writer.write_block(&[[0.5f32; 100]]).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    refused(writer.write_block(&[[0.5f32; 2], [0.5; 2]]), &["2 channels"]);
    refused(writer.write_block::<&[f32]>(&[]), &["0 channels"]);
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let error = refused(WavWriter::create(folder.path().join("no/a.wav"), 8000, 1, SampleFormat::I16), &["no"]);
    assert!(error.is_output());
    refused(WavWriter::create(folder.path(), 8000, 1, SampleFormat::I16), &["cannot be written"]);
    refused(WavWriter::create(&path, 0, 1, SampleFormat::I16), &["0 Hz"]);
    refused(WavWriter::create(&path, 8000, 0, SampleFormat::I16), &["0 channels"]);
    refused(WavWriter::create(&path, 8000, 40_000, SampleFormat::I16), &["40000 channels"]);
    refused(WavWriter::create(&path, u32::MAX, 2, SampleFormat::F32), &["4 GiB"]);
}

#[test]
fn an_odd_number_of_bytes_is_padded() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sound = Sound::new(8000, vec![vec![0.25; 5]]).unwrap();
    write(&path, &sound, SampleFormat::I24).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len() % 2, 0);
    assert_eq!(read(&path).unwrap(), sound);
}

/// The chunks of a WAV file.
pub(crate) fn riff(magic: &[u8; 4], chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let mut out = [magic, &b"\xff\xff\xff\xff"[..], b"WAVE"].concat();
    for (name, length, body) in chunks {
        out.extend(*name);
        out.extend(length.to_le_bytes());
        out.extend(*body);
        if body.len() % 2 == 1 {
            out.push(0);
        }
    }
    out
}

pub(crate) fn fmt(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
    let mut out = Vec::new();
    for v in [tag, channels] {
        out.extend(v.to_le_bytes());
    }
    out.extend(rate.to_le_bytes());
    out.extend(rate.wrapping_mul(align.into()).to_le_bytes());
    for v in [align, bits] {
        out.extend(v.to_le_bytes());
    }
    out
}

#[test]
fn unusual_headers() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sound.bin");
    let read_bytes = |bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        read(&path)
    };
    let pcm = fmt(1, 1, 8000, 2, 16);
    let data = [0x00, 0x40, 0x00, 0xc0];
    let expected = Sound::new(8000, vec![vec![0.5, -0.5]]).unwrap();
    // A chunk of odd length before the data, and anything after them.
    let odd = riff(b"RIFF", &[(b"LIST", 3, b"abc"), (b"fmt ", 16, &pcm), (b"data", 4, &data), (b"junk", 900, b"?")]);
    assert_eq!(read_bytes(odd).unwrap(), expected);
    // From a program that wrote to a pipe.
    let piped = riff(b"RIFF", &[(b"fmt ", 16, &pcm), (b"data", u32::MAX, &data)]);
    assert_eq!(read_bytes(piped).unwrap(), expected);
    let sizes: Vec<u8> = [100u64, 4, 2].iter().flat_map(|v| v.to_le_bytes()).chain([0; 4]).collect();
    let long = riff(b"RF64", &[(b"ds64", 28, &sizes), (b"fmt ", 16, &pcm), (b"data", u32::MAX, &data)]);
    assert_eq!(read_bytes(long).unwrap(), expected);
    // 24 bits in containers of four bytes, and 64-bit floats.
    let wide = riff(b"RIFF", &[(b"fmt ", 16, &fmt(1, 1, 8000, 4, 24)), (b"data", 8, b"\0\0\x40\0\0\0\xc0\0")]);
    assert_eq!(read_bytes(wide).unwrap(), expected);
    let doubles: Vec<u8> = [0.5f64, -0.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    let double = riff(b"RIFF", &[(b"fmt ", 16, &fmt(3, 1, 8000, 8, 64)), (b"data", 16, &doubles)]);
    assert_eq!(read_bytes(double).unwrap(), expected);
}

#[test]
fn writing_through_a_link_keeps_the_link() {
    let folder = tempdir().unwrap();
    let (target, link) = (folder.path().join("target.wav"), folder.path().join("link.wav"));
    let sound = Sound::new(8000, vec![sine(100, 8000, 440.0, 0.5)]).unwrap();
    write(&target, &sound, SampleFormat::I16).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, &sound, SampleFormat::F32).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&target).unwrap(), sound);
    }
}
