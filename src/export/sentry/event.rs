//! Captured errors as events (<https://develop.sentry.dev/sdk/data-model/event-payloads/>).
#![forbid(unsafe_code)]

use super::origin::{Origin, header, not_before_epoch, sdk};
use crate::client::CapturedError;
use sentry_types::Uuid;
use sentry_types::protocol::v7::{
    Envelope, Event, Exception, Frame, Level, Map, Mechanism, Stacktrace, Thread, Value,
};
use std::io;

/// Makes `envelope` the one of an error.
pub(super) fn encode(
    error: &CapturedError,
    id: Uuid,
    origin: &Origin,
    envelope: &mut Vec<u8>,
) -> io::Result<()> {
    let kind = if error.is_panic() { "panic" } else { "Error" };
    let mechanism = Mechanism {
        ty: if error.is_panic() { "panic" } else { "generic" }.to_owned(),
        handled: Some(!error.is_panic()),
        ..Mechanism::default()
    };
    let outermost = Exception {
        ty: kind.to_owned(),
        value: Some(error.message().to_owned()),
        mechanism: Some(mechanism),
        stacktrace: error.location().and_then(stacktrace),
        ..Exception::default()
    };
    let sources = error.sources().map(|message| Exception {
        ty: "Error".to_owned(),
        value: Some(message.to_owned()),
        ..Exception::default()
    });
    // The cause comes first there, and what it led to last.
    let mut exceptions: Vec<Exception> = std::iter::once(outermost).chain(sources).collect();
    exceptions.reverse();

    let thread = error.thread().map(|name| Thread {
        name: Some(name.to_owned()),
        crashed: error.is_panic(),
        current: true,
        ..Thread::default()
    });
    let event = Event {
        event_id: id,
        level: if error.is_panic() { Level::Fatal } else { Level::Error },
        platform: "native".into(),
        timestamp: not_before_epoch(error.time()),
        server_name: origin.server_name.clone().map(Into::into),
        release: origin.release.clone().map(Into::into),
        environment: Some(origin.environment.clone().into()),
        exception: exceptions.into(),
        threads: thread.into_iter().collect::<Vec<_>>().into(),
        extra: extra(error),
        sdk: Some(std::borrow::Cow::Owned(sdk())),
        ..Event::default()
    };
    envelope.clear();
    let mut parsed = Envelope::new().with_headers(header(id));
    parsed.add_item(event);
    parsed.to_writer(envelope)
}

/// The error's context, and what is known of a panic.
fn extra(error: &CapturedError) -> Map<String, Value> {
    let of_panic = [("panic.location", error.location()), ("panic.backtrace", error.backtrace())];
    let of_panic = of_panic.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let mut extra = Map::new();
    for (key, value) in error.context().chain(of_panic) {
        // A key may stand twice in a context; here it must not.
        let mut free = key.to_owned();
        let mut number = 2;
        while extra.contains_key(&free) {
            free = format!("{key} ({number})");
            number += 1;
        }
        extra.insert(free, value.into());
    }
    extra
}

/// `src/main.rs:10:5` as the one frame that is known: Sentry groups panics by it, and not by texts that
/// differ each time.
fn stacktrace(location: &str) -> Option<Stacktrace> {
    let mut parts = location.rsplitn(3, ':');
    let colno = parts.next()?.parse().ok()?;
    let lineno = parts.next()?.parse().ok()?;
    let frame = Frame {
        filename: Some(parts.next()?.to_owned()),
        lineno: Some(lineno),
        colno: Some(colno),
        in_app: Some(true),
        ..Frame::default()
    };
    Some(Stacktrace { frames: vec![frame], ..Stacktrace::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::CapturedError;
    use sentry_types::protocol::v7::EnvelopeItem;
    use std::fmt;

    #[derive(Debug)]
    struct Failed(&'static str, Option<Box<Failed>>);

    impl fmt::Display for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Failed {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }

    fn event(error: &CapturedError) -> Event<'static> {
        let origin = Origin {
            release: Some("shop@1".to_owned()),
            environment: "test".to_owned(),
            server_name: Some("host".to_owned()),
        };
        let (id, mut envelope) = (sentry_types::random_uuid(), b"old".to_vec());
        encode(error, id, &origin, &mut envelope).unwrap();
        let parsed = Envelope::from_slice(&envelope).unwrap();
        assert_eq!(parsed.uuid(), Some(&id));
        let items: Vec<&EnvelopeItem> = parsed.items().collect();
        let [EnvelopeItem::Event(event)] = items[..] else { panic!("{items:?}") };
        assert_eq!(event.event_id, id);
        assert_eq!(event.release.as_deref(), Some("shop@1"));
        assert_eq!(event.environment.as_deref(), Some("test"));
        assert_eq!(event.server_name.as_deref(), Some("host"));
        (**event).clone()
    }

    #[test]
    fn an_error_is_told_with_its_chain_and_context() {
        let error =
            Failed("a\n\"b\"", Some(Box::new(Failed("b", Some(Box::new(Failed("c", None)))))));
        let context: [(&str, &dyn fmt::Display); 3] = [("id", &7), ("query", &"x"), ("id", &8)];
        let captured = CapturedError::of_error(&error, &context);
        let event = event(&captured);
        assert_eq!(event.level, Level::Error);
        let told: Vec<_> = event.exception.iter().filter_map(|it| it.value.as_deref()).collect();
        assert_eq!(told, ["c", "b", "a\n\"b\""]);
        let mechanism = event.exception[2].mechanism.as_ref().unwrap();
        assert_eq!((&*mechanism.ty, mechanism.handled), ("generic", Some(true)));
        let extra: Vec<_> =
            event.extra.iter().map(|(key, value)| (&**key, value.as_str())).collect();
        assert_eq!(extra, [("id", Some("7")), ("id (2)", Some("8")), ("query", Some("x"))]);
        let thread = &event.threads[0];
        assert_eq!(thread.name.as_deref(), std::thread::current().name());
        assert!(thread.current && !thread.crashed);
        let error = captured.time().duration_since(event.timestamp).unwrap_or_default();
        assert!(error.as_micros() < 2, "{error:?}");
    }

    #[test]
    fn places_of_panics_become_frames() {
        let frame = |location| stacktrace(location).map(|mut it| it.frames.remove(0));
        let found = frame("src/a:b.rs:10:5").unwrap();
        assert_eq!(found.filename.as_deref(), Some("src/a:b.rs"));
        assert_eq!((found.lineno, found.colno), (Some(10), Some(5)));
        for nothing in ["", "a", "a:1", "a:x:1", ":"] {
            assert_eq!(frame(nothing), None, "{nothing:?}");
        }
    }
}
