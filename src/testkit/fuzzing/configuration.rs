//! Configuration files.

use crate::config::{Settings, TABLE, Values, effective_json, effective_toml};

/// A file: what it says is printed as a file that says the same.
pub(super) fn file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(values) = Values::of_document(text) else { return };
    // What does not fit together is refused; nothing is looked up on the disk for it.
    let is_accepted = Settings::new(&values).is_ok();
    let _ = effective_json(&values);
    let printed = effective_toml(&values);
    let again = Values::of_document(&printed).unwrap_or_else(|error| panic!("{printed}\n{error}"));
    for setting in TABLE.iter().filter(|setting| printed.contains(&format!("\n{} = ", setting.name))) {
        assert_eq!(again.effective(setting.name).value, values.effective(setting.name).value, "{}", setting.name);
    }
    let has_key = ["root-access-key", "root-secret-key"].iter().any(|name| text.contains(name));
    assert!(!is_accepted || has_key || Settings::new(&again).is_ok(), "{printed}");
}
