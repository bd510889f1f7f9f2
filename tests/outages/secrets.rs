//! A key that goes out to a server comes back by no way: not in reports, health or log lines, also
//! if the server repeats what it was sent.

use crate::beset::Beset;
use crate::exporter::PATIENCE;
use crate::fault_server::{Answer, Script};
use crate::kinds::{SECRET, kinds};
use crate::process::in_own_process;
use crate::scripts;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

static LINES: Mutex<String> = Mutex::new(String::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(LINES.lock().unwrap(), "{}: {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

#[test]
fn no_output_has_a_key_in_it_whatever_the_server_answers() {
    in_own_process("secrets::no_output_has_a_key_in_it_whatever_the_server_answers", || {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        for kind in kinds() {
            let echo = |status| {
                let shown =
                    format!("the key {SECRET} is unknown; you sent: key={SECRET}, {SECRET}");
                Script::Answers(Answer::new("echo", status).body(shown))
            };
            let mut beset = Beset::start(&kind, None, |client| {
                client.attempt_timeout(Duration::from_millis(300))
            });
            let counter = beset.registry.counter("c").register().unwrap();
            let flush = |beset: &Beset<'_>| {
                counter.increment();
                let report = beset.client.flush(PATIENCE);
                let health = beset.client.health();
                format!("{report} {report:?} {health} {health:?}")
            };
            flush(&beset);
            let request = &beset.server.received()[0];
            let sent = format!("{request:?}");
            assert!(sent.contains(SECRET), "{}: no key is sent: {sent}", kind.name);
            let mut scripts = scripts::outages(&kind, &beset.server);
            scripts.extend([400, 401, 403, 404, 413, 500, 503, 429].map(echo));
            for script in scripts {
                let name = format!("{}: {}", kind.name, script.name());
                beset.server.set(script);
                let shown = flush(&beset);
                assert!(!shown.contains(SECRET), "{name}: {shown}");
                assert!(shown.contains("not delivered"), "{name}: {shown}");
                let lines = std::mem::take(&mut *LINES.lock().unwrap());
                let leak = lines.lines().find(|line| line.contains(SECRET));
                assert_eq!(leak, None, "{name}");
            }
        }
        assert!(!LINES.lock().unwrap().contains(SECRET));
    });
}
