//! Documents from tab- or comma-separated values.

use super::open::reader;
use super::{Document, LABEL_NAMES, LARGEST, ReadOptions, ReadReport, Sink, TEXT_NAMES};
use crate::decode::{self, Tally};
use crate::error::{Error, Result};
use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::Encoding;
use std::collections::HashSet;
use std::io::{Cursor, Read};
use std::path::Path;

/// Records looked at before the columns are chosen.
const SAMPLE: usize = 64;

/// One record as text.
struct Row {
    line: u64,
    fields: Vec<String>,
    fell_back: bool,
}

struct Records<'a> {
    path: &'a Path,
    delimiter: u8,
    inner: csv::Reader<Box<dyn Read>>,
    width: usize,
}

impl Records<'_> {
    fn next(&mut self) -> Result<Option<Row>> {
        let mut record = ByteRecord::new();
        let more = self.inner.read_byte_record(&mut record).map_err(|e| match e.into_kind() {
            csv::ErrorKind::Io(source) => Error::io(self.path)(source),
            other => Error::record(self.path, self.inner.position().line(), format!("{other:?}")),
        })?;
        if !more {
            return Ok(None);
        }
        let line = record.position().map_or(0, csv::Position::line);
        if record.as_slice().len() as u64 > LARGEST {
            let message = format!("the record is larger than {LARGEST} bytes; is a quotation mark left open?");
            return Err(Error::record(self.path, line, message));
        }
        if self.width == 0 {
            self.width = record.len();
        }
        if record.len() != self.width {
            let hint = match self.delimiter {
                b'\t' => "a TSV has one record a line and no quoting; save texts with tabs or line ends as CSV",
                _ => {
                    "a field with commas, line ends or quotation marks must be quoted, and its quotation marks doubled"
                }
            };
            let message = format!("{} fields where line 1 has {}: {hint}", record.len(), self.width);
            return Err(Error::record(self.path, line, message));
        }
        let mut row = Row { line, fields: Vec::with_capacity(record.len()), fell_back: false };
        for field in &record {
            let (mut text, fell_back) = decode::field(field);
            row.fell_back |= fell_back;
            if self.delimiter == b'\t' && text.len() > 1 && text.starts_with('"') && text.ends_with('"') {
                text = text[1..text.len() - 1].replace("\"\"", "\"");
            }
            row.fields.push(text);
        }
        Ok(Some(row))
    }
}

/// The columns to read, and whether the first row only names them.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    header: bool,
    text: usize,
    label: Option<usize>,
}

pub(crate) fn read(
    path: &Path,
    delimiter: u8,
    options: &ReadOptions,
    encoding: Option<&'static Encoding>,
    sink: &mut Sink,
) -> Result<ReadReport> {
    let mut source = reader(path)?;
    let mut head = Vec::new();
    source.by_ref().take(3).read_to_end(&mut head).map_err(Error::io(path))?;
    let bom = decode::bom(&head);
    let rest = head.get(bom.map_or(0, |(_, skip)| skip)..).unwrap_or(&[]).to_vec();
    let bytes: Box<dyn Read> = Box::new(Cursor::new(rest).chain(source));
    let bytes = match bom.map(|(e, _)| e).or(encoding) {
        Some(e) => Box::new(decode::Transcode::new(bytes, e)),
        None => bytes,
    };
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true).quoting(delimiter != b'\t');
    let mut records = Records { path, delimiter, inner: builder.buffer_capacity(1 << 16).from_reader(bytes), width: 0 };

    let mut sample = Vec::new();
    while sample.len() < SAMPLE {
        match records.next()? {
            Some(row) => sample.push(row),
            None => break,
        }
    }
    if sample.is_empty() {
        return Err(Error::format(path, "the file holds no record"));
    }
    let columns = choose(path, &sample, options)?;
    let name = |i: usize| match sample.first().and_then(|r| r.fields.get(i)) {
        Some(name) if columns.header => name.trim().to_string(),
        _ => (i + 1).to_string(),
    };
    let mut report = ReadReport {
        labelled: columns.label.is_some(),
        text_column: Some(name(columns.text)),
        label_column: columns.label.map(name),
        ..Default::default()
    };
    let mut tally = Tally::default();
    let mut number = 0u64;
    let mut push = |mut row: Row| -> Result<()> {
        number += 1;
        tally.record(row.fell_back, &format!("line {}", row.line));
        let label = columns.label.map(|i| row.fields[i].trim().to_string()).filter(|l| !l.is_empty());
        let text = std::mem::take(&mut row.fields[columns.text]);
        sink.push(Document { name: number.to_string(), label, text })
    };
    for row in sample.into_iter().skip(usize::from(columns.header)) {
        push(row)?;
    }
    while let Some(row) = records.next()? {
        push(row)?;
    }
    report.add_tally(tally);
    Ok(report)
}

/// A number as tables write them.
fn numeric(field: &str) -> bool {
    let field = field.trim();
    field.is_empty() || field.parse::<f64>().is_ok()
}

fn known(field: &str, names: &[&str]) -> bool {
    names.contains(&field.trim().to_lowercase().as_str())
}

/// A name as headers have them: starts with a letter, no spaces, not long.
fn identifier(field: &str) -> bool {
    let field = field.trim();
    field.starts_with(char::is_alphabetic) && field.chars().count() <= 40 && !field.contains(char::is_whitespace)
}

fn choose(path: &Path, sample: &[Row], options: &ReadOptions) -> Result<Columns> {
    let first: &[String] = sample.first().map_or(&[], |r| &r.fields);
    let asked = |option: &Option<String>| option.as_ref().is_some_and(|n| first.iter().any(|f| f.trim() == n));
    let header = options.header.unwrap_or_else(|| {
        let distinct: HashSet<&str> = first.iter().map(|f| f.trim()).collect();
        asked(&options.text_column)
            || asked(&options.label_column)
            || first.iter().any(|f| known(f, &TEXT_NAMES) || known(f, &LABEL_NAMES))
            || (first.len() > 1
                && distinct.len() == first.len()
                && first.iter().all(|f| identifier(f))
                && sample.get(1).is_some_and(|r| r.fields.iter().any(|f| f.trim().contains(' '))))
    });
    let find = |wanted: &str| -> Result<usize> {
        if let Some(i) = first.iter().position(|f| header && f.trim() == wanted) {
            return Ok(i);
        }
        match wanted.parse::<usize>() {
            Ok(n) if (1..=first.len()).contains(&n) => Ok(n - 1),
            _ => Err(Error::Column {
                path: path.to_path_buf(),
                column: wanted.to_string(),
                available: match header {
                    true => first.iter().map(|f| format!("{:?}", f.trim())).collect::<Vec<_>>().join(", "),
                    false => format!("1 to {} (line 1 was not taken for a header)", first.len()),
                },
            }),
        }
    };
    let by_name = |names: &[&str]| match header {
        true => names.iter().find_map(|n| first.iter().position(|f| known(f, &[n]))),
        false => None,
    };
    let text = options.text_column.as_deref().map(find).transpose()?.or_else(|| by_name(&TEXT_NAMES));
    let mut label = options.label_column.as_deref().map(find).transpose()?;
    if label.is_none() {
        label = by_name(&LABEL_NAMES).filter(|l| Some(*l) != text);
    }
    // texts: mostly no numbers, and somewhere more than one word (or a script without spaces)
    let textual = |i: usize| {
        let fields = || sample.iter().skip(usize::from(header)).filter_map(|r| r.fields.get(i));
        let numbers = fields().filter(|f| numeric(f)).count();
        2 * numbers < fields().count()
            && fields().any(|f| f.trim().contains(|c: char| c.is_whitespace() || !c.is_ascii()))
    };
    let text = match text.or_else(|| (0..first.len()).rev().find(|i| Some(*i) != label && textual(*i))) {
        Some(text) => text,
        None => {
            return Err(Error::format(
                path,
                "no column holds texts of several words (--text-column takes any column; a matrix of numbers is no corpus)",
            ));
        }
    };
    if label == Some(text) {
        return Err(Error::Option {
            option: "--label-column",
            value: options.label_column.clone().unwrap_or_default(),
            expected: "it is the column of the text; the two must differ".into(),
        });
    }
    Ok(Columns { header, text, label })
}
