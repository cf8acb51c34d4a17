//! Where values come from: flags win over variables, variables over the file, the file over the default.

use super::{
    ConfigError,
    table::{CONFIG, Setting, TABLE, VARIABLE_PREFIX},
    value::{Kind, Value},
};
use std::{collections::BTreeMap, ffi::OsString, fmt, path::Path};

/// A configuration file larger than this is not one. Bytes.
const FILE_SIZE_MAX: u64 = 1 << 20;

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// The file that `config` names.
    File,
    /// A `PARTWAY_*` variable.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        })
    }
}

/// A setting's value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The value.
    pub value: Value,
    /// Its origin.
    pub source: Source,
}

/// A value for every row of the table.
#[derive(Clone, Debug)]
pub struct Values(BTreeMap<&'static str, Effective>);

/// Flags as they were written, by setting; a flag that was repeated has several values.
pub type Flags = BTreeMap<&'static str, Vec<String>>;

impl Values {
    /// Collects the value of every setting. `environment` may hold other variables too.
    ///
    /// # Errors
    /// An unknown variable or file key, a value that cannot be read, a file that cannot be read.
    pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let variables = read_variables(environment)?;
        let mut values: BTreeMap<_, _> = TABLE.iter().map(|setting| (setting.name, default_of(setting))).collect();

        let config = setting(CONFIG);
        let path = match (flags.get(CONFIG), variables.get(CONFIG)) {
            (Some(texts), _) => Some(from_texts(config, "--config", texts)?),
            (None, Some(text)) => Some(from_text(config, &config.variable(), text)?),
            (None, None) => None,
        };
        if let Some(Value::Path(path)) = path {
            for (name, value) in read_file(&path)? {
                values.insert(name, Effective { value, source: Source::File });
            }
        }
        for (name, text) in &variables {
            let setting = setting(name);
            let value = from_text(setting, &setting.variable(), text)?;
            values.insert(setting.name, Effective { value, source: Source::Environment });
        }
        for (name, texts) in flags {
            let value = from_texts(setting(name), &format!("--{name}"), texts)?;
            values.insert(name, Effective { value, source: Source::Flag });
        }
        Ok(Self(values))
    }

    /// The settings of a file with this text and of nothing else: for fuzzing.
    ///
    /// # Errors
    /// As [`Self::load`].
    #[doc(hidden)]
    pub fn of_document(text: &str) -> Result<Self, ConfigError> {
        let mut values: BTreeMap<_, _> = TABLE.iter().map(|setting| (setting.name, default_of(setting))).collect();
        for (name, value) in read_document(Path::new("partway.toml"), text)? {
            values.insert(name, Effective { value, source: Source::File });
        }
        Ok(Self(values))
    }

    /// The effective value of a setting of the table.
    ///
    /// # Panics
    /// When the table has no such setting.
    #[must_use]
    pub fn effective(&self, name: &str) -> &Effective {
        self.0.get(name).unwrap_or_else(|| panic!("the table of settings has no {name}"))
    }

    pub(super) fn value(&self, name: &str) -> &Value {
        &self.effective(name).value
    }
}

/// The row of this name, which callers took from the table.
fn setting(name: &str) -> &'static Setting {
    TABLE.iter().find(|setting| setting.name == name).expect("names come from the table")
}

fn default_of(setting: &Setting) -> Effective {
    let value = setting.default.map_or(Value::Unset, |text| setting.kind.parse(text).expect("a test reads every default"));
    Effective { value, source: Source::Default }
}

fn from_text(setting: &Setting, origin: &str, text: &str) -> Result<Value, ConfigError> {
    setting.kind.parse(text).map_err(|why| ConfigError::Value { origin: origin.to_owned(), why })
}

fn from_texts(setting: &Setting, origin: &str, texts: &[String]) -> Result<Value, ConfigError> {
    match setting.kind {
        Kind::List(_) => from_text(setting, origin, &texts.join(",")),
        _ => from_text(setting, origin, texts.last().map_or("", String::as_str)),
    }
}

/// The variables that are ours, by setting. An empty one counts as not set, as container tools pass them on.
fn read_variables(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<BTreeMap<&'static str, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    for (name, text) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLE_PREFIX)) else { continue };
        let Some(setting) = TABLE.iter().find(|setting| setting.variable() == name) else {
            return Err(ConfigError::unknown("variable", name, TABLE.iter().map(Setting::variable)));
        };
        let text =
            text.into_string().map_err(|_| ConfigError::Value { origin: name.to_owned(), why: "the value is not UTF-8".to_owned() })?;
        if !text.is_empty() {
            variables.insert(setting.name, text);
        }
    }
    Ok(variables)
}

fn read_file(path: &Path) -> Result<Vec<(&'static str, Value)>, ConfigError> {
    let unreadable = |why: &dyn fmt::Display| ConfigError::File { path: path.to_owned(), why: why.to_string() };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > FILE_SIZE_MAX {
        return Err(unreadable(&format_args!("{size} bytes are too many")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    read_document(path, &text)
}

/// The settings in a file's text. `path` is for messages.
fn read_document(path: &Path, text: &str) -> Result<Vec<(&'static str, Value)>, ConfigError> {
    let unreadable = |why: &dyn fmt::Display| ConfigError::File { path: path.to_owned(), why: why.to_string() };
    let table: toml::Table = text.parse().map_err(|error| unreadable(&error))?;
    let in_file = || TABLE.iter().filter(|setting| setting.name != CONFIG);
    let mut values = Vec::new();
    for (key, item) in &table {
        let Some(setting) = in_file().find(|setting| setting.name == key) else {
            return Err(ConfigError::unknown("key", key, in_file().map(|setting| setting.name.to_owned())));
        };
        let origin = format!("{}: {key}", path.display());
        let value = from_item(setting, item).map_err(|why| ConfigError::Value { origin, why })?;
        values.push((setting.name, value));
    }
    Ok(values)
}

fn from_item(setting: &Setting, item: &toml::Value) -> Result<Value, String> {
    match (setting.kind, item) {
        (_, toml::Value::String(text)) => setting.kind.parse(text),
        (Kind::Size { .. } | Kind::Count { .. }, toml::Value::Integer(number)) => setting.kind.parse(&number.to_string()),
        (Kind::List(_), toml::Value::Array(items)) => {
            let texts: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
            setting.kind.parse(&texts.ok_or("an array of strings is expected")?.join(","))
        }
        (Kind::Duration { .. }, toml::Value::Integer(_)) => Err("a duration needs a unit, such as \"30s\"".to_owned()),
        (_, other) => Err(format!("{} is expected, not {}", setting.kind.description(), other.type_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, text)| (name.into(), text.into())).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn flags(pairs: &[(&'static str, &str)]) -> Flags {
        let mut flags = Flags::new();
        for (name, text) in pairs {
            flags.entry(name).or_default().push((*text).to_owned());
        }
        flags
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let file = file("region = 'file'\nbody-timeout = '1s'\nhead-timeout = '1s'\n");
        let path = file.path().to_str().unwrap();
        let environment =
            environment(&[("PARTWAY_REGION", "env"), ("PARTWAY_BODY_TIMEOUT", "2s"), ("PARTWAY_CONFIG", path), ("HOME", "/")]);
        let values = Values::load(&flags(&[("region", "flag")]), environment).unwrap();
        let of = |name| (values.value(name).to_text(), values.effective(name).source);
        assert_eq!(of("region"), ("flag".to_owned(), Source::Flag));
        assert_eq!(of("body-timeout"), ("2s".to_owned(), Source::Environment));
        assert_eq!(of("head-timeout"), ("1s".to_owned(), Source::File));
        assert_eq!(of("drain-deadline"), ("30s".to_owned(), Source::Default));
    }

    #[test]
    fn unknown_names_are_errors_that_name_the_nearest_known_one() {
        let message = Values::load(&Flags::new(), environment(&[("PARTWAY_LISTN", "x")])).unwrap_err().to_string();
        assert!(message.contains("PARTWAY_LISTN") && message.contains("PARTWAY_LISTEN"), "{message}");

        let file = file("drain_deadlin = '1s'\n");
        let message = Values::load(&flags(&[("config", file.path().to_str().unwrap())]), []).unwrap_err().to_string();
        assert!(message.contains("drain_deadlin") && message.contains("drain-deadline"), "{message}");
    }

    #[test]
    fn the_file_cannot_name_another_file() {
        let file = file("config = 'other.toml'\n");
        let error = Values::load(&flags(&[("config", file.path().to_str().unwrap())]), []).unwrap_err();
        assert!(matches!(error, ConfigError::Unknown { .. }), "{error}");
    }

    #[test]
    fn a_list_may_be_repeated_separated_or_an_array() {
        let expected = Value::List(vec!["a.test".to_owned(), "b.test".to_owned()]);
        let file = file("domain = ['a.test', 'b.test']\n");
        let config = file.path().to_str().unwrap();
        assert_eq!(Values::load(&flags(&[("config", config)]), []).unwrap().value("domain"), &expected);
        assert_eq!(Values::load(&flags(&[("domain", "a.test"), ("domain", "b.test")]), []).unwrap().value("domain"), &expected);
        assert_eq!(Values::load(&Flags::new(), environment(&[("PARTWAY_DOMAIN", "a.test,b.test")])).unwrap().value("domain"), &expected);
    }

    #[test]
    fn file_values_have_the_type_of_their_setting() {
        for (text, good) in [
            ("body-memory = 16777216", true),
            ("body-memory = '16MiB'", true),
            ("connections-max = 5", true),
            ("body-timeout = 5", false),
            ("body-memory = 1.5", false),
            ("region = 5", false),
            ("domain = [1]", false),
            ("[region]\nx = 1", false),
            ("region = ", false),
            ("connections-max = -1", false),
        ] {
            let file = file(text);
            let loaded = Values::load(&flags(&[("config", file.path().to_str().unwrap())]), []);
            assert_eq!(loaded.is_ok(), good, "{text}: {loaded:?}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let values = Values::load(&Flags::new(), environment(&[("PARTWAY_REGION", ""), ("PARTWAY_CONFIG", "")])).unwrap();
        assert_eq!(values.effective("region").source, Source::Default);
    }
}
