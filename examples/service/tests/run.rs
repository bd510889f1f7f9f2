//! Runs the service as its users do, and reads what it prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
#[cfg(unix)]
use std::sync::mpsc::channel;

/// A service that runs; killed when it is dropped.
struct Service {
    process: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Service {
    /// Starts a service, and waits until it listens.
    fn start(options: &[&str]) -> Self {
        Self::start_with(options, Stdio::inherit())
    }

    fn start_with(options: &[&str], stderr: Stdio) -> Self {
        let mut process = command(options).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut service = Self { process, output, address: String::new() };
        let line = service.read_until("listening on http://");
        service.address = line.rsplit('/').next().unwrap().trim().to_owned();
        service
    }

    /// The next line that contains `text`.
    fn read_until(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let length = self.output.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "it ended without a line of {text:?}");
        }
        line
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success());
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let url = format!("http://{}{path}", self.address);
        let mut answer = ureq::Agent::from(agent).get(url).call().unwrap();
        let body = answer.body_mut().read_to_vec().unwrap();
        (answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends the head of a request whose body does not follow, and waits until its handler waits.
    fn begin_request(&self) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let head = "POST /ingest HTTP/1.1\r\nhost: service\r\nexpect: 100-continue\r\n\
                    content-length: 10\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        connection
    }

    /// Waits until it has ended; the rest of its output.
    fn finish(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap(), rest)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It fails where the service has ended, which is well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
    command.args(options).stdin(Stdio::null());
    command
}

/// The name and labels of a histogram of answers.
fn series(name: &str, method: &str, status: u16, route: Option<&str>) -> String {
    let route = route.map_or_else(String::new, |route| format!(r#",http.route="{route}""#));
    format!(
        r#"http.server.{name}{{http.request.method="{method}",http.response.status_code="{status}"{route}}}"#
    )
}

/// The name and labels of the requests in flight.
fn active(method: &str) -> String {
    format!(r#"http.server.active_requests{{http.request.method="{method}"}}"#)
}

/// The last column of the last row of that name.
fn last_cell<'a>(output: &'a str, name: &str) -> &'a str {
    let mut rows = output.lines().filter(|line| line.split_whitespace().next() == Some(name));
    let row = rows.next_back().unwrap_or_else(|| panic!("no row of {name} in:\n{output}"));
    row.split_whitespace().last().unwrap()
}

#[test]
fn a_run_of_two_seconds_ends_in_agreement() {
    let (status, output) = Service::start(&["--seconds", "2", "--listen", "127.0.0.1:0"]).finish();
    assert!(status.success(), "{output}");
    assert!(output.contains("totals agree: the service counted "), "{output}");
    for counter in [
        r#"http.server.errors{cause="not_text"}"#,
        r#"http.server.errors{cause="unknown_route"}"#,
        "ingest.documents",
    ] {
        assert_ne!(last_cell(&output, counter), "0", "{counter}");
    }
    for (method, status, route) in [
        ("GET", 200, Some("/hash/{*path}")),
        ("GET", 200, Some("/compress/{*path}")),
        ("GET", 404, Some("/lookup/{word}")),
        ("GET", 404, None),
        ("POST", 422, Some("/ingest")),
    ] {
        for name in ["request.duration", "request.body.size", "response.body.size"] {
            let series = series(name, method, status, route);
            assert_ne!(last_cell(&output, &series), "-", "{series}");
        }
    }
    assert_eq!(last_cell(&output, &active("GET")), "0");
    assert_eq!(last_cell(&output, &active("POST")), "0");
    assert_eq!(last_cell(&output, "ingest.queue.depth"), "0");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_in_agreement() {
    let service = Service::start(&[]);
    let (status, answer) = service.get("/hash/Cargo.toml");
    assert_eq!(status, 200);
    assert!(answer.ends_with("  Cargo.toml\n"), "{answer}");
    assert_eq!(service.get("/hash/%2e%2e%2f%2e%2e%2fetc%2fhosts").0, 404);
    service.signal("INT");
    let (status, output) = service.finish();
    assert!(status.success(), "{output}");
    assert!(output.contains("totals agree: "), "{output}");
    assert!(output.trim_end().ends_with("; 2 more from outside"), "{output}");
}

#[cfg(unix)]
#[test]
fn requests_whose_clients_go_away_leave_the_flight() {
    let service = Service::start(&["--no-load"]);
    for _ in 0..50 {
        let mut connection = TcpStream::connect(&service.address).unwrap();
        let head = "GET /compress/Cargo.lock HTTP/1.1\r\nhost: service\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
    }
    drop(service.begin_request());
    // Connections are accepted in their order: once this is answered, so were those before.
    assert_eq!(service.get("/lookup/quipu").0, 200);
    service.signal("TERM");
    let (status, output) = service.finish();
    assert!(status.success(), "{output}");
    assert!(output.contains("nothing to compare: "), "{output}");
    let cancelled = r#"http.server.request.duration{error.type="cancelled",http.request.method="GET",http.route="/compress/{*path}"}"#;
    assert_ne!(last_cell(&output, cancelled), "-");
    assert_eq!(last_cell(&output, &active("GET")), "0");
    assert_eq!(last_cell(&output, &active("POST")), "0");
}

#[test]
fn the_endpoint_has_the_requests_and_not_its_own() {
    let service = Service::start(&["--no-load", "--seconds", "20"]);
    assert_eq!(service.get("/hash/Cargo.toml").0, 200);
    assert_eq!(service.get("/observe/metrics.json").0, 200);
    let (status, text) = service.get("/observe/metrics");
    assert_eq!(status, 200);
    let hashed = r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/hash/{*path}"} 1"#;
    let counts = text.lines().filter(|it| it.starts_with("http_server_request_duration_seconds_c"));
    assert_eq!(counts.collect::<Vec<_>>(), [hashed], "{text}");

    assert_eq!(service.get("/compress/Cargo.toml").0, 200);
    let (_, text) = service.get("/observe/metrics");
    for line in ["# HELP archive_seconds Time to compress a file", "archive_seconds_count 1"] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }

    let (status, health) = service.get("/observe/health");
    assert_eq!(status, 200, "{health}");
    assert!(health.contains(r#""status":"live""#), "{health}");
    let (status, page) = service.get("/observe/");
    assert_eq!(status, 200);
    assert!(page.to_lowercase().starts_with("<!doctype html>"), "{page}");
}

#[cfg(unix)]
#[test]
fn totals_agree_and_no_thread_is_left_while_scrapes_go_on() {
    let mut service = Service::start_with(&[], Stdio::piped());
    let mut log = service.process.stderr.take().unwrap();
    let base = format!("http://{}/observe", service.address);
    let asked = ["/metrics", "/metrics.json", "/health"].map(|path| {
        let (url, (first, seen)) = (format!("{base}{path}"), channel());
        let asking = std::thread::spawn(move || {
            // Until there is nobody to ask.
            while ureq::get(&url).call().and_then(|mut it| it.body_mut().read_to_vec()).is_ok() {
                let _ = first.send(());
            }
        });
        (asking, seen)
    });
    for (_, seen) in &asked {
        (0..10).for_each(|_| seen.recv().unwrap());
    }
    service.signal("INT");
    let mut logged = String::new();
    log.read_to_string(&mut logged).unwrap();
    let (status, output) = service.finish();
    for (asking, _) in asked {
        asking.join().unwrap();
    }
    assert!(status.success(), "{output}");
    // And that nothing is from outside.
    assert!(output.contains("totals agree: ") && output.trim_end().ends_with(')'), "{output}");
    assert!(logged.contains("delivered: ") && !logged.contains("left running"), "{logged}");
}

#[cfg(unix)]
#[test]
fn a_service_that_stops_is_not_ready() {
    // A connection whose request has begun outlives the end, unless nothing was read of it by then.
    for _ in 0..20 {
        let mut service = Service::start(&["--no-load"]);
        let mut connection = TcpStream::connect(&service.address).unwrap();
        connection.write_all(b"GET /observe/health/ready HTTP/1.1\r\nhost: service\r\n").unwrap();
        assert_eq!(service.get("/observe/health/ready").0, 200);
        service.signal("INT");
        service.read_until("stopping");
        let mut answer = String::new();
        let asked = connection.write_all(b"\r\n");
        let answered = asked.and_then(|()| connection.read_to_string(&mut answer));
        assert!(service.finish().0.success());
        if answered.is_ok() && !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("stopping"), "{answer}");
            return;
        }
    }
    panic!("no request was read before the end");
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_ends_it_at_once() {
    let mut service = Service::start(&["--no-load"]);
    let _held = service.begin_request();
    service.signal("INT");
    service.read_until("stopping");
    service.signal("INT");
    let (status, output) = service.finish();
    assert_eq!(status.code(), Some(130));
    assert!(!output.contains("nothing to compare"), "{output}");
}

#[test]
fn a_port_in_use_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let output = command(&["--listen", &address.to_string()]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    let fault = format!("port {} of 127.0.0.1 is in use", address.port());
    assert!(message.contains(&fault) && message.contains("--listen"), "{message}");
}

#[test]
fn options_that_are_wrong_are_refused() {
    let output = command(&["--secunds", "2"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("unknown option \"--secunds\""), "{message}");
}
