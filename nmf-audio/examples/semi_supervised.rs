//! What enters after the intro of a song, told from what played there:
//! `cargo run --release -p nmf-audio --example semi_supervised -- data/sounds/guitar/mixture.flac 5.6 /tmp`
//!
//! The same as `nmf-cli separate SONG --train 0:5.6 --runs 1`, in forty lines; the backend could as well be a GPU.

use nmf_audio::sources::{Guide, Recipe, factor, part};
use nmf_audio::{SampleFormat, SoundReader, Stft, WavWriter, Window, magnitude_of_channels, separate, soft_masks};
use nmf_core::{Loss, Silent, SolverKind, Stop};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [song, intro, folder] = &words[..] else {
        return Err("usage: semi_supervised SONG SECONDS_OF_INTRO FOLDER".into());
    };
    let sound = nmf_audio::read(song)?;
    let stft = Stft::new(1024, 256, Window::Hann)?;
    let spectra: Vec<_> = sound.channels().iter().map(|c| stft.analyse(c)).collect();
    let x = magnitude_of_channels(&spectra, 1.0)?;
    // frames that end before the intro does
    let end = intro.parse::<f64>()? * f64::from(sound.rate());
    let inside = (0..x.ncols()).take_while(|t| (stft.frame_start(*t) + stft.frame() as i64) as f64 <= end).count();

    let stop = Stop { max_iter: 50, tol: 0.0, ..Stop::default() };
    let recipe = Recipe { loss: Loss::KL, solver: SolverKind::Mu, shifts: 1, stop, trace_every: 0 };
    let mut b = nmf_cpu::Cpu::<f32>::new()?;
    let before = x.slice(ndarray::s![.., ..inside]).to_owned();
    let learned = factor(&mut b, &before, 40, &recipe, &[(0, Guide::none())], &mut Silent)?.remove(0);
    let guide = Guide { given: Some(learned.w()), silent: std::iter::once(0..inside).collect() };
    let fitted = factor(&mut b, &x, 56, &recipe, &[(0, guide)], &mut Silent)?.remove(0);

    let groups: [Vec<usize>; 2] = [(0..40).collect(), (40..56).collect()];
    let names = ["trained.wav", "rest.wav"];
    let create = |n: &&str| {
        WavWriter::create(Path::new(folder).join(n), sound.rate(), sound.channels().len(), SampleFormat::F32)
    };
    let mut writers = names.iter().map(create).collect::<nmf_audio::Result<Vec<_>>>()?;
    let masks = |frames: std::ops::Range<usize>, _: &[_]| -> Result<_, Box<dyn std::error::Error>> {
        let models = groups.iter().map(|g| part(fitted.w(), fitted.h(), g, frames.clone()));
        Ok(soft_masks(&models.collect::<nmf_core::Result<Vec<_>>>()?, 1.0)?)
    };
    separate(&mut SoundReader::open(song)?, &stft, 1024, masks, |estimates| {
        writers.iter_mut().zip(estimates).try_for_each(|(w, channels)| w.write_block(channels).map_err(Into::into))
    })?;
    for writer in writers {
        writer.finish()?;
    }
    println!("{} and {} are in {folder}", names[0], names[1]);
    Ok(())
}
