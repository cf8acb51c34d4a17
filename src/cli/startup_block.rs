//! What `partway serve` prints when it is up: made to be read and pasted.

use crate::{
    config::{Durability, RootKey, Settings},
    datadir::DataDir,
    secrets::KeyId,
};
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Where the root key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootKeyOrigin {
    /// This start made it: shown now, never again.
    Made,
    /// An earlier start made it.
    File,
    /// The settings.
    Settings,
}

/// The start-up block. The last line is for programs that wait for the server.
pub(super) fn text(
    settings: &Settings,
    data: &DataDir,
    sealed_with: Option<KeyId>,
    root_key: &RootKey,
    origin: RootKeyOrigin,
    listening: SocketAddr,
    metrics: Option<SocketAddr>,
) -> String {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let endpoint = format!("{scheme}://{}", connectable(listening));
    let key_file = data.root_key_file();
    let key_file = shell_quoted(&key_file.display().to_string());
    let mut block = format!("partway {}\n\n", env!("CARGO_PKG_VERSION"));
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(block, "  {label:<12}{value}");
    };
    line("endpoint", &format!("{endpoint} (region {})", settings.region));
    if let Some(tls) = &settings.tls {
        line("certificate", &format!("{} (taken up anew when it changes)", tls.certificate.display()));
    }
    line("access key", &root_key.access_key);
    match origin {
        RootKeyOrigin::Made => line("secret key", &format!("{} (shown this once; kept in {key_file})", root_key.secret_key)),
        RootKeyOrigin::File => line("secret key", &format!("in {key_file}")),
        RootKeyOrigin::Settings => line("secret key", "from the settings"),
    }
    match sealed_with {
        Some(id) => line("secrets", &format!("sealed with key {id}")),
        None => line("secrets", "in clear in the data directory; secrets-key-file seals them"),
    }
    line("data", &data.path().display().to_string());
    line("durability", durability(settings.durability));
    if let Some(metrics) = metrics {
        line("metrics", &format!("http://{}/metrics", connectable(metrics)));
    }
    block.push_str("\n  To try it, paste:\n\n");
    match origin {
        RootKeyOrigin::Made | RootKeyOrigin::File if sealed_with.is_some() => {
            let file = settings.secrets_key_files.first().map(|file| shell_quoted(&file.display().to_string())).unwrap_or_default();
            let data = shell_quoted(&data.path().display().to_string());
            let _ = writeln!(block, "    eval \"$(partway keys root --data {data} --secrets-key-file {file})\"");
        }
        RootKeyOrigin::Made | RootKeyOrigin::File => {
            let _ = writeln!(block, "    . {key_file}");
        }
        RootKeyOrigin::Settings => {
            let _ =
                writeln!(block, "    export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=\"$PARTWAY_ROOT_SECRET_KEY\"", root_key.access_key);
        }
    }
    let aws = format!("aws --endpoint-url {endpoint} --region {}", settings.region);
    let _ = writeln!(block, "    {aws} s3 mb s3://my-bucket");
    let _ = writeln!(block, "    {aws} s3 cp /etc/hostname s3://my-bucket/");
    block.push('\n');
    if let Some(metrics) = metrics {
        let _ = writeln!(block, "metrics on http://{metrics}");
    }
    let _ = writeln!(block, "listening on {scheme}://{listening}");
    block
}

fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "full: a success means that the bytes are synced to disk",
        Durability::None => "NONE: nothing is synced, a power cut loses what was acknowledged",
    }
}

/// An address that clients on this machine can connect to: nobody can connect to "all interfaces".
fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The text as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Values};

    fn block(origin: RootKeyOrigin, listening: &str, durability: &str) -> (String, tempfile::TempDir) {
        block_with(origin, listening, &[("durability", durability)])
    }

    fn block_with(origin: RootKeyOrigin, listening: &str, flags: &[(&'static str, &str)]) -> (String, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let flags: Flags = flags.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect();
        let settings = Settings::new(&Values::load(&flags, []).unwrap()).unwrap();
        let data = DataDir::open_or_create(&place.path().join("my data")).unwrap();
        let key = RootKey { access_key: "AKROOT".to_owned(), secret_key: "root-secret".to_owned() };
        (text(&settings, &data, None, &key, origin, listening.parse().unwrap(), None), place)
    }

    #[test]
    fn the_block_shows_endpoint_key_place_durability_and_a_first_copy() {
        let (text, place) = block(RootKeyOrigin::Made, "127.0.0.1:41234", "full");
        let data = place.path().canonicalize().unwrap().join("my data");
        for part in [
            "http://127.0.0.1:41234",
            "AKROOT",
            "root-secret",
            data.to_str().unwrap(),
            "durability  full",
            "aws --endpoint-url http://127.0.0.1:41234 --region us-east-1 s3 cp ",
            &format!(". '{}/root-key'", data.display()),
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(text.ends_with("\nlistening on http://127.0.0.1:41234\n"));
    }

    #[test]
    fn the_secret_is_shown_on_the_first_start_only() {
        for origin in [RootKeyOrigin::File, RootKeyOrigin::Settings] {
            assert!(!block(origin, "127.0.0.1:1", "full").0.contains("root-secret"), "{origin:?}");
        }
    }

    #[test]
    fn with_a_certificate_the_endpoint_is_https() {
        let (text, _place) = block_with(RootKeyOrigin::File, "127.0.0.1:1", &[("tls-certificate", "/c.pem"), ("tls-key", "/k.pem")]);
        assert!(text.contains("certificate /c.pem") && text.contains("--endpoint-url https://127.0.0.1:1"), "{text}");
        assert!(text.ends_with("listening on https://127.0.0.1:1\n") && !text.contains("http://") && !text.contains("k.pem"), "{text}");
    }

    #[test]
    fn an_address_nobody_can_connect_to_is_not_suggested() {
        let (text, _place) = block(RootKeyOrigin::File, "0.0.0.0:9000", "none");
        assert!(text.contains("--endpoint-url http://127.0.0.1:9000") && text.ends_with("listening on http://0.0.0.0:9000\n"));
        assert!(text.contains("durability  NONE"));
    }
}
