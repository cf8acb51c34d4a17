//! How a POST form wants its answer, and what the name of its file is for: browsers send both dialects the same.

use super::percent;
use crate::model::{ETag, ObjectRef};
use http::{StatusCode, Uri};

/// What a form field is replaced with by the file's name.
const FILENAME_VARIABLE: &str = "${filename}";

/// How a form wants its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// success_action_redirect.
    Redirect(String),
    /// success_action_status.
    Status(StatusCode),
}

impl Answer {
    /// A redirect that is no URL is as good as none, and a status other than 200 or 201 is 204.
    pub(super) fn new(redirect: Option<&str>, status: Option<&str>) -> Self {
        let redirect = redirect.filter(|target| {
            let uri = target.parse::<Uri>().ok();
            uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        });
        match (redirect, status) {
            (Some(target), _) => Self::Redirect(target.to_owned()),
            (None, Some("200")) => Self::Status(StatusCode::OK),
            (None, Some("201")) => Self::Status(StatusCode::CREATED),
            (None, _) => Self::Status(StatusCode::NO_CONTENT),
        }
    }
}

/// A key with the variable replaced by the last segment of what a browser calls the file.
pub(super) fn key(field: &str, file_name: Option<&str>) -> String {
    let file_name = file_name.unwrap_or_default();
    field.replace(FILENAME_VARIABLE, file_name.rsplit(['/', '\\']).next().unwrap_or(file_name))
}

/// The client's URL with bucket, key and ETag, as the dialect quotes it, added to its query.
pub(super) fn redirect_target(target: &str, object: &ObjectRef, etag: &ETag, quoted: impl Fn(&ETag) -> String) -> String {
    let target = target.split('#').next().unwrap_or(target);
    let separator = if target.contains('?') { '&' } else { '?' };
    let key = percent::encode(object.key.as_str());
    format!("{target}{separator}bucket={}&key={key}&etag={}", object.bucket, percent::encode(&quoted(etag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_are_redirected_to_and_only_three_statuses_answered() {
        assert_eq!(Answer::new(Some("https://a/b"), Some("200")), Answer::Redirect("https://a/b".to_owned()));
        for (redirect, status, expected) in
            [(Some("/b"), Some("201"), 201), (Some("javascript:x"), None, 204), (None, Some("200"), 200), (None, Some("404"), 204)]
        {
            assert_eq!(Answer::new(redirect, status), Answer::Status(StatusCode::from_u16(expected).unwrap()), "{redirect:?}");
        }
    }

    #[test]
    fn the_file_gives_a_key_its_name_without_its_folders() {
        assert_eq!(key("up/${filename}.bak", Some("C:\\dir\\a.txt")), "up/a.txt.bak");
        assert_eq!((key("k", Some("a")), key("${filename}", Some("x/y")), key("a${filename}", None)), ("k".into(), "y".into(), "a".into()));
    }
}
