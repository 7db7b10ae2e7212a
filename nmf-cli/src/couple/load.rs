//! Matrices from files, their rows and columns brought into the order of their modes, and entries held out.

use super::spec::{MatrixSpec, ModeSpec, Spec};
use crate::args::Global;
use crate::failure::Failure;
use crate::text::grouped;
use ndarray::Array2;
use nmf_core::init::uniform;
use nmf_core::{Matrix, Sparse};
use nmf_io::{FieldOptions, Precision, ReadOptions, read_fields};
use std::collections::HashMap;
use std::path::Path;

/// A mode: how many entries it has and what they are called, where known.
pub(super) struct ModeEntries {
    pub(super) size: usize,
    pub(super) names: Option<Vec<String>>,
}

/// A matrix over its modes.
pub(super) struct Aligned {
    pub(super) x: Matrix<f64>,
    /// 1 where an entry counts.
    pub(super) mask: Option<Matrix<f64>>,
    /// Entries held out: row, column, value.
    pub(super) held: Vec<(usize, usize, f64)>,
    /// Known entries of each row, where not all are known.
    pub(super) of_row: Option<Vec<usize>>,
}

/// A matrix as a file has it.
struct Raw {
    matrix: Matrix<f64>,
    /// Of rows and columns.
    names: [Option<Vec<String>>; 2],
}

/// Reads everything.
pub(super) fn load(spec: &Spec, path: &Path, global: &Global) -> Result<(Vec<ModeEntries>, Vec<Aligned>), Failure> {
    let mut raws = Vec::new();
    for m in &spec.matrices {
        let raw = read(&m.file, m, global)?;
        let test = m.test.as_deref().map(|file| read(file, m, global)).transpose()?;
        raws.push((raw, test));
    }
    let mut modes = Vec::new();
    for (number, mode) in spec.modes.iter().enumerate() {
        modes.push(entries_of(number, mode, spec, &raws, path)?);
    }
    let mut aligned = Vec::new();
    for (r, (m, (raw, test))) in spec.matrices.iter().zip(raws).enumerate() {
        aligned.push(align(m, raw, test, &modes, spec, path, r)?);
    }
    Ok((modes, aligned))
}

fn read(file: &Path, m: &MatrixSpec, global: &Global) -> Result<Raw, Failure> {
    let mut raw = if m.triples {
        triples(file, m, global)?
    } else {
        let options = ReadOptions { precision: Some(Precision::F64), header: m.header, row_names: m.row_names };
        let table = nmf_io::read(file, &options)?.into_f64();
        Raw { matrix: table.matrix, names: [table.row_names, table.col_names] }
    };
    if m.transpose {
        raw.matrix = raw.matrix.transpose();
        raw.names.reverse();
    }
    for (names, what) in raw.names.iter().zip(["rows", "columns"]) {
        let mut seen = std::collections::HashSet::new();
        if let Some(name) = names.iter().flatten().find(|n| !seen.insert(n.as_str())) {
            return Err(Failure::file(file, format!("two {what} are called \"{name}\"")));
        }
    }
    let dense = matches!(raw.matrix, Matrix::Dense(_));
    if dense && m.test.as_deref() == Some(file) {
        return Err(Failure::file(
            file,
            "held-out entries are those of triples or of a sparse matrix; this one is dense",
        ));
    }
    if dense && m.stored_only {
        return Err(Failure::file(file, "stored_only needs a sparse matrix; this one is dense and stores every entry"));
    }
    Ok(raw)
}

/// Lines of row, column and value, or of row and column, which count 1.
fn triples(file: &Path, m: &MatrixSpec, global: &Global) -> Result<Raw, Failure> {
    let numeric = (m.columns.len() == 3).then_some(2);
    let options = FieldOptions { separator: m.separator.clone(), header: m.header, numeric };
    let (mut names, mut numbers) = ([Vec::new(), Vec::new()], [HashMap::new(), HashMap::new()]);
    let mut entries: HashMap<(u32, u32), f64> = HashMap::new();
    let mut again = 0u64;
    let decoded = read_fields(file, &m.columns, &options, |_, fields| {
        let value = match fields.get(2) {
            None => 1.0,
            Some(text) => text
                .parse::<f64>()
                .map_err(|_| format!("\"{text}\" is no number: the value of an entry is expected"))?,
        };
        let mut at = [0u32; 2];
        for side in 0..2 {
            if fields[side].is_empty() {
                return Err("an empty name".into());
            }
            at[side] = *numbers[side].entry(fields[side].to_string()).or_insert_with(|| {
                names[side].push(fields[side].to_string());
                names[side].len() as u32 - 1
            });
        }
        again += u64::from(entries.insert((at[0], at[1]), value).is_some());
        Ok(())
    })?;
    if decoded > 0 {
        global.warn(format!(
            "{}: {} lines are not UTF-8 and were read as Windows-1252",
            file.display(),
            grouped(decoded)
        ));
    }
    if again > 0 {
        global.warn(format!("{}: {} lines repeat a pair; the last of them counts", file.display(), grouped(again)));
    }
    let dim = (names[0].len(), names[1].len());
    let entries = entries.into_iter().map(|((i, j), v)| (i, j, v)).collect();
    Ok(Raw { matrix: Matrix::Sparse(sparse(dim, entries)), names: names.map(Some) })
}

/// A CSR matrix of entries in any order, each place once.
fn sparse((rows, cols): (usize, usize), mut entries: Vec<(u32, u32, f64)>) -> Sparse<f64> {
    entries.sort_unstable_by_key(|e| (e.0, e.1));
    let mut offsets = vec![0u64; rows + 1];
    entries.iter().for_each(|e| offsets[e.0 as usize + 1] += 1);
    (0..rows).for_each(|i| offsets[i + 1] += offsets[i]);
    let (indices, values) = entries.into_iter().map(|e| (e.1, e.2)).unzip();
    Sparse::new((rows, cols), offsets, indices, values)
}

/// The entries of a mode: those of its names file, or all that its matrices name, or their common number.
fn entries_of(
    number: usize,
    mode: &ModeSpec,
    spec: &Spec,
    raws: &[(Raw, Option<Raw>)],
    path: &Path,
) -> Result<ModeEntries, Failure> {
    if let Some(file) = &mode.names {
        let text = std::fs::read_to_string(file).map_err(|e| Failure::file(file, format!("cannot be read: {e}")))?;
        let names: Vec<String> = text.lines().map(|l| l.trim().to_string()).filter(|l| !l.is_empty()).collect();
        let mut seen = std::collections::HashSet::new();
        if let Some(name) = names.iter().find(|n| !seen.insert(n.as_str())) {
            return Err(Failure::file(file, format!("\"{name}\" is there twice: a name a line, each once")));
        }
        return Ok(ModeEntries { size: names.len(), names: Some(names) });
    }
    let (mut names, mut known): (Vec<String>, std::collections::HashSet<String>) = Default::default();
    let mut sizes: Vec<(usize, &str)> = Vec::new();
    for (m, (raw, test)) in spec.matrices.iter().zip(raws) {
        let Some(side) = [m.rows, m.cols].iter().position(|n| *n == number) else { continue };
        for raw in [Some(raw), test.as_ref()].into_iter().flatten() {
            let size = if side == 0 { raw.matrix.dim().0 } else { raw.matrix.dim().1 };
            match &raw.names[side] {
                Some(list) => list.iter().for_each(|n| {
                    if known.insert(n.clone()) {
                        names.push(n.clone());
                    }
                }),
                None => sizes.push((size, &m.name)),
            }
        }
    }
    if names.is_empty() {
        let (size, first) = sizes.first().copied().unwrap_or((0, ""));
        if let Some((other, name)) = sizes.iter().find(|(s, _)| *s != size) {
            return Err(Failure::file(
                path,
                format!(
                    "mode \"{}\" has {size} entries in matrix \"{first}\", but {other} in matrix \"{name}\"",
                    mode.name
                ),
            ));
        }
        return Ok(ModeEntries { size, names: None });
    }
    let numbers: Option<Vec<u64>> = names.iter().map(|n| n.parse().ok()).collect();
    match numbers {
        Some(_) => names.sort_by_key(|n| n.parse::<u64>().unwrap_or(u64::MAX)),
        // which of them a row without a name would be is anyone's guess
        None if !sizes.is_empty() => {
            return Err(Failure::file(
                path,
                format!(
                    "mode \"{}\": matrix \"{}\" has no names for it, others have: give the order by [modes.{}] names = \"FILE\", a name a line",
                    mode.name, sizes[0].1, mode.name
                ),
            ));
        }
        None => {}
    }
    Ok(ModeEntries { size: names.len(), names: Some(names) })
}

/// Where the rows or columns of a matrix are in their mode; `None`: where they are.
fn places(
    names: &Option<Vec<String>>,
    found: usize,
    mode: &ModeEntries,
    called: &str,
    m: &MatrixSpec,
) -> Result<Vec<u32>, Failure> {
    match (names, &mode.names) {
        (Some(names), Some(all)) => {
            let numbers: HashMap<&str, u32> = all.iter().enumerate().map(|(i, n)| (n.as_str(), i as u32)).collect();
            let missing =
                |n: &String| Failure::file(&m.file, format!("\"{n}\" is not among the names of mode \"{called}\""));
            names.iter().map(|n| numbers.get(n.as_str()).copied().ok_or_else(|| missing(n))).collect()
        }
        _ if found == mode.size => Ok((0..found as u32).collect()),
        _ => Err(Failure::file(
            &m.file,
            format!("{found} without names for mode \"{called}\", which has {} entries", mode.size),
        )),
    }
}

fn align(
    m: &MatrixSpec,
    raw: Raw,
    test: Option<Raw>,
    modes: &[ModeEntries],
    spec: &Spec,
    path: &Path,
    number: usize,
) -> Result<Aligned, Failure> {
    let (row_mode, col_mode) = (&modes[m.rows], &modes[m.cols]);
    let called = (spec.modes[m.rows].name.as_str(), spec.modes[m.cols].name.as_str());
    let dim = (row_mode.size, col_mode.size);
    let place = |raw: &Raw| -> Result<(Vec<u32>, Vec<u32>), Failure> {
        let (rows, cols) = raw.matrix.dim();
        Ok((places(&raw.names[0], rows, row_mode, called.0, m)?, places(&raw.names[1], cols, col_mode, called.1, m)?))
    };
    let at = place(&raw)?;
    let mut mask = match &m.mask {
        None => None,
        Some(file) => {
            let known = nmf_io::read(file, &ReadOptions { precision: Some(Precision::F64), ..ReadOptions::default() })?;
            let mut table = known.into_f64();
            if m.transpose {
                table = table.transpose();
            }
            for (side, own, names) in
                [("rows", &raw.names[0], &table.row_names), ("columns", &raw.names[1], &table.col_names)]
            {
                if own.is_some() && names.is_some() && own != names {
                    let message =
                        format!("its {side} have other names than those of matrix \"{}\", or another order", m.name);
                    return Err(Failure::file(file, message));
                }
            }
            let known = table.matrix;
            let mut bad = None;
            known.view().for_each(|i, j, v| {
                if v != 0.0 && v != 1.0 {
                    bad.get_or_insert((i, j, v));
                }
            });
            if let Some((i, j, v)) = bad {
                let message =
                    format!("row {i}, column {j} (counted from 0) is {v}: a mask holds 1 (known) and 0 (unknown)");
                return Err(Failure::file(file, message));
            }
            let ((r, c), (rows, cols)) = (known.dim(), raw.matrix.dim());
            if (r, c) != (rows, cols) {
                return Err(Failure::file(file, format!("the mask is {r}×{c}, matrix \"{}\" {rows}×{cols}", m.name)));
            }
            Some(moved(known, &at, dim))
        }
    };
    let covers = |at: &[u32], size: usize| at.len() == size;
    let all_named = covers(&at.0, dim.0) && covers(&at.1, dim.1);
    let is_dense = matches!(raw.matrix, Matrix::Dense(_));
    if is_dense && !all_named {
        // a dense matrix over whole modes, and its mask
        let needed = 2.0 * 8.0 * dim.0 as f64 * dim.1 as f64;
        if let Some(free) = crate::session::available_bytes().filter(|free| needed > *free) {
            let gib = |b: f64| b / f64::from(1 << 30);
            let message = format!(
                "dense, over modes of {} and {} entries it takes about {:.1} GiB of memory, and {:.1} GiB are free: give it as a sparse matrix",
                dim.0,
                dim.1,
                gib(needed),
                gib(free)
            );
            return Err(Failure::file(&m.file, message));
        }
    }
    if mask.is_none() && !all_named && is_dense {
        // rows and columns that a dense matrix does not have are unknown; what a sparse one does not store is zero
        let mut known = Array2::zeros(dim);
        at.0.iter().for_each(|i| at.1.iter().for_each(|j| known[[*i as usize, *j as usize]] = 1.0));
        mask = Some(Matrix::Dense(known));
    }
    let mut aligned = Aligned { x: moved(raw.matrix, &at, dim), mask, held: Vec::new(), of_row: None };
    if let Some(test) = test {
        let at = place(&test)?;
        let mut bad = None;
        test.matrix.view().for_each(|i, j, v| {
            if !v.is_finite() {
                bad.get_or_insert((i, j, v));
            }
            aligned.held.push((at.0[i] as usize, at.1[j] as usize, v));
        });
        if let (Some((i, j, v)), Some(file)) = (bad, &m.test) {
            let message =
                format!("row {i}, column {j} (counted from 0) is {v}: held-out entries must be finite numbers");
            return Err(Failure::file(file, message));
        }
    }
    hold_out(m, &mut aligned, spec.seed, number, path)?;
    aligned.of_row = match (&aligned.x, &aligned.mask) {
        (Matrix::Sparse(s), None) if m.stored_only => Some(s.to_csr().outer_iterator().map(|row| row.nnz()).collect()),
        (_, Some(mask)) => {
            let mut counts = vec![0; dim.0];
            mask.view().for_each(|i, _, v| counts[i] += usize::from(v > 0.0));
            Some(counts)
        }
        _ => None,
    };
    Ok(aligned)
}

/// The same matrix with its rows and columns at other places.
fn moved(x: Matrix<f64>, (rows, cols): &(Vec<u32>, Vec<u32>), dim: (usize, usize)) -> Matrix<f64> {
    let stays = |to: &[u32], size: usize| to.len() == size && to.iter().enumerate().all(|(i, n)| i as u32 == *n);
    if stays(rows, dim.0) && stays(cols, dim.1) {
        return x;
    }
    match x {
        Matrix::Dense(a) => {
            let mut out = Array2::zeros(dim);
            a.indexed_iter().for_each(|((i, j), v)| out[[rows[i] as usize, cols[j] as usize]] = *v);
            Matrix::Dense(out)
        }
        Matrix::Sparse(s) => {
            let mut entries = Vec::with_capacity(s.nnz());
            Matrix::Sparse(s).view().for_each(|i, j, v| entries.push((rows[i], cols[j], v)));
            Matrix::Sparse(sparse(dim, entries))
        }
    }
}

/// Takes the entries of `test`, or a share of those known, out of a matrix.
fn hold_out(m: &MatrixSpec, a: &mut Aligned, seed: u64, number: usize, path: &Path) -> Result<(), Failure> {
    if m.holdout.is_none() && a.held.is_empty() {
        return Ok(());
    }
    let refuse = |message: &str| Err(Failure::file(path, format!("line {}: matrix \"{}\": {message}", m.line, m.name)));
    // a random stream of its own for each matrix, far from those of the factors
    let stream = (1 << 16) + number as u64;
    let rows = a.x.dim().0;
    match (&mut a.x, &mut a.mask) {
        (Matrix::Sparse(s), None) if m.stored_only => {
            let dim = s.shape();
            let mut all = Vec::with_capacity(s.nnz());
            Matrix::Sparse(s.clone()).view().for_each(|i, j, v| all.push((i as u32, j as u32, v)));
            let out: std::collections::HashSet<(u32, u32)> = match m.holdout {
                Some(share) => {
                    let chance = uniform::<f64>(all.len(), 1, seed, stream, 1.0);
                    let held = all.iter().zip(&chance).filter(|(_, c)| **c <= share);
                    held.map(|(e, _)| (e.0, e.1)).collect()
                }
                None => a.held.iter().map(|e| (e.0 as u32, e.1 as u32)).collect(),
            };
            let (held, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|e| out.contains(&(e.0, e.1)));
            if m.holdout.is_some() {
                a.held = held.into_iter().map(|(i, j, v)| (i as usize, j as usize, v)).collect();
            }
            if kept.is_empty() {
                return refuse("no entry is left to learn from");
            }
            *s = sparse(dim, kept);
        }
        (Matrix::Dense(x), mask) => {
            let mut known = match mask.take() {
                Some(Matrix::Dense(k)) => k,
                Some(Matrix::Sparse(k)) => k.to_dense(),
                None => Array2::ones(x.dim()),
            };
            if let Some(share) = m.holdout {
                let chance = uniform::<f64>(rows, x.ncols(), seed, stream, 1.0);
                let places = known.indexed_iter().zip(&chance).filter(|((_, k), c)| **k > 0.0 && **c <= share);
                a.held = places.map(|(((i, j), _), _)| (i, j, x[[i, j]])).collect();
            }
            a.held.iter().for_each(|(i, j, _)| known[[*i, *j]] = 0.0);
            *mask = Some(Matrix::Dense(known));
        }
        (Matrix::Sparse(_), Some(_)) => {
            return refuse(
                "holdout and test cannot be combined with a mask of a sparse matrix: take the unknown entries out of the file",
            );
        }
        _ => {
            return refuse(
                "holdout and test need stored_only = true for a sparse matrix (or a dense one): the zeros of this one all count",
            );
        }
    }
    if a.held.is_empty() {
        return refuse("no entry is held out: a larger share is needed");
    }
    Ok(())
}
