//! Which format, and which coding, a client gets: the headers `Accept` and `Accept-Encoding`.
//!
//! RFC 9110, section 12.5: each range of a list applies to the formats that it matches, the most
//! specific one decides, and the best quality wins. Two rules are of this crate. A format that is
//! asked for by its name wins over one that merely matches a wildcard of the same quality, and protobuf
//! is given only to who names it. And whoever cannot be content gets text: a refused scrape is a gap in
//! a graph, while text in the wrong place is seen and put right. Prometheus' own libraries do the same.
//!
//! One pass over each list, for each of six formats; nothing is allocated.
#![forbid(unsafe_code)]

use crate::export::{PrometheusFormat, PrometheusNames};
use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

/// Longer lists count as none: nobody who asks for metrics needs as much.
const MAX_LIST_BYTES: usize = 4 * 1024;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus(PrometheusFormat, PrometheusNames),
    Json,
}

/// The answer to a header that says nothing.
const TEXT: Format = Format::Prometheus(PrometheusFormat::Text, PrometheusNames::Underscores);

/// From the most to the least precise.
const OFFERS: [Format; 7] = [
    Format::Prometheus(PrometheusFormat::Protobuf, PrometheusNames::Utf8),
    Format::Prometheus(PrometheusFormat::Protobuf, PrometheusNames::Underscores),
    Format::Prometheus(PrometheusFormat::OpenMetrics, PrometheusNames::Utf8),
    Format::Prometheus(PrometheusFormat::OpenMetrics, PrometheusNames::Underscores),
    Format::Prometheus(PrometheusFormat::Text, PrometheusNames::Utf8),
    TEXT,
    Format::Json,
];

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus(format, names) => format.content_type(names),
            Self::Json => "application/json",
        }
    }

    /// The format that the header asks for.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let mut best: Option<(Rank, Self)> = None;
        for offer in OFFERS {
            let rank = rank(offer, headers);
            if let Some(rank) = rank.filter(|rank| best.is_none_or(|(best, _)| *rank > best)) {
                best = Some((rank, offer));
            }
        }
        best.map_or(TEXT, |(_, offer)| offer)
    }

    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Prometheus(PrometheusFormat::Protobuf, _) => {
                ("application", "vnd.google.protobuf")
            }
            Self::Prometheus(PrometheusFormat::OpenMetrics, _) => {
                ("application", "openmetrics-text")
            }
            Self::Prometheus(PrometheusFormat::Text, _) => ("text", "plain"),
            Self::Json => ("application", "json"),
        }
    }

    /// What comes first of formats that only a wildcard matches.
    fn plainness(self) -> u8 {
        match self {
            TEXT => 2,
            Self::Prometheus(PrometheusFormat::OpenMetrics, PrometheusNames::Underscores) => 1,
            _ => 0,
        }
    }

    /// Whether a range of this type, with these parameters, means this format.
    fn has(self, parameters: &str) -> bool {
        let [version, escaping, proto, encoding] =
            ["version", "escaping", "proto", "encoding"].map(|name| parameter(parameters, name));
        let is_utf8 = escaping.is_some_and(|it| it.eq_ignore_ascii_case("allow-utf-8"));
        match self {
            Self::Json => true,
            Self::Prometheus(PrometheusFormat::Protobuf, names) => {
                proto.is_some_and(|it| it.eq_ignore_ascii_case("io.prometheus.client.MetricFamily"))
                    && encoding.is_some_and(|it| it.eq_ignore_ascii_case("delimited"))
                    && is_utf8 == (names == PrometheusNames::Utf8)
            }
            // Names in quotes came with version 1.0.0. A version 0.0.1 of OpenMetrics never differed
            // in what it looks like; who asks for it gets 1.0.0, and is told so.
            Self::Prometheus(PrometheusFormat::OpenMetrics, names) => match names {
                PrometheusNames::Utf8 => is_utf8 && version == Some("1.0.0"),
                PrometheusNames::Underscores => match version {
                    Some("1.0.0") => !is_utf8,
                    version => matches!(version, None | Some("0.0.1")),
                },
            },
            Self::Prometheus(PrometheusFormat::Text, names) => match names {
                PrometheusNames::Utf8 => is_utf8 && version == Some("1.0.0"),
                PrometheusNames::Underscores => match version {
                    Some("1.0.0") => !is_utf8,
                    version => matches!(version, None | Some("0.0.4")),
                },
            },
        }
    }
}

/// How much a format is wanted: its quality in thousandths, whether it was named, and its place among
/// those that were not.
type Rank = (u16, bool, u8);

/// `None` if the format is not acceptable.
fn rank(offer: Format, headers: &HeaderMap) -> Option<Rank> {
    let (kind, subtype) = offer.media_type();
    let is_protobuf = matches!(offer, Format::Prometheus(PrometheusFormat::Protobuf, _));
    let is_utf8 = matches!(offer, Format::Prometheus(_, PrometheusNames::Utf8));
    // The most specific match so far: 3 for the type, 2 for a part of it, 1 for `*/*`.
    let mut best: Option<(u8, u16)> = None;
    for range in list(headers, &ACCEPT) {
        let (media_type, parameters) = range.split_once(';').unwrap_or((range, ""));
        let Some((range_kind, range_subtype)) = media_type.trim().split_once('/') else { continue };
        let is_kind = range_kind.eq_ignore_ascii_case(kind);
        let specificity = if is_kind && range_subtype.eq_ignore_ascii_case(subtype) {
            if !offer.has(parameters) {
                continue;
            }
            3
        } else if is_protobuf || is_utf8 || range_subtype != "*" {
            continue;
        } else if is_kind {
            2
        } else if range_kind == "*" {
            1
        } else {
            continue;
        };
        let Some(quality) = quality(parameters) else { continue };
        let found = (specificity, quality);
        best = Some(match best {
            Some(best) if best >= found => best,
            _ => found,
        });
    }
    let (specificity, quality) = best.filter(|(_, quality)| *quality != 0)?;
    let is_named = specificity == 3;
    Some((quality, is_named, if is_named { 0 } else { offer.plainness() }))
}

/// Whether the client takes gzip.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    let mut gzip = None;
    for coding in list(headers, &ACCEPT_ENCODING) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let name = name.trim();
        let quality = quality(parameters).unwrap_or(0);
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            gzip = gzip.max(Some(quality));
        } else if name == "*" {
            any = Some(quality);
        }
    }
    gzip.or(any).is_some_and(|quality| quality != 0)
}

/// The items of all headers of that name, unless there are too many.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let length: usize = headers.get_all(name).iter().map(|value| value.len()).sum();
    let values = (length <= MAX_LIST_BYTES).then(|| headers.get_all(name).iter());
    values
        .into_iter()
        .flatten()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| split(value, ','))
}

/// The parts between separators that are not inside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |c| {
        if is_escaped {
            is_escaped = false;
        } else {
            match c {
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                _ => return c == separator && !is_quoted,
            }
        }
        false
    })
}

/// The value of a parameter, without its quotes. The first one counts.
fn parameter<'p>(parameters: &'p str, name: &str) -> Option<&'p str> {
    split(parameters, ';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        key.trim().eq_ignore_ascii_case(name).then_some(unquoted.unwrap_or(value))
    })
}

/// The quality in thousandths, 1,000 if none is given; `None` if it is none of RFC 9110.
fn quality(parameters: &str) -> Option<u16> {
    let Some(text) = parameter(parameters, "q") else { return Some(1_000) };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = decimals.bytes().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
        * 10_u16.pow(3 - decimals.len() as u32);
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
