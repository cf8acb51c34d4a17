//! `partway keys`: create, list, disable, enable and delete access keys.

use super::{
    CliError,
    command::{Answer, Command, KeySummary},
    operator, output, sealing, stores,
};
use crate::{
    config::{RootKey, Settings},
    datadir::{root_key_of, root_key_text},
    model::KeyStatus,
    secrets::new_key_file,
};
use clap::ArgMatches;
use serde_json::json;
use std::{io::Read, process::ExitCode};

/// A policy document larger than this is not one (S3's bucket policies have up to 20 KB). Bytes.
const POLICY_SIZE_MAX: u64 = 64 << 10;

const ACCESS_KEY_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const SECRET_KEY_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let (name, matches) = matches.subcommand().expect("the parser asks for a command");
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let access_key = || text("key").expect("the parser asks for the key");
    match name {
        "create" => create(settings, matches)?,
        "list" => {
            let Answer::Keys(keys) = operator::ask(settings, &Command::ListKeys)? else {
                return Err(CliError::failed("the server gave another answer than was asked for"));
            };
            output::print(&if matches.get_flag("json") { as_json(&keys) } else { as_table(&keys) });
        }
        "disable" | "enable" => {
            let status = if name == "enable" { KeyStatus::Active } else { KeyStatus::Disabled };
            operator::ask(settings, &Command::SetKeyStatus { access_key: access_key(), status })?;
            output::print(&format!("{} is {}\n", access_key(), status_word(status)));
        }
        "delete" => {
            operator::ask(settings, &Command::DeleteKey { access_key: access_key() })?;
            output::print(&format!("{} is deleted\n", access_key()));
        }
        "root" => {
            let vault = sealing::vault(settings)?;
            let absent = || CliError::failed(format!("{} has no root key of its own", settings.data.display()));
            output::print(&root_key_text(&root_key_of(&settings.data, &vault)?.ok_or_else(absent)?));
        }
        "new-key-file" => {
            let path = text("path").expect("the parser asks for the path");
            let id = new_key_file(path.as_ref()).map_err(|error| CliError::failed(error.to_string()))?;
            output::print(&format!("{path} holds key {id}. Keep a copy of it apart from backups: without it what it seals is lost.\n"));
        }
        other => unreachable!("the parser knows no command {other}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn create(settings: &Settings, matches: &ArgMatches) -> Result<(), CliError> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let account = text("account").expect("it has a default");
    let key = match (text("access-key"), text("secret-key")) {
        (Some(access_key), Some(secret_key)) => RootKey { access_key, secret_key },
        _ => random_key(&stores::random),
    };
    let policy = text("policy").map(|file| read_policy(&file)).transpose()?;
    let command = Command::CreateKey {
        access_key: key.access_key.clone(),
        secret_key: key.secret_key.clone(),
        account: account.clone(),
        policy: policy.clone(),
    };
    operator::ask(settings, &command)?;
    let RootKey { access_key, secret_key } = key;
    output::print(&match matches.get_flag("json") {
        true => output::json(&json!({ "access_key": access_key, "secret_key": secret_key, "account": account, "policy": policy })),
        false => format!("access key  {access_key}\nsecret key  {secret_key}\naccount     {account}\nThe secret is not shown again.\n"),
    });
    Ok(())
}

fn read_policy(file: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|opened| opened.take(POLICY_SIZE_MAX + 1).read_to_string(&mut text));
    let size = read.map_err(|error| CliError::usage(format!("{file}: {error}")))?;
    match u64::try_from(size).is_ok_and(|size| size <= POLICY_SIZE_MAX) {
        true => Ok(text),
        false => Err(CliError::usage(format!("{file}: a policy has up to {POLICY_SIZE_MAX} bytes"))),
    }
}

/// A random key: 20 upper-case letters and digits, and a secret of 40 letters and digits (238 bits).
pub(super) fn random_key(random: &dyn Fn(&mut [u8])) -> RootKey {
    RootKey { access_key: random_text(random, ACCESS_KEY_ALPHABET, 20), secret_key: random_text(random, SECRET_KEY_ALPHABET, 40) }
}

/// Every letter is equally likely: bytes beyond the last whole multiple of the alphabet are thrown away.
fn random_text(random: &dyn Fn(&mut [u8]), alphabet: &[u8], length: usize) -> String {
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        random(&mut bytes);
        let letters = bytes.iter().map(|&byte| usize::from(byte)).filter(|&byte| byte < fair);
        text.extend(letters.take(length - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    text
}

fn status_word(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::Disabled => "disabled",
    }
}

pub(super) fn as_table(keys: &[KeySummary]) -> String {
    let heading = ["ACCESS KEY", "ACCOUNT", "STATUS", "POLICY", "CREATED"].map(str::to_owned).to_vec();
    let rows = keys.iter().map(|key| {
        let policy = if key.policy.is_some() { "yes" } else { "no" };
        vec![
            key.access_key.clone(),
            key.account.0.clone(),
            status_word(key.status).to_owned(),
            policy.to_owned(),
            output::time(key.created),
        ]
    });
    match keys.is_empty() {
        true => "no access keys besides the root key\n".to_owned(),
        false => output::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()),
    }
}

pub(super) fn as_json(keys: &[KeySummary]) -> String {
    let rows = keys.iter().map(|key| {
        json!({
            "access_key": key.access_key,
            "account": key.account.0,
            "status": status_word(key.status),
            "policy": key.policy,
            "created": output::time(key.created),
        })
    });
    output::json(&rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{check_access_key, check_secret_key},
        model::{Account, Timestamp},
    };

    #[test]
    fn random_keys_have_the_form_of_keys_and_differ() {
        let (one, other) = (random_key(&stores::random), random_key(&stores::random));
        assert_ne!(one, other);
        assert_eq!((one.access_key.len(), one.secret_key.len()), (20, 40));
        assert_eq!((check_access_key(&one.access_key), check_secret_key(&one.secret_key)), (Ok(()), Ok(())));
        assert!(one.access_key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    }

    #[test]
    fn random_letters_are_fair() {
        // All byte values once each: every letter comes equally often, and the bytes left over are not used.
        let next = std::cell::Cell::new(0u8);
        let every_byte = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next.get();
                next.set(next.get().wrapping_add(1));
            }
        };
        let text = random_text(&every_byte, ACCESS_KEY_ALPHABET, 252);
        for letter in ACCESS_KEY_ALPHABET {
            assert_eq!(text.bytes().filter(|byte| byte == letter).count(), 7, "{}", char::from(*letter));
        }
    }

    #[test]
    fn keys_are_listed_with_account_and_status() {
        let key = KeySummary {
            access_key: "AKAPP".to_owned(),
            account: Account("app".to_owned()),
            status: KeyStatus::Disabled,
            policy: None,
            created: Timestamp::from_secs(1_700_000_000),
        };
        assert!(as_table(std::slice::from_ref(&key)).lines().nth(1).unwrap().starts_with("AKAPP       app      disabled  no"));
        let value: serde_json::Value = serde_json::from_str(&as_json(&[key])).unwrap();
        assert_eq!(value[0]["status"], "disabled");
    }
}
