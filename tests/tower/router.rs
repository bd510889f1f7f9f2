//! axum's routers: which route a request has.

use crate::*;
use axum::Router;
use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tower::ServiceExt;

fn users() -> Router {
    Router::new().route("/", get(async || "root")).route("/users/{id}", get(async || "somebody"))
}

/// The statuses of the answers to these requests, each read to its end.
async fn ask<const N: usize>(app: &Router, requests: [(&str, &str); N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (status, (method, path)) in statuses.iter_mut().zip(requests) {
        let response =
            app.clone().oneshot(request::<Body>(method, path)).await.expect("infallible");
        *status = response.status().as_u16();
        axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    }
    statuses
}

#[tokio::test]
async fn a_route_is_the_template_that_matched() {
    let (layer, registry) = measured();
    let app = users().layer(layer);
    let paths = [("GET", "/"), ("GET", "/users/1"), ("GET", "/users/2"), ("GET", "/users/3?q=1")];
    assert_eq!(ask(&app, paths).await, [200; 4]);
    assert_requests(&registry, [("GET / 200", 1), ("GET /users/{id} 200", 3)]);
}

#[tokio::test]
async fn what_matched_no_route_has_no_route() {
    let (layer, registry) = measured();
    let app = users().layer(layer);
    let paths = [("GET", "/nothing"), ("GET", "/users"), ("GET", "/users/1/2"), ("PUT", "/x")];
    assert_eq!(ask(&app, paths).await, [404; 4]);
    assert_requests(&registry, [("GET - 404", 3), ("PUT - 404", 1)]);
}

#[tokio::test]
async fn a_fallback_is_measured_if_it_is_there_before_the_layer() {
    let (layer, registry) = measured();
    let app = users().fallback(async || (StatusCode::GONE, "gone")).layer(layer);
    assert_eq!(ask(&app, [("GET", "/nothing")]).await, [410]);
    assert_requests(&registry, [("GET - 410", 1)]);
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_counted_with_the_route() {
    let (layer, registry) = measured();
    let app = users().layer(layer);
    assert_eq!(ask(&app, [("POST", "/users/1"), ("BREW", "/users/2")]).await, [405; 2]);
    assert_requests(&registry, [("POST /users/{id} 405", 1), ("_OTHER /users/{id} 405", 1)]);
}

#[tokio::test]
async fn a_route_layer_leaves_out_what_matched_no_route() {
    let (layer, registry) = measured();
    let app = users().route_layer(layer);
    let paths = [("GET", "/users/1"), ("GET", "/nothing"), ("POST", "/users/1")];
    assert_eq!(ask(&app, paths).await, [200, 404, 405]);
    assert_requests(&registry, [("GET /users/{id} 200", 1), ("POST /users/{id} 405", 1)]);
}

#[tokio::test]
async fn nested_routers_have_whole_templates() {
    let (layer, registry) = measured();
    let items = Router::new().route("/items/{item}", get(async || "an item"));
    let app =
        users().nest("/shops/{shop}", items.clone()).nest("/deep", users().nest("/er", items));
    let app = app.layer(layer);
    let paths = [("GET", "/shops/1/items/2"), ("GET", "/deep/er/items/2"), ("GET", "/shops/1/x")];
    assert_eq!(ask(&app, paths).await, [200, 200, 404]);
    assert_requests(
        &registry,
        [
            ("GET /deep/er/items/{item} 200", 1),
            ("GET /shops/{shop}/items/{item} 200", 1),
            ("GET - 404", 1),
        ],
    );
}

#[tokio::test]
async fn the_layer_of_a_nested_router_sees_whole_templates_too() {
    let (layer, registry) = measured();
    let app = Router::new().nest("/api", users().layer(layer));
    assert_eq!(ask(&app, [("GET", "/api/users/1"), ("GET", "/")]).await, [200, 404]);
    assert_requests(&registry, [("GET /api/users/{id} 200", 1)]);
}

#[tokio::test]
async fn a_nested_service_has_no_route_of_its_own() {
    let (layer, registry) = measured();
    let files = tower::service_fn(async |_: AxumRequest| {
        Ok::<_, std::convert::Infallible>("a file".into_response())
    });
    let app = Router::new().nest_service("/files", files).layer(layer);
    assert_eq!(ask(&app, [("GET", "/files/a"), ("GET", "/files/b/c")]).await, [200; 2]);
    assert_requests(&registry, [("GET - 200", 2)]);
}

#[tokio::test]
async fn around_the_whole_router_nothing_has_been_routed() {
    let (layer, registry) = measured();
    let app = tower::ServiceBuilder::new().layer(layer).service(users());
    let response = app.oneshot(request::<Body>("GET", "/users/1")).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    drop(response);
    assert_eq!(active(&registry), 0);
    assert_eq!(Vec::from_iter(requests(&registry).into_keys()), ["GET - - cancelled"]);
}

#[tokio::test]
async fn a_request_that_meets_two_layers_is_counted_once_by_the_outer_one() {
    let (outer, registry) = measured();
    let (other, unused) = measured();
    let in_flight = registry.clone();
    let app = Router::new()
        .route("/echo", post(async move |body: String| format!("{}{body}", active(&in_flight))))
        .route_layer(outer.clone())
        .layer(other)
        .layer(outer);
    let mut request = request::<Body>("POST", "/echo");
    *request.body_mut() = "abc".into();
    let response = app.oneshot(request).await.expect("infallible");
    let body = axum::body::to_bytes(response.into_body(), 100).await.expect("a body");
    assert_eq!(body, "1abc");
    assert_requests(&registry, [("POST /echo 200", 1)]);
    assert_eq!(bytes(&registry), (3, 4));
    assert_eq!(series_count(&unused), 0);
}

#[tokio::test]
async fn an_error_of_a_handler_is_its_status() {
    let (layer, registry) = measured();
    let fails = async || Err::<String, _>((StatusCode::INTERNAL_SERVER_ERROR, "no"));
    let refuses = async || Err::<String, _>(StatusCode::BAD_REQUEST);
    let app = Router::new().route("/fails", get(fails)).route("/refuses", get(refuses));
    let app = app.layer(layer);
    assert_eq!(ask(&app, [("GET", "/fails"), ("GET", "/refuses")]).await, [500, 400]);
    assert_requests(&registry, [("GET /fails 500 500", 1), ("GET /refuses 400", 1)]);
}

fn panicking() -> Router {
    Router::new().route("/panic", get(async || if true { panic!("on purpose") } else { "never" }))
}

#[tokio::test]
async fn a_handler_that_panics_is_counted() {
    let (layer, registry) = measured();
    let app = panicking().layer(layer);
    let task = tokio::spawn(app.oneshot(request::<Body>("GET", "/panic")));
    assert!(task.await.expect_err("a panic").is_panic());
    assert_requests(&registry, [("GET /panic - panic", 1)]);
}

/// Makes an answer of a panic, as layers that catch them do.
async fn catch(request: AxumRequest, next: Next) -> axum::response::Response {
    let caught = tokio::spawn(next.run(request)).await;
    caught.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

#[tokio::test]
async fn a_panic_that_is_caught_further_in_is_an_answer() {
    let (layer, registry) = measured();
    let app = panicking().layer(from_fn(catch)).layer(layer);
    assert_eq!(ask(&app, [("GET", "/panic")]).await, [500]);
    assert_requests(&registry, [("GET /panic 500 500", 1)]);
}

#[tokio::test]
async fn a_panic_that_is_caught_further_out_is_none() {
    let (layer, registry) = measured();
    let app = panicking().layer(layer).layer(from_fn(catch));
    assert_eq!(ask(&app, [("GET", "/panic")]).await, [500]);
    assert_requests(&registry, [("GET /panic - panic", 1)]);
}

#[tokio::test]
async fn a_scan_of_random_paths_and_methods_adds_no_series() {
    let (layer, registry) = measured();
    let app = users().layer(layer);
    let methods = "GET POST PUT DELETE PATCH HEAD OPTIONS CONNECT TRACE BREW";
    for method in methods.split(' ') {
        ask(&app, [(method, "/nothing"), (method, "/users/0"), (method, "/")]).await;
    }
    let (before, mut asked) = (series_count(&registry), requests(&registry).values().sum::<u64>());
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random >> 16
    };
    for round in 0..100_000_u64 {
        let method = match next() % 3 {
            0 => format!("M{:x}", next()),
            _ => methods.split(' ').nth(next() as usize % 9).expect("nine").to_owned(),
        };
        let path = match round % 4 {
            0 => format!("/users/{:x}", next()),
            1 => format!("ftp://somewhere/{:x}", next()),
            _ => format!("/{:x}", next()),
        };
        ask(&app, [(&method, &path)]).await;
        asked += 1;
    }
    assert_eq!(series_count(&registry), before);
    assert_eq!(requests(&registry).values().sum::<u64>(), asked);
    assert_eq!(active(&registry), 0);
}

#[tokio::test]
async fn requests_are_traces_named_by_method_and_route() {
    let (layer, registry) = measured();
    let exporter = quipu::testing::TestExporter::new();
    let client = quipu::Client::builder()
        .registry(registry.clone())
        .traces_rate(1.0)
        .exporter(exporter.clone())
        .start()
        .unwrap();
    let app = users()
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .layer(layer.traces(&client));
    let paths = [("GET", "/users/1"), ("GET", "/nothing"), ("GET", "/broken")];
    assert_eq!(ask(&app, paths).await, [200, 404, 500]);
    client.stop(std::time::Duration::from_secs(60));
    let traces = exporter.traces();
    let seen: Vec<_> = traces.iter().map(|trace| (trace.name(), trace.is_ok())).collect();
    assert_eq!(seen, [("GET /users/{id}", true), ("GET", true), ("GET /broken", false)]);
    let attributes: Vec<_> = traces[2].attributes().collect();
    let expected = [
        ("http.request.method", "GET"),
        ("http.route", "/broken"),
        ("http.response.status_code", "500"),
        ("error.type", "500"),
    ];
    assert_eq!(attributes, expected);
    let durations: u64 = traces.iter().map(|trace| trace.duration().as_nanos() as u64).sum();
    let snapshot = registry.snapshot();
    let recorded =
        histograms(&snapshot, "http.server.request.duration", |histogram| histogram.sum());
    assert_eq!(durations, recorded.values().sum::<u64>());
}
