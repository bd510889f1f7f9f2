//! Sentry, played by a server that reads envelopes.

use super::server::{Request, Server};
use super::{DURATION, run_with};
use serde_json::Value;

/// Headers and payloads of an envelope's items
/// (<https://develop.sentry.dev/sdk/data-model/envelopes/>).
fn items(request: &Request) -> Vec<(Value, Value)> {
    let (_, mut rest) = request.body.split_at(end_of_line(&request.body));
    let mut items = Vec::new();
    while rest.len() > 1 {
        rest = &rest[1..];
        let end = end_of_line(rest);
        let header: Value = serde_json::from_slice(&rest[..end]).unwrap();
        rest = &rest[(end + 1).min(rest.len())..];
        let length = header["length"].as_u64().map_or(end_of_line(rest), |length| length as usize);
        items.push((header, serde_json::from_slice(&rest[..length]).unwrap()));
        rest = &rest[length..];
    }
    items
}

fn end_of_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len())
}

#[test]
fn sentry_has_every_request_and_a_share_of_them_as_transactions() {
    let server = Server::start("200 OK");
    let dsn = format!("http://key@{}/42", server.address);
    let said = run_with("sentry.json", &dsn, &[]);
    let (mut requests, mut transactions) = (0, 0);
    for request in server.take() {
        assert_eq!(request.path, "/api/42/envelope/");
        assert!(request.header("x-sentry-auth").unwrap().contains("sentry_key=key"));
        for (header, payload) in items(&request) {
            match header["type"].as_str().unwrap() {
                "trace_metric" => {
                    let items = payload["items"].as_array().unwrap();
                    assert_eq!(header["item_count"], items.len());
                    for item in items {
                        let is_answer = item["attributes"]["http.response.status_code"].is_object();
                        if item["name"] == format!("{DURATION}.count") && is_answer {
                            assert_eq!(item["type"], "counter");
                            requests += item["value"].as_f64().unwrap() as u64;
                        }
                    }
                }
                "transaction" => {
                    assert_eq!(payload["contexts"]["trace"]["op"], "http.server");
                    transactions += 1;
                }
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(requests, said.requests);
    // A tenth, of thousands.
    assert!(transactions > 0 && transactions < requests / 2, "{transactions} of {requests}");
}
