//! The settings and the vocabulary of a text model, as JSON.

use crate::counts::Corpus;
use crate::error::{Error, Result};
use crate::language::Language;
use crate::options::{Df, StopWords, Strip, TextOptions, Weighting};
use crate::vectorize::Vectorizer;
use serde_json::{Map, Value, json};

/// The version [`TextModel::to_json`] writes. Version 1, which is read as well, knew no languages, stems, n-grams
/// and log-idf.
pub const MODEL_VERSION: u64 = 2;

/// What turns new documents into rows of the same columns.
#[derive(Debug, Clone, PartialEq)]
pub struct TextModel {
    /// The words, one a column.
    pub vocabulary: Vec<String>,
    /// Their inverse document frequencies, for tf-idf and log-idf.
    pub idf: Option<Vec<f64>>,
    /// How texts become words.
    pub options: TextOptions,
}

fn bad(field: &'static str, expected: &str, found: Option<&Value>) -> Error {
    let found = found.map_or("missing".to_string(), |v| {
        let text: String = v.to_string().chars().take(40).collect();
        format!("found {text}")
    });
    Error::Model { field, message: format!("{found}; {expected} is needed") }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|v| v.as_str().map(str::to_string)).collect()
}

fn df_to_json(df: Df) -> Value {
    Value::String(df.to_string())
}

impl TextModel {
    /// The model of a counted corpus and the options it was counted with.
    pub fn new(corpus: &Corpus, options: &TextOptions) -> Self {
        TextModel { vocabulary: corpus.vocabulary.clone(), idf: corpus.idf.clone(), options: options.clone() }
    }

    /// Counts the words of new documents.
    pub fn vectorizer(&self) -> Result<Vectorizer> {
        Vectorizer::from_vocabulary(&self.vocabulary, self.idf.clone(), self.options.clone())
    }

    /// The model as JSON.
    pub fn to_json(&self) -> Value {
        let o = &self.options;
        let stop_words = match &o.stop_words {
            StopWords::None => Value::Null,
            StopWords::Of(Language::English) => json!("english"),
            StopWords::Of(language) => json!(language.code()),
            list => json!(list.words()),
        };
        json!({
            "version": MODEL_VERSION,
            "language": o.language.code(),
            "lowercase": o.lowercase,
            "token_pattern": o.token_pattern,
            "stop_words": stop_words,
            "stem": o.stem,
            "ngrams": o.ngrams,
            "keep_headers": o.keep_headers,
            "strip": { "headers": o.strip.headers, "quotes": o.strip.quotes, "footers": o.strip.footers },
            "min_df": df_to_json(o.min_df),
            "max_df": df_to_json(o.max_df),
            "max_features": o.max_features,
            "weighting": o.weighting.name(),
            "idf": self.idf,
            "vocabulary": self.vocabulary,
        })
    }

    /// Reads what [`to_json`](Self::to_json) wrote and checks that it can be used.
    pub fn from_json(value: &Value) -> Result<Self> {
        let object = value.as_object().ok_or_else(|| bad("(all)", "an object", Some(value)))?;
        let version = object.get("version").and_then(Value::as_u64);
        let version = version.filter(|v| (1..=MODEL_VERSION).contains(v));
        let version =
            version.ok_or_else(|| bad("version", "1 or 2, which this program knows,", object.get("version")))?;
        let flag = |o: &Map<String, Value>, field: &'static str| {
            let value = o.get(field);
            value.and_then(Value::as_bool).ok_or_else(|| bad(field, "true or false", value))
        };
        let some = |field: &'static str| object.get(field).filter(|v| !v.is_null());
        let df = |field: &'static str| -> Result<Df> {
            let text = object.get(field).and_then(Value::as_str);
            text.and_then(|t| t.parse().ok()).ok_or_else(|| bad(field, "\"2\" or \"0.5\"", object.get(field)))
        };
        let stop_words = match some("stop_words") {
            None => StopWords::None,
            Some(Value::String(s)) if s == "english" => StopWords::Of(Language::English),
            Some(v @ Value::String(s)) => {
                StopWords::Of(s.parse().map_err(|_| bad("stop_words", "the code of a language", Some(v)))?)
            }
            Some(v) => {
                let list =
                    strings(v).ok_or_else(|| bad("stop_words", "null, a language or a list of words", Some(v)))?;
                StopWords::List(list.into_iter().collect())
            }
        };
        let strip = object.get("strip").and_then(Value::as_object);
        let strip = strip.ok_or_else(|| bad("strip", "an object", object.get("strip")))?;
        let text = |v: &Value| v.as_str().map(str::to_string).ok_or_else(|| bad("token_pattern", "a string", Some(v)));
        let headers = |v: &Value| strings(v).ok_or_else(|| bad("keep_headers", "a list of names", Some(v)));
        let most = |v: &Value| {
            let n = v.as_u64().and_then(|n| usize::try_from(n).ok());
            n.ok_or_else(|| bad("max_features", "a whole number", Some(v)))
        };
        let language = |v: &Value| {
            v.as_str().and_then(|s| s.parse().ok()).ok_or_else(|| bad("language", "the code of a language", Some(v)))
        };
        let length = |v: &Value| {
            v.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| bad("ngrams", "a whole number", Some(v)))
        };
        let needed = |field: &'static str| object.get(field).ok_or_else(|| bad(field, "a value", None));
        let plain = TextOptions::default();
        let weighting = |v: &Value| {
            let known = v.as_str().and_then(|s| s.parse().ok());
            known.ok_or_else(|| bad("weighting", "\"counts\", \"tf-idf\" or \"log-idf\"", Some(v)))
        };
        let (language, stem, ngrams, weighting) = match version {
            1 if flag(object, "tfidf")? => (plain.language, plain.stem, plain.ngrams, Weighting::TfIdf),
            1 => (plain.language, plain.stem, plain.ngrams, Weighting::Counts),
            _ => (
                language(needed("language")?)?,
                flag(object, "stem")?,
                length(needed("ngrams")?)?,
                weighting(needed("weighting")?)?,
            ),
        };
        let options = TextOptions {
            language,
            stem,
            ngrams,
            lowercase: flag(object, "lowercase")?,
            token_pattern: some("token_pattern").map(text).transpose()?,
            stop_words,
            keep_headers: some("keep_headers").map(headers).transpose()?,
            strip: Strip {
                headers: flag(strip, "headers")?,
                quotes: flag(strip, "quotes")?,
                footers: flag(strip, "footers")?,
            },
            min_df: df("min_df")?,
            max_df: df("max_df")?,
            max_features: some("max_features").map(most).transpose()?,
            weighting,
        };
        let idf = some("idf").map(|v| {
            let list = v.as_array().and_then(|a| a.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>());
            list.ok_or_else(|| bad("idf", "a list of numbers", Some(v)))
        });
        let vocabulary = object.get("vocabulary").and_then(strings);
        let vocabulary = vocabulary.ok_or_else(|| bad("vocabulary", "a list of words", object.get("vocabulary")))?;
        let model = TextModel { vocabulary, idf: idf.transpose()?, options };
        model.vectorizer()?;
        Ok(model)
    }
}
