//! The table of settings in words: for `partway config` and for `docs/configuration.md`.

use super::{
    load::{Source, Values},
    table::TABLE,
    value::{Kind, Value},
};
use serde_json::json;
use std::fmt::Write as _;

/// The effective settings as a file that can be used as it is. Secrets stay out.
#[must_use]
pub fn effective_toml(values: &Values) -> String {
    let mut text = String::from("# The effective settings. As a file they give the same ones again (secrets are not shown).\n");
    for setting in TABLE {
        let effective = values.effective(setting.name);
        let _ = writeln!(text, "\n# {} [{}]", setting.meaning, origin(effective.source, &setting.variable(), setting.name));
        let _ = match (&setting.kind, &effective.value) {
            (Kind::Secret, Value::Text(_)) => writeln!(text, "# {} is set", setting.name),
            (Kind::AddressOrOff, Value::Unset) => writeln!(text, "{} = \"off\"", setting.name),
            (_, Value::Unset) => writeln!(text, "# {} is not set", setting.name),
            // The file that is being read cannot name itself, nor can a secret's partner stand alone.
            (Kind::AccessKey, value) => writeln!(text, "# {} = {}", setting.name, value.to_toml()),
            (_, value) if setting.name == super::table::CONFIG => writeln!(text, "# {} = {}", setting.name, value.to_toml()),
            (_, value) => writeln!(text, "{} = {}", setting.name, value.to_toml()),
        };
    }
    text
}

fn origin(source: Source, variable: &str, name: &str) -> String {
    match source {
        Source::Default | Source::File => source.to_string(),
        Source::Environment => variable.to_owned(),
        Source::Flag => format!("--{name}"),
    }
}

/// The effective settings for programs: name, value as text, source, default, meaning. Secrets are null.
#[must_use]
pub fn effective_json(values: &Values) -> serde_json::Value {
    let rows = TABLE.iter().map(|setting| {
        let effective = values.effective(setting.name);
        let value = match (&setting.kind, &effective.value) {
            (Kind::Secret, _) => None,
            (Kind::AddressOrOff, Value::Unset) => Some("off".to_owned()),
            (_, Value::Unset) => None,
            (_, value) => Some(value.to_text()),
        };
        json!({
            "name": setting.name,
            "value": value,
            "source": effective.source.to_string(),
            "default": setting.default,
            "variable": setting.variable(),
            "meaning": setting.meaning,
        })
    });
    rows.collect()
}

/// The reference table of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from("| flag and file key | variable | type | default | meaning |\n| --- | --- | --- | --- | --- |\n");
    for setting in TABLE {
        let default = match setting.default {
            None | Some("") => "none".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} | {default} | {} |",
            setting.name,
            setting.variable(),
            setting.kind.description(),
            setting.meaning
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn values(pairs: &[(&'static str, &str)]) -> Values {
        let flags: Flags = pairs.iter().map(|(name, text)| (*name, vec![(*text).to_owned()])).collect();
        Values::load(&flags, []).unwrap()
    }

    #[test]
    fn what_config_prints_is_a_file_that_gives_the_same_settings() {
        let before =
            values(&[("domain", "a.test,b.test"), ("body-timeout", "90s"), ("data", "/tmp/with \"quotes\""), ("connections-max", "7")]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), effective_toml(&before)).unwrap();
        let after = values(&[("config", file.path().to_str().unwrap())]);
        for setting in TABLE.iter().filter(|setting| setting.name != "config") {
            assert_eq!(before.effective(setting.name).value, after.effective(setting.name).value, "{}", setting.name);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let values = values(&[("root-access-key", "abc"), ("root-secret-key", "hush-hush-hush")]);
        assert!(!effective_toml(&values).contains("hush"));
        assert!(!effective_json(&values).to_string().contains("hush"));
        assert!(effective_toml(&values).contains("root-secret-key is set"));
    }

    #[test]
    fn the_reference_in_the_documentation_is_the_table() {
        let document = include_str!("../../docs/configuration.md");
        let (_, rest) = document.split_once("<!-- settings: printed by `partway config --reference` -->\n\n").expect("the opening mark");
        let (table, _) = rest.split_once("\n<!-- end of settings -->").expect("the closing mark");
        assert_eq!(table, reference(), "replace the table with what `partway config --reference` prints");
    }
}
