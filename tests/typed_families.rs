//! Families whose labels are known when compiled: what they count, what they are called, what happens
//! when some of their series exist or cannot be had, and what becomes of their cells.
#![cfg(not(loom))]

mod process;

use process::in_own_process;
use quipu::{
    Counter, Gauge, Histogram, LabelValue, Metric, RegisterError, Registry, SmallInt, TypedFamily,
    Unit, UpDownCounter, store_usage,
};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::thread;

quipu::label_values! {
    /// How a request came.
    #[derive(PartialOrd)]
    pub enum Method {
        Get = "GET",
        /// With a body.
        Post = "POST",
        Other = "other",
    }
}

quipu::label_values! {
    enum Only { One = "one" }
}

const METHODS: [Method; 3] = [Method::Get, Method::Post, Method::Other];

type ByMethod<M> = TypedFamily<M, (Method, bool)>;

fn requests(registry: &Registry) -> ByMethod<Counter> {
    registry.counter("requests").typed_family(["method", "cached"]).register().unwrap()
}

/// What a snapshot has of a family's member.
fn count(registry: &Registry, method: &str, cached: &str) -> Option<u64> {
    registry.snapshot().counter("requests", &[("method", method), ("cached", cached)])
}

#[test]
fn each_member_counts_for_itself_whichever_threads_record() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = if cfg!(miri) { 20 } else { 10_000 };
    let registry = Registry::new();
    let requests = requests(&registry);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    for (number, method) in (1..).zip(METHODS) {
                        requests.with((method, false)).add(number);
                        requests.with((method, true)).increment();
                    }
                }
            });
        }
    });
    for (number, method) in (1..).zip(["GET", "POST", "other"]) {
        assert_eq!(count(&registry, method, "false"), Some(number * THREADS * ROUNDS));
        assert_eq!(count(&registry, method, "true"), Some(THREADS * ROUNDS));
    }
}

#[test]
fn all_series_are_there_from_the_start_and_described() {
    let registry = Registry::new();
    let sizes: TypedFamily<Histogram<1>, (Method, SmallInt<2>, bool, Only)> = registry
        .histogram("sizes")
        .label("service", "shop")
        .help("how large")
        .unit(Unit::Bytes)
        .significant_digits::<1>()
        .shared()
        .typed_family(["method", "shard", "cached", "a"])
        .register()
        .unwrap();
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.len(), 12);
    let mut seen = BTreeSet::new();
    for (descriptor, _) in snapshot.iter() {
        assert_eq!((descriptor.name(), descriptor.help()), ("sizes", "how large"));
        assert_eq!((descriptor.unit(), descriptor.significant_digits()), (Unit::Bytes, 1));
        let labels = ["a", "service", "method", "shard", "cached"];
        let labels = labels.map(|key| descriptor.label(key).unwrap().to_owned());
        assert_eq!(labels[..2], ["one", "shop"]);
        assert!(seen.insert(labels), "twice: {descriptor}");
    }
    let expected = sizes.iter().map(|([method, shard, cached, _], _)| (method, shard, cached));
    let expected: Vec<_> = expected.collect();
    assert_eq!(expected[0], ("GET".into(), "0".into(), "false".into()));
    assert_eq!(expected[11], ("other".into(), "1".into(), "true".into()));
    assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), 12);
}

/// Records to every member by its labels, and looks for it by its texts.
fn members_are_what_they_are_called<M: Metric>(
    family: ByMethod<M>,
    record: impl Fn(&M, u64),
    read: impl Fn(&[(&str, &str)]) -> u64,
) {
    let named = METHODS.into_iter().zip(["GET", "POST", "other"]);
    let named = named.flat_map(|method| [(method, (false, "false")), (method, (true, "true"))]);
    let recorded = 1..=6;
    for (number, ((method, _), (cached, _))) in recorded.clone().zip(named.clone()) {
        record(&family.with((method, cached)), number);
    }
    assert_eq!(family.iter().len(), 6);
    let members = named.zip(family.iter());
    for (number, (((_, method), (_, cached)), (texts, member))) in recorded.zip(members) {
        assert_eq!(texts, [method, cached]);
        let labels = [("method", method), ("cached", cached)];
        assert_eq!(read(&labels), number);
        record(&member, 100);
        assert_ne!(read(&labels), number);
    }
}

#[test]
fn every_kind_of_metric_makes_a_family() {
    let registry = Registry::new();
    let keys = ["method", "cached"];
    members_are_what_they_are_called(
        registry.counter("c").typed_family(keys).register().unwrap(),
        |counter: &Counter, value| counter.add(value),
        |labels| registry.snapshot().counter("c", labels).unwrap(),
    );
    members_are_what_they_are_called(
        registry.up_down_counter("u").typed_family(keys).register().unwrap(),
        |counter: &UpDownCounter, value| counter.add(-(value as i64)),
        |labels| -registry.snapshot().up_down_counter("u", labels).unwrap() as u64,
    );
    members_are_what_they_are_called(
        registry.gauge("g").typed_family(keys).register().unwrap(),
        |gauge: &Gauge, value| gauge.set(value as f64),
        |labels| registry.snapshot().gauge("g", labels).unwrap() as u64,
    );
    if cfg!(miri) {
        // An interpreter takes minutes to read a histogram's buckets.
        return;
    }
    members_are_what_they_are_called(
        registry.histogram("h").typed_family(keys).register().unwrap(),
        |histogram: &Histogram, value| histogram.record(value),
        |labels| registry.snapshot().histogram("h", labels).unwrap().sum(),
    );
}

#[test]
fn a_member_and_its_handle_are_one_series() {
    let registry = Registry::new();
    let active: TypedFamily<UpDownCounter, (SmallInt<3>,)> =
        registry.up_down_counter("active").typed_family(["shard"]).register().unwrap();
    let member = active.with((SmallInt::new(7),));
    member.increment();
    member.add(5);
    member.decrement();
    let handle: UpDownCounter = (*member).clone();
    drop(active);
    handle.add(10);
    assert_eq!(registry.snapshot().up_down_counter("active", &[("shard", "2")]), Some(15));
    assert_eq!(registry.snapshot().up_down_counter("active", &[("shard", "1")]), Some(0));
}

#[test]
fn a_family_registered_again_is_the_same() {
    let registry = Registry::new();
    let (one, other) = (requests(&registry), requests(&registry));
    let third = other.clone();
    assert_eq!(registry.snapshot().len(), 6);
    one.with((Method::Post, true)).add(1);
    other.with((Method::Post, true)).add(10);
    drop((one, other));
    third.with((Method::Post, true)).add(100);
    let alone = registry.counter("requests").label("cached", "true").label("method", "POST");
    alone.register().unwrap().add(1_000);
    assert_eq!(count(&registry, "POST", "true"), Some(1_111));
}

#[test]
fn series_that_existed_are_members() {
    let registry = Registry::new();
    let one = |method, cached| {
        let one = registry.counter("requests").label("method", method).label("cached", cached);
        one.register().unwrap()
    };
    let before = [one("GET", "true"), one("other", "false")];
    before.iter().for_each(|counter| counter.add(1));
    let _unrelated = one("PUT", "true");

    let requests = requests(&registry);
    assert_eq!(registry.snapshot().len(), 7);
    for (_, member) in requests.iter() {
        member.add(10);
    }
    before.iter().for_each(|counter| counter.add(100));
    one("POST", "true").add(1_000);
    let counts = [("GET", "true"), ("other", "false"), ("POST", "true"), ("GET", "false")];
    let counts = counts.map(|(method, cached)| count(&registry, method, cached).unwrap());
    assert_eq!(counts, [111, 111, 1_010, 10]);
    assert_eq!(count(&registry, "PUT", "true"), Some(0));
}

/// A family of labels that are known at run time only may find the same series, and remove them.
#[test]
fn a_series_that_another_family_removes_stays_a_member() {
    let registry = Registry::new();
    let requests = requests(&registry);
    let other = registry.counter("requests").family(["method", "cached"]).register().unwrap();
    other.with(["GET", "true"]).add(1);
    requests.with((Method::Get, true)).add(10);
    assert!(other.remove(["GET", "true"]));
    for round in 2..6 {
        requests.with((Method::Get, true)).add(10);
        assert_eq!(count(&registry, "GET", "true"), Some(1 + 10 * round));
    }
    let again = self::requests(&registry);
    again.with((Method::Get, true)).add(100);
    assert_eq!(count(&registry, "GET", "true"), Some(151));
}

/// Has the series of a family in all orders but the right one.
#[test]
fn series_that_existed_in_another_order_are_members() {
    let registry = Registry::new();
    let reversed: TypedFamily<Counter, (SmallInt<4>, SmallInt<4>)> =
        registry.counter("pairs").typed_family(["b", "a"]).register().unwrap();
    let family: TypedFamily<Counter, (SmallInt<4>, SmallInt<4>)> =
        registry.counter("pairs").typed_family(["a", "b"]).register().unwrap();
    assert_eq!(registry.snapshot().len(), 16);
    family.with((SmallInt::new(1), SmallInt::new(3))).add(1);
    reversed.with((SmallInt::new(3), SmallInt::new(1))).add(10);
    let labels = [("a", "1"), ("b", "3")];
    assert_eq!(registry.snapshot().counter("pairs", &labels), Some(11));
    assert_eq!(registry.snapshot().iter().filter(|(d, _)| d.label("b") == Some("3")).count(), 4);
}

/// A label that breaks the rules: one text for two indices, and an index that is too large.
#[derive(Clone, Copy)]
struct Careless(usize);

impl LabelValue for Careless {
    const COUNT: usize = 3;

    fn index(self) -> usize {
        self.0
    }

    fn text(index: usize) -> Cow<'static, str> {
        if index == 2 { "high".into() } else { "low".into() }
    }
}

#[test]
fn a_careless_label_stays_inside_of_its_family() {
    let registry = Registry::new();
    let family: TypedFamily<Counter, (bool, Careless)> =
        registry.counter("c").typed_family(["first", "careless"]).register().unwrap();
    for index in [0, 1, 2, 3, 6, usize::MAX] {
        family.with((false, Careless(index))).increment();
        family.with((true, Careless(index))).increment();
    }
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.len(), 4);
    // The last one and what is beyond go to some member, the first two to theirs.
    let low = snapshot.counter("c", &[("first", "false"), ("careless", "low")]);
    assert_eq!(low, Some(2));
    let counts = snapshot.iter().map(|(_, value)| match value {
        quipu::Value::Counter(count) => count,
        other => panic!("{other:?}"),
    });
    assert_eq!(counts.sum::<u64>(), 12);
}

struct Nul;

impl LabelValue for Nul {
    const COUNT: usize = 2;

    fn index(self) -> usize {
        0
    }

    fn text(index: usize) -> Cow<'static, str> {
        if index == 0 { "fine".into() } else { "\0".into() }
    }
}

#[test]
fn a_refused_family_leaves_nothing_behind() {
    let registry = Registry::with_max_series(7);
    let refused = |error: RegisterError| {
        assert_eq!(registry.refusals().last, Some(error));
        assert!(registry.snapshot().iter().all(|(descriptor, _)| descriptor.name() == "requests"));
    };
    let two = |name| registry.counter(name).label("method", "GET").label("cached", "true");
    two("requests").register().unwrap();
    two("requests").label("b", "c").register().unwrap();

    let family = registry.counter("8").typed_family::<(Method,)>(["method"]).register();
    refused(family.unwrap_err());
    let family = registry.counter("a").typed_family::<(bool, bool)>(["b", "b"]).register();
    let error = family.unwrap_err();
    assert_eq!(error, RegisterError::DuplicateLabel { key: "b".into() });
    refused(error);
    let family = registry.counter("a").typed_family::<(Nul,)>(["b"]).register();
    refused(family.unwrap_err());
    let family = registry.gauge("requests").typed_family::<(Method,)>(["method"]).register();
    assert!(matches!(family, Err(RegisterError::KindMismatch { .. })));
    let family = registry.counter("a").typed_family::<(Method, bool)>(["method", "b"]).register();
    let error = family.unwrap_err();
    assert_eq!(error, RegisterError::RegistryFull { limit: 7 });
    refused(error);
    assert_eq!((registry.refusals().count, registry.snapshot().len()), (5, 2));

    // There is room for the five that are missing, and a name that was refused is free.
    requests(&registry).with((Method::Get, true)).increment();
    assert_eq!(count(&registry, "GET", "true"), Some(1));
    assert_eq!(registry.snapshot().len(), 7);
    assert!(registry.gauge("a").register().is_err(), "the registry is full");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_refused_family_can_be_detached() {
    in_own_process("a_refused_family_can_be_detached", || {
        let registry = Registry::with_max_series(5);
        let detached: ByMethod<Counter> =
            registry.counter("requests").typed_family(["method", "cached"]).register_or_detached();
        for (_, member) in detached.iter() {
            member.increment();
        }
        detached.with((Method::Get, true)).add(4);
        assert_eq!(quipu::detached_records(), 10);
        assert_eq!((registry.snapshot().len(), registry.refusals().count), (0, 1));
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn cells_of_families_are_reused_and_start_at_zero() {
    in_own_process("cells_of_families_are_reused_and_start_at_zero", || {
        type Large = TypedFamily<Counter, (SmallInt<64>, SmallInt<64>)>;
        let mut reserved = 0;
        for round in 0..100 {
            let registry = Registry::new();
            let large: Large =
                registry.counter("large").typed_family(["a", "b"]).register().unwrap();
            let small = requests(&registry);
            let zero = |(_, value)| matches!(value, quipu::Value::Counter(0));
            assert!(registry.snapshot().iter().all(zero), "round {round}");
            thread::scope(|scope| {
                scope.spawn(|| large.iter().for_each(|(_, member)| member.add(3)));
                large.iter().for_each(|(_, member)| member.add(4));
                small.iter().for_each(|(_, member)| member.add(7));
            });
            let seven = |(_, value)| matches!(value, quipu::Value::Counter(7));
            assert!(registry.snapshot().iter().all(seven), "round {round}");
            match round {
                0 => reserved = store_usage().bytes_reserved,
                _ => assert_eq!(store_usage().bytes_reserved, reserved, "round {round}"),
            }
        }
    });
}

#[test]
fn a_handle_keeps_the_cells_of_its_family() {
    let registry = Registry::new();
    let family = requests(&registry);
    let kept = (*family.with((Method::Other, false))).clone();
    kept.add(5);
    drop((family, registry));

    let registry = Registry::new();
    let families: Vec<_> = ["a", "b", "c"]
        .map(|name| -> ByMethod<Counter> {
            registry.counter(name).typed_family(["method", "cached"]).register().unwrap()
        })
        .into();
    kept.add(7);
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.len(), 18);
    assert!(snapshot.iter().all(|(_, value)| matches!(value, quipu::Value::Counter(0))));
    drop(kept);
    families.iter().for_each(|family| family.with((Method::Get, false)).increment());
    let labels = [("method", "GET"), ("cached", "false")];
    assert_eq!(registry.snapshot().counter("b", &labels), Some(1));
}
