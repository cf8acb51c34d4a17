"""Quotas as clients meet them: what is refused with which code, and what makes room again."""

import json
import socket

import boto3
import botocore.exceptions
import oss2
import pytest

import conftest
import harness
import oss_harness

KIB = 1 << 10


@pytest.fixture
def limited(own_server, free_name):
    """A server and an empty bucket on it that may hold 12 MiB and 3 objects."""
    conftest.s3_client(own_server).create_bucket(Bucket=free_name)
    own_server.run("quota", "set", "bucket", free_name, "12MiB", "--objects", "3")
    yield own_server, free_name
    own_server.stop()
    report = own_server.run("verify", check=False)
    assert report.returncode == 0, report.stdout + report.stderr


def held(server, name):
    rows = json.loads(server.run("quota", "list", "--json").stdout)["quotas"]
    return next((row for row in rows if row["name"] == name), None)


def refused(call, *arguments, **options):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(*arguments, **options)
    answer = error.value.response
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0, "a client that tries again does not help itself"
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (403, "QuotaExceeded")


def test_boto3_is_told_that_a_bucket_is_full_and_deleting_makes_room(limited):
    server, bucket = limited
    s3 = conftest.s3_client(server)
    s3.put_object(Bucket=bucket, Key="a", Body=harness.payload(8 * harness.MIB))
    refused(s3.put_object, Bucket=bucket, Key="b", Body=harness.payload(5 * harness.MIB))
    refused(s3.copy_object, Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x")
    s3.put_object(Bucket=bucket, Key="c", Body=b"x")
    refused(s3.put_object, Bucket=bucket, Key="d", Body=b"x")
    s3.put_object(Bucket=bucket, Key="a", Body=harness.payload(9 * harness.MIB))
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "c"}]})
    s3.put_object(Bucket=bucket, Key="d", Body=harness.payload(11 * harness.MIB))
    assert (held(server, bucket)["objects"], held(server, bucket)["object_bytes"]) == (2, 11 * harness.MIB + 1)


def test_boto3_parts_count_when_they_are_sent_and_an_abort_gives_them_back(limited):
    server, bucket = limited
    s3 = conftest.s3_client(server)
    part = harness.payload(5 * harness.MIB)
    begin = lambda key: {"Bucket": bucket, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]}
    first, second = begin("a"), begin("b")
    etag = s3.upload_part(**first, PartNumber=1, Body=part)["ETag"]
    s3.upload_part(**second, PartNumber=1, Body=part)
    refused(s3.upload_part, **first, PartNumber=2, Body=part)
    refused(s3.upload_part, **first, PartNumber=1, Body=part)
    refused(s3.put_object, Bucket=bucket, Key="c", Body=part)
    assert (held(server, bucket)["parts"], held(server, bucket)["part_bytes"]) == (2, 10 * harness.MIB)
    s3.abort_multipart_upload(**second)
    s3.put_object(Bucket=bucket, Key="c", Body=part)
    server.run("quota", "set", "bucket", bucket, "1", "--objects", "0")
    s3.complete_multipart_upload(**first, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    row = held(server, bucket)
    assert (row["objects"], row["object_bytes"], row["uploads"], row["part_bytes"]) == (2, 10 * harness.MIB, 0, 0)


def test_boto3_keys_have_quotas_across_buckets_which_survive_a_crash(own_server, free_name):
    made = json.loads(own_server.run("keys", "create", "--account", "app", "--json").stdout)
    own_server.run("quota", "set", "key", made["access_key"], "1MiB")

    def client(service, access_key, secret_key, token=None):
        keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key, "aws_session_token": token}
        return boto3.client(service, endpoint_url=own_server.endpoint, region_name=harness.REGION, **keys)

    s3 = client("s3", made["access_key"], made["secret_key"])
    buckets = [f"{free_name}"[:50] + suffix for suffix in ("-1", "-2")]
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="a", Body=harness.payload(500 * KIB))
    refused(s3.put_object, Bucket=buckets[0], Key="b", Body=harness.payload(50 * KIB))
    role = {"RoleArn": "arn:aws:iam::123456789012:role/uploads", "RoleSessionName": "somebody"}
    session = client("sts", made["access_key"], made["secret_key"]).assume_role(**role)["Credentials"]
    child = client("s3", session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    refused(child.put_object, Bucket=buckets[0], Key="b", Body=harness.payload(50 * KIB))
    child.put_object(Bucket=buckets[0], Key="small", Body=b"x" * KIB)
    assert held(own_server, made["access_key"])["object_bytes"] == 1001 * KIB
    own_server.kill()
    own_server.start(own_server.address)
    refused(s3.put_object, Bucket=buckets[1], Key="b", Body=harness.payload(50 * KIB))
    s3.delete_object(Bucket=buckets[0], Key="a")
    s3.put_object(Bucket=buckets[1], Key="b", Body=harness.payload(50 * KIB))
    assert held(own_server, made["access_key"])["object_bytes"] == 551 * KIB


def test_oss2_is_told_that_a_bucket_is_full_and_an_abort_gives_back(limited):
    server, name = limited
    bucket = oss_harness.oss2_bucket(server, name)

    def refused_by_oss(call, *arguments):
        with pytest.raises(oss2.exceptions.ServerError) as error:
            call(*arguments)
        assert (error.value.status, error.value.code) == (403, "QuotaExceeded")

    part = harness.payload(5 * harness.MIB)
    upload = bucket.init_multipart_upload("a").upload_id
    for number in (1, 2):
        bucket.upload_part("a", upload, number, part)
    refused_by_oss(bucket.upload_part, "a", upload, 3, part)
    refused_by_oss(bucket.put_object, "b", part)
    refused_by_oss(bucket.append_object, "log", 0, part)
    stat = bucket.get_bucket_stat()
    assert (stat.object_count, stat.multi_part_upload_count) == (0, 1)
    bucket.abort_multipart_upload("a", upload)
    bucket.append_object("log", 0, part)
    bucket.append_object("log", len(part), part)
    refused_by_oss(bucket.append_object, "log", 2 * len(part), part)
    assert (bucket.get_bucket_stat().object_count, bucket.get_bucket_stat().storage_size_in_bytes) == (1, 2 * len(part))


def test_a_body_that_there_is_no_room_for_is_not_asked_for(limited):
    server, bucket = limited
    s3 = conftest.s3_client(server)
    host, port = server.address.rsplit(":", 1)

    def first_line(size):
        path = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}).split(server.address, 1)[1]
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = f"PUT {path} HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(head.encode())
            return connection.makefile("rb").readline().decode().split()[1]

    assert first_line(12 * harness.MIB + 1) == "403"
    assert first_line(12 * harness.MIB) == "100"
