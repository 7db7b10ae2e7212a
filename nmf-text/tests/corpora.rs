//! Reading corpora of every form, and the errors for what is none.

use nmf_text::{Document, Error, Format, ReadOptions, ReadReport, detect_format, read_documents};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn all(path: &Path, options: &ReadOptions) -> Result<(Vec<Document>, ReadReport), Error> {
    let mut documents = Vec::new();
    let report = read_documents(path, options, |d| {
        documents.push(d.clone());
        Ok(())
    })?;
    assert_eq!(report.documents, documents.len() as u64);
    Ok((documents, report))
}

fn file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(content).unwrap();
    out.finish().unwrap()
}

/// A document as (name, label, text).
fn brief(documents: &[Document]) -> Vec<(&str, Option<&str>, &str)> {
    documents.iter().map(|d| (d.name.as_str(), d.label.as_deref(), d.text.as_str())).collect()
}

fn message(path: &Path, options: &ReadOptions) -> String {
    let e = all(path, options).unwrap_err().to_string();
    assert!(e.contains(path.file_name().unwrap().to_str().unwrap()), "names the file: {e}");
    e
}

const TREE: [(&str, &[u8]); 7] = [
    ("c/README", b"about"),
    ("c/train/b/2", b"two"),
    ("c/train/a/1", b"one"),
    ("c/test/a/3", b"caf\xe9 \x93q\x94"),
    ("c/test/b/.hidden", b"x"),
    ("c/test/b/4", b"bin\0ary"),
    ("c/.git/config", b"x"),
];

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn folder_and_archives_agree() {
    let dir = TempDir::new().unwrap();
    for (name, content) in TREE {
        file(&dir, name, content);
    }
    let (mut from_folder, report) = all(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(
        brief(&from_folder),
        [("c/test/a/3", Some("a"), "café “q”"), ("c/train/a/1", Some("a"), "one"), ("c/train/b/2", Some("b"), "two"),]
    );
    assert_eq!((report.format, report.labelled, report.beside, report.binary), (Format::Dir, true, 1, 1));
    assert_eq!((report.windows_1252, report.first_windows_1252.as_deref()), (1, Some("c/test/a/3")));
    assert_eq!(report.first_binary.as_deref(), Some("c/test/b/4"));
    assert_eq!(report.warnings().len(), 3);

    let out = TempDir::new().unwrap();
    let bytes = tar(&TREE);
    for (name, content) in [("c.tar", bytes.clone()), ("c.tar.gz", gz(&bytes)), ("noname", gz(&bytes))] {
        let (mut documents, r) = all(&file(&out, name, content), &ReadOptions::default()).unwrap();
        assert_eq!(documents[0].name, "c/train/b/2", "in the archive's order");
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        from_folder.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(documents, from_folder);
        assert_eq!(r, ReadReport { format: Format::Tar, ..report.clone() });
    }
}

#[test]
fn archive_details() {
    let dir = TempDir::new().unwrap();
    let long = format!("{}/x.txt", "long".repeat(60));
    let entries: [(&str, &[u8]); 4] = [("./a.txt", b"old"), ("b.txt", b"b"), ("a.txt", b"new"), (&long, b"l")];
    let (documents, _) = all(&file(&dir, "t.tar", tar(&entries[..3])), &ReadOptions::default()).unwrap();
    assert_eq!(brief(&documents), [("b.txt", None, "b"), ("a.txt", None, "new")], "a later file replaces an earlier");
    let (documents, report) = all(&file(&dir, "l.tar", tar(&entries[3..])), &ReadOptions::default()).unwrap();
    assert_eq!((documents[0].name.as_str(), report.labelled), (long.as_str(), false));

    let big: Vec<u8> = (0..200_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect();
    let whole = gz(&tar(&[("a", &big), ("b", b"b")]));
    let e = message(&file(&dir, "cut.tar.gz", &whole[..whole.len() / 2]), &ReadOptions::default());
    assert!(e.contains("the archive cannot be read"), "{e}");
    let plain = tar(&[("a", b"some text"), ("b", b"b")]);
    let e = message(&file(&dir, "cut.tar", &plain[..600]), &ReadOptions::default());
    assert!(e.contains("the archive cannot be read"), "{e}");
    let e = message(&file(&dir, "none.tar", tar(&[(".x", b"hidden")])), &ReadOptions::default());
    assert!(e.contains("no documents"), "{e}");
}

#[test]
fn flat_and_single_folders_have_no_labels() {
    let dir = TempDir::new().unwrap();
    file(&dir, "LICENSE", "x");
    file(&dir, "text/2.md", "two");
    file(&dir, "text/1.md", "\u{feff}one");
    let (documents, report) = all(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(brief(&documents), [("text/1.md", None, "one"), ("text/2.md", None, "two")]);
    assert_eq!((report.labelled, report.beside), (false, 1));
    let (documents, _) = all(&dir.path().join("text"), &ReadOptions::default()).unwrap();
    assert_eq!(documents.len(), 2);
}

#[cfg(unix)]
#[test]
fn links() {
    let dir = TempDir::new().unwrap();
    let target = file(&dir, "real/1.txt", "one");
    fs::create_dir(dir.path().join("c")).unwrap();
    std::os::unix::fs::symlink(&target, dir.path().join("c/link.txt")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("c/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("c/dangling")).unwrap();
    let (documents, _) = all(&dir.path().join("c"), &ReadOptions::default()).unwrap();
    assert_eq!(brief(&documents), [("link.txt", None, "one")]);
}

#[test]
fn tables() {
    let dir = TempDir::new().unwrap();
    let d = ReadOptions::default();
    let csv = file(&dir, "a.csv", "id,category,text\n1,x,\"a, \"\"b\"\"\nc\"\n2,,d\n\n3,y,caf\u{e9}\n");
    let (documents, report) = all(&csv, &d).unwrap();
    assert_eq!(brief(&documents), [("1", Some("x"), "a, \"b\"\nc"), ("2", None, "d"), ("3", Some("y"), "café")]);
    assert_eq!(report.text_column.as_deref(), Some("text"));
    assert_eq!((report.label_column.as_deref(), report.labelled, report.format), (Some("category"), true, Format::Csv));

    // no header, no quoting, stray quotation marks, as in the SMS spam collection
    let tsv = file(&dir, "sms.tsv", "ham\t\"Go until, she said\nspam\tWin \"now\"\n");
    let (documents, report) = all(&tsv, &ReadOptions { label_column: Some("1".into()), ..d.clone() }).unwrap();
    assert_eq!(brief(&documents), [("1", Some("ham"), "\"Go until, she said"), ("2", Some("spam"), "Win \"now\"")]);
    assert_eq!(report.text_column.as_deref(), Some("2"));
    let (documents, _) = all(&file(&dir, "q.tsv.gz", gz(b"text\tn\n\"say \"\"hi\"\"\"\t1\n")), &d).unwrap();
    assert_eq!(documents[0].text, "say \"hi\"");

    // the last column with several words; a header of plain words over such a column
    let (documents, report) = all(&file(&dir, "h.tsv", "org\tdomain\nA B\tx.org\nC D\ty.org\n"), &d).unwrap();
    assert_eq!((documents.len(), report.text_column.as_deref()), (2, Some("org")));
    let by_number = ReadOptions { text_column: Some("2".into()), header: Some(false), ..d.clone() };
    assert_eq!(all(&dir.path().join("h.tsv"), &by_number).unwrap().0[0].text, "domain");
    let (documents, _) = all(&file(&dir, "tabs", "x\ta b\ny\tc d\n"), &d).unwrap();
    assert_eq!(documents[1].text, "c d");
}

#[test]
fn encodings() {
    let dir = TempDir::new().unwrap();
    let d = ReadOptions::default();
    let (documents, report) = all(&file(&dir, "w.csv", b"text\ncaf\xe9 au lait\n\xc3\xa9t\xc3\xa9\n"), &d).unwrap();
    assert_eq!((documents[0].text.as_str(), documents[1].text.as_str()), ("café au lait", "été"));
    assert_eq!((report.windows_1252, report.first_windows_1252.as_deref()), (1, Some("line 2")));

    let utf16: Vec<u8> = "\u{feff}text\nété one\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (documents, report) = all(&file(&dir, "u.csv", &utf16), &d).unwrap();
    assert_eq!((documents[0].text.as_str(), report.windows_1252), ("été one", 0));

    let sjis = ReadOptions { encoding: Some("shift_jis".into()), ..d.clone() };
    let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("text\tlabel\n表示\tソ\n");
    let (documents, _) = all(&file(&dir, "j.tsv", &bytes), &sjis).unwrap();
    assert_eq!(brief(&documents), [("1", Some("ソ"), "表示")]);

    file(&dir, "f/1", b"\x83\x5c\x95\x5c");
    file(&dir, "f/2", b"ok \xff");
    let (documents, report) = all(&dir.path().join("f"), &sjis).unwrap();
    assert_eq!((documents[0].text.as_str(), report.malformed), ("ソ表", 1));
    let e = all(&dir.path().join("f"), &ReadOptions { encoding: Some("klingon".into()), ..d }).unwrap_err().to_string();
    assert!(e.contains("--encoding") && e.contains("klingon"), "{e}");
}

#[test]
fn json_lines() {
    let dir = TempDir::new().unwrap();
    let d = ReadOptions::default();
    let lines = "\u{feff}{\"id\":1,\"Body\":\"a b\",\"class\":3}\n\n{\"Body\":\"c\",\"class\":null}\r\n{\"Body\":\"d\",\"class\":\"x\"}";
    let (documents, report) = all(&file(&dir, "a.jsonl", lines), &d).unwrap();
    assert_eq!(brief(&documents), [("1", Some("3"), "a b"), ("2", None, "c"), ("3", Some("x"), "d")]);
    assert_eq!((report.text_column.as_deref(), report.label_column.as_deref()), (Some("Body"), Some("class")));
    let keys = ReadOptions { text_column: Some("t".into()), label_column: Some("u".into()), ..d.clone() };
    let (documents, _) = all(&file(&dir, "b.json", "{\"t\":\"a\",\"u\":true}\n"), &keys).unwrap();
    assert_eq!(brief(&documents), [("1", Some("true"), "a")]);

    let error = |content: &str| message(&file(&dir, "e.jsonl", content), &d);
    for (content, parts) in [
        ("{\"text\":\"a\"}\n{\"text\":", ["line 2", "one object a line"]),
        ("{\"text\":\"a\"}\n[1]\n", ["line 2", "an array"]),
        ("{\"text\":\"a\"}\n\n{\"text\":5}\n", ["line 3", "a number where the text"]),
        ("{\"text\":\"a\"}\n{\"body\":\"b\"}\n", ["line 2", "the keys are \"body\""]),
        ("{\"text\":\"a\",\"label\":{}}\n", ["line 1", "the label is an object"]),
        ("{\"n\":1}\n", ["no key", "\"n\""]),
    ] {
        let e = error(content);
        assert!(parts.iter().all(|p| e.contains(p)), "{e}");
    }
    let e = message(&dir.path().join("b.json"), &ReadOptions { text_column: Some("x".into()), ..d.clone() });
    assert!(e.contains("\"t\", \"u\""), "{e}");
    let e = message(&file(&dir, "arr.json", "[{\"text\":\"a\"}]"), &d);
    assert!(e.contains("one JSON object a line"), "{e}");
}

#[test]
fn what_is_no_corpus() {
    let dir = TempDir::new().unwrap();
    let d = ReadOptions::default();
    for (name, content, part) in [
        ("empty.tsv", &b""[..], "the file is empty"),
        ("empty.csv.gz", &gz(b"")[..], "the file is empty"),
        ("one.txt", b"just a text", "one document is no corpus"),
        ("x.npy", b"\x93NUMPY\x01\0v\0", "binary"),
        ("x.zip", b"PK\x03\x04....", "zip archive"),
        ("x.mtx", b"%%MatrixMarket matrix\n1 1 1\n", "no known form"),
        ("numbers.csv", b"1,2,3\n4,5,6\n", "no column holds texts"),
        ("named.csv", b"a,b\n1,2\n3,4\n", "no column holds texts"),
        ("rows.csv", b",x,y\ncell1,2,3\ncell2,4,5\n", "no column holds texts"),
        ("head.csv", b"text,label\n", "it holds no record"),
        ("blank.csv", b"\n\n\n", "no record"),
        ("ragged.csv", b"text,label\na b,x\nc\n", "line 3: 1 fields where line 1 has 2"),
        ("ragged.tsv", b"text\tlabel\na b\tx\tz\n", "line 2: 3 fields"),
        ("blank.jsonl", b"\n\n", "it holds no record"),
        ("broken.csv.gz", b"\x1f\x8b\x08\0garbage", "broken.csv.gz"),
    ] {
        let e = message(&file(&dir, name, content), &d);
        assert!(e.contains(part), "{name}: {e}");
    }
    let e = message(&dir.path().join("absent"), &d);
    assert!(e.contains("absent"), "{e}");
    fs::create_dir(dir.path().join("void")).unwrap();
    assert!(message(&dir.path().join("void"), &d).contains("no documents"));
    file(&dir, "bin/1", b"\0");
    assert!(message(&dir.path().join("bin"), &d).contains("all 1 files are binary"));

    let csv = file(&dir, "ok.csv", "text,label\na b,x\n");
    let with = |text: Option<&str>, label: Option<&str>| ReadOptions {
        text_column: text.map(String::from),
        label_column: label.map(String::from),
        ..d.clone()
    };
    assert!(message(&csv, &with(Some("body"), None)).contains("the columns are \"text\", \"label\""));
    assert!(message(&csv, &with(Some("3"), None)).contains("no column \"3\""));
    assert!(all(&csv, &with(Some("text"), Some("1"))).unwrap_err().to_string().contains("must differ"));
    assert!(all(&dir.path().join("bin"), &with(Some("1"), None)).unwrap_err().to_string().contains("--text-column"));
    assert!(message(&csv, &ReadOptions { format: Format::Dir, ..d.clone() }).contains("not a folder"));
    assert!(message(&csv, &ReadOptions { format: Format::Tar, ..d.clone() }).contains("archive cannot be read"));
    let folder = dir.path().join("bin");
    assert!(message(&folder, &ReadOptions { format: Format::Csv, ..d.clone() }).contains("is a folder, not csv"));
    assert_eq!(detect_format(&csv).unwrap(), Format::Csv);
    assert!("pdf".parse::<Format>().is_err());
}

#[test]
fn the_receiver_may_stop() {
    let dir = TempDir::new().unwrap();
    let lines: String = (0..5000).map(|i| format!("{{\"text\":\"{i} {}\"}}\n", "x".repeat(500))).collect();
    let path = file(&dir, "a.jsonl", lines);
    let mut seen = 0;
    let e = read_documents(&path, &ReadOptions::default(), |_| {
        seen += 1;
        if seen == 10 { Err(Error::Stopped("enough".into())) } else { Ok(()) }
    });
    assert_eq!((seen, e.unwrap_err().to_string().as_str()), (10, "stopped: enough"));
}

/// Damaged files of every form give an error or documents, never a panic.
#[test]
fn damaged_bytes() {
    let dir = TempDir::new().unwrap();
    let seeds: [(&str, Vec<u8>); 5] = [
        ("a.tar", tar(&TREE)),
        ("a.tar.gz", gz(&tar(&TREE))),
        ("a.csv", b"text,label\n\"a b\",x\nc d,y\n".to_vec()),
        ("a.tsv", b"text\tlabel\n\"a b\"\tx\nc d\ty\n".to_vec()),
        ("a.jsonl", b"{\"text\":\"a b\",\"label\":1}\n{\"text\":\"c\"}\n".to_vec()),
    ];
    let mut state = 12345u64;
    let mut random = move |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut fine = 0;
    for round in 0..1000 {
        let (name, seed) = &seeds[round % seeds.len()];
        let mut bytes = seed.clone();
        for _ in 0..1 + random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, b"\0\"\n,\t{\xff\xfe"[random(8)]),
            }
        }
        let path = file(&dir, name, &bytes);
        for format in [Format::Auto, Format::Tar, Format::Csv, Format::Jsonl] {
            match all(&path, &ReadOptions { format, ..Default::default() }) {
                Ok(_) => fine += 1,
                Err(e) => assert!(!e.to_string().contains("the reader failed"), "{e}"),
            }
        }
    }
    assert!(fine > 100);
}
