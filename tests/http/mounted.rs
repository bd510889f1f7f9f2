//! The endpoint as a part of other people's servers.

use crate::exporter::PATIENCE;
use crate::wire::{Peer, get, get_with};
use axum::Router;
use axum::routing::get as answering;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use quipu::{Endpoint, Registry};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn endpoint_of(name: &str) -> Endpoint {
    let registry = Arc::new(Registry::new());
    registry.counter(name).register().unwrap().add(3);
    Endpoint::builder().registry(registry).min_interval(Duration::ZERO).build()
}

fn listen(runtime: &Runtime) -> (TcpListener, SocketAddr) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn it_nests_in_axum_twice() {
    let (one, other) = (endpoint_of("one"), endpoint_of("other"));
    let app: Router = Router::new()
        .route("/", answering(|| async { "hello" }))
        .nest_service("/observe", one.clone())
        .nest_service("/admin/other", other)
        .nest_service("/again", one.clone());
    let runtime = runtime();
    let (listener, address) = listen(&runtime);
    runtime.spawn(async { axum::serve(listener, app).await });

    assert_eq!(get(address, "/").text(), "hello");
    for page in ["/observe", "/observe/", "/admin/other", "/admin/other/"] {
        let reply = get(address, page);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
    }
    let text = |path| get(address, path).text().to_owned();
    assert!(text("/observe/metrics.json").contains("\"one\""));
    assert!(text("/again/metrics.json").contains("\"one\""));
    assert!(text("/admin/other/metrics.json").contains("\"other\""));
    assert!(!text("/admin/other/metrics.json").contains("\"one\""));
    assert_eq!(get(address, "/observe/metrics").status, 200);
    assert_eq!(get(address, "/observe/health").status, 200);
    one.set_unready("draining");
    assert_eq!(get(address, "/again/health/ready").status, 503);
    assert_eq!(get(address, "/admin/other/health/ready").status, 200);
    let unknown = get(address, "/observe/nothing");
    assert!(unknown.status == 404 && unknown.text().starts_with("There is nothing here."));
    let mut peer = Peer::connect(address);
    peer.ask("HEAD", "/observe/metrics.json", "");
    let head = peer.receive_head();
    assert!(head.status == 200 && head.header("content-length").unwrap() != "0");
    peer.ask("DELETE", "/observe/metrics", "");
    assert_eq!(peer.receive().status, 405);
    let packed = get_with(address, "/observe/metrics.json", "accept-encoding: gzip\r\n");
    assert_eq!(packed.status, 200);
}

#[test]
fn it_is_served_by_plain_hyper() {
    let endpoint = endpoint_of("one");
    let runtime = runtime();
    let (listener, address) = listen(&runtime);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let endpoint = endpoint.clone();
            let service = service_fn(move |request| {
                let response = endpoint.respond(&request);
                async { Ok::<_, Infallible>(response.await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let mut peer = Peer::connect(address);
    assert!(peer.get("/metrics.json").text().contains("\"one\""));
    assert_eq!(peer.get("/health").status, 200);
    assert_eq!(peer.get("/nothing").status, 404);
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest of runtimes.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park_timeout(PATIENCE);
    }
}

#[test]
fn any_runtime_will_do() {
    let mut endpoint = endpoint_of("one").clone();
    let request = |path| http::Request::get(path).body("a body of any type").unwrap();
    for path in ["/metrics", "/metrics.json", "/health", "/"] {
        assert_eq!(block_on(endpoint.respond(&request(path))).status(), 200);
        assert_eq!(block_on(endpoint.call(request(path))).unwrap().status(), 200);
    }
}

#[test]
fn responses_that_nobody_waits_for_any_more_do_no_harm() {
    let endpoint = endpoint_of("one");
    let request = http::Request::get("/metrics.json").body(()).unwrap();
    for _ in 0..100 {
        let mut response = Box::pin(endpoint.respond(&request));
        let _ = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    assert_eq!(block_on(endpoint.respond(&request)).status(), 200);
}

#[test]
fn who_goes_while_waiting_costs_no_collection() {
    let interval = Duration::from_millis(50);
    let registry = Arc::new(Registry::new());
    let endpoint = Endpoint::builder().registry(registry.clone()).min_interval(interval).build();
    let request = http::Request::get("/metrics.json").body(()).unwrap();
    block_on(endpoint.respond(&request));
    for _ in 0..10 {
        let mut response = Box::pin(endpoint.respond(&request));
        let _ = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    // A chance to take what nobody waits for.
    thread::sleep(3 * interval);
    block_on(endpoint.respond(&request));
    assert_eq!(registry.snapshot().sequence(), 3);
}

#[test]
fn a_response_outlives_its_endpoint() {
    let endpoint = endpoint_of("one");
    let response = endpoint.respond(&http::Request::get("/metrics.json").body(()).unwrap());
    drop(endpoint);
    assert_eq!(block_on(response).status(), 200);
}
