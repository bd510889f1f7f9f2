//! What happens when the system refuses address space, and how the store is configured: each in a
//! process of its own.
#![cfg(all(unix, not(loom)))]
#![allow(unsafe_code)]

mod process;

use process::in_own_process;
use quipu::{
    AlreadyStarted, Histogram, RegisterError, Registry, SmallInt, StoreConfig, TypedFamily, Unit,
    store_usage,
};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

const MIB: usize = 1 << 20;

/// Lets the process have `bytes` more of address space than it has. `false`, with a line that says
/// so, where the system does not tell or does not keep to it.
fn leave_address_space(bytes: usize) -> bool {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().next().and_then(|pages| pages.parse::<usize>().ok());
    // SAFETY: `sysconf` reads a constant of the system.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let Some(limit) = pages.map(|pages| pages * page_bytes + bytes) else {
        eprintln!("SKIPPED: this system does not tell how much address space is in use");
        return false;
    };
    let limit = libc::rlimit { rlim_cur: limit as _, rlim_max: limit as _ };
    // SAFETY: `limit` is a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    if can_map(2 * bytes) {
        eprintln!("SKIPPED: the limit on address space is not enforced, as under an emulator");
        return false;
    }
    true
}

fn can_map(bytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    let anywhere = std::ptr::null_mut();
    // SAFETY: a mapping at an address of the system's choice disturbs no other.
    let mapped = unsafe { libc::mmap(anywhere, bytes, libc::PROT_READ, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: just mapped, and used by nobody.
    assert_eq!(unsafe { libc::munmap(mapped, bytes) }, 0);
    true
}

/// Threads that are all alive at once, and exist before there is no room for them.
struct EightThreads {
    orders: Vec<mpsc::Sender<Work>>,
    running: Vec<thread::JoinHandle<()>>,
}

type Work = Arc<dyn Fn() + Send + Sync>;

impl EightThreads {
    fn start() -> Self {
        let (ready, all_live) = (Arc::new(Barrier::new(9)), Arc::new(Barrier::new(8)));
        let start = |_| {
            let (ready, all_live) = (ready.clone(), all_live.clone());
            let (sender, orders) = mpsc::channel::<Work>();
            let thread = thread::spawn(move || {
                // What the allocator reserves for a thread it reserves here.
                drop(std::hint::black_box(vec![0_u8; 100]));
                ready.wait();
                orders.iter().for_each(|work| work());
                all_live.wait();
            });
            (sender, thread)
        };
        let (orders, running) = (0..8).map(start).unzip();
        ready.wait();
        Self { orders, running }
    }

    /// Runs `work` in each, and ends them.
    fn run(self, work: impl Fn() + Send + Sync + 'static) {
        let work: Work = Arc::new(work);
        self.orders.iter().for_each(|thread| thread.send(work.clone()).unwrap());
        drop(self.orders);
        self.running.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn counters_and_gauges_are_exact_in_little_address_space() {
    in_own_process("counters_and_gauges_are_exact_in_little_address_space", || {
        let threads = EightThreads::start();
        if !leave_address_space(400 * MIB) {
            return;
        }
        let registry = Registry::new();
        let counter = registry.counter("c").register().unwrap();
        let up_down = registry.up_down_counter("u").register().unwrap();
        let gauge = registry.gauge("g").register().unwrap();
        let shared = registry.histogram("s").shared().register().unwrap();
        // Fewer than by default, and still one for each of the threads.
        let usage = store_usage();
        assert!((9..1024).contains(&usage.max_shards), "{usage:?}");
        assert!(usage.bytes_reserved < 400 * MIB, "{usage:?}");
        threads.run(move || {
            for n in 0..1_000 {
                counter.add(n);
                up_down.decrement();
                shared.record(n);
            }
            gauge.set(1.5);
        });
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(8 * 499_500));
        assert_eq!(snapshot.up_down_counter("u", &[]), Some(-8_000));
        assert_eq!(snapshot.gauge("g", &[]), Some(1.5));
        let seen = snapshot.histogram("s", &[]).unwrap();
        assert_eq!((seen.count(), seen.sum()), (8_000, 8 * 499_500));
    });
}

/// The store must not take so much for its first segment that a second never fits.
#[test]
fn histograms_are_exact_in_little_address_space() {
    in_own_process("histograms_are_exact_in_little_address_space", || {
        let threads = EightThreads::start();
        if !leave_address_space(400 * MIB) {
            return;
        }
        let registry = Registry::new();
        let histogram = registry.histogram("h").register().unwrap();
        let usage = store_usage();
        assert!((9..1024).contains(&usage.max_shards), "{usage:?}");
        threads.run(move || (0..1_000).for_each(|value| histogram.record(value)));
        let snapshot = registry.snapshot();
        let seen = snapshot.histogram("h", &[]).unwrap();
        assert_eq!((seen.count(), seen.sum()), (8_000, 8 * 499_500));
        assert_eq!((seen.min(), seen.max()), (Some(0), Some(999)));
    });
}

fn assert_refused_with_a_remedy(error: &RegisterError, registry: &Registry) {
    assert!(matches!(error, RegisterError::OutOfAddressSpace { bytes: 1.. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("ulimit -v") && message.contains("quipu::configure"), "{message}");
    assert_eq!(registry.refusals().last.as_ref(), Some(error));
}

#[test]
fn histograms_beyond_the_address_space_are_refused_and_can_be_detached() {
    let test = "histograms_beyond_the_address_space_are_refused_and_can_be_detached";
    in_own_process(test, || {
        let threads = EightThreads::start();
        quipu::configure(StoreConfig::new().max_shards(64)).unwrap();
        if !leave_address_space(400 * MIB) {
            return;
        }
        let registry = Registry::new();
        let counter = registry.counter("c").register().unwrap();
        let mut histograms = Vec::new();
        let error = loop {
            let index = histograms.len().to_string();
            match registry.histogram("h").label("index", &index).register() {
                Ok(histogram) => histograms.push(histogram),
                Err(error) => break error,
            }
            assert!(histograms.len() < 10_000, "the limit is not reached");
        };
        assert_refused_with_a_remedy(&error, &registry);
        assert_eq!(registry.refusals().count, 1);
        assert!(histograms.len() >= 17, "only {} fitted", histograms.len());

        // The refused one can be used all the same, and is not lost sight of.
        let detached = registry.histogram("refused").register_or_detached();
        assert_eq!(registry.refusals().count, 2);
        detached.record(1);
        detached.record_n(2, 9);
        assert_eq!(quipu::detached_records(), 10);
        assert!(registry.snapshot().histogram("refused", &[]).is_none());

        // What exists works on, and small things still find room.
        let small = registry.counter("small").register().unwrap();
        let all = histograms.clone();
        threads.run(move || {
            counter.increment();
            small.add(2);
            all.iter().for_each(|histogram| histogram.record(7));
        });
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(8));
        assert_eq!(snapshot.counter("small", &[]), Some(16));
        for index in 0..histograms.len() {
            let seen = snapshot.histogram("h", &[("index", &index.to_string())]).unwrap();
            assert_eq!((seen.count(), seen.sum()), (8, 56));
        }

        // What is given back can be had again, under the very limit that refused it.
        drop((registry, histograms, snapshot));
        let registry = Registry::new();
        let again = registry.histogram("again").register().unwrap();
        again.record(3);
        assert_eq!(registry.snapshot().histogram("again", &[]).unwrap().sum(), 3);
    });
}

#[test]
fn a_family_beyond_the_address_space_is_refused_as_a_whole() {
    in_own_process("a_family_beyond_the_address_space_is_refused_as_a_whole", || {
        quipu::configure(StoreConfig::new().max_shards(64)).unwrap();
        let registry = Registry::new();
        if !leave_address_space(400 * MIB) {
            return;
        }
        let large: Result<TypedFamily<Histogram, (SmallInt<4096>,)>, _> =
            registry.histogram("h").typed_family(["number"]).register();
        assert_refused_with_a_remedy(&large.unwrap_err(), &registry);
        assert_eq!((registry.snapshot().len(), registry.refusals().count), (0, 1));

        // The name is free, and so is what the first of its members took.
        let small: TypedFamily<Histogram, (SmallInt<16>,)> =
            registry.histogram("h").unit(Unit::Bytes).typed_family(["number"]).register().unwrap();
        small.iter().for_each(|(_, member)| member.record(7));
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.len(), 16);
        assert_eq!(snapshot.histogram("h", &[("number", "15")]).unwrap().sum(), 7);
    });
}

/// A segment for one thread is small enough for the heap, which may be at its end as well.
#[test]
fn shared_histograms_beyond_the_address_space_are_refused_too() {
    in_own_process("shared_histograms_beyond_the_address_space_are_refused_too", || {
        quipu::configure(StoreConfig::new().max_shards(4)).unwrap();
        let registry = Registry::new();
        let counter = registry.counter("c").register().unwrap();
        if !leave_address_space(64 * MIB) {
            return;
        }
        let mut registered = 0;
        let error = loop {
            let index = registered.to_string();
            match registry.histogram("h").label("index", &index).shared().register() {
                Ok(_) => registered += 1,
                Err(error) => break error,
            }
            assert!(registered < 10_000, "the limit is not reached");
        };
        assert_refused_with_a_remedy(&error, &registry);
        counter.increment();
        assert_eq!(registry.snapshot().counter("c", &[]), Some(1));
    });
}

#[test]
fn the_store_is_configured_before_its_first_use_only() {
    in_own_process("the_store_is_configured_before_its_first_use_only", || {
        let config = StoreConfig::new().max_shards(40).prefault(true);
        assert_eq!(quipu::configure(config.clone()), Ok(()));
        assert_eq!(quipu::configure(config.clone()), Err(AlreadyStarted));
        assert_eq!(store_usage().max_shards, 40);
        let registry = Registry::new();
        registry.counter("c").register().unwrap().increment();
        assert_eq!(quipu::configure(config), Err(AlreadyStarted));
        assert_eq!(store_usage().max_shards, 40);
        assert_eq!(registry.snapshot().counter("c", &[]), Some(1));
        assert!(AlreadyStarted.to_string().contains("before anything is registered"));
    });
}

#[test]
fn a_record_starts_the_store_as_a_registration_does() {
    in_own_process("a_record_starts_the_store_as_a_registration_does", || {
        assert!(quipu::register_thread());
        assert_eq!(quipu::configure(StoreConfig::new()), Err(AlreadyStarted));
    });
}

#[test]
fn a_size_that_cannot_be_is_moved_to_the_nearest_that_can() {
    in_own_process("a_size_that_cannot_be_is_moved_to_the_nearest_that_can", || {
        assert_eq!(quipu::configure(StoreConfig::new().max_shards(0)), Ok(()));
        assert_eq!(store_usage().max_shards, 2);
        let registry = Registry::new();
        let counter = registry.counter("c").register().unwrap();
        let histogram = registry.histogram("h").register().unwrap();
        EightThreads::start().run(move || {
            counter.increment();
            histogram.record(5);
        });
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(8));
        assert_eq!(snapshot.histogram("h", &[]).unwrap().sum(), 40);
    });
}

/// Three, once halved, is less than a store can have.
#[test]
fn a_store_of_three_shards_has_three() {
    in_own_process("a_store_of_three_shards_has_three", || {
        assert_eq!(quipu::configure(StoreConfig::new().max_shards(3)), Ok(()));
        assert_eq!(store_usage().max_shards, 3);
    });
}
