//! Lines of text with fields of which some are wanted: ratings as user, item, rating; numbers of items beside their names.

use crate::error::{Error, Result, quote};
use crate::source::{Lines, Source};
use crate::text::Record;
use encoding_rs::WINDOWS_1252;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

/// A column that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its name in line 1.
    Name(String),
    /// By its number, from 1.
    Number(usize),
}

impl FromStr for Column {
    type Err = String;

    /// A number ≥ 1, or else a name.
    fn from_str(s: &str) -> std::result::Result<Column, String> {
        match s.trim().parse() {
            Ok(0) => Err("columns are counted from 1".into()),
            Ok(n) => Ok(Column::Number(n)),
            Err(_) if s.trim().is_empty() => Err("an empty column name".into()),
            Err(_) => Ok(Column::Name(s.trim().to_owned())),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "\"{name}\""),
            Column::Number(n) => write!(f, "{n}"),
        }
    }
}

/// How lines are taken apart.
#[derive(Debug, Clone, Default)]
pub struct FieldOptions {
    /// What stands between fields; by default the first of tab, `::`, `|`, `;`, `,` that line 1 has, else blanks. A separator of one byte
    /// leaves room for quoted fields.
    pub separator: Option<String>,
    /// Whether line 1 holds names; by default it does where a column is asked for by its name, or where its field of `numeric` is no
    /// number.
    pub header: Option<bool>,
    /// Which of the columns asked for (from 0) holds numbers.
    pub numeric: Option<usize>,
}

/// Calls `visit` with the line and the fields asked for, line by line. Text that is not UTF-8 is read as Windows-1252; returns how many
/// lines were. `path` can name a member of an archive, `archive.zip!/member`; gzip is undone.
///
/// # Errors
/// A file that cannot be read, a line with too few fields, a column that line 1 does not name, or what `visit` says, each with its place.
pub fn read_fields(
    path: &Path,
    columns: &[Column],
    options: &FieldOptions,
    mut visit: impl FnMut(u64, &[Cow<'_, str>]) -> std::result::Result<(), String>,
) -> Result<u64> {
    let mut source = Source::open_member(path)?;
    if source.head.starts_with(&[0xff, 0xfe]) || source.head.starts_with(&[0xfe, 0xff]) {
        return Err(Error::format(path, "text in UTF-16: save it as UTF-8"));
    }
    if let Some(at) = source.head.iter().position(|&b| b == 0) {
        return Err(Error::format(path, format!("binary data (a zero byte at offset {at}), not lines of text")));
    }
    if source.head.starts_with(b"\xef\xbb\xbf") {
        source.head.drain(..3);
        io::copy(&mut source.stream.by_ref().take(3), &mut io::sink()).map_err(|e| Error::read(path, e))?;
    }
    let separator = match &options.separator {
        Some(s) if s.is_empty() => {
            return Err(Error::format(path, "an empty separator: at least one character is needed"));
        }
        Some(s) => Separator::of(&s.replace("\\t", "\t")),
        None => Separator::guess(&source.head),
    };
    let mut lines = Lines::new(path, source.stream);
    let mut record = Record::default();
    let mut decoded = 0;
    if !separator.read(&mut lines, &mut record)? {
        return Err(Error::format(path, "the file is empty: lines of fields are expected"));
    }
    let named = columns.iter().any(|c| matches!(c, Column::Name(_)));
    if named && options.header == Some(false) {
        return Err(Error::format(path, "columns by name need a line 1 with names: without it, give their numbers"));
    }
    let header = options.header.unwrap_or_else(|| {
        let number = options.numeric.and_then(|at| columns.get(at)).and_then(|c| match c {
            Column::Number(n) if *n <= record.len() => Some(record.field(*n - 1)),
            _ => None,
        });
        named || number.is_some_and(|field| crate::source::parse_number(field).is_none())
    });
    let mut places = Vec::new();
    for column in columns {
        places.push(match column {
            Column::Number(0) => return Err(Error::format(path, "columns are counted from 1")),
            Column::Number(n) => n - 1,
            Column::Name(name) => {
                let found = (0..record.len()).find(|i| record.field(*i).eq_ignore_ascii_case(name.as_bytes()));
                found.ok_or_else(|| {
                    let known: Vec<String> = (0..record.len()).map(|i| quote(record.field(i))).collect();
                    let message = format!("no column is called \"{name}\"; line 1 has {}", known.join(", "));
                    Error::text(path, record.line, None, message)
                })?
            }
        });
    }
    let mut more = !header || separator.read(&mut lines, &mut record)?;
    while more {
        let mut fields = Vec::with_capacity(places.len());
        for place in &places {
            if *place >= record.len() {
                let message = format!(
                    "{} field{}, but column {} is wanted: {} between the fields?",
                    record.len(),
                    if record.len() == 1 { "" } else { "s" },
                    place + 1,
                    separator
                );
                return Err(Error::text(path, record.line, None, message));
            }
            fields.push(record.field(*place));
        }
        let texts: Vec<Cow<'_, str>> =
            match fields.iter().map(|f| std::str::from_utf8(f)).collect::<std::result::Result<Vec<_>, _>>() {
                Ok(texts) => texts.into_iter().map(Cow::Borrowed).collect(),
                Err(_) => {
                    decoded += 1;
                    fields.iter().map(|f| WINDOWS_1252.decode_without_bom_handling(f).0).collect()
                }
            };
        visit(record.line, &texts).map_err(|message| Error::text(path, record.line, None, message))?;
        more = separator.read(&mut lines, &mut record)?;
    }
    Ok(decoded)
}

/// What stands between fields.
#[derive(Debug, PartialEq)]
enum Separator {
    Byte(u8),
    Text(Vec<u8>),
    Blanks,
}

impl Separator {
    fn of(text: &str) -> Separator {
        match text.as_bytes() {
            b" " => Separator::Blanks,
            [byte] => Separator::Byte(*byte),
            bytes => Separator::Text(bytes.to_vec()),
        }
    }

    fn guess(head: &[u8]) -> Separator {
        let line = head.split(|b| *b == b'\n').find(|l| !l.trim_ascii().is_empty()).unwrap_or_default();
        let has = |text: &[u8]| line.windows(text.len()).any(|w| w == text);
        let known = ["\t", "::", "|", ";", ","].into_iter().find(|s| has(s.as_bytes()));
        known.map_or(Separator::Blanks, Separator::of)
    }

    fn read(&self, lines: &mut Lines<'_, impl io::BufRead>, record: &mut Record) -> Result<bool> {
        // in tables with tabs or bars, quotes are ordinary characters
        if let Separator::Byte(byte @ (b',' | b';')) = self {
            return record.read(lines, *byte);
        }
        loop {
            if !lines.advance()? {
                return Ok(false);
            }
            let line = lines.line();
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self {
                Separator::Text(text) => record.set(split(line, text).into_iter()),
                Separator::Byte(byte) => record.set(split(line, &[*byte]).into_iter()),
                _ => record.set(line.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty())),
            }
            record.line = lines.number();
            return Ok(true);
        }
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Separator::Byte(b'\t') => f.write_str("a tab"),
            Separator::Byte(byte) => write!(f, "\"{}\"", char::from(*byte)),
            Separator::Text(text) => write!(f, "\"{}\"", String::from_utf8_lossy(text)),
            Separator::Blanks => f.write_str("blanks"),
        }
    }
}

fn split<'l>(mut line: &'l [u8], separator: &[u8]) -> Vec<&'l [u8]> {
    let mut fields = Vec::new();
    while let Some(at) = line.windows(separator.len()).position(|w| w == separator) {
        fields.push(&line[..at]);
        line = &line[at + separator.len()..];
    }
    fields.push(line);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, Vec<String>);

    fn read(content: &[u8], columns: &[&str], options: &FieldOptions) -> Result<(Vec<Row>, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, content).unwrap();
        let columns: Vec<Column> = columns.iter().map(|c| c.parse().unwrap()).collect();
        let mut rows = Vec::new();
        let decoded = read_fields(&path, &columns, options, |line, fields| {
            rows.push((line, fields.iter().map(|f| f.to_string()).collect()));
            Ok(())
        })?;
        Ok((rows, decoded))
    }

    #[test]
    fn separators_are_found() {
        let own = FieldOptions::default();
        for text in ["a\tb c\t3", "a::b c::3", "a|b c|3", "a;b c;3", "a,b c,3", "a , \"b c\" , 3\r\n\r\n"] {
            let (rows, _) = read(text.as_bytes(), &["3", "2", "1"], &own).unwrap();
            assert_eq!(rows, [(1, vec!["3".into(), "b c".into(), "a".into()])], "{text}");
        }
        let (rows, _) = read(b"  1   2  3\n4 5 6 ", &["1", "3"], &own).unwrap();
        assert_eq!(rows[1], (2, vec!["4".into(), "6".into()]));
        let given = FieldOptions { separator: Some(",".into()), ..FieldOptions::default() };
        assert_eq!(read(b"a|b,c|d", &["2"], &given).unwrap().0[0].1, ["c|d"]);
        let tab = FieldOptions { separator: Some("\\t".into()), ..FieldOptions::default() };
        assert_eq!(read(b"a,b\tc", &["2"], &tab).unwrap().0[0].1, ["c"]);
    }

    #[test]
    fn line_1_holds_names_where_it_must() {
        let numeric = FieldOptions { numeric: Some(1), ..FieldOptions::default() };
        let text = b"who,what,stars\nann,x,5\n";
        for columns in [["1", "3"], ["who", "stars"], ["WHO", "3"]] {
            assert_eq!(read(text, &columns, &numeric).unwrap().0, [(2, vec!["ann".into(), "5".into()])]);
        }
        assert_eq!(read(b"ann,x,5\n", &["1", "3"], &numeric).unwrap().0.len(), 1);
        let none = FieldOptions { header: Some(false), ..numeric.clone() };
        assert_eq!(read(text, &["1", "3"], &none).unwrap().0.len(), 2);
        assert!(read(text, &["who"], &none).unwrap_err().to_string().contains("numbers"));
        let e = read(text, &["nobody"], &numeric).unwrap_err();
        assert!(e.line() == Some(1) && e.to_string().contains("\"who\", \"what\", \"stars\""), "{e}");
    }

    #[test]
    fn other_encodings_are_read_and_counted() {
        let (rows, decoded) = read(b"1|Caf\xe9\n2|Cafe\n", &["2"], &FieldOptions::default()).unwrap();
        assert_eq!((rows[0].1[0].as_str(), decoded), ("Café", 1));
        let (rows, decoded) = read("\u{feff}1|Café\n".as_bytes(), &["1", "2"], &FieldOptions::default()).unwrap();
        assert_eq!((rows[0].1.clone(), decoded), (vec!["1".into(), "Café".into()], 0));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let own = FieldOptions::default();
        let e = read(b"1,2,3\n1,2\n", &["3"], &own).unwrap_err();
        assert!(e.line() == Some(2) && e.to_string().contains("column 3"), "{e}");
        assert!(read(b"", &["1"], &own).is_err());
        assert!(read(b"\x00\x01", &["1"], &own).is_err());
        assert!("0".parse::<Column>().is_err());
        assert!(read_fields(Path::new("no.zip!/x"), &[], &own, |_, _| Ok(())).is_err());
    }

    #[test]
    fn members_of_archives_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        zip.start_file("inner/x.csv", zip::write::SimpleFileOptions::default()).unwrap();
        io::Write::write_all(&mut zip, b"1,2\n3,4\n").unwrap();
        zip.finish().unwrap();
        let mut seen = Vec::new();
        let member = folder.path().join("a.zip!/inner/x.csv");
        read_fields(&member, &[Column::Number(2)], &FieldOptions::default(), |_, f| {
            seen.push(f[0].to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["2", "4"]);
        let e = read_fields(&folder.path().join("a.zip!/y"), &[], &FieldOptions::default(), |_, _| Ok(())).unwrap_err();
        assert!(e.to_string().contains("inner/x.csv"), "{e}");
    }
}
