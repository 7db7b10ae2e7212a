//! Languages, stems and n-grams from documents to counts, and in saved models.

use nmf_text::{Corpus, Document, Error, Language, StopWords, TextModel, TextOptions, VectorizerBuilder};

fn documents(texts: &[&str]) -> Vec<Document> {
    texts.iter().map(|t| Document { text: t.to_string(), ..Default::default() }).collect()
}

fn count(texts: &[&str], options: &TextOptions) -> Result<Corpus, Error> {
    let mut builder = VectorizerBuilder::new(options.clone())?;
    documents(texts).iter().try_for_each(|d| builder.push(d))?;
    builder.finish()
}

fn of(language: Language) -> TextOptions {
    TextOptions { language, stop_words: StopWords::Of(language), ..Default::default() }
}

const PARAGRAPH: &str = "大量のデータを前に，教師となるラベルを一つずつ付けるのは難しい．教師なしの学習なら，\
    教師データがなくてもデータだけから構造を取り出せる．本稿では学習に使うモデルを説明する．";

#[test]
fn a_japanese_paragraph() {
    let c = count(&[PARAGRAPH], &of(Language::Japanese)).unwrap();
    let words = c.document(0);
    let n = |word: &str| words.iter().find(|(w, _)| *w == word).map_or(0.0, |(_, n)| *n);
    assert_eq!(["教師", "データ", "学習", "モデル"].map(n), [3.0, 3.0, 2.0, 1.0]);
    let mut once: Vec<&str> = words.iter().filter(|(_, n)| *n == 1.0).map(|(w, _)| *w).collect();
    once.sort_unstable();
    assert_eq!(once, ["モデル", "ラベル", "付ける", "取り出せる", "大量", "本稿", "構造", "説明", "難しい"]);
    assert_eq!(c.vocabulary.len(), 12);
    // full-width and half-width forms are one word
    let c = count(&["ﾓﾃﾞﾙ モデル ＮＭＦ nmf"], &of(Language::Japanese)).unwrap();
    assert_eq!(c.document(0), [("nmf", 2.0), ("モデル", 2.0)]);
}

#[test]
fn a_chinese_paragraph() {
    let texts = [
        "非负矩阵分解是一种常用的机器学习方法，可以用来发现文档的主题。",
        "我们在北京大学的图书馆里学习自然语言处理。",
    ];
    let c = count(&texts, &of(Language::Chinese)).unwrap();
    let words: Vec<&str> = c.document(1).into_iter().map(|(w, _)| w).collect();
    assert_eq!(words, ["北京大学", "图书馆", "处理", "学习", "自然语言"]);
    let words: Vec<&str> = c.document(0).into_iter().map(|(w, _)| w).collect();
    assert!(["非负", "矩阵", "分解", "机器", "学习", "方法", "主题"].iter().all(|w| words.contains(w)), "{words:?}");
    assert!(!words.contains(&"可以") && !words.contains(&"的"), "{words:?}");
}

#[test]
fn stems_and_bigrams_under_the_bounds() {
    let texts = ["The topics of topic models", "A topic model", "modelling the data"];
    let options = TextOptions { stem: true, ngrams: 2, ..of(Language::English) };
    let c = count(&texts, &options).unwrap();
    assert_eq!(c.vocabulary, ["data", "model", "model data", "topic", "topic model", "topic topic"]);
    assert_eq!(c.document(0), [("topic", 2.0), ("model", 1.0), ("topic model", 1.0), ("topic topic", 1.0)]);
    assert_eq!((c.stats.tokens, c.stats.stop_words), (10, 3));
    let c = count(&texts, &TextOptions { min_df: nmf_text::Df::Count(2), ..options.clone() }).unwrap();
    assert_eq!(c.vocabulary, ["model", "topic", "topic model"]);
    let c = count(&texts, &TextOptions { max_features: Some(2), ..options }).unwrap();
    assert_eq!(c.vocabulary, ["model", "topic"]);
}

#[test]
fn models_count_new_documents_as_the_old() {
    let cases: [(TextOptions, [&str; 2], &str); 3] = [
        (
            TextOptions { stem: true, ngrams: 2, ..of(Language::English) },
            ["the topics of models", "topic modelling"],
            "a topic model's unheard-of word, modelled",
        ),
        (
            TextOptions { ngrams: 2, ..of(Language::Japanese) },
            [PARAGRAPH, "教師データの学習"],
            "新しい教師データのモデル",
        ),
        (
            TextOptions { weighting: nmf_text::Weighting::LogIdf, ..of(Language::Chinese) },
            ["机器学习的方法", "图书馆的文档"],
            "学习的方法：文档",
        ),
    ];
    for (options, texts, new) in cases {
        let c = count(&texts, &options).unwrap();
        let json = TextModel::new(&c, &options).to_json().to_string();
        let back = TextModel::from_json(&serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(back.options, options);
        let vectorizer = back.vectorizer().unwrap();
        assert_eq!(vectorizer.transform(&documents(&texts)).unwrap().counts, c.counts);
        // a new document counts as in a corpus that holds it, in the columns the model has
        let all = count(&[texts[0], texts[1], new], &options).unwrap();
        let (found, expected) = (vectorizer.transform(&documents(&[new])).unwrap(), all.document(2));
        let known: Vec<_> = expected.into_iter().filter(|(w, _)| c.vocabulary.iter().any(|v| v == w)).collect();
        assert!(known.len() > 1);
        let mut words = found.document(0);
        words.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        assert_eq!(words, known, "{}", options.language);
    }
}

#[test]
fn models_of_before_languages_are_read() {
    let plain = TextModel { vocabulary: vec!["x".into()], idf: None, options: TextOptions::default() };
    let mut old = plain.to_json();
    old["version"] = 1.into();
    for field in ["language", "stem", "ngrams", "weighting"] {
        let mut new = plain.to_json();
        new.as_object_mut().unwrap().remove(field);
        assert!(TextModel::from_json(&new).unwrap_err().to_string().contains(field));
        old.as_object_mut().unwrap().remove(field);
    }
    old["tfidf"] = false.into();
    assert_eq!(TextModel::from_json(&old).unwrap(), plain);
    old["tfidf"] = true.into();
    old["idf"] = serde_json::json!([1.5]);
    assert_eq!(TextModel::from_json(&old).unwrap().options.weighting, nmf_text::Weighting::TfIdf);
    for (field, value) in
        [("language", "klingon".into()), ("ngrams", 9.into()), ("stem", true.into()), ("weighting", "heavy".into())]
    {
        let mut bad = plain.to_json();
        bad[field] = value;
        assert!(TextModel::from_json(&bad).unwrap_err().to_string().contains(field), "{field}");
    }
}

#[test]
fn words_keep_their_marks_and_their_dots() {
    let c =
        count(&["हिन्दी भाषा में लिखी किताब"], &TextOptions { language: Language::None, ..Default::default() }).unwrap();
    for word in ["हिन्दी", "भाषा", "किताब"] {
        assert!(c.vocabulary.iter().any(|w| w == word), "{word}: {:?}", c.vocabulary);
    }
    let turkish = TextOptions { language: "tr".parse().unwrap(), ..Default::default() };
    let c = count(&["İzmir ISPARTA izmir ısparta"], &turkish).unwrap();
    assert_eq!(c.document(0), [("izmir", 2.0), ("ısparta", 2.0)]);
}

#[test]
fn stems_may_be_stop_words_but_not_empty() {
    // bill, fire and show are on the list, these words are not
    let c = count(&["bills firing shows the"], &TextOptions { stem: true, ..of(Language::English) }).unwrap();
    assert_eq!(c.vocabulary, ["bill", "fire", "show"]);
    let arabic: Language = "ar".parse().unwrap();
    let c = count(&["ــــ كتاب ــــ"], &TextOptions { stem: true, ngrams: 2, ..of(arabic) }).unwrap();
    assert!(c.vocabulary.len() == 1 && !c.vocabulary[0].is_empty(), "{:?}", c.vocabulary);
}
