//! One representative request of each operation, and what must be true while it has never been sent completely.

use crate::{
    form::Form,
    request::{Request, delete, get, head, post, put},
    site::Site,
};

/// A request to be cut off.
pub(crate) struct Victim {
    pub(crate) name: &'static str,
    pub(crate) request: Request,
    /// What asks whether it was carried out, and the status that says no.
    pub(crate) untouched: Option<(Request, u16)>,
}

/// Content that is large enough for a file of its own.
pub(crate) fn large() -> Vec<u8> {
    (0..300_u32 << 10).map(|index| (index % 253) as u8).collect()
}

/// An aws-chunked body of unsigned chunks and a CRC-32 in the trailer.
pub(crate) fn chunked(content: &[u8], chunk_size: usize) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut hasher = partway::digest::Hasher::new(partway::model::ChecksumAlgorithm::Crc32);
    hasher.update(content);
    let mut body = Vec::new();
    for piece in content.chunks(chunk_size) {
        body.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    body.extend(format!("0\r\nx-amz-checksum-crc32:{}\r\n\r\n", STANDARD.encode(hasher.finish().digest())).into_bytes());
    body
}

fn content_md5(body: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(partway::digest::md5(body))
}

/// The victims, in a bucket that anybody may write to, so that forms need no signature. `callback` is where an application listens.
pub(crate) fn victims(site: &Site, bucket: &str, callback: &str) -> Vec<Victim> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let content = large();
    let at = |key: &str| format!("/{bucket}/{key}");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    );
    site.expect(&put(&format!("/{bucket}?policy"), policy), 204);
    for key in ["kept", "kept-too"] {
        site.expect(&put(&at(key), &content), 200);
    }
    let upload = site.create_upload(&at("upload"));
    let part = format!("{}?partNumber=1&uploadId={upload}", at("upload"));
    let etag = site.expect(&put(&part, "a part"), 200).header("etag").expect("a part has an ETag").to_owned();
    let list = format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>");
    let complete = format!("{}?uploadId={upload}", at("upload"));
    let empty = site.create_upload(&at("empty"));
    let empty_part = format!("{}?partNumber=1&uploadId={empty}", at("empty"));
    let keys = "<Delete><Object><Key>kept</Key></Object><Object><Key>kept-too</Key></Object></Delete>";
    let called = STANDARD.encode(format!(r#"{{"callbackUrl":"{callback}","callbackBody":"a=b"}}"#));
    let streamed = put(&at("streamed"), chunked(&content, 64 << 10))
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .with("x-amz-decoded-content-length", content.len().to_string())
        .with("x-amz-trailer", "x-amz-checksum-crc32");
    let form = Form::unsigned(&[("key", "form")]).request(&format!("/{bucket}"));
    let oss_form = Form::unsigned(&[("key", "oss-form")]).request(&format!("/{bucket}")).with("user-agent", "aliyun-sdk-test/1");
    let absent = |key: &str| Some((get(&at(key)), 404));
    let victim = |name, request, untouched| Victim { name, request, untouched };
    vec![
        victim("PutObject, small", put(&at("small"), "small"), absent("small")),
        victim("PutObject, large", put(&at("large"), &content), absent("large")),
        victim("PutObject, aws-chunked", streamed, absent("streamed")),
        victim(
            "UploadPart",
            put(&empty_part, &content),
            // Without its one part the upload cannot be completed.
            Some((post(&format!("{}?uploadId={empty}", at("empty")), &list), 400)),
        ),
        victim("CompleteMultipartUpload", post(&complete, &list), Some((get(&format!("{}?uploadId={upload}", at("upload"))), 200))),
        victim("AbortMultipartUpload", delete(&complete), Some((get(&format!("{}?uploadId={upload}", at("upload"))), 200))),
        victim(
            "DeleteObjects",
            post(&format!("/{bucket}?delete"), keys).with("content-md5", content_md5(keys.as_bytes())),
            Some((head(&at("kept")), 200)),
        ),
        victim("DeleteObject", delete(&at("kept-too")), Some((head(&at("kept-too")), 200))),
        victim("CopyObject", put(&at("copied"), "").with("x-amz-copy-source", at("kept")), absent("copied")),
        victim("CreateBucket", put("/never-made", ""), Some((head("/never-made"), 404))),
        victim("PostObject", form, absent("form")),
        victim("GetObject", get(&at("kept")), None),
        victim("GetObject, a range", get(&at("kept")).with("range", "bytes=1000-200000"), None),
        victim("ListObjects", get(&format!("/{bucket}?list-type=2")), None),
        victim("OSS PutObject", put(&at("oss"), &content).oss(), absent("oss")),
        victim("OSS PutObject with a callback", put(&at("called"), &content).oss().with("x-oss-callback", called), absent("called")),
        victim("OSS AppendObject", post(&format!("{}?append&position=0", at("appended")), &content).oss(), absent("appended")),
        victim(
            "OSS DeleteMultipleObjects",
            post(&format!("/{bucket}/?delete"), keys).oss().with("content-md5", content_md5(keys.as_bytes())),
            Some((head(&at("kept")), 200)),
        ),
        victim("OSS PostObject", oss_form, absent("oss-form")),
        victim("OSS GetObject", get(&at("kept")).oss(), None),
    ]
}
