//! What was measured of one operation, and who could not do it.
#![forbid(unsafe_code)]

use super::{Contestant, Entrant, Spreads, THREADS};
use crate::libraries::Reason;
use crate::measure::Spread;
use crate::report::{Table, nanoseconds, ratio};
use crate::results::Role;

/// Numbers of threads, by their place, at which peers are compared: 1 and 2.
const COMPARED: [usize; 2] = [0, 1];

pub fn print(
    case: &str,
    contestants: &[Contestant],
    spreads: &Spreads,
    gaps: &[(&'static str, Reason)],
) {
    let [a, b, c, d, e, f] = THREADS.map(|threads| threads.to_string());
    let headings = [case, &a, &b, &c, &d, &e, &f];
    let compared = ["/ fastest peer: 1", "2", "p10 .. p90: 1", "2", ""];
    let mut table = Table::new(std::array::from_fn::<_, 12, _>(|at| {
        if at < headings.len() { headings[at] } else { compared[at - headings.len()] }
    }));
    let peers = |threads, is_late| fastest_peer(contestants, spreads, threads, is_late);
    let fastest = COMPARED.map(|threads| peers(threads, true));
    let widest = contestants.iter().map(|one| one.instruments[0].note.len()).max().unwrap_or(0);
    for (Contestant { entrant, instruments }, spreads) in contestants.iter().zip(spreads) {
        let [a, b, c, d, e, f] = spreads.map(|spread| nanoseconds(spread.median));
        let [g, h] = COMPARED.map(|threads| {
            fastest[threads].map_or("-".into(), |peer| ratio(spreads[threads].median, peer.1))
        });
        let [i, j] = COMPARED.map(|threads| {
            let Spread { low, high, .. } = spreads[threads];
            format!("{} .. {}", nanoseconds(low), nanoseconds(high))
        });
        let note = format!("{:<widest$}", instruments[0].note);
        table.row([entrant.name.into(), a, b, c, d, e, f, g, h, i, j, note]);
    }
    table.print();
    for threads in COMPARED {
        let named = |is_late| {
            peers(threads, is_late)
                .map_or("none".into(), |(name, ps)| format!("{name}, {}", nanoseconds(ps)))
        };
        println!(
            "  Fastest peer, {} thread(s): {}; of those that can be read while they record: {}",
            THREADS[threads],
            named(true),
            named(false)
        );
    }
    for (name, reason) in gaps {
        println!("  {name}: {reason}");
    }
    println!();
}

/// Its name and median; with or without those that are read late.
fn fastest_peer(
    contestants: &[Contestant],
    spreads: &Spreads,
    threads: usize,
    is_late: bool,
) -> Option<(&'static str, u64)> {
    let medians = contestants.iter().zip(spreads).filter_map(|(one, spreads)| {
        let Entrant { name, role, is_read_at_once, .. } = *one.entrant;
        let takes_part = role == Role::Peer && (is_late || is_read_at_once);
        takes_part.then_some((name, spreads[threads].median))
    });
    medians.min_by_key(|&(_, median)| median)
}
