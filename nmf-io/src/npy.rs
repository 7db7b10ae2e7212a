//! NumPy's `.npy`: reading one array from a stream, and writing one.

use crate::error::{Error, Result};
use crate::sparse::{check_dim, reserve};
use crate::table::{Loaded, Precision, ReadOptions, Table, cast, overflow};
use ndarray::{Array2, Array3, ArrayView, Dimension, ShapeBuilder};
use nmf_core::Element;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};
use std::io::{self, Read, Write};
use std::path::Path;

/// NumPy itself refuses headers above 10,000 bytes.
const LONGEST_HEADER: u64 = 1 << 16;

/// Where an array is: a file, or a member of an archive.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    pub(crate) member: Option<&'a str>,
}

impl Place<'_> {
    pub(crate) fn error(self, message: impl AsRef<str>) -> Error {
        let message = message.as_ref();
        Error::format(self.path, self.member.map_or_else(|| message.into(), |m| format!("member '{m}': {message}")))
    }

    fn read(self, e: io::Error) -> Error {
        match self.member {
            Some(_) => self.error(format!("cannot be read ({e})")),
            None => Error::read(self.path, e),
        }
    }
}

/// What is known of an array before its values are read.
pub(crate) struct Header {
    kind: TypeChar,
    size: usize,
    big: bool,
    pub(crate) shape: Vec<u64>,
    fortran: bool,
    len: u64,
    /// Bytes before the first value.
    start: u64,
}

impl Header {
    /// Reads a header, leaving the reader at the first value.
    pub(crate) fn read(r: &mut impl Read, place: Place) -> Result<Header> {
        let mut start = [0; 8];
        let found = fill(r, &mut start).map_err(|e| place.read(e))?;
        if found < 6 || !start.starts_with(b"\x93NUMPY") {
            return Err(place.error("not a .npy array: it does not begin with \\x93NUMPY"));
        }
        let size_bytes = match start[6] {
            1 => 2,
            2 | 3 => 4,
            v => return Err(place.error(format!(".npy version {v}: versions 1, 2 and 3 are accepted"))),
        };
        let mut size = [0; 4];
        if fill(r, &mut size[..size_bytes]).map_err(|e| place.read(e))? < size_bytes {
            return Err(place.error("truncated within the .npy header"));
        }
        let length = u64::from(u32::from_le_bytes(size));
        if length > LONGEST_HEADER {
            return Err(place.error(format!("a .npy header of {length} bytes: at most {LONGEST_HEADER} are accepted")));
        }
        let mut all = [&start[..], &size[..size_bytes]].concat();
        let before = all.len();
        r.take(length).read_to_end(&mut all).map_err(|e| place.read(e))?;
        if (all.len() - before) as u64 != length {
            return Err(place.error(format!(
                "truncated within the .npy header: {length} bytes expected, {} found",
                all.len() - before
            )));
        }
        check_text(&all[before..]).map_err(|what| place.error(format!("the .npy header {what}")))?;
        let header = NpyHeader::from_reader(&all[..]).map_err(|e| place.error(format!("bad .npy header: {e}")))?;
        let (dtype, shape) = (header.dtype(), header.shape().to_vec());
        let DType::Plain(ts) = &dtype else {
            return Err(place.error(format!("a structured array ({}): {ACCEPTED}", dtype.descr())));
        };
        let size = usize::try_from(ts.size_field()).ok().filter(|&n| n <= 1 << 10);
        let Some(size) = size.filter(|_| ts.type_char() != TypeChar::Object) else {
            return Err(place.error(format!("an array of {}: {ACCEPTED}", describe(&dtype, ts.type_char()))));
        };
        let fortran = header.order() == Order::Fortran;
        let big = ts.endianness() == Endianness::Big;
        Ok(Header { kind: ts.type_char(), size, big, shape, fortran, len: header.len(), start: all.len() as u64 })
    }

    /// The precision that loses nothing of what the type is used for.
    pub(crate) fn precision(&self) -> Precision {
        if self.kind == TypeChar::Float && self.size == 8 { Precision::F64 } else { Precision::F32 }
    }

    /// Whether these are numbers of this type, such as `f4`, `u8` or `S` of any length, as NumPy writes it without the byte order.
    pub(crate) fn is(&self, kind: &str) -> bool {
        let (letter, size) = kind.split_at(1);
        self.kind.to_str() == letter && (size.is_empty() || size == self.size.to_string())
    }

    /// The type as NumPy writes it without the byte order.
    pub(crate) fn kind(&self) -> String {
        format!("{}{}", self.kind.to_str(), self.size)
    }

    /// Whether the first index runs fastest in the file.
    pub(crate) fn is_fortran(&self) -> bool {
        self.fortran
    }

    fn index(&self, linear: u64) -> (u64, u64) {
        match self.shape[..] {
            [rows, cols] if rows > 0 && cols > 0 => {
                if self.fortran {
                    (linear % rows, linear / rows)
                } else {
                    (linear / cols, linear % cols)
                }
            }
            _ => (linear, 0),
        }
    }

    /// The values in their order in the file. At most `most` bytes can follow the header.
    pub(crate) fn values<T: Element>(&self, r: &mut impl Read, most: u64, place: Place) -> Result<Vec<T>> {
        fn int<T: Element>(v: i64) -> Option<T> {
            Some(T::of(v as f64))
        }
        let bad = |linear: u64, bytes: &[u8]| {
            let value = bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
            if self.shape.len() > 2 {
                let message = format!("entry {linear} in the order of the file (counted from 0): {}", overflow(value));
                return place.error(message);
            }
            let (row, col) = self.index(linear);
            Error::at(place.path, row, col, overflow(value))
        };
        match (self.kind, self.size) {
            (TypeChar::Float, 2) => self.pump(r, most, place, |b| cast(half(u16::from_le_bytes(b))), bad),
            (TypeChar::Float, 4) => self.pump(r, most, place, |b| cast(f64::from(f32::from_le_bytes(b))), bad),
            (TypeChar::Float, 8) => self.pump(r, most, place, |b| cast(f64::from_le_bytes(b)), bad),
            (TypeChar::Bool, 1) => self.pump(r, most, place, |b: [u8; 1]| int(i64::from(b[0] != 0)), bad),
            (TypeChar::Int, 1) => self.pump(r, most, place, |b| int(i8::from_le_bytes(b).into()), bad),
            (TypeChar::Int, 2) => self.pump(r, most, place, |b| int(i16::from_le_bytes(b).into()), bad),
            (TypeChar::Int, 4) => self.pump(r, most, place, |b| int(i32::from_le_bytes(b).into()), bad),
            (TypeChar::Int, 8) => self.pump(r, most, place, |b| int(i64::from_le_bytes(b)), bad),
            (TypeChar::Uint, 1) => self.pump(r, most, place, |b| int(u8::from_le_bytes(b).into()), bad),
            (TypeChar::Uint, 2) => self.pump(r, most, place, |b| int(u16::from_le_bytes(b).into()), bad),
            (TypeChar::Uint, 4) => self.pump(r, most, place, |b| int(u32::from_le_bytes(b).into()), bad),
            (TypeChar::Uint, 8) => self.pump(r, most, place, |b| Some(T::of(u64::from_le_bytes(b) as f64)), bad),
            _ => Err(place.error(format!("an array of type {}{}: {ACCEPTED}", self.kind.to_str(), self.size))),
        }
    }

    /// The values as indices or offsets, each at most `max`.
    pub(crate) fn indices<U: TryFrom<u64>>(
        &self,
        r: &mut impl Read,
        most: u64,
        max: u64,
        place: Place,
    ) -> Result<Vec<U>> {
        let fit = |v: Option<u64>| v.filter(|&v| v <= max).and_then(|v| U::try_from(v).ok());
        let signed = matches!(self.kind, TypeChar::Int);
        let bad = |linear: u64, bytes: &[u8]| {
            let mut wide = if signed && bytes.last().is_some_and(|b| b & 0x80 != 0) { [0xff; 8] } else { [0; 8] };
            wide[..bytes.len()].copy_from_slice(bytes);
            let value =
                if signed { i64::from_le_bytes(wide).to_string() } else { u64::from_le_bytes(wide).to_string() };
            place.error(format!("entry {linear} (counted from 0) is {value}: 0 to {max} are accepted"))
        };
        match (self.kind, self.size) {
            (TypeChar::Int, 4) => self.pump(r, most, place, |b| fit(i32::from_le_bytes(b).try_into().ok()), bad),
            (TypeChar::Int, 8) => self.pump(r, most, place, |b| fit(i64::from_le_bytes(b).try_into().ok()), bad),
            (TypeChar::Uint, 4) => self.pump(r, most, place, |b| fit(Some(u32::from_le_bytes(b).into())), bad),
            (TypeChar::Uint, 8) => self.pump(r, most, place, |b| fit(Some(u64::from_le_bytes(b))), bad),
            (TypeChar::Int, 2) => self.pump(r, most, place, |b| fit(i16::from_le_bytes(b).try_into().ok()), bad),
            _ => Err(place.error(format!(
                "type {}{}: integers of 4 or 8 bytes are needed",
                self.kind.to_str(),
                self.size
            ))),
        }
    }

    /// The one short string of an array without dimensions.
    pub(crate) fn string(&self, r: &mut impl Read, place: Place) -> Result<String> {
        let bytes = match self.kind {
            TypeChar::ByteStr => self.size,
            TypeChar::UnicodeStr => 4 * self.size,
            _ => return Err(place.error("a string is needed")),
        };
        if self.len != 1 {
            return Err(place.error("one string is needed"));
        }
        let mut raw = vec![0; bytes];
        if fill(r, &mut raw).map_err(|e| place.read(e))? < bytes {
            return Err(place.error("truncated"));
        }
        // also makes an archive check the member's checksum
        if fill(r, &mut [0]).map_err(|e| place.read(e))? != 0 {
            return Err(place.error("more data follow than its type has"));
        }
        // UCS-4 of an ASCII word is the word with zeros between, whatever the byte order.
        raw.retain(|&b| b != 0);
        Ok(String::from_utf8_lossy(&raw).into_owned())
    }

    fn pump<const N: usize, U>(
        &self,
        r: &mut impl Read,
        most: u64,
        place: Place,
        decode: impl Fn([u8; N]) -> Option<U>,
        bad: impl Fn(u64, &[u8]) -> Error,
    ) -> Result<Vec<U>> {
        const CHUNK: usize = 64 << 10;
        let expected = u128::from(self.len) * N as u128;
        let short = |found: u128| {
            place.error(format!("truncated: its shape {:?} needs {expected} bytes of data, {found} found", self.shape))
        };
        // Known at once for a plain file, so that nothing is allocated for a header that lies.
        let most = most.saturating_sub(self.start);
        if place.member.is_none() && expected > u128::from(most) {
            return Err(short(most.into()));
        }
        let mut out: Vec<U> = reserve(place.path, self.len, most / N as u64)?;
        let mut buffer = vec![0; expected.clamp(1, CHUNK as u128) as usize];
        while (out.len() as u64) < self.len {
            let want = (self.len - out.len() as u64).min((CHUNK / N) as u64) as usize * N;
            let got = fill(r, &mut buffer[..want]).map_err(|e| place.read(e))?;
            for chunk in buffer[..got - got % N].chunks_exact(N) {
                let mut bytes = [0; N];
                bytes.copy_from_slice(chunk);
                if self.big {
                    bytes.reverse();
                }
                match decode(bytes) {
                    Some(v) => out.push(v),
                    None => return Err(bad(out.len() as u64, &bytes)),
                }
            }
            if got < want {
                return Err(short(out.len() as u128 * N as u128 + (got % N) as u128));
            }
        }
        // Reading to the end also makes an archive check the member's checksum.
        if fill(r, &mut buffer[..1]).map_err(|e| place.read(e))? != 0 {
            return Err(
                place.error(format!("more data follow than its shape {:?} has: one array per file", self.shape))
            );
        }
        Ok(out)
    }
}

const ACCEPTED: &str = "real floating-point numbers of 2, 4 or 8 bytes, integers and booleans are accepted";

fn describe(dtype: &DType, kind: TypeChar) -> String {
    if kind == TypeChar::Object { "Python objects".into() } else { format!("type {}", dtype.descr()) }
}

/// Lets only headers through that the parser behind can take without recursing deeply or overflowing.
fn check_text(text: &[u8]) -> Result<(), String> {
    if text.windows(3).any(|w| w == b"'''" || w == b"\"\"\"") {
        return Err("has a triple quote".into());
    }
    let (mut depth, mut quoted, mut number, mut product) = (0, None, None::<u64>, 1u64);
    for &b in text {
        if let Some(q) = quoted {
            if b == b'\\' {
                return Err("has an escape sequence: only plain names are accepted".into());
            }
            if b == q {
                quoted = None;
            }
            continue;
        }
        if b.is_ascii_digit() {
            number = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(u64::from(b - b'0')));
            if number.is_none() {
                return Err("has a number beyond 64 bits".into());
            }
            continue;
        }
        if let Some(n) = number.take() {
            product = product.checked_mul(n.max(1)).ok_or("has a shape beyond 64 bits")?;
        }
        match b {
            b'\'' | b'"' => quoted = Some(b),
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            b' ' | b'\n' | b',' | b':' => {}
            // The letters of True and False; those of 0x, 0b, 1_000 would hide a number.
            b'T' | b'r' | b'u' | b'e' | b'F' | b'a' | b'l' | b's' => {}
            _ => return Err(format!("has the unexpected character {:?}", char::from(b))),
        }
        if depth > 6 {
            return Err("is nested too deeply".into());
        }
    }
    Ok(())
}

/// IEEE half precision, widened exactly.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// Reads until the buffer is full or the input ends; returns how much was read.
fn fill(r: &mut impl Read, mut buffer: &mut [u8]) -> io::Result<usize> {
    let whole = buffer.len();
    while !buffer.is_empty() {
        match r.read(buffer) {
            Ok(0) => break,
            Ok(n) => buffer = &mut buffer[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(whole - buffer.len())
}

/// The array whose header has been read, as a dense matrix.
pub(crate) fn dense<T: Element>(header: &Header, r: &mut impl Read, most: u64, place: Place) -> Result<Array2<T>> {
    let [rows, cols] = header.shape[..] else {
        let hint = if header.shape.len() == 1 { "; reshape it to (1, n) or (n, 1)" } else { "" };
        return Err(place.error(format!(
            "an array with {} dimensions, shape {:?}: a matrix has two{hint}",
            header.shape.len(),
            header.shape
        )));
    };
    let shape = (check_dim(place.path, "rows", rows)?, check_dim(place.path, "columns", cols)?);
    let values = header.values(r, most, place)?;
    Array2::from_shape_vec(shape.set_f(header.fortran), values).map_err(|e| place.error(e.to_string()))
}

pub(crate) fn read(path: &Path, r: &mut impl Read, most: u64, options: &ReadOptions) -> Result<Loaded> {
    let place = Place { path, member: None };
    let header = Header::read(r, place)?;
    load(&header, r, most, place, options)
}

pub(crate) fn read3<T: Element>(path: &Path, r: &mut impl Read, most: u64) -> Result<Array3<T>> {
    let place = Place { path, member: None };
    let header = Header::read(r, place)?;
    let [a, b, c] = header.shape[..] else {
        return Err(place.error(format!("an array of shape {:?}: three dimensions are needed", header.shape)));
    };
    let dim = |n| check_dim(path, "entries in one dimension", n);
    let shape = (dim(a)?, dim(b)?, dim(c)?);
    let values = header.values(r, most, place)?;
    Array3::from_shape_vec(shape.set_f(header.fortran), values).map_err(|e| place.error(e.to_string()))
}

pub(crate) fn load(
    header: &Header,
    r: &mut impl Read,
    most: u64,
    place: Place,
    options: &ReadOptions,
) -> Result<Loaded> {
    Ok(match options.precision.unwrap_or(header.precision()) {
        Precision::F32 => Loaded::F32(Table::new(dense(header, r, most, place)?)),
        Precision::F64 => Loaded::F64(Table::new(dense(header, r, most, place)?)),
    })
}

/// Writes an array of any number of dimensions in NumPy's `.npy` format, C order, little-endian.
///
/// # Errors
/// Those of the writer.
pub fn write_npy_to<T: Element, D: Dimension>(mut w: impl Write, array: ArrayView<'_, T, D>) -> io::Result<()> {
    let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
    write_header(&mut w, if size_of::<T>() == 4 { "<f4" } else { "<f8" }, &shape)?;
    write_values(&mut w, array.iter().copied(), |v, out| {
        if size_of::<T>() == 4 {
            out.extend_from_slice(&(v.f64() as f32).to_le_bytes());
        } else {
            out.extend_from_slice(&v.f64().to_le_bytes());
        }
    })
}

pub(crate) fn write_header(w: &mut impl Write, dtype: &str, shape: &[u64]) -> io::Result<()> {
    let dtype = DType::new_scalar(dtype.parse().map_err(io::Error::other)?);
    npyz::WriteOptions::new_header_only().dtype(dtype).shape(shape).writer(w).write_header_only().map(|_| ())
}

pub(crate) fn write_values<V>(
    w: &mut impl Write,
    values: impl Iterator<Item = V>,
    encode: impl Fn(V, &mut Vec<u8>),
) -> io::Result<()> {
    const CHUNK: usize = 64 << 10;
    let mut buffer = Vec::with_capacity(CHUNK + 8);
    for v in values {
        encode(v, &mut buffer);
        if buffer.len() >= CHUNK {
            w.write_all(&buffer)?;
            buffer.clear();
        }
    }
    w.write_all(&buffer)
}
