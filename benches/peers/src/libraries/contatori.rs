//! `contatori`: counters with a cell on a line of its own for each of 128 threads.
#![forbid(unsafe_code)]

use super::{Counter, LABEL_SETS, Library, Never, Readers, Reason, boxed};
use contatori::counters::Observable;
use contatori::counters::unsigned::Unsigned;
use std::sync::Arc;

#[derive(Default)]
pub struct Contatori {
    readers: Readers,
}

impl Library for Contatori {
    const NAME: &str = "contatori";

    type Counter = Arc<Unsigned>;
    type Counters = Box<[Arc<Unsigned>]>;
    type Typed = Box<[Arc<Unsigned>]>;
    type Gauge = Never;
    type Histogram = Never;
    type Histograms = Never;

    const LABELS: &str = "a table of 32 counters, as its macro for groups has fields";

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> Arc<Unsigned> {
        self.readers.keep(Arc::new(Unsigned::new()), |counter| counter.value().as_u64())
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Never, Reason> {
        Err("what is set is a thread's own value, and all are summed")
    }

    fn histogram(&mut self) -> Result<Never, Reason> {
        Err("no histogram")
    }

    fn histograms(&mut self, _: usize) -> Result<Never, Reason> {
        Err("no histogram")
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

impl Counter for Arc<Unsigned> {
    #[inline(always)]
    fn increment(&self) {
        self.add(1);
    }
}
