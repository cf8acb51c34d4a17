"""Upload callbacks, against an application that checks every signature; and what becomes of them while it is away."""

import base64
import hashlib
import hmac
import json
import re
import time

import alibabacloud_oss_v2
import oss2
import pytest
import requests
from oss2 import models

import app_server
from harness import ACCESS_KEY, SECRET_KEY, Server, payload
from oss_harness import KIB, base64_json, crc64, eventually, md5_base64, md5_hex, oss2_bucket, oss_v2_client

FORM = "bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&mime=${mimeType}&crc=${crc64}&md5=${contentMd5}&op=${operation}&req=${reqId}&ip=${clientIp}&w=${imageInfo.width}&none=${nothing}&who=${x:who}"
JSON = '{"bucket":${bucket},"object":${object},"etag":${etag},"size":${size},"crc":"${crc64}","who":${x:who},"fixed":1}'
WHO = 'ü "quoted" & +%'


@pytest.fixture(scope="module")
def allowing(tmp_path_factory):
    """A partway that may call back to this machine."""
    running = Server(tmp_path_factory.mktemp("callbacks") / "data", "--callback-allow", "127.0.0.0/8", "--events-retry-min", "1h")
    yield running
    running.stop()
    report = running.run("verify", check=False)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.fixture
def application():
    with app_server.running() as running:
        yield running
        assert not running.complaints, running.complaints


@pytest.fixture
def bucket(allowing, free_name, signature):
    made = oss2_bucket(allowing, free_name, signature)
    made.create_bucket()
    return made


def asked(url, body=FORM, kind="application/x-www-form-urlencoded", **more):
    """The two headers of a callback."""
    callback = {"callbackUrl": url, "callbackBody": body, "callbackBodyType": kind} | more
    return {"x-oss-callback": base64_json(callback), "x-oss-callback-var": base64_json({"x:who": WHO})}


def test_a_put_is_reported_in_both_body_types(application, bucket):
    body = payload(200 * KIB)
    key = "dir/ü +&"
    put = bucket.put_object(key, body, headers=asked(f"{application.url}/ok?a=b%20c", callbackHost="app.example") | {"Content-Type": "text/x"})
    call = application.call_about(key)
    assert (put.status, put.etag, put.crc) == (200, md5_hex(body), crc64(body))
    answer = json.loads(put.resp.read())
    assert answer["Status"] == "OK" and put.headers["Content-Type"] == "application/json"
    told = call["told"]
    expected = {"bucket": bucket.bucket_name, "object": key, "size": str(len(body)), "mime": "text/x", "who": WHO, "w": "", "none": ""}
    assert {name: told[name] for name in expected} == expected
    assert (told["etag"].strip('"'), told["crc"], told["md5"]) == (md5_hex(body), str(crc64(body)), md5_base64(body))
    assert (told["op"], told["req"], told["ip"]) == ("PutObject", put.request_id, "127.0.0.1")
    headers = call["headers"]
    assert (call["path"], headers["Host"], headers["User-Agent"]) == ("/ok?a=b%20c", "app.example", "aliyun-oss-callback")
    assert (headers["x-oss-bucket"], headers["x-oss-request-id"]) == (bucket.bucket_name, put.request_id)
    assert (headers["x-oss-signature-version"], headers["x-oss-tag"]) == ("1.0", "CALLBACK") and headers["x-oss-requester"]

    bucket.put_object("json", body, headers=asked(f"{application.url}/ok", JSON, "application/json"))
    told = application.call_about("json")["told"]
    assert (told["size"], told["who"], told["fixed"], told["crc"], told["etag"].strip('"')) == (len(body), WHO, 1, str(crc64(body)), md5_hex(body))


def test_a_completed_upload_is_reported(application, bucket, allowing):
    bodies = [payload(150 * KIB, 1), payload(10, 2)]
    whole = b"".join(bodies)

    def begin(key):
        upload = bucket.init_multipart_upload(key, headers={"Content-Type": "text/x"}).upload_id
        parts = [models.PartInfo(number, bucket.upload_part(key, upload, number, body).etag) for number, body in enumerate(bodies, 1)]
        return upload, parts

    upload, parts = begin("multi")
    done = bucket.complete_multipart_upload("multi", upload, parts, headers=asked(f"{application.url}/ok"))
    told = application.call_about("multi")["told"]
    assert json.loads(done.resp.read())["got"] == told, "in place of the XML"
    assert (done.etag, done.crc) == (told["etag"].strip('"'), crc64(whole))
    assert (told["size"], told["mime"], told["crc"], told["op"]) == (str(len(whole)), "text/x", str(crc64(whole)), "CompleteMultipartUpload")
    assert bucket.get_object("multi").read() == whole

    upload, parts = begin("failing")
    done = bucket.complete_multipart_upload("failing", upload, parts, headers=asked(f"{application.url}/fail"))
    assert done.status == 203 and "<Code>CallbackFailed</Code>" in done.resp.read().decode()
    assert bucket.get_object("failing").read() == whole

    oss = alibabacloud_oss_v2
    upload, parts = begin("v2")
    headers = asked(f"{application.url}/ok")
    request = oss.CompleteMultipartUploadRequest(
        bucket.bucket_name, "v2", upload, callback=headers["x-oss-callback"], callback_var=headers["x-oss-callback-var"],
        complete_multipart_upload=oss.CompleteMultipartUpload(parts=[oss.UploadPart(part_number=part.part_number, etag=part.etag) for part in parts]),
    )
    assert json.loads(oss_v2_client(allowing).complete_multipart_upload(request).callback_result)["got"]["who"] == WHO


def test_callbacks_in_presigned_urls(application, bucket):
    headers = asked(f"{application.url}/ok")
    query = {"callback": headers["x-oss-callback"], "callback-var": headers["x-oss-callback-var"]}
    put = requests.put(bucket.sign_url("PUT", "signed", 60, params=dict(query)), data=b"body", timeout=10)
    assert (put.status_code, put.json()["got"]["who"]) == (200, WHO), put.text
    assert application.call_about("signed")["told"]["size"] == "4"
    upload = bucket.init_multipart_upload("completed").upload_id
    part = bucket.upload_part("completed", upload, 1, b"part")
    document = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part.etag}</ETag></Part></CompleteMultipartUpload>"
    done = requests.post(bucket.sign_url("POST", "completed", 60, params=query | {"uploadId": upload}), data=document, timeout=10)
    assert (done.status_code, done.json()["got"]["op"], done.headers["ETag"][-3:]) == (200, "CompleteMultipartUpload", '-1"'), done.text
    both = requests.put(bucket.sign_url("PUT", "both", 60, params=dict(query), headers=headers), data=b"", headers=headers, timeout=10)
    assert both.status_code == 400 and "should be specified, not both" in both.text
    assert not bucket.object_exists("both")


def test_posted_forms_are_reported(application, bucket, allowing):
    policy = base64_json({"expiration": "2099-01-01T00:00:00.000Z", "conditions": [{"bucket": bucket.bucket_name}]})
    signed = base64.b64encode(hmac.new(SECRET_KEY.encode(), policy.encode(), hashlib.sha1).digest()).decode()
    fields = {"key": "posted/${filename}", "OSSAccessKeyId": ACCESS_KEY, "policy": policy, "Signature": signed}
    fields |= {"callback": asked(f"{application.url}/ok")["x-oss-callback"], "x:who": WHO}
    url = f"{allowing.endpoint}/{bucket.bucket_name}/"
    posted = requests.post(url, data=fields, files={"file": ("a.txt", b"from a form", "text/plain")}, timeout=10)
    assert (posted.status_code, posted.json()["Status"]) == (200, "OK"), posted.text
    told = application.call_about("posted/a.txt")["told"]
    assert (told["size"], told["who"], told["op"]) == ("11", WHO, "PostObject")
    fields["callback"] = asked(f"{application.url}/fail")["x-oss-callback"]
    failed = requests.post(url, data=fields, files={"file": ("b.txt", b"kept", "text/plain")}, timeout=10)
    assert (failed.status_code, "<Code>CallbackFailed</Code>" in failed.text) == (203, True)
    assert bucket.get_object("posted/b.txt").read() == b"kept"


def test_failures_keep_the_object_and_say_why(application, bucket):
    for path, message in [("fail", "Error status : 500."), ("moved", "Error status : 301."), ("text", "Response body is not valid json format.")]:
        put = bucket.put_object(path, b"kept", headers=asked(f"{application.url}/{path}"))
        text = put.resp.read().decode()
        assert (put.status, put.etag) == (203, md5_hex(b"kept")), path
        assert "<Code>CallbackFailed</Code>" in text and f"<Message>{message}</Message>" in text
        assert re.search("<EC>0007-[0-9]+</EC>", text)
        assert bucket.get_object(path).read() == b"kept"
    # The second URL is asked when the first fails.
    put = bucket.put_object("second", b"x", headers=asked(f"{application.url}/fail;{application.url}/ok"))
    assert put.status == 200 and json.loads(put.resp.read())["Status"] == "OK"


def test_requests_that_are_refused_before_anything_is_stored(application, bucket):
    for callback, message in [
        ("%%%", "The callback configuration is not base64 encoded."),
        ("bm90IGpzb24=", "The callback configuration is not json format."),
        (base64_json({"callbackBody": "x"}), "The callback url configuration is invalid."),
        (base64_json({"callbackUrl": "ftp://127.0.0.1/", "callbackBody": "x"}), "The callback url configuration is invalid."),
        (base64_json({"callbackUrl": f"{application.url}/ok"}), "The callback body is empty."),
        (base64_json({"callbackUrl": f"{application.url}/ok", "callbackBody": "x", "callbackBodyType": "text/plain"}), "The callback body type configuration is invalid."),
        (base64_json({"callbackUrl": ";".join([f"{application.url}/ok"] * 6), "callbackBody": "x"}), "The number of callback url exceed max value."),
        (base64_json({"callbackUrl": f"{application.url}/ok", "callbackBody": "x" * 6000}), "The length of callback exceed max value."),
    ]:
        with pytest.raises(oss2.exceptions.InvalidArgument) as error:
            bucket.put_object("refused", b"x", headers={"x-oss-callback": callback})
        assert (error.value.status, error.value.message) == (400, message)
    assert not bucket.object_exists("refused") and not application.calls


def test_networks_that_the_operator_did_not_name_are_not_called(application, server, free_name):
    bucket = oss2_bucket(server, free_name)
    bucket.create_bucket()
    for host in ("127.0.0.1", "127.1.2.3", "localhost"):
        with pytest.raises(oss2.exceptions.InvalidArgument) as error:
            bucket.put_object("k", b"refused", headers=asked(f"http://{host}:{application.port}/ok"))
        assert error.value.message == "Private address is forbidden to callback.", host
    assert not bucket.object_exists("k") and not application.calls


def test_callbacks_wait_for_an_application_that_is_away(tmp_path):
    """Done-when 5: the application is down, partway is restarted, the application returns; each object is reported once."""
    server = Server(tmp_path / "data", "--callback-allow", "127.0.0.0/8", "--events-retry-min", "200ms")
    application = app_server.Application()
    try:
        bucket = oss2_bucket(server, "waiting")
        bucket.create_bucket()
        application.stop()
        keys = ["put", "multi", "dir/ü +&"]
        headers = asked(f"{application.url}/ok")
        for key in (keys[0], keys[2]):
            put = bucket.put_object(key, b"body of " + key.encode(), headers=headers)
            text = put.resp.read().decode()
            assert put.status == 203 and "Error status : -1.OSS can not connect to your callbackUrl, please check it." in text
        upload = bucket.init_multipart_upload("multi").upload_id
        part = bucket.upload_part("multi", upload, 1, b"part")
        assert bucket.complete_multipart_upload("multi", upload, [models.PartInfo(1, part.etag)], headers=headers).status == 203

        waiting = json.loads(server.run("events", "--json").stdout)
        assert len(waiting) == 3
        time.sleep(0.7)
        server.stop()
        stopped = json.loads(server.run("events", "--json").stdout)
        assert {event["id"] for event in stopped} == {event["id"] for event in waiting}, "kept over the restart"
        # At the address where it said its public key is.
        server.start(listen=server.address)
        time.sleep(0.5)
        application.start()
        eventually(lambda: len(application.calls) >= 3, timeout=30)
        eventually(lambda: json.loads(server.run("events", "--json").stdout) == [])
        # Long enough for a second delivery, were there one.
        time.sleep(1.5)
        assert not application.complaints, application.complaints
        assert sorted(call["told"]["object"] for call in application.calls) == sorted(keys), "each exactly once"
        delivered = [call["headers"]["x-partway-event-id"] for call in application.calls]
        assert set(delivered) == {event["id"] for event in waiting} and len(set(delivered)) == 3
        assert {call["told"]["who"] for call in application.calls} == {WHO}
    finally:
        server.stop()


def test_an_operator_replays_what_was_given_up(tmp_path):
    """A bucket whose failed callbacks are not tried again, and one whose next attempt is an hour away."""
    server = Server(tmp_path / "data", "--callback-allow", "127.0.0.0/8", "--events-retry-min", "1h")
    application = app_server.Application()
    try:
        application.stop()
        for name, retries in (("replayed", "off"), ("waiting", "on")):
            bucket = oss2_bucket(server, name)
            bucket.create_bucket()
            server.run("events", "--retry", retries, "--bucket", name)
            assert bucket.put_object(f"k of {name}", b"body", headers=asked(f"{application.url}/ok")).status == 203
        application.start()
        events = {event["bucket"]: event for event in json.loads(server.run("events", "--json").stdout)}
        states = {name: (event["state"], event["attempts"], event["key"]) for name, event in events.items()}
        assert states == {"replayed": ("failed", 1, "k of replayed"), "waiting": ("pending", 1, "k of waiting")}
        time.sleep(0.5)
        assert application.calls == [], "neither by itself"
        for event in events.values():
            assert event["id"] in server.run("events").stdout
            server.run("events", "--replay", event["id"])
            eventually(lambda event=event: [call for call in application.calls if call["told"]["object"] == event["key"]])
            assert application.call_about(event["key"])["headers"]["x-partway-event-id"] == event["id"]
        eventually(lambda: json.loads(server.run("events", "--json").stdout) == [])
        delivered = json.loads(server.run("events", "--all", "--json").stdout)
        assert {(event["id"], event["state"]) for event in delivered} == {(event["id"], "delivered") for event in events.values()}
        assert server.run("events", "--replay", "0" * 32, check=False).returncode != 0
    finally:
        application.stop()
        server.stop()
