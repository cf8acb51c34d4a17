//! Settings: flags over environment over file over default, validated once.
//!
//! - [`TABLE`] is the only list of settings; everything that names one derives from it.
//! - [`Values`] holds a checked value for each, [`Settings`] the structs that the parts of the
//!   gateway take. Nothing past this module reads a flag, a variable or a file.

mod document;
mod load;
mod table;
mod typed;
mod value;

pub use document::{effective_json, effective_toml, reference};
pub use load::{Effective, Flags, Source, Values};
pub use table::{Setting, TABLE};
pub use typed::{Durability, RootKey, Settings};
pub use value::{Kind, Value, check_access_key, check_secret_key, duration_text, parse_duration, parse_size, size_text};

use std::path::PathBuf;

/// Why the settings cannot be used. Secrets are not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing has this name.
    #[error("unknown {sort} `{name}`; did you mean `{nearest}`?")]
    Unknown {
        /// Variable or key.
        sort: &'static str,
        /// As it was written.
        name: String,
        /// The known name most like it.
        nearest: String,
    },
    /// A value is not of its setting's type or out of its bounds.
    #[error("{origin}: {why}")]
    Value {
        /// The flag, variable or file key.
        origin: String,
        /// What is wrong.
        why: String,
    },
    /// The configuration file cannot be read.
    #[error("configuration file {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
}

impl ConfigError {
    fn unknown(sort: &'static str, name: &str, known: impl Iterator<Item = String>) -> Self {
        let likeness = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
        let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
        Self::Unknown { sort, name: name.to_owned(), nearest }
    }
}
