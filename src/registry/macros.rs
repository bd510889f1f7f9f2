//! Handles at the call site.
//!
//! Each macro declares a `static` where it stands, registered with the process's registry by the
//! first call that reaches it. A registration that is refused yields a detached handle; see
//! [`Registry::refusals`](crate::Registry::refusals).
#![forbid(unsafe_code)]

/// The code of all of them; not for use outside of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __call_site {
    (
        $type:ident, $kind:ident, $name:expr
        $(, unit = $unit:expr)? $(, help = $help:expr)? $(, $key:literal => $value:literal)* $(,)?
    ) => {{
        static SITE: $crate::CallSite<$crate::$type> = $crate::CallSite::new(|| {
            $crate::registry()
                .$kind($name)
                $(.unit($unit))?
                $(.help($help))?
                $(.label($key, $value))*
                .register_or_detached()
        });
        SITE.handle()
    }};
    (
        $type:ident, $kind:ident, $name:expr
        $(, unit = $unit:expr)? $(, help = $help:expr)? $(, $key:literal => $value:expr)+ $(,)?
    ) => {{
        const KEYS: &[&str] = &[$($key),+];
        static SITE: $crate::FamilySite<$crate::$type, { KEYS.len() }> =
            $crate::FamilySite::new(|| {
                $crate::registry()
                    .$kind($name)
                    $(.unit($unit))?
                    $(.help($help))?
                    .family([$($key),+])
                    .register_or_detached()
            });
        SITE.with([$(::core::convert::AsRef::<str>::as_ref(&$value)),+])
    }};
}

/// A [`Counter`](crate::Counter) of the process's registry, registered by the first call.
///
/// After it: the cost of the handle plus one load and a predictable branch; nothing is hashed or
/// allocated. Name, unit, help and keys are constants. Where a label's value is no literal, it is a
/// [`Family`](crate::Family) of all sites with this name and these keys, which the series is looked up in.
///
/// ```
/// quipu::counter!("doc.macro.requests").increment();
/// quipu::counter!("doc.macro.errors", help = "what went wrong", "kind" => "timeout").add(2);
/// let operation = String::from("select");
/// quipu::counter!("doc.macro.operations", "operation" => operation, "cached" => "no").increment();
/// ```
#[macro_export]
macro_rules! counter {
    ($($arguments:tt)*) => { $crate::__call_site!(Counter, counter, $($arguments)*) };
}

/// An [`UpDownCounter`](crate::UpDownCounter), as [`counter!`](crate::counter).
///
/// ```
/// quipu::up_down_counter!("doc.macro.open").decrement();
/// ```
#[macro_export]
macro_rules! up_down_counter {
    ($($arguments:tt)*) => { $crate::__call_site!(UpDownCounter, up_down_counter, $($arguments)*) };
}

/// A [`Gauge`](crate::Gauge), as [`counter!`](crate::counter).
///
/// ```
/// quipu::gauge!("doc.macro.load", unit = quipu::Unit::Ratio).set(0.75);
/// ```
#[macro_export]
macro_rules! gauge {
    ($($arguments:tt)*) => { $crate::__call_site!(Gauge, gauge, $($arguments)*) };
}

/// A [`Histogram`](crate::Histogram) of 2 significant digits, as [`counter!`](crate::counter).
///
/// ```
/// quipu::histogram!("doc.macro.time", unit = quipu::Unit::Nanoseconds, "route" => "/")
///     .record(250);
/// ```
#[macro_export]
macro_rules! histogram {
    ($($arguments:tt)*) => { $crate::__call_site!(Histogram, histogram, $($arguments)*) };
}
