//! Leases: which shards have an owner.
//!
//! One bit a shard. Taking the lowest clear bit is a CAS loop (lock-free: a failed CAS means that
//! another thread took or gave back a shard); giving it back is one `fetch_and`. Every change of a
//! word is a read-modify-write, so an Acquire that reads any of them synchronises with every Release
//! before it: changes of other bits in between do not break the hand-over.
//!
//! | bit | cells written by | next |
//! |---|---|---|
//! | clear | nobody | set by the thread that takes the shard |
//! | set | that thread | cleared by the same thread, its last act |

use crate::sync::{self, AtomicU64, AtomicUsize, Edge, Ordering::Relaxed};

pub(super) struct Leases {
    words: Box<[AtomicU64]>,
    shards: usize,
    high_water: AtomicUsize,
}

impl Leases {
    /// Shard 0 is nobody's: its bit is set from the start.
    pub(super) fn new(shards: usize) -> Self {
        let words = (0..shards.div_ceil(64)).map(|index| AtomicU64::new(u64::from(index == 0)));
        Self { words: words.collect(), shards, high_water: AtomicUsize::new(1) }
    }

    /// Takes the lowest free shard, if there is one.
    pub(super) fn take(&self) -> Option<usize> {
        for (index, word) in self.words.iter().enumerate() {
            let mut bits = word.load(Relaxed);
            loop {
                let free = bits.trailing_ones();
                let shard = index * 64 + free as usize;
                if free == 64 || shard >= self.shards {
                    break;
                }
                // ORDERING: Acquire makes the cells of this shard visible as its last lessee left
                // them; pairs with the Release in `give_back`.
                match word.compare_exchange_weak(
                    bits,
                    bits | 1 << free,
                    sync::acquire(Edge::LeaseTake),
                    Relaxed,
                ) {
                    Ok(_) => {
                        // Relaxed: a collector that must see this thread's records came after
                        // them, and so after this.
                        self.high_water.fetch_max(shard + 1, Relaxed);
                        return Some(shard);
                    }
                    Err(now) => bits = now,
                }
            }
        }
        None
    }

    /// Gives `shard` back; the caller took it and writes no cell of it after this.
    pub(super) fn give_back(&self, shard: usize) {
        // ORDERING: Release hands every cell of this shard to the next lessee; pairs with the
        // Acquire in `take`, whose thread must load this thread's last store.
        self.words[shard / 64].fetch_and(!(1 << (shard % 64)), sync::release(Edge::LeaseReturn));
    }

    /// In a forked child: of all shards only `own` is leased, since no other thread is there.
    #[cfg(all(unix, not(all(loom, test))))]
    pub(super) fn keep_only(&self, own: usize) {
        for (index, word) in self.words.iter().enumerate() {
            let bit = |shard: usize| u64::from(shard / 64 == index) << (shard % 64);
            word.store(bit(0) | bit(own), Relaxed);
        }
    }

    pub(super) fn high_water(&self) -> usize {
        self.high_water.load(Relaxed)
    }

    /// How many shards are taken now, the shared one not counted.
    pub(super) fn taken(&self) -> usize {
        let set = self.words.iter().map(|word| word.load(Relaxed).count_ones() as usize);
        set.sum::<usize>() - 1
    }
}
