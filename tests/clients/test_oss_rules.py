"""Rules of a bucket that partway carries out by itself: lifecycle, referers, ACLs of anonymous clients."""

import datetime

import oss2
import pytest
import requests
from oss2 import models

import conftest
from harness import Server
from oss_harness import eventually, oss2_bucket


@pytest.fixture(scope="module")
def tidying(tmp_path_factory):
    """A partway that looks at lifecycle rules every second."""
    running = Server(tmp_path_factory.mktemp("lifecycle") / "data", "--lifecycle-interval", "1s")
    yield running
    running.stop()
    report = running.run("verify", check=False)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.fixture
def bucket(tidying, free_name):
    made = oss2_bucket(tidying, free_name)
    made.create_bucket()
    return made


def keys(bucket):
    return sorted(entry.key for entry in oss2.ObjectIterator(bucket))



TODAY = datetime.datetime.now(datetime.timezone.utc).date()
LONG_AGO = datetime.date(2020, 1, 1)


def test_oss_rules_delete_what_they_match(bucket):
    tagged = models.Tagging()
    tagged.tag_set.add("keep", "no")
    for key in ("dated/a", "dated/b", "before/a", "not before/a", "off/a", "young/a", "other"):
        bucket.put_object(key, b"x")
    bucket.put_object("tagged/no", b"x", headers={"x-oss-tagging": "keep=no"})
    bucket.put_object("tagged/yes", b"x", headers={"x-oss-tagging": "keep=yes"})
    old = bucket.init_multipart_upload("tmp/a").upload_id
    bucket.upload_part("tmp/a", old, 1, b"x" * 100_000)
    kept = bucket.init_multipart_upload("elsewhere").upload_id
    tomorrow = TODAY + datetime.timedelta(days=1)
    expiration, abortion = models.LifecycleExpiration, models.AbortMultipartUpload
    bucket.put_bucket_lifecycle(
        models.BucketLifecycle(
            [
                models.LifecycleRule("dated", "dated/", expiration=expiration(date=LONG_AGO)),
                models.LifecycleRule("before", "before/", expiration=expiration(created_before_date=tomorrow)),
                models.LifecycleRule("not before", "not before/", expiration=expiration(created_before_date=LONG_AGO)),
                models.LifecycleRule("off", "off/", status=models.LifecycleRule.DISABLED, expiration=expiration(date=LONG_AGO)),
                models.LifecycleRule("young", "young/", expiration=expiration(days=1)),
                models.LifecycleRule("tagged", "tagged/", expiration=expiration(date=LONG_AGO), tagging=tagged),
                models.LifecycleRule("abort", "tmp/", abort_multipart_upload=abortion(created_before_date=tomorrow)),
                models.LifecycleRule("no abort", "else", abort_multipart_upload=abortion(days=1)),
            ]
        )
    )
    remaining = ["not before/a", "off/a", "other", "tagged/yes", "young/a"]
    eventually(lambda: keys(bucket) == remaining, timeout=15)
    eventually(lambda: [upload.upload_id for upload in oss2.MultipartUploadIterator(bucket)] == [kept])
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        bucket.upload_part("tmp/a", old, 2, b"x")
    # What is written under a rule goes at the next look, until the rule does.
    bucket.put_object("dated/c", b"x")
    eventually(lambda: keys(bucket) == remaining, timeout=15)
    bucket.delete_bucket_lifecycle()
    bucket.put_object("dated/d", b"x")
    assert keys(bucket) == sorted(remaining + ["dated/d"])


def test_s3_rules_delete_what_they_match(tidying, bucket):
    s3 = conftest.s3_client(tidying)
    name = bucket.bucket_name
    for key in ("dated/a", "dated/small", "other"):
        s3.put_object(Bucket=name, Key=key, Body=b"x" * (10 if key.endswith("small") else 1000))
    rules = [
        {"ID": "sized", "Status": "Enabled", "Expiration": {"Date": datetime.datetime(2020, 1, 1)}, "Filter": {"And": {"Prefix": "dated/", "ObjectSizeGreaterThan": 100}}},
        {"ID": "off", "Status": "Disabled", "Expiration": {"Date": datetime.datetime(2020, 1, 1)}, "Filter": {"Prefix": ""}},
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    eventually(lambda: keys(bucket) == ["dated/small", "other"], timeout=15)


def test_referers_keep_hotlinks_out(server, free_name):
    bucket = oss2_bucket(server, free_name)
    bucket.create_bucket()
    bucket.put_object("k", b"picture", headers={"x-oss-object-acl": "public-read"})
    public = f"{server.endpoint}/{free_name}/k"
    signed = bucket.sign_url("GET", "k", 60)
    assert requests.get(public, timeout=10).content == b"picture"
    bucket.put_bucket_referer(models.BucketReferer(False, ["http://www.example.com", "https://*.example.org/pages/"]))

    def shown(url, referer):
        answer = requests.get(url, headers={"Referer": referer} if referer else {}, timeout=10)
        assert answer.status_code in (200, 403)
        assert answer.status_code == 200 or "<Code>AccessDenied</Code>" in answer.text
        return answer.status_code == 200

    for url in (public, signed):
        assert not shown(url, None), "an empty Referer is not allowed"
        assert not shown(url, "http://evil.example/")
        assert not shown(url, "http://www.example.com.evil.example/")
        assert shown(url, "http://www.example.com/a/page?x=1")
        assert shown(url, "https://a.example.org/pages/1")
    assert bucket.get_object("k").read() == b"picture", "signed by header: not a hotlink"
    bucket.put_bucket_referer(models.BucketReferer(True, ["http://www.example.com"]))
    assert shown(public, None) and not shown(public, "http://evil.example/")
    bucket.put_bucket_referer(models.BucketReferer(True, []))
    assert shown(public, "http://evil.example/")


def test_anonymous_requests_over_plain_http(server, free_name):
    bucket = oss2_bucket(server, free_name)
    bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE)
    bucket.put_object("k", b"body")
    url = f"{server.endpoint}/{free_name}/k"
    # A request without a signature is of the OSS dialect when its host says so.
    host = {"Host": f"{free_name}.oss-cn-hangzhou.aliyuncs.com"}
    hosted = f"{server.endpoint}/k"

    def statuses():
        put = requests.put(hosted + "2", data=b"x", headers=host, timeout=10).status_code
        return requests.get(hosted, headers=host, timeout=10).status_code, requests.get(url, timeout=10).status_code, put

    assert statuses() == (403, 403, 403)
    refused = requests.get(hosted, headers=host, timeout=10)
    assert "<Code>AccessDenied</Code>" in refused.text and refused.headers["x-oss-request-id"]
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ)
    assert statuses() == (200, 200, 403)
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ_WRITE)
    assert statuses() == (200, 200, 200)
    assert bucket.get_object("k2").read() == b"x"
    # Without a signature, but by an OSS client: the bucket's own settings stay its owner's.
    stranger = oss2.Bucket(oss2.AnonymousAuth(), server.endpoint, free_name)
    for call in (lambda: stranger.put_bucket_acl("private"), stranger.delete_bucket, stranger.get_bucket_lifecycle, lambda: stranger.put_bucket_policy("{}")):
        with pytest.raises(oss2.exceptions.AccessDenied):
            call()
