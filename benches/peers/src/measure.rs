//! Rounds in which every subject has its turn, so that what disturbs the machine disturbs all.
#![forbid(unsafe_code)]

/// Rounds that are not kept, or as many as are kept where that is less: caches, buffers and branch
/// predictors settle in them.
const WARM_UP: usize = 3;

/// All rounds, for so many that are kept.
pub fn with_warm_up(rounds: usize) -> usize {
    WARM_UP.min(rounds) + rounds
}

/// What `measure` returned for each of so many subjects in each round. In a round the two groups that
/// the subjects are in, those before and those from `second` on, take turns; which of a group comes
/// next is drawn anew each time, so nobody always follows the same one.
pub fn interleaved<T>(
    subjects: usize,
    second: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> T,
) -> Vec<Vec<T>> {
    let mut samples: Vec<_> = (0..subjects).map(|_| Vec::with_capacity(rounds)).collect();
    let mut random = fastrand::Rng::with_seed(0);
    let mut groups: [Vec<_>; 2] = [(0..second).collect(), (second..subjects).collect()];
    let all_rounds = with_warm_up(rounds);
    for round in 0..all_rounds {
        groups.iter_mut().for_each(|group| random.shuffle(group));
        for turn in 0..subjects {
            for &subject in groups.iter().filter_map(|group| group.get(turn)) {
                let sample = measure(subject);
                if round >= all_rounds - rounds {
                    samples[subject].push(sample);
                }
            }
        }
    }
    samples
}

/// The least and the middle of some samples, and where all but a tenth at either end lie.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub best: u64,
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
        let [low, median, high] = [low, median, high].map(|at| samples[at]);
        Self { best: samples[0], low, median, high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_its_turn_in_every_round_and_groups_alternate() {
        let mut turns = Vec::new();
        let samples = interleaved(6, 3, 40, |subject| {
            turns.push(subject);
            turns.len()
        });
        assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [40; 6]);
        assert!(turns.iter().enumerate().all(|(turn, &subject)| (subject >= 3) == (turn % 2 == 1)));
        for round in turns.chunks(6) {
            let mut subjects = round.to_vec();
            subjects.sort_unstable();
            assert_eq!(subjects, [0, 1, 2, 3, 4, 5]);
        }
        let followers = |of| turns.windows(2).filter(move |pair| pair[0] == of).map(|pair| pair[1]);
        for subject in 0..6 {
            let others = if subject < 3 { 3..6 } else { 0..3 };
            assert!(others.into_iter().all(|other| followers(subject).any(|next| next == other)));
        }
        assert!(samples.iter().flatten().all(|&turn| turn > 6 * WARM_UP));
    }

    #[test]
    fn a_spread_leaves_out_a_tenth_at_either_end() {
        let spread = Spread::of((0..=100).rev());
        assert_eq!((spread.best, spread.low, spread.median, spread.high), (0, 10, 50, 90));
        let spread = Spread::of([7]);
        assert_eq!((spread.low, spread.median, spread.high), (7, 7, 7));
    }
}
