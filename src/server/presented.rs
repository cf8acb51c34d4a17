//! The credentials that a request was presented with: an access key, or a session that was issued to one.

use super::pipeline::Server;
use crate::{
    auth::{
        AuthError,
        sts::{ACCESS_KEY_PREFIX, Session},
    },
    dialect::error::Rejection,
    model::{KeyRecord, Timestamp},
};

/// Credentials that exist and may be used; whether the request was signed with them is still to be verified.
pub(super) struct Presented {
    /// The key. A session's has the access key and the secret of the session, and everything else of its parent.
    pub(super) key: KeyRecord,
    /// The session, for temporary credentials.
    pub(super) session: Option<Session>,
}

impl Presented {
    /// The access key that counts: a session's is one of many that a key may have.
    pub(super) fn tenant(&self) -> &str {
        self.session.as_ref().map_or(&self.key.access_key, |session| &session.parent)
    }
}

impl Server {
    /// The credentials that a request names. The token of temporary ones is opened, and their parent must still be active
    /// and the key that it was.
    ///
    /// # Errors
    /// `UnknownAccessKey`, also for temporary credentials without their token; what is wrong with the token.
    pub(super) async fn presented(&self, access_key: &str, token: Option<&str>, now: Timestamp) -> Result<Presented, Rejection> {
        let Some(token) = token else {
            return Ok(Presented { key: self.active_key(access_key).await?, session: None });
        };
        if !access_key.starts_with(ACCESS_KEY_PREFIX) {
            // Of an unknown key and a token, the key is what is told first.
            self.active_key(access_key).await?;
        }
        let session = self.sts.tokens.open(access_key, token, now)?;
        // The parent's id is not what the client has sent, so it is not told of it.
        let parent = self.active_key(&session.parent).await.map_err(|rejection| match matches!(rejection, Rejection::Auth(_)) {
            true => AuthError::UnknownAccessKey(access_key.to_owned()).into(),
            false => rejection,
        })?;
        self.sts.tokens.check_parent(&session, &parent)?;
        let key = KeyRecord { access_key: access_key.to_owned(), secret_key: session.secret_key.clone(), ..parent };
        Ok(Presented { key, session: Some(session) })
    }
}
