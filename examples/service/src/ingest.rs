//! Documents that clients send: a small queue, a worker that indexes them, a shelf that keeps the
//! newest.
//!
//! The queue is bounded, so that clients that send faster than the worker indexes are told so
//! instead of filling the memory.

use crate::failure::Failure;
use crate::index::Index;
use crate::metrics::IngestMetrics;
use quipu::{CancelToken, Worker, WorkerError};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

const QUEUE_LENGTH: usize = 4;
const SHELF_LENGTH: usize = 64;
/// How long the worker waits for a document before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(100);

pub struct Document {
    title: String,
    text: String,
}

impl Document {
    /// Reads a document: a line with its title, and lines with its text.
    pub fn parse(body: &[u8]) -> Result<Self, Failure> {
        let body = std::str::from_utf8(body).map_err(|_| Failure::NotText)?;
        let (title, text) = body.split_once('\n').ok_or(Failure::IncompleteDocument)?;
        let (title, text) = (title.trim(), text.trim_end());
        if title.is_empty() || text.is_empty() {
            return Err(Failure::IncompleteDocument);
        }
        Ok(Self { title: title.to_owned(), text: text.to_owned() })
    }
}

/// The newest documents, each with an index of its own, so that it can be dropped.
#[derive(Clone, Default)]
pub struct Shelf {
    documents: Arc<RwLock<VecDeque<Shelved>>>,
}

struct Shelved {
    title: String,
    index: Index,
}

impl Shelf {
    /// Appends a line for each place where the word stands, at most `limit`.
    pub fn list(&self, word: &str, limit: usize, lines: &mut String) {
        let documents = self.documents.read().unwrap_or_else(PoisonError::into_inner);
        let places = documents.iter().flat_map(|document| document.index.find(word));
        for (title, line) in places.take(limit) {
            *lines += &format!("{title}:{line}\n");
        }
    }

    /// Adds a document in place of the one with the same title, or else of the oldest.
    fn put(&self, title: String, index: Index) {
        let mut documents = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        documents.retain(|document| document.title != title);
        if documents.len() == SHELF_LENGTH {
            documents.pop_front();
        }
        documents.push_back(Shelved { title, index });
    }
}

/// The way to the worker.
#[derive(Clone)]
pub struct Queue {
    documents: mpsc::Sender<Document>,
}

impl Queue {
    /// Hands a document to the worker.
    pub fn offer(&self, document: Document) -> Result<(), Failure> {
        // The worker outlives the server: what refuses a document is that there is no room for it.
        self.documents.try_send(document).map_err(|_| Failure::QueueFull)
    }
}

/// The worker: indexes the documents of its queues until it is told to end, or all queues are gone,
/// and what waits is indexed.
pub struct Indexer {
    documents: mpsc::Receiver<Document>,
    shelf: Shelf,
    metrics: IngestMetrics,
    runtime: Handle,
}

impl Indexer {
    /// A worker that waits in the runtime's time, and the way to it.
    pub fn new(shelf: Shelf, metrics: IngestMetrics, runtime: Handle) -> (Queue, Self) {
        let (sender, documents) = mpsc::channel(QUEUE_LENGTH);
        (Queue { documents: sender }, Self { documents, shelf, metrics, runtime })
    }

    fn next(&mut self, cancel: &CancelToken) -> Option<Document> {
        loop {
            let next = async { timeout(WAIT, self.documents.recv()).await };
            match self.runtime.block_on(next) {
                Ok(document) => return document,
                Err(_) if cancel.is_cancelled() => return None,
                Err(_) => {}
            }
        }
    }
}

impl Worker for Indexer {
    fn name(&self) -> &str {
        "ingest"
    }

    fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError> {
        // The gauge is set by this thread alone, so that no older reading replaces a newer one.
        self.metrics.queue_depth.set(0.0);
        while let Some(document) = self.next(cancel) {
            self.metrics.queue_depth.set(self.documents.len() as f64);
            self.metrics.duration.time(|| {
                let mut index = Index::default();
                index.add(&document.title, &document.text);
                self.shelf.put(document.title, index);
            });
            self.metrics.documents.increment();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_a_title_and_a_text() {
        let document = Document::parse(b"A title\r\nand\ntext\n").ok().unwrap();
        assert_eq!((&*document.title, &*document.text), ("A title", "and\ntext"));
        for body in ["", "title", "title\n", "\ntext", " \ntext", "title\n\n"] {
            let failure = Document::parse(body.as_bytes()).err();
            assert_eq!(failure, Some(Failure::IncompleteDocument), "{body:?}");
        }
        assert_eq!(Document::parse(b"\xff\ntext").err(), Some(Failure::NotText));
    }

    #[test]
    fn a_full_queue_refuses_and_the_shelf_keeps_the_newest() {
        let (sender, mut documents) = mpsc::channel(1);
        let queue = Queue { documents: sender };
        let document = |title: &str| Document { title: title.into(), text: "word".into() };
        assert_eq!(queue.offer(document("first")), Ok(()));
        assert_eq!(queue.offer(document("second")), Err(Failure::QueueFull));
        assert_eq!(documents.blocking_recv().unwrap().title, "first");

        let shelf = Shelf::default();
        for number in (0..=SHELF_LENGTH).chain([2]) {
            let mut index = Index::default();
            index.add(&number.to_string(), "word");
            shelf.put(number.to_string(), index);
        }
        let mut lines = String::new();
        shelf.list("word", 2, &mut lines);
        assert_eq!(lines, "1:1\n3:1\n");
    }

    #[test]
    fn the_worker_indexes_what_waits_before_it_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let shelf = Shelf::default();
        let metrics = IngestMetrics::register().unwrap();
        let (queue, mut worker) = Indexer::new(shelf.clone(), metrics, runtime.handle().clone());
        let document = Document { title: "late".into(), text: "word".into() };
        queue.offer(document).unwrap();
        let cancel = CancelToken::new();
        cancel.cancel();
        let runtime = std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        worker.run(&cancel).unwrap();
        assert!(!runtime.is_finished());
        let mut lines = String::new();
        shelf.list("word", 1, &mut lines);
        assert_eq!(lines, "late:1\n");
    }
}
