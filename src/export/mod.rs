//! Destinations: an encoder each, which turns a snapshot into bytes, and what carries them out.
#![forbid(unsafe_code)]

mod console;

pub use console::Console;
