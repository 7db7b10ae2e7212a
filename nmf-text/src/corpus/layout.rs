//! Which files of a tree are documents, and what their labels are.

use std::collections::HashMap;

/// The documents among the files of a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// For every path given, the number of its label in `labels`, or `None` where it is no document.
    places: Vec<Option<u32>>,
    labels: Vec<String>,
    /// Files that lie beside folders of documents, and so are none.
    pub(crate) beside: u64,
}

impl Layout {
    /// Whether there are labels: at least two.
    pub(crate) fn labelled(&self) -> bool {
        self.labels.len() > 1
    }

    /// Whether the path with this number is a document.
    pub(crate) fn is_document(&self, path: usize) -> bool {
        self.places.get(path).is_some_and(Option::is_some)
    }

    /// The label of the path with this number, where there are labels.
    pub(crate) fn label(&self, path: usize) -> Option<String> {
        let place = self.places.get(path).copied().flatten()?;
        self.labels.get(place as usize).filter(|_| self.labelled()).cloned()
    }
}

/// True for paths with a hidden component (`.git/x`, `._x`) and the resource forks some archives carry.
pub(crate) fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

/// The folder part of a path with `/`; empty at the top.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last component.
fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// More files than this can be more than a README, licences and the like.
const MANY: u64 = 10;

/// How many files lie directly in a folder, and how many in it and below.
#[derive(Clone, Copy, Default)]
struct Files {
    direct: u64,
    all: u64,
}

impl Files {
    /// A folder of documents whose few subfolders only add to them.
    fn holds_most(self) -> bool {
        self.direct > MANY && self.direct > self.all - self.direct
    }
}

/// Decides from the names alone. Documents are the files of folders that hold no further folder with files,
/// and the label is the name of this folder; files beside such folders (a README, a licence) are no
/// documents. Only a folder with more than ten files of its own, and more than all its subfolders have
/// together, takes everything in it and below as documents of its own. Files whose `skip` is true take no part.
pub(crate) fn layout<S: AsRef<str>>(paths: &[S], skip: &[bool]) -> Layout {
    let taken = |i: &usize| !skip.get(*i).copied().unwrap_or(false);
    let mut folders: HashMap<&str, Files> = HashMap::new();
    for i in (0..paths.len()).filter(taken) {
        let mut folder = parent(paths[i].as_ref());
        folders.entry(folder).or_default().direct += 1;
        loop {
            folders.entry(folder).or_default().all += 1;
            if folder.is_empty() {
                break;
            }
            folder = parent(folder);
        }
    }
    // the folder that gives the label to files directly in `folder`
    let owner = |folder: &'_ str| -> Option<String> {
        let mut found = None;
        let mut at = folder;
        loop {
            let files = folders.get(at).copied().unwrap_or_default();
            if files.holds_most() || (at == folder && files.direct == files.all) {
                found = Some(last(at).to_string()); // the outermost wins
            }
            if at.is_empty() {
                return found;
            }
            at = parent(at);
        }
    };
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut known: HashMap<&str, Option<u32>> = HashMap::new();
    let mut out = Layout { places: vec![None; paths.len()], ..Layout::default() };
    for i in (0..paths.len()).filter(taken) {
        let folder = parent(paths[i].as_ref());
        let place = *known.entry(folder).or_insert_with(|| {
            let label = owner(folder)?;
            let next = numbers.len() as u32;
            Some(*numbers.entry(label).or_insert_with_key(|label| {
                out.labels.push(label.clone());
                next
            }))
        });
        out.beside += u64::from(place.is_none());
        out.places[i] = place;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(paths: &[&str]) -> (Vec<String>, bool, u64) {
        let l = layout(paths, &[]);
        let docs = (0..paths.len()).filter(|i| l.is_document(*i)).map(|i| paths[i].to_string()).collect();
        (docs, l.labelled(), l.beside)
    }

    #[test]
    fn innermost_folders_are_labels() {
        let (docs, labelled, beside) = documents(&["README", "train/a/1", "train/b/2", "test/a/3", "test/notes.txt"]);
        assert_eq!(docs, ["train/a/1", "train/b/2", "test/a/3"]);
        assert!(labelled);
        assert_eq!(beside, 2);
        let l = layout(&["train/a/1", "train/b/2"], &[]);
        assert_eq!((l.label(0), l.label(1), l.label(2)), (Some("a".into()), Some("b".into()), None));
    }

    #[test]
    fn one_folder_is_no_label() {
        let (docs, labelled, beside) = documents(&["r/LICENSE", "r/text/1.md", "r/text/2.md"]);
        assert_eq!(docs, ["r/text/1.md", "r/text/2.md"]);
        assert!(!labelled);
        assert_eq!(beside, 1);
        let (docs, labelled, _) = documents(&["1.txt", "2.txt"]);
        assert_eq!((docs.len(), labelled), (2, false));
    }

    #[test]
    fn a_folder_with_many_files_keeps_them() {
        let mut paths: Vec<String> = (0..20).map(|i| format!("r/text/{i}.md")).collect();
        paths.extend(["r/LICENSE".into(), "r/text/more/a.md".into(), "r/text/more/b.md".into()]);
        let l = layout(&paths, &[]);
        assert_eq!((l.labelled(), l.beside), (false, 1));
        assert!(l.is_document(0) && l.is_document(21) && !l.is_document(20));
        // beside label folders of the same size, its files and those below have its name
        paths.extend((0..20).map(|i| format!("r/other/{i}.md")));
        let l = layout(&paths, &[]);
        assert_eq!(l.label(21).as_deref(), Some("text"));
        assert_eq!(l.label(30).as_deref(), Some("other"));
        assert!(!l.is_document(20));
        // but not where the subfolders hold more
        let many: Vec<String> =
            (0..20).map(|i| format!("{i}")).chain((0..30).map(|i| format!("{}/{i}", i % 3))).collect();
        assert_eq!(layout(&many, &[]).beside, 20);
    }

    #[test]
    fn skipped_files_take_no_part() {
        let l = layout(&["a/1", "a/.x/2", "b/1"], &[false, true, false]);
        assert!(l.is_document(0) && !l.is_document(1) && l.is_document(2) && l.labelled());
        assert_eq!(l.beside, 0);
        assert_eq!(layout::<&str>(&[], &[]), Layout::default());
    }

    #[test]
    fn hidden_files() {
        assert!(hidden(".git/config") && hidden("a/._b") && hidden("__MACOSX/a"));
        assert!(!hidden("a.b/c.d"));
    }
}
