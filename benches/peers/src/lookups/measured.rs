//! `measured`, whose label group interns values that it has not seen.
#![forbid(unsafe_code)]

use super::workload::Order;
use super::{NAME, Peer};
use crate::exposition;
use crate::labels::Labels;
use measured::lasso::ThreadedRodeo;
use measured::metric::MetricFamilyEncoding;
use measured::metric::name::MetricName;
use measured::text::BufferedTextEncoder;
use measured::{CounterVec, LabelGroup};

#[derive(LabelGroup)]
#[label(set = RequestSet)]
struct Request<'a> {
    #[label(dynamic_with = ThreadedRodeo, default)]
    method: &'a str,
    #[label(dynamic_with = ThreadedRodeo, default)]
    route: &'a str,
}

impl<'a> From<&'a Labels> for Request<'a> {
    fn from(Labels { method, route }: &'a Labels) -> Self {
        Self { method, route }
    }
}

pub struct Measured {
    counters: CounterVec<RequestSet>,
}

impl Measured {
    pub fn new(known: &[Labels]) -> Self {
        let counters = CounterVec::with_label_set(RequestSet::default());
        known.iter().for_each(|labels| counters.inc_by(labels.into(), 0));
        Self { counters }
    }
}

impl Peer for Measured {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| self.counters.inc(Request::from(&labels[at])));
    }

    fn total(&self) -> u64 {
        let mut encoder = BufferedTextEncoder::new();
        let name = MetricName::from_str(NAME);
        self.counters.collect_family_into(name, &mut encoder).expect("a buffer takes all");
        exposition::records(&encoder.finish(), NAME)
    }
}
