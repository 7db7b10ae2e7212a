//! Documents to word counts, and topics back to words.
//!
//! [`read_corpus`] reads a folder tree, a tar archive, TSV, CSV or JSON lines document by document
//! ([`read_documents`]) and counts words as scikit-learn's `CountVectorizer` does ([`VectorizerBuilder`]);
//! [`TextModel`] keeps what is needed to count new documents the same way. [`topics`] reads the factors of
//! a document–term matrix, [`agreement`] compares topics with labels.
//!
//! A [`Language`] splits Japanese and Chinese, brings its stop words and its stemmer. The English stop words are the list
//! of the Glasgow Information Retrieval Group
//! (<http://ir.dcs.gla.ac.uk/resources/linguistic_utils/stop_words>) in the form scikit-learn has it, the others those of
//! <https://github.com/stopwords-iso>; to the Japanese ones words were added. `NOTICES.md` says where dictionaries come from.
//!
//! ```
//! use nmf_text::{Document, TextOptions, VectorizerBuilder};
//! let mut builder = VectorizerBuilder::new(TextOptions::default())?;
//! for text in ["the cat sat", "the dog sat, the cat ran"] {
//!     builder.push(&Document { text: text.into(), ..Default::default() })?;
//! }
//! let corpus = builder.finish()?;
//! assert_eq!(corpus.vocabulary, ["cat", "dog", "ran", "sat", "the"]);
//! assert_eq!(corpus.counts.get(1, 4), Some(&2.0));
//! # Ok::<(), nmf_text::Error>(())
//! ```

pub mod agreement;
mod corpus;
mod counts;
mod decode;
mod error;
mod interner;
mod labels;
mod language;
mod message;
mod model;
mod options;
mod terms;
mod tokens;
pub mod topics;
mod vectorize;

pub use corpus::{Document, Format, ReadOptions, ReadReport, detect_format, read_documents};
pub use counts::{Corpus, Stats, log_idf, tfidf};
pub use error::{Error, Result};
pub use labels::{Labeller, label_topics};
pub use language::Language;
pub use model::{MODEL_VERSION, TextModel};
pub use options::{Df, StopWords, Strip, TextOptions, Weighting};
pub use tokens::{DEFAULT_PATTERN, Tokenizer};
pub use vectorize::{Vectorizer, VectorizerBuilder, read_corpus};
