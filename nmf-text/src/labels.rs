//! Short names for topics: their best pair of neighbouring words, and their best words.

use crate::corpus::{Document, ReadOptions, read_documents};
use crate::error::{Error, Result};
use crate::message;
use crate::options::TextOptions;
use crate::terms::Terms;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Words in a label.
const WORDS: usize = 3;
/// Documents of the topic that must hold a pair.
const DOCUMENTS: u32 = 3;
/// Of the topic's documents with the rarer word of a pair, the share that must hold the pair.
const SHARE: f64 = 0.1;

/// Names topics from their top words, while the documents are read a second time.
///
/// A label has three words: first, if there is one, the pair of the topic's top words that stand next to each other in
/// most of the documents whose strongest topic it is; then the top words in their order. The candidates are bigrams as in
/// Mei, Shen & Zhai, Automatic labeling of multinomial topic models, KDD 2007. Stems are written as the word they most
/// often stand for.
#[derive(Debug, Clone)]
pub struct Labeller {
    options: TextOptions,
    terms: Terms,
    ids: HashMap<String, u32>,
    /// The top words of each topic.
    top: Vec<Vec<u32>>,
    members: HashSet<(usize, u32)>,
    /// Documents of a topic that hold a word.
    df: HashMap<(usize, u32), u32>,
    /// Documents of a topic that hold two words in this order with nothing between.
    pairs: HashMap<(usize, u32, u32), u32>,
    /// How often each form of a word occurs.
    forms: Vec<HashMap<String, u64>>,
    scratch: String,
}

impl Labeller {
    /// For topics with these top words, best first; n-grams count as their words.
    pub fn new(options: &TextOptions, top: &[Vec<String>]) -> Result<Self> {
        let options = TextOptions { ngrams: 1, ..options.clone() };
        options.check()?;
        let (mut ids, mut members) = (HashMap::new(), HashSet::new());
        let mut list = |q: usize, terms: &[String]| {
            let mut own = Vec::new();
            for word in terms.iter().flat_map(|t| t.split(' ')).filter(|w| !w.is_empty()) {
                let next = ids.len() as u32;
                let id = *ids.entry(word.to_string()).or_insert(next);
                if members.insert((q, id)) {
                    own.push(id);
                }
            }
            own
        };
        let top: Vec<Vec<u32>> = top.iter().enumerate().map(|(q, terms)| list(q, terms)).collect();
        let forms = vec![HashMap::new(); ids.len()];
        Ok(Labeller {
            terms: Terms::new(&options)?,
            options,
            ids,
            top,
            members,
            df: HashMap::new(),
            pairs: HashMap::new(),
            forms,
            scratch: String::new(),
        })
    }

    /// Takes a document and its strongest topic, counted from 0.
    pub fn push(&mut self, document: &Document, topic: Option<usize>) {
        let Some(q) = topic else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        message::prepare(&document.text, &self.options, &mut scratch);
        let text = self.terms.normalize(scratch);
        let Self { terms, ids, members, forms, .. } = self;
        let (mut words, mut pairs) = (HashSet::new(), HashSet::new());
        let mut before = None;
        terms.each_neighbour(&text, |word, term, adjacent| {
            let id = ids.get(term).copied().filter(|id| members.contains(&(q, *id)));
            if let Some(id) = id {
                words.insert(id);
                if let Some(forms) = forms.get_mut(id as usize) {
                    match forms.get_mut(word) {
                        Some(n) => *n += 1,
                        None => {
                            forms.insert(word.to_string(), 1);
                        }
                    }
                }
                if let Some(first) = before.filter(|b| adjacent && *b != id) {
                    pairs.insert((first, id));
                }
            }
            before = id;
        });
        words.into_iter().for_each(|id| *self.df.entry((q, id)).or_default() += 1);
        pairs.into_iter().for_each(|(a, b)| *self.pairs.entry((q, a, b)).or_default() += 1);
        self.scratch = text;
    }

    /// The labels, one a topic; empty for a topic without words.
    pub fn labels(&self) -> Vec<String> {
        let names: HashMap<u32, &str> = self.ids.iter().map(|(word, id)| (*id, word.as_str())).collect();
        let form = |id: u32| {
            let forms = self.forms.get(id as usize).into_iter().flatten();
            let most = forms.max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
            most.map_or(names.get(&id).copied().unwrap_or(""), |(word, _)| word)
        };
        let label = |(q, top): (usize, &Vec<u32>)| {
            let df = |id| self.df.get(&(q, id)).copied().unwrap_or(0);
            let place = |id: u32| top.iter().position(|t| *t == id);
            let enough =
                |(a, b): (u32, u32), n: u32| n >= DOCUMENTS && f64::from(n) >= SHARE * f64::from(df(a).min(df(b)));
            let own = self.pairs.iter().filter(|((topic, ..), _)| *topic == q).map(|((_, a, b), n)| ((*a, *b), *n));
            let best = own.filter(|(pair, n)| enough(*pair, *n)).max_by(|x, y| {
                let at = |(a, b): (u32, u32)| (place(a), place(b));
                x.1.cmp(&y.1).then_with(|| at(y.0).cmp(&at(x.0)))
            });
            let pair: Vec<u32> = best.map_or(Vec::new(), |((a, b), _)| vec![a, b]);
            let blank = if self.options.language.is_segmented() { "" } else { " " };
            let phrase = pair.iter().map(|id| form(*id)).collect::<Vec<_>>().join(blank);
            let rest =
                top.iter().filter(|id| !pair.contains(id)).map(|id| form(*id).to_string()).take(WORDS - pair.len());
            Some(phrase).filter(|p| !p.is_empty()).into_iter().chain(rest).collect::<Vec<_>>().join(", ")
        };
        self.top.iter().enumerate().map(label).collect()
    }
}

/// Labels for topics with these top words, from the corpus at `path`, whose documents have these strongest topics in
/// their order. See [`Labeller`].
pub fn label_topics(
    path: &Path,
    read: &ReadOptions,
    options: &TextOptions,
    top: &[Vec<String>],
    strongest: &[Option<usize>],
) -> Result<Vec<String>> {
    let mut labeller = Labeller::new(options, top)?;
    let mut topics = strongest.iter();
    let changed = || Error::Stopped(format!("{} changed while it was read", path.display()));
    read_documents(path, read, |d| {
        labeller.push(d, *topics.next().ok_or_else(changed)?);
        Ok(())
    })?;
    if topics.next().is_some() {
        return Err(changed());
    }
    Ok(labeller.labels())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    fn labels(options: TextOptions, top: &[&[&str]], documents: &[(&str, Option<usize>)]) -> Vec<String> {
        let top: Vec<Vec<String>> = top.iter().map(|t| t.iter().map(|w| w.to_string()).collect()).collect();
        let mut labeller = Labeller::new(&options, &top).unwrap();
        for (text, topic) in documents {
            labeller.push(&Document { text: text.to_string(), ..Default::default() }, *topic);
        }
        labeller.labels()
    }

    #[test]
    fn the_pair_of_most_documents_comes_first() {
        let top: [&[&str]; 3] = [&["nasa", "shuttle", "space", "orbit"], &["key", "public key", "chip"], &[]];
        let documents = [
            ("A space shuttle and NASA", Some(0)),
            ("space-shuttle; space. orbit", Some(0)),
            ("space\nshuttle in orbit, space orbit", Some(0)),
            ("nasa orbit: nasa orbit, nasa orbit!", Some(0)),
            // a sentence or a paragraph between, another topic, or none
            ("public. key", Some(1)),
            ("public\n\nkey", Some(1)),
            ("public key", Some(0)),
            ("public key", Some(0)),
            ("public key", None),
            ("public key", Some(1)),
        ];
        let found = labels(TextOptions::default(), &top, &documents);
        assert_eq!(found, ["space shuttle, nasa", "key, public, chip", ""]);
    }

    #[test]
    fn stems_are_written_as_words() {
        let options = TextOptions { language: Language::English, stem: true, ..Default::default() };
        let text = ("neural networks, learned by machines; machines", Some(0));
        let found = labels(options, &[&["machin", "network", "neural", "unseen"]], &[text, text, text]);
        assert_eq!(found, ["neural networks, machines"]);
    }

    #[test]
    fn japanese_pairs_have_no_blank() {
        let options = TextOptions { language: Language::Japanese, ..Default::default() };
        let text = ("機械学習のデータ", Some(0));
        let found = labels(options, &[&["データ", "学習", "機械"]], &[text, text, text]);
        assert_eq!(found, ["機械学習, データ"]);
    }
}
