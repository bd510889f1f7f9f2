//! Captured traces as transactions
//! (<https://develop.sentry.dev/sdk/data-model/event-payloads/transaction/>).
#![forbid(unsafe_code)]

use super::origin::{Origin, header, not_before_epoch, sdk};
use crate::client::CapturedTrace;
use sentry_types::Uuid;
use sentry_types::protocol::v7::{
    Context, Map, SpanId, SpanStatus, TraceContext, TraceId, Transaction,
};
use std::io::{self, Write};

/// Makes `envelope` the one of a trace.
pub(super) fn encode(
    trace: &CapturedTrace,
    id: Uuid,
    origin: &Origin,
    envelope: &mut Vec<u8>,
) -> io::Result<()> {
    let attributes = trace.attributes().map(|(key, value)| (key.to_owned(), value.into()));
    let context = TraceContext {
        span_id: SpanId::default(),
        trace_id: TraceId::default(),
        op: Some(trace.operation().to_owned()),
        status: Some(status(trace)),
        data: attributes.collect(),
        ..TraceContext::default()
    };
    let start = not_before_epoch(trace.start());
    let end = start.checked_add(trace.duration()).unwrap_or(start);
    let transaction = Transaction {
        event_id: id,
        name: Some(trace.name().to_owned()),
        release: origin.release.clone().map(Into::into),
        environment: Some(origin.environment.clone().into()),
        server_name: origin.server_name.clone().map(Into::into),
        platform: "native".into(),
        start_timestamp: start,
        timestamp: Some(end),
        contexts: Map::from([("trace".to_owned(), Context::Trace(Box::new(context)))]),
        sdk: Some(std::borrow::Cow::Owned(sdk())),
        ..Transaction::default()
    };
    // The SDK's type has no room for where the name comes from; without it Sentry would take it for a
    // path, and put those together that look alike.
    let mut transaction = serde_json::to_value(&transaction)?;
    transaction["type"] = "transaction".into();
    transaction["transaction_info"] = serde_json::json!({"source": "route"});
    let transaction = serde_json::to_vec(&transaction)?;

    envelope.clear();
    serde_json::to_writer(&mut *envelope, &header(id))?;
    let length = transaction.len();
    write!(envelope, "\n{{\"type\":\"transaction\",\"length\":{length}}}\n")?;
    envelope.extend_from_slice(&transaction);
    envelope.push(b'\n');
    Ok(())
}

fn status(trace: &CapturedTrace) -> SpanStatus {
    let code = trace.attributes().find(|(key, _)| *key == "http.response.status_code");
    match code.and_then(|(_, code)| code.parse().ok()) {
        Some(code) => status_of_code(code),
        None if trace.is_ok() => SpanStatus::Ok,
        None => SpanStatus::UnknownError,
    }
}

/// By the SDKs' common table
/// (<https://develop.sentry.dev/sdk/telemetry/traces/span-operations/>).
fn status_of_code(code: u16) -> SpanStatus {
    match code {
        100..=399 => SpanStatus::Ok,
        401 => SpanStatus::Unauthenticated,
        403 => SpanStatus::PermissionDenied,
        404 => SpanStatus::NotFound,
        409 => SpanStatus::AlreadyExists,
        413 => SpanStatus::FailedPrecondition,
        429 => SpanStatus::ResourceExhausted,
        499 => SpanStatus::Cancelled,
        400..=499 => SpanStatus::InvalidArgument,
        501 => SpanStatus::Unimplemented,
        503 => SpanStatus::Unavailable,
        504 => SpanStatus::DeadlineExceeded,
        500..=599 => SpanStatus::InternalError,
        _ => SpanStatus::UnknownError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentry_types::protocol::v7::{Envelope, EnvelopeItem};
    use std::time::{Duration, SystemTime};

    fn origin() -> Origin {
        let (release, server_name) = (Some("shop@1".to_owned()), Some("host".to_owned()));
        Origin { release, environment: "test".to_owned(), server_name }
    }

    fn encoded(trace: &CapturedTrace) -> (Transaction<'static>, serde_json::Value) {
        let (id, mut envelope) = (sentry_types::random_uuid(), b"old".to_vec());
        encode(trace, id, &origin(), &mut envelope).unwrap();
        let parsed = Envelope::from_slice(&envelope).unwrap();
        assert_eq!(parsed.uuid(), Some(&id));
        let items: Vec<&EnvelopeItem> = parsed.items().collect();
        let [EnvelopeItem::Transaction(transaction)] = items[..] else { panic!("{items:?}") };
        assert_eq!(transaction.event_id, id);
        let text = envelope.split(|&byte| byte == b'\n').nth(2).unwrap();
        ((**transaction).clone(), serde_json::from_slice(text).unwrap())
    }

    fn status_text(trace: &CapturedTrace) -> String {
        let (_, json) = encoded(trace);
        json["contexts"]["trace"]["status"].as_str().unwrap().to_owned()
    }

    fn trace() -> CapturedTrace {
        let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        CapturedTrace::new("GET /users/{id}", "http.server", start, Duration::from_millis(1_500))
    }

    #[test]
    fn a_trace_is_told_with_its_times_and_attributes() {
        let trace = trace().attribute("http.route", "/users/{id}\n").attribute("error.type", "\"");
        let (transaction, json) = encoded(&trace);
        assert_eq!(transaction.name.as_deref(), Some("GET /users/{id}"));
        assert_eq!(transaction.start_timestamp, trace.start());
        let end = trace.start() + trace.duration();
        assert_eq!(transaction.timestamp, Some(end));
        assert_eq!(transaction.release.as_deref(), Some("shop@1"));
        assert_eq!(transaction.environment.as_deref(), Some("test"));
        assert_eq!(transaction.server_name.as_deref(), Some("host"));
        assert!(transaction.spans.is_empty() && json["spans"].is_array());
        assert_eq!(json["type"], "transaction");
        assert_eq!(json["transaction_info"]["source"], "route");
        let context = &json["contexts"]["trace"];
        assert_eq!(context["op"], "http.server");
        assert_eq!(context["data"]["http.route"], "/users/{id}\n");
        assert_eq!(context["data"]["error.type"], "\"");
        let length = |key: &str| context[key].as_str().unwrap().len();
        assert_eq!((length("trace_id"), length("span_id")), (32, 16));
        assert_ne!(context["trace_id"], encoded(&trace).1["contexts"]["trace"]["trace_id"]);
    }

    #[test]
    fn the_status_is_that_of_the_answer_or_whether_it_failed() {
        let codes = [
            ("200", "ok"),
            ("304", "ok"),
            ("400", "invalid_argument"),
            ("404", "not_found"),
            ("429", "resource_exhausted"),
            ("499", "cancelled"),
            ("500", "internal_error"),
            ("503", "unavailable"),
            ("504", "deadline_exceeded"),
            ("700", "unknown_error"),
        ];
        for (code, status) in codes {
            let trace = trace().attribute("http.response.status_code", code).failed();
            assert_eq!(status_text(&trace), status, "{code}");
        }
        assert_eq!(status_text(&trace()), "ok");
        assert_eq!(status_text(&trace().failed()), "unknown_error");
        assert_eq!(status_text(&trace().attribute("http.response.status_code", "x")), "ok");
    }

    #[test]
    fn times_that_the_protocol_does_not_have_are_cut_or_refused() {
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let (transaction, _) = encoded(&CapturedTrace::new("t", "o", early, Duration::ZERO));
        assert_eq!(transaction.start_timestamp, SystemTime::UNIX_EPOCH);
        let endless = |duration| {
            let trace = CapturedTrace::new("t", "o", SystemTime::now(), duration);
            encode(&trace, sentry_types::random_uuid(), &origin(), &mut Vec::new()).is_ok()
        };
        assert!(endless(Duration::MAX));
        assert!(!endless(Duration::from_secs(1 << 40)));
    }
}
