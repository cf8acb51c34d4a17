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
    dialect::{
        address::{Address, is_encrypted},
        date,
        error::Rejection,
        s3,
    },
    model::{Account, Acl, Bucket, Caller, Failure, KeyRecord, KeyStatus, ObjectKey, ObjectRef, Operation},
    ops::{Admitted, BucketAccess, ObjectAccess},
};
use http::header;
use std::sync::OnceLock;

/// The verified sender of a request.
pub(super) struct Sender {
    pub(super) caller: Caller,
    /// The policy document of its key.
    pub(super) key_policy: Option<String>,
    /// The policy document of its session, if it has temporary credentials with one.
    pub(super) session_policy: Option<String>,
    /// What its signature says about the body.
    pub(super) payload: Payload,
    /// The access key that its requests count for, if it has one.
    pub(super) tenant: Option<String>,
}

impl Sender {
    /// Whoever holds these credentials.
    pub(super) fn of(credentials: Presented, payload: Payload) -> Self {
        let tenant = Some(credentials.tenant().to_owned());
        let Presented { key, session } = credentials;
        let (parent, session_policy) = session.map(|session| (session.parent, session.policy)).unzip();
        let caller = Caller::Key { access_key: key.access_key, account: key.account, parent };
        Self { caller, key_policy: key.policy, session_policy: session_policy.flatten(), payload, tenant }
    }

    /// Whoever did not sign.
    pub(super) fn anonymous(payload: Payload) -> Self {
        Self { caller: Caller::Anonymous, key_policy: None, session_policy: None, payload, tenant: None }
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

    /// Verifies a request's signature, and takes a place among the requests of who signed it.
    ///
    /// # Errors
    /// Everything that is wrong with it; `SlowDown`.
    pub(super) async fn authenticate(&self, exchange: &mut Exchange<'_>, address: &Address) -> Result<Sender, Rejection> {
        let sender = self.verify(exchange, address).await?;
        if let Caller::Key { access_key, .. } = &sender.caller {
            exchange.completion.access_key = Some(access_key.clone());
        }
        self.places.take(exchange, sender.tenant.as_deref())?;
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

    /// Decides whether the sender may do this. Of a DeleteObjects the keys that it may not delete are taken out.
    /// `owners` are the owners that the client expects of the buckets it names.
    ///
    /// # Errors
    /// `AccessDenied`, also when a bucket's owner is not the one the client expects.
    pub(super) async fn authorise(
        &self,
        exchange: &Exchange<'_>,
        sender: &Sender,
        operation: &mut Operation,
        owners: &[(Bucket, String)],
    ) -> Result<Permit, Rejection> {
        let bucket = exchange.address.as_ref().and_then(|address| Bucket::new(address.bucket.as_deref()?));
        let access = self.access(bucket.as_ref()).await?;
        let _ = exchange.rules.set(access.as_ref().and_then(|access| access.cors.clone()));
        if let Some(access) = &access {
            check_referer(exchange, access)?;
        }
        let context = PolicyContext::of(exchange);
        let object = match &*operation {
            // A form's key is in its fields.
            Operation::PutObject(put) => Some(put.object.clone()),
            _ => {
                let key = exchange.address.as_ref().and_then(|address| ObjectKey::new(address.key.as_deref()?));
                bucket.zip(key).map(|(bucket, key)| ObjectRef { bucket, key })
            }
        };
        let reads = matches!(operation, Operation::GetObject(_) | Operation::HeadObject(_) | Operation::GetObjectAttributes(_));
        let Opened { acl, seen } = self.opened(sender, access.as_ref(), object.as_ref(), reads).await?;
        let policies = Policies::new(policy::Grounds { acl, ..grounds(sender, access.as_ref(), &context) });
        if !policies.allows(operation) {
            return Err(Failure::AccessDenied.into());
        }
        let mut admitted = match seen {
            Some(seen) if reads => self.admit_through(sender, seen, &context).await?,
            Some(_) | None => Admitted::Anything,
        };
        let mut denied = Vec::new();
        if let Operation::DeleteObjects(delete) = operation {
            let mut allowed = Vec::with_capacity(delete.objects.len());
            for (key, condition) in std::mem::take(&mut delete.objects) {
                let object = ObjectRef { bucket: delete.bucket.clone(), key };
                let Opened { acl, .. } = self.opened(sender, access.as_ref(), Some(&object), false).await?;
                if policies.allows_delete(&object, acl) {
                    allowed.push((object.key, condition));
                } else {
                    denied.push(object.key);
                }
            }
            delete.objects = allowed;
        }
        if let Some(source) = policy::copy_source(operation) {
            let source = source.clone();
            if let Some(seen) = self.authorise_source(sender, &source, &context).await? {
                admitted = self.admit_through(sender, seen, &context).await?;
            }
        }
        for (bucket, expected) in owners {
            let access = self.access(Some(bucket)).await?;
            if access.is_some_and(|access| !s3::owner_matches(&access.owner, expected)) {
                return Err(Failure::AccessDenied.into());
            }
        }
        Ok(Permit { denied, admitted })
    }

    /// Whether the sender may read an object, wherever it is. What it is, where that matters.
    async fn authorise_source(
        &self,
        sender: &Sender,
        source: &ObjectRef,
        context: &PolicyContext<'_, '_>,
    ) -> Result<Option<ObjectAccess>, Rejection> {
        let access = self.access(Some(&source.bucket)).await?;
        let Opened { acl, seen } = self.opened(sender, access.as_ref(), Some(source), true).await?;
        let grounds = policy::Grounds { acl, ..grounds(sender, access.as_ref(), context) };
        if policy::allows_source(&grounds, source) { Ok(seen) } else { Err(Failure::AccessDenied.into()) }
    }

    /// Whether the sender, who may read this object, may read what it is a link to: a link opens nothing that its target
    /// does not.
    async fn admit_through(&self, sender: &Sender, seen: ObjectAccess, context: &PolicyContext<'_, '_>) -> Result<Admitted, Rejection> {
        let target = match &seen.link_target {
            Some(target) => self.authorise_source(sender, target, context).await?,
            None => None,
        };
        Ok(Admitted::Seen { object: seen, target_acl: target.and_then(|target| target.acl) })
    }

    /// What access control lists say of a bucket, or of an object in it, that may be going to be read. For the bucket's
    /// owner no list matters; but where his key leads, links may lead out of what his policies let him read.
    async fn opened(
        &self,
        sender: &Sender,
        access: Option<&BucketAccess>,
        object: Option<&ObjectRef>,
        reads: bool,
    ) -> Result<Opened, Failure> {
        let Some(access) = access else { return Ok(Opened::default()) };
        let is_own = sender.caller.account().is_some_and(|account| *account == access.owner || *account == Account::root());
        let may_be_narrowed = sender.key_policy.is_some() || sender.session_policy.is_some() || access.policy.is_some();
        let seen = match object {
            Some(object) if !is_own || (reads && may_be_narrowed) => Some(self.gateway.object_access(object).await?),
            Some(_) | None => None,
        };
        let acl = seen.as_ref().and_then(|seen| seen.acl).unwrap_or(access.acl);
        Ok(Opened { acl: (!is_own).then_some(acl), seen })
    }

    pub(super) async fn access(&self, bucket: Option<&Bucket>) -> Result<Option<BucketAccess>, Failure> {
        match bucket {
            Some(bucket) => self.gateway.bucket_access(bucket).await,
            None => Ok(None),
        }
    }
}

/// What a sender may do of what it asks for.
pub(super) struct Permit {
    /// The keys of a DeleteObjects that it may not delete.
    pub(super) denied: Vec<ObjectKey>,
    /// What it may read.
    pub(super) admitted: Admitted,
}

/// What access control lists say, as far as they matter to the sender.
#[derive(Default)]
struct Opened {
    acl: Option<Acl>,
    /// The object, if it was looked at.
    seen: Option<ObjectAccess>,
}

/// Refuses requests that the bucket's referer rules do not let in. They are about links in pages, so they count for
/// requests that are not signed, or in their URL (OSS "Hotlink protection").
fn check_referer(exchange: &Exchange<'_>, access: &BucketAccess) -> Result<(), Failure> {
    let Some(rules) = access.referer.as_ref().filter(|_| !exchange.sent.headers.contains_key(header::AUTHORIZATION)) else { return Ok(()) };
    let referer = exchange.sent.headers.get(header::REFERER).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if rules.allows(referer.as_deref()) { Ok(()) } else { Err(Failure::RefererDenied) }
}

pub(super) fn grounds<'a>(sender: &'a Sender, access: Option<&'a BucketAccess>, context: &'a PolicyContext<'_, '_>) -> policy::Grounds<'a> {
    let bucket_policy = access.and_then(|access| access.policy.as_deref());
    let has_policies = sender.key_policy.is_some() || sender.session_policy.is_some() || bucket_policy.is_some();
    policy::Grounds {
        caller: &sender.caller,
        key_policy: sender.key_policy.as_deref(),
        session_policy: sender.session_policy.as_deref(),
        bucket_owner: access.map(|access| &access.owner),
        bucket_policy,
        acl: None,
        context: if has_policies { context.known() } else { &[] },
    }
}

/// What conditions of policies may ask about a request. It is put together when the first policy is looked at: most requests
/// meet none.
pub(super) struct PolicyContext<'a, 'b> {
    exchange: &'a Exchange<'b>,
    known: OnceLock<Vec<(&'static str, String)>>,
}

impl<'a, 'b> PolicyContext<'a, 'b> {
    pub(super) fn of(exchange: &'a Exchange<'b>) -> Self {
        Self { exchange, known: OnceLock::new() }
    }

    fn known(&self) -> &[(&'static str, String)] {
        self.known.get_or_init(|| policy_context(self.exchange))
    }
}

fn policy_context(exchange: &Exchange<'_>) -> Vec<(&'static str, String)> {
    let mut context = vec![
        ("aws:sourceip", exchange.peer.ip().to_canonical().to_string()),
        // What a proxy says does not count: anybody could say it.
        ("aws:securetransport", is_encrypted(exchange.sent).to_string()),
        ("aws:currenttime", date::iso8601(exchange.now)),
    ];
    let of_object = exchange.fields.is_some() || exchange.address.as_ref().is_some_and(|address| address.key.is_some());
    let headers = exchange.dialect.context_headers(of_object);
    context.extend(headers.iter().filter_map(|&(header, name)| Some((name, said(exchange, header)?))));
    context
}

/// What a request says in a header, or a form in the field that stands for it. Nobody acts on such headers of a form.
fn said(exchange: &Exchange<'_>, header: &str) -> Option<String> {
    if let Some(fields) = exchange.fields.as_ref().filter(|_| header.starts_with("x-")) {
        let is_it = |name: &str| name.eq_ignore_ascii_case(header) || (header == "x-amz-acl" && name.eq_ignore_ascii_case("acl"));
        return fields.iter().find(|(name, _)| is_it(name)).map(|(_, value)| value.clone());
    }
    // Whatever its bytes are, it is there.
    let values: Vec<_> = exchange.parts.headers.get_all(header).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}
