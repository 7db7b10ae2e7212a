//! NumPy's `.npz` archives: one array, or a sparse matrix as `scipy.sparse.save_npz` lays it out.

use crate::error::{Error, Result};
use crate::npy::{self, Header, Place};
use crate::source::DEFLATE_MOST;
use crate::sparse::{self, Coo, check_dim, check_rows};
use crate::table::{Loaded, Precision, ReadOptions, Table};
use nmf_core::{Element, MatrixRef, Sparse, SparseView};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Names that an archive of several arrays may give the one that is meant.
const PREFERRED: [&str; 3] = ["X", "arr_0", "data"];

pub(crate) struct Archive<'p> {
    path: &'p Path,
    zip: ZipArchive<BufReader<File>>,
    length: u64,
    pub(crate) names: Vec<String>,
}

/// What is said of a member while it is open.
pub(crate) struct Member<'a, R> {
    pub(crate) header: Header,
    pub(crate) reader: R,
    pub(crate) most: u64,
    pub(crate) place: Place<'a>,
}

impl<'p> Archive<'p> {
    pub(crate) fn open(path: &'p Path) -> Result<Self> {
        let fail = |e| Error::Read { path: path.into(), source: e };
        let file = File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let zip = ZipArchive::new(BufReader::with_capacity(128 << 10, file)).map_err(|e| match e {
            ZipError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof => fail(e),
            e => Error::format(path, format!("not a complete zip archive, which .npz files are ({e})")),
        })?;
        let mut names = Vec::new();
        for name in zip.file_names() {
            let name = name.map_err(|e| Error::format(path, format!("a member's name cannot be read ({e})")))?;
            names.extend(npyz::npz::array_name_from_file_name(&name).map(str::to_owned));
        }
        Ok(Archive { path, zip, length, names })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    pub(crate) fn member<'a>(&'a mut self, name: &'a str) -> Result<Member<'a, impl io::Read + 'a>> {
        let place = Place { path: self.path, member: Some(name) };
        let file = npyz::npz::file_name_from_array_name(name);
        let mut reader = self.zip.by_name(&file).map_err(|e| match e {
            ZipError::FileNotFound => Error::format(
                place.path,
                format!("the member '{name}' is missing; a sparse matrix saved by scipy.sparse.save_npz has it"),
            ),
            e => place.error(format!("cannot be read ({e})")),
        })?;
        let packed = reader.compressed_size().min(self.length);
        let most = reader.size().min(packed.saturating_mul(DEFLATE_MOST));
        let header = Header::read(&mut reader, place)?;
        Ok(Member { header, reader, most, place })
    }

    fn indices<U: TryFrom<u64>>(&mut self, name: &str, max: u64) -> Result<Vec<U>> {
        let Member { header, mut reader, most, place } = self.member(name)?;
        header.indices(&mut reader, most, max, place)
    }

    fn values<T: Element>(&mut self, name: &str, expected: usize) -> Result<Vec<T>> {
        let Member { header, mut reader, most, place } = self.member(name)?;
        check_len(place, &header, expected as u64)?;
        header.values(&mut reader, most, place)
    }
}

fn check_len(place: Place, header: &Header, expected: u64) -> Result<()> {
    if header.shape == [expected] {
        return Ok(());
    }
    Err(place.error(format!("shape {:?}, expected {expected} entries", header.shape)))
}

pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    let mut archive = Archive::open(path)?;
    if archive.has("format") || archive.has("indptr") || (archive.has("row") && archive.has("col")) {
        let precision = archive.member("data")?.header.precision();
        return Ok(match options.precision.unwrap_or(precision) {
            Precision::F32 => Loaded::F32(Table::new(read_sparse::<f32>(&mut archive)?)),
            Precision::F64 => Loaded::F64(Table::new(read_sparse::<f64>(&mut archive)?)),
        });
    }
    let name = choose(&archive)?;
    let Member { header, mut reader, most, place } = archive.member(&name)?;
    npy::load(&header, &mut reader, most, place, options)
}

fn choose(archive: &Archive) -> Result<String> {
    match &archive.names[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::format(archive.path, "an archive without arrays (no member ends in .npy)")),
        several => PREFERRED.iter().find(|p| archive.has(p)).map(|&p| p.to_owned()).ok_or_else(|| {
            let found = several.iter().take(20).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
            let message = format!(
                "{} arrays ({found}): one is needed, or one named {}; or a sparse matrix of scipy.sparse.save_npz",
                several.len(),
                PREFERRED.join(", ")
            );
            Error::format(archive.path, message)
        }),
    }
}

fn read_sparse<T: Element>(archive: &mut Archive) -> Result<Sparse<T>> {
    let path = archive.path;
    let format = {
        let Member { header, mut reader, place, .. } = archive.member("format")?;
        header.string(&mut reader, place)?
    };
    let (rows, cols) = {
        let Member { header, mut reader, most, place } = archive.member("shape")?;
        check_len(place, &header, 2)?;
        let dims: Vec<u64> = header.indices(&mut reader, most, u64::MAX, place)?;
        (check_dim(path, "rows", dims[0])?, check_dim(path, "columns", dims[1])?)
    };
    match format.as_str() {
        "csr" => {
            let (indptr, indices, data) = compressed(archive, rows, cols)?;
            sparse::finish(path, (rows, cols), indptr, indices, data)
        }
        "csc" => {
            let (indptr, indices, data) = compressed(archive, cols, rows)?;
            check_rows(path, rows, indices.len() as u64)?;
            sparse::transpose(path, (rows, cols), indptr, indices, data)
        }
        "coo" => {
            let (row, col) = coordinates(archive, rows, cols)?;
            check_rows(path, rows, row.len() as u64)?;
            let values = archive.values("data", row.len())?;
            Coo { rows: row, cols: col, values }.into_csr(path, (rows, cols))
        }
        other => Err(Error::format(
            path,
            format!(
                "a sparse matrix in the format {}: csr, csc and coo are accepted; convert it with .tocsr()",
                crate::error::quote(other.as_bytes())
            ),
        )),
    }
}

/// The three arrays of a compressed matrix, checked, its outer dimension `outer` long.
#[allow(clippy::type_complexity)]
fn compressed<T: Element>(archive: &mut Archive, outer: usize, inner: usize) -> Result<(Vec<u64>, Vec<u32>, Vec<T>)> {
    let stored = {
        let Member { header, place, .. } = archive.member("data")?;
        match header.shape[..] {
            [n] => n,
            _ => return Err(place.error(format!("shape {:?}: one dimension is needed", header.shape))),
        }
    };
    let indptr: Vec<u64> = {
        let Member { header, mut reader, most, place } = archive.member("indptr")?;
        check_len(place, &header, outer as u64 + 1)?;
        header.indices(&mut reader, most, stored, place)?
    };
    sparse::check_indptr(&indptr, stored)
        .map_err(|message| Place { path: archive.path, member: Some("indptr") }.error(message))?;
    let indices = {
        let Member { header, mut reader, most, place } = archive.member("indices")?;
        check_len(place, &header, stored)?;
        match (inner as u64).checked_sub(1) {
            Some(max) => header.indices(&mut reader, most, max, place)?,
            None if stored == 0 => Vec::new(),
            None => return Err(place.error("entries in a matrix without room for any")),
        }
    };
    let data = archive.values("data", indices.len())?;
    Ok((indptr, indices, data))
}

fn coordinates(archive: &mut Archive, rows: usize, cols: usize) -> Result<(Vec<u32>, Vec<u32>)> {
    let max = |n: usize| (n as u64).saturating_sub(1);
    let (row, col): (Vec<u32>, Vec<u32>) = if archive.has("coords") {
        let Member { header, mut reader, most, place } = archive.member("coords")?;
        let [2, n] = header.shape[..] else {
            return Err(place.error(format!("shape {:?}, expected two rows", header.shape)));
        };
        let mut row: Vec<u32> = header.indices(&mut reader, most, max(rows.max(cols)), place)?;
        let col = row.split_off(n as usize);
        (row, col)
    } else {
        (archive.indices("row", max(rows))?, archive.indices("col", max(cols))?)
    };
    let outside = |v: &[u32], n: usize| v.iter().any(|&i| i as usize >= n);
    if row.len() != col.len() || outside(&row, rows) || outside(&col, cols) {
        let message = format!("{} row and {} column indices do not fit a {rows}×{cols} matrix", row.len(), col.len());
        return Err(Error::format(archive.path, message));
    }
    Ok((row, col))
}

/// Writes a dense matrix as `arr_0`, a sparse one as `scipy.sparse.save_npz` does.
pub(crate) fn write<T: Element>(file: &mut File, matrix: &MatrixRef<'_, T>) -> io::Result<()> {
    archive(file, |zip| match matrix {
        MatrixRef::Dense(a) => {
            begin(zip, "arr_0", a.len() as u64 * 8)?;
            npy::write_npy_to(zip, a.view())
        }
        MatrixRef::Sparse(s) => write_sparse(zip, s),
    })
}

/// An archive that is being written.
pub(crate) type Writer<'a, 'f> = ZipWriter<&'a mut Held<BufWriter<&'f mut File>>>;

/// Writes an archive whose members `fill` writes.
pub(crate) fn archive<'f>(
    file: &'f mut File,
    fill: impl FnOnce(&mut Writer<'_, 'f>) -> io::Result<()>,
) -> io::Result<()> {
    let mut held = Held { file: BufWriter::with_capacity(128 << 10, file), error: None };
    let mut zip = ZipWriter::new(&mut held);
    let written = fill(&mut zip);
    let finished = zip.finish().map(|_| ()).map_err(io::Error::from);
    held.error.take().map_or(Ok(()), Err)?;
    written.and(finished)?;
    held.file.flush()
}

/// Keeps the first error of writing and takes everything that follows for written: a `ZipWriter` that meets
/// an error would report it on stderr when dropped.
pub(crate) struct Held<W> {
    file: W,
    error: Option<io::Error>,
}

impl<W: Write> Held<W> {
    fn hold<V>(&mut self, otherwise: V, act: impl FnOnce(&mut W) -> io::Result<V>) -> io::Result<V> {
        if self.error.is_none() {
            match act(&mut self.file) {
                Ok(v) => return Ok(v),
                Err(e) => self.error = Some(e),
            }
        }
        Ok(otherwise)
    }
}

impl<W: Write> Write for Held<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hold(bytes.len(), |w| w.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hold((), W::flush)
    }
}

impl<W: Write + io::Seek> io::Seek for Held<W> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.hold(0, |w| w.seek(to))
    }
}

fn begin(zip: &mut ZipWriter<impl io::Write + io::Seek>, name: &str, bytes: u64) -> io::Result<()> {
    begin_as(zip, name, bytes, CompressionMethod::Deflated)
}

/// Begins a member whose values take at most so many bytes.
pub(crate) fn begin_as(
    zip: &mut ZipWriter<impl io::Write + io::Seek>,
    name: &str,
    bytes: u64,
    method: CompressionMethod,
) -> io::Result<()> {
    let options =
        SimpleFileOptions::default().compression_method(method).large_file(bytes + (1 << 20) > u64::from(u32::MAX));
    Ok(zip.start_file(npyz::npz::file_name_from_array_name(name), options)?)
}

fn write_sparse<T: Element>(zip: &mut ZipWriter<impl io::Write + io::Seek>, s: &SparseView<'_, T>) -> io::Result<()> {
    let (rows, cols) = s.shape();
    let nnz = s.nnz() as u64;
    // SciPy wants one type for both index arrays and takes the narrow one where it can.
    let narrow = nnz.max(rows as u64).max(cols as u64) <= i32::MAX as u64;
    let dtype = if narrow { "<i4" } else { "<i8" };
    let mut integers = |name: &str, dtype: &str, n: u64, values: &mut dyn Iterator<Item = u64>| {
        begin(zip, name, n * 8)?;
        npy::write_header(zip, dtype, &[n])?;
        npy::write_values(zip, values, |v, out| {
            if dtype == "<i4" {
                out.extend_from_slice(&(v as u32).to_le_bytes());
            } else {
                out.extend_from_slice(&v.to_le_bytes());
            }
        })
    };
    integers("indices", dtype, nnz, &mut s.indices().iter().map(|&i| u64::from(i)))?;
    let indptr = s.proper_indptr();
    integers("indptr", dtype, indptr.len() as u64, &mut indptr.iter().copied())?;
    integers("shape", "<i8", 2, &mut [rows as u64, cols as u64].into_iter())?;
    begin(zip, "format", 0)?;
    npy::write_header(zip, "|S3", &[])?;
    zip.write_all(if s.is_csr() { b"csr" } else { b"csc" })?;
    begin(zip, "data", nnz * 8)?;
    npy::write_npy_to(zip, ndarray::ArrayView1::from(s.data()))
}
