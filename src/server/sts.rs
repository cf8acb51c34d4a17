//! The STS endpoint: hands out temporary credentials, at the address of the service itself.

use super::{
    admit::{PolicyContext, Sender, grounds},
    ids,
    nonces::{Nonces, Use},
    pipeline::{Answer, Exchange, Server},
    presented::Presented,
};
use crate::{
    auth::{
        Payload,
        policy::Policies,
        sts::{SessionRequest, TokenKey},
        sts_request::{self, Parameters, is_form},
    },
    dialect::{
        address::Address,
        error::Rejection,
        sts::{self, Action, Identity, Reply, StsError, Style},
    },
    model::{BodyClaims, KeyRecord, Timestamp},
};
use http::{Method, header, request::Parts};

/// The longest form: a policy, a token and the names around them, percent-encoded. Bytes.
const DOCUMENT_SIZE_MAX: usize = 16 << 10;

/// What issuing and opening tokens takes.
pub(super) struct Sts {
    pub(super) tokens: TokenKey,
    nonces: Nonces,
}

impl Sts {
    /// Tokens are good for every gateway with this root key.
    pub(super) fn new(root: &KeyRecord) -> Self {
        Self { tokens: TokenKey::new(&root.secret_key), nonces: Nonces::default() }
    }
}

/// Whether a request is to STS: to no bucket, or to the host `sts` of a domain, and nothing that either dialect has there.
pub(super) fn is_sts(parts: &Parts, address: &Address) -> bool {
    let is_there = match &address.bucket {
        None => true,
        Some(bucket) => address.virtual_hosted && bucket == "sts" && address.key.is_none(),
    };
    let names_action = || {
        let parameters = Parameters::read(parts, b"").unwrap_or_default();
        parts.headers.contains_key("x-acs-action") || ["Action", "Version"].iter().all(|name| parameters.find(name).is_some())
    };
    is_there
        && match parts.method {
            Method::POST => is_form(&parts.headers) || names_action(),
            Method::GET => names_action(),
            _ => false,
        }
}

/// Why a request gets no answer of its kind.
enum Refusal {
    /// What STS has words for.
    Sts(StsError),
    /// What the server has.
    Server(Rejection),
}

impl From<StsError> for Refusal {
    fn from(error: StsError) -> Self {
        Self::Sts(error)
    }
}

impl Server {
    /// Answers a request to STS, errors included. Only what keeps the server from serving at all is told in the dialect's words.
    pub(super) async fn answer_sts(&self, exchange: &mut Exchange<'_>) -> Result<Answer, Rejection> {
        let parts = exchange.sent;
        let size = parts.headers.get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.trim().parse().ok());
        let claims = BodyClaims { size, ..BodyClaims::default() };
        // Nobody knows who it is before the form is read, which may take long.
        self.places.take(exchange, None)?;
        let document = self.documents.read(exchange, claims, &Payload::Unsigned, DOCUMENT_SIZE_MAX).await?;
        let (style, answered) = match Parameters::read(parts, &document) {
            Ok(parameters) => {
                (Style::of(parts, &parameters), self.assume_or_identify(exchange, &document, &parameters, self.gateway.now()).await)
            }
            Err(error) => (Style::of(parts, &Parameters::default()), Err(StsError::Signature(error).into())),
        };
        let response = match answered {
            Ok(reply) => sts::encode(&reply, style, &exchange.context),
            Err(Refusal::Sts(error)) => sts::encode_error(&error, style, &exchange.context),
            Err(Refusal::Server(rejection)) => return Err(rejection),
        };
        Ok((response, None))
    }

    /// `now` is when the whole request has been read: by the time at which it began, a slow one could have its nonce
    /// forgotten and still be in time.
    async fn assume_or_identify(
        &self,
        exchange: &mut Exchange<'_>,
        document: &[u8],
        parameters: &Parameters,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        let parts = exchange.sent;
        let claim = sts_request::claim(parts, document, parameters).map_err(StsError::Signature)?;
        let presented = self.presented(&claim.access_key, claim.security_token.as_deref(), now).await;
        let presented = presented.map_err(|rejection| match rejection {
            Rejection::Auth(error) => Refusal::Sts(StsError::of_credentials(&error)),
            Rejection::Decode(_) | Rejection::Failure(_) => Refusal::Server(rejection),
        })?;
        let secret = &presented.key.secret_key;
        let nonce = claim.verify(parts, document, parameters, secret, now).map_err(StsError::Signature)?;
        exchange.completion.access_key = Some(claim.access_key);
        self.places.take(exchange, Some(presented.tenant())).map_err(|failure| Refusal::Server(failure.into()))?;
        if let Some(nonce) = nonce {
            match self.sts.nonces.note(&presented.key.account, &presented.key.access_key, &nonce, now) {
                Use::First => {}
                Use::Repeated => return Err(StsError::NonceUsed.into()),
                Use::Full => return Err(StsError::Busy.into()),
            }
        }
        let action = sts::decode(parts, parameters)?;
        exchange.completion.operation = Some(action.name());
        match action {
            Action::AssumeRole(request) => self.assume_role(exchange, presented, request),
            Action::GetCallerIdentity => Ok(Reply::Identity(identity(presented))),
        }
    }

    fn assume_role(&self, exchange: &Exchange<'_>, presented: Presented, request: SessionRequest) -> Result<Reply, Refusal> {
        // A session that could prolong itself would never end.
        if presented.session.is_some() {
            return Err(StsError::AccessDenied.into());
        }
        let parent = presented.key.clone();
        let context = PolicyContext::of(exchange);
        let sender = Sender::of(presented, Payload::Unsigned);
        if !Policies::new(grounds(&sender, None, &context)).allows_assume_role(&sts::role_arn(&request.role)) {
            return Err(StsError::AccessDenied.into());
        }
        let credentials = self.sts.tokens.issue(&parent, &request, exchange.now, ids::random());
        Ok(Reply::Assumed { request, credentials })
    }
}

fn identity(presented: Presented) -> Identity {
    let Presented { key, session } = presented;
    let session = session.map(|session| (session.role, session.session_name));
    Identity { account: key.account.0, access_key: key.access_key, session }
}
