//! What a setting can be, how it is written, and how it is printed again.
//!
//! A printed value reads back as the same value. Sizes and durations carry their unit: `30` alone
//! is refused as a duration, because nobody remembers whether it was seconds.

use crate::model::Bucket;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// The type of a setting, with the bounds that hold for it alone.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An IP address and port; port 0 lets the system choose.
    Address,
    /// As `Address`, or `off`.
    AddressOrOff,
    /// A path; relative ones are relative to the working directory.
    Path,
    /// Letters, digits and `-`.
    Name,
    /// Any visible ASCII text, also none.
    Text,
    /// Several; repeat the flag, separate with commas, or write an array.
    List(Item),
    /// Bytes.
    Size {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A span of time, to the millisecond.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A whole number.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An access key id.
    AccessKey,
    /// A secret, never printed.
    Secret,
}

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Host names.
    Host,
    /// `host=bucket`.
    Cname,
    /// Addresses and networks: `10.0.0.1`, `10.0.0.0/8`.
    Network,
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not set, or off.
    Unset,
    /// An address.
    Address(SocketAddr),
    /// A path.
    Path(PathBuf),
    /// A word, a name or a secret.
    Text(String),
    /// Several.
    List(Vec<String>),
    /// Bytes.
    Size(u64),
    /// A span of time.
    Duration(Duration),
    /// A number.
    Count(u64),
}

impl Kind {
    /// How help and documentation name the type.
    #[must_use]
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Address => "ADDR",
            Self::AddressOrOff => "ADDR|off",
            Self::Path => "PATH",
            Self::Name | Self::List(Item::Host) => "NAME",
            Self::List(Item::Cname) => "HOST=BUCKET",
            Self::List(Item::Network) => "CIDR",
            Self::Size { .. } => "SIZE",
            Self::Duration { .. } => "DURATION",
            Self::Count { .. } => "COUNT",
            Self::Choice(_) => "WORD",
            Self::Text => "TEXT",
            Self::AccessKey => "KEY",
            Self::Secret => "SECRET",
        }
    }

    /// What may be written, for documentation.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Address => "address:port".to_owned(),
            Self::AddressOrOff => "address:port or `off`".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Name => "name".to_owned(),
            Self::Text => "text".to_owned(),
            Self::List(Item::Host) => "host names".to_owned(),
            Self::List(Item::Cname) => "`host=bucket` pairs".to_owned(),
            Self::List(Item::Network) => "addresses and networks".to_owned(),
            Self::Size { min, max } => format!("size, {} to {}", size_text(*min), size_text(*max)),
            Self::Duration { min, max } => format!("duration, {} to {}", duration_text(*min), duration_text(*max)),
            Self::Count { min, max } => format!("count, {min} to {max}"),
            Self::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::AccessKey => "3 to 128 letters, digits, `.`, `_` or `-`".to_owned(),
            Self::Secret => "8 to 128 visible ASCII characters".to_owned(),
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow "KEY: ".
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Address => address(text).map(Value::Address),
            Self::AddressOrOff if text == "off" => Ok(Value::Unset),
            Self::AddressOrOff => address(text).map(Value::Address).map_err(|why| format!("{why}; or `off`")),
            Self::Path if text.is_empty() || text.contains('\0') => Err("a path is expected".to_owned()),
            Self::Path => Ok(Value::Path(text.into())),
            Self::Name => name(text).map(Value::Text),
            Self::Text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Value::Text(text.to_owned())),
            Self::Text => Err("only visible ASCII characters are allowed".to_owned()),
            Self::List(item) => {
                let items = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                items.map(|text| item.parse(text)).collect::<Result<_, _>>().map(Value::List)
            }
            Self::Size { min, max } => {
                let size = parse_size(text)?;
                within(size, *min, *max, size_text).map(Value::Size)
            }
            Self::Duration { min, max } => {
                let duration = parse_duration(text)?;
                within(duration, *min, *max, duration_text).map(Value::Duration)
            }
            Self::Count { min, max } => {
                let count = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
                within(count, *min, *max, |count| count.to_string()).map(Value::Count)
            }
            Self::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Choice(words) => Err(format!("`{text}` is none of {}", words.join(", "))),
            Self::AccessKey => check_access_key(text).map(|()| Value::Text(text.to_owned())),
            Self::Secret => check_secret_key(text).map(|()| Value::Text(text.to_owned())),
        }
    }
}

impl Item {
    fn parse(self, text: &str) -> Result<String, String> {
        match self {
            Self::Host => host(text),
            Self::Cname => {
                let (name, bucket) = text.split_once('=').ok_or_else(|| format!("`{text}` is not `host=bucket`"))?;
                let bucket = Bucket::new(bucket).ok_or_else(|| format!("`{bucket}` is no bucket name"))?;
                Ok(format!("{}={bucket}", host(name)?))
            }
            Self::Network => network(text),
        }
    }
}

/// An address, or a network in CIDR notation.
fn network(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is neither an address nor a network such as 10.0.0.0/8");
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let length_max = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(length_max), str::parse).ok().filter(|&length: &u8| length <= length_max).ok_or_else(wrong)?;
    Ok(format!("{address}/{length}"))
}

impl Value {
    /// The value as it would be written in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match self {
            Self::List(items) => format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")),
            Self::Count(count) => count.to_string(),
            Self::Unset | Self::Address(_) | Self::Path(_) | Self::Text(_) | Self::Size(_) | Self::Duration(_) => quoted(&self.to_text()),
        }
    }

    /// The value as it would be written on the command line.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Unset => "off".to_owned(),
            Self::Address(address) => address.to_string(),
            Self::Path(path) => path.display().to_string(),
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(","),
            Self::Size(size) => size_text(*size),
            Self::Duration(duration) => duration_text(*duration),
            Self::Count(count) => count.to_string(),
        }
    }
}

/// Checks an access key id: what fits between the slashes of a credential scope and the colons of SigV2.
///
/// # Errors
/// What is wrong with it.
pub fn check_access_key(text: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (3..=128).contains(&text.len()) && text.bytes().all(legal) {
        true => Ok(()),
        false => Err("an access key has 3 to 128 letters, digits, `.`, `_` or `-`".to_owned()),
    }
}

/// Checks a secret key. The message never repeats it.
///
/// # Errors
/// What is wrong with it.
pub fn check_secret_key(text: &str) -> Result<(), String> {
    match (8..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err("a secret key has 8 to 128 visible ASCII characters".to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| format!("`{text}` is not an IP address and port such as 127.0.0.1:9000 or [::]:9000"))
}

fn name(text: &str) -> Result<String, String> {
    let legal = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    legal.then(|| text.to_owned()).ok_or_else(|| format!("`{text}` is not 1 to 64 letters, digits and `-`"))
}

fn host(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let legal = host.len() <= 253 && host.split('.').all(label) && host.parse::<std::net::Ipv4Addr>().is_err();
    legal.then_some(host).ok_or_else(|| format!("`{text}` is not a host name"))
}

fn within<T: PartialOrd + Copy>(value: T, min: T, max: T, show: impl Fn(T) -> String) -> Result<T, String> {
    match value < min || value > max {
        true => Err(format!("{} is not between {} and {}", show(value), show(min), show(max))),
        false => Ok(value),
    }
}

/// Units, the largest first. Sizes in powers of 1000 can be read but are printed in powers of 1024.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

const DURATION_UNITS_MS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a size: a whole number, which are bytes, or with a unit such as `KiB`, `MiB`, `GB`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size such as 65536, 64KiB or 5MiB");
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    if unit.is_empty() {
        return Ok(number);
    }
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
    number.checked_mul(*factor).ok_or_else(wrong)
}

/// Reads a duration: a whole number with one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration with a unit, such as 500ms, 30s, 5m, 2h or 7d");
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let (_, factor) = DURATION_UNITS_MS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    number.checked_mul(*factor).map(Duration::from_millis).ok_or_else(wrong)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A size in the largest unit that divides it.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let exact = SIZE_UNITS[..4].iter().find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// A duration in the largest unit that divides it; what is below a millisecond is dropped.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = DURATION_UNITS_MS.iter().find(|(_, factor)| millis != 0 && millis.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_units_and_print_in_the_largest_exact_one() {
        for (text, bytes, printed) in [
            ("0", 0, "0B"),
            ("1", 1, "1B"),
            ("65536", 65_536, "64KiB"),
            ("64KiB", 65_536, "64KiB"),
            ("5 mib", 5 << 20, "5MiB"),
            ("1GB", 1_000_000_000, "976562500B"),
            ("3TiB", 3 << 40, "3TiB"),
        ] {
            let read = parse_size(text);
            assert_eq!(read, Ok(bytes), "{text}");
            let shown = size_text(bytes);
            assert!(shown == printed || text == "1GB", "{text} printed as {shown}");
            assert_eq!(parse_size(&shown), Ok(bytes), "{shown} reads back");
        }
        for bad in ["", "MiB", "-1", "1.5MiB", "5 apples", "99999999999999999999", "18446744073709551615KiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_need_a_unit_and_print_in_the_largest_exact_one() {
        for (text, millis, printed) in
            [("500ms", 500, "500ms"), ("30s", 30_000, "30s"), ("90s", 90_000, "90s"), ("60m", 3_600_000, "1h"), ("7d", 604_800_000, "7d")]
        {
            let read = parse_duration(text).unwrap();
            assert_eq!(read, Duration::from_millis(millis), "{text}");
            assert_eq!(duration_text(read), printed);
            assert_eq!(parse_duration(printed), Ok(read), "{printed} reads back");
        }
        for bad in ["", "30", "s", "1.5s", "-1s", "1w", "18446744073709551615d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_lower_cased_names_and_not_addresses() {
        assert_eq!(Kind::List(Item::Host).parse("S3.Example.com, b.test"), Ok(Value::List(vec!["s3.example.com".into(), "b.test".into()])));
        assert_eq!(Kind::List(Item::Host).parse(""), Ok(Value::List(vec![])));
        for bad in ["127.0.0.1", "a..b", "-a.b", "a b", "a/b", "http://a"] {
            assert!(Kind::List(Item::Host).parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cnames_and_networks_are_normalised() {
        let cnames = Kind::List(Item::Cname).parse("Files.example.com=photos,a.test=b-1");
        assert_eq!(cnames, Ok(Value::List(vec!["files.example.com=photos".into(), "a.test=b-1".into()])));
        for bad in ["files.example.com", "=b", "a.test=", "a.test=UPPER"] {
            assert!(Kind::List(Item::Cname).parse(bad).is_err(), "{bad}");
        }
        let networks = Kind::List(Item::Network).parse("127.0.0.0/8,10.1.2.3,fd00::/8");
        assert_eq!(networks, Ok(Value::List(vec!["127.0.0.0/8".into(), "10.1.2.3/32".into(), "fd00::/8".into()])));
        for bad in ["localhost", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0"] {
            assert!(Kind::List(Item::Network).parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_numeric_or_localhost() {
        assert_eq!(Kind::Address.parse("localhost:0"), Ok(Value::Address("127.0.0.1:0".parse().unwrap())));
        assert_eq!(Kind::AddressOrOff.parse("off"), Ok(Value::Unset));
        assert!(Kind::AddressOrOff.parse("[::1]:80").is_ok());
        for bad in ["9000", ":9000", "example.com:80", "127.0.0.1", "off"] {
            assert!(Kind::Address.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_secret_is_not_repeated_in_the_message() {
        let why = Kind::Secret.parse("short").unwrap_err();
        assert!(!why.contains("`short`"), "{why}");
        assert!(Kind::Secret.parse("with space").is_err());
    }
}
