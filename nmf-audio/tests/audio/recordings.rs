use nmf_audio::{SampleFormat, SoundReader, Stft, Window, magnitude, read, write};
use std::path::PathBuf;

fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NMF_DATA");
    if root.is_none() {
        println!("skipped for lack of NMF_DATA");
    }
    root.map(|r| PathBuf::from(r).join(name))
}

#[test]
fn piano_notes_survive_the_way_there_and_back() {
    let Some(path) = data("piano_three_notes/mixture.wav") else { return };
    let reader = SoundReader::open(&path).unwrap_or_else(|e| panic!("NMF_DATA lacks the piano: {e}"));
    assert_eq!((reader.channels(), reader.format().to_string()), (1, "WAV, 16-bit integers".into()));
    let sound = read(&path).unwrap();
    let stft = Stft::new(2048, 512, Window::Hann).unwrap();
    let x = &sound.channels()[0];
    let spectrum = stft.analyse(x);
    let back = stft.synthesise(spectrum.view(), x.len()).unwrap();
    // Closer than half a step of 16 bits: what is written is the file that was read.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.wav");
    let back = nmf_audio::Sound::new(sound.rate(), vec![back]).unwrap();
    write(&copy, &back, SampleFormat::I16).unwrap();
    assert_eq!(read(&copy).unwrap(), sound);

    // The strongest bins of the single notes are at C4, D♯4 and F♯4 or their octaves.
    for (name, hz) in [("note_C4", 261.63), ("note_Ds4", 311.13), ("note_Fs4", 369.99)] {
        let note = read(data("piano_three_notes").unwrap().join(format!("{name}.wav"))).unwrap();
        let m = magnitude(stft.analyse(&note.channels()[0]).view(), 2.0);
        let power: Vec<f32> = m.rows().into_iter().map(|r| r.sum()).collect();
        let peak = (1..power.len()).max_by(|a, b| power[*a].total_cmp(&power[*b])).unwrap();
        let found = stft.frequency(peak, note.rate()) / hz;
        let spacing = stft.frequency(1, note.rate()) / hz;
        assert!((found - found.round()).abs() <= spacing && found >= 0.9, "{name}: strongest at {found} times {hz} Hz");
    }
}
