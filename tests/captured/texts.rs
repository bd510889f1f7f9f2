//! Texts of captured errors: bounded, and somebody else's code.

use super::*;

/// The only error that was captured, with this context.
fn captured(error: &dyn Error, context: &[(&str, &dyn Display)]) -> Arc<CapturedError> {
    let (registry, _) = registry();
    let exporter = TestExporter::new();
    let client = client_of(&registry).exporter(exporter.clone()).start().unwrap();
    client.capture_error(error, context);
    assert!(client.stop(PATIENCE).is_delivered());
    let errors = exporter.errors();
    assert_eq!(errors.len(), 1);
    errors[0].clone()
}

#[test]
fn texts_that_panic_are_named_as_such_and_spoil_no_others() {
    let panics = shown(|f| {
        f.write_str("half of it")?;
        panic!("as intended")
    });
    let value = shown(|_| panic!("as intended"));
    let good = shown(|f| f.write_str("good"));
    let source = Shown(|_: &mut fmt::Formatter<'_>| panic!("as intended"), Some(Box::new(good)));
    let error = Shown(panics.0, Some(Box::new(source)));
    let error = captured(&error, &[("before", &1), ("value", &value), ("after", &2)]);
    assert_eq!(error.message(), "half of it(its text panicked)");
    assert_eq!(error.sources().collect::<Vec<_>>(), ["(its text panicked)", "good"]);
    let expected = [("before", "1"), ("value", "(its text panicked)"), ("after", "2")];
    assert_eq!(error.context().collect::<Vec<_>>(), expected);
}

/// Whether `text` is within a bound, up to the mark that says that it was cut.
fn is_cut_at(text: &str, bytes: usize) -> bool {
    text.len() <= bytes + " ..".len() && text.ends_with(" ..")
}

#[test]
fn huge_texts_are_cut() {
    // Of two bytes each, so that the bound lies within one.
    let huge = format!("x{}", "\u{e9}".repeat(500_000));
    let error = captured(&shown(|f| f.write_str(&huge)), &[("key", &huge), (&huge, &"value")]);
    let context: Vec<_> = error.context().collect();
    for text in [error.message(), context[0].1, context[1].0] {
        assert!(is_cut_at(text, 8 * KIB), "{} bytes", text.len());
        assert!(text.len() > 8 * KIB - 4, "{} bytes", text.len());
        assert!(huge.starts_with(text.trim_end_matches(" ..")));
    }
    assert_eq!((context[0].0, context[1].1), ("key", "value"));
}

#[test]
fn huge_texts_in_small_pieces_are_cut_though_their_writer_goes_on() {
    let error = captured(
        &shown(|f| {
            for _ in 0..100_000 {
                let _ = f.write_str("piece");
            }
            Ok(())
        }),
        &[],
    );
    assert!(is_cut_at(error.message(), 8 * KIB), "{} bytes", error.message().len());
}

#[test]
fn an_error_without_end_is_cut() {
    /// Its own source.
    #[derive(Debug)]
    struct Endless;
    impl Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&"endless ".repeat(2_000))
        }
    }
    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Endless)
        }
    }
    let context = [("key", &"value" as &dyn Display); 1_000];
    let error = captured(&Endless, &context);
    assert_eq!((error.sources().len(), error.context().len()), (32, 64));
    let texts = error.context().flat_map(|(key, value)| [key, value]);
    let texts: Vec<_> = error.sources().chain(texts).chain([error.message()]).collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    assert!(bytes <= 64 * KIB + texts.len() * " ..".len(), "{bytes}");
    assert!(bytes > 63 * KIB, "{bytes}");
}

#[test]
fn a_huge_thread_name_is_cut() {
    let name = "n".repeat(1_000_000);
    let thread = thread::Builder::new().name(name);
    let capturing = thread.spawn(|| captured(&fmt::Error, &[])).unwrap();
    let error = capturing.join().unwrap();
    let name = error.thread().unwrap();
    assert!(is_cut_at(name, 8 * KIB), "{} bytes", name.len());
}
