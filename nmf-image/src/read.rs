//! From files to a [`Stack`].

use crate::decode::Filler;
use crate::{Error, Result, Stack, archive, array, folder};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The inputs that [`read`] accepts, for messages.
const ACCEPTED: &str =
    "a folder or .tar(.gz) of PNG, JPEG, PGM or PPM files, one such file, or an .npy or .npz with a stack of pictures";
/// Bytes of the beginning that tell one form from another.
const HEAD: u64 = 512;

/// How pictures are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Keep red, green and blue; otherwise pictures become grey (their luminance, Rec. 709). Default no.
    pub color: bool,
    /// Width and height that every picture is brought to, by linear interpolation. Default none: all must have one size.
    pub resize: Option<(usize, usize)>,
    /// Which array of an `.npz` with several. Default none: the one that can be a stack of pictures.
    pub array: Option<String>,
    /// Bytes that the matrix may take; more is refused before they are. Default 8 GiB.
    pub most_bytes: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions { color: false, resize: None, array: None, most_bytes: 8 << 30 }
    }
}

/// What was met while reading.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ReadReport {
    /// Files whose names are not those of pictures, which were passed over.
    pub skipped: usize,
    /// Of an array: its name in the `.npz`, if any, and the value that became 1.
    pub array: Option<(Option<String>, f64)>,
}

/// Reads pictures: a folder with everything below it, a `.tar` or `.tar.gz` (PNG, JPEG, PGM, PPM; in the order of their names),
/// one such picture, or an `.npy` or `.npz` with an array of pictures × rows × columns (× 3 colours).
///
/// Integers become shares of what their type can hold (8 or 16 bits), so that 1 is full intensity. Transparency is ignored.
///
/// # Errors
/// [`Error`] with the file, the picture in it and the reason: nothing there, damaged, another size than the first one, values that are
/// negative or not finite, more than `most_bytes`.
pub fn read(path: &Path, options: &ReadOptions) -> Result<(Stack, ReadReport)> {
    if let Some((w, h)) = options.resize.filter(|(w, h)| *w == 0 || *h == 0 || *w > 1 << 15 || *h > 1 << 15) {
        let expected = "width×height in pixels, 1 to 32768 each".into();
        return Err(Error::Parameter { name: "resize", value: format!("{w}×{h}"), expected });
    }
    let is_dir = std::fs::metadata(path).map_err(Error::read(path))?.is_dir();
    let head = if is_dir { Vec::new() } else { head(path)? };
    let is_array = head.starts_with(b"\x93NUMPY") || head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06");
    if let Some(name) = options.array.as_deref().filter(|_| !head.starts_with(b"PK")) {
        return Err(Error::input(path, format!("no .npz archive, so there is no array '{name}' to choose")));
    }
    if is_dir {
        folder::read(path, options)
    } else if is_array {
        array::read(path, options)
    } else if head.get(257..262) == Some(b"ustar") || is_tar_name(path) {
        archive::read(path, options)
    } else if head.is_empty() {
        Err(Error::input(path, format!("the file is empty; accepted: {ACCEPTED}")))
    } else if image::guess_format(&head).is_ok() {
        let mut filler = Filler::new(path, options, vec![file_name(path)]);
        filler.take(0, &folder::bytes(path, path, &file_name(path))?)?;
        filler.finish(0)
    } else {
        Err(Error::input(path, format!("neither its content nor its name is that of pictures; accepted: {ACCEPTED}")))
    }
}

/// The file, unpacked where it is gzipped.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    let file = File::open(path).map_err(Error::read(path))?;
    (&file).take(2).read_to_end(&mut magic).map_err(Error::read(path))?;
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(Error::read(path))?);
    Ok(if magic == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    open(path)?.take(HEAD).read_to_end(&mut head).map_err(Error::read(path))?;
    Ok(head)
}

/// Archives of old formats have no mark.
fn is_tar_name(path: &Path) -> bool {
    let name = file_name(path).to_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// What is said where no picture was found.
pub(crate) fn nothing(path: &Path) -> Error {
    Error::input(path, "no picture in it: names that end in .png, .jpg, .jpeg, .pgm, .ppm or .pnm are looked for")
}

/// Whether a file is to be a picture, by its name.
pub(crate) fn is_picture(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let ending = last.rsplit_once('.').map_or(String::new(), |(_, e)| e.to_ascii_lowercase());
    !last.starts_with('.') && ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"].contains(&ending.as_str())
}
