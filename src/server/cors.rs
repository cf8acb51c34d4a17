//! Cross-origin requests: the bucket's rules, looked up for those who ask.

use super::pipeline::{Exchange, Server};
use crate::{
    dialect::{address::Address, error::Rejection},
    model::{Bucket, CorsConfiguration},
};
use bytes::Bytes;
use http::{Response, header};

impl Server {
    /// Answers an OPTIONS request. Browsers do not sign it.
    ///
    /// # Errors
    /// When it is no preflight or no rule allows it.
    pub(super) async fn preflight(&self, exchange: &Exchange<'_>, address: &Address) -> Result<Response<Bytes>, Rejection> {
        let rules = self.rules(Some(address)).await?;
        Ok(exchange.dialect.preflight(rules.as_ref(), exchange.parts, address, &exchange.context)?)
    }

    /// Adds what the bucket's rules say to the answer of an actual request, errors included: a script that may not read
    /// an error cannot tell it from a broken network. Answers to requests of no origin say that they vary, too, or a cache
    /// would give them to scripts that may not read them; but for refusals from before the bucket was looked up.
    pub(super) async fn add_cors(&self, exchange: &Exchange<'_>, response: &mut Response<Bytes>) {
        if response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        let rules = match exchange.rules.get() {
            Some(rules) => rules.clone(),
            // An index that cannot be read has been told of already; the answer is then without these headers.
            None if exchange.parts.headers.contains_key(header::ORIGIN) => self.rules(exchange.address.as_ref()).await.unwrap_or_default(),
            None => None,
        };
        if let Some(rules) = rules {
            exchange.dialect.add_cors(&rules, exchange.parts, response.headers_mut());
        }
    }

    async fn rules(&self, address: Option<&Address>) -> Result<Option<CorsConfiguration>, Rejection> {
        let bucket = address.and_then(|address| Bucket::new(address.bucket.as_deref()?));
        Ok(self.access(bucket.as_ref()).await?.and_then(|access| access.cors))
    }
}
