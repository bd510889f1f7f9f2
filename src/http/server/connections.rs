//! Who is connected, and who has to go when one more comes.
//!
//! The connection that has been without a complete request for longest goes first: one that never sent
//! one is as old as it is. So those who open connections and say nothing displace each other, and a
//! scraper, which asks as soon as it is connected, is the newest of all when it does. An idle one may
//! be displaced too; its owner connects again.
#![forbid(unsafe_code)]

use super::connection::{Connection, Phase};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What the bodies of slow readers may take together; one body may be longer.
const MAX_HELD_BYTES: usize = 64 << 20;
/// Bodies that are not worth counting: as many as there are connections take no more than the others.
const SMALL_BODY_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Connections {
    open: RefCell<Vec<(Rc<Connection>, AbortHandle)>>,
    pub(super) changed: Notify,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    pub(super) fn add(&self, connection: Rc<Connection>, task: AbortHandle) {
        self.open.borrow_mut().push((connection, task));
    }

    /// Notes that a connection has ended.
    pub(super) fn remove(&self, connection: &Rc<Connection>) {
        self.open.borrow_mut().retain(|(other, _)| !Rc::ptr_eq(other, connection));
        self.changed.notify_one();
    }

    /// Closes one; whether there was one.
    pub(super) fn displace(&self) -> bool {
        let mut open = self.open.borrow_mut();
        let at = (0..open.len()).min_by_key(|&at| open[at].0.asked_at());
        let Some(at) = at else { return false };
        let (_, task) = open.swap_remove(at);
        task.abort();
        true
    }

    /// Closes connections whose bodies take too much memory together, unless they send what `newest`
    /// sends, beginning with the one that has been at it for longest; returns how many.
    pub(super) fn make_room(&self, newest: &Connection) -> usize {
        let (address, length) = newest.body();
        if length < SMALL_BODY_BYTES {
            return 0;
        }
        let mut open = self.open.borrow_mut();
        let mut closed = 0;
        while held_bytes(&open) > MAX_HELD_BYTES {
            let others = (0..open.len()).filter(|&at| {
                let other = open[at].0.body();
                other.0 != address && other.1 >= SMALL_BODY_BYTES
            });
            let Some(at) = others.min_by_key(|&at| open[at].0.asked_at()) else { break };
            let (_, task) = open.swap_remove(at);
            task.abort();
            closed += 1;
        }
        closed
    }

    /// Lets responses in work be finished, and closes the other connections.
    pub(super) fn wind_up(&self) {
        self.open.borrow_mut().retain(|(connection, task)| {
            let is_in_work = matches!(connection.phase(), Phase::Answering | Phase::Sending);
            if is_in_work {
                connection.stop.notify_one();
            } else {
                task.abort();
            }
            is_in_work
        });
    }
}

/// What the bodies that are being sent take; a body that several connections send counts once.
fn held_bytes(open: &[(Rc<Connection>, AbortHandle)]) -> usize {
    let mut bodies: Vec<_> = open.iter().map(|(connection, _)| connection.body()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    bodies.iter().map(|(_, length)| length).sum()
}
