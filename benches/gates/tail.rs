//! Gates on the slowest records: p99.99 of single records while another thread takes snapshots
//! without a pause, or has a client flush many series to a backend that hardly reads.
//!
//! Beside the machine's own noise stands what plain cells take that are as many as the histograms' and
//! that the other thread reads as well: the way of the processor's cores with memory that one writes and
//! another reads.

use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use quipu::gates::{Disturbance, Gates};
use quipu::{Client, ClientBuilder, Counter, Histogram, JsonLines, Registry};
use std::hint::black_box;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const BOUND: Duration = Duration::from_micros(1);
const COUNTERS: usize = 1_000;
const HISTOGRAMS: usize = 100;
/// Plain cells for each histogram.
const CELLS_OF_A_HISTOGRAM: usize = 1_024;

/// Of these, the client's exporter tells the backend that hardly reads.
const FLUSHED_SERIES: usize = 50_000;
const SLOW_BACKEND_BOUND: f64 = 1.5;
/// How long a caller waits for a flush that the backend does not let come to its end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(5);

/// One for snapshots, and one for the client, which has many more series.
pub struct Beds {
    read: Bed,
    flushed: Bed,
}

struct Bed {
    registry: Arc<Registry>,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    indices: Box<[u16; INDICES]>,
    values: Box<[u64; LATENCIES]>,
    /// As many as all histograms have, about.
    cells: Vec<AtomicU64>,
}

impl Beds {
    pub fn new() -> Self {
        Self { read: Bed::new(), flushed: Bed::new() }
    }
}

pub fn add<'a>(gates: &mut Gates<'a>, beds: &'a Beds) {
    let Beds { read: bed, flushed } = beds;
    let look =
        "this on an idle machine; how long the reader is at it: cargo bench --bench snapshot";
    gates
        .tail("p99.99 counter add, snapshots running", bed.add())
        .beside(bed.snapshots())
        .noise(bed.add_to_cells())
        .look(look)
        .at_most(BOUND);
    gates
        .tail("p99.99 histogram record, the same", bed.record())
        .beside(bed.snapshots())
        .noise(bed.add_to_cells())
        .look(look)
        .at_most(BOUND);

    let look = "this on an idle machine; what a flush costs: cargo bench --bench flush";
    gates
        .tail("p99.99 counter add, slow backend", flushed.add())
        .beside(flushed.flushes_to_a_slow_backend())
        .look(look)
        .at_most_times(SLOW_BACKEND_BOUND, flushed.flushes_to_nobody());
    gates
        .tail("p99.99 histogram record, slow backend", flushed.record())
        .beside(flushed.flushes_to_a_slow_backend())
        .look(look)
        .at_most_times(SLOW_BACKEND_BOUND, flushed.flushes_to_nobody());
}

impl Bed {
    fn new() -> Self {
        let registry = Arc::new(Registry::new());
        let counter = |number| registry.counter(&format!("gates.counter.{number}")).register();
        let counters: Result<_, _> = (0..COUNTERS).map(counter).collect();
        let histogram = |number| registry.histogram(&format!("gates.time.{number}")).register();
        let histograms: Result<_, _> = (0..HISTOGRAMS).map(histogram).collect();
        let (counters, histograms) = (
            counters.expect("an empty registry has room"),
            histograms.expect("an empty registry has room"),
        );
        let cells = (0..HISTOGRAMS * CELLS_OF_A_HISTOGRAM).map(|_| AtomicU64::new(0)).collect();
        let (indices, values) = (indices(), latencies());
        let bed = Self { registry, counters, histograms, indices, values, cells };
        bed.touch();
        bed
    }

    /// Records everything once: the first touch of a page is the system's work.
    fn touch(&self) {
        for counter in &self.counters {
            counter.increment();
        }
        for histogram in &self.histograms {
            for value in self.values.iter() {
                histogram.record(*value);
            }
        }
    }

    fn add<'a>(&'a self) -> impl FnMut() + 'a {
        let (counters, indices, mut next) = (&*self.counters, &*self.indices, 0_usize);
        move || {
            counters[usize::from(indices[next % INDICES]) % COUNTERS].increment();
            next += 1;
        }
    }

    fn record<'a>(&'a self) -> impl FnMut() + 'a {
        let (histograms, values, mut next) = (&*self.histograms, &*self.values, 0_usize);
        move || {
            histograms[next % HISTOGRAMS].record(values[next % LATENCIES]);
            next += 1;
        }
    }

    fn add_to_cells<'a>(&'a self) -> impl FnMut() + 'a {
        let mut next = 0_usize;
        move || {
            let histogram = next % HISTOGRAMS * CELLS_OF_A_HISTOGRAM;
            let value = self.values[next % LATENCIES] as usize;
            let cell = &self.cells[histogram + value % CELLS_OF_A_HISTOGRAM];
            cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
            next += 1;
        }
    }

    fn snapshots<'a>(&'a self) -> impl FnMut() + Send + 'a {
        || {
            black_box(self.registry.snapshot());
            black_box(self.cells.iter().map(|cell| cell.load(Relaxed)).fold(0, u64::wrapping_add));
        }
    }

    fn flushes_to_nobody(&self) -> Disturbance<'_> {
        Disturbance::made_by(|| flushes_of(self.client()))
    }

    fn flushes_to_a_slow_backend(&self) -> Disturbance<'_> {
        Disturbance::made_by(|| {
            let backend = slow_backend().expect("a port and a thread can be had");
            flushes_of(self.client().exporter(JsonLines::to(backend)))
        })
    }

    fn client(&self) -> ClientBuilder {
        for number in self.registry.snapshot().len()..FLUSHED_SERIES {
            let counter = self.registry.counter(&format!("gates.other.{number}")).register();
            counter.expect("the registry has room").increment();
        }
        Client::builder().registry(self.registry.clone())
    }
}

fn flushes_of(client: ClientBuilder) -> impl FnMut() + Send {
    let client = client.flush_interval(Duration::from_secs(9_999));
    let client = client.stop_timeout(Duration::ZERO).start().expect("threads can be had");
    move || {
        client.flush(FLUSH_TIMEOUT);
    }
}

/// A connection to a backend that takes a little now and then, so that a delivery of many series is
/// never over. Its thread ends with the connection.
fn slow_backend() -> io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let connection = TcpStream::connect(listener.local_addr()?)?;
    // A delivery that is under way at the end gives up soon.
    connection.set_write_timeout(Some(Duration::from_millis(200)))?;
    let (mut reading, _) = listener.accept()?;
    thread::Builder::new().spawn(move || {
        let mut some = [0; 4_096];
        while reading.read(&mut some).is_ok_and(|read| read != 0) {
            thread::sleep(Duration::from_millis(20));
        }
    })?;
    Ok(connection)
}
