//! The way of a request, from its head to the answer's last byte.

use super::{
    ServerSettings,
    admit::Permit,
    body::{Frames, RequestBody, Slot},
    completion::Completion,
    connection::Handler,
    counted::{Counted, none_left},
    document::Documents,
    health::Readiness,
    ids,
    reply::ReplyBody,
    sts::{Sts, is_sts},
    tenants::{NoStreamPlace, Places, Want},
    throttle::{Throttled, throttled},
};
use crate::{
    auth::{Payload, policy::copy_source},
    dialect::{
        BodyKind, Decoded, Dialect, ReplyContext, Wire,
        address::{self, Address, Hosts},
        detect::{self, Spoken},
        error::{ErrorCode, ErrorReply, Rejection},
        oss::Oss,
        s3::S3,
    },
    events::Outbox,
    model::{CorsConfiguration, Failure, Operation, Origin, Outcome, Selected, Timestamp},
    ops::{self, Gateway, Kept, Reply, Request},
    telemetry::{self, Metric},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// What answers requests.
pub(super) struct Server {
    pub(super) settings: ServerSettings,
    pub(super) gateway: Arc<Gateway>,
    outbox: Arc<Outbox>,
    pub(super) documents: Documents,
    pub(super) places: Places,
    pub(super) sts: Sts,
    hosts: Hosts,
    s3: Arc<dyn Dialect>,
    oss: Arc<dyn Dialect>,
    draining: AtomicBool,
    in_flight: watch::Sender<usize>,
}

/// A request on its way.
pub(super) struct Exchange<'a> {
    /// A form may change it.
    pub(super) dialect: Arc<dyn Dialect>,
    /// The head, with the headers that a presigned URL stands for.
    pub(super) parts: &'a Parts,
    /// The head as it was sent, which is what was signed.
    pub(super) sent: &'a Parts,
    pub(super) peer: SocketAddr,
    pub(super) now: Timestamp,
    pub(super) body: &'a Slot<Incoming>,
    pub(super) context: ReplyContext<'a>,
    /// The request's id in the dialect of its form, once that turned out to be another one.
    form_request_id: &'a OnceLock<String>,
    /// Where it is addressed, once that is known.
    pub(super) address: Option<Address>,
    /// The fields of a form, once they were read.
    pub(super) fields: Option<Vec<(String, String)>>,
    /// Its bucket's rules for cross-origin requests, once they were looked up.
    pub(super) rules: OnceLock<Option<CorsConfiguration>>,
    /// The access key that it counts for, once its signature has been verified.
    pub(super) signer: Option<String>,
    pub(super) completion: &'a mut Completion,
}

impl<'a> Exchange<'a> {
    /// Goes on in the dialect that a form's fields speak, under an id as that dialect writes it.
    pub(super) fn continue_in(&mut self, dialect: Arc<dyn Dialect>) {
        if dialect.name() != self.dialect.name() {
            let slot: &'a OnceLock<String> = self.form_request_id;
            self.context.request_id = slot.get_or_init(|| dialect.request_id(ids::random()));
            self.context.request_id.clone_into(&mut self.completion.request_id);
        }
        self.dialect = dialect;
    }

    /// Where the request came from, for those who are told of it.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            request_id: self.context.request_id.to_owned(),
            client_ip: self.peer.ip().to_string(),
            authority: self.context.authority.to_owned(),
        }
    }
}

/// An answer's head or document, and the object's bytes that follow it.
pub(super) type Answer = (Response<Bytes>, Option<(ops::ContentStream, u64)>);

impl Server {
    /// A server that is not draining.
    pub(super) fn new(settings: ServerSettings, gateway: Arc<Gateway>, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self {
            hosts: Hosts { domains: settings.domains.clone(), cnames: settings.cnames.clone() },
            s3: Arc::new(S3 { limits: settings.s3_limits }),
            oss: Arc::new(Oss { limits: settings.oss_limits }),
            sts: Sts::new(&settings.root_key),
            places: Places::new(settings.request_count_max, gateway.body_count_max()),
            settings,
            gateway,
            outbox,
            documents: Documents::default(),
            draining: AtomicBool::new(false),
            in_flight: watch::Sender::new(0),
        })
    }

    /// This server as connections call it.
    pub(super) fn handler(self: &Arc<Self>) -> Handler {
        let server = Arc::clone(self);
        Arc::new(move |request, peer| Arc::clone(&server).handle(request, peer).boxed())
    }

    /// The dialect of a request that gave itself away as this one, or as none.
    pub(super) fn dialect(&self, spoken: Option<Spoken>) -> Arc<dyn Dialect> {
        let default = if self.settings.oss_is_default { Spoken::Oss } else { Spoken::S3 };
        Arc::clone(match spoken.unwrap_or(default) {
            Spoken::S3 => &self.s3,
            Spoken::Oss => &self.oss,
        })
    }

    /// From now on requests are told to come back later.
    pub(super) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
        telemetry::gauge(Metric::Draining).set(1);
    }

    /// Waits until no request is in flight, those that are only turned away not counted.
    pub(super) async fn idle(&self) {
        none_left(&self.in_flight).await;
    }

    /// Whether requests are served now. Refreshes the gauges that say so.
    pub(super) fn readiness(&self) -> Readiness {
        let (draining, read_only) = (self.draining.load(Ordering::Acquire), self.gateway.is_read_only());
        telemetry::gauge(Metric::Draining).set(f64::from(u8::from(draining)));
        telemetry::gauge(Metric::ReadOnly).set(f64::from(u8::from(read_only)));
        match (draining, read_only) {
            (true, _) => Readiness::NotReady("draining: the server is shutting down"),
            (false, true) => Readiness::NotReady("read-only: a write failed to reach the disk"),
            (false, false) if self.gateway.is_full() => Readiness::Partly("the disk is full: new bytes are refused"),
            (false, false) => Readiness::Ready,
        }
    }

    async fn handle(self: Arc<Self>, request: http::Request<Incoming>, peer: SocketAddr) -> Response<ReplyBody> {
        let (parts, incoming) = request.into_parts();
        let dialect = self.dialect(detect::spoken(&parts));
        let draining = self.draining.load(Ordering::Acquire);
        let has_no_room = parts.extensions.get::<NoStreamPlace>().is_some();
        let in_flight = (!draining).then(|| Counted::new(&self.in_flight, Metric::RequestsInFlight));
        let mut completion = Box::new(Completion::new(dialect.request_id(ids::random()), peer, parts.method.clone(), in_flight));
        let body =
            Slot::new(Frames::new(incoming, self.settings.body_timeout, completion.bytes_in()).telling(parts.extensions.get().cloned()));

        let request_id = completion.request_id.clone();
        let now = self.gateway.now();
        let context = ReplyContext {
            request_id: &request_id,
            host_id: ids::host_id(),
            authority: address::authority(&parts),
            region: &self.settings.region,
            now,
        };
        let form_request_id = OnceLock::new();
        let with_headers = dialect.presigned_headers(&parts);
        let mut exchange = Exchange {
            dialect,
            parts: with_headers.as_ref().ok().and_then(Option::as_ref).unwrap_or(&parts),
            sent: &parts,
            peer,
            now,
            body: &body,
            context,
            form_request_id: &form_request_id,
            address: None,
            fields: None,
            rules: OnceLock::new(),
            signer: None,
            completion: &mut completion,
        };
        let answered = match &with_headers {
            _ if draining => Err(Failure::Unavailable.into()),
            _ if has_no_room => Err(Want::Streams.shed().into()),
            Err(error) => Err(error.clone().into()),
            Ok(_) => self.answer_or_catch(&mut exchange).await,
        };
        let answered = answered.and_then(|answer| self.documents.keep_answer(&mut exchange, answer));
        let (mut head, content) = answered.unwrap_or_else(|rejection| {
            let head = exchange.dialect.encode_error(&rejection, &parts, exchange.address.as_ref(), &exchange.context);
            (head, None)
        });
        self.add_cors(&exchange, &mut head).await;
        exchange.dialect.add_server_time(head.headers_mut(), exchange.completion.elapsed_ms());

        completion.status = Some(head.status());
        completion.error = head.extensions().get::<ErrorCode>().map(|code| code.0);
        let can_go_on = match body.take() {
            // Who has no room gets none for the rest of its body either.
            Some(rest) if !has_no_room => rest.discard_rest(expects_continue(&parts)).await,
            Some(_) | None => false,
        };
        let is_http2 = parts.version == http::Version::HTTP_2;
        if is_http2 {
            // What is left of a body ends with its stream and does not stand before the next request.
            head.headers_mut().remove(header::CONNECTION);
        }
        if draining || (!can_go_on && !is_http2) {
            head.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        head.map(|document| match content {
            Some((stream, size)) => ReplyBody::stream(stream, size),
            None => ReplyBody::full(document),
        })
        .map(|body| body.completing(completion))
    }

    /// A handler that panics costs its request and nothing else.
    async fn answer_or_catch(&self, exchange: &mut Exchange<'_>) -> Result<Answer, Rejection> {
        let request_id = exchange.context.request_id;
        AssertUnwindSafe(self.answer(exchange)).catch_unwind().await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            tracing::error!(request_id, panic = text.unwrap_or("not a text"), "a request handler panicked");
            telemetry::counter(Metric::Panics, &[]).increment(1);
            Err(Failure::Internal.into())
        })
    }

    async fn answer(&self, exchange: &mut Exchange<'_>) -> Result<Answer, Rejection> {
        let parts = exchange.parts;
        check_host(parts)?;
        if let Some(key) = self.callback_key(parts) {
            return Ok((key, None));
        }
        let readings = exchange.dialect.addresses(parts, &self.hosts)?;
        let address = self.reading(exchange, readings).await?;
        if is_sts(parts, &address) {
            return self.answer_sts(exchange).await;
        }
        exchange.completion.bucket.clone_from(&address.bucket);
        exchange.completion.key.clone_from(&address.key);
        exchange.address = Some(address.clone());
        check_expectation(parts)?;
        if parts.method == Method::OPTIONS {
            return Ok((self.preflight(exchange, &address).await?, None));
        }
        let route = exchange.dialect.route(parts, &address)?;
        let kind = route.body();
        if kind == BodyKind::Form {
            return self.answer_form(exchange, &*route).await;
        }
        let sender = self.authenticate(exchange, &address).await?;
        let document = match kind {
            BodyKind::Document { size_max } => {
                let claims = route.document_claims(parts)?;
                self.documents.read(exchange, claims, &sender.payload, size_max).await?
            }
            BodyKind::None | BodyKind::Stream | BodyKind::Form => Bytes::new(),
        };
        let owners = route.expected_bucket_owners().to_vec();
        let decoded = route.decode(parts, &document, &sender.caller, exchange.now)?;
        drop(document);
        let Decoded { mut operation, wire, traffic_limit } = decoded;
        exchange.completion.operation = Some(operation.name());
        let Permit { denied, admitted } = self.authorise(exchange, &sender, &mut operation, &owners).await?;
        let body = match kind {
            BodyKind::Stream => Some(limited(stream_body(exchange.body, &sender.payload, &mut operation)?, traffic_limit)),
            BodyKind::None | BodyKind::Document { .. } | BodyKind::Form => None,
        };
        let name = operation.name();
        let (limits, origin) = (*exchange.dialect.limits(), exchange.origin());
        let request = Request { caller: sender.caller, limits, operation, name, origin, admitted };
        self.check_callback(&request).await?;
        let kept: Kept = match body.is_some() || copy_source(&request.operation).is_some() {
            true => self.places.take_body(exchange)?,
            false => Arc::new(exchange.completion.held.clone()),
        };
        let mut reply = ops::keeping(kept, self.gateway.execute(request, body)).await?;
        if !matches!(reply.outcome, Outcome::DeleteObjects(_)) {
            // An application may now be told, which may take long. An answer that is as long as its request keeps the room.
            exchange.completion.held.document = None;
        }
        if let Outcome::DeleteObjects(results) = &mut reply.outcome {
            results.extend(denied.into_iter().map(|key| (key, Err(Failure::AccessDenied))));
        }
        if let Some(limit) = traffic_limit {
            reply.content = reply.content.map(|content| throttled(content, limit));
        }
        Ok(self.encode(&*wire, reply, &exchange.context).await)
    }

    /// The answer to an operation that succeeded, once an application that wants to know of it was told.
    pub(super) async fn encode(&self, wire: &dyn Wire, reply: Reply, context: &ReplyContext<'_>) -> Answer {
        match reply.outcome.event() {
            Some(event) => {
                let told = self.outbox.deliver_now(event).await;
                (wire.encode_called_back(&reply.outcome, &told, context), None)
            }
            None => encode(wire, reply, context),
        }
    }

    /// Refuses an upload whose callback cannot be made, before its body is asked for.
    pub(super) async fn check_callback(&self, request: &Request) -> Result<(), Failure> {
        match request.operation.callback() {
            Some(callback) => self.outbox.check(callback).await.map_err(Failure::CallbackRefused),
            None => Ok(()),
        }
    }

    /// The public key that applications verify callbacks with. Everybody may have it.
    fn callback_key(&self, parts: &Parts) -> Option<Response<Bytes>> {
        let (path, pem) = self.outbox.public_key();
        let is_asked = parts.uri.path() == path && matches!(parts.method, Method::GET | Method::HEAD);
        is_asked.then(|| {
            let mut response = Response::new(Bytes::copy_from_slice(pem.as_bytes()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
            response
        })
    }
}

/// A body that comes no faster than its sender wants it to.
pub(super) fn limited(body: Box<dyn ops::Body>, traffic_limit: Option<u64>) -> Box<dyn ops::Body> {
    match traffic_limit {
        Some(limit) => Box::new(Throttled::new(body, limit)),
        None => body,
    }
}

/// The answer to an operation of which nobody is told.
fn encode(wire: &dyn Wire, reply: Reply, context: &ReplyContext<'_>) -> Answer {
    let head = wire.encode(&reply.outcome, context);
    let content = match (reply.outcome, reply.content) {
        (Outcome::GetObject(read), Some(stream)) => {
            let size = match read.selected {
                Selected::Whole => read.size,
                Selected::Range(range) | Selected::Part { range, .. } => range.size(),
            };
            Some((stream, size))
        }
        _ => None,
    };
    (head, content)
}

/// The body for an operation that takes one, which is told here what the signature says about it.
fn stream_body(slot: &Slot<Incoming>, payload: &Payload, operation: &mut Operation) -> Result<Box<dyn ops::Body>, Rejection> {
    let claims = operation.claims_mut().ok_or(Failure::Internal)?;
    if let Payload::Sha256(sha256) = payload {
        claims.sha256 = Some(*sha256);
    }
    let decoded_size = match (payload, claims.size) {
        (_, Some(size)) => size,
        (Payload::Unsigned | Payload::Sha256(_), None) => 0,
        (Payload::Chunked(_), None) => return Err(Failure::IncompleteBody.into()),
    };
    let frames = slot.lend().ok_or(Failure::Internal)?;
    Ok(Box::new(RequestBody::new(frames, payload, decoded_size, claims.trailer)))
}

/// Whether the client waits for `100 Continue` before it sends its body.
fn expects_continue(parts: &Parts) -> bool {
    parts.version > http::Version::HTTP_10 && parts.headers.contains_key(header::EXPECT)
}

/// 400 unless there is one Host (RFC 9112 §3.2): with two, a proxy before us and we could mean different buckets. For the
/// same reason the one must be what the request line names, if that names any: signatures cover the header, and the bucket
/// is found in the line. In HTTP/2 `:authority` is that line (RFC 9113 §8.3.1).
fn check_host(parts: &Parts) -> Result<(), Rejection> {
    match parts.headers.get_all(header::HOST).iter().count() {
        0 if parts.version > http::Version::HTTP_10 => {
            Err(ErrorReply::invalid_request("Missing required header for this request: Host").into())
        }
        0 | 1 if is_host_of_line(parts) => Ok(()),
        0 | 1 => Err(ErrorReply::invalid_request("The Host header must name the host of the request line.").into()),
        _ => Err(ErrorReply::invalid_request("Expecting a single Host header.").into()),
    }
}

/// A CONNECT names whom it wants to reach, which is never a bucket.
fn is_host_of_line(parts: &Parts) -> bool {
    if parts.method == Method::CONNECT {
        return true;
    }
    match (parts.uri.authority(), parts.headers.get(header::HOST)) {
        (Some(authority), Some(host)) => authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes().trim_ascii()),
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

/// 417 for an expectation that is none we know (RFC 9110 §10.1.1).
fn check_expectation(parts: &Parts) -> Result<(), Rejection> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if expects_continue(parts) && !parts.headers.get_all(header::EXPECT).iter().all(known) {
        let message = "The expectation given in the Expect header is not supported.";
        return Err(ErrorReply::new(StatusCode::EXPECTATION_FAILED, "ExpectationFailed", message).into());
    }
    Ok(())
}
