//! What the series of all kinds share: settings, names, and what is told to the log.
#![forbid(unsafe_code)]

use super::names::{Names, What, accepted_value};
use super::scale::Scale;
use crate::client::tell;
use crate::metric::Counter;
use crate::registry::Registry;
use crate::series::{LabelList, Table};
use crate::sync::{self, Mutex};
use metrics::Key;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// What the program has chosen.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) registry: Arc<dyn Deref<Target = Registry> + Send + Sync>,
    pub(super) max_series: usize,
    /// By the names of histograms.
    pub(super) scales: HashMap<Box<str>, Scale>,
}

pub(super) struct Context {
    pub(super) settings: Settings,
    names: Mutex<Names>,
    keys: Mutex<Names>,
    /// Values that no histogram can hold.
    refused: OnceLock<Counter>,
}

impl Context {
    pub(super) fn new(settings: Settings) -> Self {
        let [names, keys] = [What::Metrics, What::Labels].map(|what| Mutex::new(Names::of(what)));
        Self { settings, names, keys, refused: OnceLock::new() }
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        self.settings.registry.table()
    }

    pub(super) fn refused_values(&self) -> &Counter {
        self.refused.get().unwrap_or_else(|| {
            let refused = self.settings.registry.counter("quipu.values.refused");
            let help = "Values recorded through the metrics crate that no histogram can hold";
            sync::set_once(&self.refused, refused.help(help).register_or_detached())
        })
    }

    /// What the registry calls a metric.
    pub(super) fn name(&self, given: &str, notes: &mut Notes) -> Arc<str> {
        sync::lock(&self.names).claim(given, |name| notes.add(told_apart("metric", given, name)))
    }

    /// A key's labels as the registry takes them. Of several with one key it is that of the greatest
    /// value: keys are the same in whichever order their labels are.
    pub(super) fn labels(&self, key: &Key, notes: &mut Notes) -> LabelList {
        let mut keys = sync::lock(&self.keys);
        let mut labels = Vec::<(Arc<str>, Cow<'_, str>)>::with_capacity(key.labels().len());
        for label in key.labels() {
            let given = label.key();
            let name = keys.claim(given, |name| notes.add(told_apart("label", given, name)));
            let value = accepted_value(label.value());
            match labels.iter_mut().find(|(other, _)| *other == name) {
                Some((_, other)) if *other >= value => {}
                Some((_, other)) => *other = value,
                None => labels.push((name, value)),
            }
        }
        let mut list = LabelList::default();
        labels.iter().for_each(|(name, value)| list.push(name, value));
        list
    }
}

fn told_apart(what: &str, given: &str, name: &str) -> String {
    format!(
        "the {what} {:?} of the metrics crate is called {name}, since it is too long, or another \
         one comes to the same name; rename one of them",
        crate::series::excerpt(given)
    )
}

/// What is told once no lock is held any more: a logger is other people's code, and may record.
#[derive(Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    pub(super) fn add(&mut self, note: String) {
        self.0.push(note);
    }

    pub(super) fn tell(self) {
        self.0.iter().for_each(|note| tell(log::Level::Warn, format_args!("{note}")));
    }
}
