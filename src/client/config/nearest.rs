//! Which known word a mistyped one was meant to be.
#![forbid(unsafe_code)]

/// More edits than this are another word.
const MOST_EDITS: usize = 2;

/// The known word that `given` is nearest to, if the difference is the case, the separators, or at
/// most two edits of letters, and less than half of the word.
pub(super) fn nearest(
    given: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let given = plain(given);
    let edits = |word: &'static str| Some((edits(given.as_bytes(), plain(word).as_bytes())?, word));
    let candidates = known.into_iter().filter_map(edits);
    let near = candidates.filter(|(edits, word)| edits * 2 <= word.len());
    near.min_by_key(|(edits, _)| *edits).map(|(_, word)| word)
}

fn plain(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace(['-', '.', ' '], "_")
}

/// How many insertions, removals and replacements lead from `a` to `b`, if few do.
fn edits(a: &[u8], b: &[u8]) -> Option<usize> {
    if a.len().abs_diff(b.len()) > MOST_EDITS {
        return None;
    }
    // The row of edits from a beginning of `a` to each beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, from) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (to_at, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[to_at + 1];
            row[to_at + 1] = replaced.min(diagonal + 1).min(row[to_at] + 1);
        }
    }
    Some(row[b.len()]).filter(|&edits| edits <= MOST_EDITS)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::nearest;

    const WORDS: [&str; 4] = ["console", "json", "interval_log", "sample_rate"];

    #[test]
    fn typing_errors_lead_to_the_word_that_was_meant() {
        for (given, meant) in [
            ("consle", "console"),
            ("Console", "console"),
            ("cnosole", "console"),
            ("jsno", "json"),
            ("jsonl", "json"),
            ("interval-log", "interval_log"),
            (" INTERVAL LOG", "interval_log"),
            ("samplerate", "sample_rate"),
            ("sample_ratio", "sample_rate"),
        ] {
            assert_eq!(nearest(given, WORDS), Some(meant), "{given}");
        }
    }

    #[test]
    fn another_word_has_no_nearest() {
        for given in ["", "j", "xyz", "xml", "console_log", "prometheus", "cabbage"] {
            assert_eq!(nearest(given, WORDS), None, "{given}");
        }
        assert_eq!(nearest(&"j".repeat(1 << 20), WORDS), None);
    }
}
