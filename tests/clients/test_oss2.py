"""oss2, the first generation of the Python SDK: buckets and objects, with each version of signature it knows."""

import json
import re
import time

import oss2
import pytest
import requests
from oss2 import models

from harness import ACCESS_KEY, MIB, SECRET_KEY, payload
from oss_harness import KIB, ODD_KEYS, OSS2_AUTHS, REGION, crc64, md5_base64, md5_hex, oss2_bucket


def anonymous(server, name):
    return oss2.Bucket(oss2.AnonymousAuth(), server.endpoint, name, region=REGION)


def test_a_bucket_from_its_creation_to_its_end(server, free_name, signature):
    bucket = oss2_bucket(server, free_name, signature)
    with pytest.raises(oss2.exceptions.NoSuchBucket) as absent:
        bucket.get_bucket_info()
    assert (absent.value.status, absent.value.details["BucketName"]) == (404, free_name)
    assert bucket.create_bucket().status == 200
    assert bucket.create_bucket().status == 200, "repeating one's own PutBucket changes nothing"

    info = bucket.get_bucket_info()
    assert (info.name, info.storage_class, info.acl.grant) == (free_name, "Standard", "private")
    assert info.owner.id and info.location.startswith("oss-") and info.extranet_endpoint and info.intranet_endpoint
    assert abs(oss2.utils.iso8601_to_unixtime(info.creation_date) - time.time()) < 60
    assert bucket.get_bucket_location().location == info.location
    assert bucket.get_bucket_versioning().status is None

    service = oss2.Service(OSS2_AUTHS[signature](ACCESS_KEY, SECRET_KEY), server.endpoint, region=REGION)
    listed = service.list_buckets(prefix=free_name)
    assert [(entry.name, entry.location, entry.storage_class) for entry in listed.buckets] == [(free_name, info.location, "Standard")]
    assert listed.owner.id == info.owner.id
    everything = [entry.name for entry in oss2.BucketIterator(service, max_keys=1, prefix=free_name[:3])]
    assert free_name in everything and everything == sorted(everything)

    upload = bucket.init_multipart_upload("begun").upload_id
    bucket.upload_part("begun", upload, 1, b"x" * 1000)
    bucket.put_object("a", b"1234")
    bucket.put_object("b", b"567")
    stat = bucket.get_bucket_stat()
    assert (stat.object_count, stat.multi_part_upload_count) == (2, 1) and stat.storage_size_in_bytes >= 7

    with pytest.raises(oss2.exceptions.BucketNotEmpty):
        bucket.delete_bucket()
    bucket.batch_delete_objects(["a", "b"])
    bucket.abort_multipart_upload("begun", upload)
    assert bucket.delete_bucket().status == 204
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        bucket.list_objects()


def test_ones_own_bucket_put_again(server, free_name):
    bucket = oss2_bucket(server, free_name)
    infrequent = models.BucketCreateConfig(oss2.BUCKET_STORAGE_CLASS_IA)
    bucket.create_bucket(oss2.BUCKET_ACL_PUBLIC_READ, infrequent)
    for again in ((None, infrequent), (None, None)):
        bucket.create_bucket(*again)
        assert bucket.get_bucket_acl().acl == "public-read", "what is not said does not change"
    bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE)
    assert bucket.get_bucket_acl().acl == "private"
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.create_bucket(oss2.BUCKET_ACL_PUBLIC_READ, models.BucketCreateConfig(oss2.BUCKET_STORAGE_CLASS_ARCHIVE))
    assert (error.value.status, error.value.code) == (409, "BucketAlreadyExists")
    info = bucket.get_bucket_info()
    assert (info.storage_class, info.acl.grant) == ("IA", "private")
    bucket.delete_bucket()


def test_acl_of_a_bucket(oss):
    assert oss.get_bucket_acl().acl == "private"
    for acl in (oss2.BUCKET_ACL_PUBLIC_READ, oss2.BUCKET_ACL_PUBLIC_READ_WRITE, oss2.BUCKET_ACL_PRIVATE):
        oss.put_bucket_acl(acl)
        assert oss.get_bucket_acl().acl == acl and oss.get_bucket_info().acl.grant == acl
    with pytest.raises(oss2.exceptions.ServerError) as error:
        oss.put_bucket_acl("public-nothing")
    assert (error.value.status, error.value.code) == (400, "InvalidArgument")


def test_settings_of_a_bucket_are_kept(oss):
    with pytest.raises(oss2.exceptions.NoSuchCors):
        oss.get_bucket_cors()
    rules = [
        models.CorsRule(["https://a.example", "https://*.b.example"], ["GET", "PUT"], ["*"], ["ETag", "x-oss-request-id"], 77),
        models.CorsRule(["*"], ["HEAD"]),
    ]
    oss.put_bucket_cors(models.BucketCors(rules))
    kept = oss.get_bucket_cors().rules
    assert [(rule.allowed_origins, rule.allowed_methods) for rule in kept] == [(rule.allowed_origins, rule.allowed_methods) for rule in rules]
    assert (kept[0].allowed_headers, kept[0].expose_headers, kept[0].max_age_seconds) == (["*"], ["ETag", "x-oss-request-id"], 77)
    oss.delete_bucket_cors()
    with pytest.raises(oss2.exceptions.NoSuchCors):
        oss.get_bucket_cors()

    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        oss.get_bucket_lifecycle()
    tagged = models.Tagging()
    tagged.tag_set.add("k", "v 1")
    oss.put_bucket_lifecycle(
        models.BucketLifecycle(
            [
                models.LifecycleRule("days", "logs/", expiration=models.LifecycleExpiration(days=9), tagging=tagged),
                models.LifecycleRule("off", "off/", status=models.LifecycleRule.DISABLED, expiration=models.LifecycleExpiration(days=1)),
                models.LifecycleRule("abort", "tmp/", abort_multipart_upload=models.AbortMultipartUpload(days=3)),
            ]
        )
    )
    days, off, abort = oss.get_bucket_lifecycle().rules
    assert (days.id, days.prefix, days.status, days.expiration.days) == ("days", "logs/", "Enabled", 9)
    assert days.tagging.tag_set.tagging_rule == {"k": "v 1"}
    assert (off.id, off.status) == ("off", "Disabled")
    assert (abort.id, abort.abort_multipart_upload.days) == ("abort", 3)
    oss.delete_bucket_lifecycle()
    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        oss.get_bucket_lifecycle()

    referer = oss.get_bucket_referer()
    assert (referer.allow_empty_referer, referer.referers) == (True, [])
    oss.put_bucket_referer(models.BucketReferer(False, ["http://www.example.com", "http://*.example.org"]))
    referer = oss.get_bucket_referer()
    assert (referer.allow_empty_referer, referer.referers) == (False, ["http://www.example.com", "http://*.example.org"])
    oss.put_bucket_referer(models.BucketReferer(True, []))

    assert oss.get_bucket_tagging().tag_set.tagging_rule == {}
    tags = models.Tagging()
    tags.tag_set.add("team", "a b")
    tags.tag_set.add("ü", "+%")
    oss.put_bucket_tagging(tags)
    assert oss.get_bucket_tagging().tag_set.tagging_rule == {"team": "a b", "ü": "+%"}
    oss.delete_bucket_tagging()
    assert oss.get_bucket_tagging().tag_set.tagging_rule == {}

    with pytest.raises(oss2.exceptions.NoSuchBucketPolicy):
        oss.get_bucket_policy()
    statement = {"Effect": "Allow", "Principal": ["*"], "Action": ["oss:GetObject"], "Resource": [f"acs:oss:*:*:{oss.bucket_name}/open/*"]}
    policy = json.dumps({"Version": "1", "Statement": [statement]})
    oss.put_bucket_policy(policy)
    assert json.loads(oss.get_bucket_policy().policy) == json.loads(policy)
    assert oss.delete_bucket_policy().status == 204
    with pytest.raises(oss2.exceptions.NoSuchBucketPolicy):
        oss.get_bucket_policy()

    assert oss.get_bucket_logging().target_bucket == ""
    with pytest.raises(oss2.exceptions.NoSuchWebsite):
        oss.get_bucket_website()


def test_objects_round_trip_with_headers_and_metadata(oss):
    body = payload(300_000)
    headers = {
        "Content-Type": "text/x-test",
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="x"',
        "Content-Encoding": "identity",
        "Expires": "Thu, 01 Jan 2032 00:00:00 GMT",
        "Content-MD5": md5_base64(body),
        "x-oss-meta-Author": "foo@bar.com",
        "x-oss-tagging": "a=1&b=x%20y",
    }
    for key in ("plain", "dir/ä +%&//..😀"):
        put = oss.put_object(key, body, headers=headers)
        assert (put.status, put.etag, put.crc) == (200, md5_hex(body), crc64(body))
        assert re.fullmatch("[0-9A-F]{24}", put.request_id)
        got = oss.get_object(key)
        assert got.read() == body and got.client_crc == got.server_crc == crc64(body)
        for name, value in headers.items():
            if name != "x-oss-tagging":
                assert got.headers[name] == value, name
        assert got.headers["x-oss-tagging-count"] == "2"
        assert (got.headers["x-oss-object-type"], got.headers["x-oss-storage-class"], got.headers["Accept-Ranges"]) == ("Normal", "Standard", "bytes")
        head = oss.head_object(key)
        assert (head.content_length, head.content_type, head.etag, head.object_type) == (len(body), "text/x-test", md5_hex(body), "Normal")
        assert head.headers["x-oss-meta-author"] == "foo@bar.com" and abs(head.last_modified - time.time()) < 60
        meta = oss.get_object_meta(key)
        assert (meta.content_length, meta.etag, meta.last_modified) == (len(body), md5_hex(body), head.last_modified)
        assert "x-oss-meta-author" not in meta.headers
        assert oss.object_exists(key) and not oss.object_exists(key + "?")
    # Header values are bytes; the SDK sends text in another encoding than it signs it in, so its users encode.
    oss.put_object("utf-8", b"", headers={"x-oss-meta-title": "ü 标题".encode()})
    assert oss.head_object("utf-8").headers["x-oss-meta-title"].encode("latin-1").decode() == "ü 标题"
    assert oss.put_object("empty", b"").crc == 0 and oss.get_object("empty").read() == b""
    oss.put_object("chunked", iter([b"one", b"two"]))
    assert oss.get_object("chunked").read() == b"onetwo"
    with pytest.raises(oss2.exceptions.InvalidDigest):
        oss.put_object("wrong", body, headers={"Content-MD5": md5_base64(b"other")})
    assert not oss.object_exists("wrong")


def test_ranges_in_both_behaviours(oss):
    body = payload(1000)
    oss.put_object("k", body)
    whole, invalid = (200, body, None), oss2.exceptions.ServerError
    cases = [
        ((0, 499), (206, body[:500], "bytes 0-499/1000"), (206, body[:500], "bytes 0-499/1000")),
        ((500, None), (206, body[500:], "bytes 500-999/1000"), (206, body[500:], "bytes 500-999/1000")),
        ((None, 200), (206, body[800:], "bytes 800-999/1000"), (206, body[800:], "bytes 800-999/1000")),
        ((500, 2000), whole, (206, body[500:], "bytes 500-999/1000")),
        ((None, 2000), whole, (206, body, "bytes 0-999/1000")),
        ((1000, None), whole, invalid),
        ((1000, 2000), whole, invalid),
    ]
    for wanted, default, standard in cases:
        for headers, expected in (({}, default), ({"x-oss-range-behavior": "standard"}, standard)):
            if expected is invalid:
                with pytest.raises(oss2.exceptions.ServerError) as error:
                    oss.get_object("k", byte_range=wanted, headers=headers)
                assert (error.value.status, error.value.code) == (416, "InvalidRange"), wanted
            else:
                got = oss.get_object("k", byte_range=wanted, headers=headers)
                assert (got.status, got.read(), got.headers.get("Content-Range")) == expected, (wanted, headers)


def test_conditions_and_overridden_headers(oss):
    etag = oss.put_object("k", b"body").etag
    date = oss.head_object("k").headers["Last-Modified"]
    old = "Thu, 01 Jan 2015 00:00:00 GMT"
    for headers in ({"If-Match": f'"{etag}"'}, {"If-None-Match": '"0"'}, {"If-Modified-Since": old}, {"If-Unmodified-Since": date}):
        assert oss.get_object("k", headers=headers).read() == b"body", headers
    for headers in ({"If-None-Match": f'"{etag.lower()}"'}, {"If-Modified-Since": date}):
        with pytest.raises(oss2.exceptions.NotModified):
            oss.get_object("k", headers=headers)
    for headers in ({"If-Match": '"0"'}, {"If-Unmodified-Since": old}):
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            oss.get_object("k", headers=headers)
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            oss.head_object("k", headers=headers)
    names = ["content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"]
    got = oss.get_object("k", params={f"response-{name}": f"x {name}+ü".encode("ascii", "ignore").decode() for name in names})
    assert {name: got.headers[name] for name in names} == {name: f"x {name}+" for name in names}


def test_copies_and_rewritten_metadata(server, oss, signature):
    body = payload(200_000)
    source = "dir/s +%ü"
    etag = oss.put_object(source, body, headers={"Content-Type": "text/a", "x-oss-meta-a": "1", "x-oss-tagging": "t=1"}).etag
    copy = oss.copy_object(oss.bucket_name, source, "copy")
    assert copy.etag == etag
    head = oss.head_object("copy")
    assert (head.content_type, head.headers["x-oss-meta-a"], head.server_crc) == ("text/a", "1", crc64(body))
    assert oss.get_object_tagging("copy").tag_set.tagging_rule == {"t": "1"}
    replaced = {"x-oss-metadata-directive": "REPLACE", "Content-Type": "text/b", "x-oss-meta-b": "2"}
    oss.copy_object(oss.bucket_name, source, "replaced", headers=replaced)
    head = oss.head_object("replaced")
    assert (head.content_type, head.headers.get("x-oss-meta-a"), head.headers["x-oss-meta-b"]) == ("text/b", None, "2")
    oss.update_object_meta("copy", {"x-oss-meta-c": "3"})
    assert oss.head_object("copy").headers["x-oss-meta-c"] == "3" and "x-oss-meta-a" not in oss.head_object("copy").headers
    assert oss.get_object("copy").read() == body
    other = oss2_bucket(server, oss.bucket_name[:55] + "-2", signature)
    other.create_bucket()
    other.copy_object(oss.bucket_name, source, "elsewhere")
    assert other.get_object("elsewhere").read() == body
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        oss.copy_object(oss.bucket_name, source, "not", headers={"x-oss-copy-source-if-match": '"0"'})
    with pytest.raises(oss2.exceptions.NotModified):
        oss.copy_object(oss.bucket_name, source, "not", headers={"x-oss-copy-source-if-none-match": etag})
    with pytest.raises(oss2.exceptions.NoSuchKey):
        oss.copy_object(oss.bucket_name, "absent", "not")
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        oss.copy_object("no-such-bucket-anywhere", "k", "not")
    assert not oss.object_exists("not")


def test_acl_tags_links_and_restores_of_objects(oss):
    oss.put_object("k", b"target")
    assert oss.get_object_acl("k").acl == "default"
    oss.put_object_acl("k", oss2.OBJECT_ACL_PUBLIC_READ)
    assert oss.get_object_acl("k").acl == "public-read"
    oss.put_object("open", b"", headers={"x-oss-object-acl": "public-read-write"})
    assert oss.get_object_acl("open").acl == "public-read-write"

    assert oss.get_object_tagging("k").tag_set.tagging_rule == {}
    tags = models.Tagging()
    tags.tag_set.add("a", "1")
    tags.tag_set.add("b ü", "x+y")
    oss.put_object_tagging("k", tags)
    assert oss.get_object_tagging("k").tag_set.tagging_rule == {"a": "1", "b ü": "x+y"}
    assert oss.delete_object_tagging("k").status == 204
    assert oss.get_object_tagging("k").tag_set.tagging_rule == {}

    oss.put_object("dir/t ü", b"the target's")
    oss.put_symlink("dir/t ü", "link", headers={"x-oss-meta-own": "1"})
    assert oss.get_symlink("link").target_key == "dir/t ü"
    got = oss.get_object("link")
    assert got.read() == b"the target's" and got.headers["x-oss-meta-own"] == "1"
    assert oss.head_object("link").object_type == "Symlink"
    oss.put_symlink("nowhere", "dangling")
    with pytest.raises(oss2.exceptions.ServerError) as error:
        oss.get_object("dangling")
    assert (error.value.status, error.value.code) == (404, "SymlinkTargetNotExist")
    with pytest.raises(oss2.exceptions.ServerError) as error:
        oss.get_symlink("k")
    assert (error.value.status, error.value.code) == (400, "NotSymlink")

    with pytest.raises(oss2.exceptions.ServerError) as error:
        oss.restore_object("k")
    assert (error.value.status, error.value.code) == (400, "OperationNotSupported")


def test_appends(oss):
    pieces = [payload(100_000, 1), payload(1, 2), payload(70_000, 3)]
    position, crc, whole = 0, 0, b""
    for piece in pieces:
        result = oss.append_object("log", position, piece, init_crc=crc, headers={"Content-Type": "text/x-log"})
        whole += piece
        position, crc = result.next_position, result.crc
        assert (position, crc) == (len(whole), crc64(whole))
    with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as error:
        oss.append_object("log", 5, b"lost")
    assert error.value.next_position == len(whole)
    got = oss.get_object("log")
    assert got.read() == whole and got.object_type == "Appendable"
    head = oss.head_object("log")
    assert (head.headers["x-oss-next-append-position"], head.content_type) == (str(len(whole)), "text/x-log")
    assert [(entry.key, entry.type, entry.size) for entry in oss2.ObjectIterator(oss)] == [("log", "Appendable", len(whole))]
    oss.put_object("normal", b"")
    with pytest.raises(oss2.exceptions.ObjectNotAppendable):
        oss.append_object("normal", 0, b"x")


def test_listings_in_pages_with_odd_keys(oss):
    for key in ODD_KEYS:
        oss.put_object(key, key.encode())
    ordered = sorted(ODD_KEYS, key=str.encode)
    assert [entry.key for entry in oss2.ObjectIterator(oss, max_keys=3)] == ordered
    assert [entry.key for entry in oss2.ObjectIteratorV2(oss, max_keys=3)] == ordered
    first = oss.list_objects(max_keys=3)
    assert (first.is_truncated, first.next_marker) == (True, ordered[2])
    entry = first.object_list[0]
    assert (entry.etag, entry.size, entry.type, entry.storage_class) == (md5_hex(entry.key.encode()), len(entry.key.encode()), "Normal", "Standard")
    assert entry.owner.id and abs(entry.last_modified - time.time()) < 60
    grouped = oss.list_objects(delimiter="/", max_keys=100)
    assert (grouped.prefix_list, [entry.key for entry in grouped.object_list]) == (["dir/"], [key for key in ordered if "/" not in key])
    grouped = oss.list_objects_v2(prefix="dir/", delimiter="/")
    assert (grouped.prefix_list, [entry.key for entry in grouped.object_list]) == (["dir//"], [key for key in ordered if key.startswith("dir/") and key != "dir//two"])
    assert [entry.key for entry in oss.list_objects(prefix="a+").object_list] == ["a+b"]
    after = oss.list_objects_v2(start_after="a+b", fetch_owner=True)
    assert [entry.key for entry in after.object_list] == [key for key in ordered if key.encode() > b"a+b"] and after.object_list[0].owner.id
    assert after.object_list[0].owner.id and oss.list_objects_v2().object_list[0].owner is None
    for wrong in (0, 1001):
        with pytest.raises(oss2.exceptions.InvalidArgument):
            oss.list_objects(max_keys=wrong)
    deleted = oss.batch_delete_objects(ODD_KEYS + ["never there"])
    assert sorted(deleted.deleted_keys) == sorted(ODD_KEYS + ["never there"])
    assert oss.list_objects().object_list == []


def test_presigned_urls_used_without_the_sdk(server, oss, signature):
    body = payload(5000)
    for key in ("k", "dir/ü +%&😀"):
        for slash_safe in (False, True):
            headers = {"Content-Type": "text/x-signed", "x-oss-meta-a": "b"}
            url = oss.sign_url("PUT", key, 60, headers=headers, slash_safe=slash_safe)
            put = requests.put(url, data=body, headers=headers, timeout=10)
            assert (put.status_code, put.headers["ETag"]) == (200, f'"{md5_hex(body)}"'), put.text
            other = requests.put(url, data=body, headers=headers | {"x-oss-meta-a": "c"}, timeout=10)
            assert (other.status_code, "<Code>SignatureDoesNotMatch</Code>" in other.text) == (403, True)
            got = requests.get(oss.sign_url("GET", key, 60, params={"response-content-type": "a/b"}, slash_safe=slash_safe), timeout=10)
            assert (got.status_code, got.content, got.headers["Content-Type"], got.headers["x-oss-meta-a"]) == (200, body, "a/b", "b")
            assert oss.get_object_with_url(oss.sign_url("GET", key, 60, slash_safe=slash_safe)).read() == body
    url = oss.sign_url("GET", "k", 1)
    assert requests.put(url, data=b"x", timeout=10).status_code == 403, "signed for GET"
    time.sleep(2.2)
    late = requests.get(url, timeout=10)
    assert late.status_code == 403 and "<Code>AccessDenied</Code>" in late.text and "Request has expired." in late.text
    wrong = oss2.Bucket(OSS2_AUTHS[signature](ACCESS_KEY, "wrong"), server.endpoint, oss.bucket_name, region=REGION)
    assert "<Code>SignatureDoesNotMatch</Code>" in requests.get(wrong.sign_url("GET", "k", 60), timeout=10).text


def test_traffic_limits_slow_a_transfer_down(server, free_name):
    """819200 bit/s is the lowest limit; 400 KiB then take about four seconds, of which this asks for half."""
    bucket = oss2_bucket(server, free_name, "v4")
    bucket.create_bucket()
    body = payload(400 * KIB)
    limited = {"x-oss-traffic-limit": "819200"}
    begun = time.monotonic()
    bucket.put_object("k", body, headers=limited)
    assert time.monotonic() - begun > 2
    begun = time.monotonic()
    assert requests.get(bucket.sign_url("GET", "k", 60, params=limited), timeout=30).content == body
    assert time.monotonic() - begun > 2
    with pytest.raises(oss2.exceptions.InvalidArgument) as error:
        bucket.get_object("k", headers={"x-oss-traffic-limit": "819199"})
    assert error.value.details["Message"].startswith("x-oss-traffic-limit is invalid")


def test_anonymous_clients_get_what_the_acl_gives_them(server, oss):
    oss.put_object("k", b"body")
    stranger = anonymous(server, oss.bucket_name)

    def refused(call, *arguments):
        with pytest.raises(oss2.exceptions.AccessDenied):
            call(*arguments)

    refused(stranger.get_object, "k")
    refused(stranger.put_object, "k", b"not mine")
    oss.put_object_acl("k", oss2.OBJECT_ACL_PUBLIC_READ)
    assert stranger.get_object("k").read() == b"body"
    oss.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ)
    oss.put_object("by bucket", b"open")
    assert stranger.get_object("by bucket").read() == b"open"
    refused(stranger.put_object, "new", b"")
    refused(stranger.delete_object, "k")
    refused(stranger.put_bucket_acl, "public-read-write")
    oss.put_object_acl("by bucket", oss2.OBJECT_ACL_PRIVATE)
    refused(stranger.get_object, "by bucket")
    oss.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ_WRITE)
    stranger.put_object("new", b"from a stranger")
    assert oss.get_object("new").read() == b"from a stranger"
    stranger.delete_object("new")
    assert not oss.object_exists("new")
    with pytest.raises(oss2.exceptions.InvalidRequest):
        stranger.get_object("k", params={"response-content-type": "text/plain"})


def test_multipart_by_hand(oss):
    key = "dir/ü +&"
    bodies = {1: payload(300 * KIB, 1), 3: payload(200 * KIB, 3), 7: payload(100, 7)}
    headers = {"Content-Type": "text/x-multi", "x-oss-meta-a": "b", "x-oss-tagging": "t=1"}
    upload = oss.init_multipart_upload(key, headers=headers).upload_id
    assert re.fullmatch("[0-9A-Za-z_-]+", upload)
    oss.upload_part(key, upload, 3, b"to be replaced")
    oss.upload_part(key, upload, 5, b"x" * 102_400)
    parts = []
    for number, body in bodies.items():
        sent = oss.upload_part(key, upload, number, body)
        assert (sent.etag, sent.crc) == (md5_hex(body), crc64(body))
        parts.append(models.PartInfo(number, sent.etag, size=len(body), part_crc=sent.crc))
    first = oss.list_parts(key, upload, max_parts=2)
    assert ([part.part_number for part in first.parts], first.is_truncated, first.next_marker) == ([1, 3], True, "3")
    assert [(part.etag, part.size) for part in first.parts] == [(md5_hex(bodies[number]), len(bodies[number])) for number in (1, 3)]
    assert [part.part_number for part in oss2.PartIterator(oss, key, upload, max_parts=1)] == [1, 3, 5, 7]
    second = oss.init_multipart_upload("other").upload_id
    listed = oss.list_multipart_uploads(max_uploads=1)
    assert ([(entry.key, entry.upload_id) for entry in listed.upload_list], listed.is_truncated) == ([(key, upload)], True)
    assert [(entry.key, entry.upload_id) for entry in oss2.MultipartUploadIterator(oss, max_uploads=1)] == [(key, upload), ("other", second)]
    assert [entry.key for entry in oss.list_multipart_uploads(prefix="o").upload_list] == ["other"]
    assert oss.list_multipart_uploads(delimiter="/").prefix_list == ["dir/"]
    assert not oss.object_exists(key), "not before Complete"

    done = oss.complete_multipart_upload(key, upload, parts)
    whole = b"".join(bodies.values())
    assert (done.crc, bool(re.fullmatch("[0-9A-F]{32}-3", done.etag))) == (crc64(whole), True)
    got = oss.get_object(key)
    assert got.read() == whole and got.server_crc == crc64(whole) and got.etag == done.etag
    assert (got.object_type, got.content_type, got.headers["x-oss-meta-a"]) == ("Multipart", "text/x-multi", "b")
    assert oss.get_object_tagging(key).tag_set.tagging_rule == {"t": "1"}

    oss.upload_part("other", second, 1, b"x")
    assert oss.abort_multipart_upload("other", second).status == 204
    for call in (lambda: oss.list_parts("other", second), lambda: oss.upload_part("other", second, 1, b""), lambda: oss.abort_multipart_upload("other", second)):
        with pytest.raises(oss2.exceptions.NoSuchUpload):
            call()
    assert oss.list_multipart_uploads().upload_list == []


def test_parts_copied_and_completed_all_at_once(oss):
    source = payload(5 * MIB)
    oss.put_object("source +ü", source)
    upload = oss.init_multipart_upload("copied").upload_id
    cut = 3 * MIB + 1
    sent = oss.upload_part_copy(oss.bucket_name, "source +ü", (0, cut - 1), "copied", upload, 1)
    assert sent.etag == md5_hex(source[:cut])
    oss.upload_part_copy(oss.bucket_name, "source +ü", (cut, None), "copied", upload, 2)
    oss.upload_part("copied", upload, 3, b"end")
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        oss.upload_part_copy(oss.bucket_name, "source +ü", None, "copied", upload, 4, headers={"x-oss-copy-source-if-match": '"0"'})
    done = oss.complete_multipart_upload("copied", upload, None, headers={"x-oss-complete-all": "yes"})
    assert done.crc == crc64(source + b"end") and done.etag.endswith("-3")
    assert oss.get_object("copied").read() == source + b"end"


def test_multipart_errors_as_oss_words_them(oss):
    upload = oss.init_multipart_upload("k").upload_id
    small = oss.upload_part("k", upload, 1, b"small").etag
    last = oss.upload_part("k", upload, 2, b"last").etag
    # oss2 sorts the list, so the order is spoilt by hand.
    document = "<CompleteMultipartUpload>{}</CompleteMultipartUpload>"
    part = "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>"
    for code, parts in [
        ("EntityTooSmall", [(1, small), (2, last)]),
        ("InvalidPartOrder", [(2, last), (1, small)]),
        ("InvalidPart", [(1, last)]),
        ("InvalidPart", [(3, last)]),
        ("MalformedXML", []),
    ]:
        body = document.format("".join(part.format(number, etag) for number, etag in parts))
        with pytest.raises(oss2.exceptions.ServerError) as error:
            oss._do("POST", oss.bucket_name, "k", params={"uploadId": upload}, data=body)
        assert (error.value.status, error.value.code) == (400, code)
    for number in (0, 10_001):
        with pytest.raises(oss2.exceptions.InvalidArgument):
            oss.upload_part("k", upload, number, b"x")
    with pytest.raises(oss2.exceptions.ServerError) as error:
        oss.complete_multipart_upload("k", upload, [models.PartInfo(1, small)], headers={"x-oss-complete-all": "yes"})
    assert error.value.code == "InvalidArgument"
    done = oss.complete_multipart_upload("k", upload, [models.PartInfo(2, last.lower())])
    assert done.etag.endswith("-1")
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        oss.upload_part("k", upload, 1, b"late")


def test_overwriting_can_be_forbidden(oss):
    forbid = {"x-oss-forbid-overwrite": "true"}
    upload = oss.init_multipart_upload("k", headers=forbid).upload_id
    part = oss.upload_part("k", upload, 1, b"part")
    oss.put_object("k", b"first", headers=forbid)
    calls = [
        lambda: oss.put_object("k", b"second", headers=forbid),
        lambda: oss.copy_object(oss.bucket_name, "k", "k", headers=forbid),
        lambda: oss.init_multipart_upload("k", headers=forbid),
        lambda: oss.complete_multipart_upload("k", upload, [models.PartInfo(1, part.etag)], headers=forbid),
    ]
    for call in calls:
        with pytest.raises(oss2.exceptions.ServerError) as error:
            call()
        assert (error.value.status, error.value.code) == (409, "FileAlreadyExists")
    assert oss.get_object("k").read() == b"first"
    oss.put_object("k", b"third")
    assert oss.get_object("k").read() == b"third"


def test_errors_carry_what_support_asks_for(server, oss):
    with pytest.raises(oss2.exceptions.NoSuchKey) as raised:
        oss.get_object("a/b ü")
    error = raised.value
    assert (error.status, error.code, error.message) == (404, "NoSuchKey", "The specified key does not exist.")
    assert error.request_id == error.details["RequestId"] == error.headers["x-oss-request-id"]
    assert (error.details["Key"], error.details["HostId"], error.ec) == ("a/b ü", server.address, "0026-00000001")
    assert error.headers["x-oss-ec"] == error.ec and error.headers["Server"] == "AliyunOSS"
    with pytest.raises(oss2.exceptions.NotFound) as raised:
        oss.head_object("a/b ü")
    assert raised.value.status == 404 and raised.value.headers["x-oss-err"]
    for auth, code in [
        (oss2.Auth("LTAI5tNobodyAtAll", SECRET_KEY), "InvalidAccessKeyId"),
        (oss2.AuthV4(ACCESS_KEY, "wrong"), "SignatureDoesNotMatch"),
        (oss2.Auth(ACCESS_KEY, "wrong"), "SignatureDoesNotMatch"),
    ]:
        stranger = oss2.Bucket(auth, server.endpoint, oss.bucket_name, region=REGION)
        with pytest.raises(oss2.exceptions.ServerError) as raised:
            stranger.get_object("k")
        assert (raised.value.status, raised.value.code) == (403, code)
        if code == "SignatureDoesNotMatch":
            assert raised.value.details["StringToSign"] and raised.value.details["OSSAccessKeyId"] == ACCESS_KEY
