//! What a document may say, and how each fault of it is refused.

use super::{KEYS, PRODUCTION, assert_says, checked, refusal};
use quipu::{Config, ConfigError, Provider};
use std::time::Duration;

const DEVELOPMENT: &str = r#"{
    "observability_enabled": true,
    "observability_provider": "console",
    "observability_flush_interval": "5s"
}"#;

#[test]
fn nothing_set_is_the_documented_default() {
    for config in [Config::new(), Config::default(), Config::from_json("{}").unwrap()] {
        let config = config.check().unwrap();
        assert!(config.is_enabled());
        assert_eq!(config.providers(), [Provider::Console]);
        assert_eq!(config.dsn(Provider::Console), None);
        assert_eq!(config.flush_interval(), Duration::from_secs(30));
        assert_eq!((config.sample_rate(), config.traces_rate()), (1.0, 0.0));
    }
}

#[test]
fn the_documents_of_development_and_production_are_accepted() {
    let config = checked(DEVELOPMENT);
    assert!(config.is_enabled());
    assert_eq!(config.providers(), [Provider::Console]);
    assert_eq!(config.flush_interval(), Duration::from_secs(5));

    for text in [PRODUCTION.to_owned(), format!("\u{feff}{PRODUCTION}\r\n")] {
        let config = checked(&text);
        assert_eq!(config.providers(), [Provider::Json]);
        let dsn = config.dsn(Provider::Json).unwrap();
        assert_eq!(dsn.expose(), "file:///var/log/quipu.jsonl");
        assert_eq!(config.flush_interval(), Duration::from_secs(30));
        assert_eq!((config.sample_rate(), config.traces_rate()), (1.0, 0.1));
    }
    assert!(!checked(r#"{"observability_enabled": false}"#).is_enabled());
}

#[test]
fn several_providers_are_a_list_with_commas_or_an_array() {
    for list in [r#""console, json""#, r#"["console", "json"]"#, r#""console,json,console""#] {
        let config = checked(&format!(r#"{{"observability_provider": {list}}}"#));
        assert_eq!(config.providers(), [Provider::Console, Provider::Json], "{list}");
    }
    let config = Config::new().provider(Provider::Json).provider(Provider::Json);
    assert_eq!(config.check().unwrap().providers(), [Provider::Json]);
}

#[test]
fn a_provider_is_found_by_its_name() {
    for provider in [Provider::Console, Provider::Json] {
        assert_eq!(provider.name().parse::<Provider>().unwrap(), provider);
        assert_eq!(provider.to_string(), provider.name());
    }
    let error = "jsonl".parse::<Provider>().unwrap_err();
    assert_says(&error, &["the program", "\"jsonl\"", "; json may have been meant", "console, "]);
}

#[cfg(feature = "interval-log")]
#[test]
fn a_provider_that_is_compiled_in_is_accepted_with_its_dsn() {
    let config = checked(
        r#"{"observability_provider": "json,interval_log",
            "observability_dsn": {"json": "j", "interval_log": "i"}}"#,
    );
    let dsn = |provider| config.dsn(provider).map(|dsn| dsn.expose());
    assert_eq!((dsn(Provider::Json), dsn(Provider::IntervalLog)), (Some("j"), Some("i")));
    let config = Config::new().provider(Provider::IntervalLog).check().unwrap();
    assert_eq!(config.providers(), ["interval_log".parse().unwrap()]);
}

#[cfg(not(feature = "interval-log"))]
#[test]
fn a_provider_that_is_not_compiled_in_is_refused_with_its_feature() {
    let parts = ["names \"interval_log\"", "enable the feature `interval-log` of quipu"];
    let errors = [
        refusal(r#"{"observability_provider": "json,interval_log"}"#, &["observability_provider"]),
        refusal(r#"{"observability_dsn": {"interval_log": "x"}}"#, &["observability_dsn"]),
        Config::new().provider(Provider::IntervalLog).check().unwrap_err(),
        "interval_log".parse::<Provider>().unwrap_err(),
    ];
    for error in errors {
        assert_says(&error, &parts);
        assert!(matches!(error, ConfigError::ProviderNotCompiled { .. }), "{error:?}");
    }
}

#[test]
fn an_unknown_provider_is_refused_with_the_nearest_and_the_known() {
    for (value, shown, nearest) in [
        (r#""prometheus""#, "\"prometheus\", which is no provider; use one", None),
        (r#""Console""#, "\"Console\", which", Some("; console may have been meant")),
        (r#"["json", "jsno"]"#, "\"jsno\"", Some("; json may have been meant")),
        (r#""""#, "names \"\"", None),
        (r#""console,""#, "names \"\"", None),
        (r#"["console,json"]"#, "names \"console,json\"", None),
        (r#""a\nb\u001b""#, r#"names "a\nb\u{1b}""#, None),
    ] {
        let text = format!(r#"{{"observability_provider": {value}}}"#);
        let parts = ["observability_provider names ", shown, "use one or several of console, json"];
        let error = refusal(&text, &parts);
        assert!(matches!(error, ConfigError::UnknownProvider { .. }), "{error:?}");
        assert_eq!(error.to_string().contains("been meant"), nearest.is_some(), "{error}");
        assert_says(&error, &[nearest.unwrap_or_default()]);
    }
    // In an object of DSNs the two may have been confused.
    let text = r#"{"observability_dsn": {"hunter2": "json"}}"#;
    let error = refusal(text, &["observability_dsn names [secret], which is no provider; use one"]);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_and_the_known() {
    for (key, nearest) in [
        ("observability_flush_intervall", Some("observability_flush_interval")),
        ("flush-interval", Some("observability_flush_interval")),
        ("OBSERVABILITY_ENABLED", Some("observability_enabled")),
        ("observability_dns", Some("observability_dsn")),
        ("observability_colour", None),
        ("x", None),
        ("", None),
    ] {
        let not_a_key = format!("{key:?} is not a key");
        let all = format!("correct or remove it; the keys are {}", KEYS.join(", "));
        let error = refusal(&format!(r#"{{"{key}": 1}}"#), &[&not_a_key, &all]);
        let ConfigError::UnknownKey { nearest: seen, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*seen, nearest, "{key}");
        if let Some(nearest) = nearest {
            assert_says(&error, &[&format!("; {nearest} may have been meant;")]);
        }
    }
    refusal(&format!(r#"{{"{}": 1}}"#, "k".repeat(1 << 20)), &["kkk..\" is not a key"]);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    for key in KEYS {
        let value = match key {
            "observability_enabled" => "true",
            "observability_provider" => r#""json""#,
            "observability_dsn" => r#""x""#,
            "observability_flush_interval" => r#""5s""#,
            _ => "1",
        };
        let says = format!("{key} stands twice in one object; remove one");
        let error = refusal(&format!(r#"{{"{key}": {value}, "{key}": {value}}}"#), &[&says]);
        assert!(matches!(error, ConfigError::DuplicateKey { .. }), "{error:?}");
    }
    let text = r#"{"observability_dsn": {"json": "x", "json": "y"}}"#;
    refusal(text, &["observability_dsn.json stands twice"]);
}

#[test]
fn a_value_of_another_type_is_refused_with_the_right_one() {
    let values = [
        ("null", "null, which is no value"),
        ("false", "false, which is a boolean"),
        ("17", "17, which is a number"),
        (r#""so""#, "\"so\", which is a string"),
        (r#"["x"]"#, "[..], which is an array"),
        (r#"{"x": 1}"#, "{..}, which is an object"),
    ];
    for (key, right, write) in [
        (KEYS[0], vec!["false"], "write true or false, without quotes"),
        (KEYS[1], vec![r#""so""#, r#"["x"]"#], "write the name of a provider like \"console\""),
        (KEYS[3], vec![r#""so""#], "write a string of a number and its unit, like \"5s\""),
        (KEYS[4], vec!["17"], "write a number from 0.0 to 1.0, without quotes"),
        (KEYS[5], vec!["17"], "write a number from 0.0 to 1.0, without quotes"),
    ] {
        for (value, shown) in values.iter().filter(|(value, _)| !right.contains(value)) {
            let is = format!("{key} is {shown}; ");
            let error = refusal(&format!(r#"{{"{key}": {value}}}"#), &[&is, write]);
            assert!(matches!(error, ConfigError::WrongType { .. }), "{error:?}");
        }
    }
    refusal(r#"{"observability_provider": []}"#, &["is [], which is an empty array"]);
    refusal(r#"{"observability_provider": ["json", 17]}"#, &["is 17, which is a number"]);
    refusal(r#"{"observability_sample_rate": "0.5"}"#, &["is \"0.5\", which is a string"]);
}

#[test]
fn a_dsn_of_another_type_is_refused_without_being_shown() {
    for (value, found) in [
        ("null", "no value"),
        ("true", "a boolean"),
        ("4815162342", "a number"),
        (r#"["4815162342"]"#, "an array"),
        (r#""""#, "an empty string"),
        (r#"{"json": 4815162342}"#, "a number"),
        (r#"{"json": ["4815162342"]}"#, "an array"),
        (r#"{"json": {"4815162342": 4815162342}}"#, "an object"),
    ] {
        let is = format!("observability_dsn is [secret], which is {found}; write a string, or an");
        let error = refusal(&format!(r#"{{"observability_dsn": {value}}}"#), &[&is]);
        assert!(matches!(error, ConfigError::WrongType { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("4815"), "{error:?}");
    }
    let text = r#"{"observability_dsn": 4815162342, "observability_sample_rate": 4815162342}"#;
    refusal(text, &["observability_dsn is [secret], which is a number"]);
    let text = r#"{"observability_sample_rate": 4815162342, "observability_dsn": 4815162342}"#;
    refusal(text, &["observability_sample_rate is [secret]; write a number"]);
}

#[test]
fn a_flush_interval_is_a_duration_from_a_millisecond_to_a_century() {
    for (text, interval) in [
        ("5s", Duration::from_secs(5)),
        ("500ms", Duration::from_millis(500)),
        ("1m 30s", Duration::from_secs(90)),
        ("1ms", Duration::from_millis(1)),
    ] {
        let config = checked(&format!(r#"{{"observability_flush_interval": "{text}"}}"#));
        assert_eq!(config.flush_interval(), interval);
    }
    let is = |shown: &str| format!("observability_flush_interval is {shown}, which is no duration");
    let write = "from 1 ms to a century; write a number with its unit, like \"5s\"";
    for text in ["", "5", "s", "-5s", "0s", "999us", "1 30s", "5 parsecs", "101years", "1e3s"] {
        let text_is = is(&format!("{text:?}"));
        let document = format!(r#"{{"observability_flush_interval": "{text}"}}"#);
        let error = refusal(&document, &[&text_is, write]);
        assert!(matches!(error, ConfigError::InvalidDuration { .. }), "{error:?}");
    }
    for (interval, shown) in [
        (Duration::ZERO, "0ns"),
        (Duration::from_micros(999), "999\u{b5}s"),
        (Duration::from_secs(100 * 366 * 86_400 + 1), "3162240001s"),
        (Duration::MAX, "18446744073709551615.999999999s"),
    ] {
        let error = Config::new().flush_interval(interval).check().unwrap_err();
        assert_says(&error, &["in the program", &is(shown), write]);
    }
}

#[test]
fn rates_are_numbers_from_zero_to_one() {
    for key in ["sample_rate", "traces_rate"] {
        for (text, rate) in [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-400", 0.0), ("1E0", 1.0)]
        {
            let config = checked(&format!(r#"{{"observability_{key}": {text}}}"#));
            let rates = [config.sample_rate(), config.traces_rate()];
            assert_eq!(rates[usize::from(key == "traces_rate")], rate);
        }
        for text in ["1.0001", "-0.5", "2", "1e400", "-1e400", "18446744073709551616"] {
            let is = format!("observability_{key} is {text}; write a number from 0.0 to 1.0");
            let error = refusal(&format!(r#"{{"observability_{key}": {text}}}"#), &[&is]);
            assert!(matches!(error, ConfigError::RateOutOfRange { .. }), "{error:?}");
        }
        let digits = "7".repeat(1 << 20);
        refusal(&format!(r#"{{"observability_{key}": {digits}}}"#), &["777..; write a number"]);
        for rate in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5, -f64::MIN_POSITIVE] {
            let config = match key {
                "sample_rate" => Config::new().sample_rate(rate),
                _ => Config::new().traces_rate(rate),
            };
            let error = config.check().unwrap_err();
            assert_says(&error, &["in the program", &format!("observability_{key} is {rate:?}; ")]);
        }
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_line_and_column() {
    for (text, line, column) in [
        ("", 1, 1),
        ("{", 1, 1),
        ("{\n  \"observability_enabled\": treu\n}", 2, 30),
        ("{} {}", 1, 4),
        ("{\"observability_sample_rate\": NaN}", 1, 31),
        ("\n\n\n{\"observability_dsn\": \"\\ud800\"}", 4, 23),
        ("{\"observability_dsn\":\n{\"\\ud800\": \"x\"}}", 2, 1),
    ] {
        let place = format!("is not valid JSON: {}", if text.len() < 2 { "it ends" } else { "a" });
        let error = refusal(text, &[&place, "; correct it there"]);
        let ConfigError::InvalidJson { line: l, column: c, .. } = error else { panic!("{error}") };
        assert_eq!((l, c), (line, column), "{text}");
        assert_says(&error, &[&format!("at line {line}, column {column}")]);
    }
    for text in ["[".repeat(1 << 20), format!("{{\"a\":{}", "[{\"a\":".repeat(1 << 17))] {
        refusal(&text, &["it ends too early at line 1"]);
    }
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    for (text, found) in [
        ("null", "no value"),
        ("true", "a boolean"),
        ("-1", "a number"),
        ("\"observability_enabled\"", "a string"),
        (" [{}]", "an array"),
    ] {
        let holds = format!("holds {found} where an object is needed; write it like {{\"");
        let error = refusal(text, &[&holds]);
        assert!(matches!(error, ConfigError::NotAnObject { .. }), "{error:?}");
    }
}
