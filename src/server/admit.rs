//! Who sent a request, and whether they may.

use super::{
    pipeline::{Exchange, Server},
    presented::Presented,
};
use crate::{
    auth::{
        Addressed, AuthError, Claim, Payload,
        policy::{self, Policies},
    },
    dialect::{address::Address, date, error::Rejection, s3},
    model::{Bucket, Caller, Failure, KeyRecord, KeyStatus, ObjectKey, ObjectRef, Operation},
    ops::BucketAccess,
};

/// The verified sender of a request.
pub(super) struct Sender {
    pub(super) caller: Caller,
    /// The policy document of its key.
    pub(super) key_policy: Option<String>,
    /// The policy document of its session, if it has temporary credentials with one.
    pub(super) session_policy: Option<String>,
    /// What its signature says about the body.
    pub(super) payload: Payload,
}

impl Sender {
    /// Whoever holds these credentials.
    pub(super) fn of(credentials: Presented, payload: Payload) -> Self {
        let Presented { key, session } = credentials;
        let caller = Caller::Key { access_key: key.access_key, account: key.account };
        Self { caller, key_policy: key.policy, session_policy: session.and_then(|session| session.policy), payload }
    }

    /// Whoever did not sign.
    pub(super) fn anonymous(payload: Payload) -> Self {
        Self { caller: Caller::Anonymous, key_policy: None, session_policy: None, payload }
    }
}

impl Server {
    /// The reading of an address that the signature is for. Where there is one reading only, that is it: what is wrong
    /// with the signature is then told when the request is authenticated.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(super) async fn reading(&self, exchange: &Exchange<'_>, mut readings: Vec<Address>) -> Result<Address, Rejection> {
        let first = readings.remove(0);
        if !readings.is_empty() && self.verify(exchange, &first).await.is_err() {
            for other in readings {
                if self.verify(exchange, &other).await.is_ok() {
                    return Ok(other);
                }
            }
        }
        Ok(first)
    }

    /// Verifies a request's signature.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) async fn authenticate(&self, exchange: &mut Exchange<'_>, address: &Address) -> Result<Sender, Rejection> {
        let sender = self.verify(exchange, address).await?;
        if let Caller::Key { access_key, .. } = &sender.caller {
            exchange.completion.access_key = Some(access_key.clone());
        }
        Ok(sender)
    }

    async fn verify(&self, exchange: &Exchange<'_>, address: &Address) -> Result<Sender, Rejection> {
        let parts = exchange.sent;
        let claim = match exchange.dialect.claim(parts)? {
            Claim::Anonymous => {
                let payload = exchange.dialect.anonymous_payload(parts)?;
                return Ok(Sender::anonymous(payload));
            }
            Claim::Signed(claim) => claim,
        };
        let credentials = self.presented(&claim.access_key, claim.security_token.as_deref(), exchange.now).await?;
        let bucket_in_host = if address.virtual_hosted { address.bucket.as_deref() } else { None };
        let addressed = Addressed { bucket: address.bucket.as_deref(), key: address.key.as_deref(), bucket_in_host };
        let verified = claim.verify(parts, &addressed, &credentials.key.secret_key, exchange.now)?;
        Ok(Sender::of(credentials, verified.payload))
    }

    /// The key of this id. One that is disabled is as unknown as one that never was.
    pub(super) async fn active_key(&self, access_key: &str) -> Result<KeyRecord, Rejection> {
        let root = &self.settings.root_key;
        let key = if root.access_key == access_key { Some(root.clone()) } else { self.gateway.key(access_key).await? };
        let active = key.filter(|key| match key.status {
            KeyStatus::Active => true,
            KeyStatus::Disabled => false,
        });
        active.ok_or_else(|| AuthError::UnknownAccessKey(access_key.to_owned()).into())
    }

    /// Decides whether the sender may do this. Of a DeleteObjects the keys that it may not delete are taken out and
    /// returned. `owners` are the owners that the client expects of the buckets it names.
    ///
    /// # Errors
    /// `AccessDenied`, also when a bucket's owner is not the one the client expects.
    pub(super) async fn authorise(
        &self,
        exchange: &Exchange<'_>,
        sender: &Sender,
        operation: &mut Operation,
        owners: &[(Bucket, String)],
    ) -> Result<Vec<ObjectKey>, Rejection> {
        let bucket = exchange.address.as_ref().and_then(|address| Bucket::new(address.bucket.as_deref()?));
        let access = self.access(bucket.as_ref()).await?;
        let _ = exchange.rules.set(access.as_ref().and_then(|access| access.cors.clone()));
        let context = policy_context(exchange);
        let policies = Policies::new(grounds(sender, access.as_ref(), &context));
        if !policies.allows(operation) {
            return Err(Failure::AccessDenied.into());
        }
        let mut denied = Vec::new();
        if let Operation::DeleteObjects(delete) = operation {
            delete.objects.retain(|(key, _)| {
                let allowed = policies.allows_delete(&ObjectRef { bucket: delete.bucket.clone(), key: key.clone() }, None);
                if !allowed {
                    denied.push(key.clone());
                }
                allowed
            });
        }
        if let Some(source) = policy::copy_source(operation) {
            let access = self.access(Some(&source.bucket)).await?;
            if !policy::allows_source(&grounds(sender, access.as_ref(), &context), source) {
                return Err(Failure::AccessDenied.into());
            }
        }
        for (bucket, expected) in owners {
            let access = self.access(Some(bucket)).await?;
            if access.is_some_and(|access| !s3::owner_matches(&access.owner, expected)) {
                return Err(Failure::AccessDenied.into());
            }
        }
        Ok(denied)
    }

    pub(super) async fn access(&self, bucket: Option<&Bucket>) -> Result<Option<BucketAccess>, Failure> {
        match bucket {
            Some(bucket) => self.gateway.bucket_access(bucket).await,
            None => Ok(None),
        }
    }
}

pub(super) fn grounds<'a>(sender: &'a Sender, access: Option<&'a BucketAccess>, context: &'a [(&'a str, String)]) -> policy::Grounds<'a> {
    policy::Grounds {
        caller: &sender.caller,
        key_policy: sender.key_policy.as_deref(),
        session_policy: sender.session_policy.as_deref(),
        bucket_owner: access.map(|access| &access.owner),
        bucket_policy: access.and_then(|access| access.policy.as_deref()),
        acl: None,
        context,
    }
}

/// What conditions of policies may ask about a request.
pub(super) fn policy_context(exchange: &Exchange<'_>) -> Vec<(&'static str, String)> {
    let mut context = vec![
        ("aws:sourceip", exchange.peer.ip().to_canonical().to_string()),
        ("aws:securetransport", "false".to_owned()),
        ("aws:currenttime", date::iso8601(exchange.now)),
    ];
    for (header, name) in policy::CONTEXT_HEADERS {
        if let Some(value) = exchange.parts.headers.get(header).and_then(|value| value.to_str().ok()) {
            context.push((name, value.to_owned()));
        }
    }
    context
}
