//! `nm`: events that each thread registers for itself, at its first record, under names that hold
//! the labels and that all threads share.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, Made, Reading, Shape, Subject};
use crate::buckets::BOUNDS;
use crate::labels::Labels;
use nm::{Event, EventName, Magnitude, Report};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::LazyLock;

static BOUNDS_NS: LazyLock<[Magnitude; BOUNDS.len()]> =
    LazyLock::new(|| BOUNDS.map(|bound| (bound * 1e9) as Magnitude));

thread_local! {
    static EVENTS: RefCell<Option<Events>> = const { RefCell::new(None) };
}

struct Events {
    counters: Vec<Event>,
    histograms: Vec<Event>,
}

struct Nm {
    counters: Vec<EventName>,
    histograms: Vec<EventName>,
}

pub fn events(shape: &Shape, _threads: usize) -> Made<'_> {
    let name = |of: &str, Labels { method, route }: &Labels| {
        let name: &'static str = format!("{of}_{method}_{route}").leak();
        EventName::Borrowed(name)
    };
    let counters = shape.counters.iter().map(|labels| name(COUNTERS, labels)).collect();
    let histograms = shape.histograms.iter().map(|labels| name(HISTOGRAMS, labels)).collect();
    Box::new(Nm { counters, histograms })
}

impl Nm {
    fn events(&self) -> Events {
        let counter = |name: &EventName| Event::builder().name(name.clone()).build();
        let histogram =
            |name: &EventName| Event::builder().name(name.clone()).histogram(&*BOUNDS_NS).build();
        Events {
            counters: self.counters.iter().map(counter).collect(),
            histograms: self.histograms.iter().map(histogram).collect(),
        }
    }
}

impl Subject for Nm {
    fn record(&self, latencies_ns: &[u64]) {
        EVENTS.with_borrow_mut(|events| {
            let events = events.get_or_insert_with(|| self.events());
            events.counters.iter().for_each(Event::observe_once);
            for event in &events.histograms {
                latencies_ns.iter().for_each(|&latency_ns| event.observe(latency_ns));
            }
        });
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Ok(Box::new(|| drop(black_box(Report::collect())))),
            text: Err("reports for people, and to OpenTelemetry, and writes no text for a scraper"),
        }
    }

    fn counted(&self) -> Option<u64> {
        Some(Report::collect().events().map(|event| event.count()).sum())
    }
}
