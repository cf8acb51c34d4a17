//! What STS answers.

use super::Style;
use crate::{
    auth::sts::{Role, SessionRequest, TemporaryCredentials},
    dialect::{ReplyContext, date::iso8601, xml::Writer},
    digest,
    model::Timestamp,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// The namespace of AWS's documents, as an attribute.
pub(super) const NAMESPACE: &str = "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"";

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Credentials, for what was asked.
    Assumed {
        /// What was asked.
        request: SessionRequest,
        /// The credentials.
        credentials: TemporaryCredentials,
    },
    /// Who the caller is.
    Identity(Identity),
}

/// Who a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account whose rights it has.
    pub account: String,
    /// Its access key.
    pub access_key: String,
    /// The role and the name of its session, when it has one.
    pub session: Option<(Role, String)>,
}

/// The role's resource name in AWS's spelling.
#[must_use]
pub fn role_arn(role: &Role) -> String {
    format!("arn:aws:iam::{}:role/{}", role.account, role.name)
}

/// The session's resource name and id, which is the role's id and the session's name.
fn assumed_role(role: &Role, session_name: &str, style: Style) -> (String, String) {
    let (arn, role_id) = match style {
        Style::Aws => (format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", role.account, role.short_name()), role_id(role, style)),
        Style::AliyunJson | Style::AliyunXml => {
            (format!("acs:ram::{}:role/{}/{session_name}", role.account, role.name), role_id(role, style))
        }
    };
    (arn, format!("{role_id}:{session_name}"))
}

/// An id of the form that each service gives its roles; the same for the same role.
fn role_id(role: &Role, style: Style) -> String {
    let digest = digest::sha256(role_arn(role).as_bytes());
    match style {
        Style::Aws => format!("AROA{}", &hex::encode_upper(digest)[..17]),
        Style::AliyunJson | Style::AliyunXml => {
            let digits: String = digest.iter().take(17).map(|byte| char::from(b'0' + byte % 10)).collect();
            format!("3{digits}")
        }
    }
}

/// `2026-01-15T08:30:00Z`: without milliseconds, which some clients do not read.
fn seconds(time: Timestamp) -> String {
    iso8601(Timestamp::from_secs(time.secs())).replace(".000Z", "Z")
}

/// Encodes an answer.
#[must_use]
pub fn encode(reply: &Reply, style: Style, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = match (reply, style) {
        (Reply::Assumed { request, credentials }, Style::Aws) => assumed_aws(request, credentials, context),
        (Reply::Assumed { request, credentials }, Style::AliyunJson) => {
            let (arn, id) = assumed_role(&request.role, &request.session_name, style);
            json!({
                "RequestId": context.request_id,
                "AssumedRoleUser": { "Arn": arn, "AssumedRoleId": id },
                "Credentials": {
                    "AccessKeyId": credentials.access_key,
                    "AccessKeySecret": credentials.secret_key,
                    "SecurityToken": credentials.security_token,
                    "Expiration": seconds(credentials.expiration),
                },
            })
            .to_string()
        }
        (Reply::Assumed { request, credentials }, Style::AliyunXml) => assumed_aliyun(request, credentials, style, context),
        (Reply::Identity(identity), Style::Aws) => identity_aws(identity, context),
        (Reply::Identity(identity), Style::AliyunJson) => {
            let mut members: serde_json::Map<_, _> =
                identity_fields(identity, style).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            members.insert("RequestId".to_owned(), context.request_id.into());
            serde_json::Value::Object(members).to_string()
        }
        (Reply::Identity(identity), Style::AliyunXml) => Writer::document("GetCallerIdentityResponse", "", |xml| {
            xml.leaf("RequestId", context.request_id);
            for (name, value) in identity_fields(identity, style) {
                xml.leaf(name, value);
            }
        }),
    };
    respond(StatusCode::OK, document, style, context)
}

fn assumed_aws(request: &SessionRequest, credentials: &TemporaryCredentials, context: &ReplyContext<'_>) -> String {
    let (arn, id) = assumed_role(&request.role, &request.session_name, Style::Aws);
    Writer::document("AssumeRoleResponse", NAMESPACE, |xml| {
        xml.element("AssumeRoleResult", |xml| {
            xml.element("AssumedRoleUser", |xml| {
                xml.leaf("AssumedRoleId", id);
                xml.leaf("Arn", arn);
            });
            xml.element("Credentials", |xml| {
                xml.leaf("AccessKeyId", &credentials.access_key);
                xml.leaf("SecretAccessKey", &credentials.secret_key);
                xml.leaf("SessionToken", &credentials.security_token);
                xml.leaf("Expiration", seconds(credentials.expiration));
            });
        });
        xml.element("ResponseMetadata", |xml| xml.leaf("RequestId", context.request_id));
    })
}

fn assumed_aliyun(request: &SessionRequest, credentials: &TemporaryCredentials, style: Style, context: &ReplyContext<'_>) -> String {
    let (arn, id) = assumed_role(&request.role, &request.session_name, style);
    Writer::document("AssumeRoleResponse", "", |xml| {
        xml.leaf("RequestId", context.request_id);
        xml.element("AssumedRoleUser", |xml| {
            xml.leaf("Arn", arn);
            xml.leaf("AssumedRoleId", id);
        });
        xml.element("Credentials", |xml| {
            xml.leaf("AccessKeyId", &credentials.access_key);
            xml.leaf("AccessKeySecret", &credentials.secret_key);
            xml.leaf("SecurityToken", &credentials.security_token);
            xml.leaf("Expiration", seconds(credentials.expiration));
        });
    })
}

fn identity_aws(identity: &Identity, context: &ReplyContext<'_>) -> String {
    let Identity { account, access_key, session } = identity;
    let (arn, id) = match session {
        Some((role, session_name)) => assumed_role(role, session_name, Style::Aws),
        None => (format!("arn:aws:iam::{account}:user/{access_key}"), access_key.clone()),
    };
    Writer::document("GetCallerIdentityResponse", NAMESPACE, |xml| {
        xml.element("GetCallerIdentityResult", |xml| {
            xml.leaf("Arn", arn);
            xml.leaf("UserId", id);
            xml.leaf("Account", account);
        });
        xml.element("ResponseMetadata", |xml| xml.leaf("RequestId", context.request_id));
    })
}

fn identity_fields(identity: &Identity, style: Style) -> Vec<(&'static str, String)> {
    let Identity { account, access_key, session } = identity;
    let (kind, arn, id, last) = match session {
        Some((role, session_name)) => {
            let (arn, id) = assumed_role(role, session_name, style);
            ("AssumedRoleUser", arn, id, ("RoleId", role_id(role, style)))
        }
        None => ("RAMUser", format!("acs:ram::{account}:user/{access_key}"), access_key.clone(), ("UserId", access_key.clone())),
    };
    vec![("IdentityType", kind.to_owned()), ("AccountId", account.clone()), ("PrincipalId", id), ("Arn", arn), last]
}

/// A response of this document.
pub(super) fn respond(status: StatusCode, document: String, style: Style, context: &ReplyContext<'_>) -> Response<Bytes> {
    let (content_type, id_header) = match style {
        Style::Aws => ("text/xml", "x-amzn-requestid"),
        Style::AliyunJson => ("application/json; charset=utf-8", "x-acs-request-id"),
        Style::AliyunXml => ("text/xml; charset=utf-8", "x-acs-request-id"),
    };
    let mut response = Response::new(Bytes::from(document));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Credentials are nobody else's.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(context.request_id) {
        headers.insert(HeaderName::from_static(id_header), id);
    }
    response
}
