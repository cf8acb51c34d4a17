//! Tags: the header, the document, and what S3 allows in them.

use super::{error::ErrorReply, response::NAMESPACE};
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
const BUCKET_TAG_COUNT_MAX: usize = 50;
/// Longest key and value, in characters.
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

/// Reads `x-amz-tagging`: `a=1&b=2`, form-encoded.
///
/// # Errors
/// `InvalidArgument` for what does not decode and for duplicates; `InvalidTag`; `BadRequest` for too many.
pub(super) fn parse_header(text: &str) -> Result<Tags, ErrorReply> {
    let malformed = || {
        let message =
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        ErrorReply::invalid_argument(message, "x-amz-tagging", text)
    };
    let mut tags: Vec<(String, String)> = Vec::new();
    for (key, value) in percent::decode_pairs(text).ok_or_else(malformed)? {
        if tags.iter().any(|(other, _)| *other == key) {
            return Err(malformed());
        }
        tags.push((key, value));
        check_count(tags.len(), Of::Object)?;
    }
    tags.iter().try_for_each(check)?;
    Ok(Tags(tags))
}

/// What carries the tags; buckets may have more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Bucket,
    Object,
}

/// Reads a `<Tagging>` document.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`, `InvalidTag`, `BadRequest` for too many.
pub(super) fn parse_document(document: &[u8], of: Of) -> Result<Tags, ErrorReply> {
    if document.is_empty() {
        return Err(ErrorReply::missing_body());
    }
    let root = Element::parse(document).map_err(|_| ErrorReply::malformed_xml())?;
    let set = root.child("TagSet").filter(|_| root.name() == "Tagging").ok_or_else(ErrorReply::malformed_xml)?;
    parse_elements(set.children(), of)
}

/// Reads `<Tag>` elements.
///
/// # Errors
/// As [`parse_document`].
pub(super) fn parse_elements<'a>(elements: impl IntoIterator<Item = &'a Element>, of: Of) -> Result<Tags, ErrorReply> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for tag in elements {
        let (Some(key), Some(value), "Tag") = (tag.child_text("Key"), tag.child_text("Value"), tag.name()) else {
            return Err(ErrorReply::malformed_xml());
        };
        if tags.iter().any(|(other, _)| other == key) {
            return Err(invalid_tag("Cannot provide multiple Tags with the same key").with("TagKey", key));
        }
        tags.push((key.to_owned(), value.to_owned()));
        check_count(tags.len(), of)?;
    }
    tags.iter().try_for_each(check)?;
    Ok(Tags(tags))
}

/// Writes a `<Tagging>` document.
pub(super) fn document(tags: &Tags) -> String {
    Writer::document("Tagging", NAMESPACE, |w| {
        w.element("TagSet", |w| {
            for (key, value) in &tags.0 {
                w.element("Tag", |w| {
                    w.leaf("Key", key);
                    w.leaf("Value", value);
                });
            }
        });
    })
}

fn check_count(count: usize, of: Of) -> Result<(), ErrorReply> {
    let (count_max, message) = match of {
        Of::Object => (OBJECT_TAG_COUNT_MAX, "Object tags cannot be greater than 10"),
        Of::Bucket => (BUCKET_TAG_COUNT_MAX, "Bucket tag count cannot be greater than 50"),
    };
    if count > count_max { Err(ErrorReply::bad_request("BadRequest", message)) } else { Ok(()) }
}

fn check((key, value): &(String, String)) -> Result<(), ErrorReply> {
    let legal = |text: &str| text.chars().all(|c| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c));
    if key.is_empty() || key.chars().count() > KEY_LENGTH_MAX || !legal(key) {
        return Err(invalid_tag("The TagKey you have provided is invalid").with("TagKey", key));
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(invalid_tag("System tags cannot be added/updated by requester").with("TagKey", key));
    }
    if value.chars().count() > VALUE_LENGTH_MAX || !legal(value) {
        return Err(invalid_tag("The TagValue you have provided is invalid").with("TagKey", key).with("TagValue", value));
    }
    Ok(())
}

fn invalid_tag(message: &'static str) -> ErrorReply {
    ErrorReply::bad_request("InvalidTag", message)
}
