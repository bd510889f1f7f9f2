//! Buffers that are written once, shared by any number of responses, and written again.
#![forbid(unsafe_code)]

use bytes::Bytes;
use std::sync::Arc;

/// Buffers kept for the next bodies: a scraper's and a page's, each with its compressed twin. More are
/// made while more are being sent.
const KEPT: usize = 4;

/// A body that responses share.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Buffers, of which those that no response holds any more are used again.
#[derive(Default)]
pub(super) struct Bodies {
    kept: Vec<Arc<Vec<u8>>>,
}

impl Bodies {
    /// A body that `write` appends to an empty buffer.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let free = self.kept.iter_mut().position(|buffer| Arc::get_mut(buffer).is_some());
        let mut buffer = free.map_or_else(Arc::default, |free| self.kept.swap_remove(free));
        // Nobody else holds it.
        if let Some(buffer) = Arc::get_mut(&mut buffer) {
            buffer.clear();
            write(buffer);
        }
        let body = Bytes::from_owner(Shared(buffer.clone()));
        if self.kept.len() == KEPT {
            self.kept.swap_remove(0);
        }
        self.kept.push(buffer);
        body
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_nobody_holds_its_body() {
        let mut bodies = Bodies::default();
        let first = bodies.write(|buffer| buffer.extend_from_slice(b"first, and long"));
        let at = first.as_ptr();
        let held = first.clone();
        drop(first);
        let second = bodies.write(|buffer| buffer.extend_from_slice(b"second"));
        assert_ne!(second.as_ptr(), at);
        assert_eq!(held, "first, and long");
        drop(held);
        let third = bodies.write(|buffer| buffer.extend_from_slice(b"third"));
        assert_eq!((third.as_ptr(), &third[..]), (at, &b"third"[..]));
    }

    #[test]
    fn no_more_buffers_are_kept_than_a_bound() {
        let mut bodies = Bodies::default();
        let all: Vec<_> = (0..50_u8).map(|i| bodies.write(|buffer| buffer.push(i))).collect();
        assert_eq!(bodies.kept.len(), KEPT);
        assert!(all.iter().zip(0..).all(|(body, i)| body[..] == [i]));
    }
}
