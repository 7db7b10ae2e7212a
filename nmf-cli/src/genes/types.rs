//! Known types of cells: read from a table or from the annotations of an `.h5ad`.

use crate::failure::Failure;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Columns that are taken where none is named.
const COLUMNS: [&str; 4] = ["cell_type", "celltype", "type", "label"];

/// What stands for an unknown type.
const UNKNOWN: [&str; 5] = ["", "NA", "NaN", "nan", "None"];

/// The type of each of `cells`; "" where it is unknown.
///
/// `source` is `FILE` or `FILE:COLUMN`: TSV or CSV with a header whose first column names the cells, or an `.h5ad`.
pub(crate) fn read(source: &str, cells: &[String]) -> Result<Vec<String>, Failure> {
    let (path, column) = split(source);
    let pairs = match nmf_io::is_h5ad(&path) {
        true => annotations(&path, column)?,
        false => table(&path, column)?,
    };
    let mut known: HashMap<&str, &str> = HashMap::with_capacity(pairs.len());
    for (cell, kind) in &pairs {
        if known.insert(cell, kind).is_some_and(|old| old != kind) {
            return Err(Failure::file(&path, format!("the cell \"{cell}\" has two types")));
        }
    }
    let types: Vec<String> = cells
        .iter()
        .map(|cell| known.get(cell.as_str()).filter(|t| !UNKNOWN.contains(t)).map_or("", |t| *t).to_string())
        .collect();
    if types.iter().all(String::is_empty) {
        let (theirs, ours) = (pairs.first().map_or("", |p| p.0.as_str()), cells.first().map_or("", String::as_str));
        let message =
            format!("no type for any cell of the input: here the first cell is \"{theirs}\", there \"{ours}\"");
        return Err(Failure::file(&path, message));
    }
    Ok(types)
}

/// FILE and COLUMN; a name with a colon that is a file is a file.
fn split(source: &str) -> (PathBuf, Option<&str>) {
    match source.rsplit_once(':') {
        Some((file, column)) if !column.is_empty() && !Path::new(source).exists() => (file.into(), Some(column)),
        _ => (source.into(), None),
    }
}

/// The column named, or the one of the usual names.
fn place(path: &Path, names: &[String], column: Option<&str>) -> Result<usize, Failure> {
    let at = |name: &str| names.iter().position(|n| n == name);
    let found = match column {
        Some(name) => at(name),
        None => COLUMNS.iter().find_map(|name| names.iter().position(|n| n.eq_ignore_ascii_case(name))),
    };
    found.ok_or_else(|| {
        let wanted = column.map_or_else(|| COLUMNS.join(", "), |c| format!("\"{c}\""));
        let message = format!("no column {wanted}; there are {}; FILE:COLUMN names one", names.join(", "));
        Failure::file(path, message)
    })
}

fn annotations(path: &Path, column: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let names = nmf_io::h5ad_annotations(path)?;
    let at = place(path, &names, column)?;
    let name = names.get(at).map_or("", String::as_str);
    let (cells, types) = nmf_io::h5ad_annotation(path, name)?;
    Ok(cells.into_iter().zip(types).collect())
}

fn table(path: &Path, column: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, format!("cannot be read: {e}")))?;
    let tabs = text.lines().next().is_some_and(|line| line.contains('\t'));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .quoting(!tabs)
        .from_reader(text.as_bytes());
    let bad = |e: csv::Error| Failure::file(path, e);
    let names: Vec<String> = reader.headers().map_err(bad)?.iter().map(String::from).collect();
    if names.len() < 2 {
        return Err(Failure::file(
            path,
            "line 1 has one column: a header is needed, with the cells first and a column of types",
        ));
    }
    // with two columns there is no doubt
    let at = if column.is_none() && names.len() == 2 { 1 } else { place(path, &names, column)? };
    let mut pairs = Vec::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let field = |c: usize| record.get(c).unwrap_or_default().trim().to_string();
        pairs.push((field(0), field(at)));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_string()).collect()
    }

    #[test]
    fn types_are_found_by_the_name_of_the_cell() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name).display().to_string()
        };
        let cells = names(&["c", "a", "z", "b"]);
        let tsv = file("t.tsv", "cell\tkind\na\tB cell\nb\tNA\nc\tNK, big\n");
        assert_eq!(read(&tsv, &cells).unwrap(), names(&["NK, big", "B cell", "", ""]));
        let csv = file("t.csv", "id,batch,Type\na,1,\"B, naive\"\nb,2,T\n");
        assert_eq!(read(&csv, &cells).unwrap(), names(&["", "B, naive", "", "T"]));
        assert_eq!(read(&format!("{csv}:batch"), &cells).unwrap(), names(&["", "1", "", "2"]));
        for (source, word) in [
            (format!("{csv}:size"), "there are id, batch, Type"),
            (file("o.tsv", "cell\ttype\nq\tT\n"), "no type for any cell"),
            (file("d.tsv", "cell\ttype\na\tT\na\tB\n"), "two types"),
            (file("n.tsv", "a\n"), "one column"),
            (file("u.csv", "cell,type\na\n"), "2 fields"),
            ("missing.tsv".into(), "cannot be read"),
        ] {
            let e = read(&source, &cells).unwrap_err();
            assert!(e.code() == 2 && e.message().contains(word), "{}", e.message());
        }
    }
}
