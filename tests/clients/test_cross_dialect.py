"""One namespace: what clients of one dialect begin or set, clients of the other continue and read."""

import hashlib
import json
import os

import alibabacloud_oss_v2 as oss
import botocore.exceptions
import oss2
import pytest
import requests
from oss2 import models

from harness import MIB, multipart_etag, payload
from oss_harness import KIB, crc64, md5_hex, oss2_bucket, oss_v2_client
from test_ali_oss import tell
from test_command_line_clients import run


@pytest.fixture
def aliyun(server, bucket):
    """oss2's client of the bucket that boto3 made."""
    return oss2_bucket(server, bucket)


def test_one_upload_in_the_hands_of_five_clients(server, bucket, aliyun, s3, environment, tmp_path):
    """Done-when 4: begun by oss2, parts by boto3 and ali-oss, listed by aws-cli, completed by alibabacloud-oss-v2, read by all."""
    key = "dir/ü +.bin"
    bodies = [payload(300 * KIB, 1), payload(150 * KIB, 2), payload(MIB + 1, 3), payload(10, 4)]
    whole = b"".join(bodies)
    (tmp_path / "source").write_bytes(whole)
    started = aliyun.init_multipart_upload(key, headers={"Content-Type": "text/x-shared", "x-oss-meta-a": "b", "x-oss-tagging": "t=1"})
    upload = started.upload_id
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=bodies[0])
    assert part["ETag"].strip('"').upper() == md5_hex(bodies[0])
    start = len(bodies[0])
    by_node = {"key": key, "uploadId": upload, "number": 2, "file": str(tmp_path / "source"), "from": start, "to": start + len(bodies[1])}
    assert tell("part", server, bucket, tmp_path, **by_node) == f'"{md5_hex(bodies[1])}"'
    sent = aliyun.upload_part(key, upload, 3, bodies[2])
    assert sent.crc == crc64(bodies[2])
    s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=4, Body=bodies[3])

    command = ["aws", "--endpoint-url", server.endpoint, "s3api", "list-parts", "--bucket", bucket, "--key", key, "--upload-id", upload]
    listed = json.loads(run(environment, *command).stdout)["Parts"]
    assert [(entry["PartNumber"], entry["Size"], entry["ETag"].strip('"').upper()) for entry in listed] == [
        (number, len(body), md5_hex(body)) for number, body in enumerate(bodies, 1)
    ]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    parts = [{"PartNumber": entry["PartNumber"], "ETag": entry["ETag"]} for entry in listed]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    assert error.value.response["Error"]["Code"] == "EntityTooSmall", "S3's least part size counts when S3 completes"

    client = oss_v2_client(server)
    document = oss.CompleteMultipartUpload(parts=[oss.UploadPart(part_number=entry["PartNumber"], etag=entry["ETag"]) for entry in listed])
    done = client.complete_multipart_upload(oss.CompleteMultipartUploadRequest(bucket, key, upload, complete_multipart_upload=document))
    assert done.hash_crc64 == str(crc64(whole)) and done.etag.endswith('-4"')

    got = aliyun.get_object(key)
    assert got.read() == whole and got.server_crc == crc64(whole)
    assert (got.content_type, got.headers["x-oss-meta-a"]) == ("text/x-shared", "b")
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == whole
    assert (got["ContentType"], got["Metadata"], got["TagCount"], got["ETag"].upper()) == ("text/x-shared", {"a": "b"}, 1, done.etag.upper())
    second = s3.get_object(Bucket=bucket, Key=key, PartNumber=2)
    assert second["Body"].read() == bodies[1] and second["PartsCount"] == 4
    by_node = json.loads(tell("digest", server, bucket, tmp_path, key=key))
    assert (by_node["md5"], by_node["crc64"], by_node["etag"]) == (md5_hex(whole), str(crc64(whole)), done.etag)
    with client.get_object(oss.GetObjectRequest(bucket, key)).body as body:
        assert body.read() == whole
    run(environment, "s5cmd", "--endpoint-url", server.endpoint, "cp", f"s3://{bucket}/{key}", tmp_path / "s5cmd")
    remote = f":s3,provider=Other,force_path_style=true,env_auth=true,endpoint='{server.endpoint}':{bucket}/{key}"
    run(environment, "rclone", "--config", os.devnull, "copyto", remote, tmp_path / "rclone")
    run(environment, "aws", "--endpoint-url", server.endpoint, "s3", "cp", f"s3://{bucket}/{key}", tmp_path / "aws")
    for reader in ("s5cmd", "rclone", "aws"):
        assert hashlib.md5((tmp_path / reader).read_bytes()).hexdigest().upper() == md5_hex(whole), reader


def test_an_upload_begun_by_s3_is_finished_by_oss_and_the_other_way_round(bucket, aliyun, s3):
    bodies = [payload(5 * MIB, 1), payload(1000, 2)]
    whole = b"".join(bodies)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a", Metadata={"by": "s3"}, ContentType="text/a")["UploadId"]
    assert [(entry.key, entry.upload_id) for entry in oss2.MultipartUploadIterator(aliyun)] == [("a", upload)]
    parts = []
    for number, body in enumerate(bodies, 1):
        sent = aliyun.upload_part("a", upload, number, body)
        parts.append(models.PartInfo(number, sent.etag, size=len(body), part_crc=sent.crc))
    assert aliyun.complete_multipart_upload("a", upload, parts).crc == crc64(whole)

    upload = aliyun.init_multipart_upload("b", headers={"x-oss-meta-by": "oss", "Content-Type": "text/b"}).upload_id
    etags = [s3.upload_part(Bucket=bucket, Key="b", UploadId=upload, PartNumber=number, Body=body)["ETag"] for number, body in enumerate(bodies, 1)]
    assert [(part.etag, part.size) for part in oss2.PartIterator(aliyun, "b", upload)] == [(md5_hex(body), len(body)) for body in bodies]
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="b", UploadId=upload, MultipartUpload={"Parts": listed})
    assert done["ETag"] == multipart_etag(bodies)
    for key, by in (("a", "s3"), ("b", "oss")):
        got = aliyun.get_object(key)
        assert got.read() == whole and got.server_crc == crc64(whole), "the CRC is known whoever uploaded"
        assert (got.headers["x-oss-meta-by"], got.content_type) == (by, f"text/{key}")
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == whole and (got["Metadata"], got["ContentType"]) == ({"by": by}, f"text/{key}")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="gone")["UploadId"]
    aliyun.abort_multipart_upload("gone", upload)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.list_parts(Bucket=bucket, Key="gone", UploadId=upload)
    assert error.value.response["Error"]["Code"] == "NoSuchUpload"


def test_objects_read_the_same_from_both(bucket, aliyun, s3):
    body = payload(100_000)
    common = {"Cache-Control": "no-store", "Content-Disposition": "attachment", "Content-Encoding": "identity", "Content-Language": "de", "Content-Type": "text/x"}
    s3.put_object(
        Bucket=bucket, Key="by s3/ü", Body=body, Metadata={"name": "value one"}, Tagging="a=1&b=x%20y",
        **{name.replace("-", ""): value for name, value in common.items()},
    )
    aliyun.put_object("by oss/ü", body, headers=common | {"x-oss-meta-name": "value one", "x-oss-tagging": "a=1&b=x%20y"})
    for key in ("by s3/ü", "by oss/ü"):
        got = aliyun.get_object(key)
        assert got.read() == body and (got.server_crc, got.etag) == (crc64(body), md5_hex(body))
        assert {name: got.headers[name] for name in common} == common and got.headers["x-oss-meta-name"] == "value one"
        assert aliyun.get_object_tagging(key).tag_set.tagging_rule == {"a": "1", "b": "x y"}
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == body and got["ETag"] == f'"{md5_hex(body).lower()}"' and got["Metadata"] == {"name": "value one"}
        assert {name: got[name.replace("-", "")] for name in common} == common
        tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b": "x y"}
    listed = {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed == {entry.key: entry.size for entry in oss2.ObjectIterator(aliyun)} == {"by oss/ü": len(body), "by s3/ü": len(body)}
    aliyun.copy_object(bucket, "by s3/ü", "copy")
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"name": "value one"}
    s3.copy_object(Bucket=bucket, Key="copy 2", CopySource={"Bucket": bucket, "Key": "by oss/ü"})
    assert aliyun.head_object("copy 2").headers["x-oss-meta-name"] == "value one"
    aliyun.append_object("log", 0, b"one")
    assert s3.get_object(Bucket=bucket, Key="log")["Body"].read() == b"one"
    aliyun.put_symlink("by s3/ü", "link")
    assert s3.get_object(Bucket=bucket, Key="link")["Body"].read() == body


def test_settings_read_the_same_from_both(bucket, aliyun, s3):
    s3.put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 9}]},
    )
    [rule] = aliyun.get_bucket_cors().rules
    assert (rule.allowed_origins, rule.allowed_methods, rule.allowed_headers, rule.expose_headers, rule.max_age_seconds) == (["https://a.example"], ["GET"], ["*"], ["ETag"], 9)
    aliyun.put_bucket_cors(models.BucketCors([models.CorsRule(["*"], ["PUT"])]))
    [rule] = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert (rule["AllowedOrigins"], rule["AllowedMethods"]) == (["*"], ["PUT"])

    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert aliyun.get_bucket_tagging().tag_set.tagging_rule == {"a": "1"}
    tags = models.Tagging()
    tags.tag_set.add("b", "2")
    aliyun.put_bucket_tagging(tags)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "b", "Value": "2"}]

    rule = {"ID": "by s3", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 4}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    [kept] = aliyun.get_bucket_lifecycle().rules
    assert (kept.id, kept.prefix, kept.expiration.days, kept.abort_multipart_upload.days) == ("by s3", "logs/", 30, 4)
    aliyun.put_bucket_lifecycle(models.BucketLifecycle([models.LifecycleRule("by oss", "tmp/", expiration=models.LifecycleExpiration(days=2))]))
    [kept] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    prefix = kept["Prefix"] if "Prefix" in kept else kept["Filter"]["Prefix"]
    assert (kept["ID"], kept["Status"], prefix, kept["Expiration"]["Days"]) == ("by oss", "Enabled", "tmp/", 2)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        aliyun.get_bucket_lifecycle()

    everybody = "http://acs.amazonaws.com/groups/global/AllUsers"

    def granted(acl):
        return sorted(grant["Permission"] for grant in acl["Grants"] if grant["Grantee"].get("URI") == everybody)

    for acl, permissions in (("public-read", ["READ"]), ("public-read-write", ["READ", "WRITE"]), ("private", [])):
        aliyun.put_bucket_acl(acl)
        assert granted(s3.get_bucket_acl(Bucket=bucket)) == permissions, acl
        s3.put_bucket_acl(Bucket=bucket, ACL=acl)
        assert aliyun.get_bucket_acl().acl == acl
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")
    assert aliyun.get_object_acl("k").acl == "public-read"
    aliyun.put_object_acl("k", "private")
    assert granted(s3.get_object_acl(Bucket=bucket, Key="k")) == []

    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    aliyun.put_object("open/k", b"open")
    stranger = oss2.Bucket(oss2.AnonymousAuth(), aliyun.endpoint, bucket)
    assert stranger.get_object("open/k").read() == b"open", "a policy set in one dialect holds in the other"
    aliyun.delete_bucket_policy()
    with pytest.raises(oss2.exceptions.AccessDenied):
        stranger.get_object("open/k")


def test_each_dialect_answers_in_its_own_words(bucket, aliyun, s3):
    """Whoever the object came from."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    oss_answer = requests.get(aliyun.sign_url("GET", "absent", 60), timeout=10)
    assert (oss_answer.status_code, "<EC>" in oss_answer.text, oss_answer.headers["Server"]) == (404, True, "AliyunOSS")
    s3_answer = requests.get(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "absent"}), timeout=10)
    assert (s3_answer.status_code, "<EC>" in s3_answer.text, "x-amz-request-id" in s3_answer.headers) == (404, False, True)
    assert requests.get(aliyun.sign_url("GET", "k", 60), timeout=10).content == b"body"


def test_each_dialect_has_names_of_its_own_for_the_classes_of_the_other(bucket, aliyun, s3):
    for written, shown in [("Standard", None), ("IA", "STANDARD_IA"), ("Archive", "GLACIER_IR")]:
        aliyun.put_object("k", b"1", headers={"x-oss-storage-class": written})
        assert s3.head_object(Bucket=bucket, Key="k").get("StorageClass") == shown
        assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == (shown or "STANDARD")
        assert aliyun.head_object("k").headers["x-oss-storage-class"] == written
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", StorageClass="ONEZONE_IA")
    assert aliyun.head_object("k").headers["x-oss-storage-class"] == "IA"


def test_nobody_takes_the_etag_of_what_was_appended_to_for_its_md5(bucket, aliyun, s3):
    aliyun.append_object("k", 0, b"one")
    aliyun.append_object("k", 3, b"two")
    seen = s3.get_object(Bucket=bucket, Key="k")
    assert seen["Body"].read() == b"onetwo" and seen["ETag"].endswith('-2"')
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=seen["ETag"])["ContentLength"] == 6
    assert aliyun.get_object("k", headers={"If-Match": seen["ETag"]}).read() == b"onetwo"
