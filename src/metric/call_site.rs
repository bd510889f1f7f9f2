//! Handles that live where they are used.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

/// A handle registered by the first call that reaches it; made by [`counter!`](crate::counter) and
/// its siblings, as a `static` at the call site.
pub struct CallSite<H: 'static> {
    handle: OnceLock<H>,
    register: fn() -> H,
}

impl<H> CallSite<H> {
    /// A call site that registers by `register`.
    pub const fn new(register: fn() -> H) -> Self {
        Self { handle: OnceLock::new(), register }
    }

    /// The handle. After the first call: one load and a predictable branch.
    #[inline(always)]
    pub fn handle(&'static self) -> &'static H {
        match self.handle.get() {
            Some(handle) => handle,
            None => self.register(),
        }
    }

    #[cold]
    #[inline(never)]
    fn register(&'static self) -> &'static H {
        self.handle.get_or_init(self.register)
    }
}
