//! Captured panics, and those that are not.

use super::*;

#[test]
fn panics_are_passed_on_and_the_hook_before_runs_as_well() {
    in_own_process("panics::panics_are_passed_on_and_the_hook_before_runs_as_well", || {
        let hooked = Arc::new(AtomicU64::new(0));
        let count = hooked.clone();
        std::panic::set_hook(Box::new(move |_| {
            count.fetch_add(1, SeqCst);
        }));
        let (registry, _) = registry();
        let exporter = TestExporter::new();
        let client = client_of(&registry).exporter(exporter.clone()).start().unwrap();
        client.capture_panics();
        let panics: [(fn(), &str); 3] = [
            (|| panic!("static"), "static"),
            (|| panic!("with {}", 2), "with 2"),
            (|| std::panic::panic_any(3), "a panic without a message"),
        ];
        for (number, (panic, message)) in panics.into_iter().enumerate() {
            let name = format!("doomed-{number}");
            let thread = thread::Builder::new().name(name.clone());
            assert!(thread.spawn(panic).unwrap().join().is_err());
            wait_until("the panic", || exporter.errors().len() == number + 1);
            let error = exporter.errors()[number].clone();
            assert!(error.is_panic());
            assert_eq!((error.message(), error.thread()), (message, Some(&*name)));
            assert!(error.location().unwrap().starts_with(file!()), "{:?}", error.location());
            assert_eq!(hooked.load(SeqCst), number as u64 + 1);
        }

        // After the client, the hook passes on to the one before it, and that is all.
        assert!(client.stop(PATIENCE).is_delivered());
        drop(client);
        assert!(thread::spawn(|| panic!("as intended")).join().is_err());
        assert_eq!((exporter.errors().len(), hooked.load(SeqCst)), (3, 4));
        assert_eq!(counted(&registry), Counted { captured: 3, ..Counted::default() });
    });
}

#[test]
fn panics_of_exporters_are_failures_of_deliveries_alone() {
    in_own_process("panics::panics_of_exporters_are_failures_of_deliveries_alone", || {
        let hooked = Arc::new(Mutex::new(Vec::new()));
        let threads = hooked.clone();
        std::panic::set_hook(Box::new(move |_| {
            threads.lock().unwrap().push(thread::current().name().map(str::to_owned));
        }));
        struct Panicking;
        impl Exporter for Panicking {
            fn name(&self) -> &str {
                "panicking"
            }

            fn export(&mut self, _: &Delivery<'_>) -> Result<(), ExportError> {
                panic!("as intended")
            }
        }
        impl Drop for Panicking {
            fn drop(&mut self) {
                panic!("as intended, once more")
            }
        }
        let (registry, _) = registry();
        let exporter = TestExporter::new();
        let client = client_of(&registry).exporter(exporter.clone()).exporter(Panicking);
        let client = client.backoff(NEVER..=NEVER).start().unwrap();
        client.capture_panics();
        client.flush(PATIENCE);
        client.stop(A_CHANCE);
        wait_until("the end", || client.report().exporters.iter().all(|it| !it.is_running));
        // A copy, since a failing assertion comes to the hook as well.
        let hooked = hooked.lock().unwrap().clone();
        assert!(hooked.len() >= 2, "{hooked:?}");
        assert!(hooked.iter().all(|name| name.as_deref() == Some("quipu-panicking")), "{hooked:?}");
        assert!(exporter.errors().is_empty());
        assert_eq!(counted(&registry), Counted::default());
    });
}
