//! POST Object: a browser's form, let in by the policy it carries.

use super::{
    admit::{Permit, Sender},
    form::{FormError, read_form},
    pipeline::{Answer, Exchange, Server, limited},
};
use crate::{
    auth::{
        Payload,
        form::{self as form_auth, FormClaim},
    },
    dialect::{
        Decoded, Dialect, FormDefect, Route, detect,
        error::{ErrorReply, Rejection},
    },
    model::Failure,
    ops::{self, Request},
};
use http::{StatusCode, header};
use std::ops::RangeInclusive;

/// What a form is called in logs and events.
const FORM: &str = "PostObject";

impl Server {
    /// Reads a form's fields, verifies them and stores its file.
    ///
    /// # Errors
    /// Whatever is wrong with form, policy and signature, and as PutObject.
    pub(super) async fn answer_form(&self, exchange: &mut Exchange<'_>, route: &dyn Route) -> Result<Answer, Rejection> {
        let content_type = exchange.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        // Nobody knows who it is before the fields are read, which may take long.
        self.places.take(exchange, None)?;
        let body = exchange.body.lend().ok_or(Failure::Internal)?;
        let form = read_form(content_type, body).await.map_err(|error| unreadable(&*exchange.dialect, error))?;
        // Only a form's fields tell whose it is; those that do not say are read as the head was.
        let told_by_fields = match (detect::spoken_by_form(form.fields.iter().map(|(name, _)| name.as_str())), exchange.address.clone()) {
            (Some(spoken), Some(address)) => {
                exchange.continue_in(self.dialect(Some(spoken)));
                Some(exchange.dialect.route(exchange.parts, &address)?)
            }
            (None, _) | (Some(_), None) => None,
        };
        let route = told_by_fields.as_deref().unwrap_or(route);
        let (sender, sizes) = self.authenticate_form(exchange, &form.fields).await?;
        let decoded = route.decode_form(exchange.parts, &form.fields, form.file_name.as_deref())?;
        let Decoded { mut operation, wire, traffic_limit } = decoded;
        exchange.completion.operation = Some(FORM);
        exchange.fields = Some(form.fields.clone());
        let Permit { admitted, .. } = self.authorise(exchange, &sender, &mut operation, route.expected_bucket_owners()).await?;
        let (limits, origin) = (*exchange.dialect.limits(), exchange.origin());
        let request = Request { caller: sender.caller, limits, operation, name: FORM, origin, admitted };
        self.check_callback(&request).await?;
        let kept = self.places.take_body(exchange)?;
        let file = limited(Box::new(form.into_file(sizes)), traffic_limit);
        let reply = ops::keeping(kept, self.gateway.execute(request, Some(file))).await?;
        Ok(self.encode(&*wire, reply, &exchange.context).await)
    }

    /// Who signed a form's policy, and which sizes it allows. Forms without one are anybody's. What counts is the time at which
    /// the fields have come: a policy that is over is not kept alive by fields that come slowly.
    async fn authenticate_form(
        &self,
        exchange: &mut Exchange<'_>,
        fields: &[(String, String)],
    ) -> Result<(Sender, RangeInclusive<u64>), Rejection> {
        let signed = match exchange.dialect.form_claim(fields).map_err(refused)? {
            FormClaim::Anonymous => {
                return Ok((Sender::anonymous(Payload::Unsigned), 0..=u64::MAX));
            }
            FormClaim::Signed(signed) => signed,
        };
        let now = self.gateway.now();
        let credentials = self.presented(&signed.access_key, signed.security_token.as_deref(), now).await?;
        let bucket = exchange.address.as_ref().and_then(|address| address.bucket.as_deref()).unwrap_or_default();
        let grant = signed.verify(fields, bucket, &credentials.key.secret_key, now).map_err(refused)?;
        exchange.completion.access_key = Some(credentials.key.access_key.clone());
        self.places.take(exchange, Some(credentials.tenant()))?;
        let (size_min, size_max) = grant.content_length_range.unwrap_or((0, u64::MAX));
        Ok((Sender::of(credentials, Payload::Unsigned), size_min..=size_max))
    }
}

fn unreadable(dialect: &dyn Dialect, error: FormError) -> Rejection {
    let defect = match error {
        FormError::Body(failure) => return failure.into(),
        FormError::NotMultipart => FormDefect::NotMultipart,
        FormError::NoFile => FormDefect::NoFile,
        FormError::FieldsTooLarge => FormDefect::FieldsTooLarge,
    };
    dialect.form_defect(defect).into()
}

fn refused(error: form_auth::FormError) -> Rejection {
    match error {
        form_auth::FormError::InvalidArgument(message) => ErrorReply::bad_request("InvalidArgument", message).into(),
        form_auth::FormError::InvalidPolicyDocument(message) => ErrorReply::bad_request("InvalidPolicyDocument", message).into(),
        form_auth::FormError::AccessDenied(message) => ErrorReply::new(StatusCode::FORBIDDEN, "AccessDenied", message).into(),
        form_auth::FormError::Auth(error) => error.into(),
    }
}
