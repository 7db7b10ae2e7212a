//! The command line as it was typed, so that another shell takes it the same way.

use std::ffi::OsString;

/// The words of this process, by the program's own name.
pub(super) fn command_line() -> String {
    line(std::env::args_os().skip(1))
}

/// `nmf-cli` with these words, as a shell takes them.
pub(crate) fn shell_line(words: &[String]) -> String {
    line(words.iter().map(OsString::from))
}

fn line(words: impl Iterator<Item = OsString>) -> String {
    std::iter::once("nmf-cli".to_string())
        .chain(words.map(|w| quoted(&w.to_string_lossy())))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word in single quotes, if a shell would see more in it than a word.
fn quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c) || (!c.is_ascii() && c.is_alphanumeric());
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        let words =
            ["topics", "it's here/x y.tar", "-k", "20", "--token-pattern", r"\w+$(rm)", "", "データ.csv", "a\"b"];
        let line = line(words.iter().map(OsString::from));
        assert_eq!(
            line,
            r#"nmf-cli topics 'it'\''s here/x y.tar' -k 20 --token-pattern '\w+$(rm)' '' データ.csv 'a"b'"#
        );
        let shell = std::process::Command::new("sh").args(["-c", &format!("printf '%s|' {line}")]).output().unwrap();
        let expected: String = std::iter::once("nmf-cli").chain(words).map(|w| format!("{w}|")).collect();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), expected);
    }
}
