//! Numbers as text, into bytes, without the machinery of `std::fmt`.
#![forbid(unsafe_code)]

/// Appends an integer in decimal digits.
pub(super) fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite number in the fewest digits that are read back as the same one. Whole numbers
/// end in `.0`; very large and very small ones have an exponent.
pub(super) fn push_float(out: &mut Vec<u8>, value: f64) {
    debug_assert!(value.is_finite());
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
}
