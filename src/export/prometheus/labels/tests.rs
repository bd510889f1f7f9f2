use super::*;
use crate::registry::{MetricBuilder, Registry};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};

type Labels = Vec<(String, String)>;

/// Keeps the labels of every series, by family.
#[derive(Default)]
struct Model(HashMap<String, BTreeSet<Labels>>);

impl Model {
    fn add(&mut self, descriptor: &Descriptor, spelling: PrometheusNames) -> Labels {
        let seen = self.0.entry(descriptor.name().to_owned()).or_default();
        let own = owned(exported_labels(descriptor, spelling));
        let keys: Vec<_> = descriptor.labels().map(|label| label.key()).collect();
        let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(",") };
        let mut key = "quipu_keys".to_owned();
        let mut labels = own.clone();
        while !seen.insert(without_empty(&labels)) {
            while own.iter().any(|(other, _)| *other == key) {
                key.push('_');
            }
            labels = own.clone();
            labels.push((key.clone(), keys.clone()));
            key.push('_');
        }
        labels
    }
}

fn without_empty(labels: &Labels) -> Labels {
    let mut set = labels.clone();
    set.retain(|(_, value)| !value.is_empty());
    set.sort();
    set
}

fn owned(labels: Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Labels {
    labels.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

/// Few keys and values, so that series often come to the same.
fn labels() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let keys = ["a.b", "a_b", "a-b", "a_b_", "c", "le", "exported_le", "quipu_keys", "quipu_keys_"];
    let values = prop_oneof![1 => Just(""), 8 => prop::sample::select(vec!["1", "2", "a.b", "-"])];
    let label = (prop::sample::select(keys.to_vec()), values);
    // Of equal keys in one series only the first is left.
    prop::collection::vec(label, 0..4).prop_map(|mut labels| {
        labels.sort_by_key(|&(key, _)| key);
        labels.dedup_by_key(|&mut (key, _)| key);
        labels
    })
}

/// Series that mostly have the same keys, and values for them.
fn alike() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let values = || prop::sample::select(vec!["1", "2", "3", "4"]);
    let key = prop_oneof![9 => Just("a.b"), 1 => Just("a_b")];
    (key, values(), values()).prop_map(|(key, one, other)| vec![(key, one), ("c", other)])
}

fn with<'r, M>(metric: MetricBuilder<'r, M>, labels: &[(&str, &str)]) -> MetricBuilder<'r, M> {
    labels.iter().fold(metric, |metric, (key, value)| metric.label(key, value))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn labels_are_those_of_a_list_of_all_series(
        batches in prop::collection::vec(
            prop::collection::vec((0..3_usize, prop_oneof![1 => labels(), 4 => alike()]), 0..12),
            1..5,
        ),
        spelling in prop::sample::select(vec![PrometheusNames::Underscores, PrometheusNames::Utf8]),
    ) {
        let registry = Registry::new();
        let (mut sets, mut model) = (LabelSets::new(spelling), Model::default());
        let (mut families, mut known) = (Vec::new(), 0);
        for batch in batches {
            for (family, labels) in batch {
                match family {
                    0 => with(registry.gauge("y"), &labels).register().map(drop).unwrap(),
                    1 => with(registry.gauge("x"), &labels).register().map(drop).unwrap(),
                    _ => with(registry.histogram("z"), &labels).register().map(drop).unwrap(),
                }
            }
            let snapshot = registry.snapshot();
            let catalog = snapshot.catalog();
            for at in known..catalog.len() {
                let descriptor = catalog.get(at);
                let name = descriptor.name().to_owned();
                let family = families.iter().position(|other| *other == name);
                let family = family.unwrap_or_else(|| {
                    families.push(name);
                    families.len() - 1
                });
                let labels = owned(sets.add(family as u32, at, catalog));
                prop_assert_eq!(labels, model.add(descriptor, spelling), "{}", descriptor);
            }
            known = catalog.len();
        }
    }
}

fn all(registry: &Registry, sets: &mut LabelSets) -> Vec<Labels> {
    let snapshot = registry.snapshot();
    let catalog = snapshot.catalog();
    (0..catalog.len()).map(|at| owned(sets.add(0, at, catalog))).collect()
}

#[test]
fn series_that_differ_in_keys_alone_are_told_apart_once_the_second_comes() {
    let registry = Registry::new();
    for (key, value) in [("a.b", "1"), ("a.b", "2"), ("c", "1"), ("a_b", "2"), ("a-b", "1")] {
        registry.gauge("g").label(key, value).register().unwrap();
    }
    let mut sets = LabelSets::new(PrometheusNames::Underscores);
    let keys: Vec<_> = all(&registry, &mut sets).into_iter().map(|labels| labels.len()).collect();
    assert_eq!(keys, [1, 1, 1, 2, 2]);
}

#[test]
fn plain_families_keep_nothing_of_their_series() {
    let registry = Registry::new();
    for at in 0..100 {
        let new = registry.gauge("g").label("k", &at.to_string());
        let new = if at % 2 == 0 { new } else { new.label("error", "timeout") };
        new.register().unwrap();
    }
    let mut sets = LabelSets::new(PrometheusNames::Underscores);
    all(&registry, &mut sets);
    assert_eq!((sets.families[0].lists.len(), sets.seen.len()), (2, 0));
}

#[test]
fn more_lists_of_keys_than_are_searched_make_a_family_mixed() {
    let registry = Registry::new();
    for at in 0..=MAX_LISTS {
        registry.gauge("g").label(&format!("k{at}"), "v").register().unwrap();
    }
    let mut sets = LabelSets::new(PrometheusNames::Underscores);
    all(&registry, &mut sets);
    assert_eq!(sets.seen.len(), MAX_LISTS + 1);
}
