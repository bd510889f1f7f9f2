//! Spans that are open, found by their ids.
//!
//! A slot is a line of memory that a span takes when it opens and leaves when it closes. It is one
//! of the few that its id may take:
//!
//! ```text
//! first:      512 slots   [ .. | window of 8, begins where the id says | .. ]
//! then:     2,048         the same, made when windows of the first are full
//! .. up to 131,072
//! ```
//!
//! | slot's id | who may change the slot | next |
//! |---|---|---|
//! | 0 | whoever sets it to the id of a span, by a CAS | taken |
//! | a span's | whoever has that span | free, when the span closes |
//!
//! Who has a span knows that it was opened, and passes it on to other threads by something that
//! synchronises them: between these calls what is kept needs no ordering of its own. From one span
//! to the next the slot does. Progress: a bounded number of attempts; the larger tables are
//! allocated once. Nothing here knows what a span is: ids are numbers, and no two open spans have
//! the same.
#![forbid(unsafe_code)]

use crate::sync::{self, AtomicU64, Edge, Ordering::Relaxed, Witness};
use std::sync::OnceLock;

/// How many fields of a span can be labels.
pub(super) const MAX_FIELDS: usize = 4;

// LOOM: as small as can be, so that slots are used again.
const LEAST_SLOTS: usize = if cfg!(all(loom, test)) { 1 } else { 512 };
const GROWTH: usize = 4;
const TABLES: usize = 5;
const WINDOW: usize = 8;

/// Spreads over the upper bits what differs in the lower ones.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is known of a span while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Its call site.
    pub(super) site: u64,
    /// When it was opened, as the clock says it.
    pub(super) ticks: u64,
    pub(super) values: [u64; MAX_FIELDS],
}

/// All open spans of a layer.
pub(super) struct OpenSpans {
    first: Table,
}

struct Table {
    slots: Box<[Slot]>,
    next: OnceLock<Box<Table>>,
}

/// A line, so that threads which open and close spans do not disturb each other.
#[repr(align(64))]
pub(super) struct Slot {
    id: AtomicU64,
    site: AtomicU64,
    ticks: AtomicU64,
    /// May be below zero while the span is entered.
    busy_ns: AtomicU64,
    values: [AtomicU64; MAX_FIELDS],
    witness: Witness,
}

impl OpenSpans {
    pub(super) fn new() -> Self {
        Self { first: Table::new(LEAST_SLOTS) }
    }

    /// Keeps what is known of a span; `false` if there is no room for it.
    #[inline]
    pub(super) fn open(&self, id: u64, opened: Opened) -> bool {
        let mut table = &self.first;
        for at in 0..TABLES {
            if at != 0 {
                table = table.next();
            }
            for slot in table.window(id) {
                // ORDERING: Acquire, so that what the last span's end has read is not overwritten
                // before; pairs with the Release in `Slot::close`.
                let acquire = sync::acquire(Edge::SpanOpen);
                if slot.id.load(Relaxed) == 0
                    && slot.id.compare_exchange(0, id, acquire, Relaxed).is_ok()
                {
                    slot.fill(opened);
                    return true;
                }
            }
        }
        false
    }

    /// The slot of an open span, if it has one.
    #[inline]
    pub(super) fn find(&self, id: u64) -> Option<&Slot> {
        self.tables().find_map(|table| {
            // Relaxed: whoever has the span has synchronised with whoever opened it.
            table.window(id).iter().find(|slot| slot.id.load(Relaxed) == id)
        })
    }

    /// The spans that are open, when nobody opens or closes any.
    pub(super) fn all(&self) -> impl Iterator<Item = Opened> {
        let slots = self.tables().flat_map(|table| &table.slots);
        slots.filter(|slot| slot.id.load(Relaxed) != 0).map(Slot::opened)
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        std::iter::successors(Some(&self.first), |table| table.next.get().map(|next| &**next))
    }
}

impl Table {
    fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| Slot::free()).collect(), next: OnceLock::new() }
    }

    /// The next table, which is made if nobody has made it yet.
    fn next(&self) -> &Self {
        match self.next.get() {
            Some(next) => next,
            None => self.make_next(),
        }
    }

    #[cold]
    fn make_next(&self) -> &Self {
        sync::set_once(&self.next, Box::new(Self::new(self.slots.len() * GROWTH))).as_ref()
    }

    #[inline]
    fn window(&self, id: u64) -> &[Slot] {
        let is_last = self.slots.len() == LEAST_SLOTS * GROWTH.pow(TABLES as u32 - 1);
        // Registries use places again, with other upper bits of the id: by the lower bits alone, a
        // thread's spans meet the same lines again. Ids that differ in the upper bits only have the
        // last table.
        let kept = if is_last { id ^ id.rotate_right(32) } else { id & u64::from(u32::MAX) };
        let spread = kept.wrapping_mul(ODD) >> 32;
        let window = WINDOW.min(self.slots.len());
        let first = (spread * (self.slots.len() - window + 1) as u64) >> 32;
        &self.slots[first as usize..][..window]
    }
}

impl Slot {
    fn free() -> Self {
        Self {
            id: AtomicU64::new(0),
            site: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            values: std::array::from_fn(|_| AtomicU64::new(0)),
            witness: Witness::new(),
        }
    }

    fn fill(&self, opened: Opened) {
        self.witness.written();
        self.site.store(opened.site, Relaxed);
        self.ticks.store(opened.ticks, Relaxed);
        self.busy_ns.store(0, Relaxed);
        self.values.iter().zip(opened.values).for_each(|(value, new)| value.store(new, Relaxed));
    }

    #[inline]
    pub(super) fn opened(&self) -> Opened {
        self.witness.read();
        Opened {
            site: self.site.load(Relaxed),
            ticks: self.ticks.load(Relaxed),
            values: std::array::from_fn(|at| self.values[at].load(Relaxed)),
        }
    }

    #[inline]
    pub(super) fn set_value(&self, at: usize, value: u64) {
        self.values[at].store(value, Relaxed);
    }

    #[inline]
    pub(super) fn ticks(&self) -> u64 {
        self.ticks.load(Relaxed)
    }

    /// Several threads can have entered a span. Wraps.
    #[inline]
    pub(super) fn add_busy_ns(&self, difference: u64) {
        self.busy_ns.fetch_add(difference, Relaxed);
    }

    /// Gives the slot back; returns what was kept in it, and for how long the span was entered.
    #[inline]
    pub(super) fn close(&self) -> (Opened, u64) {
        let closed = (self.opened(), self.busy_ns.load(Relaxed));
        // ORDERING: Release, so that all was read before the next span writes to it; pairs with the
        // Acquire in `OpenSpans::open`.
        self.id.store(0, sync::release(Edge::SpanClose));
        closed
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn opened(number: u64) -> Opened {
        Opened { site: number, ticks: number + 1, values: [number + 2; MAX_FIELDS] }
    }

    /// Opens spans with these ids, and closes those that found room; returns how many did.
    fn open_and_close(ids: impl Iterator<Item = u64> + Clone) -> usize {
        let open = OpenSpans::new();
        let found_room: Vec<_> = ids.filter(|&id| open.open(id, opened(id))).collect();
        assert_eq!(open.all().count(), found_room.len());
        for &id in &found_room {
            let slot = open.find(id).expect("it was opened");
            assert_eq!(slot.close(), (opened(id), 0));
            assert!(open.find(id).is_none());
        }
        assert_eq!(open.all().count(), 0);
        found_room.len()
    }

    #[test]
    fn a_hundred_thousand_spans_can_be_open_at_once() {
        assert_eq!(open_and_close(1..=100_000), 100_000);
    }

    #[test]
    fn ids_that_differ_in_their_upper_bits_find_room_too() {
        assert_eq!(open_and_close((1..=50_000).map(|id| id << 40 | 7)), 50_000);
    }

    #[test]
    fn what_finds_no_room_is_said_and_disturbs_nothing() {
        let room = open_and_close(1..=200_000);
        assert!((100_000..180_000).contains(&room), "{room}");
    }

    #[test]
    fn the_next_span_of_a_place_has_the_same_slot() {
        let open = OpenSpans::new();
        let place = |generation: u64| {
            let id = generation << 35 | 12_345;
            assert!(open.open(id, opened(generation)));
            let slot = open.find(id).expect("it was opened");
            slot.close();
            std::ptr::from_ref(slot)
        };
        assert_eq!(place(1), place(2));
    }

    #[test]
    fn what_is_set_and_added_is_there_at_the_end_and_not_in_the_next_span() {
        let open = OpenSpans::new();
        assert!(open.open(3, opened(3)));
        let slot = open.find(3).expect("it was opened");
        slot.set_value(1, 77);
        slot.add_busy_ns(5_u64.wrapping_neg());
        slot.add_busy_ns(25);
        let values = [5, 77, 5, 5];
        assert_eq!(slot.close(), (Opened { values, ..opened(3) }, 20));
        assert!(open.open(3, opened(4)));
        assert_eq!(open.find(3).map(Slot::close), Some((opened(4), 0)));
    }

    #[test]
    fn spans_that_threads_pass_on_to_each_other_are_all_found() {
        let open = OpenSpans::new();
        let threads = 4;
        std::thread::scope(|scope| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..threads).map(|_| std::sync::mpsc::channel::<u64>()).unzip();
            for (at, receiver) in (0_u64..).zip(receivers) {
                let next = senders[(at as usize + 1) % threads].clone();
                let open = &open;
                scope.spawn(move || {
                    for round in 0..3_000 {
                        let id = 1 + at + round * threads as u64;
                        assert!(open.open(id, opened(id)));
                        next.send(id).expect("the next thread receives as many");
                        let id = receiver.recv().expect("the thread before sends as many");
                        let slot = open.find(id).expect("it was opened");
                        assert_eq!(slot.close().0, opened(id));
                    }
                });
            }
        });
        assert_eq!(open.all().count(), 0);
    }
}
