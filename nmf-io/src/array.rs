//! NumPy arrays of any number of dimensions, one by one: what is in a file, and reading one of them.

use crate::error::{Error, Result};
use crate::npy::{Header, Place};
use crate::npz::{Archive, Member};
use crate::source::Source;
use crate::sparse::check_dim;
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use nmf_core::Element;
use std::io::Read;
use std::path::Path;

/// What a file says of an array before its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayInfo {
    /// Its name in an `.npz`; none in an `.npy`.
    pub name: Option<String>,
    /// Entries along each dimension.
    pub shape: Vec<u64>,
    /// Type as NumPy writes it without the byte order: `u1`, `u2`, `i4`, `f4`, `b1`, …
    pub kind: String,
}

impl ArrayInfo {
    fn new(name: Option<&str>, header: &Header) -> Self {
        ArrayInfo { name: name.map(str::to_owned), shape: header.shape.clone(), kind: header.kind() }
    }
}

/// The arrays of an `.npy` (one) or `.npz` file, by their headers alone.
///
/// # Errors
/// If the file cannot be read, is neither, or a header is damaged.
pub fn arrays(path: &Path) -> Result<Vec<ArrayInfo>> {
    let mut source = Source::open(path)?;
    if !is_zip(&source.head) {
        let header = npy_header(path, &source.head, &mut source.stream)?;
        return Ok(vec![ArrayInfo::new(None, &header)]);
    }
    let mut archive = Archive::open(path)?;
    let names = archive.names.clone();
    names.iter().map(|name| Ok(ArrayInfo::new(Some(name), &archive.member(name)?.header))).collect()
}

/// One array of an `.npy` file (`name` is `None`) or the array `name` of an `.npz`, in the precision of `T` and in C order.
///
/// # Errors
/// If the file cannot be read, is neither, is damaged, or has no such array.
pub fn read_array<T: Element>(path: &Path, name: Option<&str>) -> Result<ArrayD<T>> {
    let mut source = Source::open(path)?;
    if is_zip(&source.head) {
        let mut archive = Archive::open(path)?;
        let Some(name) = name else {
            return Err(Error::format(path, "an archive: one of its arrays must be named"));
        };
        let Member { header, mut reader, most, place } = archive.member(name)?;
        return load(&header, &mut reader, most, place);
    }
    let header = npy_header(path, &source.head, &mut source.stream)?;
    if let Some(name) = name {
        return Err(Error::format(path, format!("a .npy file holds one array without a name, not '{name}'")));
    }
    load(&header, &mut source.stream, source.most, Place { path, member: None })
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

fn npy_header(path: &Path, head: &[u8], stream: &mut impl Read) -> Result<Header> {
    if !head.starts_with(b"\x93NUMPY") {
        return Err(Error::format(path, "neither .npy nor .npz: it begins with neither \\x93NUMPY nor PK"));
    }
    Header::read(stream, Place { path, member: None })
}

fn load<T: Element>(header: &Header, r: &mut impl Read, most: u64, place: Place<'_>) -> Result<ArrayD<T>> {
    let dim = |&n: &u64| check_dim(place.path, "entries in one dimension", n);
    let shape: Vec<usize> = header.shape.iter().map(dim).collect::<Result<_>>()?;
    let values = header.values(r, most, place)?;
    let array = ArrayD::from_shape_vec(IxDyn(&shape).set_f(header.is_fortran()), values);
    let array = array.map_err(|e| place.error(e.to_string()))?;
    Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
}
