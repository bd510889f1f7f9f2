//! The service's own clients: threads that send real requests over loopback and count the answers.

use crate::corpus::Corpus;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// Marks the requests of these clients, so that those of others can be told apart.
pub const LOAD_HEADER: &str = "x-service-load";

pub const CLIENTS: usize = 4;
/// Between two requests of a client, or two batches of documents.
const PAUSE: Duration = Duration::from_millis(6);
const TIMEOUT: Duration = Duration::from_secs(20);
/// More documents than the queue has room for, so that a batch can fill it.
const BATCH: usize = 8;
const DOCUMENTS: usize = 32;
const MAX_DOCUMENT_BYTES: usize = 64 << 10;

/// What a client does, over and over.
#[rustfmt::skip]
const CYCLE: [Step; 20] = {
    use Step::*;
    [
        Hash, LookUp, Hash, Compress, LookUp,
        Hash, Ingest, LookUp, Compress, LookUpAbsent,
        Hash, LookUp, CompressAbsent, Hash, HashAbsent,
        LookUp, IngestMalformed, Hash, Compress, Wander,
    ]
};

#[derive(Clone, Copy)]
enum Step {
    Hash,
    HashAbsent,
    Compress,
    CompressAbsent,
    LookUp,
    LookUpAbsent,
    Ingest,
    IngestMalformed,
    Wander,
}

/// What clients have seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answers, by status.
    pub answers: BTreeMap<u16, u64>,
    /// Requests that got no answer; the service may have counted them or not.
    pub unanswered: u64,
}

/// Clients at work.
pub struct Load {
    /// Dropped to stop them.
    at_work: Vec<Sender<()>>,
    clients: Vec<JoinHandle<Tally>>,
}

/// What the clients ask for.
struct Material {
    service: SocketAddr,
    paths: Vec<String>,
    words: Vec<String>,
    documents: Vec<Vec<u8>>,
}

impl Load {
    pub fn start(service: SocketAddr, corpus: &Corpus) -> io::Result<Self> {
        let material = Arc::new(Material::from(service, corpus));
        let mut load = Self { at_work: Vec::new(), clients: Vec::new() };
        for number in 0..CLIENTS {
            let (at_work, stop) = channel();
            let material = material.clone();
            let client = std::thread::Builder::new()
                .name(format!("client-{number}"))
                .spawn(move || Client::new(&material, number).work(&stop))?;
            load.at_work.push(at_work);
            load.clients.push(client);
        }
        Ok(load)
    }

    /// Lets each client finish the request that it has begun, and adds up what they have seen.
    pub fn stop(self) -> Tally {
        drop(self.at_work);
        let mut total = Tally::default();
        for client in self.clients {
            let tally = client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            total.unanswered += tally.unanswered;
            for (status, count) in tally.answers {
                *total.answers.entry(status).or_default() += count;
            }
        }
        total
    }
}

impl Material {
    fn from(service: SocketAddr, corpus: &Corpus) -> Self {
        // What a URL carries as it is.
        let is_plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        let mut words: Vec<_> = corpus.index().words().filter(|word| is_plain(word)).collect();
        words.sort_unstable();
        let mut paths: Vec<_> = corpus.files().map(|(path, _)| path).collect();
        paths.retain(|path| is_plain(path));
        Self {
            service,
            paths: paths.into_iter().map(str::to_owned).collect(),
            words: words.into_iter().map(str::to_owned).collect(),
            documents: documents(corpus),
        }
    }
}

/// The longest texts of those that are not too long, since they keep the worker busy.
fn documents(corpus: &Corpus) -> Vec<Vec<u8>> {
    let mut documents: Vec<_> = corpus
        .files()
        .filter_map(|(path, location)| {
            let text = fs::read_to_string(location).ok()?;
            let is_fit = text.len() <= MAX_DOCUMENT_BYTES && !text.trim().is_empty();
            is_fit.then(|| format!("a copy of {path}\n{text}").into_bytes())
        })
        .collect();
    documents.sort_by_key(|document| std::cmp::Reverse(document.len()));
    documents.truncate(DOCUMENTS);
    documents
}

/// One thread's connection, which is kept alive, and its place in the work.
struct Client<'m> {
    material: &'m Material,
    agent: Agent,
    step: usize,
    tally: Tally,
}

impl<'m> Client<'m> {
    fn new(material: &'m Material, number: usize) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIMEOUT));
        Self {
            material,
            agent: config.build().into(),
            // Apart from each other, so that the clients do different things at a time.
            step: number * 1_005,
            tally: Tally::default(),
        }
    }

    fn work(mut self, stop: &Receiver<()>) -> Tally {
        while stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            self.take_step();
        }
        self.tally
    }

    fn take_step(&mut self) {
        self.step += 1;
        let Material { paths, words, documents, .. } = self.material;
        match CYCLE[self.step % CYCLE.len()] {
            Step::Hash => self.get("hash", self.pick(paths)),
            Step::HashAbsent => self.get("hash", "no/such/file"),
            Step::Compress => self.get("compress", self.pick(paths)),
            Step::CompressAbsent => self.get("compress", "no/such/file"),
            Step::LookUp => self.get("lookup", self.pick(words)),
            Step::LookUpAbsent => self.get("lookup", "no-such-word"),
            Step::Wander => self.get("no", "such/route"),
            Step::Ingest => {
                for document in documents.iter().cycle().skip(self.step % DOCUMENTS).take(BATCH) {
                    self.ingest(document);
                }
            }
            Step::IngestMalformed => {
                self.ingest(b"a title without a text");
                self.ingest(b"not\n\xff\xfetext");
            }
        }
    }

    /// Another one with every step, from all over.
    fn pick<'a>(&self, from: &'a [String]) -> &'a str {
        &from[self.step.wrapping_mul(7_919) % from.len()]
    }

    fn get(&mut self, route: &str, rest: &str) {
        let url = format!("http://{}/{route}/{rest}", self.material.service);
        let answer = self.agent.get(url).header(LOAD_HEADER, "1").call();
        self.count(answer);
    }

    fn ingest(&mut self, body: &[u8]) {
        let url = format!("http://{}/ingest", self.material.service);
        let answer = self.agent.post(url).header(LOAD_HEADER, "1").send(body);
        self.count(answer);
    }

    /// Counts an answer. Its body is read to the end, as the connection can be kept only then.
    fn count(&mut self, answer: Result<Response<ureq::Body>, ureq::Error>) {
        let read_through = answer.and_then(|mut answer| {
            answer.body_mut().read_to_vec()?;
            Ok(answer.status())
        });
        match read_through {
            Ok(status) => *self.tally.answers.entry(status.as_u16()).or_default() += 1,
            Err(_) => self.tally.unanswered += 1,
        }
    }
}
