//! A gauge that is moved.

use super::{explore, must_fail, store};
use crate::metric::{Gauge, UNSET_GAUGE};
use loom::thread;

fn reading(gauge: &Gauge) -> f64 {
    f64::from_bits(gauge.bits())
}

/// Two threads move a gauge that was never set, while a third reads it.
///
/// LOOM: nobody sets it meanwhile, which `tests/metrics_recorder.rs` has threads do: loom lets an exchange
/// and a store stand in another order for who comes later than they did for each other.
#[test]
fn moves_add_up_from_zero() {
    let outcomes = explore("gauge: moved", 10, || {
        let gauge = Gauge::new(&store(2)).unwrap();
        let (other, reader) = (gauge.clone(), gauge.clone());
        let other = thread::spawn(move || other.move_by(2.0));
        let reader = thread::spawn(move || Some(reader.bits()).filter(|&bits| bits != UNSET_GAUGE));
        gauge.move_by(1.0);
        other.join().unwrap();
        assert_eq!(reading(&gauge), 3.0, "a move was lost");
        reader.join().unwrap().map(|bits| f64::from_bits(bits) as i64)
    });
    let expected = [None, Some(1), Some(2), Some(3)];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn twin_a_move_by_load_and_store() {
    must_fail("a move by load and store", || {
        let gauge = Gauge::new(&store(2)).unwrap();
        gauge.set(0.0);
        let other = gauge.clone();
        let thread = thread::spawn(move || other.set(reading(&other) + 2.0));
        gauge.set(reading(&gauge) + 1.0);
        thread.join().unwrap();
        assert_eq!(reading(&gauge), 3.0, "a move was lost");
    });
}
