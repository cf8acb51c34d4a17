//! Tags: the header, the document, and what OSS allows in them ("PutObjectTagging", "PutBucketTags").

use super::error::{ErrorReply, invalid_argument, malformed_xml};
use crate::{
    dialect::{
        percent,
        xml::{Element, Writer},
    },
    model::Tags,
};

/// Most tags of an object.
const OBJECT_TAG_COUNT_MAX: usize = 10;
/// Most tags of a bucket.
const BUCKET_TAG_COUNT_MAX: usize = 20;
/// Longest key and value, in characters.
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

/// What carries the tags; buckets may have more, and any text in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Bucket,
    Object,
}

/// Reads `x-oss-tagging`: `A=1&B=2`, URL-encoded; without `=` the value is empty.
///
/// # Errors
/// `InvalidArgument` for what does not decode and for repeated keys; `InvalidTag`.
pub(super) fn parse_header(text: &str) -> Result<Tags, ErrorReply> {
    let malformed = || {
        let message =
            "The header 'x-oss-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        invalid_argument(message, "x-oss-tagging", text)
    };
    let tags = percent::decode_pairs(text).ok_or_else(malformed)?;
    if tags.len() <= OBJECT_TAG_COUNT_MAX && repeated(&tags).is_some() {
        return Err(malformed());
    }
    check(tags, Of::Object)
}

/// Reads a `<Tagging>` document.
///
/// # Errors
/// `MalformedXML`, `RepeatedTags`, `InvalidTag`, `TooManyTags`.
pub(super) fn parse_document(document: &[u8], of: Of) -> Result<Tags, ErrorReply> {
    let root = Element::parse(document).map_err(|_| malformed_xml())?;
    let set = root.child("TagSet").filter(|_| root.name() == "Tagging").ok_or_else(malformed_xml)?;
    check(set.children().iter().map(parse_tag).collect::<Result<_, _>>()?, of)
}

/// A `<Tag>`.
///
/// # Errors
/// `MalformedXML`.
pub(super) fn parse_tag(tag: &Element) -> Result<(String, String), ErrorReply> {
    let (Some(key), "Tag") = (tag.child_text("Key"), tag.name()) else { return Err(malformed_xml()) };
    Ok((key.to_owned(), tag.child_text("Value").unwrap_or_default().to_owned()))
}

/// Writes a `<Tagging>` document.
pub(super) fn document(tags: &Tags) -> String {
    Writer::document("Tagging", "", |w| w.element("TagSet", |w| write(w, tags)))
}

/// Writes every tag as `<Tag>`.
pub(super) fn write(w: &mut Writer, tags: &Tags) {
    for (key, value) in &tags.0 {
        w.element("Tag", |w| {
            w.leaf("Key", key);
            w.leaf("Value", value);
        });
    }
}

/// Tags that something may have.
///
/// # Errors
/// `RepeatedTags`, `InvalidTag`, `TooManyTags`.
pub(super) fn check(tags: Vec<(String, String)>, of: Of) -> Result<Tags, ErrorReply> {
    let (count_max, code, message) = match of {
        Of::Object => (OBJECT_TAG_COUNT_MAX, "InvalidTag", "Object tags cannot be greater than 10."),
        Of::Bucket => (BUCKET_TAG_COUNT_MAX, "TooManyTags", "The bucket tags num is beyond limit."),
    };
    if tags.len() > count_max {
        return Err(ErrorReply::bad_request(code, message));
    }
    if let Some(key) = repeated(&tags) {
        return Err(ErrorReply::bad_request("RepeatedTags", "Tag keys must be unique.").with("TagKey", key));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > KEY_LENGTH_MAX || !is_legal(key, of) {
            return Err(ErrorReply::bad_request("InvalidTag", "The TagKey you have provided is invalid.").with("TagKey", key));
        }
        if value.chars().count() > VALUE_LENGTH_MAX || !is_legal(value, of) {
            let reply = ErrorReply::bad_request("InvalidTag", "The TagValue you have provided is invalid.");
            return Err(reply.with("TagKey", key).with("TagValue", value));
        }
    }
    Ok(Tags(tags))
}

/// A key that comes twice.
fn repeated(tags: &[(String, String)]) -> Option<&str> {
    let keys = tags.iter().enumerate().map(|(index, (key, _))| (index, key));
    keys.into_iter().find(|(index, key)| tags[..*index].iter().any(|(other, _)| other == *key)).map(|(_, key)| key.as_str())
}

/// S3 shows the same tags, so what neither has is not let in.
fn is_legal(text: &str, of: Of) -> bool {
    text.chars().all(|c| match of {
        Of::Object => c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c),
        Of::Bucket => !c.is_control(),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::response::{self, fixture::*},
        *,
    };
    use http::StatusCode;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        Tags(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_header_is_url_encoded_and_values_may_be_missing() {
        assert_eq!(parse_header("A=1&B=2"), Ok(tags(&[("A", "1"), ("B", "2")])));
        assert_eq!(parse_header("a%20b=c%2Fd&&x&y=+"), Ok(tags(&[("a b", "c/d"), ("x", ""), ("y", " ")])));
        assert_eq!(parse_header(""), Ok(Tags::default()));
        for (bad, code) in [
            ("a=%zz", "InvalidArgument"),
            ("a=1&a=2", "InvalidArgument"),
            ("=1", "InvalidTag"),
            ("a=%00", "InvalidTag"),
            ("a=1&b&c&d&e&f&g&h&i&j&k", "InvalidTag"),
        ] {
            assert_eq!(parse_header(bad).map_err(|error| error.code), Err(code), "{bad}");
        }
        assert!(parse_header(&format!("{}={}", "k".repeat(128), "v".repeat(256))).is_ok());
        assert!(parse_header(&"k".repeat(129)).is_err() && parse_header(&format!("k={}", "v".repeat(257))).is_err());
    }

    #[test]
    fn documents_are_read_as_written_and_buckets_may_have_more() {
        let written = tags(&[("a", "1"), ("b/c", "")]);
        assert_eq!(parse_document(document(&written).as_bytes(), Of::Object), Ok(written.clone()));
        check_golden(&written);
        let twenty = Tags((0..20).map(|number| (format!("k{number}"), "值!".to_owned())).collect());
        assert_eq!(parse_document(document(&twenty).as_bytes(), Of::Bucket), Ok(twenty.clone()));
        assert_eq!(parse_document(document(&twenty).as_bytes(), Of::Object).map_err(|error| error.code), Err("InvalidTag"));
        let twice = "<Tagging><TagSet><Tag><Key>a</Key></Tag><Tag><Key>a</Key></Tag></TagSet></Tagging>";
        assert_eq!(parse_document(twice.as_bytes(), Of::Object).map_err(|error| error.code), Err("RepeatedTags"));
        let many = Tags((0..21).map(|number| (format!("k{number}"), String::new())).collect());
        assert_eq!(parse_document(document(&many).as_bytes(), Of::Bucket).map_err(|error| error.code), Err("TooManyTags"));
        for bad in ["", "<Tagging/>", "<T><TagSet/></T>", "<Tagging><TagSet><X/></TagSet></Tagging>"] {
            assert_eq!(parse_document(bad.as_bytes(), Of::Bucket).map_err(|error| error.code), Err("MalformedXML"), "{bad}");
        }
    }

    fn check_golden(tags: &Tags) {
        super::super::response::fixture::check("tagging", &response::document(StatusCode::OK, document(tags), &context()));
    }
}
