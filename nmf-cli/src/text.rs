//! Writing to stdout without panicking on a closed pipe, tables, and numbers for people.

use crate::failure::Failure;
use comfy_table::{Cell, CellAlignment, Table, presets};
use std::io::{ErrorKind, Write};

/// Prints a text and a line end on stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if text.ends_with('\n') { b"" } else { b"\n" };
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end)).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Failure::reader_gone()),
        Err(e) => Err(Failure::work(format!("standard output cannot be written: {e}"))),
    }
}

/// Prints one JSON object on stdout.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&value.to_string())
}

/// A plain table: the first `left` columns to the left, the others to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().enumerate().map(|(i, h)| cell(h, i < left)));
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(i, c)| cell(c, i < left)));
    }
    table.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

fn cell(text: &str, left: bool) -> Cell {
    Cell::new(text).set_alignment(if left { CellAlignment::Left } else { CellAlignment::Right })
}

/// A field of a TSV without quoting.
pub(crate) fn field(s: &str) -> String {
    s.replace(['\t', '\n', '\r'], " ")
}

/// 1234567 as "1,234,567".
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// Six significant digits, without the trailing zeros; scientific where that is shorter.
pub(crate) fn number(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return v.to_string();
    }
    let size = v.abs().log10().floor() as i32;
    if !(-4..9).contains(&size) {
        return format!("{v:.4e}");
    }
    let text = format!("{v:.*}", (5 - size).clamp(0, 9) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// A duration in words: "1.23 s", "45 ms".
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        assert_eq!(number(16.04), "16.04");
        assert_eq!(number(0.000_123_4), "0.0001234");
        assert_eq!(number(1_488.496_3), "1488.5");
        assert_eq!(number(-1.5e-12), "-1.5000e-12");
        assert_eq!(number(0.0), "0");
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(2.5), "2.50 s");
    }
}
