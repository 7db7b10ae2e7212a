//! Documents from JSON lines: one object a line.

use super::open::reader;
use super::{Document, LABEL_NAMES, LARGEST, ReadOptions, ReadReport, Sink, TEXT_NAMES};
use crate::decode::{self, Tally, Transcode};
use crate::error::{Error, Result};
use encoding_rs::Encoding;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// A short name of a JSON value's kind.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn keys(object: &Map<String, Value>) -> String {
    object.keys().map(|k| format!("{k:?}")).collect::<Vec<_>>().join(", ")
}

/// The keys of the text and, if any, of the label, chosen from the first object.
fn choose(path: &Path, object: &Map<String, Value>, options: &ReadOptions) -> Result<(String, Option<String>)> {
    let by_name = |names: &[&str]| {
        names.iter().find_map(|n| object.keys().find(|k| k.to_lowercase() == *n)).map(String::to_string)
    };
    let asked = |wanted: &Option<String>| match wanted {
        Some(w) if !object.contains_key(w) => {
            Err(Error::Column { path: path.to_path_buf(), column: w.clone(), available: keys(object) })
        }
        other => Ok(other.clone()),
    };
    let text = asked(&options.text_column)?.or_else(|| by_name(&TEXT_NAMES));
    let label = asked(&options.label_column)?.or_else(|| by_name(&LABEL_NAMES).filter(|l| Some(l) != text.as_ref()));
    let last =
        || object.iter().rev().find(|(k, v)| v.is_string() && Some(*k) != label.as_ref()).map(|(k, _)| k.clone());
    match text.or_else(last) {
        Some(text) if Some(&text) == label.as_ref() => Err(Error::Option {
            option: "--label-column",
            value: text,
            expected: "it is the key of the text; the two must differ".into(),
        }),
        Some(text) => Ok((text, label)),
        None => Err(Error::format(
            path,
            format!("no key of the first object holds a string; its keys are {}", keys(object)),
        )),
    }
}

pub(crate) fn read(
    path: &Path,
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
        Some(e) => Box::new(Transcode::new(bytes, e)),
        None => bytes,
    };
    let mut lines = BufReader::with_capacity(1 << 16, bytes);
    let mut report = ReadReport::default();
    let mut tally = Tally::default();
    let mut columns: Option<(String, Option<String>)> = None;
    let mut raw = Vec::new();
    let (mut line, mut number) = (0u64, 0u64);
    loop {
        raw.clear();
        line += 1;
        let n = (&mut lines).take(LARGEST + 1).read_until(b'\n', &mut raw).map_err(Error::io(path))?;
        if n == 0 {
            break;
        }
        if n as u64 > LARGEST {
            return Err(Error::record(path, line, format!("the line is longer than {LARGEST} bytes")));
        }
        let (text, fell_back) = decode::field(&raw);
        if text.trim().is_empty() {
            continue;
        }
        tally.record(fell_back, &format!("line {line}"));
        let value: Value = serde_json::from_str(&text).map_err(|e| {
            let message = format!("not a JSON object, column {}: {e}; one object a line is accepted", e.column());
            Error::record(path, line, message)
        })?;
        let Value::Object(mut object) = value else {
            return Err(Error::record(path, line, format!("{} where one object a line is accepted", kind(&value))));
        };
        let (text_key, label_key) = match &columns {
            Some(c) => c,
            None => columns.insert(choose(path, &object, options)?),
        };
        let text = match object.remove(text_key.as_str()) {
            Some(Value::String(text)) => text,
            Some(other) => {
                let message = format!("key {text_key:?} is {} where the text, a string, is needed", kind(&other));
                return Err(Error::record(path, line, message));
            }
            None => {
                let message = format!("no key {text_key:?} for the text; the keys are {}", keys(&object));
                return Err(Error::record(path, line, message));
            }
        };
        let label = match label_key.as_ref().and_then(|k| object.remove(k.as_str())) {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) => Some(s).filter(|s| !s.is_empty()),
            Some(Value::Number(n)) => Some(n.to_string()),
            Some(Value::Bool(b)) => Some(b.to_string()),
            Some(other) => {
                let message = format!("the label is {}; a string or a number is accepted", kind(&other));
                return Err(Error::record(path, line, message));
            }
        };
        number += 1;
        sink.push(Document { name: number.to_string(), label, text })?;
    }
    if let Some((text, label)) = columns {
        report.labelled = label.is_some();
        report.text_column = Some(text);
        report.label_column = label;
    }
    report.add_tally(tally);
    Ok(report)
}
