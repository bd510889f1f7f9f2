//! Which names and labels are accepted.
//!
//! Names follow OpenTelemetry's syntax for instruments: a letter, then letters, digits and `_.-/`,
//! 255 bytes at most. Every exporter can map that without loss of meaning. Label keys are the same,
//! or begin with an underscore. Label values come from outside and may be any text but NUL, which
//! several formats cannot carry.
#![forbid(unsafe_code)]

use super::error::{RegisterError, excerpt};

pub(crate) const MAX_NAME_BYTES: usize = 255;
pub(crate) const MAX_VALUE_BYTES: usize = 4096;
pub(crate) const MAX_LABELS: usize = 64;

pub(super) fn check_name(name: &str) -> Result<(), RegisterError> {
    match fault_of_identifier(name, |first| first.is_ascii_alphabetic()) {
        None => Ok(()),
        Some(fault) => Err(RegisterError::InvalidName { name: excerpt(name), fault }),
    }
}

/// What is wrong with a label's key, and what to do.
pub(crate) fn fault_of_key(key: &str) -> Option<&'static str> {
    fault_of_identifier(key, |first| first.is_ascii_alphabetic() || first == b'_')
}

/// What is wrong with a label's value, and what to do.
pub(crate) fn fault_of_value(value: &str) -> Option<&'static str> {
    if value.len() > MAX_VALUE_BYTES {
        Some("it is longer than 4,096 bytes; shorten or hash it")
    } else if value.contains('\0') {
        Some("it contains a NUL, which several formats cannot carry; remove it")
    } else {
        None
    }
}

fn fault_of_identifier(text: &str, first_is_fine: impl Fn(u8) -> bool) -> Option<&'static str> {
    let Some(&first) = text.as_bytes().first() else {
        return Some("it is empty; give it a name");
    };
    if text.len() > MAX_NAME_BYTES {
        Some("it is longer than 255 bytes; shorten it")
    } else if !first_is_fine(first) {
        Some("it does not begin with an ASCII letter; put one in front")
    } else if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b)) {
        Some(
            "it has a character other than ASCII letters, digits, '_', '.', '-' and '/'; replace it",
        )
    } else {
        None
    }
}
