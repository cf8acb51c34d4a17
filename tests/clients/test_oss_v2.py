"""alibabacloud-oss-v2, the second generation of the Python SDK, signing with version 4 (its default) and version 1."""

import datetime
import io
import re
import time

import alibabacloud_oss_v2 as oss
import pytest
import requests
from alibabacloud_oss_v2.models import object_basic

from harness import ACCESS_KEY, MIB, SECRET_KEY, file_of, payload, sha256_of_file
from oss_harness import KIB, ODD_KEYS, crc64, crc64_of_file, md5_hex, oss_v2_client


@pytest.fixture(params=["v4", "v1"])
def client(request, server, free_name):
    """A client, and the bucket named after the test."""
    made = oss_v2_client(server, request.param)
    made.put_bucket(oss.PutBucketRequest(bucket=free_name))
    return made


def service_error(call, *arguments, **options):
    with pytest.raises(oss.exceptions.BaseError) as raised:
        call(*arguments, **options)
    error = raised.value
    while not isinstance(error, oss.exceptions.ServiceError):
        error = error.unwrap()
    return error


def body_of(result):
    with result.body as body:
        return body.read()


class Interrupted(BaseException):
    """What a progress callback raises in place of a user's ^C; the downloader retries every ordinary exception for ever."""


def interrupt_at(bytes_done):
    def progress(_increment, written, _total):
        if written >= bytes_done:
            raise Interrupted

    return progress


def test_buckets(client, free_name):
    info = client.get_bucket_info(oss.GetBucketInfoRequest(bucket=free_name)).bucket_info
    assert (info.name, info.acl, info.storage_class) == (free_name, "private", "Standard") and info.owner.id
    assert abs((datetime.datetime.now(datetime.timezone.utc) - info.creation_date).total_seconds()) < 60
    assert client.get_bucket_location(oss.GetBucketLocationRequest(bucket=free_name)).location == info.location
    assert client.is_bucket_exist(free_name) and not client.is_bucket_exist("no-such-bucket-anywhere")
    pages = client.list_buckets_paginator(limit=1).iter_page(oss.ListBucketsRequest(prefix=free_name[:-1]))
    assert free_name in [bucket.name for page in pages for bucket in page.buckets]
    client.put_bucket_acl(oss.PutBucketAclRequest(bucket=free_name, acl="public-read"))
    assert client.get_bucket_acl(oss.GetBucketAclRequest(bucket=free_name)).acl == "public-read"
    client.put_object(oss.PutObjectRequest(free_name, "k", body=b"12345"))
    stat = client.get_bucket_stat(oss.GetBucketStatRequest(bucket=free_name))
    assert stat.object_count == 1 and stat.storage >= 5
    error = service_error(client.delete_bucket, oss.DeleteBucketRequest(bucket=free_name))
    assert (error.status_code, error.code) == (409, "BucketNotEmpty")
    client.delete_object(oss.DeleteObjectRequest(free_name, "k"))
    assert client.delete_bucket(oss.DeleteBucketRequest(bucket=free_name)).status_code == 204
    assert not client.is_bucket_exist(free_name)


def test_settings_of_a_bucket(client, free_name):
    rule = oss.CORSRule(allowed_origins=["*"], allowed_methods=["PUT", "GET"], allowed_headers=["*"], expose_headers=["ETag"], max_age_seconds=5)
    cors = oss.CORSConfiguration(cors_rules=[rule], response_vary=True)
    client.put_bucket_cors(oss.PutBucketCorsRequest(bucket=free_name, cors_configuration=cors))
    kept = client.get_bucket_cors(oss.GetBucketCorsRequest(bucket=free_name)).cors_configuration
    [kept_rule] = kept.cors_rules
    assert (kept.response_vary, kept_rule.allowed_methods, kept_rule.expose_headers, kept_rule.max_age_seconds) == (True, ["PUT", "GET"], ["ETag"], 5)
    client.delete_bucket_cors(oss.DeleteBucketCorsRequest(bucket=free_name))
    assert service_error(client.get_bucket_cors, oss.GetBucketCorsRequest(bucket=free_name)).code == "NoSuchCORSConfiguration"

    rule = oss.LifecycleRule(id="r", prefix="logs/", status="Enabled", expiration=oss.LifecycleRuleExpiration(days=9))
    lifecycle = oss.LifecycleConfiguration(rules=[rule])
    client.put_bucket_lifecycle(oss.PutBucketLifecycleRequest(bucket=free_name, lifecycle_configuration=lifecycle))
    [kept] = client.get_bucket_lifecycle(oss.GetBucketLifecycleRequest(bucket=free_name)).lifecycle_configuration.rules
    assert (kept.id, kept.prefix, kept.expiration.days) == ("r", "logs/", 9)
    client.delete_bucket_lifecycle(oss.DeleteBucketLifecycleRequest(bucket=free_name))
    assert service_error(client.get_bucket_lifecycle, oss.GetBucketLifecycleRequest(bucket=free_name)).code == "NoSuchLifecycle"
    assert service_error(client.get_bucket_policy, oss.GetBucketPolicyRequest(bucket=free_name)).code == "NoSuchBucketPolicy"
    assert service_error(client.get_bucket_website, oss.GetBucketWebsiteRequest(bucket=free_name)).code == "NoSuchWebsiteConfiguration"


def test_objects(client, free_name):
    body = payload(300_000)
    request = oss.PutObjectRequest(
        free_name, "dir/ä +%&//..😀", metadata={"author": "foo@bar.com"}, content_type="text/x-test", cache_control="no-store",
        content_disposition="attachment", expires="Thu, 01 Jan 2032 00:00:00 GMT", tagging="a=1&b=x%20y", body=body,
    )
    put = client.put_object(request)
    assert (put.status_code, put.etag, put.hash_crc64) == (200, f'"{md5_hex(body)}"', str(crc64(body)))
    assert re.fullmatch("[0-9A-F]{24}", put.request_id)
    got = client.get_object(oss.GetObjectRequest(free_name, request.key))
    assert body_of(got) == body
    assert (got.content_type, got.cache_control, got.content_disposition, got.expires) == ("text/x-test", "no-store", "attachment", request.expires)
    assert (dict(got.metadata), got.tagging_count, got.object_type, got.storage_class) == ({"author": "foo@bar.com"}, 2, "Normal", "Standard")
    head = client.head_object(oss.HeadObjectRequest(free_name, request.key))
    assert (head.content_length, head.etag, head.hash_crc64, head.last_modified) == (len(body), put.etag, put.hash_crc64, got.last_modified)
    meta = client.get_object_meta(oss.GetObjectMetaRequest(free_name, request.key))
    assert (meta.content_length, meta.etag) == (len(body), put.etag)
    assert client.is_object_exist(free_name, request.key) and not client.is_object_exist(free_name, "absent")
    assert body_of(client.get_object(oss.GetObjectRequest(free_name, request.key, range_header="bytes=299990-400000", range_behavior="standard"))) == body[-10:]
    assert len(body_of(client.get_object(oss.GetObjectRequest(free_name, request.key, range_header="bytes=299990-400000")))) == len(body)
    shown = client.get_object(oss.GetObjectRequest(free_name, request.key, response_content_type="a/b", response_cache_control="max-age=1"))
    assert (shown.content_type, shown.cache_control) == ("a/b", "max-age=1") and body_of(shown) == body
    # A stream of unknown length goes out chunked.
    client.put_object(oss.PutObjectRequest(free_name, "chunked", body=iter([b"one", b"two"])))
    assert body_of(client.get_object(oss.GetObjectRequest(free_name, "chunked"))) == b"onetwo"

    copied = client.copy_object(oss.CopyObjectRequest(free_name, "copy", source_key=request.key))
    assert copied.etag == put.etag
    assert dict(client.head_object(oss.HeadObjectRequest(free_name, "copy")).metadata) == {"author": "foo@bar.com"}
    error = service_error(client.put_object, oss.PutObjectRequest(free_name, "copy", body=b"", forbid_overwrite=True))
    assert (error.status_code, error.code) == (409, "FileAlreadyExists")
    for condition, status in (({"if_match": '"0"'}, 412), ({"if_none_match": put.etag}, 304)):
        assert service_error(client.get_object, oss.GetObjectRequest(free_name, "copy", **condition)).status_code == status
    assert client.delete_object(oss.DeleteObjectRequest(free_name, "copy")).status_code == 204
    assert client.delete_object(oss.DeleteObjectRequest(free_name, "copy")).status_code == 204, "also when there is nothing"


def test_acl_tags_links_and_restores(client, free_name):
    client.put_object(oss.PutObjectRequest(free_name, "dir/t ü", body=b"target"))
    client.put_object_acl(oss.PutObjectAclRequest(free_name, "dir/t ü", acl="public-read"))
    assert client.get_object_acl(oss.GetObjectAclRequest(free_name, "dir/t ü")).acl == "public-read"
    tagging = object_basic.Tagging(object_basic.TagSet([object_basic.Tag("a", "1"), object_basic.Tag("b ü", "x+y")]))
    client.put_object_tagging(oss.PutObjectTaggingRequest(free_name, "dir/t ü", tagging=tagging))
    kept = client.get_object_tagging(oss.GetObjectTaggingRequest(free_name, "dir/t ü")).tag_set.tags
    assert {tag.key: tag.value for tag in kept} == {"a": "1", "b ü": "x+y"}
    client.delete_object_tagging(oss.DeleteObjectTaggingRequest(free_name, "dir/t ü"))
    assert not client.get_object_tagging(oss.GetObjectTaggingRequest(free_name, "dir/t ü")).tag_set.tags
    client.put_object(oss.PutObjectRequest(free_name, "t x", body=b"plain target"))
    client.put_symlink(oss.PutSymlinkRequest(free_name, "link", target="t x"))
    assert client.get_symlink(oss.GetSymlinkRequest(free_name, "link")).target in ("t x", "t%20x")
    assert body_of(client.get_object(oss.GetObjectRequest(free_name, "link"))) == b"plain target"
    restore = oss.RestoreObjectRequest(free_name, "t x", restore_request=object_basic.RestoreRequest(days=1))
    assert service_error(client.restore_object, restore).code == "OperationNotSupported"


def test_listings_through_paginators(client, free_name):
    for key in ODD_KEYS:
        client.put_object(oss.PutObjectRequest(free_name, key, body=key.encode()))
    ordered = sorted(ODD_KEYS, key=str.encode)

    def keys(pages):
        return [entry.key for page in pages for entry in page.contents or []]

    assert keys(client.list_objects_paginator(limit=3).iter_page(oss.ListObjectsRequest(free_name))) == ordered
    assert keys(client.list_objects_v2_paginator(limit=3).iter_page(oss.ListObjectsV2Request(free_name))) == ordered
    page = client.list_objects_v2(oss.ListObjectsV2Request(free_name, delimiter="/", max_keys=100))
    assert [prefix.prefix for prefix in page.common_prefixes] == ["dir/"] and page.key_count == 1 + len(page.contents)
    assert keys([page]) == [key for key in ordered if "/" not in key]
    assert page.contents[0].etag == f'"{md5_hex(ordered[0].encode())}"' and page.contents[0].object_type == "Normal"
    after = client.list_objects_v2(oss.ListObjectsV2Request(free_name, start_after="a+b", fetch_owner=True))
    assert keys([after]) == [key for key in ordered if key.encode() > b"a+b"] and after.contents[0].owner.id
    objects = [oss.DeleteObject(key=key) for key in ODD_KEYS[1:]]
    deleted = client.delete_multiple_objects(oss.DeleteMultipleObjectsRequest(free_name, objects=objects, encoding_type="url"))
    assert sorted(entry.key for entry in deleted.deleted_objects) == sorted(ODD_KEYS[1:])
    quiet = oss.DeleteMultipleObjectsRequest(free_name, objects=[oss.DeleteObject(key=ODD_KEYS[0])], quiet=True)
    assert not client.delete_multiple_objects(quiet).deleted_objects
    assert client.list_objects_v2(oss.ListObjectsV2Request(free_name)).key_count == 0


def test_the_six_multipart_calls(client, free_name):
    key = "dir/ü +&"
    source, rest = payload(3 * MIB, 1), payload(200, 2)
    client.put_object(oss.PutObjectRequest(free_name, "source +ü", body=source))
    request = oss.InitiateMultipartUploadRequest(free_name, key, metadata={"a": "b"}, content_type="text/x-multi")
    started = client.initiate_multipart_upload(request)
    assert started.key == key
    upload = started.upload_id
    copied = client.upload_part_copy(oss.UploadPartCopyRequest(free_name, key, 1, upload, source_key="source +ü", source_range=f"bytes=0-{2 * MIB - 1}"))
    assert copied.etag == f'"{md5_hex(source[: 2 * MIB])}"'
    client.upload_part(oss.UploadPartRequest(free_name, key, part_number=3, upload_id=upload, body=source[2 * MIB :]))
    last = client.upload_part(oss.UploadPartRequest(free_name, key, part_number=9, upload_id=upload, body=rest))
    assert (last.etag, last.hash_crc64) == (f'"{md5_hex(rest)}"', str(crc64(rest)))
    pages = client.list_parts_paginator(limit=1).iter_page(oss.ListPartsRequest(free_name, key, upload_id=upload))
    parts = [part for page in pages for part in page.parts]
    assert [(part.part_number, part.size) for part in parts] == [(1, 2 * MIB), (3, MIB), (9, 200)]
    assert parts[2].hash_crc64 == str(crc64(rest)) and parts[2].etag == last.etag
    pages = client.list_multipart_uploads_paginator(limit=1).iter_page(oss.ListMultipartUploadsRequest(free_name))
    assert [(entry.key, entry.upload_id) for page in pages for entry in page.uploads] == [(key, upload)]
    listed = oss.CompleteMultipartUpload(parts=[oss.UploadPart(part_number=part.part_number, etag=part.etag) for part in parts])
    done = client.complete_multipart_upload(oss.CompleteMultipartUploadRequest(free_name, key, upload, complete_multipart_upload=listed))
    assert (done.bucket, done.key, done.hash_crc64) == (free_name, key, str(crc64(source + rest))) and done.etag.endswith('-3"')
    got = client.get_object(oss.GetObjectRequest(free_name, key))
    assert body_of(got) == source + rest and (dict(got.metadata), got.content_type) == ({"a": "b"}, "text/x-multi")

    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(free_name, "all")).upload_id
    for number, piece in ((1, source), (2, rest)):
        client.upload_part(oss.UploadPartRequest(free_name, "all", part_number=number, upload_id=upload, body=piece))
    done = client.complete_multipart_upload(oss.CompleteMultipartUploadRequest(free_name, "all", upload, complete_all="yes"))
    assert done.hash_crc64 == str(crc64(source + rest))

    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(free_name, "gone")).upload_id
    assert client.abort_multipart_upload(oss.AbortMultipartUploadRequest(free_name, "gone", upload)).status_code == 204
    error = service_error(client.list_parts, oss.ListPartsRequest(free_name, "gone", upload_id=upload))
    assert (error.status_code, error.code) == (404, "NoSuchUpload")


def test_the_uploader_goes_on_from_its_checkpoint(server, client, free_name, tmp_path):
    source = str(file_of(tmp_path / "source", 20 * MIB + 9))
    uploader = client.uploader(part_size=MIB, parallel_num=3, enable_checkpoint=True, checkpoint_dir=str(tmp_path))
    with pytest.raises(Interrupted):
        uploader.upload_file(oss.PutObjectRequest(free_name, "dir/ü", progress_fn=interrupt_at(8 * MIB)), filepath=source)
    [upload] = client.list_multipart_uploads(oss.ListMultipartUploadsRequest(free_name)).uploads
    held = client.list_parts(oss.ListPartsRequest(free_name, "dir/ü", upload_id=upload.upload_id)).parts
    together = next((index for index, part in enumerate(held) if part.part_number != index + 1), len(held))
    before = server.counted("partway_requests_total", operation="UploadPart", status="200")
    done = uploader.upload_file(oss.PutObjectRequest(free_name, "dir/ü", metadata={"a": "b"}), filepath=source)
    assert server.counted("partway_requests_total", operation="UploadPart", status="200") - before == 21 - together
    assert (done.upload_id, done.hash_crc64) == (upload.upload_id, str(crc64_of_file(source)))
    downloader = client.downloader(part_size=MIB, parallel_num=3, enable_checkpoint=True, checkpoint_dir=str(tmp_path), verify_data=True)
    target = str(tmp_path / "down")
    with pytest.raises(Interrupted):
        downloader.download_file(oss.GetObjectRequest(free_name, "dir/ü", progress_fn=interrupt_at(12 * MIB)), filepath=target)
    before = server.counted("partway_requests_total", operation="GetObject")
    downloader.download_file(oss.GetObjectRequest(free_name, "dir/ü"), filepath=target)
    assert 0 < server.counted("partway_requests_total", operation="GetObject") - before < 21, "not from the start again"
    assert sha256_of_file(target) == sha256_of_file(source)
    # From memory, and smaller than a part.
    uploader.upload_from(oss.PutObjectRequest(free_name, "stream"), reader=io.BytesIO(b"x" * (MIB + 1)))
    uploader.upload_from(oss.PutObjectRequest(free_name, "small"), reader=io.BytesIO(b"small"))
    assert body_of(client.get_object(oss.GetObjectRequest(free_name, "stream"))) == b"x" * (MIB + 1)
    assert body_of(client.get_object(oss.GetObjectRequest(free_name, "small"))) == b"small"


def test_the_copier_in_parts(client, free_name):
    body = payload(5 * MIB + 3)
    client.put_object(oss.PutObjectRequest(free_name, "source", body=body, metadata={"a": "b"}, tagging="t=1", content_type="text/x"))
    options = {"part_size": MIB, "multipart_copy_threshold": MIB, "disable_shallow_copy": True}
    copied = client.copier().copy(oss.CopyObjectRequest(free_name, "in parts", source_key="source"), **options)
    assert copied.etag.endswith('-6"') and copied.hash_crc64 == str(crc64(body))
    client.copier().copy(oss.CopyObjectRequest(free_name, "whole", source_key="source"))
    for key in ("in parts", "whole"):
        got = client.get_object(oss.GetObjectRequest(free_name, key))
        assert body_of(got) == body and (dict(got.metadata), got.content_type, got.tagging_count) == ({"a": "b"}, "text/x", 1)


def test_presigned_requests(client, free_name):
    def send(presigned, **options):
        return requests.request(presigned.method, presigned.url, headers=dict(presigned.signed_headers), timeout=10, **options)

    key, body = "dir/ü +&", payload(200 * KIB)
    put = send(client.presign(oss.PutObjectRequest(free_name, key, content_type="text/x", metadata={"a": "b"})), data=body)
    assert (put.status_code, put.headers["ETag"]) == (200, f'"{md5_hex(body)}"'), put.text
    got = send(client.presign(oss.GetObjectRequest(free_name, key, response_content_type="a/b"), expires=datetime.timedelta(seconds=30)))
    assert (got.status_code, got.content, got.headers["Content-Type"], got.headers["x-oss-meta-a"]) == (200, body, "a/b", "b")
    assert send(client.presign(oss.HeadObjectRequest(free_name, key))).headers["Content-Length"] == str(len(body))
    started = send(client.presign(oss.InitiateMultipartUploadRequest(free_name, "multi")))
    upload = re.search("<UploadId>(.+)</UploadId>", started.text)[1]
    for number in (1, 2):
        sent = send(client.presign(oss.UploadPartRequest(free_name, "multi", part_number=number, upload_id=upload)), data=body)
        assert sent.headers["ETag"] == put.headers["ETag"]
    part = "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{''.join(part.format(number, put.headers['ETag']) for number in (1, 2))}</CompleteMultipartUpload>"
    done = send(client.presign(oss.CompleteMultipartUploadRequest(free_name, "multi", upload)), data=document)
    assert (done.status_code, done.headers["x-oss-hash-crc64ecma"]) == (200, str(crc64(body * 2))), done.text
    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(free_name, "gone")).upload_id
    assert send(client.presign(oss.AbortMultipartUploadRequest(free_name, "gone", upload))).status_code == 204
    # The SDK rounds what is left of the time down to seconds, and zero of them are none.
    expired = client.presign(oss.GetObjectRequest(free_name, key), expires=datetime.timedelta(seconds=1.9)).url
    tampered = client.presign(oss.GetObjectRequest(free_name, key)).url.replace("/dir", "/dIr")
    assert "<Code>SignatureDoesNotMatch</Code>" in requests.get(tampered, timeout=10).text
    time.sleep(3)
    answer = requests.get(expired, timeout=10)
    assert answer.status_code == 403 and "Request has expired." in answer.text


def test_files_that_grow_and_files_that_are_read(client, free_name):
    first, second = payload(100_000, 1), payload(50_000, 2)
    with client.append_file(free_name, "log", create_parameter=oss.AppendObjectRequest(metadata={"a": "b"}, content_type="text/x-log")) as file:
        file.write(first)
        file.write(b"")
    with client.append_file(free_name, "log") as file:
        assert file.tell() == len(first)
        file.write(second)
        file.write_from(io.BytesIO(b"end"))
    whole = first + second + b"end"
    head = client.head_object(oss.HeadObjectRequest(free_name, "log"))
    assert (head.object_type, head.content_length, int(head.next_append_position)) == ("Appendable", len(whole), len(whole))
    assert (head.hash_crc64, dict(head.metadata), head.content_type) == (str(crc64(whole)), {"a": "b"}, "text/x-log")
    error = service_error(client.append_object, oss.AppendObjectRequest(free_name, "log", position=3, body=b"x"))
    assert (error.status_code, error.code, error.headers["x-oss-next-append-position"]) == (409, "PositionNotEqualToLength", str(len(whole)))
    with client.open_file(free_name, "log") as file:
        assert file.read(10) == whole[:10]
        file.seek(-5, 2)
        assert file.read() == whole[-5:]
        file.seek(0)
        assert file.read() == whole


def test_errors(server, client, free_name):
    error = service_error(client.get_object, oss.GetObjectRequest(free_name, "a/b ü"))
    assert (error.status_code, error.code, error.message, error.ec) == (404, "NoSuchKey", "The specified key does not exist.", "0026-00000001")
    assert re.fullmatch("[0-9A-F]{24}", error.request_id) and error.error_fileds["Key"] == "a/b ü"
    error = service_error(client.head_object, oss.HeadObjectRequest(free_name, "absent"))
    assert (error.status_code, error.code, error.ec) == (404, "NoSuchKey", "0026-00000001"), "out of x-oss-err"
    error = service_error(client.list_objects_v2, oss.ListObjectsV2Request("no-such-bucket-anywhere"))
    assert (error.code, error.error_fileds["BucketName"]) == ("NoSuchBucket", "no-such-bucket-anywhere")
    for version in ("v1", "v4"):
        for credentials, code in (((ACCESS_KEY, "wrong"), "SignatureDoesNotMatch"), (("LTAI5tNobodyAtAll", SECRET_KEY), "InvalidAccessKeyId")):
            stranger = oss_v2_client(server, version, credentials)
            error = service_error(stranger.get_object, oss.GetObjectRequest(free_name, "k"))
            assert (error.status_code, error.code) == (403, code)
