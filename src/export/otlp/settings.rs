//! What an exporter is told: by the environment, as OpenTelemetry's own SDKs read it
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>), and by the program.
#![forbid(unsafe_code)]

use super::Temporality;
use super::error::OtlpError;
use super::pairs;
use crate::export::web::{fault_of_header, fault_of_url};
use std::ffi::OsString;
use std::time::Duration;

const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is appended to an endpoint that is for all signals.
const PATH: &str = "/v1/metrics";

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// Of two variables the one for metrics wins.
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const COMPRESSION: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];

/// Headers that say what a request is, so that nobody else may set them.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

pub(super) struct Settings {
    /// Where requests go to, path and all.
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// Of the resource, each key once.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) temporality: Temporality,
    pub(super) is_compressed: bool,
    /// Zero means none.
    pub(super) timeout: Duration,
}

impl Settings {
    /// The defaults, for an endpoint of all signals.
    pub(super) fn new(endpoint: &str) -> Result<Self, OtlpError> {
        Ok(Self::at(url_of(endpoint, None)?))
    }

    fn at(url: String) -> Self {
        Self {
            url,
            headers: Vec::new(),
            attributes: Vec::new(),
            temporality: Temporality::Cumulative,
            is_compressed: false,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// What variables say, which `look_up` finds by their names; an `endpoint` of the program
    /// replaces theirs.
    pub(super) fn from_variables(
        endpoint: Option<&str>,
        look_up: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Self, OtlpError> {
        let variables = Variables(look_up);
        if let Some((variable, protocol)) = variables.first(&PROTOCOL)? {
            if protocol != "http/protobuf" {
                let fault = "it is another protocol than this exporter speaks";
                return Err(invalid(variable, fault, "http/protobuf"));
            }
        }
        let url = match (endpoint, variables.get(METRICS_ENDPOINT)?, variables.get(ENDPOINT)?) {
            (Some(endpoint), ..) => url_of(endpoint, None)?,
            (None, Some(url), _) => checked(url, Some(METRICS_ENDPOINT))?,
            (None, None, Some(endpoint)) => url_of(&endpoint, Some(ENDPOINT))?,
            (None, None, None) => url_of(DEFAULT_ENDPOINT, None)?,
        };
        let mut settings = Self::at(url);
        if let Some((variable, list)) = variables.first(&HEADERS)? {
            for (name, value) in pairs_of(variable, &list)? {
                settings.add_header(Some(variable), &name, &value)?;
            }
        }
        if let Some(list) = variables.get(RESOURCE_ATTRIBUTES)? {
            for (key, value) in pairs_of(RESOURCE_ATTRIBUTES, &list)? {
                settings.add_attribute(&key, &value);
            }
        }
        if let Some(name) = variables.get(SERVICE_NAME)? {
            settings.add_attribute("service.name", &name);
        }
        if let Some((variable, milliseconds)) = variables.first(&TIMEOUT)? {
            let milliseconds = milliseconds.parse::<u64>();
            let fault = "it is no whole number of milliseconds";
            let milliseconds =
                milliseconds.map_err(|_| invalid(variable, fault, "a number like 10000"))?;
            settings.timeout = Duration::from_millis(milliseconds);
        }
        if let Some((variable, compression)) = variables.first(&COMPRESSION)? {
            settings.is_compressed = match compression.as_str() {
                "gzip" => true,
                "none" => false,
                _ => {
                    let fault = "it is no compression that this exporter knows";
                    return Err(invalid(variable, fault, "gzip or none"));
                }
            };
        }
        if let Some(preference) = variables.get(TEMPORALITY)? {
            settings.temporality = match preference.to_ascii_lowercase().as_str() {
                "cumulative" => Temporality::Cumulative,
                // They differ in counters that are asked for their value, which there are none of.
                "delta" | "lowmemory" => Temporality::Delta,
                _ => {
                    let allowed = "cumulative, delta or lowmemory";
                    return Err(invalid(TEMPORALITY, "it is no temporality", allowed));
                }
            };
        }
        Ok(settings)
    }

    /// Sets a header, instead of an earlier one of that name.
    pub(super) fn add_header(
        &mut self,
        variable: Option<&'static str>,
        name: &str,
        value: &str,
    ) -> Result<(), OtlpError> {
        let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let fault = is_own.then_some("the exporter sets it itself");
        if let Some(fault) = fault.or_else(|| fault_of_header(name, value)) {
            return Err(OtlpError::header(variable, name, fault));
        }
        self.headers.retain(|(earlier, _)| !earlier.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Sets an attribute of the resource, instead of an earlier one of that key.
    pub(super) fn add_attribute(&mut self, key: &str, value: &str) {
        self.attributes.retain(|(earlier, _)| earlier != key);
        self.attributes.push((key.to_owned(), value.to_owned()));
    }
}

/// Where metrics go to, for an endpoint of all signals.
fn url_of(endpoint: &str, variable: Option<&'static str>) -> Result<String, OtlpError> {
    if endpoint.contains(['?', '#']) {
        let fault = "a path has to be appended to it, so that it can have no `?` or `#`";
        return Err(OtlpError::InvalidEndpoint { variable, fault });
    }
    checked(format!("{}{PATH}", endpoint.trim_end_matches('/')), variable)
}

fn checked(url: String, variable: Option<&'static str>) -> Result<String, OtlpError> {
    match fault_of_url(&url) {
        Some(fault) => Err(OtlpError::InvalidEndpoint { variable, fault }),
        None => Ok(url),
    }
}

fn pairs_of(variable: &'static str, list: &str) -> Result<Vec<(String, String)>, OtlpError> {
    let allowed = "a list like key=value,key=value, with percent-encoded values";
    pairs::read(list).map_err(|fault| invalid(variable, fault, allowed))
}

fn invalid(variable: &'static str, fault: &'static str, allowed: &'static str) -> OtlpError {
    OtlpError::InvalidVariable { variable, fault, allowed }
}

/// Variables by name; an empty one is as none.
struct Variables<F>(F);

impl<F: Fn(&'static str) -> Option<OsString>> Variables<F> {
    fn get(&self, variable: &'static str) -> Result<Option<String>, OtlpError> {
        let Some(value) = (self.0)(variable) else { return Ok(None) };
        match value.into_string() {
            Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
            Err(_) => Err(invalid(variable, "it is not Unicode", "it in UTF-8")),
        }
    }

    /// The first one that is set, and which one it is.
    fn first(
        &self,
        variables: &[&'static str],
    ) -> Result<Option<(&'static str, String)>, OtlpError> {
        for variable in variables {
            if let Some(value) = self.get(variable)? {
                return Ok(Some((variable, value)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
