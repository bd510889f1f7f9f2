//! The operations of a library, each in the loop that is the same for all.
#![forbid(unsafe_code)]

use super::inputs::{repeat, with_indices, with_latencies};
use super::{Instrument, MANY, Offer, Operation, Work};
use crate::libraries::{Counter, Counters, Gauge, Histogram, LABEL_SETS, Library};
use std::sync::Arc;

pub fn offer<L: Library>(operation: Operation) -> Offer {
    let mut library = L::new();
    let (work, note): (Work, _) = match operation {
        Operation::Counter => {
            let counter = library.counter();
            (Box::new(move |_, times| repeat(times, || counter.increment())), L::COUNTED)
        }
        Operation::OneOfMany => {
            let all = library.counters(MANY);
            (Box::new(move |_, times| with_indices(times, |at| all.increment(at))), L::COUNTED)
        }
        Operation::Gauge => {
            let gauge = library.gauge()?;
            // What is set is in a register.
            let work = move |_, times| repeat(times, || gauge.set(0.5));
            return Ok(Instrument::uncounted(work).note(L::SET));
        }
        Operation::Histogram => {
            let histogram = library.histogram()?;
            let work = move |_, times| with_latencies(times, |ns| histogram.record(ns));
            (Box::new(work), L::RECORD)
        }
        Operation::TimedSection => {
            let histogram = library.histogram()?;
            (Box::new(move |_, times| repeat(times, || histogram.time())), L::TIMED)
        }
        Operation::TypedLabels => {
            let typed = library.typed();
            let work = move |_, times| {
                with_indices(times, |at| typed.increment(at % LABEL_SETS));
            };
            (Box::new(work), L::LABELS)
        }
    };
    let library = Arc::new(library);
    let read = library.clone();
    let instrument = Instrument::new(work, move || read.count()).note(note);
    if L::SETTLES {
        return Ok(instrument.settled(move |thread| library.settle(thread)));
    }
    Ok(instrument)
}
