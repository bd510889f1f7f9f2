//! Why an exporter to Datadog cannot be set up.
#![forbid(unsafe_code)]

use std::fmt;

/// Why a [`Datadog`](crate::Datadog) exporter cannot be set up. What was given is not shown: it may
/// be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatadogError {
    /// There is no API key, or it is no text of ASCII letters and digits. Give the one that Datadog
    /// shows under "Organization Settings", "API Keys".
    Key,
    /// The site is no name of a host. Give one like `datadoghq.com` or `datadoghq.eu`.
    Site,
    /// The endpoint is no URL of `https` or `http` without user, query and fragment. Give one like
    /// `https://proxy.example:8443/datadog`.
    Endpoint,
}

impl fmt::Display for DatadogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => {
                "the API key is missing, or is no text of ASCII letters and digits; give the one \
                 that Datadog shows under \"Organization Settings\", \"API Keys\""
            }
            Self::Site => {
                "the site is no name of a host; give one like datadoghq.com or datadoghq.eu"
            }
            Self::Endpoint => {
                "the endpoint is no URL of https or http without user, query and fragment; give one \
                 like https://proxy.example:8443/datadog"
            }
        })
    }
}

impl std::error::Error for DatadogError {}
