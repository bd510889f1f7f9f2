//! Running code that is not this crate's, so that its panic ends nothing but itself.
#![forbid(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` returns, or what its panic said.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

/// What a panic said, if it said something.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

fn message(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = panic_text(&*payload) {
        return text.to_owned();
    }
    // Its drop is somebody else's code too, and may panic again: it is leaked.
    std::mem::forget(payload);
    "a panic without a text".to_owned()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::panic_any;

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(contained(|| 5), Ok(5));
        assert_eq!(contained(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(contained(|| panic!("with {}", 2)), Err::<(), _>("with 2".to_owned()));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_not_dropped() {
        let without_text = Err::<(), _>("a panic without a text".to_owned());
        assert_eq!(contained(|| panic_any(PanicsOnDrop)), without_text);
    }
}
