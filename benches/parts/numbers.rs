//! Inputs that every run repeats: indices in random order, and latencies.

/// How many latencies [`latencies`] makes: few enough that they stay in the nearest cache.
pub const LATENCIES: usize = 1_024;

/// How many indices [`indices`] makes.
pub const INDICES: usize = 4_096;

/// A generator of numbers, the same in each run (`splitmix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// Random numbers below 65,536, to be used one after the other and from the start again. Read from
/// memory, since a generator inside of a measured loop has a latency that hides what is measured.
pub fn indices() -> Box<[u16; INDICES]> {
    let mut random = Random(1);
    Box::new(std::array::from_fn(|_| random.next() as u16))
}

/// Log-normal latencies in nanoseconds: 1 ms at the median, 10 ms at the 99th percentile.
pub fn latencies() -> Box<[u64; LATENCIES]> {
    let mut random = Random(2);
    Box::new(std::array::from_fn(|_| {
        // Box and Muller's transformation of two uniform numbers into a normal one.
        let radius = (-2.0 * random.unit().ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * random.unit()).cos();
        (1_000_000.0 * normal.exp()) as u64
    }))
}
