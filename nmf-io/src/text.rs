//! CSV and TSV: one row per line, with optional names.

use crate::error::{Error, Result, quote};
use crate::source::{Lines, Source, parse_number};
use crate::sparse::check_dim;
use crate::table::{Loaded, Precision, ReadOptions, Table, TableRef, cast, overflow};
use ndarray::Array2;
use nmf_core::{Element, MatrixRef};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

/// Integers up to here are exact in single precision.
pub(crate) const EXACT_F32: f64 = 16_777_216.0;

/// The fields of one record, end to end.
#[derive(Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Line on which it begins.
    pub(crate) line: u64,
}

impl Record {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn field(&self, i: usize) -> &[u8] {
        let begin = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[begin..self.ends[i]]
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.field(i))
    }

    fn names(&self, from: usize) -> Vec<String> {
        (from..self.len()).map(|i| name(self.field(i))).collect()
    }

    /// Fields given as they are; the line stays.
    pub(crate) fn set<'f>(&mut self, fields: impl Iterator<Item = &'f [u8]>) {
        self.bytes.clear();
        self.ends.clear();
        for field in fields {
            self.bytes.extend_from_slice(field.trim_ascii());
            self.ends.push(self.bytes.len());
        }
    }

    /// Reads the next line that is not blank, and those that a quoted field goes on to.
    pub(crate) fn read(&mut self, lines: &mut Lines<impl BufRead>, separator: u8) -> Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        loop {
            if !lines.advance()? {
                return Ok(false);
            }
            if !lines.line().trim_ascii().is_empty() {
                break;
            }
            // Blank, but with separators it would be a row of empty cells.
            if lines.line().contains(&separator) {
                break;
            }
        }
        self.line = lines.number();
        let mut rest = lines.line();
        loop {
            let begin = rest.len() - rest.trim_ascii_start_except(separator).len();
            if rest.get(begin) != Some(&b'"') {
                let end = rest.iter().position(|&b| b == separator);
                self.bytes.extend_from_slice(rest[..end.unwrap_or(rest.len())].trim_ascii());
                self.ends.push(self.bytes.len());
                let Some(end) = end else { return Ok(true) };
                rest = &rest[end + 1..];
                continue;
            }
            rest = &rest[begin + 1..];
            loop {
                let Some(q) = rest.iter().position(|&b| b == b'"') else {
                    self.bytes.extend_from_slice(rest);
                    self.bytes.push(b'\n');
                    if !lines.advance()? {
                        let message = format!("the quoted field that begins on line {} never ends", self.line);
                        return Err(lines.error(message));
                    }
                    rest = lines.line();
                    continue;
                };
                self.bytes.extend_from_slice(&rest[..q]);
                rest = &rest[q + 1..];
                if rest.first() != Some(&b'"') {
                    break;
                }
                self.bytes.push(b'"');
                rest = &rest[1..];
            }
            self.ends.push(self.bytes.len());
            let after = rest.trim_ascii_start_except(separator);
            match after.first() {
                None => return Ok(true),
                Some(&b) if b == separator => rest = &after[1..],
                Some(_) => {
                    let message = format!("{} follows a closing quote: a separator is expected", quote(after));
                    return Err(lines.error(message));
                }
            }
        }
    }
}

trait TrimExcept {
    fn trim_ascii_start_except(&self, separator: u8) -> &Self;
}

impl TrimExcept for [u8] {
    /// A tab may be white space or the separator.
    fn trim_ascii_start_except(&self, separator: u8) -> &[u8] {
        let n = self.iter().take_while(|&&b| b != separator && b.is_ascii_whitespace()).count();
        &self[n..]
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_number(field: &[u8]) -> bool {
    parse_number(field).is_some()
}

/// What takes the place of a number that is not known; not a name.
fn is_missing(field: &[u8]) -> bool {
    field.is_empty() || ["na", "n/a", "null"].iter().any(|m| field.eq_ignore_ascii_case(m.as_bytes()))
}

/// A number as much of Europe writes it; not a name.
fn has_decimal_comma(field: &[u8]) -> bool {
    field.contains(&b',') && is_number(&field.iter().map(|&b| if b == b',' { b'.' } else { b }).collect::<Vec<_>>())
}

/// Numbers in the narrowest precision that holds them exactly, widened when one does not fit.
enum Cells {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Cells {
    fn push(&mut self, value: f64, adapt: bool) -> Option<()> {
        match self {
            Cells::F64(v) => v.push(value),
            Cells::F32(v) if adapt && !(value.fract() == 0.0 && value.abs() <= EXACT_F32) => {
                let mut wide: Vec<f64> = v.iter().copied().map(f64::from).collect();
                wide.push(value);
                *self = Cells::F64(wide);
            }
            Cells::F32(v) => v.push(cast(value)?),
        }
        Some(())
    }
}

/// The separator of line 1: a tab in `.tsv`; else a comma or, where there is none, a semicolon or tab.
fn separator(head: &[u8], tabs: bool) -> u8 {
    if tabs {
        return b'\t';
    }
    let (mut quoted, mut counts) = (false, [0u32; 3]);
    for &b in head {
        match b {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'\n' => break,
            b',' => counts[0] += 1,
            b';' => counts[1] += 1,
            b'\t' => counts[2] += 1,
            _ => {}
        }
    }
    match counts {
        [0, s, t] if s > 0 && s >= t => b';',
        [0, _, t] if t > 0 => b'\t',
        _ => b',',
    }
}

pub(crate) fn read(path: &Path, mut source: Source, tabs: bool, options: &ReadOptions) -> Result<Loaded> {
    if source.head.starts_with(&[0xff, 0xfe]) || source.head.starts_with(&[0xfe, 0xff]) {
        return Err(Error::format(path, "text in UTF-16: save it as UTF-8"));
    }
    if let Some(at) = source.head.iter().position(|&b| b == 0) {
        return Err(Error::format(path, format!("binary data (a zero byte at offset {at}), not text")));
    }
    if source.head.starts_with(b"\xef\xbb\xbf") {
        source.head.drain(..3);
        io::copy(&mut source.stream.by_ref().take(3), &mut io::sink()).map_err(|e| Error::read(path, e))?;
    }
    let separator = separator(&source.head, tabs);
    let mut lines = Lines::unlimited(path, source.stream);
    let mut record = Record::default();
    if !record.read(&mut lines, separator)? {
        return Err(Error::format(path, "the file is empty: rows of numbers are expected"));
    }
    let first_is_header = match options.header {
        Some(given) => given,
        None => {
            if record.len() > 1 && record.field(0).is_empty() && record.fields().skip(1).all(is_number) {
                let message =
                    "an empty field and then numbers: names of columns, or a row? Say --header or --no-header";
                return Err(Error::text(path, record.line, Some(1), message));
            }
            !record.fields().any(is_number)
        }
    };
    let header = first_is_header.then(|| record.names(0));
    let mut more = if first_is_header { record.read(&mut lines, separator)? } else { true };

    let corner_empty = header.as_ref().is_some_and(|h| h[0].is_empty());
    let width = if more { record.len() } else { header.as_ref().map_or(0, Vec::len) };
    // R leaves out the corner of the header; a title or comment above numbers must not turn their first column into names.
    let is_title = |h: &Vec<String>| h.len() < 2 || h[0].starts_with('#');
    let numbered = more && is_number(record.field(0));
    let no_corner = header
        .as_ref()
        .is_some_and(|h| h.len() + 1 == width && options.row_names.unwrap_or_else(|| !(numbered && is_title(h))));
    let row_names = options.row_names.unwrap_or_else(|| {
        let field = if more { record.field(0) } else { b"" };
        no_corner || corner_empty || !(is_number(field) || is_missing(field) || has_decimal_comma(field))
    });
    if let Some(h) = header.as_ref().filter(|h| h.len() != width && !no_corner) {
        return Err(ragged(path, record.line, width, h.len()));
    }
    let skip = usize::from(row_names);
    let cols = width - skip.min(width);
    check_dim(path, "columns", cols as u64)?;
    let col_names = header.map(|mut h| if row_names && !no_corner { h.split_off(1) } else { h });

    let (mut cells, adapt) = match options.precision {
        Some(Precision::F64) => (Cells::F64(Vec::new()), false),
        Some(Precision::F32) => (Cells::F32(Vec::new()), false),
        None => (Cells::F32(Vec::new()), true),
    };
    let (mut names, mut rows) = (Vec::new(), 0usize);
    while more {
        if record.len() != width {
            return Err(ragged(path, record.line, record.len(), width));
        }
        if row_names {
            names.push(name(record.field(0)));
        }
        for i in skip..width {
            let value = parse_number(record.field(i)).ok_or_else(|| not_a_number(path, &record, i))?;
            cells.push(value, adapt).ok_or_else(|| at(path, &record, i, overflow(value)))?;
        }
        rows += 1;
        more = record.read(&mut lines, separator)?;
    }
    check_dim(path, "rows", rows as u64)?;
    let row_names = row_names.then_some(names);
    Ok(match cells {
        Cells::F32(v) => Loaded::F32(table(path, rows, cols, v, row_names, col_names)?),
        Cells::F64(v) => Loaded::F64(table(path, rows, cols, v, row_names, col_names)?),
    })
}

fn table<T: Element>(
    path: &Path,
    rows: usize,
    cols: usize,
    cells: Vec<T>,
    row_names: Option<Vec<String>>,
    col_names: Option<Vec<String>>,
) -> Result<Table<T>> {
    let a = Array2::from_shape_vec((rows, cols), cells).map_err(|e| Error::format(path, e.to_string()))?;
    Ok(Table { matrix: a.into(), row_names, col_names })
}

fn at(path: &Path, record: &Record, i: usize, message: String) -> Error {
    Error::text(path, record.line, Some(i as u64 + 1), message)
}

fn not_a_number(path: &Path, record: &Record, i: usize) -> Error {
    let field = record.field(i);
    let message = match field {
        [] => "the cell is empty: a number is expected".to_owned(),
        f if is_missing(f) => format!("the value is missing ({}): a number is expected", quote(f)),
        f if has_decimal_comma(f) => format!("{} is not a number: decimals need a point", quote(f)),
        f => format!("{} is not a number", quote(f)),
    };
    at(path, record, i, message)
}

fn ragged(path: &Path, line: u64, found: usize, expected: usize) -> Error {
    Error::text(path, line, None, format!("{found} fields, expected {expected} as in the lines before"))
}

/// Appends a number in the shortest form that is read back as the same value of its type.
pub(crate) fn push_number<T: Element>(out: &mut Vec<u8>, value: T) {
    fn put(out: &mut Vec<u8>, size: f64, plain: impl std::fmt::Display, scientific: impl std::fmt::LowerExp) {
        // Writing to a vector cannot fail.
        let _ = if size != 0.0 && size.is_finite() && !(1e-5..1e16).contains(&size) {
            write!(out, "{scientific:e}")
        } else {
            write!(out, "{plain}")
        };
    }
    let wide = value.f64();
    if size_of::<T>() == 4 {
        put(out, wide.abs(), wide as f32, wide as f32);
    } else {
        put(out, wide.abs(), wide, wide);
    }
}

fn push_name(out: &mut Vec<u8>, name: &str, separator: u8) {
    let plain = !name.bytes().any(|b| b == separator || matches!(b, b'"' | b'\n' | b'\r'))
        && name.trim_ascii().len() == name.len();
    if plain {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        out.extend_from_slice(name.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    }
}

/// Writes the header if there are names of columns, then one line per row, its name first if there is one.
pub(crate) fn write<T: Element>(w: &mut dyn Write, table: &TableRef<'_, T>, separator: u8) -> io::Result<()> {
    let (rows, cols) = table.matrix.dim();
    let mut line = Vec::new();
    if let Some(names) = table.col_names {
        let corner = table.row_names.is_some().then_some("");
        for (i, name) in corner.into_iter().chain(names.iter().map(String::as_str)).enumerate() {
            if i > 0 {
                line.push(separator);
            }
            push_name(&mut line, name, separator);
        }
        line.push(b'\n');
        w.write_all(&line)?;
    }
    let converted;
    let csr = match &table.matrix {
        MatrixRef::Sparse(s) if s.is_csr() => Some(s.view()),
        MatrixRef::Sparse(s) => {
            converted = s.to_csr();
            Some(converted.view())
        }
        MatrixRef::Dense(_) => None,
    };
    let mut values = vec![T::zero(); cols];
    for i in 0..rows {
        if let MatrixRef::Dense(a) = &table.matrix {
            values.iter_mut().zip(a.row(i)).for_each(|(to, &v)| *to = v);
        } else if let Some(row) = csr.as_ref().and_then(|s| s.outer_view(i)) {
            values.fill(T::zero());
            row.iter().for_each(|(j, &v)| values[j] = v);
        }
        line.clear();
        if let Some(names) = table.row_names {
            push_name(&mut line, &names[i], separator);
        }
        for (j, &v) in values.iter().enumerate() {
            if j > 0 || table.row_names.is_some() {
                line.push(separator);
            }
            push_number(&mut line, v);
        }
        line.push(b'\n');
        w.write_all(&line)?;
    }
    Ok(())
}
