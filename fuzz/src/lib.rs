//! What the targets share.

pub mod agent;
pub mod exposition;
mod histogram;
mod model;
mod text;

pub use histogram::{check_buckets, check_quantile};
pub use model::{Handles, Model, Record};
pub use text::{Screen, is_identifier, is_label_value, is_plain};

/// Read by the sanitizer when it starts: handles are counted by words inside mapped memory, where it
/// does not look for pointers, so that every handle that lives to the end is a leak to it.
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"detect_leaks=0".as_ptr()
}
