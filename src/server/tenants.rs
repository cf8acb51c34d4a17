//! Whom a request counts for, and its place among the requests in flight.
//!
//! A request that is signed counts for its access key, one of a session for the key that the session was issued to.
//! Until that is known, and when it is not signed, it counts for the address it came from. Those who sign and those who
//! do not have places apart, so that strangers, many as they may be, never take one from somebody with a key.

use super::{
    pipeline::Exchange,
    shares::{Share, Shares},
};
use crate::{
    model::Failure,
    ops::Kept,
    telemetry::{self, Metric},
};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// An address as something is counted for it: one of IPv6 stands for its network of 64 bits, of which a single host has all.
pub(super) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// A request's place among those in flight.
enum Place {
    /// Of one that is signed.
    Signed { _share: Share<String> },
    /// Of one that is not, or not known to be.
    Unsigned { _share: Share<IpAddr> },
}

/// What a request has of what is scarce. It goes with the request, with what it began and runs on without it, and with the
/// bytes of its answer: it is given back when the last of these has ended or has been written.
#[derive(Clone, Default)]
pub(super) struct Held {
    /// Its place among the requests in flight, once it is known whom it counts for.
    place: Option<Arc<Place>>,
    /// Memory for its document or for the one it is answered with.
    pub(super) document: Option<Arc<Share<Option<String>>>>,
}

/// The places of requests in flight, and the memory of those that bring a body.
pub(super) struct Places {
    signed: Arc<Shares<String>>,
    unsigned: Arc<Shares<IpAddr>>,
    /// Strangers have one share together, or there would be more for them the more addresses they have.
    bodies: Arc<Shares<Option<String>>>,
}

/// What room is wanting; the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Places of requests.
    Requests,
    /// Places of requests in HTTP/2, of which a connection may have many.
    Streams,
    /// Memory for bodies.
    Bodies,
    /// Memory for documents.
    Documents,
    /// Memory for documents that are answers.
    Answers,
}

impl Want {
    /// Counts a request that is turned away for it. Returns what the client is told.
    pub(super) fn shed(self) -> Failure {
        let reason = match self {
            Self::Requests => "requests",
            Self::Streams => "streams",
            Self::Bodies => "body-memory",
            Self::Documents => "documents",
            Self::Answers => "answers",
        };
        telemetry::counter(Metric::RequestsShed, &[("reason", reason.into())]).increment(1);
        Failure::SlowDown
    }
}

impl Places {
    /// For so many requests that are signed and as many that are not, and so many bodies.
    pub(super) fn new(request_count_max: usize, body_count_max: usize) -> Self {
        Self {
            signed: Shares::places(request_count_max),
            unsigned: Shares::places(request_count_max),
            bodies: Shares::places(body_count_max),
        }
    }

    /// Takes the place that a request keeps until its answer has been written, now that it is known who signed it, or that
    /// nobody did. It gives back the place it had.
    ///
    /// # Errors
    /// `SlowDown` when it is for others.
    pub(super) fn take(&self, exchange: &mut Exchange<'_>, signer: Option<&str>) -> Result<(), Failure> {
        let place = match signer {
            Some(key) => self.signed.take(key.to_owned(), 1).map(|share| Place::Signed { _share: share }),
            None => self.unsigned.take(site(exchange.peer.ip()), 1).map(|share| Place::Unsigned { _share: share }),
        };
        exchange.completion.held.place = Some(Arc::new(place.ok_or_else(|| Want::Requests.shed())?));
        if let (Some(key), Some(stream)) = (signer, exchange.sent.extensions.get::<StreamPlace>())
            && !stream.pass_to(key)
        {
            return Err(Want::Streams.shed());
        }
        exchange.signer = signer.map(str::to_owned);
        Ok(())
    }

    /// Memory for a body of this request, beside what it has.
    ///
    /// # Errors
    /// `SlowDown` when it is for others.
    pub(super) fn take_body(&self, exchange: &Exchange<'_>) -> Result<Kept, Failure> {
        let share = self.bodies.take(exchange.signer.clone(), 1).ok_or_else(|| Want::Bodies.shed())?;
        Ok(Arc::new((exchange.completion.held.clone(), share)))
    }
}

/// The places of requests in HTTP/2, of which a connection has many at once.
pub(super) struct Streams {
    signed: Arc<Shares<String>>,
    unsigned: Arc<Shares<IpAddr>>,
}

impl Streams {
    /// For so many requests that are signed, and as many that are not or are not known to be.
    pub(super) fn places(count_max: usize) -> Arc<Self> {
        Arc::new(Self { signed: Shares::places(count_max), unsigned: Shares::places(count_max) })
    }
}

/// The place of a request in HTTP/2, which the stream and the request's head have together.
#[derive(Clone)]
pub(super) struct StreamPlace {
    streams: Arc<Streams>,
    /// Held for a moment only, never across a wait.
    place: Arc<Mutex<Place>>,
}

/// Instead of a [`StreamPlace`]: there is none.
#[derive(Clone, Copy)]
pub(super) struct NoStreamPlace;

impl StreamPlace {
    /// A place for a request from this address, whoever may have signed it.
    pub(super) fn take(streams: &Arc<Streams>, peer: IpAddr) -> Option<Self> {
        let share = streams.unsigned.take(site(peer), 1)?;
        Some(Self { streams: Arc::clone(streams), place: Arc::new(Mutex::new(Place::Unsigned { _share: share })) })
    }

    /// Changes it for one among those of who signed; `false`, and nothing changes, when there is none for him.
    fn pass_to(&self, key: &str) -> bool {
        let Some(share) = self.streams.signed.take(key.to_owned(), 1) else { return false };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Place::Signed { _share: share };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_an_address_or_the_network_that_one_host_has() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ] {
            assert_eq!(site(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn requests_of_one_address_count_for_their_keys_once_these_are_known() {
        let streams = Streams::places(128);
        let peer = IpAddr::from([192, 0, 2, 7]);
        let mut greedy = Vec::new();
        let refused = loop {
            let stream = StreamPlace::take(&streams, peer).expect("the address has none itself");
            if !stream.pass_to("greedy") {
                break stream;
            }
            greedy.push(stream);
        };
        assert_eq!(greedy.len(), 126);
        drop(refused);
        let modest = StreamPlace::take(&streams, peer).expect("the address has none itself");
        assert!(modest.pass_to("modest"));
    }

    #[test]
    fn strangers_take_no_place_from_who_has_a_key_in_http_2_either() {
        let streams = Streams::places(128);
        let signed: Vec<_> = std::iter::from_fn(|| {
            let stream = StreamPlace::take(&streams, IpAddr::from([192, 0, 2, 7]))?;
            stream.pass_to("key").then_some(stream)
        })
        .take(100)
        .collect();
        let strangers: Vec<_> = std::iter::from_fn(|| StreamPlace::take(&streams, IpAddr::from([192, 0, 2, 66]))).collect();
        assert_eq!((signed.len(), strangers.len()), (100, 126));
        let another = StreamPlace::take(&streams, IpAddr::from([192, 0, 2, 7])).expect("it is not the strangers' address");
        assert!(another.pass_to("key"));
    }
}
