"""No SDK at all: a script that follows OSS's API reference step by step, as people write them for small devices."""

import base64
import email.utils
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest

from harness import ACCESS_KEY, MIB, SECRET_KEY, payload
from oss_harness import KIB, crc64, md5_base64, md5_hex

SIGNED = {"uploads", "uploadId", "partNumber", "delete", "acl", "append", "position"}


class Script:
    """Signs as "Add a signature to the header" says: version 1, over the decoded resource."""

    def __init__(self, server, bucket):
        self.server = server
        self.bucket = bucket

    def send(self, method, key="", query=None, body=b"", **headers):
        query = query or {}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Date"] = email.utils.formatdate(usegmt=True)
        oss_headers = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))
        signed = "&".join(f"{name}={value}" if value else name for name, value in sorted(query.items()) if name in SIGNED)
        resource = f"/{self.bucket}/{key}" + (f"?{signed}" if signed else "")
        text = "\n".join([method, headers.get("Content-MD5", ""), headers.get("Content-Type", ""), headers["Date"], oss_headers + resource])
        digest = hmac.new(SECRET_KEY.encode(), text.encode(), hashlib.sha1).digest()
        headers["Authorization"] = f"OSS {ACCESS_KEY}:{base64.b64encode(digest).decode()}"
        target = urllib.parse.quote(f"/{self.bucket}/{key}")
        if query:
            target += "?" + "&".join(urllib.parse.quote(name) + (f"={urllib.parse.quote(value, safe='')}" if value else "") for name, value in query.items())
        connection = http.client.HTTPConnection(self.server.address, timeout=30)
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer


def text_of(answer, path):
    return ElementTree.fromstring(answer.body).findtext(path)


@pytest.fixture
def script(server, free_name):
    made = Script(server, free_name)
    answer = made.send("PUT")
    assert (answer.status, answer.headers["Location"], answer.body) == (200, f"/{free_name}", b"")
    return made


def test_a_multipart_upload_from_the_documentation(script):
    key = "dir/ü +&.bin"
    bodies = [payload(150 * KIB, 1), payload(MIB, 2), payload(10, 3)]
    started = script.send("POST", key, {"uploads": ""}, x_oss_meta_owner="me", Content_Type="video/mp4")
    assert started.status == 200 and ElementTree.fromstring(started.body).tag == "InitiateMultipartUploadResult", "no namespace"
    assert (text_of(started, "Bucket"), text_of(started, "Key")) == (script.bucket, key)
    upload = text_of(started, "UploadId")
    etags = []
    for number, body in enumerate(bodies, 1):
        sent = script.send("PUT", key, {"partNumber": str(number), "uploadId": upload}, body, Content_MD5=md5_base64(body))
        assert (sent.status, sent.body, sent.headers["ETag"]) == (200, b"", f'"{md5_hex(body)}"')
        assert (sent.headers["x-oss-hash-crc64ecma"], sent.headers["Content-MD5"]) == (str(crc64(body)), md5_base64(body))
        etags.append(sent.headers["ETag"])
    broken = script.send("PUT", key, {"partNumber": "4", "uploadId": upload}, bodies[2], Content_MD5=md5_base64(b"other"))
    assert (broken.status, text_of(broken, "Code")) == (400, "InvalidDigest")
    listed = script.send("GET", key, {"uploadId": upload, "max-parts": "2"})
    names = ["Bucket", "Key", "UploadId", "StorageClass", "PartNumberMarker", "NextPartNumberMarker", "MaxParts", "IsTruncated"]
    assert [text_of(listed, name) for name in names] == [script.bucket, key, upload, "Standard", "0", "2", "2", "true"]
    parts = ElementTree.fromstring(listed.body).findall("Part")
    assert [(part.findtext("PartNumber"), part.findtext("ETag"), part.findtext("Size")) for part in parts] == [
        ("1", etags[0], str(len(bodies[0]))),
        ("2", etags[1], str(len(bodies[1]))),
    ]
    assert [part.findtext("HashCrc64ecma") for part in parts] == [str(crc64(body)) for body in bodies[:2]]
    document = "".join(f"<Part><ETag>{etag.strip(chr(34)).lower()}</ETag><PartNumber>{number}</PartNumber></Part>\n" for number, etag in enumerate(etags, 1))
    done = script.send("POST", key, {"uploadId": upload}, f'<?xml version="1.0" encoding="UTF-8"?>\n<CompleteMultipartUpload>\n{document}</CompleteMultipartUpload>'.encode())
    assert done.status == 200, done.body
    whole = b"".join(bodies)
    assert (text_of(done, "Key"), text_of(done, "ETag"), done.headers["ETag"]) == (key, done.headers["ETag"], text_of(done, "ETag"))
    assert done.headers["x-oss-hash-crc64ecma"] == str(crc64(whole))
    got = script.send("GET", key)
    assert (got.status, got.body, got.headers["Content-Type"], got.headers["x-oss-meta-owner"]) == (200, whole, "video/mp4", "me")
    for name in ("x-oss-request-id", "x-oss-server-time", "Date", "Last-Modified"):
        assert got.headers[name], name
    assert (got.headers["Server"], got.headers["x-oss-object-type"], got.headers["ETag"]) == ("AliyunOSS", "Multipart", done.headers["ETag"])
    again = script.send("POST", key, {"uploadId": upload}, b"<CompleteMultipartUpload><Part><PartNumber>9</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>")
    assert (again.status, text_of(again, "Code")) == (404, "NoSuchUpload")


def test_deletes_of_many_objects(script):
    for key in ("a", "b&<c>", "d"):
        script.send("PUT", key, body=b"x")
    verbose = b"<Delete><Quiet>false</Quiet><Object><Key>a</Key></Object><Object><Key>b&amp;&lt;c&gt;</Key></Object></Delete>"
    answer = script.send("POST", "", {"delete": "", "encoding-type": "url"}, verbose, Content_MD5=md5_base64(verbose))
    deleted = [element.text for element in ElementTree.fromstring(answer.body).findall("Deleted/Key")]
    assert (answer.status, [urllib.parse.unquote(key) for key in deleted]) == (200, ["a", "b&<c>"]) and deleted[1] != "b&<c>"
    quiet = b"<Delete><Quiet>true</Quiet><Object><Key>d</Key></Object></Delete>"
    assert script.send("POST", "", {"delete": ""}, quiet).status == 400, "without Content-MD5"
    answer = script.send("POST", "", {"delete": ""}, quiet, Content_MD5=md5_base64(quiet))
    assert (answer.status, answer.body) == (200, b"")
    listed = script.send("GET", "", {"prefix": ""})
    assert (listed.status, ElementTree.fromstring(listed.body).findall("Contents")) == (200, [])
    wrong = b"<Delete><Object></Delete>"
    answer = script.send("POST", "", {"delete": ""}, wrong, Content_MD5=md5_base64(wrong))
    assert (answer.status, text_of(answer, "Code")) == (400, "MalformedXML")
    assert script.send("DELETE").status == 204


def test_what_a_wrong_clock_and_a_wrong_name_are_told(script, server):
    connection = http.client.HTTPConnection(server.address, timeout=10)
    text = f"GET\n\n\nMon, 01 Jan 2024 00:00:00 GMT\n/{script.bucket}/k"
    digest = base64.b64encode(hmac.new(SECRET_KEY.encode(), text.encode(), hashlib.sha1).digest()).decode()
    connection.request("GET", f"/{script.bucket}/k", headers={"Date": "Mon, 01 Jan 2024 00:00:00 GMT", "Authorization": f"OSS {ACCESS_KEY}:{digest}"})
    answer = connection.getresponse()
    answer.body = answer.read()
    assert (answer.status, text_of(answer, "Code"), text_of(answer, "MaxAllowedSkewMilliseconds")) == (403, "RequestTimeTooSkewed", "900000")
    assert text_of(answer, "ServerTime").endswith("Z") and text_of(answer, "RequestTime") == "2024-01-01T00:00:00.000Z"
    for key, code in (("x" * 1024, "InvalidObjectName"), ("/rooted", "InvalidObjectName"), ("\\rooted", "InvalidObjectName")):
        answer = script.send("PUT", key, body=b"x")
        assert (answer.status, text_of(answer, "Code")) == (400, code), key[:10]
    assert script.send("PUT", "x" * 1023, body=b"x").status == 200
    for name in ("UPPER-case", "ab", "dotted.name", "-dash"):
        answer = Script(server, name).send("PUT")
        assert (answer.status, text_of(answer, "Code")) == (400, "InvalidBucketName"), name
