//! Reading JSON.
//!
//! Values are kept as the text that they are, so that a number is judged as it was written, and
//! nothing of the document gets into an error but by way of the [`Reader`].
#![forbid(unsafe_code)]

use super::Config;
use super::error::{ConfigError, ConfigSource};
use super::key::Key;
use super::reader::{Reader, split_names};
use super::secret::{HIDDEN, Secret};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// An object's keys and values in their order, with duplicates.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::Text,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ => Self::Number,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Null => "no value",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// Reads a document.
pub(super) fn read(text: &str, source: ConfigSource) -> Result<Config, ConfigError> {
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut document = Document { text, reader: Reader::new(source) };
    let root: &RawValue = serde_json::from_str(text).map_err(|e| document.invalid(&e))?;
    if Kind::of(root) != Kind::Object {
        let (source, found) = (document.reader.source, Kind::of(root).name());
        return Err(ConfigError::NotAnObject { source, found });
    }
    let entries: Entries = serde_json::from_str(text).map_err(|e| document.invalid(&e))?;
    for (name, value) in &entries.0 {
        if name == Key::Dsn.name() {
            document.hide(value);
        }
    }
    document.config(entries)
}

struct Document<'a> {
    text: &'a str,
    reader: Reader,
}

impl<'a> Document<'a> {
    fn invalid(&self, error: &serde_json::Error) -> ConfigError {
        let fault = if error.is_eof() { "it ends too early" } else { "a fault" };
        self.invalid_at(error.line(), error.column(), fault)
    }

    fn invalid_at(&self, line: usize, column: usize, fault: &'static str) -> ConfigError {
        let source = self.reader.source.clone();
        ConfigError::InvalidJson { source, line: line.max(1), column: column.max(1), fault }
    }

    /// Keeps the DSNs of `value`, well-formed or not, out of messages.
    fn hide(&mut self, value: &RawValue) {
        let inside = match Kind::of(value) {
            Kind::Array => serde_json::from_str(value.get()).unwrap_or_default(),
            Kind::Object => {
                let entries = serde_json::from_str(value.get()).unwrap_or(Entries(Vec::new()));
                entries.0.into_iter().map(|(_, value)| value).collect()
            }
            _ => vec![value],
        };
        for value in inside {
            match Kind::of(value) {
                Kind::Number => self.reader.hide(value.get().to_owned()),
                Kind::Text => {
                    if let Ok(secret) = serde_json::from_str(value.get()) {
                        self.reader.hide(secret);
                    }
                }
                _ => {}
            }
        }
    }

    fn config(&self, entries: Entries<'a>) -> Result<Config, ConfigError> {
        let mut config = Config::new();
        let mut seen = Vec::new();
        for (name, value) in entries.0 {
            let Some(key) = Key::ALL.into_iter().find(|key| key.name() == name) else {
                return Err(self.reader.unknown_key(&name));
            };
            if seen.contains(&key) {
                return Err(self.reader.duplicate_key(name));
            }
            seen.push(key);
            match key {
                Key::Enabled => config.enabled = Some(self.boolean(key, value)?),
                Key::Provider => self.providers(value, &mut config)?,
                Key::Dsn => self.dsns(value, &mut config)?,
                Key::FlushInterval => {
                    let text = self.text(key, value)?;
                    config.flush_interval = Some(self.reader.interval(&text)?);
                }
                Key::SampleRate => config.sample_rate = Some(self.rate(key, value)?),
                Key::TracesRate => config.traces_rate = Some(self.rate(key, value)?),
            }
        }
        Ok(config)
    }

    fn boolean(&self, key: Key, value: &RawValue) -> Result<bool, ConfigError> {
        value.get().parse().map_err(|_| self.wrong_type(key, value))
    }

    fn rate(&self, key: Key, value: &RawValue) -> Result<f64, ConfigError> {
        if Kind::of(value) != Kind::Number {
            return Err(self.wrong_type(key, value));
        }
        self.reader.rate(key, value.get())
    }

    fn text(&self, key: Key, value: &'a RawValue) -> Result<String, ConfigError> {
        if Kind::of(value) != Kind::Text {
            return Err(self.wrong_type(key, value));
        }
        // Its escapes are judged only now, and may name no character.
        serde_json::from_str(value.get()).map_err(|_| self.invalid_string(value))
    }

    fn providers(&self, value: &'a RawValue, config: &mut Config) -> Result<(), ConfigError> {
        let key = Key::Provider;
        match Kind::of(value) {
            Kind::Array => {
                let names: Vec<&'a RawValue> =
                    serde_json::from_str(value.get()).map_err(|_| self.wrong_type(key, value))?;
                if names.is_empty() {
                    let shown = "[]".to_owned();
                    return Err(self.reader.wrong_type(key, shown, "an empty array"));
                }
                for name in names {
                    config.add_provider(self.reader.provider(&self.text(key, name)?)?);
                }
            }
            _ => {
                for name in split_names(&self.text(key, value)?) {
                    config.add_provider(self.reader.provider(name)?);
                }
            }
        }
        Ok(())
    }

    fn dsns(&self, value: &'a RawValue, config: &mut Config) -> Result<(), ConfigError> {
        let key = Key::Dsn;
        if Kind::of(value) != Kind::Object {
            config.dsn = Some((self.dsn(value)?, self.reader.source.clone()));
            return Ok(());
        }
        let entries: Entries =
            serde_json::from_str(value.get()).map_err(|_| self.invalid_string(value))?;
        for (name, value) in entries.0 {
            let provider = self.reader.provider_of_dsn(&name)?;
            if config.dsns.iter().any(|dsn| dsn.provider == provider) {
                return Err(self.reader.duplicate_key(format!("{}.{provider}", key.name())));
            }
            config.add_dsn(provider, self.dsn(value)?, self.reader.source.clone());
        }
        Ok(())
    }

    fn dsn(&self, value: &'a RawValue) -> Result<Secret, ConfigError> {
        let text = self.text(Key::Dsn, value)?;
        if text.is_empty() {
            let shown = HIDDEN.to_owned();
            return Err(self.reader.wrong_type(Key::Dsn, shown, "an empty string"));
        }
        Ok(Secret::from(text))
    }

    fn wrong_type(&self, key: Key, value: &RawValue) -> ConfigError {
        let kind = Kind::of(value);
        let shown = match kind {
            _ if key == Key::Dsn => HIDDEN.to_owned(),
            Kind::Text => match serde_json::from_str::<String>(value.get()) {
                Ok(text) => self.reader.shown(&text),
                Err(_) => return self.invalid_string(value),
            },
            Kind::Array => "[..]".to_owned(),
            Kind::Object => "{..}".to_owned(),
            Kind::Null | Kind::Boolean | Kind::Number => self.reader.shown_number(value.get()),
        };
        self.reader.wrong_type(key, shown, kind.name())
    }

    fn invalid_string(&self, value: &RawValue) -> ConfigError {
        // Both point into the same text.
        let offset = (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        self.invalid_at(line, column, "an escape that is no character, in the value that begins")
    }
}
