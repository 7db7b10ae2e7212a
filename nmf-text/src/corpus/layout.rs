//! Which files of a tree are documents, and what their labels are.

use std::collections::{BTreeSet, HashSet};

/// The documents among the files of a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// For every path given, whether it is a document.
    pub(crate) is_document: Vec<bool>,
    /// Whether the folders' names are labels: only when documents lie in folders of at least two names.
    pub(crate) labelled: bool,
    /// Files that lie beside folders of documents, and so are none.
    pub(crate) beside: u64,
}

/// True for paths with a hidden component (`.git/x`, `._x`) and the resource forks some archives carry.
pub(crate) fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

/// The folder part of a path with `/`; empty at the top.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The label of a document: the name of the innermost folder it lies in.
pub(crate) fn label(path: &str) -> &str {
    let folder = parent(path);
    folder.rsplit_once('/').map_or(folder, |(_, name)| name)
}

/// Decides from the names alone. A file is a document when its folder holds no further folder with
/// files: so a README beside label folders is none. Files whose `skip` is true take no part.
pub(crate) fn layout<S: AsRef<str>>(paths: &[S], skip: &[bool]) -> Layout {
    let taken = |i: usize| !skip.get(i).copied().unwrap_or(false);
    let mut inner: HashSet<&str> = HashSet::new();
    for (i, path) in paths.iter().enumerate() {
        let mut folder = parent(path.as_ref());
        while taken(i) && !folder.is_empty() {
            folder = parent(folder);
            if !inner.insert(folder) {
                break;
            }
        }
    }
    let mut names = BTreeSet::new();
    let mut out = Layout::default();
    for (i, path) in paths.iter().enumerate() {
        let path = path.as_ref();
        let document = taken(i) && !inner.contains(parent(path));
        if document && names.len() < 2 {
            names.insert(label(path));
        }
        out.beside += u64::from(taken(i) && !document);
        out.is_document.push(document);
    }
    out.labelled = names.len() > 1;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(paths: &[&str]) -> (Vec<String>, bool, u64) {
        let l = layout(paths, &[]);
        let docs = paths.iter().zip(&l.is_document).filter(|(_, d)| **d).map(|(p, _)| p.to_string()).collect();
        (docs, l.labelled, l.beside)
    }

    #[test]
    fn innermost_folders_are_labels() {
        let (docs, labelled, beside) = documents(&["README", "train/a/1", "train/b/2", "test/a/3", "test/notes.txt"]);
        assert_eq!(docs, ["train/a/1", "train/b/2", "test/a/3"]);
        assert!(labelled);
        assert_eq!(beside, 2);
        assert_eq!(label("train/a/1"), "a");
    }

    #[test]
    fn one_folder_is_no_label() {
        let (docs, labelled, beside) = documents(&["r/LICENSE", "r/text/1.md", "r/text/2.md"]);
        assert_eq!(docs, ["r/text/1.md", "r/text/2.md"]);
        assert!(!labelled);
        assert_eq!(beside, 1);
        let (docs, labelled, _) = documents(&["1.txt", "2.txt"]);
        assert_eq!((docs.len(), labelled), (2, false));
        assert_eq!(label("1.txt"), "");
    }

    #[test]
    fn hidden_files() {
        assert!(hidden(".git/config") && hidden("a/._b") && hidden("__MACOSX/a"));
        assert!(!hidden("a.b/c.d"));
    }
}
