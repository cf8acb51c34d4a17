//! Browsers' forms, byte by byte; how their policies are signed is each dialect's.

use super::request::{Request, post};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Between the parts of a form.
pub(crate) const BOUNDARY: &str = "----boundary7";

/// HMAC-SHA-256.
pub(crate) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A form's fields in order, and its file.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) file_name: String,
    pub(crate) file: String,
}

impl Form {
    /// With these fields alone.
    pub(crate) fn unsigned(fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { fields, file_name: "C:\\dir\\a b.txt".to_owned(), file: "hello".to_owned() }
    }

    /// As multipart/form-data.
    pub(crate) fn body(&self) -> String {
        let part = |(name, value): &(String, String)| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let fields: String = self.fields.iter().map(part).collect();
        let Self { file_name, file, .. } = self;
        format!(
            "{fields}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
        )
    }

    /// Sent to this target.
    pub(crate) fn request(&self, target: &str) -> Request {
        post_form(target, &self.body())
    }
}

/// A body of this form, sent to this target.
pub(crate) fn post_form(target: &str, body: &str) -> Request {
    post(target, body).anonymous().with("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
}
