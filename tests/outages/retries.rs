//! When a server that asked for silence is asked again, by a clock that the test moves.

use crate::beset::Beset;
use crate::exporter::PATIENCE;
use crate::fault_server::Script;
use crate::kinds::{Kind, with_each_kind};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// No tick comes in between.
const INTERVAL: Duration = Duration::from_secs(10_000);
/// Without a wish of the server's: that, and up to as much again by chance.
const BACKOFF: Duration = Duration::from_secs(20);

/// Has an attempt refused with `script`; the next one comes after `earliest` and until `latest`.
fn assert_asked_again(kind: &Kind, script: &Script, earliest: Duration, latest: Duration) {
    let name = format!("{}: {script:?}", kind.name);
    let mut beset = Beset::start(kind, Some(script.clone()), |client| {
        client.flush_interval(INTERVAL).backoff(BACKOFF..=BACKOFF)
    });
    beset.registry.counter("c").register().unwrap().add(5);
    let asked = |beset: &Beset<'_>| beset.server.asked(script.name());
    beset.clock.advance(INTERVAL);
    assert_eq!(asked(&beset), 1, "{name}");
    beset.clock.advance(earliest - MOMENT);
    assert_eq!(asked(&beset), 1, "{name}: before {earliest:?}");
    beset.clock.advance(latest - earliest + MOMENT);
    assert_eq!(asked(&beset), 2, "{name}: until {latest:?}");
    beset.serve();
    beset.clock.advance(latest + MOMENT);
    assert_eq!(beset.received("c").into_values().sum::<u64>(), 5, "{name}");
    assert!(beset.client.stop(PATIENCE).is_delivered(), "{name}");
}

#[test]
fn a_silence_that_was_asked_for_is_kept_up_to_five_minutes() {
    with_each_kind(|kind| {
        for (retry_after, seconds) in [
            ("1", 1),
            ("7", 7),
            ("300", 300),
            ("301", 300),
            ("99999999999999999999", 300),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        ] {
            let time = seconds * SECOND;
            assert_asked_again(kind, &Script::unavailable(Some(retry_after)), time, time);
            if !kind.keeps_silence {
                assert_asked_again(kind, &Script::too_many(Some(retry_after)), time, time);
            }
        }
    });
}

#[test]
fn without_a_time_to_come_there_is_the_usual_backoff() {
    with_each_kind(|kind| {
        for retry_after in ["0", "-5", "soon", "", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            let script = Script::unavailable(Some(retry_after));
            assert_asked_again(kind, &script, BACKOFF, 2 * BACKOFF);
            if !kind.keeps_silence {
                let script = Script::too_many(Some(retry_after));
                assert_asked_again(kind, &script, BACKOFF, 2 * BACKOFF);
            }
        }
        assert_asked_again(kind, &Script::unavailable(None), BACKOFF, 2 * BACKOFF);
    });
}
