//! POST Object: a browser's form, let in by the policy it carries.

use super::{
    admit::Sender,
    form::{FormError, read_form},
    pipeline::{Answer, Exchange, Server, encode, limited},
};
use crate::{
    auth::{
        Payload,
        form::{self as form_auth, FormClaim},
    },
    dialect::{
        Decoded, Route,
        error::{ErrorReply, Rejection},
        s3,
    },
    model::Failure,
    ops::Request,
};
use http::{StatusCode, header};
use std::ops::RangeInclusive;

impl Server {
    /// Reads a form's fields, verifies them and stores its file.
    ///
    /// # Errors
    /// Whatever is wrong with form, policy and signature, and as PutObject.
    pub(super) async fn answer_form(&self, exchange: &mut Exchange<'_>, route: &dyn Route) -> Result<Answer, Rejection> {
        let content_type = exchange.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = exchange.body.lend().ok_or(Failure::Internal)?;
        let form = read_form(content_type, body).await.map_err(unreadable)?;
        let (sender, sizes) = self.authenticate_form(exchange, &form.fields).await?;
        let decoded = route.decode_form(exchange.parts, &form.fields, form.file_name.as_deref())?;
        let Decoded { mut operation, wire, traffic_limit } = decoded;
        exchange.completion.operation = Some("PostObject");
        self.authorise(exchange, &sender, &mut operation, route.expected_bucket_owners()).await?;
        let request = Request { caller: sender.caller, limits: *exchange.dialect.limits(), operation, origin: exchange.origin() };
        let reply = self.gateway.execute(request, Some(limited(Box::new(form.into_file(sizes)), traffic_limit))).await?;
        Ok(encode(&*wire, reply, exchange.context))
    }

    /// Who signed a form's policy, and which sizes it allows. Forms without one are anybody's.
    async fn authenticate_form(
        &self,
        exchange: &mut Exchange<'_>,
        fields: &[(String, String)],
    ) -> Result<(Sender, RangeInclusive<u64>), Rejection> {
        let signed = match form_auth::claim(fields).map_err(refused)? {
            FormClaim::Anonymous => {
                return Ok((Sender::anonymous(Payload::Unsigned), 0..=u64::MAX));
            }
            FormClaim::Signed(signed) => signed,
        };
        let credentials = self.presented(&signed.access_key, signed.security_token.as_deref(), exchange.now).await?;
        let bucket = exchange.address.as_ref().and_then(|address| address.bucket.as_deref()).unwrap_or_default();
        let grant = signed.verify(fields, bucket, &credentials.key.secret_key, exchange.now).map_err(refused)?;
        exchange.completion.access_key = Some(credentials.key.access_key.clone());
        let (size_min, size_max) = grant.content_length_range.unwrap_or((0, u64::MAX));
        Ok((Sender::of(credentials, Payload::Unsigned), size_min..=size_max))
    }
}

fn unreadable(error: FormError) -> Rejection {
    match error {
        FormError::NotMultipart => ErrorReply::precondition_failed("Bucket POST must be of the enclosure-type multipart/form-data").into(),
        FormError::NoFile => s3::form::not_one_file(0).into(),
        FormError::FieldsTooLarge => {
            let message = "Your POST request fields preceding the upload file were too large.";
            ErrorReply::bad_request("MaxPostPreDataLengthExceeded", message).into()
        }
        FormError::Body(failure) => failure.into(),
    }
}

fn refused(error: form_auth::FormError) -> Rejection {
    match error {
        form_auth::FormError::InvalidArgument(message) => ErrorReply::bad_request("InvalidArgument", message).into(),
        form_auth::FormError::InvalidPolicyDocument(message) => ErrorReply::bad_request("InvalidPolicyDocument", message).into(),
        form_auth::FormError::AccessDenied(message) => ErrorReply::new(StatusCode::FORBIDDEN, "AccessDenied", message).into(),
        form_auth::FormError::Auth(error) => error.into(),
    }
}
