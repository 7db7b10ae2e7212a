//! Ratings and names from files.

use super::{FormatChoice, RecommendArgs};
use crate::args::Global;
use crate::failure::Failure;
use crate::text::grouped;
use nmf_core::init::uniform;
use nmf_cpu::ratings::Ratings;
use nmf_io::{FieldOptions, Precision, ReadOptions, read_fields};
use std::collections::HashMap;
use std::path::Path;

/// What users and items are called.
pub(super) struct Names {
    pub(super) users: Vec<String>,
    pub(super) items: Vec<String>,
    /// For people, where known.
    pub(super) titles: Vec<Option<String>>,
}

impl Names {
    /// The number of a user.
    pub(super) fn user(&self, name: &str) -> Result<usize, Failure> {
        let missing = || Failure::usage(format!("--user {name}: no such user; users are called {}", some(&self.users)));
        self.users.iter().position(|u| u == name).ok_or_else(missing)
    }

    /// The number of an item, which may be called by its title.
    pub(super) fn item(&self, name: &str) -> Result<usize, Failure> {
        let title = |t: &Option<String>| t.as_deref() == Some(name);
        let found = self.items.iter().position(|i| i == name).or_else(|| self.titles.iter().position(title));
        let missing =
            || Failure::usage(format!("--similar {name}: no such item; items are called {}", some(&self.items)));
        found.ok_or_else(missing)
    }

    /// An item for people.
    pub(super) fn shown(&self, item: usize) -> &str {
        self.titles[item].as_deref().unwrap_or(&self.items[item])
    }
}

fn some(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    format!("{}{}", first.join(", "), if names.len() > 5 { ", …" } else { "" })
}

/// Training ratings, and those held out.
pub(super) struct Known {
    pub(super) train: Ratings,
    pub(super) test: Option<Vec<Entry>>,
}

/// (user, item, rating).
pub(super) type Entry = (u32, u32, f64);

/// Numbers for names, in the order they come.
#[derive(Default)]
struct Interner {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Interner {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(n) = self.numbers.get(name) {
            return *n;
        }
        let n = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), n);
        n
    }

    /// The names, by number where all of them are numbers, and where each one went.
    fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let numbers: Option<Vec<u64>> = self.names.iter().map(|n| n.parse().ok()).collect();
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        if let Some(numbers) = numbers {
            order.sort_by_key(|i| numbers[*i]);
        }
        let mut to = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| to[*old] = new as u32);
        let mut names = self.names;
        (order.iter().map(|old| std::mem::take(&mut names[*old])).collect(), to)
    }
}

/// Reads RATINGS and --test, or splits.
pub(super) fn ratings(args: &RecommendArgs, global: &Global) -> Result<(Names, Known), Failure> {
    let (mut users, mut items) = (Interner::default(), Interner::default());
    let (mut train, mut test);
    let names = if is_matrix(args) {
        let (names, entries) = matrix(&args.input, global)?;
        train = entries;
        test = match &args.test {
            None => None,
            Some(path) => {
                let (other, entries) = matrix(path, global)?;
                let (own, found) = ((names.0.len(), names.1.len()), (other.0.len(), other.1.len()));
                if own != found {
                    let message =
                        format!("{}×{}, but the ratings are {}×{} users × items", found.0, found.1, own.0, own.1);
                    return Err(Failure::file(path, message));
                }
                if other != names {
                    return Err(Failure::file(path, "its rows or columns have other names than those of the ratings"));
                }
                Some(entries)
            }
        };
        names
    } else {
        train = lines(&args.input, args, &mut users, &mut items, global)?;
        test = match &args.test {
            Some(path) => Some(lines(path, args, &mut users, &mut items, global)?),
            None => None,
        };
        let ((users, to_user), (items, to_item)) = (users.sorted(), items.sorted());
        for e in train.iter_mut().chain(test.iter_mut().flatten()) {
            (e.0, e.1) = (to_user[e.0 as usize], to_item[e.1 as usize]);
        }
        (users, items)
    };
    train = last_of_each(train, &args.input, global);
    if let (Some(share), None) = (args.holdout, &test) {
        let chance = uniform::<f64>(train.len(), 1, args.seed, 2, 1.0);
        let (mut kept, mut held) = (Vec::new(), Vec::new());
        for (e, c) in train.into_iter().zip(&chance) {
            if *c <= share { held.push(e) } else { kept.push(e) }
        }
        if held.is_empty() || kept.is_empty() {
            let message =
                format!("--holdout {share} leaves {} ratings to learn and {} to test", kept.len(), held.len());
            return Err(Failure::file(&args.input, message));
        }
        (train, test) = (kept, Some(held));
    } else if let (Some(path), Some(entries)) = (&args.test, test.take()) {
        let entries = last_of_each(entries, path, global);
        if let Some(e) = entries.iter().find(|e| !e.2.is_finite()) {
            let message = format!(
                "the rating {} of row {}, column {} (counted from 0): finite numbers are needed",
                e.2, e.0, e.1
            );
            return Err(Failure::file(path, message));
        }
        if entries.is_empty() {
            return Err(Failure::file(path, "it holds no rating"));
        }
        let learned: std::collections::HashSet<(u32, u32)> = train.iter().map(|e| (e.0, e.1)).collect();
        let both = entries.iter().filter(|e| learned.contains(&(e.0, e.1))).count();
        if both > 0 {
            global.warn(format!(
                "{}: {both} of {} pairs of user and item are also in {}: errors on them say nothing",
                path.display(),
                entries.len(),
                args.input.display()
            ));
        }
        test = Some(entries);
    }
    let train = Ratings::new(names.0.len(), names.1.len(), &train).map_err(|e| Failure::matrix(&args.input, e))?;
    let titles = vec![None; names.1.len()];
    Ok((Names { users: names.0, items: names.1, titles }, Known { train, test }))
}

pub(super) fn is_matrix(args: &RecommendArgs) -> bool {
    let name = args.input.to_string_lossy().to_lowercase();
    match args.format {
        Some(format) => format == FormatChoice::Matrix,
        None => args.input.is_dir() || [".npy", ".npz", ".mtx", ".mtx.gz"].iter().any(|e| name.ends_with(e)),
    }
}

/// Of pairs that come several times, the last counts.
fn last_of_each(entries: Vec<Entry>, path: &Path, global: &Global) -> Vec<Entry> {
    let mut at: HashMap<(u32, u32), usize> = HashMap::with_capacity(entries.len());
    let total = entries.len();
    let mut kept: Vec<Entry> = Vec::with_capacity(total);
    for e in entries {
        match at.entry((e.0, e.1)) {
            std::collections::hash_map::Entry::Occupied(o) => kept[*o.get()].2 = e.2,
            std::collections::hash_map::Entry::Vacant(v) => {
                v.insert(kept.len());
                kept.push(e);
            }
        }
    }
    if kept.len() < total {
        let again = grouped((total - kept.len()) as u64);
        global.warn(format!(
            "{}: {again} ratings repeat a pair of user and item; the last of them counts",
            path.display()
        ));
    }
    kept
}

fn field_options(args: &RecommendArgs) -> FieldOptions {
    let header = if args.header { Some(true) } else { args.no_header.then_some(false) };
    FieldOptions { separator: args.separator.clone(), header, numeric: Some(2) }
}

/// A rating a line.
fn lines(
    path: &Path,
    args: &RecommendArgs,
    users: &mut Interner,
    items: &mut Interner,
    global: &Global,
) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let decoded = read_fields(path, &args.columns, &field_options(args), |_, fields| {
        let [user, item, rating] = fields else { return Err("user, item and rating are expected".into()) };
        let value: f64 = rating
            .parse()
            .map_err(|_| format!("\"{rating}\" is no rating: a number is expected in column {}", args.columns[2]))?;
        if !value.is_finite() {
            return Err(format!("the rating {value}: a finite number is expected"));
        }
        if user.is_empty() || item.is_empty() {
            return Err("an empty name of a user or item".into());
        }
        entries.push((users.number(user), items.number(item), value));
        Ok(())
    })?;
    tell(path, decoded, global);
    Ok(entries)
}

fn tell(path: &Path, decoded: u64, global: &Global) {
    if decoded > 0 {
        let n = grouped(decoded);
        global.warn(format!("{}: {n} lines are not UTF-8 and were read as Windows-1252", path.display()));
    }
}

/// The names of users and items.
type Pair = (Vec<String>, Vec<String>);

/// The stored entries of a matrix; of a dense one all but NaN.
fn matrix(path: &Path, global: &Global) -> Result<(Pair, Vec<Entry>), Failure> {
    let table =
        nmf_io::read(path, &ReadOptions { precision: Some(Precision::F64), ..ReadOptions::default() })?.into_f64();
    let (rows, cols) = table.dim();
    let dense = matches!(table.matrix, nmf_core::Matrix::Dense(_));
    let (mut entries, mut zeros) = (Vec::new(), 0u64);
    table.matrix.view().for_each(|u, i, v: f64| {
        if !(dense && v.is_nan()) {
            entries.push((u as u32, i as u32, v));
            zeros += u64::from(dense && v == 0.0);
        }
    });
    if zeros > 0 {
        global.warn(format!(
            "{}: {} zeros of this dense matrix are ratings of 0; what is unknown is NaN, or not stored in a sparse matrix",
            path.display(),
            grouped(zeros)
        ));
    }
    let numbered = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>();
    Ok((
        (table.row_names.unwrap_or_else(|| numbered(rows)), table.col_names.unwrap_or_else(|| numbered(cols))),
        entries,
    ))
}

/// Names of the items for people.
pub(super) fn titles(path: &Path, args: &RecommendArgs, names: &mut Names, global: &Global) -> Result<(), Failure> {
    let own: HashMap<String, usize> = names.items.iter().enumerate().map(|(i, n)| (n.clone(), i)).collect();
    let mut found = 0;
    let decoded = read_fields(path, &args.items_columns, &FieldOptions::default(), |_, fields| {
        if let [item, name] = fields
            && let Some(i) = own.get(item.as_ref()).copied()
        {
            found += usize::from(names.titles[i].is_none());
            names.titles[i] = Some(name.to_string());
        }
        Ok(())
    })?;
    tell(path, decoded, global);
    if found == 0 {
        let columns: Vec<String> = args.items_columns.iter().map(ToString::to_string).collect();
        let message = format!(
            "none of its items is among those of the ratings, which are called {}; --items-columns are {}",
            some(&names.items),
            columns.join(" and ")
        );
        return Err(Failure::file(path, message));
    }
    Ok(())
}
