//! Sentry's DSNs: where to send to, and with which key
//! (<https://docs.sentry.io/concepts/key-terms/dsn-explainer/>).
//!
//! The SDK's parser reads them. It takes some that no request can be made of, which are refused here.
#![forbid(unsafe_code)]

use sentry_types::{Dsn, ParseDsnError};
use std::fmt;

/// Why a DSN is none of Sentry's. No message has a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SentryDsnError {
    /// The environment variable `SENTRY_DSN` is not set, or empty. Set it to the DSN.
    Missing,
    /// It is no URL. Copy it in whole.
    NotAUrl,
    /// It begins with neither `https://` nor `http://`. Copy it in whole.
    WrongScheme,
    /// It has no key, or one with characters that keys do not have. Put the project's public key
    /// before the `@`.
    NoKey,
    /// It does not end in a project's id. Put that behind the last `/`.
    NoProject,
}

impl fmt::Display for SentryDsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self {
            Self::Missing => "SENTRY_DSN is not set",
            Self::NotAUrl => "Sentry's DSN is no URL",
            Self::WrongScheme => "Sentry's DSN begins with neither https:// nor http://",
            Self::NoKey => "Sentry's DSN has no valid key before the @",
            Self::NoProject => "Sentry's DSN does not end in the id of a project",
        };
        write!(f, "{fault}; write {}", super::DSN_FORM)
    }
}

impl std::error::Error for SentryDsnError {}

/// What requests need of a DSN.
pub(super) struct Address {
    pub(super) url: String,
    /// The header `X-Sentry-Auth`.
    pub(super) auth: String,
    /// The keys in it.
    pub(super) secrets: Vec<String>,
}

impl Address {
    pub(super) fn parse(dsn: &str) -> Result<Self, SentryDsnError> {
        let dsn: Dsn = dsn.trim().parse().map_err(|error| match error {
            ParseDsnError::InvalidUrl => SentryDsnError::NotAUrl,
            ParseDsnError::InvalidScheme => SentryDsnError::WrongScheme,
            ParseDsnError::NoUsername => SentryDsnError::NoKey,
            ParseDsnError::NoProjectId | ParseDsnError::InvalidProjectId(_) => {
                SentryDsnError::NoProject
            }
        })?;
        // What is no part of a project's address would be shown as one in messages, or be sent there.
        let is_made_of = |text: &str, others: &[u8]| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        if !is_made_of(dsn.host(), b".-_[]:") || !is_made_of(dsn.path(), b"/.-_~%") {
            return Err(SentryDsnError::NotAUrl);
        }
        if !is_made_of(dsn.project_id().value(), b"-_") {
            return Err(SentryDsnError::NoProject);
        }
        // Anything else would end the key within the header.
        let is_key =
            |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let secret_key = dsn.secret_key().filter(|key| !key.is_empty());
        if !is_key(dsn.public_key()) || !secret_key.is_none_or(is_key) {
            return Err(SentryDsnError::NoKey);
        }
        let mut auth = format!(
            "Sentry sentry_version={}, sentry_client={}/{}, sentry_key={}",
            sentry_types::protocol::LATEST,
            super::SDK_NAME,
            super::SDK_VERSION,
            dsn.public_key()
        );
        if let Some(key) = secret_key {
            auth += &format!(", sentry_secret={key}");
        }
        let secrets = [Some(dsn.public_key()), secret_key];
        let (scheme, host, port) = (dsn.scheme(), dsn.host(), dsn.port());
        let (path, project) = (dsn.path(), dsn.project_id());
        Ok(Self {
            url: format!("{scheme}://{host}:{port}{path}api/{project}/envelope/"),
            auth,
            secrets: secrets.into_iter().flatten().map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_go_to_the_project_of_the_dsn() {
        let urls = [
            (
                "https://abc@o1.ingest.sentry.io/42",
                "https://o1.ingest.sentry.io:443/api/42/envelope/",
            ),
            ("http://abc@127.0.0.1:9000/1", "http://127.0.0.1:9000/api/1/envelope/"),
            ("http://abc@[::1]:9000/1/", "http://[::1]:9000/api/1/envelope/"),
            ("https://abc@host/a/path/7?x=y#z", "https://host:443/a/path/api/7/envelope/"),
            (" https://abc@host/7\n", "https://host:443/api/7/envelope/"),
        ];
        for (dsn, url) in urls {
            assert_eq!(Address::parse(dsn).unwrap().url, url);
        }
    }

    #[test]
    fn both_keys_are_sent_and_are_secrets() {
        let address = Address::parse("https://public:private@host/1").unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "Sentry sentry_version=7, sentry_client=quipu/{version}, sentry_key=public, \
             sentry_secret=private"
        );
        assert_eq!(address.auth, expected);
        assert_eq!(address.secrets, ["public", "private"]);
        assert_eq!(Address::parse("https://public:@host/1").unwrap().secrets, ["public"]);
    }

    #[test]
    fn what_is_no_dsn_is_refused_without_being_shown() {
        let refused = [
            ("", SentryDsnError::NotAUrl),
            ("5entine1", SentryDsnError::NotAUrl),
            ("//5entine1@host/1", SentryDsnError::NotAUrl),
            ("https://5entine1@:80/1", SentryDsnError::NotAUrl),
            ("https://5entine1@host:99999/1", SentryDsnError::NotAUrl),
            ("https://5entine1@a\"b/1", SentryDsnError::NotAUrl),
            ("ftp://5entine1@host/1", SentryDsnError::WrongScheme),
            ("https://host/5entine1", SentryDsnError::NoKey),
            ("https://:5entine1@host/1", SentryDsnError::NoKey),
            ("https://5entine1,x=y@host/1", SentryDsnError::NoKey),
            ("https://5entine1%0d%0aHost:x@host/1", SentryDsnError::NoKey),
            ("https://key:5entine1;@host/1", SentryDsnError::NoKey),
            ("https://5entine1@host", SentryDsnError::NoProject),
            ("https://5entine1@host/", SentryDsnError::NoProject),
            ("https://5entine1@host//", SentryDsnError::NoProject),
            ("https://5entine1@host/5entine1@", SentryDsnError::NoProject),
            ("https://key@https://5entine1@host/1", SentryDsnError::NotAUrl),
        ];
        for (dsn, expected) in refused {
            let Err(error) = Address::parse(dsn) else { panic!("{dsn:?} is taken") };
            assert_eq!(error, expected, "{dsn:?}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("5entine1") && shown.contains("https://KEY@"), "{shown}");
        }
    }
}
