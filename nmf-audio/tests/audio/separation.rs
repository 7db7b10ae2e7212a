use crate::{fixture, noise, refused, sine};
use ndarray::{Array2, s};
use nmf_audio::{
    Error, SampleFormat, Sound, SoundReader, Stft, WavWriter, Window, add_up, apply_mask, magnitude_of_channels, read,
    separate, soft_masks, write,
};
use tempfile::tempdir;

/// Models of three sources: bands of bins that move with time.
fn models(bins: usize, frames: std::ops::Range<usize>) -> Vec<Array2<f32>> {
    let value = |s: usize, b: usize, t: usize| ((b / 7 + t / 5 + s) % 3) as f32 + 0.01 * s as f32;
    (0..3).map(|s| Array2::from_shape_fn((bins, frames.len()), |(b, t)| value(s, b, frames.start + t))).collect()
}

#[test]
fn stretches_of_a_stereo_file_give_the_whole_to_the_bit_and_add_up() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("mixture.wav");
    let mixture = Sound::new(8000, vec![noise(9001, 1), sine(9001, 8000, 700.0, 0.8)]).unwrap();
    write(&path, &mixture, SampleFormat::F32).unwrap();
    let stft = Stft::new(256, 60, Window::Hann).unwrap();
    let masks = soft_masks(&models(stft.bins(), 0..stft.frames(9001)), 2.0).unwrap();
    let mut whole: Vec<Vec<Vec<f32>>> = Vec::new();
    for mask in &masks {
        let one = |x: &Vec<f32>| {
            stft.synthesise(apply_mask(stft.analyse(x).view(), mask.view()).unwrap().view(), x.len()).unwrap()
        };
        whole.push(mixture.channels().iter().map(one).collect());
    }
    for c in 0..2 {
        let mut parts: Vec<&mut [f32]> = whole.iter_mut().map(|e| &mut e[c][..]).collect();
        add_up(&mixture.channels()[c], &mut parts).unwrap();
    }
    for stretch in [1, 2, 7, 50, 10_000] {
        let mut reader = SoundReader::open(&path).unwrap();
        let name = |s| folder.path().join(format!("{s}.wav"));
        let mut writers: Vec<_> =
            (0..3).map(|s| WavWriter::create(name(s), 8000, 2, SampleFormat::F32).unwrap()).collect();
        let mut next = 0;
        separate::<Error, _, _>(
            &mut reader,
            &stft,
            stretch,
            |frames, spectra| {
                assert_eq!(frames.start, next);
                next = frames.end;
                assert_eq!(magnitude_of_channels(spectra, 1.0)?.dim(), (stft.bins(), frames.len()));
                Ok(masks.iter().map(|m| m.slice(s![.., frames.clone()]).to_owned()).collect())
            },
            |estimates| writers.iter_mut().zip(estimates).try_for_each(|(w, e)| w.write_block(e)),
        )
        .unwrap();
        assert_eq!(next, stft.frames(9001));
        for (s, writer) in writers.into_iter().enumerate() {
            writer.finish().unwrap();
            assert_eq!(read(name(s)).unwrap().channels(), whole[s], "stretch {stretch}");
        }
    }
}

#[test]
fn compressed_files_of_unknown_length_are_separated_too() {
    let mut reader = SoundReader::open(fixture("tone_untagged.mp3")).unwrap();
    assert_eq!(reader.frames(), None);
    let stft = Stft::new(512, 128, Window::SqrtHann).unwrap();
    let whole = read(fixture("tone_untagged.mp3")).unwrap();
    let mut back: Vec<Vec<f32>> = vec![Vec::new(), Vec::new()];
    separate::<Error, _, _>(
        &mut reader,
        &stft,
        13,
        |frames, _| Ok(vec![Array2::ones((stft.bins(), frames.len()))]),
        |estimates| {
            back.iter_mut().zip(&estimates[0]).for_each(|(b, e)| b.extend(e));
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(back, whole.channels());
}

#[test]
fn errors_of_the_masks_are_passed_on() {
    let mut reader = SoundReader::open(fixture("tone.flac")).unwrap();
    let stft = Stft::new(512, 128, Window::Hann).unwrap();
    let mut run = |count: fn(usize) -> usize, bins: usize| {
        let masks = |frames: std::ops::Range<usize>, _: &[_]| {
            Ok::<_, Error>(vec![Array2::ones((bins, frames.len())); count(frames.start)])
        };
        separate(&mut reader, &stft, 10, masks, |_| Ok(()))
    };
    refused(run(|_| 2, 100), &["mask"]);
    refused(run(|_| 0, 257), &["0 sources"]);
    refused(run(|start| 1 + start / 10, 257), &["2 sources, after 1"]);
    run(|_| 1, 257).unwrap();
}
