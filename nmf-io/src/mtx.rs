//! Matrix Market: coordinate and array files, read line by line.

use crate::error::{Error, Result, quote};
use crate::source::{Lines, parse_number};
use crate::sparse::{Coo, check_dim, check_rows, reserve};
use crate::table::{Loaded, Precision, ReadOptions, Table, cast, overflow};
use ndarray::{Array2, ShapeBuilder};
use nmf_core::{Element, Matrix, MatrixRef, Sparse};
use std::io::{self, BufRead, Write};
use std::path::Path;

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Real,
    Integer,
    Pattern,
}

#[derive(Clone, Copy, PartialEq)]
enum Symmetry {
    General,
    Symmetric,
    Skew,
}

struct Banner {
    coordinate: bool,
    field: Field,
    symmetry: Symmetry,
}

const BANNERS: &str =
    "accepted: %%MatrixMarket matrix coordinate|array real|integer|pattern general|symmetric|skew-symmetric";

/// Reads a Matrix Market file; `most` bounds its size in bytes. With `transposed`, rows become columns
/// while reading.
pub(crate) fn read(
    path: &Path,
    reader: impl BufRead,
    most: u64,
    transposed: bool,
    options: &ReadOptions,
) -> Result<Loaded> {
    let mut lines = Lines::new(path, reader);
    let banner = read_banner(&mut lines)?;
    let default = if banner.field == Field::Real { Precision::F64 } else { Precision::F32 };
    Ok(match options.precision.unwrap_or(default) {
        Precision::F32 => Loaded::F32(Table::new(body::<f32>(path, &mut lines, &banner, most, transposed)?)),
        Precision::F64 => Loaded::F64(Table::new(body::<f64>(path, &mut lines, &banner, most, transposed)?)),
    })
}

fn read_banner(lines: &mut Lines<impl BufRead>) -> Result<Banner> {
    if !lines.advance()? {
        return Err(lines.error("the file is empty: a %%MatrixMarket line is expected"));
    }
    let line = String::from_utf8_lossy(lines.line()).to_lowercase();
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first() != Some(&"%%matrixmarket") {
        return Err(lines.error(format!("not a Matrix Market file: it begins with {}; {BANNERS}", quote(lines.line()))));
    }
    let refuse = |what: &str| Err(lines.error(format!("{what} in {}; {BANNERS}", quote(lines.line()))));
    let [_, object, layout, field, symmetry] = words[..] else {
        return refuse("five words are expected, not what is");
    };
    if object != "matrix" {
        return refuse("only the object 'matrix' is accepted, not what is");
    }
    let coordinate = match layout {
        "coordinate" => true,
        "array" => false,
        _ => return refuse("unknown layout"),
    };
    let field = match field {
        "real" | "double" => Field::Real,
        "integer" | "unsigned-integer" => Field::Integer,
        "pattern" if coordinate => Field::Pattern,
        "pattern" => return refuse("an array of pattern has no values"),
        "complex" => return refuse("complex numbers cannot be factored"),
        _ => return refuse("unknown type of values"),
    };
    let symmetry = match symmetry {
        "general" => Symmetry::General,
        "symmetric" => Symmetry::Symmetric,
        "skew-symmetric" if field == Field::Pattern => return refuse("a pattern has no signs"),
        "skew-symmetric" => Symmetry::Skew,
        "hermitian" => return refuse("complex numbers cannot be factored"),
        _ => return refuse("unknown symmetry"),
    };
    Ok(Banner { coordinate, field, symmetry })
}

/// Moves to the next line that is neither a comment nor blank.
fn advance(lines: &mut Lines<impl BufRead>) -> Result<bool> {
    while lines.advance()? {
        let text = lines.line().trim_ascii_start();
        if !text.is_empty() && text[0] != b'%' {
            return Ok(true);
        }
    }
    Ok(false)
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty())
}

fn parse_count(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 19 || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(word.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0')))
}

fn body<T: Element>(
    path: &Path,
    lines: &mut Lines<impl BufRead>,
    banner: &Banner,
    most: u64,
    transposed: bool,
) -> Result<Matrix<T>> {
    let wanted = if banner.coordinate { "three counts (rows, columns, entries)" } else { "two counts (rows, columns)" };
    if !advance(lines)? {
        return Err(lines.error(format!("the file ends before its sizes: {wanted} are expected")));
    }
    let counts: Option<Vec<u64>> = words(lines.line()).map(parse_count).collect();
    let (rows, cols, stored) = match (counts.as_deref(), banner.coordinate) {
        (Some(&[r, c, n]), true) => (r, c, n),
        (Some(&[r, c]), false) => (r, c, 0),
        _ => return Err(lines.error(format!("{wanted} are expected, found {}", quote(lines.line())))),
    };
    if banner.symmetry != Symmetry::General && rows != cols {
        return Err(lines.error(format!("a symmetric matrix is square, not {rows}×{cols}")));
    }
    let shape = (check_dim(path, "rows", rows)?, check_dim(path, "columns", cols)?);
    if banner.coordinate {
        let sparse = coordinate(path, lines, banner, shape, stored, most, transposed)?;
        return Ok(Matrix::Sparse(sparse));
    }
    let dense = array(path, lines, banner, shape, most)?;
    Ok(Matrix::Dense(if transposed { dense.reversed_axes() } else { dense }))
}

fn parse_value<T: Element>(lines: &Lines<impl BufRead>, banner: &Banner, word: &[u8]) -> Result<T> {
    let value = parse_number(word).ok_or_else(|| lines.error(format!("{} is not a number", quote(word))))?;
    if banner.field == Field::Integer && value.fract() != 0.0 {
        return Err(lines.error(format!("{} is not an integer, as the first line promises", quote(word))));
    }
    cast(value).ok_or_else(|| lines.error(overflow(value)))
}

fn coordinate<T: Element>(
    path: &Path,
    lines: &mut Lines<impl BufRead>,
    banner: &Banner,
    shape: (usize, usize),
    stored: u64,
    most: u64,
    transposed: bool,
) -> Result<Sparse<T>> {
    // The shortest entry is "1 1" and the end of its line; an off-diagonal one of a symmetric file counts twice.
    let room = if banner.symmetry == Symmetry::General { stored } else { stored.saturating_mul(2) };
    let plausible = most / 2;
    let mut coo: Coo<T> = Coo {
        rows: reserve(path, room, plausible)?,
        cols: reserve(path, room, plausible)?,
        values: reserve(path, room, plausible)?,
    };
    let form = if banner.field == Field::Pattern { "row and column" } else { "row, column and value" };
    // Line at which an entry below, and one above, the diagonal was first seen.
    let mut triangles = [None, None];
    let mut found = 0;
    while advance(lines)? {
        if found == stored {
            return Err(lines.error(format!("more entries than the {stored} declared")));
        }
        found += 1;
        let mut fields = words(lines.line());
        let (r, c, v) = (fields.next(), fields.next(), fields.next());
        let (Some(r), Some(c), None) = (r, c, fields.next()) else {
            return Err(lines.error(format!("{form} are expected, found {}", quote(lines.line()))));
        };
        let value = match (v, banner.field) {
            (None, Field::Pattern) => T::one(),
            (Some(v), Field::Real | Field::Integer) => parse_value(lines, banner, v)?,
            _ => return Err(lines.error(format!("{form} are expected, found {}", quote(lines.line())))),
        };
        let row = index(lines, "row", r, shape.0)?;
        let col = index(lines, "column", c, shape.1)?;
        let (i, j) = if transposed { (col, row) } else { (row, col) };
        coo.push(i, j, value);
        if banner.symmetry == Symmetry::General {
            continue;
        }
        if row != col {
            triangles[usize::from(row < col)].get_or_insert(lines.number());
            if let [Some(a), Some(b)] = triangles {
                let message = format!(
                    "line {} is on the other side of the diagonal: symmetric files hold one triangle",
                    a.min(b)
                );
                return Err(lines.error(message));
            }
            coo.push(j, i, if banner.symmetry == Symmetry::Skew { -value } else { value });
        } else if banner.symmetry == Symmetry::Skew && value != T::zero() {
            return Err(lines.error("a skew-symmetric matrix has only zeros on its diagonal"));
        }
    }
    if found < stored {
        return Err(lines.error(format!("the file ends after {found} of the {stored} entries declared")));
    }
    let shape = if transposed { (shape.1, shape.0) } else { shape };
    check_rows(path, shape.0, stored)?;
    coo.into_csr(path, shape)
}

fn index(lines: &Lines<impl BufRead>, what: &str, word: &[u8], n: usize) -> Result<u32> {
    match parse_count(word) {
        Some(i) if i >= 1 && i <= n as u64 => Ok((i - 1) as u32),
        _ => Err(lines.error(format!("{what} {}: 1 to {n} are accepted", quote(word)))),
    }
}

/// The dense values, column by column; of a symmetric matrix only the lower triangle is in the file.
fn array<T: Element>(
    path: &Path,
    lines: &mut Lines<impl BufRead>,
    banner: &Banner,
    (rows, cols): (usize, usize),
    most: u64,
) -> Result<Array2<T>> {
    let n = rows as u64;
    let expected = match banner.symmetry {
        Symmetry::General => u128::from(n) * cols as u128,
        Symmetry::Symmetric => u128::from(n) * (u128::from(n) + 1) / 2,
        Symmetry::Skew => u128::from(n) * u128::from(n).saturating_sub(1) / 2,
    };
    let expected = u64::try_from(expected).map_err(|_| lines.error("the sizes exceed 64 bits"))?;
    if expected > most {
        return Err(Error::format(
            path,
            format!("truncated: {rows}×{cols} needs {expected} values, the file is too small"),
        ));
    }
    let mut values: Vec<T> = reserve(path, expected, most)?;
    while advance(lines)? {
        for word in words(lines.line()) {
            if values.len() as u64 == expected {
                return Err(lines.error(format!("more values than the {expected} that {rows}×{cols} needs")));
            }
            values.push(parse_value(lines, banner, word)?);
        }
    }
    if (values.len() as u64) < expected {
        return Err(lines.error(format!("the file ends after {} of {expected} values", values.len())));
    }
    if banner.symmetry == Symmetry::General {
        return Array2::from_shape_vec((rows, cols).f(), values).map_err(|e| Error::format(path, e.to_string()));
    }
    let skew = banner.symmetry == Symmetry::Skew;
    let mut full = Array2::zeros((rows, rows));
    let mut rest = values.into_iter();
    for j in 0..rows {
        for i in j + usize::from(skew)..rows {
            let v = rest.next().unwrap_or_default();
            full[[i, j]] = v;
            full[[j, i]] = if skew { -v } else { v };
        }
    }
    Ok(full)
}

/// Writes a sparse matrix as coordinates, a dense one as an array; single precision without fractions is
/// called integer, so that it is read back in single precision.
pub(crate) fn write<T: Element>(w: &mut dyn Write, matrix: &MatrixRef<'_, T>) -> io::Result<()> {
    let mut whole = size_of::<T>() == 4;
    matrix.for_each(|_, _, v| whole = whole && v.fract() == T::zero() && v.abs().f64() <= crate::text::EXACT_F32);
    let field = if whole { "integer" } else { "real" };
    let (rows, cols) = matrix.dim();
    let mut line = Vec::new();
    match matrix {
        MatrixRef::Dense(a) => {
            writeln!(w, "%%MatrixMarket matrix array {field} general\n{rows} {cols}")?;
            for v in a.t() {
                line.clear();
                crate::text::push_number(&mut line, *v);
                line.push(b'\n');
                w.write_all(&line)?;
            }
        }
        MatrixRef::Sparse(s) => {
            writeln!(w, "%%MatrixMarket matrix coordinate {field} general\n{rows} {cols} {}", s.nnz())?;
            let csr = s.is_csr();
            for (outer, vec) in s.outer_iterator().enumerate() {
                for (inner, &v) in vec.iter() {
                    let (i, j) = if csr { (outer, inner) } else { (inner, outer) };
                    line.clear();
                    write!(line, "{} {} ", i + 1, j + 1)?;
                    crate::text::push_number(&mut line, v);
                    line.push(b'\n');
                    w.write_all(&line)?;
                }
            }
        }
    }
    Ok(())
}
