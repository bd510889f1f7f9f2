//! What `TracingLayer` adds to spans and events: a registry of `tracing-subscriber` with and
//! without it, in turns.
//!
//! ```text
//! cargo bench --features tracing --bench tracing
//! ```
//!
//! A registry does little by itself, so that there is little beside the layer. The floor is what no
//! layer can go below: two readings of the clock and one record. Times are the least of many short
//! rounds, in which all take turns.

#[cfg(not(loom))]
mod spans {
    use quipu::{Registry, TracingLayer};
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use tracing::{Dispatch, dispatcher};
    use tracing_subscriber::prelude::*;

    const ROUNDS: u32 = 301;
    const ROUND: Duration = Duration::from_millis(1);

    /// A loop that does its operation as often as it is told, and its least time for one.
    struct Contestant<'a> {
        work: Box<dyn FnMut(u64) + 'a>,
        times: u64,
        least_ns: f64,
    }

    impl<'a> Contestant<'a> {
        fn new(work: impl FnMut(u64) + 'a) -> Self {
            let mut contestant = Self { work: Box::new(work), times: 1_000, least_ns: f64::MAX };
            while contestant.go_a_round() < ROUND {
                contestant.times *= 2;
            }
            contestant
        }

        /// One that works for this subscriber, which is the default outside of what is timed.
        fn of(subscriber: &'a Dispatch, operation: fn()) -> Self {
            Self::new(move |times| {
                dispatcher::with_default(subscriber, || (0..times).for_each(|_| operation()));
            })
        }

        fn go_a_round(&mut self) -> Duration {
            let start = Instant::now();
            (self.work)(self.times);
            let elapsed = start.elapsed();
            self.least_ns = self.least_ns.min(elapsed.as_nanos() as f64 / self.times as f64);
            elapsed
        }
    }

    fn span() {
        drop(tracing::info_span!("plain"));
    }

    fn entered_span() {
        tracing::info_span!("entered").in_scope(|| ());
    }

    fn span_with_fields() {
        drop(tracing::info_span!("with fields", route = "/users/{id}", tenant = 17));
    }

    fn event() {
        tracing::info!("an event");
    }

    pub fn main() {
        // `cargo test --benches` only wants to see that it starts.
        if !std::env::args().any(|argument| argument == "--bench") {
            return;
        }
        let registry = Arc::new(Registry::new());
        let timed = registry.histogram("floor").register().expect("an empty registry has room");
        quipu::register_thread();
        let layer = || TracingLayer::new().registry(registry.clone()).fields(["route", "tenant"]);
        let bare = Dispatch::new(tracing_subscriber::registry());
        let measured = Dispatch::new(tracing_subscriber::registry().with(layer()));
        let with_busy = Dispatch::new(tracing_subscriber::registry().with(layer().busy_time()));
        let mut floor = Contestant::new(|times| (0..times).for_each(|_| drop(timed.start())));
        let questions: [(&str, fn(), &Dispatch); 5] = [
            ("a span", span, &measured),
            ("a span that is entered", entered_span, &measured),
            ("a span that is entered, with its busy time", entered_span, &with_busy),
            ("a span with two fields", span_with_fields, &measured),
            ("an event", event, &measured),
        ];
        let mut pairs = questions.map(|(_, operation, with)| {
            [Contestant::of(&bare, operation), Contestant::of(with, operation)]
        });
        for _ in 0..ROUNDS {
            floor.go_a_round();
            for contestant in pairs.iter_mut().flatten() {
                contestant.go_a_round();
            }
        }
        println!("floor: two clock readings and a record: {:.1} ns", floor.least_ns);
        for ((name, ..), pair) in questions.iter().zip(&pairs) {
            let [bare, measured] = pair.each_ref().map(|contestant| contestant.least_ns);
            println!(
                "{name:<43} {bare:>6.1} ns bare, {measured:>6.1} ns measured: {:.2} times, \
                 {:>5.1} ns more",
                measured / bare,
                measured - bare
            );
        }
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    spans::main();
}
