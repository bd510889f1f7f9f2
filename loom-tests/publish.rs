//! Publishing snapshots.

use super::{explore, must_fail, registry, store};
use crate::registry::Registry;
use crate::snapshot::Moment;
use crate::store::Lessee;
use crate::sync::{Arc, Published};
use loom::thread;

fn two_publishers(publish: fn(&Registry, &Published<u64>)) -> (u64, u64) {
    let store = store(1);
    let registry = Arc::new(registry(&store));
    let published = Arc::new(Published::empty());
    let publishers = [(); 2].map(|()| {
        let (registry, published) = (registry.clone(), published.clone());
        thread::spawn(move || publish(&registry, &published))
    });
    let latest = || {
        let by_itself = published.latest().map_or(0, |sequence| *sequence);
        registry.latest().map_or(by_itself, |snapshot| snapshot.sequence())
    };
    let (early, late) = (latest(), latest());
    assert!(early <= late, "an older snapshot replaced a newer one");
    for publisher in publishers {
        publisher.join().unwrap();
    }
    assert_eq!(latest(), 2, "an older snapshot replaced a newer one");
    (early, late)
}

#[test]
fn a_published_snapshot_is_never_replaced_by_an_older_one() {
    let outcomes = explore("publish", 100, || {
        two_publishers(|registry, _| drop(registry.publish(Moment::now)))
    });
    let all = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn twin_publishing_outside_of_the_collectors_lock() {
    must_fail("publish after collecting", || {
        two_publishers(|registry, published| {
            let snapshot = registry.snapshot();
            published.publish(Arc::new(snapshot.sequence()));
        });
    });
}

/// What a reader of `latest` sees is whole, although its buffers are those of an earlier snapshot.
#[test]
fn recycled_buffers_never_change_under_a_reader() {
    let outcomes = explore("recycling against a reader", 20, || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let counter = registry.counter("c").register().unwrap();
        let reader = {
            let registry = registry.clone();
            thread::spawn(move || {
                let held = registry.latest()?;
                let before = (held.sequence(), held.counter("c", &[]));
                let after = (held.sequence(), held.counter("c", &[]));
                assert_eq!(before, after, "a snapshot changed while it was held");
                before.1
            })
        };
        let lessee = Lessee::new(&store);
        for _ in 0..3 {
            counter.add_at(&lessee, 1);
            registry.publish(Moment::now);
        }
        reader.join().unwrap()
    });
    assert!(outcomes.contains(&None) && outcomes.contains(&Some(1)) && outcomes.contains(&Some(3)));
}
