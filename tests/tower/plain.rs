//! Services that are not axum's: what is recorded of a request, and with which labels.

use crate::*;
use axum::body::Bytes;
use http::{HeaderMap, Response, StatusCode, uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use quipu::{HttpService, RequestBody, ResponseBody};
use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// A body of given frames, that may end in an error or a panic and knows nothing of its length.
#[derive(Default)]
struct Frames {
    frames: Vec<Result<Frame<Bytes>, &'static str>>,
    panics: bool,
}

/// Frames, and whether there are more.
struct Ending(Frames);

impl Body for Ending {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.frames.is_empty()
    }
}

impl Frames {
    /// These frames, the last one first.
    fn data<const N: usize>(last_first: [&'static str; N]) -> Self {
        let frames = last_first.map(|data| Ok(Frame::data(Bytes::from_static(data.as_bytes()))));
        Self { frames: frames.into(), panics: false }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let frame = self.frames.pop();
        assert!(frame.is_some() || !self.panics, "on purpose");
        Poll::Ready(frame)
    }
}

/// A service that answers every request with what `answer` makes.
fn answering<R, E>(
    layer: HttpLayer,
    answer: impl Fn() -> Result<Response<R>, E> + Clone,
) -> HttpService<
    impl Service<Request<RequestBody<Frames>>, Response = Response<R>, Error = E> + Clone,
> {
    layer.layer(tower::service_fn(move |_: Request<RequestBody<Frames>>| ready(answer())))
}

fn empty(status: u16) -> Result<Response<Empty<Bytes>>, Infallible> {
    let response = Response::builder().status(status).body(Empty::new());
    Ok(response.expect("a valid status"))
}

#[tokio::test]
async fn a_stack_of_services_is_measured_by_the_route_that_it_names() {
    #[derive(Clone)]
    struct Template(&'static str);
    let (layer, registry) = measured();
    let layer = layer.route(|parts| parts.extensions.get::<Template>().map(|named| named.0));
    let mut service = ServiceBuilder::new()
        .map_request(|mut request: Request<Full<Bytes>>| {
            if request.uri().path().starts_with("/a/") {
                request.extensions_mut().insert(Template("/a/:id"));
            }
            request
        })
        .layer(layer)
        .service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        });
    for uri in ["/a/1", "/a/2", "/b"] {
        let mut request = request::<Full<Bytes>>("POST", uri);
        *request.body_mut() = Full::from("12345");
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "12345");
    }
    assert_requests(&registry, [("POST /a/:id 200", 2), ("POST - 200", 1)]);
    assert_eq!(bytes(&registry), (15, 15));
}

#[tokio::test]
async fn methods_that_the_conventions_do_not_know_are_other() {
    let (layer, registry) = measured();
    let service = answering(layer.clone(), || empty(200));
    for method in ["GET", "CONNECT", "get", "PROPFIND", "_OTHER", "X"] {
        service.clone().oneshot(request(method, "/")).await.unwrap();
    }
    assert_requests(&registry, [("GET - 200", 1), ("CONNECT - 200", 1), ("_OTHER - 200", 4)]);
}

#[tokio::test]
async fn the_scheme_is_what_the_request_says_unless_the_program_says_it() {
    let (layer, registry) = measured();
    let said = layer.clone().scheme(uri::Scheme::HTTPS);
    for layer in [layer, said] {
        let service = answering(layer, || empty(200));
        for uri in ["/", "http://host/", "https://host/", "gopher://host/"] {
            service.clone().oneshot(request("GET", uri)).await.unwrap();
        }
    }
    let https = "GET - 200 - https";
    assert_requests(&registry, [("GET - 200", 2), ("GET - 200 - http", 1), (https, 5)]);
    let labels = [("http.request.method", "GET"), ("url.scheme", "https")];
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.up_down_counter("http.server.active_requests", &labels), Some(0));
}

#[tokio::test]
async fn an_error_of_the_service_has_no_status() {
    let (layer, registry) = measured();
    let service = answering(layer.clone(), || Err::<Response<Frames>, _>("no route to host"));
    assert_eq!(service.oneshot(request("GET", "/")).await.err(), Some("no route to host"));
    assert_requests(&registry, [("GET - - _OTHER", 1)]);
}

#[tokio::test]
async fn an_error_of_the_response_body_keeps_the_status() {
    let (layer, registry) = measured();
    let broken =
        || Frames { frames: vec![Err("broken"), Ok(Frame::data("ab".into()))], panics: false };
    let service = answering(layer.clone(), move || Ok::<_, Infallible>(Response::new(broken())));
    let response = service.oneshot(request("GET", "/")).await.unwrap();
    assert_eq!(response.into_body().collect().await.err(), Some("broken"));
    assert_requests(&registry, [("GET - 200 _OTHER", 1)]);
    assert_eq!(bytes(&registry), (0, 2));
}

#[tokio::test]
async fn bodies_of_any_number_of_frames_are_counted_to_the_byte() {
    let (layer, registry) = measured();
    let service = tower::service_fn(async |request: Request<RequestBody<Frames>>| {
        let body = request.into_body().collect().await?;
        assert!(body.trailers().is_some());
        Ok::<_, &str>(Response::new(Frames::data(["", "b", "", "cdefg"])))
    });
    let mut sent = Frames::data(["three", "two", "", "one"]);
    sent.frames.insert(0, Ok(Frame::trailers(HeaderMap::new())));
    let sent = Request::new(sent);
    let response = layer.layer(service).oneshot(sent).await.unwrap();
    assert_eq!(active(&registry), 1);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "cdefgb");
    assert_requests(&registry, [("GET - 200", 1)]);
    assert_eq!(bytes(&registry), (11, 6));
}

#[tokio::test]
async fn what_is_not_read_of_a_request_is_not_counted() {
    let (layer, registry) = measured();
    let service = tower::service_fn(async |request: Request<RequestBody<Frames>>| {
        let mut body = pin!(request.into_body());
        poll_fn(|context| body.as_mut().poll_frame(context)).await;
        empty(200)
    });
    let sent = Request::new(Frames::data(["unread", "read"]));
    layer.layer(service).oneshot(sent).await.unwrap();
    assert_requests(&registry, [("GET - 200", 1)]);
    assert_eq!(bytes(&registry), (4, 0));
}

/// A server would not poll these bodies.
#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    let (layer, registry) = measured();
    let service = |status: u16| {
        answering(layer.clone(), move || {
            let body = Frames::data(["a body that is not sent"]);
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        })
    };
    let ask = async |method, status| {
        drop(service(status).oneshot(request(method, "/")).await.unwrap());
    };
    for (method, status) in [("GET", 101), ("GET", 204), ("GET", 304), ("HEAD", 200)] {
        ask(method, status).await;
    }
    ask("CONNECT", 200).await;
    assert_requests(
        &registry,
        [
            ("GET - 101", 1),
            ("GET - 204", 1),
            ("GET - 304", 1),
            ("HEAD - 200", 1),
            ("CONNECT - 200", 1),
        ],
    );
    assert_eq!(bytes(&registry), (0, 0));
    ask("CONNECT", 400).await;
    ask("GET", 200).await;
    let requests = requests(&registry);
    assert_eq!((requests["GET - - cancelled"], requests["CONNECT - - cancelled"]), (1, 1));
}

/// As servers do that know the length: the frames, and no look at whether there are more.
async fn take_frames<R: Body>(response: Response<ResponseBody<R>>, frames: usize) {
    let mut body = pin!(response.into_body());
    for _ in 0..frames {
        let frame = poll_fn(|context| body.as_mut().poll_frame(context)).await;
        assert!(frame.is_some_and(|frame| frame.is_ok()));
    }
}

/// Knows its length from the start, and how much of it is left.
struct Sized(Frames);

impl Body for Sized {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.0.frames.iter().flatten().filter_map(Frame::data_ref);
        SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
    }
}

#[tokio::test]
async fn a_body_of_known_length_ends_with_its_last_byte() {
    let (layer, registry) = measured();
    let sized = || Ok::<_, Infallible>(Response::new(Sized(Frames::data(["cd", "ab"]))));
    let announced = || {
        let response = Response::builder().header("content-length", "4");
        Ok::<_, Infallible>(response.body(Frames::data(["cd", "ab"])).unwrap())
    };
    let (sized, announced) = (answering(layer.clone(), sized), answering(layer.clone(), announced));
    take_frames(sized.clone().oneshot(request("GET", "/")).await.unwrap(), 2).await;
    take_frames(announced.clone().oneshot(request("GET", "/")).await.unwrap(), 2).await;
    assert_requests(&registry, [("GET - 200", 2)]);
    take_frames(sized.oneshot(request("GET", "/")).await.unwrap(), 1).await;
    take_frames(announced.oneshot(request("GET", "/")).await.unwrap(), 1).await;
    assert_requests(&registry, [("GET - 200", 2), ("GET - - cancelled", 2)]);
    assert_eq!(bytes(&registry), (0, 2 * 4 + 2 * 2));
}

#[tokio::test]
async fn a_body_that_knows_its_end_ends_there() {
    let (layer, registry) = measured();
    let ending = |frames: fn() -> Frames| {
        let answer = move || Ok::<_, Infallible>(Response::new(Ending(frames())));
        answering(layer.clone(), answer).oneshot(request("GET", "/"))
    };
    take_frames(ending(|| Frames::data([])).await.unwrap(), 0).await;
    take_frames(ending(|| Frames::data(["ef", "cd", "ab"])).await.unwrap(), 3).await;
    assert_requests(&registry, [("GET - 200", 2)]);
    take_frames(ending(|| Frames::data(["cd", "ab"])).await.unwrap(), 1).await;
    assert_requests(&registry, [("GET - 200", 2), ("GET - - cancelled", 1)]);
}

#[tokio::test]
async fn bodies_say_of_their_length_what_those_inside_say() {
    let (layer, _registry) = measured();
    let service = tower::service_fn(async |request: Request<RequestBody<Sized>>| {
        let mut body = request.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
        body.frame().await.unwrap().unwrap();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"four"))))
    });
    let response = layer.layer(service).oneshot(Request::new(Sized(Frames::data(["abc"])))).await;
    let mut body = response.unwrap().into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    body.frame().await.unwrap().unwrap();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
}

#[tokio::test]
async fn panics_are_counted_wherever_they_come_from() {
    let (layer, registry) = measured();
    let in_call = tower::service_fn(|request: Request<RequestBody<Frames>>| -> Ready<_> {
        assert_ne!(request.uri().path(), "/", "on purpose");
        ready(empty(200))
    });
    let in_call = layer.layer(in_call);
    let task = tokio::spawn(async move { in_call.oneshot(request("GET", "/")).await.map(drop) });
    assert!(task.await.unwrap_err().is_panic());
    assert_requests(&registry, [("GET - - panic", 1)]);

    let panics = || Frames { frames: vec![Ok(Frame::data("abc".into()))], panics: true };
    let in_body = answering(layer.clone(), move || Ok::<_, Infallible>(Response::new(panics())));
    let response = in_body.oneshot(request("GET", "/")).await.unwrap();
    let task = tokio::spawn(async move { response.into_body().collect().await.map(drop) });
    assert!(task.await.unwrap_err().is_panic());
    assert_requests(&registry, [("GET - - panic", 2)]);
    assert_eq!(bytes(&registry), (0, 3));
}

/// A layer whose routes are the paths themselves, as they should not be.
fn by_path() -> (HttpLayer, Arc<Registry>) {
    let (layer, registry) = measured();
    (layer.route(|parts| Some(parts.uri.path())), registry)
}

#[tokio::test]
async fn routes_without_end_are_other_from_the_limit_on() {
    let (layer, registry) = by_path();
    let few = answering(layer.max_routes(2), || empty(200));
    for path in ["/c", "/a", "/c", "/b", "/d", "/a"] {
        few.clone().oneshot(request("GET", path)).await.unwrap();
    }
    let expected = [("GET /c 200", 2), ("GET /a 200", 2), ("GET _OTHER 200", 2)];
    assert_requests(&registry, expected);

    let (layer, registry) = by_path();
    let service = answering(layer.clone(), || empty(200));
    for number in 0..2_000 {
        service.clone().oneshot(request("GET", &format!("/{number}"))).await.unwrap();
    }
    assert_eq!(requests(&registry).len(), 513);
    assert_eq!(requests(&registry)["GET _OTHER 200"], 2_000 - 512);
    assert_eq!(series_count(&registry), 3 * 513 + 1);
}

#[tokio::test]
async fn a_registry_that_refuses_stops_no_request() {
    let full = Arc::new(Registry::with_max_series(4));
    let service = answering(HttpLayer::new().registry(full.clone()), || empty(200));
    service.clone().oneshot(request("GET", "/")).await.unwrap();
    let before = quipu::detached_records();
    for _ in 0..10 {
        let response = service.clone().oneshot(request("PUT", "/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(quipu::detached_records() - before, 30);
    // Once for the active requests, and once for each histogram.
    assert_eq!(full.refusals().count, 4);
    assert_requests(&full, [("GET - 200", 1)]);

    let (layer, taken) = measured();
    taken.counter("http.server.request.duration").register().unwrap();
    let service = answering(layer.clone(), || empty(200));
    service.oneshot(request("GET", "/")).await.unwrap();
    assert_eq!((taken.refusals().count, active(&taken)), (1, 0));
}

#[tokio::test]
async fn durations_last_until_the_end_of_the_body() {
    let (layer, registry) = measured();
    let service = answering(layer.clone(), || {
        Ok::<_, Infallible>(Response::new(Frames::data(["a part", "another"])))
    });
    let response = service.oneshot(request("GET", "/")).await.unwrap();
    assert!(requests(&registry).is_empty());
    let start = Instant::now();
    let pause = Duration::from_millis(5);
    while start.elapsed() < pause {
        tokio::task::yield_now().await;
    }
    response.into_body().collect().await.unwrap();
    let snapshot = registry.snapshot();
    let most = |durations: &quipu::HistogramSnapshot| durations.max().expect("a duration");
    let longest = histograms(&snapshot, "http.server.request.duration", most)["GET - 200"];
    assert!(longest >= pause.as_nanos() as u64 * 9 / 10, "{longest} ns");
}
