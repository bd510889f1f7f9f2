//! What `HttpLayer` adds to a request: the same service with and without it, in turns.
//!
//! ```text
//! cargo bench --features tower --bench tower
//! ```
//!
//! The service is ready at once and its bodies are empty, so that there is little beside the layer.
//! The floor is what no layer can go below: two readings of the clock and one record. Times are the
//! least of many short rounds, in which all take turns.

#[cfg(not(loom))]
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;

#[cfg(not(loom))]
mod requests {
    use crate::numbers::{INDICES, indices};
    use http::{Request, Response, StatusCode};
    use http_body::Body;
    use http_body_util::Empty;
    use quipu::{HttpLayer, Registry};
    use std::convert::Infallible;
    use std::future::{Future, Ready, ready};
    use std::hint::black_box;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::{Duration, Instant};
    use tower_layer::Layer;
    use tower_service::Service;

    const ROUNDS: u32 = 301;
    const ROUND: Duration = Duration::from_millis(1);
    const ROUTES: [&str; 8] = [
        "/",
        "/users",
        "/users/{id}",
        "/users/{id}/orders",
        "/users/{id}/orders/{order}",
        "/search",
        "/static/{*path}",
        "/health",
    ];
    const STATUSES: [StatusCode; 3] =
        [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR];

    /// What a router leaves in a request, and here also what the answer is to be.
    #[derive(Clone, Copy)]
    struct Matched(&'static str, StatusCode);

    type Bytes = std::io::Cursor<&'static [u8]>;

    /// Answers at once.
    #[derive(Clone)]
    struct Immediate;

    impl<B> Service<Request<B>> for Immediate {
        type Response = Response<Empty<Bytes>>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<B>) -> Self::Future {
            let mut response = Response::new(Empty::new());
            if let Some(matched) = request.extensions().get::<Matched>() {
                *response.status_mut() = matched.1;
            }
            ready(Ok(response))
        }
    }

    /// A loop that does its operation as often as it is told, and its least time for one.
    struct Contestant<'a> {
        name: &'static str,
        work: Box<dyn FnMut(u64) + 'a>,
        times: u64,
        least_ns: f64,
    }

    impl<'a> Contestant<'a> {
        fn new(name: &'static str, mut operation: impl FnMut() + 'a) -> Self {
            let work = Box::new(move |times| {
                for _ in 0..times {
                    operation();
                }
            });
            let mut contestant = Self { name, work, times: 1_000, least_ns: f64::MAX };
            while contestant.go_a_round() < ROUND {
                contestant.times *= 2;
            }
            contestant
        }

        fn go_a_round(&mut self) -> Duration {
            let start = Instant::now();
            (self.work)(self.times);
            let elapsed = start.elapsed();
            self.least_ns = self.least_ns.min(elapsed.as_nanos() as f64 / self.times as f64);
            elapsed
        }
    }

    /// One request, from its making to the end of its response.
    #[inline(always)]
    fn ask<S, R>(service: &mut S, request: Request<Empty<Bytes>>)
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<R>>,
        R: Body,
    {
        let mut context = Context::from_waker(Waker::noop());
        let answer = pin!(service.call(black_box(request))).poll(&mut context);
        drop(black_box(answer));
    }

    /// A request without anything that a router has found out.
    fn plain() -> Request<Empty<Bytes>> {
        Request::new(Empty::new())
    }

    /// Requests of random routes, that get random statuses.
    fn routed(indices: &[u16; INDICES]) -> impl FnMut() -> Request<Empty<Bytes>> {
        let mut next = 0_usize;
        move || {
            let random = usize::from(indices[next % INDICES]);
            next += 1;
            let matched = Matched(ROUTES[random % 8], STATUSES[random / 8 % 3]);
            let mut request = plain();
            request.extensions_mut().insert(matched);
            request
        }
    }

    pub fn main() {
        // `cargo test --benches` only wants to see that it starts.
        if !std::env::args().any(|argument| argument == "--bench") {
            return;
        }
        let registry = Arc::new(Registry::new());
        let layer = HttpLayer::new()
            .registry(registry.clone())
            .route(|parts| parts.extensions.get::<Matched>().map(|matched| matched.0));
        let timed = registry.histogram("floor").register().expect("an empty registry has room");
        quipu::register_thread();

        let indices = &*indices();
        let (mut bare, mut measured) = (Immediate, layer.layer(Immediate));
        let (mut routed_bare, mut routed_measured) = (bare.clone(), measured.clone());
        let (mut to_bare, mut to_measured) = (routed(indices), routed(indices));
        let mut contestants = [
            Contestant::new("floor: two clock readings and a record", || drop(timed.start())),
            Contestant::new("no route, bare", || ask(&mut bare, plain())),
            Contestant::new("no route, measured", || ask(&mut measured, plain())),
            Contestant::new("8 routes x 3 statuses, bare", || ask(&mut routed_bare, to_bare())),
            Contestant::new("8 routes x 3 statuses, measured", || {
                ask(&mut routed_measured, to_measured());
            }),
        ];
        for _ in 0..ROUNDS {
            for contestant in &mut contestants {
                contestant.go_a_round();
            }
        }
        for contestant in &contestants {
            println!("{:<40} {:>7.1} ns per request", contestant.name, contestant.least_ns);
        }
        let [_, bare, measured, routed_bare, routed_measured] =
            contestants.each_ref().map(|contestant| contestant.least_ns);
        println!(
            "the layer adds {:.1} and {:.1} ns",
            measured - bare,
            routed_measured - routed_bare
        );
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    requests::main();
}
