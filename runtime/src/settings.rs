//! Settings: environment `TILL_*` over an optional TOML file over commented defaults, checked as a whole.
//!
//! The defaults are a TOML text in the binary: its keys are the settings there are, its values give their
//! types, its comments are the manual that `--help` prints.

mod keys;

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use keys::{Common, LogFormat};

use keys::COMMON_DEFAULTS;

/// The common settings and a service's own.
#[derive(Clone, Debug)]
pub struct Settings<Own> {
    /// Settings of every service.
    pub common: Common,
    /// The settings that only this service has.
    pub own: Own,
}

/// Everything that is wrong with the settings, a line each.
#[derive(Debug, thiserror::Error)]
#[error("the settings are not usable:\n{}", .0.iter().map(|fault| format!("  - {fault}")).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError(pub Vec<String>);

/// A service's own settings.
pub trait Own: DeserializeOwned {
    /// Commented defaults, TOML, in parts: the service's own, and those of what it shares with other services.
    const DEFAULTS: &'static [&'static str];

    /// Adds what is wrong within or between settings, in words that say what to change.
    fn check(&self, common: &Common, faults: &mut Vec<String>);
}

/// The manual `--help` ends with: every setting, its default and its meaning.
#[must_use]
pub fn manual<O: Own>() -> String {
    let parts: Vec<_> = O::DEFAULTS.iter().chain([&COMMON_DEFAULTS]).map(|part| part.trim()).collect();
    format!(
        "Settings: environment TILL_<KEY> over the file of --config over these defaults (TOML).\n\n{}",
        parts.join("\n\n")
    )
}

/// Reads and checks the settings.
///
/// # Errors
/// All faults at once.
pub fn load<O: Own>(file: Option<&Path>) -> Result<Settings<O>, SettingsError> {
    let mut faults = Vec::new();
    let mut table = defaults(O::DEFAULTS);
    if let Some(path) = file {
        apply_file(&mut table, path, &mut faults);
    }
    apply_environment(&mut table, |name| std::env::var(name).ok(), &mut faults);
    let settings = parse::<O>(&table, &mut faults);
    match settings {
        Some(settings) if faults.is_empty() => Ok(settings),
        _ => Err(SettingsError(faults)),
    }
}

fn defaults(own: &[&str]) -> Table {
    let mut table: Table = COMMON_DEFAULTS.parse().expect("common.toml parses");
    for part in own {
        table.extend(part.parse::<Table>().expect("the service's defaults parse"));
    }
    table
}

fn apply_file(table: &mut Table, path: &Path, faults: &mut Vec<String>) {
    let parsed = std::fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| text.parse::<Table>().map_err(|error| unreadable(&text, &error)));
    let file = match parsed {
        Ok(file) => file,
        Err(error) => return faults.push(format!("{}: {error}", path.display())),
    };
    for (key, value) in file {
        match table.get_mut(&key) {
            Some(known) if known.same_type(&value) => *known = value,
            Some(known) => faults.push(format!("{}: `{key}` must be a {}", path.display(), known.type_str())),
            None => {
                faults.push(format!("{}: there is no setting `{key}`; --help lists them", path.display()));
            }
        }
    }
}

/// Where a text is no TOML. The line itself is left out: it may hold a secret.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line} cannot be read as TOML: a text must stand in quotes, and a key at most once")
}

fn apply_environment(table: &mut Table, read: impl Fn(&str) -> Option<String>, faults: &mut Vec<String>) {
    for (key, value) in table.iter_mut() {
        let name = format!("TILL_{}", key.to_uppercase());
        let Some(text) = read(&name) else { continue };
        let parsed = match value {
            Value::String(_) => Some(Value::String(text.clone())),
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Float(_) => text.parse().ok().map(Value::Float),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            _ => None,
        };
        match parsed {
            Some(parsed) => *value = parsed,
            // The text itself is left out: a mixed-up secret must not end in a log.
            None => faults.push(format!("{name} must be a {}", value.type_str())),
        }
    }
}

fn parse<O: Own>(table: &Table, faults: &mut Vec<String>) -> Option<Settings<O>> {
    let Some((common, own)) = read::<O>(table) else {
        faults.extend(unreadable_keys::<O>(table).map(|key| {
            format!("TILL_{} has a value that is none of its own; --help tells of them", key.to_uppercase())
        }));
        return None;
    };
    check_common(&common, faults);
    own.check(&common, faults);
    Some(Settings { common, own })
}

fn read<O: Own>(table: &Table) -> Option<(Common, O)> {
    let common = Common::deserialize(Value::Table(table.clone())).ok()?;
    Some((common, O::deserialize(Value::Table(table.clone())).ok()?))
}

/// The keys whose values cannot be read, each put among the defaults alone: serde's own words would repeat the value, which may
/// be a secret at the wrong place.
fn unreadable_keys<O: Own>(table: &Table) -> impl Iterator<Item = &String> {
    let is_unreadable = |(key, value): &(&String, &Value)| {
        let mut alone = defaults(O::DEFAULTS);
        alone.insert((*key).clone(), (*value).clone());
        read::<O>(&alone).is_none()
    };
    table.iter().filter(is_unreadable).map(|(key, _)| key)
}

fn check_common(common: &Common, faults: &mut Vec<String>) {
    let mut require = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    require(!common.kafka_brokers.trim().is_empty(), "TILL_KAFKA_BROKERS must name at least one host:port");
    require((1..=1024).contains(&common.partitions), "TILL_PARTITIONS must be between 1 and 1024");
    require(
        (1..=common.partitions).contains(&common.shards),
        "TILL_SHARDS must be between 1 and TILL_PARTITIONS",
    );
    require((1..=9).contains(&common.replication_factor), "TILL_REPLICATION_FACTOR must be between 1 and 9");
    require(
        is_topic_prefix(&common.topic_prefix),
        "TILL_TOPIC_PREFIX must be 1 to 100 of a-z, 0-9, '.', '_' and '-'",
    );
    require(
        crate::telemetry::filter(common).is_some(),
        "TILL_LOG_FILTER must be like info,command_api=debug: a level, and levels of modules",
    );
    let registry = &common.schema_registry_url;
    require(
        registry.is_empty() || crate::registry::parse_url(registry).is_some(),
        "TILL_SCHEMA_REGISTRY_URL must be empty, or an http:// or https:// URL without query, such as http://registry:8081",
    );
    match crate::kafka::parse_options(&common.kafka_options) {
        Some(options) => {
            let refused = crate::kafka::refused_options(&options).into_iter();
            faults.extend(refused.map(|what| format!("TILL_KAFKA_OPTIONS: librdkafka does not take {what}")));
        }
        None => faults.push("TILL_KAFKA_OPTIONS must be key=value pairs separated by commas".to_owned()),
    }
    crate::server::sites::check(common, faults);
}

fn is_topic_prefix(prefix: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=100).contains(&prefix.len()) && prefix.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_in_the_defaults_types() {
        let mut table = defaults(&[]);
        let mut faults = Vec::new();
        let environment = |name: &str| match name {
            "TILL_PARTITIONS" => Some("4".to_owned()),
            "TILL_TOPIC_PREFIX" => Some("007".to_owned()),
            "TILL_DEMO" => Some("perhaps".to_owned()),
            _ => None,
        };
        apply_environment(&mut table, environment, &mut faults);
        assert_eq!(table["partitions"].as_integer(), Some(4));
        assert_eq!(table["topic_prefix"].as_str(), Some("007"));
        assert_eq!(faults, ["TILL_DEMO must be a boolean"]);
    }

    #[derive(Debug, Deserialize)]
    struct Nothing {}

    impl Own for Nothing {
        const DEFAULTS: &'static [&'static str] = &[];

        fn check(&self, _: &Common, _: &mut Vec<String>) {}
    }

    /// What is wrong with a file of settings.
    fn faults_of(text: &str) -> String {
        let path =
            std::env::temp_dir().join(format!("till-settings-{}-{}.toml", std::process::id(), text.len()));
        std::fs::write(&path, text).unwrap();
        let faults = load::<Nothing>(Some(&path)).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        faults
    }

    #[test]
    fn faults_name_settings_and_never_say_their_values() {
        for (text, name) in [
            ("demo = false\nlog_format = \"geheim\"\n", "TILL_LOG_FORMAT"),
            ("kafka_options = \"client.id=till,sasl.passwort=geheim\"\n", "pair number 2"),
            ("kafka_options = \"sasl.password=abc,geheim=1\"\n", "pair number 2"),
            ("kafka_options = \"security.protocol=geheim\"\n", "security.protocol"),
            ("kafka_options = \"geheim\"\n", "TILL_KAFKA_OPTIONS"),
            ("demo = false\njwt_secret = geheim\n", "line 2"),
            ("topic_prefix = \"Geheim geheim\"\n", "TILL_TOPIC_PREFIX"),
            ("log_filter = \"geheim=geheim=geheim\"\n", "TILL_LOG_FILTER"),
            ("partitions = 99999999999\n", "TILL_PARTITIONS"),
        ] {
            let faults = faults_of(text);
            assert!(faults.contains(name), "{faults}");
            assert!(!faults.to_lowercase().contains("geheim") && !faults.contains("99999"), "{faults}");
        }
    }

    #[test]
    fn the_defaults_are_usable() {
        let common = Common::defaults();
        let mut faults = Vec::new();
        check_common(&common, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
    }
}
