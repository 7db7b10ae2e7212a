//! The options of documents and words.

use crate::failure::Failure;
use clap::Args;
use nmf_text::{Df, Format, Language, ReadOptions, StopWords, Strip, TextOptions, Weighting};

/// From files to counts.
#[derive(Args, Debug)]
#[command(next_help_heading = "Documents and words")]
pub(crate) struct WordOptions {
    /// Form of the corpus: auto, dir, tar, tsv, csv or jsonl
    #[arg(long, default_value = "auto", value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Column (name or number from 1) or key of the text [default: text, body, content or document]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text_column: Option<String>,
    /// Column or key of the label [default: label, category, class or target, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label_column: Option<String>,
    /// Encoding of the documents [default: UTF-8, or Windows-1252 for those that are not]
    #[arg(long, value_name = "NAME")]
    pub(crate) encoding: Option<String>,
    /// Language of the documents: en, ja, zh, ar, da, de, el, es, fi, fr, hu, it, nl, no, pt, ro, ru, sv, tr; none for any
    /// other that has spaces between words. Chooses stop words and stemmer, and splits Japanese and Chinese
    #[arg(long, default_value = "en", value_name = "CODE")]
    pub(crate) language: Language,
    /// What a word is, as a regular expression on lower-cased text; not for ja and zh [default: two or more word characters]
    #[arg(long, value_name = "RE")]
    pub(crate) token_pattern: Option<String>,
    /// Leave out words in fewer documents: a number (2) or a share (0.01)
    #[arg(long, default_value = "2", value_name = "DF")]
    pub(crate) min_df: Df,
    /// Leave out words in more documents: a number or a share (0.5)
    #[arg(long, default_value = "0.5", value_name = "DF")]
    pub(crate) max_df: Df,
    /// Keep only the N most frequent words
    #[arg(long, value_name = "N")]
    pub(crate) max_features: Option<usize>,
    /// Count stems instead of words (topic and topics are one), by the Snowball stemmer of the language; not for ja and zh
    #[arg(long)]
    pub(crate) stem: bool,
    /// Count also runs of up to N words ("machine learning"), stop words aside; 1: words alone
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) ngrams: usize,
    /// What to factor: counts; log-idf, ln(1 + count) × inverse document frequency; or tf-idf, count × inverse document
    /// frequency, each document over its Euclidean norm
    #[arg(long, default_value = "log-idf", value_name = "KIND")]
    weighting: Weighting,
    /// The same as --weighting tf-idf
    #[arg(long, conflicts_with = "weighting")]
    tfidf: bool,
    /// Words to leave out: the list of a language (en), none, or a file of words between white space (# begins a remark) [default: those of --language]
    #[arg(long, value_name = "FILE")]
    pub(crate) stop_words: Option<String>,
    /// Of messages with header lines, keep only these headers and the body
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) keep_headers: Option<Vec<String>>,
    /// Cut these away from messages: headers, quotes, footers
    #[arg(long, value_name = "PARTS")]
    pub(crate) strip: Option<Strip>,
}

impl WordOptions {
    /// How documents are found.
    pub(super) fn reading(&self) -> ReadOptions {
        ReadOptions {
            format: self.format,
            text_column: self.text_column.clone(),
            label_column: self.label_column.clone(),
            header: None,
            encoding: self.encoding.clone(),
        }
    }

    /// How they become counts.
    pub(super) fn counting(&self) -> Result<TextOptions, Failure> {
        let options = TextOptions {
            language: self.language,
            lowercase: true,
            token_pattern: self.token_pattern.clone(),
            stem: self.stem,
            ngrams: self.ngrams,
            stop_words: StopWords::from_arg(&self.leaves_out())?,
            keep_headers: self.keep_headers.clone(),
            strip: self.strip.unwrap_or_default(),
            min_df: self.min_df,
            max_df: self.max_df,
            max_features: self.max_features,
            weighting: self.weighting(),
        };
        options.check()?;
        Ok(options)
    }

    /// The weighting asked for.
    pub(super) fn weighting(&self) -> Weighting {
        if self.tfidf { Weighting::TfIdf } else { self.weighting }
    }

    /// The stop words asked for, or those of the language.
    pub(super) fn leaves_out(&self) -> String {
        self.stop_words.clone().unwrap_or_else(|| self.language.code().to_string())
    }
}
