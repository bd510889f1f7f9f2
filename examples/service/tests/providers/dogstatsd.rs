//! A Datadog agent, played by a Unix socket.

use super::directory::Directory;
use super::{DURATION, run_with};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How many values a line tells of: packed ones, each as often as its sample rate says
/// (<https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>).
fn values(line: &str) -> u64 {
    let (values, rest) = line.split_once('|').unwrap();
    let rate = rest.split('|').find_map(|part| part.strip_prefix('@'));
    let weight = rate.map_or(1.0, |rate| 1.0 / rate.parse::<f64>().unwrap());
    (values.split(':').count() as f64 * weight).round() as u64
}

#[test]
fn an_agent_has_every_request() {
    let directory = Directory::new("agent");
    let path = directory.path().join("dsd.socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    let (over, is_over) = channel::<()>();
    let reading = thread::spawn(move || {
        let (mut datagram, mut lines) = (vec![0; 65_536], Vec::new());
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        loop {
            match socket.recv(&mut datagram) {
                Ok(length) => {
                    let text = std::str::from_utf8(&datagram[..length]).unwrap();
                    lines.extend(text.lines().map(str::to_owned));
                }
                Err(_) if is_over.try_recv().is_ok() => return lines,
                Err(_) => {}
            }
        }
    });
    let dsn = format!("unix://{}", path.display());
    let said = run_with("dogstatsd.json", &dsn, &[("DD_ENV", "test"), ("DD_SERVICE", "service")]);
    over.send(()).unwrap();
    let lines = reading.join().unwrap();
    let of_requests = lines.iter().filter_map(|line| line.strip_prefix(&format!("{DURATION}:")));
    let answered = of_requests.filter(|line| line.contains("http.response.status_code:"));
    let mut requests = 0;
    for line in answered {
        assert!(
            line.contains("|d") && line.contains("env:test") && line.contains("service:service")
        );
        requests += values(line);
    }
    assert_eq!(requests, said.requests);
}
