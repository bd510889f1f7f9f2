//! A registration is accepted if and only if the documented rule accepts it; the series is found
//! again whatever the order of its labels, and neither an error nor the console's table passes on
//! anything that a terminal would obey.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use quipu::{Client, Console, Registry};
use quipu_fuzz::{Screen, is_identifier, is_label_value, is_plain};
use std::sync::Arc;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: (&'a str, u8),
    labels: Vec<(&'a str, &'a str)>,
    long_label: Option<(&'a str, u8, &'a str, u16)>,
    numbered_labels: u8,
    rotation: usize,
}

fuzz_target!(|input: Input| {
    let name = input.name.0.repeat(input.name.1.into());
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let mut labels: Vec<_> = input.labels.iter().map(own).collect();
    labels.extend((0..input.numbered_labels % 70).map(|n| (format!("k{n}"), String::new())));
    labels.extend(input.long_label.map(|(key, times, value, repeats)| {
        (key.repeat(times.into()), value.repeat((repeats % 4200).into()))
    }));
    let mut keys: Vec<_> = labels.iter().map(|(key, _)| key.clone()).collect();
    keys.sort();
    let accepted = is_identifier(&name)
        && !name.starts_with('_')
        && labels.len() <= 64
        && labels.iter().all(|(key, value)| is_identifier(key) && is_label_value(value))
        && keys.windows(2).all(|pair| pair[0] != pair[1]);

    let registry = Arc::new(Registry::new());
    for _ in 0..2 {
        let builder = registry.counter(&name);
        match labels.iter().fold(builder, |b, (key, value)| b.label(key, value)).register() {
            Ok(counter) => counter.increment(),
            Err(error) => {
                let message = error.to_string();
                assert!(!accepted && message.len() < 1_000 && is_plain(&message), "{message}");
                return assert_eq!(registry.refusals().last, Some(error));
            }
        }
        let count = labels.len().max(1);
        labels.rotate_left(input.rotation % count);
    }
    let labels: Vec<_> = labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert!(accepted, "{name:?} {labels:?}");
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.len(), snapshot.counter(&name, &labels)), (1, Some(2)));

    // Such a name is the client's own, which the console leaves out.
    if name.starts_with("quipu.") {
        return;
    }
    let screen = Screen::default();
    let client = Client::builder().registry(registry).exporter(Console::to(screen.clone()));
    assert!(client.start().unwrap().stop(Duration::from_secs(30)).is_delivered());
    let lines = screen.lines();
    assert!(lines.len() == 4 && lines.iter().all(|line| is_plain(line)), "{lines:?}");
});
