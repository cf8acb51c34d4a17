"""boto3: the client and its TransferManager, as installed."""

import io
import threading
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
import pytest
from boto3.s3.transfer import TransferConfig

import conftest
from harness import MIB, REGION, file_of, multipart_etag, payload, sha256, sha256_of_file


def code_of(error):
    return error.value.response["Error"]["Code"]


def test_objects_round_trip_with_headers_and_metadata(s3, bucket):
    body = payload(100_000)
    s3.put_object(
        Bucket=bucket,
        Key="dir/ä +%//..😀",
        Body=body,
        ContentType="text/x-test",
        CacheControl="no-store",
        ContentDisposition='attachment; filename="x"',
        ContentEncoding="identity",
        ContentLanguage="de",
        Expires="Thu, 01 Jan 2032 00:00:00 GMT",
        Metadata={"Name": "value one"},
        Tagging="a=1&b=x%20y",
    )
    got = s3.get_object(Bucket=bucket, Key="dir/ä +%//..😀")
    assert got["Body"].read() == body
    assert got["ContentType"] == "text/x-test"
    assert got["CacheControl"] == "no-store"
    assert got["ContentDisposition"] == 'attachment; filename="x"'
    assert got["ContentEncoding"] == "identity"
    assert got["ContentLanguage"] == "de"
    assert got["ExpiresString"] == "Thu, 01 Jan 2032 00:00:00 GMT"
    assert got["Metadata"] == {"name": "value one"}
    assert got["TagCount"] == 2
    assert got["ChecksumCRC32"]
    head = s3.head_object(Bucket=bucket, Key="dir/ä +%//..😀")
    assert head["ContentLength"] == len(body) and head["ETag"] == got["ETag"]
    overridden = s3.get_object(Bucket=bucket, Key="dir/ä +%//..😀", ResponseContentType="text/plain", ResponseCacheControl="max-age=1")
    assert overridden["ContentType"] == "text/plain" and overridden["CacheControl"] == "max-age=1"


def test_flat_keys_coexist(s3, bucket):
    keys = ["a", "a/b", "a//b", "a/../b", ".", "..", "/", "a b", "a+b", "a%20b", "é", "\u0001", "x" * 1024]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(keys, key=lambda key: key.encode())
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    # botocore's XML parser cannot read the control character that a verbose answer would name.
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "\u0001"}], "Quiet": True})
    keys.remove("\u0001")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(answer["Deleted"]) == len(keys) and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_transfer_manager_up_and_down(s3, bucket, tmp_path):
    source = file_of(tmp_path / "source", 50 * MIB + 12345)
    s3.upload_file(str(source), bucket, "big", ExtraArgs={"Metadata": {"k": "v"}})
    head = s3.head_object(Bucket=bucket, Key="big")
    assert head["ETag"].endswith('-7"') and head["Metadata"] == {"k": "v"}
    s3.download_file(bucket, "big", str(tmp_path / "target"))
    assert sha256_of_file(tmp_path / "target") == sha256_of_file(source)
    stream = io.BytesIO()
    s3.download_fileobj(bucket, "big", stream, Config=TransferConfig(multipart_chunksize=5 * MIB, multipart_threshold=5 * MIB))
    assert sha256(stream.getvalue()) == sha256_of_file(source)


def test_managed_copy_of_a_large_object(s3, bucket):
    body = payload(20 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "source")
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=6 * MIB)
    s3.copy({"Bucket": bucket, "Key": "source"}, bucket, "copy", Config=config)
    s3.delete_object(Bucket=bucket, Key="source")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert got["ETag"].endswith('-4"')
    assert got["Body"].read() == body


def test_multipart_by_hand_with_gaps_overwrite_and_subset(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="text/plain")["UploadId"]
    bodies = {2: payload(5 * MIB, 2), 5: payload(6 * MIB, 5), 9: payload(100, 9)}
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=2, Body=b"to be replaced")
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=7, Body=b"not listed")
    etags = {number: s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body)["ETag"] for number, body in bodies.items()}
    first = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=2)
    assert [part["PartNumber"] for part in first["Parts"]] == [2, 5] and first["IsTruncated"]
    rest = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, PartNumberMarker=first["NextPartNumberMarker"])
    assert [part["PartNumber"] for part in rest["Parts"]] == [7, 9] and not rest["IsTruncated"]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"] == multipart_etag(list(bodies.values()))
    again = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert again["ETag"] == done["ETag"]
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(bodies.values()) and got["ContentType"] == "text/plain"
    second = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert second["PartsCount"] == 3 and second["Body"].read() == bodies[5]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    assert code_of(error) == "NoSuchUpload"


def test_multipart_errors_as_s3_words_them(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    small = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"small")["ETag"]
    last = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=2, Body=b"last")["ETag"]

    def complete(*parts):
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": listed})

    for expected, parts in [
        ("EntityTooSmall", [(1, small), (2, last)]),
        ("InvalidPartOrder", [(2, last), (1, small)]),
        ("InvalidPart", [(1, last)]),
        ("InvalidPart", [(3, last)]),
        ("MalformedXML", []),
    ]:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            complete(*parts)
        assert code_of(error) == expected, parts
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=10001, Body=b"x")
    assert code_of(error) == "InvalidArgument"
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        complete((2, last))
    assert code_of(error) == "NoSuchUpload"


def test_list_multipart_uploads_pages(s3, bucket):
    made = sorted((key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in ["a", "b/1", "b/1", "b/2", "c"])
    listed, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        listed += [(upload["Key"], upload["UploadId"]) for upload in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert listed == made
    rolled = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [upload["Key"] for upload in rolled["Uploads"]] == ["a", "c"]
    assert [prefix["Prefix"] for prefix in rolled["CommonPrefixes"]] == ["b/"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_whole_and_multipart(s3, bucket, algorithm):
    body = payload(5 * MIB)
    s3.put_object(Bucket=bucket, Key="whole", Body=body, ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm}"] and got["Body"].read() == body
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm=algorithm)["UploadId"]
    parts = []
    for number, piece in enumerate([body, b"tail"], 1):
        answer = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm=algorithm)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], f"Checksum{algorithm}": answer[f"Checksum{algorithm}"]})
    done = s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    composite = algorithm != "CRC64NVME"
    assert done["ChecksumType"] == ("COMPOSITE" if composite else "FULL_OBJECT")
    assert done[f"Checksum{algorithm}"].endswith("-2") == composite
    attributes = s3.get_object_attributes(Bucket=bucket, Key="parts", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"])
    assert attributes["ObjectSize"] == len(body) + 4 and attributes["ObjectParts"]["TotalPartsCount"] == 2
    assert attributes["ETag"] == done["ETag"].strip('"')
    assert [part["Size"] for part in attributes["ObjectParts"]["Parts"]] == [len(body), 4]


def test_a_wrong_checksum_leaves_nothing(s3, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumCRC32="AAAAAA==")
    assert code_of(error) == "BadDigest"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert code_of(error) == "BadDigest"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.head_object(Bucket=bucket, Key="k")
    assert code_of(error) == "404"


def test_ranges_and_conditions_on_reads(s3, bucket):
    body = payload(100)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
    for asked, expected in [("bytes=0-0", body[:1]), ("bytes=50-", body[50:]), ("bytes=-10", body[-10:]), ("bytes=0-9999", body)]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
        assert got["Body"].read() == expected and got["ResponseMetadata"]["HTTPStatusCode"] == 206
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=100-")
    assert code_of(error) == "InvalidRange"
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == body
    for options, expected in [({"IfMatch": '"0"'}, "PreconditionFailed"), ({"IfNoneMatch": etag}, "304")]:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3.get_object(Bucket=bucket, Key="k", **options)
        assert code_of(error) == expected


def test_conditional_writes(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert code_of(error) == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=etag)
    assert code_of(error) == "PreconditionFailed"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.put_object(Bucket=bucket, Key="absent", Body=b"4", IfMatch=etag)
    assert code_of(error) == "NoSuchKey"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"


def test_copy_directives_and_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="s", Body=payload(200_000), ContentType="text/a", Metadata={"a": "1"}, Tagging="t=1")["ETag"]
    source = {"Bucket": bucket, "Key": "s"}
    copied = s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == etag
    kept = s3.head_object(Bucket=bucket, Key="kept")
    assert kept["ContentType"] == "text/a" and kept["Metadata"] == {"a": "1"}
    assert s3.get_object_tagging(Bucket=bucket, Key="kept")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/b")
    new = s3.head_object(Bucket=bucket, Key="new")
    assert new["ContentType"] == "text/b" and new["Metadata"] == {"b": "2"}
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.copy_object(Bucket=bucket, Key="x", CopySource=source, CopySourceIfNoneMatch=etag)
    assert code_of(error) == "PreconditionFailed"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.copy_object(Bucket=bucket, Key="s", CopySource=source)
    assert code_of(error) == "InvalidRequest"
    s3.delete_object(Bucket=bucket, Key="s")
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == payload(200_000)


def test_listing_pages_survive_deletes(s3, bucket):
    keys = [f"{group}/{index:02}" for group in "abc" for index in range(10)] + ["top"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for version in ("list_objects", "list_objects_v2"):
        paginator = s3.get_paginator(version)
        seen = [entry["Key"] for page in paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}) for entry in page["Contents"]]
        assert seen == keys
        prefixes, contents = [], []
        for page in paginator.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}):
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            contents += [entry["Key"] for entry in page.get("Contents", [])]
        assert prefixes == ["a/", "b/", "c/"] and contents == ["top"]
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=5)
    s3.delete_object(Bucket=bucket, Key=first["Contents"][-1]["Key"])
    after = s3.list_objects_v2(Bucket=bucket, MaxKeys=5, ContinuationToken=first["NextContinuationToken"])
    assert [entry["Key"] for entry in after["Contents"]] == keys[5:10]
    started = s3.list_objects_v2(Bucket=bucket, StartAfter="b/03", Prefix="b/")
    assert [entry["Key"] for entry in started["Contents"]] == [f"b/{index:02}" for index in range(4, 10)]


def test_tagging(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_buckets(s3, server):
    s3.create_bucket(Bucket="made-and-deleted")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.create_bucket(Bucket="made-and-deleted")
    assert code_of(error) == "BucketAlreadyOwnedByYou"
    assert "made-and-deleted" in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket="made-and-deleted")["BucketRegion"] == REGION
    assert s3.get_bucket_location(Bucket="made-and-deleted")["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket="made-and-deleted")
    s3.put_object(Bucket="made-and-deleted", Key="k", Body=b"")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.delete_bucket(Bucket="made-and-deleted")
    assert code_of(error) == "BucketNotEmpty"
    s3.delete_object(Bucket="made-and-deleted", Key="k")
    s3.delete_bucket(Bucket="made-and-deleted")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3.head_bucket(Bucket="made-and-deleted")
    assert code_of(error) == "404"


def test_what_does_not_exist_says_so(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    calls = [
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        lambda: s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
        ),
        lambda: s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": "GOVERNANCE"}),
        lambda: s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1}),
        lambda: s3.put_object(Bucket=bucket, Key="e", Body=b"", ServerSideEncryption="AES256"),
        lambda: s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}}),
    ]
    for call in calls:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call()
        assert code_of(error) == "NotImplemented"


def test_cors_lets_browsers_upload(s3, bucket, server):
    rule = {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["PUT", "GET"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]

    def send(method, path, headers, data=None):
        return urllib.request.urlopen(urllib.request.Request(path, method=method, headers=headers, data=data), timeout=10)

    origin = {"Origin": "https://app.example.com"}
    preflight = origin | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-amz-date"}
    answer = send("OPTIONS", f"{server.endpoint}/{bucket}/k", preflight)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    answer = send("PUT", url, origin | {"Content-Type": ""}, b"from a page")
    assert answer.headers["ETag"] and answer.headers["Access-Control-Expose-Headers"] == "ETag"
    with pytest.raises(urllib.error.HTTPError) as refused:
        send("OPTIONS", f"{server.endpoint}/{bucket}/k", preflight | {"Origin": "https://evil.example"})
    assert refused.value.code == 403


@pytest.mark.parametrize("signature_version", [None, "s3v4"])
def test_presigned_urls_of_both_signature_versions(server, bucket, signature_version):
    client = conftest.s3_client(server, config=boto3.session.Config(signature_version=signature_version))
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b"})
    assert ("X-Amz-Signature" in url) == (signature_version == "s3v4")
    urllib.request.urlopen(urllib.request.Request(url, method="PUT", data=b"body", headers={"Content-Type": ""}), timeout=10)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"})
    assert urllib.request.urlopen(url, timeout=10).read() == b"body"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("a%20b", "a%20c"), timeout=10)
    assert refused.value.code == 403 and b"SignatureDoesNotMatch" in refused.value.read()


@pytest.mark.parametrize("signature_version", [None, "s3v4"])
def test_presigned_posts(server, bucket, signature_version):
    client = conftest.s3_client(server, config=boto3.session.Config(signature_version=signature_version))

    def post(conditions, content):
        form = client.generate_presigned_post(bucket, "up/${filename}", Fields={"success_action_status": "201"}, Conditions=conditions)
        boundary = "----partway"
        lines = []
        for name, value in form["fields"].items():
            lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\n'
        body = b"".join(lines) + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return urllib.request.urlopen(urllib.request.Request(form["url"], data=body, headers=headers), timeout=10)

    conditions = [["content-length-range", 1, 10], {"success_action_status": "201"}]
    assert b"<Key>up/f.txt</Key>" in post(conditions, b"0123456789").read()
    assert client.get_object(Bucket=bucket, Key="up/f.txt")["Body"].read() == b"0123456789"
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(conditions, b"0123456789!")
    assert b"EntityTooLarge" in refused.value.read()
    with pytest.raises(urllib.error.HTTPError) as refused:
        post([], b"x")
    assert refused.value.code == 403


def test_keys_accounts_and_policies(server, bucket, s3, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],'
        f'"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/open/*"]}}]}}'
    )
    server.run("keys", "create", "--account", "root", "--access-key", "READERKEY00000000001", "--secret-key", "reader-secret", "--policy", str(policy))
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"seen")
    s3.put_object(Bucket=bucket, Key="closed/k", Body=b"unseen")
    reader = boto3.client(
        "s3", endpoint_url=server.endpoint, aws_access_key_id="READERKEY00000000001", aws_secret_access_key="reader-secret", region_name=REGION
    )
    assert reader.get_object(Bucket=bucket, Key="open/k")["Body"].read() == b"seen"
    for refused in (
        lambda: reader.get_object(Bucket=bucket, Key="closed/k"),
        lambda: reader.put_object(Bucket=bucket, Key="open/k", Body=b""),
        lambda: reader.delete_object(Bucket=bucket, Key="open/k"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            refused()
        assert code_of(error) == "AccessDenied"
    server.run("keys", "disable", "READERKEY00000000001")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        reader.get_object(Bucket=bucket, Key="open/k")
    assert code_of(error) == "InvalidAccessKeyId"


def test_a_bucket_policy_opens_a_bucket_to_everyone(s3, bucket, server):
    s3.put_object(Bucket=bucket, Key="public/k", Body=b"seen")
    url = f"{server.endpoint}/{bucket}/public/k"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=10)
    assert refused.value.code == 403
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{bucket}/public/*"}}]}}',
    )
    assert urllib.request.urlopen(url, timeout=10).read() == b"seen"
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]


def test_complete_and_parts_race_without_victims(s3, bucket):
    """Many re-uploads of a part while the upload completes: the object is one of the versions, whole."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    bodies = [payload(5 * MIB, seed) for seed in range(4)]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=bodies[0])
    stop = threading.Event()
    refusals = []

    def again():
        while not stop.is_set():
            for body in bodies[1:]:
                try:
                    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=body)
                except botocore.exceptions.ClientError as error:
                    refusals.append(error.response["Error"]["Code"])
                    return

    threads = [threading.Thread(target=again) for _ in range(2)]
    for thread in threads:
        thread.start()
    completed = None
    for _ in range(200):
        etags = [part["ETag"] for part in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"]]
        try:
            completed = s3.complete_multipart_upload(
                Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etags[0]}]}
            )
            break
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidPart"
    stop.set()
    for thread in threads:
        thread.join()
    assert completed is not None
    assert set(refusals) <= {"NoSuchUpload"}
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() in bodies
