use super::cell::Narrow;
use super::*;
use crate::buckets::Row;
use std::sync::Barrier;

fn store(max_shards: usize) -> Arc<Store> {
    Arc::new(Store::new(&StoreConfig::new().max_shards(max_shards)))
}

fn sum(store: &Store, scalar: &Scalar) -> u64 {
    store.shards().map(|shard| scalar.load(shard)).fold(0, u64::wrapping_add)
}

/// Sum, bounds and non-empty buckets.
type Reading = (u64, Option<(u64, u64)>, Vec<(usize, u64)>);

fn read<const DIGITS: u8>(store: &Store, distribution: &Distribution<DIGITS>) -> Reading {
    let mut rows = Vec::new();
    let totals = distribution.read(store.shards(), &mut Reader::default(), &mut rows);
    let buckets: Vec<_> = rows.iter().flat_map(Row::held).collect();
    let bounds = (totals.min <= totals.max).then_some((totals.min, totals.max));
    assert_eq!(totals.count, buckets.iter().map(|(_, count)| count).sum::<u64>());
    (totals.sum, bounds, buckets)
}

#[test]
fn the_lowest_free_shard_is_leased_first() {
    let leases = Leases::new(4);
    assert_eq!([leases.take(), leases.take(), leases.take()], [Some(1), Some(2), Some(3)]);
    assert_eq!((leases.take(), leases.taken()), (None, 3));
    leases.give_back(2);
    leases.give_back(1);
    assert_eq!((leases.take(), leases.high_water()), (Some(1), 4));
}

#[test]
fn shards_beyond_the_first_word_are_leased_too() {
    let leases = Leases::new(130);
    let taken: Vec<_> = std::iter::from_fn(|| leases.take()).collect();
    assert_eq!(taken, (1..130).collect::<Vec<_>>());
    leases.give_back(128);
    assert_eq!(leases.take(), Some(128));
}

#[test]
fn every_thread_counts_into_a_shard_of_its_own() {
    let store = store(4);
    let scalar = Scalar::new(&store).unwrap();
    let all_leased = Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let lessee = Lessee::new(&store);
                scalar.add(&lessee, 1);
                all_leased.wait();
                scalar.add(&lessee, 1);
            });
        }
    });
    let by_shard: Vec<_> = store.shards().map(|shard| scalar.load(shard)).collect();
    assert_eq!(by_shard, [0, 2, 2, 2]);
}

#[test]
fn threads_beyond_the_last_shard_share_the_first() {
    let store = store(2);
    let scalar = Scalar::new(&store).unwrap();
    let (first, second) = (Lessee::new(&store), Lessee::new(&store));
    scalar.add(&first, 1);
    scalar.add(&second, 10);
    scalar.add(&Late, 100);
    assert_eq!((first.shard(), second.shard()), (1, 0));
    let by_shard: Vec<_> = store.shards().map(|shard| scalar.load(shard)).collect();
    assert_eq!(by_shard, [110, 1]);
}

#[test]
fn a_sum_wraps_at_the_end_of_u64() {
    let store = store(2);
    let scalar = Scalar::new(&store).unwrap();
    let lessee = Lessee::new(&store);
    scalar.add(&lessee, u64::MAX);
    scalar.add(&Late, 3);
    scalar.add(&lessee, 4);
    assert_eq!(sum(&store, &scalar), 6);
}

#[test]
fn a_header_grows_with_its_values_in_whatever_order_they_come() {
    let store = store(2);
    let distribution = Distribution::<2>::new(&store, false).unwrap();
    let lessee = Lessee::new(&store);
    let mut recorded = Vec::new();
    for value in [500, 70, 900, 0, u64::MAX, 70, u64::MAX] {
        distribution.record(&lessee, value);
        recorded.push(value);
        let (sum, bounds, buckets) = read(&store, &distribution);
        assert_eq!(sum, recorded.iter().copied().fold(0, u64::wrapping_add));
        let (min, max) = (recorded.iter().min().unwrap(), recorded.iter().max().unwrap());
        assert_eq!(bounds, Some((*min, *max)));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), recorded.len() as u64);
    }
}

#[test]
fn the_largest_value_alone_is_seen() {
    for place in [true, false] {
        let store = store(2);
        let distribution = Distribution::<1>::new(&store, false).unwrap();
        let lessee = Lessee::new(&store);
        if place {
            distribution.record(&lessee, u64::MAX);
        } else {
            distribution.record(&Late, u64::MAX);
        }
        let (sum, bounds, buckets) = read(&store, &distribution);
        assert_eq!((sum, bounds), (u64::MAX, Some((u64::MAX, u64::MAX))));
        assert_eq!(buckets, [(crate::buckets::Layout::new(1).len() - 1, 1)]);
    }
}

#[test]
fn shards_add_up_each_in_a_range_of_its_own() {
    let store = store(8);
    let distribution = Distribution::<1>::new(&store, false).unwrap();
    let lessees: Vec<_> = (0..7).map(|_| Lessee::new(&store)).collect();
    let (mut count, mut sum) = (0, 0_u64);
    for (shard, lessee) in lessees.iter().enumerate().filter(|(shard, _)| *shard != 2) {
        for value in (1 << shard..1 << (10 + 3 * shard)).step_by(7 << (3 * shard)) {
            distribution.record(lessee, value);
            (count, sum) = (count + 1, sum + value);
        }
    }
    distribution.record(&Late, 1 << 40);
    let (seen_sum, bounds, buckets) = read(&store, &distribution);
    assert_eq!((seen_sum, bounds), (sum + (1 << 40), Some((1, 1 << 40))));
    assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), count + 1);
    assert!(buckets.is_sorted_by_key(|(index, _)| index));
}

#[test]
fn a_bucket_counts_on_beyond_the_limit_of_its_narrow_cell() {
    let store = store(3);
    let distribution = Distribution::<2>::new(&store, false).unwrap();
    let lessees = [Lessee::new(&store), Lessee::new(&store)];
    let add = |place: &Lessee<'_>, value: u64, count: u64| {
        distribution.add(place, Records { low: value, high: value, count, sum: value * count });
    };
    let mut expected = std::collections::BTreeMap::new();
    let mut record = |place, value, count| {
        add(place, value, count);
        *expected.entry(value as usize).or_default() += count;
        let buckets: Vec<_> = expected.iter().map(|(&index, &count)| (index, count)).collect();
        let sum = buckets.iter().map(|&(index, count)| index as u64 * count).sum();
        let (min, max) = (buckets[0].0 as u64, buckets[buckets.len() - 1].0 as u64);
        assert_eq!(read(&store, &distribution), (sum, Some((min, max)), buckets));
    };
    for (value, lessee) in [(70, &lessees[0]), (7, &lessees[1]), (200, &lessees[0])] {
        record(lessee, value, Narrow::LIMIT - 1);
        record(lessee, value, 2);
        record(lessee, value, 1);
        record(lessee, value, 1);
        record(lessee, value, 1 << 40);
    }
    // Now by the hot path, in a bucket that is full.
    distribution.record(&lessees[0], 70);
    let (_, _, buckets) = read(&store, &distribution);
    assert!(buckets.contains(&(70, expected[&70] + 1)));
}

#[test]
fn a_shared_distribution_takes_no_lease() {
    let store = store(3);
    let distribution = Distribution::<2>::new(&store, true).unwrap();
    let lessee = Lessee::new(&store);
    distribution.record(&lessee, 7);
    distribution.record(&Late, 9);
    assert_eq!((lessee.shard(), read(&store, &distribution).1), (0, Some((7, 9))));
}

#[test]
fn what_was_given_back_is_handed_out_again_all_zero() {
    let store = store(3);
    let lessee = Lessee::new(&store);
    let scalar = Scalar::new(&store).unwrap();
    scalar.add(&lessee, 5);
    scalar.add(&Late, 5);
    let (address, copy) = (scalar.address(), scalar.clone());
    drop(scalar);
    assert_ne!(Scalar::new(&store).unwrap().address(), address, "a handle still holds it");
    drop(copy);
    let others: Vec<_> = (0..2).map(|_| Scalar::new(&store).unwrap()).collect();
    assert!(others.iter().any(|other| other.address() == address));
    assert!(others.iter().all(|other| sum(&store, other) == 0));
}

struct Four;

impl Length for Four {
    const LENGTH: usize = 4;
}

#[test]
fn neighbours_are_found_by_their_number() {
    let store = store(2);
    let lessee = Lessee::new(&store);
    let scalars = Scalar::neighbours(&store, 4).unwrap();
    let neighbours = Neighbours::<Four>::of(&scalars.iter().collect::<Vec<_>>()).unwrap();
    for (number, place) in (0..6).flat_map(|number| [(number, true), (number, false)]) {
        let scalar = neighbours.lend(number).scalar();
        _ = if place { scalar.add(&lessee, 1 << number) } else { scalar.add(&Late, 100 << number) };
    }
    let sums: Vec<_> = scalars.iter().map(|scalar| sum(&store, scalar)).collect();
    assert_eq!(sums, [101, 202, 404, 808 + 1616 + 3232]);
}

#[test]
fn what_is_no_run_of_its_own_is_no_neighbours() {
    let store = store(2);
    let of = |scalars: &[&Scalar]| Neighbours::<Four>::of(scalars).is_some();
    let singles: [Scalar; 4] = std::array::from_fn(|_| Scalar::new(&store).unwrap());
    assert_eq!(singles[3].address(), singles[0].address() + 3 * size_of::<u64>());
    assert!(!of(&singles.each_ref()), "each can be given back alone");
    let run = Scalar::neighbours(&store, 5).unwrap();
    let [a, b, c, d, e] = &run[..] else { unreachable!("as many as asked for") };
    assert!(of(&[a, b, c, d]) && of(&[b, c, d, e]));
    assert!(!of(&[]) && !of(&[a, b, c]) && !of(&run.iter().collect::<Vec<_>>()));
    assert!(!of(&[a, b, d, c]) && !of(&[a, c, d, e]) && !of(&[a, b, c, c]));
}

#[test]
fn a_run_is_given_back_when_the_last_of_it_is_gone() {
    let store = store(3);
    let lessee = Lessee::new(&store);
    let addresses = |run: &[Scalar]| -> Vec<_> { run.iter().map(Scalar::address).collect() };
    for last in 0..4 {
        let mut run = Scalar::neighbours(&store, 4).unwrap();
        assert!(run.iter().all(|scalar| sum(&store, scalar) == 0));
        let first_addresses = addresses(&run);
        for scalar in &run {
            scalar.add(&lessee, 5);
            scalar.add(&Late, 5);
        }
        let last = run.swap_remove(last);
        drop(run);
        let other = Scalar::neighbours(&store, 4).unwrap();
        assert_ne!(addresses(&other), first_addresses, "one of them is held");
        assert_eq!(sum(&store, &last), 10);
        drop(last);
        let again = Scalar::neighbours(&store, 4).unwrap();
        assert_eq!(addresses(&again), first_addresses);
        assert!(again.iter().all(|scalar| sum(&store, scalar) == 0));
    }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes minutes for so many")]
fn a_run_that_has_no_room_left_opens_a_segment() {
    let store = store(2);
    let mut runs = Vec::new();
    while store.usage().segments < 3 {
        runs.push(Scalar::neighbours(&store, MOST_NEIGHBOURS).unwrap());
    }
    let lessee = Lessee::new(&store);
    for (number, scalar) in (0..).zip(runs.iter().flatten()) {
        assert_eq!(scalar.add(&lessee, number), 0);
    }
    for (number, scalar) in (0..).zip(runs.iter().flatten()) {
        assert_eq!(sum(&store, scalar), number);
    }
}

#[test]
fn buckets_that_were_given_back_are_handed_out_again_all_zero() {
    // The larger ones are whole pages; an interpreter takes minutes for them.
    if cfg!(miri) { reuse_buckets::<1>() } else { reuse_buckets::<3>() }
}

fn reuse_buckets<const DIGITS: u8>() {
    let store = store(3);
    let lessee = Lessee::new(&store);
    for shared in [false, true] {
        let old = Distribution::<DIGITS>::new(&store, shared).unwrap();
        for value in [0, 1 << 20, 1 << 40, u64::MAX] {
            old.record(&lessee, value);
            old.record(&Late, value);
        }
        drop(old);
        let new = Distribution::<DIGITS>::new(&store, shared).unwrap();
        assert_eq!(read(&store, &new), (0, None, vec![]));
        new.record(&lessee, 1 << 40);
        assert_eq!(read(&store, &new).2.len(), 1);
    }
}

#[test]
fn a_gauge_has_its_line_to_itself() {
    let store = store(2);
    let (a, b) = (Line::new(&store).unwrap(), Line::new(&store).unwrap());
    a.store(3);
    b.store(2);
    assert_eq!((a.load(), b.load()), (3, 2));
    drop(a);
    assert_eq!(Line::new(&store).unwrap().load(), 0);
}

#[test]
fn figures_follow_what_happens() {
    let store = store(4);
    let before = store.usage();
    assert_eq!((before.max_shards, before.shards_leased, before.segments), (4, 0, 1));
    let _header_and_buckets = Distribution::<2>::new(&store, false).unwrap();
    let lessee = Lessee::new(&store);
    Scalar::new(&store).unwrap().add(&lessee, 1);
    let during = store.usage();
    assert_eq!((during.shards_leased, during.shards_ever_used, during.segments), (1, 1, 2));
    assert_eq!(during.bytes_reserved, 2 * 5 * during.stride_bytes);
    drop(lessee);
    let after = store.usage();
    assert_eq!((after.shards_leased, after.shards_ever_used), (0, 1));
}

#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(miri, ignore = "Miri has no /proc")]
fn only_touched_pages_are_committed_and_they_are_given_back() {
    let store = store(4);
    let committed = || store.usage().bytes_committed.unwrap();
    let distributions: Vec<_> =
        (0..32).map(|_| Distribution::<3>::new(&store, false).unwrap()).collect();
    let lessee = Lessee::new(&store);
    let untouched = committed();
    for distribution in &distributions {
        for power in 0..64 {
            distribution.record(&lessee, 1 << power);
        }
    }
    // A bucket every half of 1,024 cells: each page of 4 KiB, or fewer of larger ones.
    let touched = committed() - untouched;
    assert!(touched >= 32 * 53 * 4096, "{touched} bytes for 64 buckets far apart");
    assert!(touched <= 32 * (448 << 10), "{touched} bytes are more than all buckets");
    drop(distributions);
    // What other tests' mappings beside these give back is counted with it.
    let left = committed().saturating_sub(untouched);
    assert!(left < touched / 4, "{left} of {touched} bytes are still committed");
}

#[test]
fn touching_ahead_changes_no_value() {
    let store = store(3);
    let lessee = Lessee::new(&store);
    let scalar = Scalar::new(&store).unwrap();
    let distribution = Distribution::<2>::new(&store, false).unwrap();
    scalar.add(&lessee, 5);
    distribution.record(&lessee, 5);
    lessee.touch();
    assert_eq!((sum(&store, &scalar), read(&store, &distribution).0), (5, 5));
}
