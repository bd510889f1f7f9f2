//! Layers that come and go while spans are open.

use super::{active, closed, expected, layer, nothing, within};
use quipu::TracingLayer;
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::reload;

#[test]
fn a_span_opened_before_the_layer_was_there_is_left_out() {
    let (layer, registry) = layer();
    let (reloadable, handle) = reload::Layer::new(None::<TracingLayer>);
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(reloadable));
    within(&subscriber, || {
        let early = info_span!("early", v = 1);
        handle.reload(Some(layer.fields(["v"]).busy_time())).unwrap();
        early.record("v", 2);
        early.in_scope(|| drop(info_span!("late", v = 3)));
        drop(early);
    });
    assert_eq!(closed(&registry), expected([("INFO late 3", 1)]));
    assert_eq!(active(&registry), nothing());
}

#[test]
fn what_a_layer_has_open_goes_with_it() {
    let (layer, registry) = layer();
    let (reloadable, handle) = reload::Layer::new(Some(layer));
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(reloadable));
    within(&subscriber, || {
        let spans = [info_span!("a"), info_span!("a"), info_span!("b")];
        assert_eq!(active(&registry), expected([("INFO a", 2), ("INFO b", 1)]));
        handle.reload(None).unwrap();
        assert_eq!(active(&registry), nothing());
        drop(spans);
    });
    assert_eq!((closed(&registry), active(&registry)), (nothing(), nothing()));
}
