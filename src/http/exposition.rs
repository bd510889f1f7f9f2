//! The thread that takes snapshots for those who scrape, and writes them down.
//!
//! All who have asked when a collection begins share it: their snapshot, and the body if they want the
//! same format. So each gets what was recorded before it asked, however many ask at once, and a storm
//! costs two collections: the one that its first request began, and the one for all that came
//! meanwhile. Collections begin at least an interval apart.
//!
//! | state | until | then |
//! |---|---|---|
//! | nobody asks | a scrape comes | waiting |
//! | waiting | the interval since the last beginning is over, or nobody else can ask | collecting |
//! | collecting | all who asked have their bodies | nobody asks |
//!
//! It is a thread of its own, and not a task, so that neither reading a hundred thousand series nor
//! compressing them holds up anybody's runtime, and so that any runtime will do.
#![forbid(unsafe_code)]

use super::bodies::Bodies;
use super::measures::Measures;
use super::negotiation::Format;
use crate::client::{Source, contained, tell};
use crate::export::{Gzip, JsonEncoder, PrometheusEncoder};
use crate::snapshot::Snapshot;
use crate::sync;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Smaller bodies fit into a packet or two as they are.
const MIN_COMPRESSED_BYTES: usize = 1024;

/// A wish for a body.
pub(super) struct Scrape {
    pub(super) format: Format,
    pub(super) takes_gzip: bool,
    pub(super) reply: oneshot::Sender<Exposed>,
}

/// A body, and how it is coded.
#[derive(Clone)]
pub(super) struct Exposed {
    pub(super) body: Bytes,
    pub(super) is_gzip: bool,
}

/// What the thread is started with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) registry: Arc<Source>,
    pub(super) encoder: PrometheusEncoder,
    pub(super) is_published: bool,
    pub(super) min_interval: Duration,
    pub(super) measures: Arc<Measures>,
}

pub(super) struct Exposition {
    settings: Settings,
    json: JsonEncoder,
    gzip: Gzip,
    bodies: Bodies,
    began: Option<Instant>,
    written: Written,
}

/// The bodies of one snapshot.
#[derive(Default)]
struct Written {
    sequence: u64,
    bodies: Vec<(Format, Bytes)>,
    compressed: Vec<(Format, Bytes)>,
}

impl Exposition {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            json: JsonEncoder::new(),
            gzip: Gzip::new(),
            bodies: Bodies::default(),
            began: None,
            written: Written::default(),
        }
    }

    /// Serves until nobody can ask any more.
    pub(super) fn run(mut self, scrapes: &Receiver<Scrape>) {
        let mut asked = Vec::new();
        while let Ok(first) = scrapes.recv() {
            asked.push(first);
            // A panic of the encoder is an answer missing, and not the end of all answers.
            if let Err(panic) = contained(|| self.answer(scrapes, &mut asked)) {
                tell(log::Level::Error, format_args!("a scrape failed: {panic}"));
                asked.clear();
                self.written = Written::default();
            }
        }
    }

    fn answer(&mut self, scrapes: &Receiver<Scrape>, asked: &mut Vec<Scrape>) {
        let snapshot = match self.published() {
            Some(snapshot) => snapshot,
            None => {
                self.wait(scrapes, asked);
                asked.retain(|scrape| !scrape.reply.is_closed());
                if asked.is_empty() {
                    return;
                }
                self.began = Some(Instant::now());
                self.settings.measures.collected();
                self.settings.registry.snapshot()
            }
        };
        if self.written.sequence != snapshot.sequence() {
            self.written.sequence = snapshot.sequence();
            self.written.bodies.clear();
            self.written.compressed.clear();
        }
        self.settings.registry.note_scrape();
        for scrape in asked.drain(..) {
            let exposed = self.expose(&snapshot, scrape.format, scrape.takes_gzip);
            // Who has gone meanwhile needs no answer.
            let _ = scrape.reply.send(exposed);
        }
    }

    fn published(&self) -> Option<sync::Arc<Snapshot>> {
        self.settings.is_published.then(|| self.settings.registry.latest())?
    }

    /// Waits for the time of the next collection, and takes in who else comes before that.
    fn wait(&self, scrapes: &Receiver<Scrape>, asked: &mut Vec<Scrape>) {
        let next = self.began.and_then(|began| began.checked_add(self.settings.min_interval));
        while let Some(next) = next {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match scrapes.recv_timeout(left) {
                Ok(scrape) => asked.push(scrape),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        asked.extend(scrapes.try_iter());
    }

    fn expose(&mut self, snapshot: &Snapshot, format: Format, takes_gzip: bool) -> Exposed {
        let Self { settings, json, gzip, bodies, written, .. } = self;
        let plain = find_or_insert(&mut written.bodies, format, || {
            bodies.write(|out| match format {
                Format::Json => json.encode(snapshot, out),
                Format::Prometheus(format, names) => {
                    settings.encoder.encode(snapshot, format, names, out);
                }
            })
        });
        if !takes_gzip || plain.len() < MIN_COMPRESSED_BYTES {
            return Exposed { body: plain, is_gzip: false };
        }
        let body = find_or_insert(&mut written.compressed, format, || {
            bodies.write(|out| gzip.compress(&plain, out))
        });
        Exposed { body, is_gzip: true }
    }
}

fn find_or_insert(
    bodies: &mut Vec<(Format, Bytes)>,
    format: Format,
    write: impl FnOnce() -> Bytes,
) -> Bytes {
    if let Some((_, body)) = bodies.iter().find(|(other, _)| *other == format) {
        return body.clone();
    }
    let body = write();
    bodies.push((format, body.clone()));
    body
}
