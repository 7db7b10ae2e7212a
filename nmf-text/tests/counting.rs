//! Vocabulary, bounds, tf-idf and saved models. Values from scikit-learn are those of version 1.9.

use nmf_text::{
    Corpus, Df, Document, Error, Language, StopWords, TextModel, TextOptions, Vectorizer, VectorizerBuilder, Weighting,
};
use std::collections::HashSet;

const DOCS: [&str; 4] = ["the cat sat on the mat", "The dog sat", "a cat and a dog", "!"];

fn documents(texts: &[&str]) -> Vec<Document> {
    let document = |(i, t): (usize, &&str)| Document { name: format!("d/{i}"), label: None, text: t.to_string() };
    texts.iter().enumerate().map(document).collect()
}

fn count(texts: &[&str], options: TextOptions) -> Result<Corpus, Error> {
    let mut builder = VectorizerBuilder::new(options)?;
    documents(texts).iter().try_for_each(|d| builder.push(d))?;
    builder.finish()
}

fn rows(corpus: &Corpus) -> Vec<Vec<f32>> {
    corpus.counts.to_dense().outer_iter().map(|r| r.to_vec()).collect()
}

#[test]
fn counts_and_empty_rows() {
    let c = count(&DOCS, TextOptions::default()).unwrap();
    assert_eq!(c.vocabulary, ["and", "cat", "dog", "mat", "on", "sat", "the"]);
    let expected = [[0, 1, 0, 1, 1, 1, 2], [0, 0, 1, 0, 0, 1, 1], [1, 1, 1, 0, 0, 0, 0], [0; 7]];
    assert_eq!(rows(&c), expected.map(|r| r.map(|v| v as f32).to_vec()));
    assert_eq!((c.labels.as_ref(), c.idf.as_ref(), c.stats.empty_documents, c.stats.tokens), (None, None, 1, 12));
    assert_eq!(c.document(0)[0], ("the", 2.0));
    assert_eq!(c.document(9), []);
}

#[test]
fn case_and_unicode() {
    let c = count(&["ΣΟΦΟΣ Straße İx ÉTÉ été"], TextOptions::default()).unwrap();
    // sorted(set(re.findall(r"(?u)\b\w\w+\b", "ΣΟΦΟΣ Straße İx ÉTÉ été".lower()))) in Python
    assert_eq!(c.vocabulary, ["straße", "été", "σοφος"]);
    let c = count(&["Ab ab"], TextOptions { lowercase: false, ..Default::default() }).unwrap();
    assert_eq!(c.vocabulary, ["Ab", "ab"]);
}

#[test]
fn tfidf_as_scikit_learn() {
    let options = TextOptions { weighting: Weighting::TfIdf, ..Default::default() };
    let c = count(&DOCS, options.clone()).unwrap();
    let (rare, common) = (1.916290731874155, 1.5108256237659907);
    let idf = c.idf.clone().unwrap();
    for (found, expected) in idf.iter().zip([rare, common, common, rare, rare, common, common]) {
        assert!((found - expected).abs() < 1e-15);
    }
    let w = c.weights().to_dense();
    let expected = [
        [0.0, 0.329376384, 0.0, 0.417772178, 0.417772178, 0.329376384, 0.658752768],
        [0.0, 0.0, 0.577350269, 0.0, 0.0, 0.577350269, 0.577350269],
        [0.667678545, 0.526405434, 0.526405434, 0.0, 0.0, 0.0, 0.0],
        [0.0; 7],
    ];
    for (row, expected) in w.outer_iter().zip(expected) {
        assert!(row.iter().zip(expected).all(|(v, e)| (f64::from(*v) - e).abs() < 1e-7), "{row}");
    }
    let v = Vectorizer::from_vocabulary(&c.vocabulary, c.idf.clone(), options).unwrap();
    let t = v.transform(&documents(&["dog dog mat zebra"])).unwrap();
    assert_eq!(t.stats.unknown, 1);
    let w = t.into_weights().to_dense().mapv(f64::from);
    assert!((w[[0, 2]] - 0.844493202).abs() < 1e-7 && (w[[0, 3]] - 0.535566273).abs() < 1e-7);
}

#[test]
fn logarithms_of_counts_times_idf() {
    let options = TextOptions { weighting: Weighting::LogIdf, ..Default::default() };
    let c = count(&DOCS, options.clone()).unwrap();
    let (rare, common) = (1.916290731874155f64, 1.5108256237659907f64);
    let w = c.weights().to_dense().mapv(f64::from);
    // the: twice in the first document; and: in one document of four
    assert!((w[[0, 6]] - 3f64.ln() * common).abs() < 1e-6 && (w[[2, 0]] - 2f64.ln() * rare).abs() < 1e-6, "{w}");
    assert_eq!(w.row(3).sum(), 0.0);
    let v = Vectorizer::from_vocabulary(&c.vocabulary, c.idf.clone(), options.clone()).unwrap();
    let new = v.transform(&documents(&["dog dog dog zebra"])).unwrap().into_weights().to_dense();
    assert!((f64::from(new[[0, 2]]) - 4f64.ln() * common).abs() < 1e-6);
    let e = Vectorizer::from_vocabulary(&c.vocabulary, None, options).unwrap_err().to_string();
    assert!(e.contains("idf") && e.contains("log-idf"), "{e}");
    for w in [Weighting::Counts, Weighting::TfIdf, Weighting::LogIdf] {
        assert_eq!(w.name().parse::<Weighting>().unwrap(), w);
    }
    assert!("tfidf".parse::<Weighting>().unwrap_err().to_string().contains("tf-idf"));
}

#[test]
fn document_frequency_bounds() {
    // df: aa 4, bb 3, cc 2, dd 1 of 4
    let texts = ["aa bb cc dd dd dd", "aa bb cc", "aa bb", "aa"];
    let words =
        |min_df, max_df| count(&texts, TextOptions { min_df, max_df, ..Default::default() }).unwrap().vocabulary;
    assert_eq!(words(Df::Count(2), Df::Share(1.0)), ["aa", "bb", "cc"]);
    assert_eq!(words(Df::Share(0.5), Df::Share(0.75)), ["bb", "cc"]);
    assert_eq!(words(Df::Share(0.51), Df::Count(3)), ["bb"]);
    let most = |n| count(&texts, TextOptions { max_features: Some(n), ..Default::default() }).unwrap();
    // totals: aa 4, bb 3, dd 3, cc 2; of bb and dd the one in more documents stays
    assert_eq!(most(2).vocabulary, ["aa", "bb"]);
    assert_eq!(
        (most(3).vocabulary, most(3).stats.beyond_max_features),
        (vec!["aa".into(), "bb".into(), "dd".into()], 1)
    );
    assert_eq!(most(9).vocabulary.len(), 4);
}

#[test]
fn stop_words() {
    let list = StopWords::List(HashSet::from(["CAT".to_string(), "sat".to_string()]));
    let c = count(&DOCS, TextOptions { stop_words: list, ..Default::default() }).unwrap();
    assert_eq!((c.vocabulary.join(" ").as_str(), c.stats.stop_words, c.stats.words), ("and dog mat on the", 4, 5));
    let c = count(&DOCS, TextOptions { stop_words: StopWords::Of(Language::English), ..Default::default() }).unwrap();
    assert_eq!(c.vocabulary, ["cat", "dog", "mat", "sat"]);
}

#[test]
fn an_empty_vocabulary_says_why() {
    let why = |options| count(&["aa bb", "aa the"], options).unwrap_err().to_string();
    let stop_words = StopWords::Of(Language::English);
    let e = why(TextOptions { stop_words, min_df: Df::Count(2), max_df: Df::Share(0.5), ..Default::default() });
    assert!(e.contains("2 documents hold 4 tokens; 1 of them are stop words (--stop-words)"), "{e}");
    assert!(e.contains("1 different words are in more documents than --max-df 0.5"), "{e}");
    assert!(e.contains("1 different words are in fewer documents than --min-df 2"), "{e}");
    let e = why(TextOptions { token_pattern: Some("[0-9]+".into()), ..Default::default() });
    assert!(e.contains("token pattern [0-9]+"), "{e}");
    let none = VectorizerBuilder::new(TextOptions::default()).unwrap().finish();
    assert!(matches!(none, Err(Error::EmptyVocabulary { .. })));
}

#[test]
fn documents_are_found_by_name() {
    let c = count(&DOCS, TextOptions::default()).unwrap();
    assert_eq!((c.find("d/2").unwrap(), c.find("3").unwrap(), c.find("#1").unwrap()), (2, 3, 0));
    for (name, part) in [("x", "the first is \"d/0\""), ("#0", "from #1 to #4"), ("#5", "from #1 to #4")] {
        let e = c.find(name).unwrap_err().to_string();
        assert!(e.contains(part) && e.contains(name), "{e}");
    }
}

#[test]
fn models_come_back() {
    let stop_words = StopWords::List(HashSet::from(["mat".to_string()]));
    let options = TextOptions {
        stop_words,
        weighting: Weighting::TfIdf,
        min_df: Df::Share(0.0),
        max_features: Some(5),
        token_pattern: Some("[a-z]+".into()),
        keep_headers: Some(vec!["From".into()]),
        strip: "quotes".parse().unwrap(),
        ..Default::default()
    };
    let c = count(&DOCS, options.clone()).unwrap();
    let model = TextModel::new(&c, &options);
    let text = model.to_json().to_string();
    let back = TextModel::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!((&back.vocabulary, &back.options), (&model.vocabulary, &model.options));
    for (a, b) in back.idf.as_ref().unwrap().iter().zip(model.idf.as_ref().unwrap()) {
        assert!((a - b).abs() <= 1e-15 * b);
    }
    let again = back.vectorizer().unwrap().transform(&documents(&DOCS)).unwrap();
    assert_eq!((again.counts.clone(), again.vocabulary.clone()), (c.counts.clone(), c.vocabulary.clone()));
    let plain = TextModel { vocabulary: vec!["x".into()], idf: None, options: TextOptions::default() };
    assert_eq!(TextModel::from_json(&plain.to_json()).unwrap(), plain);

    for (field, value) in [
        ("version", serde_json::json!(3)),
        ("vocabulary", serde_json::json!(["a", "a", "b", "c", "d"])),
        ("vocabulary", serde_json::json!([])),
        ("vocabulary", serde_json::json!([1])),
        ("idf", serde_json::json!([1.0])),
        ("idf", serde_json::json!(null)),
        ("idf", serde_json::json!("x")),
        ("min_df", serde_json::json!("many")),
        ("strip", serde_json::json!([])),
        ("stop_words", serde_json::json!(7)),
        ("token_pattern", serde_json::json!(7)),
        ("keep_headers", serde_json::json!("From")),
        ("lowercase", serde_json::json!(null)),
        ("max_features", serde_json::json!(-1)),
    ] {
        let mut json = model.to_json();
        json[field] = value;
        let e = TextModel::from_json(&json).unwrap_err().to_string();
        assert!(e.contains(field), "{field}: {e}");
    }
    let mut json = model.to_json();
    json["token_pattern"] = "(".into();
    assert!(TextModel::from_json(&json).unwrap_err().to_string().contains("regular expression"));
    assert!(TextModel::from_json(&serde_json::json!(null)).is_err());
}

#[test]
fn a_given_vocabulary_keeps_its_order() {
    let vocabulary: Vec<String> = ["dog", "the", "cat"].map(String::from).into();
    let options =
        TextOptions { stop_words: StopWords::Of(Language::English), min_df: Df::Count(9), ..Default::default() };
    let v = Vectorizer::from_vocabulary(&vocabulary, None, options).unwrap();
    let c = v.transform(&documents(&DOCS)).unwrap();
    assert_eq!(rows(&c), [[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0; 3]]);
    assert_eq!((c.stats.stop_words, c.stats.unknown), (2, 3)); // on, and; sat, mat, sat
    assert_eq!(v.transform(&[]).unwrap().counts.shape(), (0, 3));
}
