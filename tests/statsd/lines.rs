//! What lines say, and what happens without a server.

use super::reading::Known;
use super::{PATIENCE, client_of};
use proptest::prelude::*;
use quipu::{Registry, Statsd, StatsdTags, Unit};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Reads all that comes while `work` runs.
fn received(socket: UdpSocket, work: impl FnOnce()) -> Vec<Vec<u8>> {
    let end = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let reader = std::thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            if &buffer[..length] == b"end" {
                return all;
            }
            all.push(buffer[..length].to_vec());
        }
    });
    work();
    end.send_to(b"end", address).unwrap();
    reader.join().unwrap()
}

fn sent(registry: &Arc<Registry>, setup: impl FnOnce(Statsd) -> Statsd) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let exporter = Statsd::udp(&socket.local_addr().unwrap().to_string()).unwrap();
    received(socket, || {
        let client = client_of(registry).exporter(setup(exporter)).start().unwrap();
        assert!(client.stop(PATIENCE).is_delivered());
    })
}

fn texts(datagrams: &[Vec<u8>]) -> Vec<String> {
    let texts = datagrams.iter().map(|datagram| std::str::from_utf8(datagram).unwrap());
    let lines = texts.flat_map(|text| text.split('\n').map(str::to_owned));
    lines.filter(|line| !line.contains("quipu.")).collect()
}

fn metrics() -> Arc<Registry> {
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("a.requests").label("status", "2.0").label("method", "GET");
    requests.register().unwrap().add(3);
    registry.counter("b.idle").register().unwrap();
    registry.up_down_counter("c.active").register().unwrap().add(-2);
    registry.gauge("d.depth").register().unwrap().set(4.5);
    registry.gauge("e.balance").register().unwrap().set(-1e-7);
    registry.gauge("f.inf").register().unwrap().set(f64::INFINITY);
    let duration = registry.histogram("g.duration").unit(Unit::Nanoseconds).register().unwrap();
    [1_500_000, 7].into_iter().for_each(|value| duration.record(value));
    duration.record_n(9, 2);
    registry.histogram("h.size").unit(Unit::Bytes).register().unwrap().record(100);
    registry
}

#[test]
fn each_kind_of_metric_has_its_line() {
    let registry = metrics();
    let expected = [
        "shop.a.requests.GET.2_0:3|c",
        "shop.c.active:0|g",
        "shop.c.active:-2|g",
        "shop.d.depth:4.5|g",
        "shop.e.balance:0|g",
        "shop.e.balance:-1e-7|g",
        "shop.g.duration:0.000007|ms",
        "shop.g.duration:0.000009|ms",
        "shop.g.duration:0.000009|ms",
        "shop.g.duration:1.5|ms",
        "shop.h.size:100|ms",
    ];
    let texts = texts(&sent(&registry, |it| it.prefix("shop")));
    assert_eq!(texts, expected);
    let dropped = [("exporter", "statsd"), ("cause", "unrepresentable")];
    assert_eq!(registry.snapshot().counter("quipu.export.dropped", &dropped), Some(1));
}

#[test]
fn labels_can_be_tags_of_graphite() {
    let texts = texts(&sent(&metrics(), |it| it.tags(StatsdTags::Graphite)));
    assert_eq!(texts[0], "a.requests;method=GET;status=2_0:3|c");
}

#[test]
fn a_gauge_below_zero_is_in_one_datagram_with_its_zero() {
    let registry = Arc::new(Registry::new());
    for at in 0..200 {
        registry.gauge(&format!("g{at}")).register().unwrap().set(-1.0 - f64::from(at));
    }
    let datagrams = sent(&registry, |it| it.max_datagram_bytes(64));
    for text in datagrams.iter().map(|datagram| std::str::from_utf8(datagram).unwrap()) {
        let lines: Vec<&str> = text.split('\n').collect();
        for (at, line) in lines.iter().enumerate() {
            let (name, value) = line.split_once(':').unwrap();
            if value.starts_with('-') {
                assert_eq!(lines[at - 1], format!("{name}:0|g"));
            }
        }
    }
    let known = Known::of(&datagrams);
    assert_eq!(known.gauges.len(), 200);
    for (name, value) in known.gauges {
        assert_eq!(-1.0 - value.abs() + 1.0, value);
        assert_eq!(name, format!("g{}", -value - 1.0));
    }
}

#[test]
fn deltas_add_up_when_the_server_comes_and_goes() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let others: Vec<_> = (0..200)
        .map(|at| registry.counter("other").label("at", &at.to_string()).register().unwrap())
        .collect();
    let address: SocketAddr = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let exporter = Statsd::udp(&address.to_string()).unwrap();
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    let (mut all, mut recorded) = (Vec::new(), 0);
    for round in 1..=20 {
        let flush = |is_there: bool| {
            counter.add(round);
            others.iter().for_each(|other| other.add(round));
            assert_eq!(client.flush(PATIENCE).is_delivered(), is_there);
        };
        recorded += round;
        if round % 2 == 0 {
            let socket = UdpSocket::bind(address).unwrap();
            all.extend(received(socket, || flush(true)));
        } else {
            flush(false);
        }
    }
    let known = Known::of(&all);
    assert_eq!(known.counters["c"], recorded as f64);
    assert_eq!(known.counters.len(), 201);
    assert!(known.counters.values().all(|&count| count == recorded as f64));
    assert!(client.stop(Duration::from_millis(200)).undelivered().count() <= 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn timers_keep_count_and_quantiles(
        values in prop::collection::vec((0..64_u32, any::<u64>(), 1..100_000_u64), 1..150),
        lines in 1..400_usize,
    ) {
        let registry = Arc::new(Registry::new());
        let histogram = registry.histogram("h").register().unwrap();
        for &(shift, value, n) in &values {
            histogram.record_n(value >> shift, n);
        }
        let known = Known::of(&sent(&registry, |it| it.timer_lines(lines)));
        let snapshot = registry.snapshot();
        let recorded = snapshot.histogram("h", &[]).unwrap();
        let (sent, count) = &known.timers["h"];
        prop_assert_eq!(sent.len() as u64, recorded.count().min(lines as u64));
        let total = recorded.count() as f64;
        prop_assert!((count - total).abs() <= total * 1e-14, "{} {}", count, total);
        prop_assert!(sent.windows(2).all(|pair| pair[0] <= pair[1]));
        // A line stands for a share of the ranks, and is one of them.
        let share = 1.0 / sent.len() as f64;
        for (at, &value) in sent.iter().enumerate() {
            let from = recorded.quantile(at as f64 * share - 1e-9).unwrap() as f64;
            let to = recorded.quantile((at + 1) as f64 * share + 1e-9).unwrap() as f64;
            prop_assert!(value <= to * (1.0 + 1e-12), "{} {} {}", at, value, to);
            prop_assert!(value >= from - from / 128.0 - 1.0, "{} {} {}", at, value, from);
        }
    }
}
