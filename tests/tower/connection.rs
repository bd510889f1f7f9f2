//! Real connections to axum's server: how it and its clients treat bodies.

use crate::*;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use http_body_util::channel::{Channel, Sender};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a server of this router; it ends with the test's runtime.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a server");
    stream.write_all(request.as_bytes()).await.expect("a server that reads");
    stream
}

/// Sends a request of one line and a host, and returns the whole response.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let head = format!("{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    let mut response = String::new();
    send(address, &head).await.read_to_string(&mut response).await.expect("text");
    response
}

/// Gives way until `is_so`.
async fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never is");
        tokio::task::yield_now().await;
    }
}

/// A router that answers `/stream` with a body whose sending end the test gets.
fn streaming(layer: HttpLayer) -> (Router, mpsc::UnboundedReceiver<Sender<Bytes>>) {
    let (senders, receiver) = mpsc::unbounded_channel();
    let stream = get(async move || {
        let (sender, body) = Channel::<Bytes, Infallible>::new(1);
        senders.send(sender).expect("the test waits");
        Body::new(body)
    });
    (Router::new().route("/stream", stream).layer(layer), receiver)
}

#[tokio::test]
async fn responses_that_the_server_sends_without_a_body_are_complete() {
    let (layer, registry) = measured();
    let app = Router::new()
        .route("/text", get(async || "some text"))
        .route("/nothing", get(async || StatusCode::NO_CONTENT))
        .route("/same", get(async || StatusCode::NOT_MODIFIED))
        .route("/empty", get(async || ()))
        .layer(layer);
    let address = serve(app).await;
    for (line, status) in [
        ("HEAD /text", "200"),
        ("GET /nothing", "204"),
        ("GET /same", "304"),
        ("GET /empty", "200"),
        ("HEAD /missing", "404"),
    ] {
        let response = exchange(address, line).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    }
    assert_requests(
        &registry,
        [
            ("HEAD /text 200", 1),
            ("GET /nothing 204", 1),
            ("GET /same 304", 1),
            ("GET /empty 200", 1),
            ("HEAD - 404", 1),
        ],
    );
    assert_eq!(bytes(&registry), (0, 0));
}

#[tokio::test]
async fn bodies_of_known_length_are_complete() {
    let (layer, registry) = measured();
    let announced = async || {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
        tokio::spawn(async move {
            sender.send_data("12345".into()).await.expect("a server that reads");
            sender.send_data("67890".into()).await.expect("a server that reads");
            // Kept, so that the end is told by the length alone.
            std::future::pending::<()>().await;
        });
        Response::builder().header("content-length", "10").body(Body::new(body)).expect("valid")
    };
    let app = Router::new()
        .route("/text", get(async || "some text"))
        .route("/announced", get(announced))
        .layer(layer);
    let address = serve(app).await;
    assert!(exchange(address, "GET /text").await.ends_with("\r\n\r\nsome text"));
    assert!(exchange(address, "GET /announced").await.ends_with("\r\n\r\n1234567890"));
    assert_requests(&registry, [("GET /text 200", 1), ("GET /announced 200", 1)]);
    assert_eq!(bytes(&registry), (0, 9 + 10));
}

#[tokio::test]
async fn a_streamed_response_ends_with_its_last_frame() {
    let (layer, registry) = measured();
    let (app, mut senders) = streaming(layer);
    let address = serve(app).await;
    let client = tokio::spawn(async move { exchange(address, "GET /stream").await });
    let mut sender = senders.recv().await.expect("a request");
    for _ in 0..1_000 {
        sender.send_data("0123456789".into()).await.expect("a server that reads");
    }
    assert_eq!(active(&registry), 1);
    assert!(requests(&registry).is_empty());
    drop(sender);
    let response = client.await.expect("no panic");
    assert!(response.contains("transfer-encoding: chunked"), "{response}");
    assert_requests(&registry, [("GET /stream 200", 1)]);
    assert_eq!(bytes(&registry), (0, 10_000));
}

#[tokio::test]
async fn a_chunked_request_is_counted_without_its_framing() {
    let (layer, registry) = measured();
    let app = Router::new().route("/upload", post(async |body: Bytes| body.len().to_string()));
    let address = serve(app.layer(layer)).await;
    let head = "POST /upload HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let mut stream = send(address, head).await;
    for _ in 0..100 {
        stream.write_all(b"7\r\n1234567\r\n").await.expect("a server that reads");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("a server that reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("text");
    assert!(response.ends_with("\r\n\r\n700"), "{response}");
    assert_requests(&registry, [("POST /upload 200", 1)]);
    assert_eq!(bytes(&registry), (700, 3));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_has_cancelled() {
    let (layer, registry) = measured();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let wait = get(async move || {
        arrived.send(()).expect("the test waits");
        std::future::pending::<()>().await;
    });
    let address = serve(Router::new().route("/wait", wait).layer(layer)).await;
    let stream = send(address, "GET /wait HTTP/1.1\r\nhost: test\r\n\r\n").await;
    arrivals.recv().await.expect("a request");
    assert_eq!(active(&registry), 1);
    drop(stream);
    until(|| active(&registry) == 0).await;
    assert_requests(&registry, [("GET /wait - cancelled", 1)]);
}

#[tokio::test]
async fn a_client_that_leaves_within_the_body_has_cancelled() {
    let (layer, registry) = measured();
    let (app, mut senders) = streaming(layer);
    let address = serve(app).await;
    let mut stream = send(address, "GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut sender = senders.recv().await.expect("a request");
    sender.send_data("0123456789".into()).await.expect("a server that reads");
    let mut received = Vec::new();
    while !received.ends_with(b"0123456789\r\n") {
        assert_ne!(stream.read_buf(&mut received).await.expect("a response"), 0);
    }
    assert_eq!(active(&registry), 1);
    drop(stream);
    until(|| active(&registry) == 0).await;
    assert_requests(&registry, [("GET /stream - cancelled", 1)]);
    assert_eq!(bytes(&registry), (0, 10));
}

#[tokio::test]
async fn a_panic_takes_its_connection_with_it_and_leaves_nothing_in_flight() {
    let (layer, registry) = measured();
    let panics = get(async || if true { panic!("on purpose") } else { "never" });
    let app = Router::new().route("/panic", panics).route("/", get(async || "fine")).layer(layer);
    let address = serve(app).await;
    assert_eq!(exchange(address, "GET /panic").await, "");
    assert!(exchange(address, "GET /").await.ends_with("fine"));
    assert_requests(&registry, [("GET /panic - panic", 1), ("GET / 200", 1)]);
}

#[tokio::test]
async fn requests_on_one_connection_are_counted_one_by_one() {
    let (layer, registry) = measured();
    let address = serve(Router::new().route("/", get(async || "1")).layer(layer)).await;
    let one = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let mut response = String::new();
    let mut stream = send(address, &format!("{}{last}", one.repeat(9))).await;
    stream.read_to_string(&mut response).await.expect("text");
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 10);
    assert_requests(&registry, [("GET / 200", 10)]);
}
