//! Whatever a document looks like, its secret is in no output.

use super::{KEYS, SENTINEL};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;
use quipu::{Config, Provider, Secret};

/// The part of the sentinel that must be in no output.
const SENTINEL_KEY: &str = "5entine1";

fn assert_hides_the_sentinel(text: &str) {
    let shown = match Config::from_json(text) {
        Ok(config) => format!("{config:?} {:?}", config.check().map_err(|e| format!("{e} {e:?}"))),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(SENTINEL_KEY), "{text:?} is shown in {shown:?}");
}

#[test]
fn debug_shows_no_secret() {
    let secret = Secret::from(SENTINEL);
    assert_eq!(format!("{secret:?} {secret:#?}"), "[secret] [secret]");
    assert_eq!(secret, Secret::from(SENTINEL.to_owned()));
    assert_eq!(secret.expose(), SENTINEL);
    let config =
        Config::new().provider(Provider::Json).dsn(SENTINEL).dsn_of(Provider::Json, secret);
    let shown = format!("{config:?} {config:#?} {:?}", config.check().unwrap());
    assert!(shown.contains("[secret]") && !shown.contains(SENTINEL_KEY), "{shown}");
}

/// Documents with the sentinel in every position, and all their beginnings.
#[test]
fn no_document_has_its_secret_shown() {
    let mut documents = vec![
        format!(r#""{SENTINEL}""#),
        format!(r#"["{SENTINEL}"]"#),
        format!(r#"{{"{SENTINEL}": "{SENTINEL}"}}"#),
        format!(r#"{{"observability_dns": "{SENTINEL}"}}"#),
        format!(r#"{{"observability_dsn": "{SENTINEL}", "observability_dsn": "{SENTINEL}"}}"#),
        format!(r#"{{"observability_dsn": {{"{SENTINEL}": "json"}}}}"#),
        format!(r#"{{"observability_dsn": {{"json": "{SENTINEL}", "json": "{SENTINEL}"}}}}"#),
        format!(r#"{{"observability_dsn": {{"json": "{SENTINEL}"}}, "observability_enabled": 1}}"#),
        format!(r#"{{"observability_dsn": "{SENTINEL}", "{SENTINEL_KEY}": 1}}"#),
        format!("{{\"observability_dsn\": \"{SENTINEL}\n\"}}"),
        format!(r#"{{"observability_dsn": "{SENTINEL}\x"}}"#),
        format!(r#"{{"observability_dsn": "{SENTINEL}\ud800"}}"#),
        format!(r#"{{"observability_dsn": {SENTINEL}}}"#),
        format!(r#"{{"observability_dsn": "{SENTINEL}"}} "{SENTINEL}""#),
    ];
    for key in KEYS {
        for value in [
            format!(r#""{SENTINEL}""#),
            format!(r#""{}{SENTINEL}""#, "x".repeat(75)),
            format!(r#"["{SENTINEL}"]"#),
            format!(r#"[["{SENTINEL}"]]"#),
            format!(r#"{{"json": "{SENTINEL}"}}"#),
            format!(r#"{{"json": ["{SENTINEL}"]}}"#),
        ] {
            documents.push(format!(r#"{{"{key}": {value}}}"#));
        }
        // A part of the DSN that does not look like one by itself.
        let with_part = format!(r#""observability_dsn": "{SENTINEL}", "{key}": "{SENTINEL_KEY}""#);
        documents.push(format!("{{{with_part}}}"));
        let part_first = format!(r#""{key}": "{SENTINEL_KEY}", "observability_dsn": "{SENTINEL}""#);
        documents.push(format!("{{{part_first}}}"));
    }
    for document in documents {
        for end in (0..=document.len()).filter(|&end| document.is_char_boundary(end)) {
            assert_hides_the_sentinel(&document[..end]);
        }
    }
}

/// Pieces that make up documents.
fn piece() -> impl Strategy<Value = String> {
    let marks = ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\ud800", "\n", " ", "null", "1e400"];
    let values = ["true", "\"json\"", "\"5s\"", "0.5", "\"console,json\"", "5s"];
    let keys = KEYS.map(|key| format!("\"{key}\":"));
    let secrets = [SENTINEL.to_owned(), format!("\"{SENTINEL}\""), format!("\"{SENTINEL}\":")];
    let own = marks.iter().chain(&values).map(|piece| (*piece).to_owned());
    let pieces: Vec<_> = own.chain(keys).chain(secrets).collect();
    prop_oneof![8 => select(pieces), 1 => any::<String>()]
}

/// A value, well-formed and often of the wrong type.
fn value() -> impl Strategy<Value = String> {
    let values = ["true", "null", "\"json\"", "\"console,json\"", "\"5s\"", "0.5", "1e400", "-1"];
    let mut leaves = values.map(str::to_owned).to_vec();
    leaves.extend([format!("\"{SENTINEL}\""), format!("\"x {SENTINEL_KEY} {SENTINEL}\"")]);
    select(leaves).prop_recursive(3, 12, 3, |inner| {
        let entry = (select(vec!["json", "console", SENTINEL]), inner.clone());
        let entry = entry.prop_map(|(key, value)| format!("\"{key}\": {value}"));
        prop_oneof![
            vec_of(inner, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
            vec_of(entry, 0..3).prop_map(|entries| format!("{{{}}}", entries.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Config::from_json(&text).map(|config| config.check());
    }

    #[test]
    fn no_pieces_of_a_document_have_the_secret_shown(pieces in vec_of(piece(), 0..20)) {
        assert_hides_the_sentinel(&pieces.concat());
        assert_hides_the_sentinel(&format!("{{{}}}", pieces.concat()));
    }

    #[test]
    fn no_values_have_the_secret_shown(
        entries in vec_of((select(KEYS.to_vec()), value()), 0..5)
    ) {
        let entry = |(key, value): &(&str, String)| format!("\"{key}\": {value}");
        let entries: Vec<_> = entries.iter().map(entry).collect();
        assert_hides_the_sentinel(&format!("{{{}}}", entries.join(", ")));
    }
}
