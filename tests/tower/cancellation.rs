//! Requests that are given up at any point, from several threads: the totals are exact.

use crate::*;
use axum::body::Bytes;
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use quipu::RequestBody;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Waker};
use tower::{Layer, Service};

const THREADS: u64 = 4;
const REQUESTS: u64 = 10_000;

#[tokio::test]
async fn a_future_that_is_never_polled_has_cancelled() {
    let (layer, registry) = measured();
    let never = |_: Request<RequestBody<String>>| {
        std::future::pending::<Result<Response<String>, Infallible>>()
    };
    let mut service = layer.layer(tower::service_fn(never));
    let unpolled = service.call(request("GET", "/"));
    assert_eq!(active(&registry), 1);
    let mut polled = Box::pin(service.call(request("GET", "/")));
    assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(active(&registry), 2);
    drop((unpolled, polled));
    assert_requests(&registry, [("GET - - cancelled", 2)]);
}

/// Ends a request in one of six ways, and returns whether that counts as cancelled.
async fn give_up_at(way: u64, layer: &HttpLayer) -> bool {
    let service = tower::service_fn(async |request: Request<RequestBody<String>>| {
        let size = request.into_body().collect().await?.to_bytes().len();
        tokio::task::yield_now().await;
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
        tokio::spawn(async move {
            for _ in 0..size {
                // A client that has gone does not want it.
                let _ = sender.send_data("ab".into()).await;
            }
        });
        Ok::<_, Infallible>(Response::new(body))
    });
    let request = Request::post("/").body("x".repeat(3)).expect("a valid request");
    let mut future = Box::pin(layer.layer(service).call(request));
    match way {
        0 => return true,
        1 => {
            let mut context = Context::from_waker(Waker::noop());
            return future.as_mut().poll(&mut context).is_pending();
        }
        _ => {}
    }
    let response = future.await.expect("infallible");
    match way {
        2 => drop(response),
        3 => {
            let mut body = pin!(response.into_body());
            std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
        }
        _ => {
            assert_eq!(
                response.into_body().collect().await.expect("infallible").to_bytes().len(),
                6
            );
            return false;
        }
    }
    true
}

#[test]
fn every_request_is_counted_once_wherever_it_is_given_up() {
    let (layer, registry) = measured();
    let layer = layer.route(|parts| Some(parts.uri.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build();
    let runtime = runtime.expect("threads");
    let tasks = (0..THREADS).map(|thread| {
        let layer = layer.clone();
        runtime.spawn(async move {
            let (mut random, mut cancelled) = (thread + 1, 0);
            for _ in 0..REQUESTS / THREADS {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                cancelled += u64::from(give_up_at((random >> 33) % 6, &layer).await);
            }
            cancelled
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let cancelled = runtime.block_on(async {
        let mut cancelled = 0;
        for task in tasks {
            cancelled += task.await.expect("no panic");
        }
        cancelled
    });
    drop(runtime);
    let answered = REQUESTS - cancelled;
    let expected = [("POST / - cancelled", cancelled), ("POST / 200", answered)];
    assert_requests(&registry, expected);
}
