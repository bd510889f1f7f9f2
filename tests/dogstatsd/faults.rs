//! Agents that restart, are replaced, hang, or are not there. In the end each record has come once.

use super::agent::{Agent, Place, Received};
use super::directory::Directory;
use super::reading::{Known, lines};
use super::{NEVER, PATIENCE, client_of, plain};
use quipu::{Client, Counter, ExporterReport, Histogram, Registry, Report};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::time::Duration;

fn only(report: &Report) -> &ExporterReport {
    assert_eq!(report.exporters.len(), 1);
    &report.exporters[0]
}

struct Load {
    registry: Arc<Registry>,
    counters: Vec<Counter>,
    histogram: Histogram,
    random: u64,
}

impl Load {
    fn new() -> Self {
        Self::of(100)
    }

    fn of(counters: usize) -> Self {
        let registry = Arc::new(Registry::new());
        let counter = |at: usize| registry.counter("c").label("at", &at.to_string()).register();
        let counters = (0..counters).map(|at| counter(at).unwrap()).collect();
        let histogram = registry.histogram("h").register().unwrap();
        Self { registry, counters, histogram, random: 1 }
    }

    /// Records enough for several datagrams.
    fn record(&mut self) {
        for at in 0..self.counters.len() {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.counters[at].add(self.random >> 44);
            self.histogram.record_n(self.random >> 40, self.random >> 61);
        }
    }

    fn client(&self, place: &Place) -> Client {
        self.client_with(place, 512)
    }

    fn client_with(&self, place: &Place, max_bytes: usize) -> Client {
        let exporter = plain(place.exporter()).max_datagram_bytes(max_bytes);
        let client = client_of(&self.registry).attempt_timeout(Duration::from_millis(100));
        client.exporter(exporter).start().unwrap()
    }

    /// What came is what was recorded, to the last record.
    fn assert_all_came(&self, received: &Received) {
        let known = Known::of(&lines(&received.all()));
        let snapshot = self.registry.snapshot();
        for at in 0..self.counters.len() {
            let at = at.to_string();
            let recorded = snapshot.counter("c", &[("at", &at)]).unwrap();
            let identity = ("c".to_owned(), vec![format!("at:{at}")]);
            assert_eq!(known.counts[&identity], recorded as f64, "{at}");
        }
        assert_eq!(known.weight("h"), snapshot.histogram("h", &[]).unwrap().count());
    }
}

fn restart_again_and_again(place: &Place, is_gone_with_its_file: bool) {
    let mut load = Load::new();
    let received = Received::default();
    let client = load.client(place);
    for _ in 0..6 {
        let agent = Agent::start(place, &received);
        for _ in 0..3 {
            load.record();
            let report = client.flush(PATIENCE);
            assert!(report.is_delivered(), "{report}");
        }
        if is_gone_with_its_file {
            agent.stop();
        } else {
            agent.kill();
        }
        load.record();
        let report = client.flush(PATIENCE);
        assert!(!report.is_delivered(), "{report}");
        let said = only(&report).last_failure.clone().unwrap();
        assert!(said.contains("nobody listens there"), "{said}");
    }
    let agent = Agent::start(place, &received);
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    agent.stop();
    load.assert_all_came(&received);
}

#[test]
fn nothing_is_lost_or_doubled_when_an_agent_on_udp_restarts() {
    restart_again_and_again(&Place::udp(), true);
}

#[test]
fn nothing_is_lost_or_doubled_when_an_agent_on_a_unix_socket_restarts() {
    let directory = Directory::new("dogstatsd-restart");
    for is_gone_with_its_file in [true, false] {
        restart_again_and_again(
            &Place::Datagram(directory.path().join("datagram")),
            is_gone_with_its_file,
        );
        restart_again_and_again(
            &Place::Stream(directory.path().join("stream")),
            is_gone_with_its_file,
        );
    }
}

/// The old agent lives on, with a socket that has no file any more.
#[test]
fn the_agent_whose_socket_has_replaced_the_file_gets_what_follows() {
    let directory = Directory::new("dogstatsd-replaced");
    let path = directory.path().join("agent");
    for place in [Place::Datagram(path.clone()), Place::Stream(path)] {
        let mut load = Load::new();
        let client = load.client(&place);
        let (old, new) = (Received::default(), Received::default());
        let first = Agent::start(&place, &old);
        load.record();
        assert!(client.flush(PATIENCE).is_delivered());
        let second = Agent::start(&place, &new);
        let (unread, before) = (old.clone(), load.registry.snapshot());
        load.record();
        assert!(client.stop(PATIENCE).is_delivered());
        first.kill();
        second.stop();
        let of_old = Known::of(&lines(&unread.all()));
        assert_eq!(of_old.weight("h"), before.histogram("h", &[]).unwrap().count());
        let delta = load.registry.snapshot().delta(&before);
        let of_new = Known::of(&lines(&new.all()));
        assert_eq!(of_new.weight("h"), delta.histogram("h", &[]).unwrap().count());
        assert_eq!(
            of_new.counts.len() + of_old.counts.len(),
            2 * load.counters.len(),
            "each agent has its own"
        );
    }
}

/// The queue of the socket takes a few datagrams, and then the delivery fails in the middle.
#[test]
fn a_delivery_that_a_full_buffer_cut_short_goes_on_where_it_ended() {
    let directory = Directory::new("dogstatsd-full");
    let path = directory.path().join("agent");
    let place = Place::Datagram(path.clone());
    let mut load = Load::of(300);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let client = load.client_with(&place, 256);
    let received = Received::default();
    for _ in 0..5 {
        let said = loop {
            load.record();
            let report = client.flush(PATIENCE);
            if !report.is_delivered() {
                break only(&report).last_failure.clone().unwrap();
            }
        };
        assert!(said.contains("nobody reads"), "{said}");
        drain(&socket, &received);
    }
    // The rest comes in as many parts as it takes.
    while !client.flush(PATIENCE).is_delivered() {
        drain(&socket, &received);
    }
    drain(&socket, &received);
    load.assert_all_came(&received);
}

fn drain(socket: &UnixDatagram, received: &Received) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = socket.recv(&mut buffer) {
        received.push(&buffer[..length]);
    }
}

/// A stream that nobody reads takes a part of a frame. The agent that reads later sees that
/// connection end in the middle of it.
#[test]
fn a_frame_that_was_not_finished_is_sent_again() {
    let directory = Directory::new("dogstatsd-torn");
    let path = directory.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    let registry = Arc::new(Registry::new());
    let counters: Vec<_> = (0..20_000)
        .map(|at| registry.counter("c").label("at", &at.to_string()).register().unwrap())
        .collect();
    let place = Place::Stream(path);
    let client = client_of(&registry)
        .attempt_timeout(Duration::from_millis(300))
        .exporter(plain(place.exporter()).max_datagram_bytes(65_507))
        .start()
        .unwrap();
    counters.iter().for_each(|counter| counter.add(7));
    assert!(!client.flush(PATIENCE).is_delivered());
    let received = Received::default();
    let agent = Agent::over(listener, &place, &received);
    assert!(client.flush(PATIENCE).is_delivered());
    assert!(client.stop(PATIENCE).is_delivered());
    agent.kill();
    assert_eq!(received.torn(), 1);
    let known = Known::of(&lines(&received.all()));
    assert_eq!(known.counts.len(), counters.len());
    assert!(known.counts.values().all(|&count| count == 7.0));
}

#[test]
fn nobody_listening_holds_up_nothing_and_is_said() {
    let directory = Directory::new("dogstatsd-nobody");
    let missing = directory.path().join("missing");
    for place in [Place::udp(), Place::Datagram(missing.clone()), Place::Stream(missing)] {
        let mut load = Load::new();
        let client = load.client(&place);
        load.record();
        let report = client.flush(NEVER);
        let exporter = only(&report);
        assert!(exporter.last_failure.is_some(), "{place:?}: {report}");
        let stopped = client.stop(Duration::from_millis(200));
        assert!(!stopped.is_delivered());
    }
}

#[test]
fn a_url_without_the_kind_of_the_socket_finds_it_out() {
    let directory = Directory::new("dogstatsd-guess");
    let path = directory.path().join("agent");
    for place in [Place::Datagram(path.clone()), Place::Stream(path.clone())] {
        let mut load = Load::new();
        let received = Received::default();
        let agent = Agent::start(&place, &received);
        let exporter = quipu::DogStatsd::url(&format!("unix://{}", path.display())).unwrap();
        let client = client_of(&load.registry).exporter(plain(exporter)).start().unwrap();
        load.record();
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        agent.stop();
        load.assert_all_came(&received);
    }
}

#[test]
fn a_configuration_names_the_agent() {
    let directory = Directory::new("dogstatsd-config");
    let path = directory.path().join("agent");
    let mut load = Load::new();
    let received = Received::default();
    let agent = Agent::start(&Place::Stream(path.clone()), &received);
    let config = quipu::Config::new().provider(quipu::Provider::DogStatsd);
    let config = config.dsn(format!("unixstream://{}", path.display()));
    let client = client_of(&load.registry).config(&config).start().unwrap();
    load.record();
    assert!(client.stop(PATIENCE).is_delivered());
    agent.stop();
    load.assert_all_came(&received);
}
