//! A reader thread that runs a bounded distance ahead of whoever takes the documents.

use super::{Document, ReadReport};
use crate::error::{Error, Result};
use std::sync::mpsc::{SyncSender, sync_channel};

/// A batch is sent when it holds this many bytes or documents.
const BATCH_BYTES: usize = 1 << 17;
const BATCH_DOCUMENTS: usize = 256;

/// Takes documents from a reader and hands them over in batches.
pub(crate) struct Sink {
    batch: Vec<Document>,
    bytes: usize,
    sender: SyncSender<Vec<Document>>,
}

impl Sink {
    pub(crate) fn push(&mut self, document: Document) -> Result<()> {
        self.bytes += document.text.len() + document.name.len();
        self.batch.push(document);
        if self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_DOCUMENTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.sender.send(batch).map_err(|_| Error::Stopped("the documents are no longer taken".into()))
    }
}

/// Runs `produce` in a thread and `each` in this one. An error of `each` wins over one of `produce`.
pub(crate) fn run(
    produce: impl FnOnce(&mut Sink) -> Result<ReadReport> + Send,
    mut each: impl FnMut(&Document) -> Result<()>,
) -> Result<ReadReport> {
    let (sender, receiver) = sync_channel::<Vec<Document>>(2);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("corpus".into()).spawn_scoped(scope, move || {
            let mut sink = Sink { batch: Vec::new(), bytes: 0, sender };
            let report = produce(&mut sink)?;
            sink.flush()?;
            Ok(report)
        });
        let reader = reader.map_err(|e| Error::Stopped(format!("no thread for the reader: {e}")))?;
        let mut documents = 0;
        let mut failed = None;
        'all: for batch in &receiver {
            for document in &batch {
                if let Err(e) = each(document) {
                    failed = Some(e);
                    break 'all;
                }
                documents += 1;
            }
        }
        drop(receiver);
        let report = reader.join().unwrap_or_else(|_| Err(Error::Stopped("the reader failed".into())));
        match failed {
            Some(e) => Err(e),
            None => report.map(|r| ReadReport { documents, ..r }),
        }
    })
}
