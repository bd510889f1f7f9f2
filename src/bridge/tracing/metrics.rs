//! How a span or an event finds its metrics.
//!
//! ```text
//! metadata's address -> SpanSite: active, and durations of spans without labels of their own
//!                          | a field that is a label has a value
//!                          v
//!        name, level and values, as numbers -> Durations
//!
//! metadata's address -> EventSite: Count
//! ```
//!
//! All tables are read without a lock. What occurs for the first time is registered, and added
//! under the lock of its table.
#![forbid(unsafe_code)]

use super::fields::{ABSENT, Fields, OVERFLOW, Texts};
use super::growing::Growing;
use super::open::MAX_FIELDS;
use super::series::{Count, Durations, LEVEL, SPAN_NAME, Settings, TARGET};
use super::site::{Address, EventSite, Kind, SpanSite, hash};
use crate::metric::Counter;
use crate::sync;
use std::sync::OnceLock;
use tracing_core::Metadata;

pub(super) struct Metrics {
    settings: Settings,
    pub(super) fields: Fields,
    /// Names of spans and targets of events: the program has so many.
    names: Texts,
    span_sites: Growing<SpanSite>,
    event_sites: Growing<EventSite>,
    durations: Growing<(SpanLabels, Durations)>,
    counts: Growing<(Kind, Count)>,
    overflowing_durations: OnceLock<Durations>,
    overflowing_count: OnceLock<Count>,
    untimed: OnceLock<Counter>,
}

/// All that tells a span's series from others.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SpanLabels {
    kind: Kind,
    values: [u64; MAX_FIELDS],
}

impl SpanLabels {
    #[inline]
    fn hash(&self) -> u64 {
        let [one, two, three, four] = self.values;
        hash([self.kind.word(), one, two, three, four])
    }

    fn is_refused(&self) -> bool {
        self.kind.is_refused() || self.values.contains(&OVERFLOW)
    }
}

impl Metrics {
    pub(super) fn new(settings: Settings) -> Self {
        let limit = settings.max_series;
        Self {
            fields: Fields::new(&settings.fields, limit),
            names: Texts::new(usize::MAX),
            span_sites: Growing::new(usize::MAX),
            event_sites: Growing::new(usize::MAX),
            durations: Growing::new(limit),
            counts: Growing::new(limit),
            overflowing_durations: OnceLock::new(),
            overflowing_count: OnceLock::new(),
            untimed: OnceLock::new(),
            settings,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    #[inline]
    pub(super) fn site_of(&self, metadata: &'static Metadata<'static>) -> &SpanSite {
        match self.site_at(Address::of(metadata)) {
            Some(site) => site,
            None => self.add_span_site(metadata),
        }
    }

    /// The call site of a span that was opened.
    #[inline]
    pub(super) fn site_at(&self, address: Address) -> Option<&SpanSite> {
        self.span_sites.find(address.hash(), |site| site.address == address)
    }

    /// The histograms of the site's spans that have these values.
    #[inline]
    pub(super) fn durations<'a>(
        &'a self,
        site: &'a SpanSite,
        values: [u64; MAX_FIELDS],
    ) -> &'a Durations {
        let labels = SpanLabels { kind: site.kind, values };
        if values != [ABSENT; MAX_FIELDS] {
            return self.durations_of(labels);
        }
        match site.durations.get() {
            Some(durations) => durations,
            None => sync::set_once(&site.durations, self.durations_of(labels).clone()),
        }
    }

    #[inline]
    pub(super) fn count_of(&self, metadata: &'static Metadata<'static>) -> &Count {
        let address = Address::of(metadata);
        match self.event_sites.find(address.hash(), |site| site.address == address) {
            Some(site) => &site.count,
            None => self.add_event_site(metadata),
        }
    }

    /// What counts spans for which there is no room.
    #[cold]
    pub(super) fn untimed(&self) -> &Counter {
        match self.untimed.get() {
            Some(untimed) => untimed,
            None => sync::set_once(&self.untimed, self.settings.untimed()),
        }
    }

    #[inline]
    fn durations_of(&self, labels: SpanLabels) -> &Durations {
        match self.durations.find(labels.hash(), |(known, _)| *known == labels) {
            Some((_, durations)) => durations,
            None => self.add_durations(labels),
        }
    }

    #[cold]
    fn add_durations(&self, labels: SpanLabels) -> &Durations {
        let make = |_| {
            let mut named = self.name_and_level(SPAN_NAME, &labels.kind);
            named.extend(self.fields.labels(labels.values));
            Some((labels, self.settings.durations(&named)?))
        };
        let is = |(known, _): &(SpanLabels, _)| *known == labels;
        let known = match labels.is_refused() {
            true => None,
            false => self.durations.find_or_add(labels.hash(), is, make),
        };
        known.map_or_else(|| self.overflowing_durations(), |(_, durations)| durations)
    }

    fn overflowing_durations(&self) -> &Durations {
        self.overflowing_durations.get().unwrap_or_else(|| {
            let most = self.durations.len().max(self.fields.most_values());
            let durations = self.settings.overflowing_durations(most >= self.settings.max_series);
            sync::set_once(&self.overflowing_durations, durations)
        })
    }

    #[cold]
    fn add_span_site(&self, metadata: &'static Metadata<'static>) -> &SpanSite {
        let address = Address::of(metadata);
        let make = |_| {
            let kind = Kind::new(self.names.number(metadata.name()), *metadata.level());
            Some(SpanSite {
                address,
                kind,
                positions: self.fields.positions(metadata.fields()),
                active: self.settings.active(&self.name_and_level(SPAN_NAME, &kind)),
                durations: OnceLock::new(),
            })
        };
        let is = |site: &SpanSite| site.address == address;
        self.span_sites.find_or_add(address.hash(), is, make).expect("there is no limit")
    }

    #[cold]
    fn add_event_site(&self, metadata: &'static Metadata<'static>) -> &Count {
        let address = Address::of(metadata);
        let kind = Kind::new(self.names.number(metadata.target()), *metadata.level());
        let make = |_| Some(EventSite { address, count: self.count(kind).clone() });
        let is = |site: &EventSite| site.address == address;
        let site = self.event_sites.find_or_add(address.hash(), is, make);
        &site.expect("there is no limit").count
    }

    fn count(&self, kind: Kind) -> &Count {
        let make = |_| Some((kind, self.settings.count(&self.name_and_level(TARGET, &kind))?));
        let is = |(known, _): &(Kind, _)| *known == kind;
        let known = match kind.is_refused() {
            true => None,
            false => self.counts.find_or_add(kind.hash(), is, make),
        };
        known.map_or_else(|| self.overflowing_count(), |(_, count)| count)
    }

    fn overflowing_count(&self) -> &Count {
        self.overflowing_count.get().unwrap_or_else(|| {
            let is_full = self.counts.len() >= self.settings.max_series;
            let count = self.settings.overflowing_count(is_full);
            sync::set_once(&self.overflowing_count, count)
        })
    }

    fn name_and_level(&self, key: &'static str, kind: &Kind) -> Vec<(&'static str, &str)> {
        let name = self.names.text(kind.name()).map(|name| (key, name));
        name.into_iter().chain([(LEVEL, kind.level())]).collect()
    }
}
