//! Where envelopes come from: what each says of its sender.
#![forbid(unsafe_code)]

use super::{SDK_NAME, SDK_VERSION};
use crate::export::json::rfc3339;
use sentry_types::Uuid;
use sentry_types::protocol::v7::{ClientSdkInfo, EnvelopeHeaders};
use std::time::SystemTime;

/// Which build of the program sends, and from where.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) release: Option<String>,
    pub(super) environment: String,
    pub(super) server_name: Option<String>,
}

impl Origin {
    /// What the environment says.
    pub(super) fn of_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let default = if cfg!(debug_assertions) { "development" } else { "production" };
        Self {
            release: variable("SENTRY_RELEASE"),
            environment: variable("SENTRY_ENVIRONMENT").unwrap_or_else(|| default.to_owned()),
            server_name: None,
        }
    }
}

pub(super) fn sdk() -> ClientSdkInfo {
    ClientSdkInfo {
        name: SDK_NAME.to_owned(),
        version: SDK_VERSION.to_owned(),
        integrations: Vec::new(),
        packages: Vec::new(),
    }
}

/// The header of an envelope about one event. Its time lets Sentry correct clocks that are wrong.
pub(super) fn header(event_id: Uuid) -> EnvelopeHeaders {
    let sent_at = not_before_epoch(SystemTime::now());
    EnvelopeHeaders::new().with_event_id(event_id).with_sdk(sdk()).with_sent_at(sent_at)
}

/// Appends the header of any other envelope.
pub(super) fn push_header(envelope: &mut Vec<u8>) {
    let sent_at = rfc3339(SystemTime::now());
    let parts = [
        "{\"sent_at\":\"",
        &sent_at,
        "\",\"sdk\":{\"name\":\"",
        SDK_NAME,
        "\",\"version\":\"",
        SDK_VERSION,
        "\"}}\n",
    ];
    parts.iter().for_each(|part| envelope.extend_from_slice(part.as_bytes()));
}

/// Earlier times are none of the protocol's.
pub(super) fn not_before_epoch(time: SystemTime) -> SystemTime {
    time.max(SystemTime::UNIX_EPOCH)
}
