//! Whom a callback may reach. Clients choose the URL, so it must not become a way into the network behind the gateway.
//!
//! - The name is resolved here, once, and what is connected to is one of the addresses that passed.
//! - Public addresses pass, private ones only with the operator's leave, and what the operator denies never does.

use super::{Settings, Undelivered};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// How long a name may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Names resolved at once. Each holds a thread for as long as the system's resolver likes.
const RESOLUTIONS_AT_ONCE: usize = 4;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Addresses of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_length: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let length_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_length: u8 = length.map_or(Some(length_max), |length| length.parse().ok()).filter(|&length| length <= length_max)?;
        // An IPv4 network that is written as IPv6 is the IPv4 network, as for addresses.
        Some(match (address.to_canonical(), prefix_length.checked_sub(96)) {
            (canonical @ IpAddr::V4(_), Some(prefix_length)) if address.is_ipv6() => Self { address: canonical, prefix_length },
            _ => Self { address, prefix_length },
        })
    }

    /// Whether an address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let length = u32::from(self.prefix_length);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// IPv4 that is not the public Internet (IANA IPv4 Special-Purpose Address Registry; multicast and reserved besides, and the
/// one address that looks public and is a cloud's own: Azure's 168.63.129.16 answers its virtual machines).
const SPECIAL_V4: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The IPv6 that is handed out to the public Internet; everything else is special.
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// And what within it is not: protocol assignments with Teredo and benchmarking, documentation, 6to4, direct delegation.
const SPECIAL_V6: [(Ipv6Addr, u8); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4F, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3FFF, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public(address: IpAddr) -> bool {
    let within = |(network, prefix_length): (IpAddr, u8)| Network { address: network, prefix_length }.contains(address);
    match address.to_canonical() {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(|&(network, length)| within((network.into(), length))),
        IpAddr::V6(_) => {
            let special = SPECIAL_V6.iter().any(|&(network, length)| within((network.into(), length)));
            within((PUBLIC_V6.0.into(), PUBLIC_V6.1)) && !special
        }
    }
}

/// What a URL says about whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Whether TLS is spoken.
    pub(super) is_https: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as the URL writes them, for the Host header.
    pub(super) authority: String,
    /// As it goes on the request line; never empty.
    pub(super) path_and_query: http::uri::PathAndQuery,
}

impl Target {
    /// Reads a URL; `None` when it is none of HTTP, or names a user.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let without_fragment = url.split('#').next().unwrap_or(url);
        let uri: http::Uri = without_fragment.parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" if is_https => 443,
            "" => 80,
            _ => authority.port_u16()?,
        };
        let path_and_query = match uri.path_and_query() {
            // A URL such as `http://host?query` has a request line with a path all the same.
            Some(whole) if whole.as_str().starts_with('?') => format!("/{}", whole.as_str()).parse().ok()?,
            Some(whole) => whole.clone(),
            None => http::uri::PathAndQuery::from_static("/"),
        };
        Some(Self {
            is_https,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path_and_query,
        })
    }
}

/// Decides where callbacks may go.
pub(super) struct Guard {
    allow: Vec<Network>,
    deny: Vec<Network>,
    resolving: Arc<Semaphore>,
}

impl Guard {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { allow: settings.allow.clone(), deny: settings.deny.clone(), resolving: Arc::new(Semaphore::new(RESOLUTIONS_AT_ONCE)) }
    }

    fn permits(&self, address: IpAddr) -> bool {
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        !is_in(&self.deny) && (is_public(address) || is_in(&self.allow))
    }

    /// The addresses to connect to, in the resolver's order.
    ///
    /// # Errors
    /// [`Undelivered::NoAddress`] when there are none, [`Undelivered::PrivateAddress`] when none may be reached,
    /// [`Undelivered::TooMany`] when other names take too long to be resolved.
    pub(super) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Undelivered> {
        let found = match target.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, target.port)],
            Err(_) => {
                let deadline = Instant::now() + RESOLVE_TIMEOUT;
                let place = Arc::clone(&self.resolving).acquire_owned();
                let Ok(Ok(place)) = timeout_at(deadline, place).await else { return Err(Undelivered::TooMany) };
                timeout_at(deadline, resolve(target, place)).await.unwrap_or_default()
            }
        };
        if found.is_empty() {
            return Err(Undelivered::NoAddress);
        }
        let permitted: Vec<SocketAddr> = found.into_iter().filter(|found| self.permits(found.ip())).take(ADDRESSES_MAX).collect();
        if permitted.is_empty() { Err(Undelivered::PrivateAddress) } else { Ok(permitted) }
    }
}

/// What the system's resolver says; nothing when it fails. The place is held for as long as the thread is, which may be
/// longer than anybody waits for it.
async fn resolve(target: &Target, place: OwnedSemaphorePermit) -> Vec<SocketAddr> {
    let (host, port) = (target.host.clone(), target.port);
    let resolved = tokio::task::spawn_blocking(move || {
        let _place = place;
        (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
    });
    match resolved.await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => {
            tracing::debug!(host = target.host, %error, "a callback's host has no address");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str], deny: &[&str]) -> Guard {
        let networks = |texts: &[&str]| texts.iter().map(|text| Network::parse(text).unwrap()).collect();
        Guard::new(&Settings { allow: networks(allow), deny: networks(deny), ..Settings::default() })
    }

    #[test]
    fn only_public_addresses_are_reached_unless_the_operator_says_otherwise() {
        let guard = guard(&[], &[]);
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:1.1.1.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!guard.permits(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2400:3200::1",
            "2606:4700:4700::1111",
        ] {
            assert!(guard.permits(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn deny_wins_over_allow_and_allow_over_private() {
        let guard = guard(&["10.0.0.0/8", "127.0.0.1", "fd00::/8"], &["10.1.0.0/16", "1.1.1.0/24", "::ffff:10.2.0.0/112"]);
        for (address, permitted) in [
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("10.1.0.1", false),
            ("::ffff:10.1.0.1", false),
            ("10.2.3.4", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12::1", true),
            ("fe80::1", false),
            ("1.1.1.1", false),
            ("1.1.2.1", true),
        ] {
            assert_eq!(guard.permits(address.parse().unwrap()), permitted, "{address}");
        }
    }

    #[test]
    fn networks_are_read_with_and_without_a_length() {
        for (text, inside, outside) in [
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "fe80::1", "1.1.1.1"),
            ("10.0.0.0/31", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.0"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ] {
            let network = Network::parse(text).unwrap();
            assert!(network.contains(inside.parse().unwrap()) && !network.contains(outside.parse().unwrap()), "{text}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "host"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls_are_taken_apart_as_they_will_be_called() {
        let read = |url: &str| {
            Target::parse(url).map(|target| {
                let scheme = if target.is_https { "https" } else { "http" };
                format!("{scheme} {} {} {} {}", target.host, target.port, target.authority, target.path_and_query)
            })
        };
        for (url, expected) in [
            ("http://app/cb?x=1", "http app 80 app /cb?x=1"),
            ("https://app.example.com", "https app.example.com 443 app.example.com /"),
            ("http://app:8080?x=1#top", "http app 8080 app:8080 /?x=1"),
            ("http://10.0.0.1:81/%E5%9B%BE", "http 10.0.0.1 81 10.0.0.1:81 /%E5%9B%BE"),
            ("http://[::1]:82/", "http ::1 82 [::1]:82 /"),
            ("HTTP://App/", "http App 80 App /"),
        ] {
            assert_eq!(read(url).as_deref(), Some(expected), "{url}");
        }
        for bad in [
            "",
            "app/cb",
            "/cb",
            "ftp://app/",
            "http://",
            "http:///cb",
            "http://user@app/",
            "http://app:1@evil/",
            "http://app:99999/",
            "http://app:/",
            "http://a b/",
        ] {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn what_a_name_resolves_to_is_what_is_judged() {
        let found = async |guard: Guard, url: &str| guard.addresses(&Target::parse(url).unwrap()).await;
        for disguised in
            ["http://localhost/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://[::ffff:127.0.0.1]/", "http://0/"]
        {
            assert_eq!(found(guard(&[], &[]), disguised).await, Err(Undelivered::PrivateAddress), "{disguised}");
        }
        assert_eq!(found(guard(&[], &[]), "http://no-such-host.invalid/").await, Err(Undelivered::NoAddress));
        let local = found(guard(&["127.0.0.0/8"], &[]), "http://127.0.0.1:81/").await;
        assert_eq!(local, Ok(vec!["127.0.0.1:81".parse().unwrap()]));
        assert_eq!(found(guard(&["127.0.0.0/8"], &["127.0.0.1"]), "http://127.0.0.1/").await, Err(Undelivered::PrivateAddress));
        assert_eq!(
            found(guard(&[], &[]), "http://1.1.1.1/").await,
            Ok(vec!["1.1.1.1:80".parse().unwrap()]),
            "an address needs no resolver"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_take_long_do_not_make_others_look_unknown() {
        let guard = guard(&[], &[]);
        let slow = Arc::clone(&guard.resolving).acquire_many_owned(RESOLUTIONS_AT_ONCE as u32).await.unwrap();
        let target = Target::parse("http://localhost/").unwrap();
        assert_eq!(guard.addresses(&target).await, Err(Undelivered::TooMany));
        drop(slow);
        assert_eq!(guard.addresses(&target).await, Err(Undelivered::PrivateAddress));
    }
}
