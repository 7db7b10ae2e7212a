//! The TOML file that says which matrices lie over which modes.

use crate::failure::Failure;
use nmf_core::{Loss, Penalty};
use nmf_io::Column;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The file as it is written.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    k: Option<Spanned<usize>>,
    seed: Option<u64>,
    restarts: Option<usize>,
    max_iter: Option<usize>,
    tol: Option<f64>,
    #[serde(default)]
    modes: BTreeMap<Spanned<String>, ModeTable>,
    #[serde(default)]
    matrix: Vec<Spanned<MatrixTable>>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
struct ModeTable {
    names: Option<PathBuf>,
    l1: Option<f64>,
    l2: Option<f64>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct MatrixTable {
    name: Spanned<String>,
    file: PathBuf,
    rows: Spanned<String>,
    cols: Spanned<String>,
    format: Option<Spanned<String>>,
    columns: Option<Spanned<Vec<toml::Value>>>,
    separator: Option<String>,
    header: Option<bool>,
    row_names: Option<bool>,
    transpose: Option<bool>,
    loss: Option<Spanned<String>>,
    weight: Option<Spanned<f64>>,
    stored_only: Option<bool>,
    mask: Option<PathBuf>,
    holdout: Option<Spanned<f64>>,
    test: Option<PathBuf>,
}

/// What is to be factored.
pub(super) struct Spec {
    pub(super) k: Option<usize>,
    pub(super) seed: u64,
    pub(super) restarts: usize,
    pub(super) max_iter: usize,
    pub(super) tol: f64,
    pub(super) modes: Vec<ModeSpec>,
    pub(super) matrices: Vec<MatrixSpec>,
}

impl Spec {
    /// All files it names.
    pub(super) fn files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> = self.modes.iter().filter_map(|m| m.names.as_deref()).collect();
        for m in &self.matrices {
            files.push(&m.file);
            files.extend([m.mask.as_deref(), m.test.as_deref()].into_iter().flatten());
        }
        files
    }
}

/// A mode, in the order in which matrices name them.
pub(super) struct ModeSpec {
    pub(super) name: String,
    /// A name a line, which also fixes the order.
    pub(super) names: Option<PathBuf>,
    pub(super) penalty: Penalty,
}

/// A matrix.
pub(super) struct MatrixSpec {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// Modes by number.
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Three columns of text instead of a matrix.
    pub(super) triples: bool,
    pub(super) columns: Vec<Column>,
    pub(super) separator: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) row_names: Option<bool>,
    pub(super) transpose: bool,
    pub(super) loss: Loss,
    pub(super) weight: f64,
    pub(super) stored_only: bool,
    pub(super) mask: Option<PathBuf>,
    pub(super) holdout: Option<f64>,
    pub(super) test: Option<PathBuf>,
    /// Where it begins in the file, for messages.
    pub(super) line: usize,
}

/// The file's text, for places in it.
struct Places<'t> {
    path: &'t Path,
    text: &'t str,
}

impl Places<'_> {
    fn line(&self, at: &Range<usize>) -> usize {
        1 + self.text.as_bytes().iter().take(at.start).filter(|b| **b == b'\n').count()
    }

    fn error(&self, at: &Range<usize>, message: impl std::fmt::Display) -> Failure {
        Failure::file(self.path, format!("line {}: {message}", self.line(at)))
    }
}

/// Reads and checks the file; the paths in it are relative to its folder.
pub(super) fn read(path: &Path) -> Result<Spec, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, format!("cannot be read: {e}")))?;
    let at = Places { path, text: &text };
    let file: File = toml::from_str(&text).map_err(|e| match e.span() {
        Some(span) => at.error(&span, e.message().replace('\n', "; ")),
        None => Failure::file(path, e.message()),
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    if file.matrix.is_empty() {
        return Err(Failure::file(path, "no [[matrix]] in it: at least one with name, file, rows and cols is needed"));
    }
    if let Some(k) = file.k.as_ref().filter(|k| *k.get_ref() == 0) {
        return Err(at.error(&k.span(), "k = 0 is not accepted: at least one component"));
    }
    let mut tables: HashMap<String, ModeTable> = HashMap::new();
    let mut known: Vec<(String, Range<usize>)> = Vec::new();
    for (name, table) in file.modes {
        known.push((name.get_ref().clone(), name.span()));
        tables.insert(name.into_inner(), table);
    }
    let mut modes: Vec<ModeSpec> = Vec::new();
    let mut matrices: Vec<MatrixSpec> = Vec::new();
    for table in file.matrix {
        let line = at.line(&table.span());
        let t = table.into_inner();
        let name = t.name.get_ref().clone();
        if matrices.iter().any(|m| m.name == name) {
            return Err(at.error(&t.name.span(), format!("two matrices are called \"{name}\"")));
        }
        if t.rows.get_ref() == t.cols.get_ref() {
            let message =
                "rows and cols are the same mode: X ≈ F·Fᵀ is another model; give the columns a mode of their own";
            return Err(at.error(&t.cols.span(), message));
        }
        let mut number = |mode: &Spanned<String>| mode_number(mode, &mut modes, &mut tables, folder, &at);
        let (rows, cols) = (number(&t.rows)?, number(&t.cols)?);
        let loss = match &t.loss {
            None => Loss::FRO,
            Some(l) => l.get_ref().parse().map_err(|e| at.error(&l.span(), e))?,
        };
        let weight = t.weight.as_ref().map_or(1.0, |w| *w.get_ref());
        if let Some(w) = t.weight.as_ref().filter(|_| !(weight > 0.0 && weight.is_finite())) {
            return Err(at.error(&w.span(), format!("weight = {weight} is not accepted: a finite number > 0")));
        }
        if let Some(h) = t.holdout.as_ref().filter(|h| !(*h.get_ref() > 0.0 && *h.get_ref() < 1.0)) {
            let share = h.get_ref();
            return Err(at.error(&h.span(), format!("holdout = {share} is not accepted: a share between 0 and 1")));
        }
        let holdout = t.holdout.as_ref().map(|h| *h.get_ref());
        if let (Some(h), true) = (&t.holdout, t.test.is_some()) {
            return Err(at.error(&h.span(), "holdout and test exclude each other"));
        }
        let triples = match &t.format {
            None => t.columns.is_some() || !is_matrix(&folder.join(&t.file)),
            Some(f) => match f.get_ref().as_str() {
                "triples" => true,
                "matrix" => false,
                other => {
                    return Err(at.error(&f.span(), format!("format = \"{other}\" is not accepted: triples or matrix")));
                }
            },
        };
        let columns = columns(t.columns.as_ref(), triples, &at)?;
        if let (false, Some(f)) = (triples, &t.separator) {
            let message = format!("separator = \"{f}\" is for triples; a matrix has none to choose");
            return Err(Failure::file(path, format!("line {line}: {message}")));
        }
        let join = |file: &PathBuf| folder.join(file);
        matrices.push(MatrixSpec {
            name,
            file: folder.join(&t.file),
            rows,
            cols,
            triples,
            columns,
            separator: t.separator,
            header: t.header,
            row_names: t.row_names,
            transpose: t.transpose.unwrap_or(false),
            loss,
            weight,
            stored_only: t.stored_only.unwrap_or(false),
            mask: t.mask.as_ref().map(join),
            holdout,
            test: t.test.as_ref().map(join),
            line,
        });
    }
    if let Some((name, span)) = known.iter().find(|(name, _)| !modes.iter().any(|m| m.name == *name)) {
        return Err(at.error(span, format!("mode \"{name}\" appears in no matrix, as rows or cols")));
    }
    Ok(Spec {
        k: file.k.map(Spanned::into_inner),
        seed: file.seed.unwrap_or(0),
        restarts: file.restarts.unwrap_or(1),
        max_iter: file.max_iter.unwrap_or(500),
        tol: file.tol.unwrap_or(1e-4),
        modes,
        matrices,
    })
}

/// The number of a mode, which begins to exist where a matrix names it.
fn mode_number(
    mode: &Spanned<String>,
    modes: &mut Vec<ModeSpec>,
    tables: &mut HashMap<String, ModeTable>,
    folder: &Path,
    at: &Places<'_>,
) -> Result<usize, Failure> {
    let name = mode.get_ref();
    if let Some(n) = modes.iter().position(|m| m.name == *name) {
        return Ok(n);
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        let message =
            format!("mode \"{name}\": letters a to z, digits, _ and - are accepted, as it becomes a file name");
        return Err(at.error(&mode.span(), message));
    }
    let table = tables.remove(name).unwrap_or_default();
    let penalty = Penalty { l1: table.l1.unwrap_or(0.0), l2: table.l2.unwrap_or(0.0) };
    penalty.check().map_err(|e| Failure::file(at.path, format!("[modes.{name}]: {e}")))?;
    modes.push(ModeSpec { name: name.clone(), names: table.names.map(|f| folder.join(f)), penalty });
    Ok(modes.len() - 1)
}

fn is_matrix(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    path.is_dir()
        || [".npy", ".npz", ".mtx", ".mtx.gz", ".csv", ".tsv", ".csv.gz", ".tsv.gz"].iter().any(|e| name.ends_with(e))
}

/// Those of row, column and value; 1, 2, 3 by default.
fn columns(given: Option<&Spanned<Vec<toml::Value>>>, triples: bool, at: &Places<'_>) -> Result<Vec<Column>, Failure> {
    let Some(given) = given else { return Ok(vec![Column::Number(1), Column::Number(2), Column::Number(3)]) };
    let refuse = |message: &str| Err(at.error(&given.span(), message));
    if !triples {
        return refuse("columns are for triples; a matrix has none to choose");
    }
    let mut out = Vec::new();
    for value in given.get_ref() {
        out.push(match value {
            toml::Value::Integer(n) if *n >= 1 => Column::Number(*n as usize),
            toml::Value::String(name) => Column::Name(name.clone()),
            _ => return refuse("columns are names, or numbers from 1"),
        });
    }
    match out.len() {
        // without a value, a pair of names stands for 1
        2 | 3 => Ok(out),
        _ => refuse("columns of row, column and value are expected; without a value, each line counts 1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<Spec, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_file_is_read() {
        let s = spec(
            "k = 3\nseed = 9\n[modes.user]\nl2 = 0.5\n[[matrix]]\nname = \"r\"\nfile = \"r.tsv\"\nrows = \"user\"\ncols = \"item\"\n\
             loss = \"kl\"\nformat = \"triples\"\ncolumns = [1, \"b\"]\n[[matrix]]\nname = \"g\"\nfile = \"g.npy\"\nrows = \"item\"\ncols = \"genre\"\nweight = 2.0\n",
        )
        .unwrap();
        let modes: Vec<&str> = s.modes.iter().map(|m| m.name.as_str()).collect();
        assert_eq!((modes, s.k, s.seed), (vec!["user", "item", "genre"], Some(3), 9));
        assert_eq!((s.modes[0].penalty.l2, s.matrices[0].columns.len()), (0.5, 2));
        assert_eq!((s.matrices[1].rows, s.matrices[1].cols, s.matrices[1].line), (1, 2, 13));
        assert!(s.matrices[0].triples && !s.matrices[1].triples && s.matrices[0].loss.is_kl());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let matrix = "[[matrix]]\nname = \"r\"\nfile = \"r.npy\"\nrows = \"a\"\ncols = \"b\"\n";
        for (text, words) in [
            ("k = 3\n".to_string(), &["no [[matrix]]"][..]),
            (format!("k = 0\n{matrix}"), &["line 1", "k = 0"]),
            (format!("rank = 3\n{matrix}"), &["line 1", "rank", "expected"]),
            (format!("{matrix}weigth = 2\n"), &["line 6", "weigth"]),
            (format!("{matrix}weight = -2.0\n"), &["line 6", "> 0"]),
            (format!("{matrix}loss = \"l2\"\n"), &["line 6", "fro, kl"]),
            (format!("{matrix}holdout = 1.5\n"), &["line 6", "between 0 and 1"]),
            (format!("{matrix}format = \"x\"\n"), &["line 6", "triples or matrix"]),
            (format!("{matrix}columns = [1, 2, 3]\nformat = \"matrix\"\n"), &["line 6", "triples"]),
            (format!("[modes.c]\nl1 = 1.0\n{matrix}"), &["line 1", "\"c\"", "no matrix"]),
            (format!("[modes.a]\nl1 = -1.0\n{matrix}"), &["[modes.a]", "l1 = -1"]),
            (format!("{matrix}{matrix}"), &["line 7", "two matrices"]),
            (matrix.replace("\"b\"", "\"a\""), &["line 5", "F·Fᵀ"]),
            (matrix.replace("\"b\"", "\"b/c\""), &["line 5", "b/c"]),
            ("k = \n".into(), &["line 1"]),
        ] {
            let e = spec(&text).err().unwrap();
            assert_eq!(e.code(), 2);
            words.iter().for_each(|w| assert!(e.message().contains(w), "\"{w}\" is not in: {}", e.message()));
        }
    }
}
