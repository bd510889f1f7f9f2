//! Runs the service as its users do, and reads what it prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A service that runs; killed when it is dropped.
struct Service {
    process: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Service {
    /// Starts a service, and waits until it listens.
    fn start(options: &[&str]) -> Self {
        let mut process = command(options).stdout(Stdio::piped()).spawn().unwrap();
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
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
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
        r#"http.server.requests{method="GET",route="/hash/{*path}",status="200"}"#,
        r#"http.server.requests{method="GET",route="/compress/{*path}",status="200"}"#,
        r#"http.server.requests{method="GET",route="/lookup/{word}",status="404"}"#,
        r#"http.server.requests{method="GET",route="unmatched",status="404"}"#,
        r#"http.server.requests{method="POST",route="/ingest",status="422"}"#,
        r#"http.server.errors{cause="not_text"}"#,
    ] {
        assert_ne!(last_cell(&output, counter), "0", "{counter}");
    }
    assert_ne!(last_cell(&output, r#"http.server.request.duration{route="/ingest"}"#), "-");
    assert_eq!(last_cell(&output, "http.server.active_requests"), "0");
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
    assert_ne!(last_cell(&output, r#"http.server.errors{cause="cancelled"}"#), "0");
    assert_eq!(last_cell(&output, "http.server.active_requests"), "0");
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
