//! One attempt to tell an application: its URLs in order, until one answers 200 (OSS "Callback", callbackUrl).

use super::{
    Settings, Undelivered, answer,
    connect::Tls,
    render,
    sign::{PUBLIC_KEY_PATH, Signer},
    target::{Guard, Target},
};
use crate::{
    digest,
    meta::record::EventRecord,
    model::{Callback, CallbackBodyType, CallbackReply, EventId, Timestamp},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tokio::{task::JoinSet, time::timeout};

/// URLs tried in one attempt (OSS "Callback": up to five).
pub(super) const URLS_MAX: usize = 5;

/// How long an application may take to answer, once it is connected to (OSS "Callback").
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory for the head of an answer. Bytes.
const HEAD_SIZE_MAX: usize = 64 << 10;

/// Tells an application of an event, once.
#[async_trait]
pub(super) trait Deliver: Send + Sync {
    /// Makes one attempt.
    ///
    /// # Errors
    /// Why the last URL did not do.
    async fn deliver(&self, id: EventId, event: &EventRecord, now: Timestamp) -> Result<CallbackReply, Undelivered>;

    /// Whether a callback has a chance: its URLs can be called and their hosts may be reached.
    ///
    /// # Errors
    /// Why the first of them cannot or may not.
    async fn check(&self, callback: &Callback) -> Result<(), Undelivered>;
}

/// Delivers over HTTP.
pub(super) struct Courier {
    guard: Guard,
    tls: Tls,
    signer: Arc<Signer>,
    public_url: Option<String>,
    own_scheme: &'static str,
    answer_timeout: Duration,
}

impl Courier {
    pub(super) fn new(settings: &Settings, signer: Arc<Signer>, tls: Tls) -> Self {
        Self {
            guard: Guard::new(settings),
            tls,
            signer,
            public_url: settings.public_url.clone(),
            own_scheme: if settings.is_encrypted { "https" } else { "http" },
            answer_timeout: ANSWER_TIMEOUT,
        }
    }

    #[cfg(test)]
    fn with_answer_timeout(self, answer_timeout: Duration) -> Self {
        Self { answer_timeout, ..self }
    }

    async fn try_url(&self, url: &str, event: &EventRecord, headers: &HeaderMap, body: &Bytes) -> Result<CallbackReply, Undelivered> {
        let target = Target::parse(url).ok_or(Undelivered::Url)?;
        let addresses = self.guard.addresses(&target).await?;
        let host = event.callback.host.as_deref().filter(|host| !host.is_empty());
        let request = self.request(&target, host, headers.clone(), body.clone()).await?;
        let name = event.callback.sni.then(|| host.map_or(target.host.as_str(), without_port));
        let stream = self.tls.connect(&target, &addresses, name).await?;
        timeout(self.answer_timeout, exchange(stream, request)).await.unwrap_or(Err(Undelivered::TooSlow))
    }

    /// The request with what depends on the URL: its path, its host and the signature.
    async fn request(
        &self,
        target: &Target,
        host: Option<&str>,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Undelivered> {
        let host = HeaderValue::from_str(host.unwrap_or(&target.authority)).map_err(|_| Undelivered::Host)?;
        headers.insert(header::HOST, host);
        let (signer, signed, path) = (Arc::clone(&self.signer), body.clone(), target.path_and_query.clone());
        let signature = tokio::task::spawn_blocking(move || signer.sign(path.as_str(), &signed)).await;
        let signature = signature.map_err(|error| error.to_string()).and_then(|signed| signed.map_err(|error| error.to_string()));
        let signature = signature.map_err(|error| {
            tracing::error!(error, "a callback cannot be signed");
            Undelivered::Unsigned
        })?;
        headers.insert(header::AUTHORIZATION, base64_header(&signature));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path_and_query.clone().into();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// What applications fetch the public key from.
    fn public_key_url(&self, event: &EventRecord) -> String {
        let scheme = self.own_scheme;
        match (&self.public_url, event.origin.authority.as_str()) {
            (Some(url), _) => format!("{url}{PUBLIC_KEY_PATH}"),
            // A request of HTTP/1.0 need not say where it was sent to.
            (None, "") => format!("{scheme}://localhost{PUBLIC_KEY_PATH}"),
            (None, authority) => format!("{scheme}://{authority}{PUBLIC_KEY_PATH}"),
        }
    }

    /// What is the same for every URL.
    fn headers(&self, id: EventId, event: &EventRecord, body: &[u8], now: Timestamp) -> HeaderMap {
        let content_type = match event.callback.body_type {
            CallbackBodyType::Form => "application/x-www-form-urlencoded",
            CallbackBodyType::Json => "application/json",
        };
        let since_epoch = Duration::from_millis(now.millis().max(0).cast_unsigned());
        let date = UNIX_EPOCH.checked_add(since_epoch).map(httpdate::fmt_http_date).unwrap_or_default();
        let requester = event.requester.as_ref().map_or("0", |account| account.0.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(HeaderName::from_static("content-md5"), base64_header(&digest::md5(body)));
        headers.insert(header::DATE, text_header(&date));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("aliyun-oss-callback"));
        headers.insert(HeaderName::from_static("x-oss-additional-headers"), HeaderValue::from_static(""));
        headers.insert(HeaderName::from_static("x-oss-bucket"), text_header(event.bucket.as_str()));
        headers.insert(HeaderName::from_static("x-oss-pub-key-url"), base64_header(self.public_key_url(event).as_bytes()));
        headers.insert(HeaderName::from_static("x-oss-request-id"), text_header(&event.origin.request_id));
        headers.insert(HeaderName::from_static("x-oss-requester"), text_header(requester));
        headers.insert(HeaderName::from_static("x-oss-signature-version"), HeaderValue::from_static("1.0"));
        headers.insert(HeaderName::from_static("x-oss-tag"), HeaderValue::from_static("CALLBACK"));
        headers.insert(HeaderName::from_static("x-partway-event-id"), text_header(&id.to_string()));
        headers
    }
}

#[async_trait]
impl Deliver for Courier {
    async fn deliver(&self, id: EventId, event: &EventRecord, now: Timestamp) -> Result<CallbackReply, Undelivered> {
        let body = Bytes::from(render::body(event));
        let headers = self.headers(id, event, &body, now);
        let mut last = Err(Undelivered::Url);
        for url in event.callback.urls.iter().take(URLS_MAX) {
            last = self.try_url(url, event, &headers, &body).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn check(&self, callback: &Callback) -> Result<(), Undelivered> {
        for url in &callback.urls {
            let target = Target::parse(url).ok_or(Undelivered::Url)?;
            match self.guard.addresses(&target).await {
                // It is looked up again when it is called; that others are slow is no reason to refuse this upload.
                Ok(_) | Err(Undelivered::TooMany) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
}

/// Sends a request on a connection of its own and reads the answer.
async fn exchange(stream: impl super::connect::Stream + 'static, request: Request<Full<Bytes>>) -> Result<CallbackReply, Undelivered> {
    let no_connection = |error: hyper::Error| {
        tracing::debug!(%error, "a callback's connection");
        Undelivered::NoConnection
    };
    let handshake = http1::Builder::new().max_buf_size(HEAD_SIZE_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(no_connection)?;
    // Ends the connection when this is dropped, answered or not.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(no_connection)?;
    answer::read(response).await
}

fn without_port(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn base64_header(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_str(&STANDARD.encode(bytes)).expect("base64 is visible ASCII")
}

/// Text that we made; should it hold what a header cannot, the header is empty.
fn text_header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
