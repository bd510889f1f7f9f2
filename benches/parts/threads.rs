//! The same operation on 1, 2, 4 and 8 threads at once.

use criterion::Criterion;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const THREADS: [usize; 4] = [1, 2, 4, 8];

/// Does `operation` `times` times. What it wrote has to be in memory after each, so that no two are
/// merged.
#[inline(always)]
pub fn repeat(times: u64, mut operation: impl FnMut()) {
    for _ in 0..times {
        operation();
        black_box(());
    }
}

/// Like [`repeat`], with numbers from `inputs`, in turn.
#[inline(always)]
pub fn repeat_with<T: Copy, const N: usize>(
    times: u64,
    inputs: &[T; N],
    mut operation: impl FnMut(T),
) {
    let mut next = 0_usize;
    repeat(times, || {
        operation(inputs[next % N]);
        next += 1;
    });
}

/// Does `work` on as many threads as any bench has, all alive until the last one is done, so that
/// each has a shard of its own.
pub fn on_all(work: impl Fn() + Sync) {
    let most = THREADS[THREADS.len() - 1];
    let barrier = Barrier::new(most);
    thread::scope(|scope| {
        for _ in 0..most {
            scope.spawn(|| {
                work();
                barrier.wait();
            });
        }
    });
}

/// Measures `work`, which does its operation as often as it is told, as `name/threads`. Each thread
/// gets what `prepare` makes on it, before the clock starts.
pub fn bench<P>(
    criterion: &mut Criterion,
    name: &str,
    prepare: impl Fn() -> P + Sync,
    work: impl Fn(P, u64) + Sync,
) {
    for threads in THREADS {
        criterion.bench_function(&format!("{name}/{threads}"), |bencher| {
            bencher.iter_custom(|times| run(threads, times, &prepare, &work));
        });
    }
}

/// The time that a core spent for `times` operations: all threads start together, and what passes
/// until the last one is done is divided among them where there are fewer cores than threads.
/// Without contention it is the same for any number of threads.
fn run<P>(
    threads: usize,
    times: u64,
    prepare: &(impl Fn() -> P + Sync),
    work: &(impl Fn(P, u64) + Sync),
) -> Duration {
    let barrier = Barrier::new(threads);
    let on_a_thread = || {
        quipu::register_thread();
        let prepared = black_box(prepare());
        barrier.wait();
        let start = Instant::now();
        work(prepared, times);
        (start, Instant::now())
    };
    let spans: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(on_a_thread)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("no panic");
        threads.into_iter().map(join).collect()
    });
    let first = spans.iter().map(|(start, _)| *start).min();
    let last = spans.iter().map(|(_, end)| *end).max();
    let wall = last.expect("at least one thread") - first.expect("at least one thread");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    wall.mul_f64(cores.min(threads) as f64 / threads as f64)
}
