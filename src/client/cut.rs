//! Cutting texts that are too long, where a character ends.
#![forbid(unsafe_code)]

/// The longest beginning of `text` that is whole characters and no more than `bytes`.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::cut;

    #[test]
    fn no_character_is_cut_in_two() {
        let text = "a\u{e9}\u{1f980}";
        let expected = ["", "a", "a", "a\u{e9}", "a\u{e9}", "a\u{e9}", "a\u{e9}", text, text];
        for (bytes, expected) in expected.into_iter().enumerate() {
            assert_eq!(cut(text, bytes), expected, "{bytes} bytes");
        }
    }
}
