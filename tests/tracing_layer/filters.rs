//! What filters keep from the layer, its own and those of the whole subscriber.

use super::{active, closed, events, expected, layer, nothing, within};
use tracing::{Dispatch, Level, debug, debug_span, info, info_span};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::prelude::*;

fn open_some() {
    let debug_span = debug_span!("debug").entered();
    let info_span = info_span!("info").entered();
    debug!(target: "a", "");
    info!(target: "a", "");
    info!(target: "b", "");
    drop(debug_span);
    drop(info_span);
}

#[test]
fn a_filter_of_its_own_decides_what_it_sees() {
    let (layer, registry) = layer();
    let filtered = layer.with_filter(LevelFilter::INFO);
    within(&Dispatch::new(tracing_subscriber::registry().with(filtered)), open_some);
    assert_eq!(closed(&registry), expected([("INFO info", 1)]));
    assert_eq!(events(&registry), expected([("INFO a", 1), ("INFO b", 1)]));
    assert_eq!(active(&registry), nothing());
}

#[test]
fn a_filter_of_the_subscribers_decides_for_all() {
    let (layer, registry) = layer();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer);
    within(&Dispatch::new(subscriber), open_some);
    assert_eq!(closed(&registry), expected([("INFO info", 1)]));
    assert_eq!(events(&registry), expected([("INFO a", 1), ("INFO b", 1)]));
}

#[test]
fn layers_with_different_filters_see_what_each_is_to_see() {
    let ((all, of_all), (some, of_some), (few, of_few)) = (layer(), layer(), layer());
    let subscriber = tracing_subscriber::registry()
        .with(all)
        .with(some.with_filter(Targets::new().with_target("a", Level::INFO)))
        .with(few.busy_time().with_filter(filter_fn(|metadata| metadata.name() == "debug")));
    within(&Dispatch::new(subscriber), open_some);
    assert_eq!(closed(&of_all), expected([("DEBUG debug", 1), ("INFO info", 1)]));
    assert_eq!(events(&of_all), expected([("DEBUG a", 1), ("INFO a", 1), ("INFO b", 1)]));
    assert_eq!((closed(&of_some), events(&of_some)), (nothing(), expected([("INFO a", 1)])));
    assert_eq!((closed(&of_few), events(&of_few)), (expected([("DEBUG debug", 1)]), nothing()));
    for registry in [of_all, of_some, of_few] {
        assert_eq!(active(&registry), nothing());
    }
}
