//! Rounds in which every subject has its turn, so that what disturbs the machine disturbs all.
#![forbid(unsafe_code)]

/// Rounds that are not kept: caches, buffers and branch predictors settle in them.
const WARM_UP: usize = 3;

/// What `measure` returned for each of so many subjects in each round. Another subject begins each
/// round; the order stays, so each always follows the same one.
pub fn interleaved<T>(
    subjects: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> T,
) -> Vec<Vec<T>> {
    let mut samples: Vec<_> = (0..subjects).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..WARM_UP + rounds {
        for turn in 0..subjects {
            let subject = (round + turn) % subjects;
            let sample = measure(subject);
            if round >= WARM_UP {
                samples[subject].push(sample);
            }
        }
    }
    samples
}

/// The middle of some samples, and where all but a tenth at either end lie.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: u64,
    pub median: u64,
    pub high: u64,
}

impl Spread {
    /// Of at least one sample.
    pub fn of(samples: impl IntoIterator<Item = u64>) -> Self {
        let mut samples: Vec<_> = samples.into_iter().collect();
        samples.sort_unstable();
        let last = samples.len() - 1;
        let (low, median, high) = (last / 10, last / 2, last - last / 10);
        Self { low: samples[low], median: samples[median], high: samples[high] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_its_turn_in_every_round() {
        let mut turns = Vec::new();
        let samples = interleaved(3, 4, |subject| {
            turns.push(subject);
            turns.len()
        });
        assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4]);
        for (round, subjects) in turns.chunks(3).enumerate() {
            assert_eq!(subjects, [round % 3, (round + 1) % 3, (round + 2) % 3]);
        }
        assert!(samples.iter().flatten().all(|&turn| turn > 3 * WARM_UP));
    }

    #[test]
    fn a_spread_leaves_out_a_tenth_at_either_end() {
        let spread = Spread::of((0..=100).rev());
        assert_eq!((spread.low, spread.median, spread.high), (10, 50, 90));
        let spread = Spread::of([7]);
        assert_eq!((spread.low, spread.median, spread.high), (7, 7, 7));
    }
}
