//! What is asked of STS.

use super::StsError;
use crate::auth::{
    policy,
    sts::{DURATION_SECS, POLICY_SIZE_MAX, Role, SessionRequest, is_session_name},
    sts_request::{Parameters, Protocol},
};
use http::request::Parts;

/// How long credentials live when the request does not say. Seconds.
const DURATION_SECS_DEFAULT: u32 = 3600;
/// The longest policy in both protocols, in characters.
const POLICY_CHARACTER_COUNT_MAX: usize = 2048;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Temporary credentials.
    AssumeRole(SessionRequest),
    /// Who the caller is.
    GetCallerIdentity,
}

impl Action {
    /// Its name in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AssumeRole(_) => "AssumeRole",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

/// Reads what a request asks for.
///
/// # Errors
/// An action or a version we do not have, a parameter that is missing or not what it must be.
pub fn decode(parts: &Parts, parameters: &Parameters) -> Result<Action, StsError> {
    let protocol = Protocol::of(parts, parameters);
    let (action, version) = match protocol {
        Protocol::Aliyun3 => (header(parts, "x-acs-action"), header(parts, "x-acs-version")),
        Protocol::Aws | Protocol::AliyunRpc => (parameters.find("Action"), parameters.find("Version")),
    };
    let action = action.filter(|action| !action.is_empty()).ok_or(StsError::Missing("Action"))?;
    let version = version.filter(|version| !version.is_empty()).ok_or(StsError::Missing("Version"))?;
    let expected = match protocol {
        Protocol::Aws => "2011-06-15",
        Protocol::AliyunRpc | Protocol::Aliyun3 => "2015-04-01",
    };
    if version != expected {
        return Err(StsError::VersionUnknown);
    }
    match action {
        "AssumeRole" => assume_role(parameters).map(Action::AssumeRole),
        "GetCallerIdentity" => Ok(Action::GetCallerIdentity),
        _ => Err(StsError::ActionUnknown(action.chars().take(64).collect())),
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn assume_role(parameters: &Parameters) -> Result<SessionRequest, StsError> {
    let required = |name: &'static str| parameters.find(name).filter(|value| !value.is_empty()).ok_or(StsError::Missing(name));
    let role = Role::parse(required("RoleArn")?).ok_or(StsError::Invalid("RoleArn", "It must be the resource name of a role."))?;
    let session_name = required("RoleSessionName")?.to_owned();
    if !is_session_name(&session_name) {
        return Err(StsError::Invalid("RoleSessionName", "It must have 2 to 64 letters, digits or characters of _+=,.@-"));
    }
    let duration_secs = match parameters.find("DurationSeconds").filter(|text| !text.is_empty()) {
        None => DURATION_SECS_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|secs| DURATION_SECS.contains(secs))
            .ok_or(StsError::Invalid("DurationSeconds", "It must be a number from 900 to 43200."))?,
    };
    // Policies that are only named would narrow the session, and we have none.
    if parameters.has_prefix("PolicyArns.") {
        return Err(StsError::Invalid("PolicyArns", "There are no managed policies."));
    }
    let policy = parameters.find("Policy").map(session_policy).transpose()?;
    Ok(SessionRequest { role, session_name, duration_secs, policy })
}

fn session_policy(text: &str) -> Result<String, StsError> {
    if text.chars().count() > POLICY_CHARACTER_COUNT_MAX {
        return Err(StsError::Invalid("Policy", "It must have at most 2048 characters."));
    }
    if text.len() > POLICY_SIZE_MAX {
        return Err(StsError::PolicyTooLarge);
    }
    policy::validate(text).map_err(StsError::PolicyMalformed)?;
    Ok(text.to_owned())
}
