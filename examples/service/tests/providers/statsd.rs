//! Etsy's statsd.

use super::etsy::Etsy;
use super::{DURATION, run_with};

#[test]
#[ignore = "needs Etsy's statsd, in QUIPU_STATSD"]
fn a_statsd_has_every_request() {
    let server = Etsy::start("service-statsd");
    let said = run_with("statsd.json", &format!("udp://127.0.0.1:{}", server.port), &[]);
    let prefix = format!("{DURATION}.");
    server.state(|state| {
        let Some(counts) = state["timer_counts"].as_object() else { return false };
        let of_requests = counts.iter().filter(|(name, _)| name.starts_with(&prefix));
        let sum: f64 = of_requests.map(|(_, count)| count.as_f64().unwrap()).sum();
        sum.round() as u64 == said.requests
    });
}
