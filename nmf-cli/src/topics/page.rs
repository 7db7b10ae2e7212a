//! The report of `topics`.

use super::TopicsArgs;
use super::documents::About;
use super::files::picture;
use super::relevance::Words;
use super::report::{PAIRS, Topics};
use crate::args::Global;
use crate::failure::Failure;
use crate::known::Known;
use crate::pictures::bars;
use crate::report::{Model, Page, fit};
use crate::session;
use crate::solve::Solved;
use crate::text::{grouped, number};
use nmf_core::Element;
use nmf_io::Table;
use nmf_text::Weighting;
use std::path::Path;

/// Topics of which more are folded away.
const OPEN: usize = 30;
/// Words of the document that is shown.
const WORDS: usize = 60;

/// The report: topics, documents, how the factorization went, its matrices from afar, settings.
pub(super) fn page<T: Element>(
    args: &TopicsArgs,
    corpus: &Path,
    solved: &Solved<T>,
    table: &Table<T>,
    topics: &Topics,
    about: &About,
    global: &Global,
) -> Result<Page, Failure> {
    let report = &solved.report;
    let name = fit::file_name(corpus);
    let counts = args.words.weighting() == Weighting::Counts;
    let what = if counts { "word counts".to_string() } else { format!("{} weights", args.words.weighting()) };
    let mut page = Page::new(
        &format!("{name}: {} topics", topics.topics.len()),
        &format!("Topics of documents by non-negative matrix factorization of {what}"),
    );
    let mut tiles = vec![
        ("documents", grouped(topics.strongest.len() as u64)),
        ("words", grouped(topics.vocabulary as u64)),
        (if counts { "counts above zero" } else { "weights above zero" }, grouped(report.nnz)),
        ("topics", topics.topics.len().to_string()),
    ];
    if let Some(a) = &topics.agreement {
        tiles.push(("agreement (NMI)", format!("{:.3}", a.nmi)));
    }
    tiles.extend(fit::tiles(report).into_iter().filter(|(name, _)| !["matrix", "components"].contains(name)));
    page.tiles(&tiles);
    each(&mut page, topics, args.words_by);
    documents(&mut page, topics, about, args.fit.seed);
    if let Some((row, words)) = &about.shown {
        one(&mut page, topics, *row, words);
    }
    fit::progress(&mut page, report);
    let threads = session::threads(global);
    let known = Known::default();
    Model { solved, table, known: &known, rows: "documents", cols: "words", threads }.heat_maps(&mut page)?;
    fit::loss(&mut page, report);
    let mut extra = vec![
        ("entries", what),
        ("words in at least", format!("{} documents", args.words.min_df)),
        ("words in at most", format!("{} documents", args.words.max_df)),
        ("language", args.words.language.to_string()),
        ("stop words", args.words.leaves_out()),
    ];
    if args.words.stem {
        extra.push(("words as", "stems".into()));
    }
    if args.words.ngrams > 1 {
        extra.push(("runs of words up to", args.words.ngrams.to_string()));
    }
    extra.extend(args.words.max_features.map(|n| ("words at most", n.to_string())));
    extra.extend(args.fit.stops());
    fit::settings(&mut page, report, corpus, &extra);
    Ok(page)
}

/// The section on the topics, the largest first.
fn each(page: &mut Page, topics: &Topics, by: Words) {
    let mut order: Vec<usize> = (0..topics.topics.len()).collect();
    order.sort_by_key(|&q| std::cmp::Reverse(topics.topics[q].documents));
    let first = match by {
        Words::Relevance => "words come first that are frequent in the topic and distinctive of it",
        Words::Weight => "the largest come first",
    };
    page.section(
        "Topics",
        &format!(
            "The words of each topic with their weights in H ({first}); topics with most documents first. A document counts for the topic with \
             its largest share. Coherence is the mean NPMI of the words, from −1 to 1: how much oftener than by chance they meet in a document."
        ),
    );
    let plural = |n: usize| if n == 1 { "document" } else { "documents" };
    for (place, &q) in order.iter().enumerate() {
        if place == OPEN {
            page.fold(&format!("{} smaller topics", order.len() - OPEN));
        }
        let t = &topics.topics[q];
        let title = format!("Topic {} · {} {}", q + 1, grouped(t.documents as u64), plural(t.documents));
        page.figure(&format!("topic-{:02}", q + 1), bars(&title, &t.words), &told(t));
    }
    if order.len() > OPEN {
        page.unfold();
    }
    let rows: Vec<Vec<String>> = order
        .iter()
        .map(|&q| {
            let t = &topics.topics[q];
            let examples: Vec<&str> = t.examples().iter().map(|&i| topics.name(i)).collect();
            vec![(q + 1).to_string(), t.documents.to_string(), t.name.clone(), examples.join("; ")]
        })
        .collect();
    page.fold("Documents that are most about each topic");
    page.table(&["topic", "documents", "name", "most about it"], &rows);
    page.unfold();
    for (p, q, cosine) in topics.alike().into_iter().take(PAIRS) {
        page.paragraph(&format!("Topics {} and {} share many words: cosine {cosine:.2}.", p + 1, q + 1));
    }
}

/// Name, most common label and coherence of a topic.
fn told(t: &super::report::Topic) -> String {
    let label = t.label.as_ref().map(|(label, share)| format!("{:.0} % {label}", 100.0 * share));
    let coherence = t.coherence.map(|c| format!("coherence {c:.2}"));
    std::iter::once(t.name.clone()).chain(label).chain(coherence).collect::<Vec<_>>().join(" · ")
}

/// The section on the documents: a sample of them, and how they agree with the labels.
fn documents(page: &mut Page, topics: &Topics, about: &About, seed: u64) {
    let text = format!(
        "{:.0} % of the documents have at least half their weight on one topic.",
        100.0 * topics.single_topic_share
    );
    page.section("Documents", &text);
    let by = if about.labels.is_some() { "Grouped by label." } else { "Grouped by their strongest topic." };
    page.figure("documents", picture(topics, about, seed), by);
    if let Some(a) = &topics.agreement {
        page.paragraph(&format!(
            "Agreement of the strongest topics with the labels of {} documents: NMI {:.3}, ARI {:.3}, purity {:.3} (1 would be the same groups).",
            grouped(a.documents as u64),
            a.nmi,
            a.ari,
            a.purity
        ));
    }
}

/// The section on the document of --show.
fn one(page: &mut Page, topics: &Topics, row: usize, words: &[(String, f32)]) {
    page.section(&format!("Document {}", topics.name(row)), "Its topics by their shares, and its words.");
    let mut shares: Vec<(String, f64)> = Vec::new();
    for (q, share) in topics.shares.row(row).iter().enumerate().filter(|(_, s)| **s >= 0.01) {
        shares.push((format!("{} {}", q + 1, topics.topics[q].name), *share));
    }
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    page.figure("document", bars("Shares of topics", &shares), "");
    let mut words: Vec<&(String, f32)> = words.iter().collect();
    words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let list: Vec<String> = words.iter().take(WORDS).map(|(w, n)| format!("{w} {}", number(f64::from(*n)))).collect();
    let rest = if words.len() > WORDS { format!(", and {} more", words.len() - WORDS) } else { String::new() };
    page.paragraph(&format!("{}{rest}.", list.join(", ")));
}
