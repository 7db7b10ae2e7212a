//! Bytes to text: UTF-8, a byte-order mark, a named encoding, or Windows-1252 where nothing else fits.

use crate::error::{Error, Result};
use encoding_rs::{CoderResult, Decoder, Encoding, WINDOWS_1252};
use std::io::{self, Read};

/// What decoding met; part of [`crate::ReadReport`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) windows_1252: u64,
    pub(crate) first_windows_1252: Option<String>,
    pub(crate) malformed: u64,
    pub(crate) first_malformed: Option<String>,
}

impl Tally {
    /// Notes a record of a table.
    pub(crate) fn record(&mut self, fell_back: bool, name: &str) {
        if fell_back {
            self.fallback(name);
        }
    }

    fn fallback(&mut self, name: &str) {
        self.windows_1252 += 1;
        self.first_windows_1252.get_or_insert_with(|| name.to_string());
    }

    fn bad(&mut self, name: &str) {
        self.malformed += 1;
        self.first_malformed.get_or_insert_with(|| name.to_string());
    }
}

/// The encoding of a label such as `utf-8`, `latin1`, `shift_jis` (the WHATWG Encoding Standard's labels).
pub(crate) fn encoding(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| Error::Option {
        option: "--encoding",
        value: label.to_string(),
        expected: "give a label of the WHATWG Encoding Standard, such as utf-8, windows-1252, shift_jis, gb18030"
            .into(),
    })
}

/// The text of a document, or `None` when it holds NUL bytes and so is no text.
pub(crate) fn document(
    bytes: Vec<u8>,
    forced: Option<&'static Encoding>,
    name: &str,
    tally: &mut Tally,
) -> Option<String> {
    let bom = Encoding::for_bom(&bytes);
    if let Some((encoding, skip)) = bom.or(forced.map(|e| (e, 0))) {
        let (text, malformed) = encoding.decode_without_bom_handling(bytes.get(skip..).unwrap_or(&[]));
        if text.contains('\0') {
            return None;
        }
        if malformed {
            tally.bad(name);
        }
        return Some(text.into_owned());
    }
    if bytes.contains(&0) {
        return None;
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|e| {
        tally.fallback(name);
        WINDOWS_1252.decode_without_bom_handling(e.as_bytes()).0.into_owned()
    }))
}

/// The text of one field of a table whose bytes are expected to be UTF-8; true when it was not.
pub(crate) fn field(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(s) => (s.to_string(), false),
        Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(), true),
    }
}

/// The head of a file: the encoding its byte-order mark names and the mark's length.
pub(crate) fn bom(head: &[u8]) -> Option<(&'static Encoding, usize)> {
    Encoding::for_bom(head)
}

/// A reader that turns one encoding into UTF-8, piece by piece; malformed bytes become U+FFFD.
pub(crate) struct Transcode<R> {
    inner: R,
    decoder: Decoder,
    raw: Box<[u8]>,
    raw_at: usize,
    raw_end: usize,
    ended: bool,
    out: Box<[u8]>,
    out_at: usize,
    out_end: usize,
    done: bool,
}

impl<R: Read> Transcode<R> {
    pub(crate) fn new(inner: R, encoding: &'static Encoding) -> Self {
        let buffer = || vec![0u8; 1 << 15].into_boxed_slice();
        Transcode {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: buffer(),
            raw_at: 0,
            raw_end: 0,
            ended: false,
            out: buffer(),
            out_at: 0,
            out_end: 0,
            done: false,
        }
    }
}

impl<R: Read> Read for Transcode<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.out_at == self.out_end && !self.done {
            if self.raw_at == self.raw_end && !self.ended {
                self.raw_at = 0;
                self.raw_end = loop {
                    match self.inner.read(&mut self.raw) {
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        other => break other?,
                    }
                };
                self.ended = self.raw_end == 0;
            }
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(&self.raw[self.raw_at..self.raw_end], &mut self.out, self.ended);
            self.raw_at += read;
            self.out_at = 0;
            self.out_end = written;
            self.done = self.ended && result == CoderResult::InputEmpty;
        }
        let n = into.len().min(self.out_end - self.out_at);
        into[..n].copy_from_slice(&self.out[self.out_at..self.out_at + n]);
        self.out_at += n;
        Ok(n)
    }
}
