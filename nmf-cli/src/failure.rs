//! The one error of the program: an exit code and a sentence.

use nmf_core::Error;
use std::fmt::Display;
use std::path::Path;

/// Why the program ends with another code than 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Exit 2: bad usage or bad input.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { code: 2, message: message.into() }
    }

    /// Exit 1: the work failed.
    pub(crate) fn work(message: impl Into<String>) -> Failure {
        Failure { code: 1, message: message.into() }
    }

    /// Exit 130: stopped by Ctrl-C.
    pub(crate) fn interrupted(message: impl Into<String>) -> Failure {
        Failure { code: 130, message: message.into() }
    }

    /// Exit 0 without another word: whoever read our output has closed it.
    pub(crate) fn reader_gone() -> Failure {
        Failure { code: 0, message: String::new() }
    }

    /// Exit 2: something is wrong with this file.
    pub(crate) fn file(path: &Path, message: impl Display) -> Failure {
        Failure::usage(format!("{}: {message}", path.display()))
    }

    /// An error of the library that met a matrix read from `path`: names the file where the matrix is to blame.
    pub(crate) fn matrix(path: &Path, e: Error) -> Failure {
        let about_input = match &e {
            Error::Empty { .. } | Error::AllZero | Error::ZeroEntry { .. } => true,
            Error::Negative { what, .. } | Error::NotFinite { what, .. } => *what == "the matrix",
            _ => false,
        };
        let mut failure = Failure::from(e);
        if about_input {
            failure.message = format!("{}: {}", path.display(), failure.message);
        }
        failure
    }

    /// The same with more at its end.
    pub(crate) fn with(mut self, more: &str) -> Failure {
        self.message.push_str(more);
        self
    }

    /// The same about a file that the user knows by another name.
    pub(crate) fn about(mut self, path: &Path, name: &str) -> Failure {
        self.message = self.message.replace(&path.display().to_string(), name);
        self
    }

    /// The same, said about `what`.
    pub(crate) fn prefixed(mut self, what: &str) -> Failure {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// One clear sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The word before the message.
    pub(crate) fn label(&self) -> &'static str {
        if self.code == 130 { "interrupted" } else { "error" }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Failure {
        let mut inner = &e;
        while let Error::Within { source, .. } = inner {
            inner = &**source;
        }
        match inner {
            Error::Device(_) | Error::OutOfMemory { .. } | Error::Diverged { .. } => Failure::work(e.to_string()),
            _ => Failure::usage(as_typed(&e.to_string())),
        }
    }
}

/// What the library calls "solver mu", "init random" and "the CPU", as one types it.
fn as_typed(message: &str) -> String {
    let words = [
        ("(shifts > 1)", "(--shifts > 1)"),
        ("solver ", "--solver "),
        ("init ", "--init "),
        ("use the CPU", "use --backend cpu"),
        (", or the CPU", ", or --backend cpu"),
    ];
    words.iter().fold(message.to_string(), |text, (word, option)| text.replace(word, option))
}

impl From<nmf_io::Error> for Failure {
    fn from(e: nmf_io::Error) -> Failure {
        if e.is_output() { Failure::work(e.to_string()) } else { Failure::usage(e.to_string()) }
    }
}

impl From<nmf_audio::Error> for Failure {
    fn from(e: nmf_audio::Error) -> Failure {
        if e.is_output() { Failure::work(e.to_string()) } else { Failure::usage(e.to_string()) }
    }
}

impl From<nmf_image::Error> for Failure {
    fn from(e: nmf_image::Error) -> Failure {
        Failure::usage(e.to_string())
    }
}

impl From<nmf_text::Error> for Failure {
    fn from(e: nmf_text::Error) -> Failure {
        Failure::usage(e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_divergence_are_failures_of_the_work_and_the_rest_is_bad_input() {
        assert_eq!(Failure::from(Error::Device("lost".into())).code(), 1);
        assert_eq!(Failure::from(Error::AllZero).code(), 2);
        let within = |e| Error::Within { what: "there".into(), source: Box::new(e) };
        assert_eq!(Failure::from(within(within(Error::Device("lost".into())))).code(), 1);
        assert_eq!(Failure::from(within(within(Error::AllZero))).code(), 2);
        assert_eq!(Failure::from(Error::Rank { rank: 0, reason: "none".into() }).code(), 2);
    }

    #[test]
    fn solvers_are_named_as_options() {
        let e = Error::Unsupported("this backend has no solver newton; use solver mue, or the CPU".into());
        let typed = "this backend has no --solver newton; use --solver mue, or --backend cpu";
        assert_eq!(Failure::from(e).message(), typed);
    }

    #[test]
    fn the_file_is_named_where_the_matrix_is_to_blame() {
        let path = Path::new("x.npy");
        assert!(Failure::matrix(path, Error::AllZero).message().starts_with("x.npy: "));
        let rank = Error::Rank { rank: 0, reason: "none".into() };
        assert!(!Failure::matrix(path, rank).message().contains("x.npy"));
    }
}
