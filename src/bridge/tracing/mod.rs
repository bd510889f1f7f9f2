//! Spans and events of `tracing`. The only folder that names `tracing-core` and
//! `tracing-subscriber`.
//!
//! A span is in [`open::OpenSpans`] from its opening to its closing, found by its id: its call
//! site, when it was opened, and the values of fields that are labels, as numbers. It is not among
//! the extensions that `tracing-subscriber` keeps for a span, since these box whatever is put into
//! them.
//!
//! ```text
//! on_new_span   site of the metadata; fields -> numbers; a slot;    active + 1
//! on_record     fields -> numbers in the slot
//! on_close      slot -> durations of site and numbers: a record;    active - 1
//! on_event      site of the metadata: a count
//! ```
//!
//! No lock is held while a field's value is shown, nor while anything is logged, so that whatever
//! opens spans or records events meanwhile comes in here again unharmed.
#![forbid(unsafe_code)]

mod fields;
mod growing;
mod layer;
mod metrics;
// Also a part of its model, which is built without the rest.
mod open;
mod series;
mod site;

pub use layer::TracingLayer;
