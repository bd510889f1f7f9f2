//! loom's half of `sync.rs`: the same names, for models.

use super::Edge;
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
use std::cell::Cell;

/// LOOM: every word of a segment is an object of its own, made as one of these.
pub(crate) type AtomicNarrow = AtomicU64;

pub(crate) const ZEROED_IS_VALID: bool = false;

thread_local! {
    // loom runs all threads of a model on one system thread: this is a setting per test.
    static WEAKENED: Cell<Option<Edge>> = const { Cell::new(None) };
}

/// Makes the twin of a model: `edge` is Relaxed until `None` is set.
pub(crate) fn weaken(edge: Option<Edge>) {
    WEAKENED.set(edge);
}

pub(crate) fn acquire(edge: Edge) -> Ordering {
    if WEAKENED.get() == Some(edge) { Ordering::Relaxed } else { Ordering::Acquire }
}

pub(crate) fn release(edge: Edge) -> Ordering {
    if WEAKENED.get() == Some(edge) { Ordering::Relaxed } else { Ordering::Release }
}

// LOOM: a plain atomic load here would hide interleavings (a thread that loads a location
// before it stores to it is not explored), and would not check that the owner is alone.
#[allow(unsafe_code)]
pub(crate) fn load_by_owner(cell: &AtomicU64) -> u64 {
    // SAFETY: loom fails the model, instead of racing, when a store is concurrent with this
    // load; that failure is what the models are after.
    unsafe { cell.unsync_load() }
}

pub(crate) use load_by_owner as load_narrow_by_owner;

// LOOM: for the same reason.
#[allow(unsafe_code)]
pub(crate) fn load_pointer_by_owner<T>(pointer: &AtomicPtr<T>) -> *mut T {
    // SAFETY: as above.
    unsafe { pointer.unsync_load() }
}

/// LOOM: a model does the same each time.
pub(crate) fn random() -> u64 {
    0x9e37_79b9_7f4a_7c15
}

/// A value's accesses, which loom checks: a read that the value's making does not happen before,
/// or that does not happen before the value is dropped, fails the model.
pub(crate) struct Witness(loom::cell::UnsafeCell<()>);

// SAFETY: of what threads do with it at once, loom has one after the other.
#[allow(unsafe_code)]
unsafe impl Sync for Witness {}

impl Witness {
    pub(crate) fn new() -> Self {
        let witness = Self(loom::cell::UnsafeCell::new(()));
        witness.0.with_mut(|_| ());
        witness
    }

    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }

    pub(crate) fn written(&self) {
        self.0.with_mut(|_| ());
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

/// LOOM: crossbeam-epoch runs on std's atomics. What stands in for it frees when nobody is pinned
/// at all, which is later than need be, and orders pins by a lock, which real ones are not.
pub(crate) struct Pinned(&'static Mutex<Pins>);

#[derive(Default)]
struct Pins {
    pins: usize,
    deferred: Vec<Box<dyn FnOnce() + Send>>,
}

loom::lazy_static! {
    // Leaked, since a model that fails drops it when loom is not there any more.
    static ref PINS: &'static Mutex<Pins> = Box::leak(Box::new(Mutex::new(Pins::default())));
}

pub(crate) fn pin() -> Pinned {
    PINS.lock().unwrap().pins += 1;
    Pinned(*PINS)
}

impl Pinned {
    pub(crate) fn flush(&self) {}
}

pub(crate) fn free_after(edge: Edge, pinned: &Pinned, free: impl FnOnce() + Send + 'static) {
    if WEAKENED.get() == Some(edge) {
        return free();
    }
    pinned.0.lock().unwrap().deferred.push(Box::new(free));
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let free = {
            let mut pinned = self.0.lock().unwrap();
            pinned.pins -= 1;
            if pinned.pins == 0 { std::mem::take(&mut pinned.deferred) } else { Vec::new() }
        };
        free.into_iter().for_each(|free| free());
    }
}

/// What a thread waits with for another one's wake-up, which is not lost if it comes first.
pub(crate) struct Parker(Unparker);

#[derive(Clone)]
pub(crate) struct Unparker(Arc<(Mutex<bool>, loom::sync::Condvar)>);

impl Parker {
    pub(crate) fn new() -> Self {
        Self(Unparker(Arc::new((Mutex::new(false), loom::sync::Condvar::new()))))
    }

    pub(crate) fn unparker(&self) -> &Unparker {
        &self.0
    }

    pub(crate) fn park(&self) {
        let (woken, changed) = &*self.0.0;
        let mut woken = woken.lock().unwrap();
        while !std::mem::take(&mut *woken) {
            woken = changed.wait(woken).unwrap();
        }
    }

    /// LOOM: there is no time in a model.
    pub(crate) fn park_timeout(&self, _: std::time::Duration) {
        self.park();
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        let (woken, changed) = &*self.0;
        *woken.lock().unwrap() = true;
        changed.notify_one();
    }
}

/// LOOM: processes are beyond a model.
pub(crate) struct Pass;

impl Pass {
    pub(crate) fn enter() -> Self {
        Self
    }
}

/// LOOM: arc-swap runs on std's atomics, which loom cannot see; a lock stands in for it.
pub(crate) struct Published<T>(Mutex<Option<Arc<T>>>);

impl<T> Published<T> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn publish(&self, value: Arc<T>) {
        *super::lock(&self.0) = Some(value);
    }

    pub(crate) fn latest(&self) -> Option<Arc<T>> {
        super::lock(&self.0).clone()
    }

    #[cfg(feature = "tower")]
    pub(crate) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
        read(super::lock(&self.0).as_deref())
    }
}
