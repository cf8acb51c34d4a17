"""Temporary credentials: asked for in either protocol, used by the clients of both dialects, refused beyond their policy."""

import json

import alibabacloud_oss_v2
import boto3
import botocore.exceptions
import oss2
import pytest
import requests

import conftest
from harness import ACCESS_KEY, REGION, SECRET_KEY
from oss_harness import OSS2_AUTHS, md5_hex, oss2_bucket, oss_v2_client
from oss_harness import REGION as OSS_REGION


def sts_client(server, access_key=ACCESS_KEY, secret=SECRET_KEY):
    return boto3.client("sts", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=access_key, aws_secret_access_key=secret)


def assume(server, policy=None, **options):
    if policy:
        options["Policy"] = json.dumps(policy)
    answer = sts_client(server).assume_role(RoleArn="arn:aws:iam::123456789012:role/demo", RoleSessionName="session-1", DurationSeconds=900, **options)
    return answer["Credentials"]


def put_below(prefix, bucket, dialect):
    """May put, but not read, below one prefix."""
    if dialect == "oss":
        return {"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["oss:PutObject"], "Resource": [f"acs:oss:*:*:{bucket}/{prefix}*"]}]}
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/{prefix}*"}]}


def sts_bucket(server, name, credentials, version):
    auth = oss2.StsAuth(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], auth_version=version)
    return oss2.Bucket(auth, server.endpoint, name, region=OSS_REGION)


@pytest.fixture
def made(server, free_name):
    bucket = oss2_bucket(server, free_name)
    bucket.create_bucket()
    return free_name


@pytest.mark.parametrize("dialect", ["aws", "oss"])
def test_narrowed_credentials_in_every_client(server, made, dialect):
    credentials = assume(server, put_below("up/", made, dialect))
    keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
    owner = oss2_bucket(server, made)
    for version in OSS2_AUTHS:
        bucket = sts_bucket(server, made, credentials, version)
        bucket.put_object(f"up/oss2-{version}", b"x")
        for refused in (lambda: bucket.put_object("elsewhere", b"x"), lambda: bucket.get_object("up/oss2-v1"), lambda: bucket.list_objects()):
            with pytest.raises(oss2.exceptions.AccessDenied):
                refused()
        assert requests.put(bucket.sign_url("PUT", f"up/url-{version}", 60), data=b"by URL", timeout=10).status_code == 200
        refused = requests.put(bucket.sign_url("PUT", "elsewhere", 60), data=b"x", timeout=10)
        assert (refused.status_code, "<Code>AccessDenied</Code>" in refused.text) == (403, True)
        assert owner.get_object(f"up/url-{version}").read() == b"by URL"
    for version in ("v1", "v4"):
        client = oss_v2_client(server, version, keys)
        client.put_object(alibabacloud_oss_v2.PutObjectRequest(made, f"up/v2-{version}", body=b"x"))
        with pytest.raises(alibabacloud_oss_v2.exceptions.OperationError) as error:
            client.put_object(alibabacloud_oss_v2.PutObjectRequest(made, "elsewhere", body=b"x"))
        assert error.value.unwrap().code == "AccessDenied"
    s3 = boto3.client("s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=keys[0], aws_secret_access_key=keys[1], aws_session_token=keys[2])
    assert s3.put_object(Bucket=made, Key="up/boto3", Body=b"x")["ETag"] == f'"{md5_hex(b"x").lower()}"'
    for refused in (lambda: s3.put_object(Bucket=made, Key="elsewhere", Body=b"x"), lambda: s3.list_objects_v2(Bucket=made)):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            refused()
        assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert not owner.object_exists("elsewhere")


def test_whole_credentials_upload_in_parts(server, made, tmp_path):
    credentials = assume(server)
    bucket = sts_bucket(server, made, credentials, "v4")
    source = tmp_path / "source"
    source.write_bytes(b"x" * (3 << 20))
    oss2.resumable_upload(bucket, "k", str(source), store=oss2.ResumableStore(root=str(tmp_path)), multipart_threshold=1 << 20, part_size=1 << 20)
    assert bucket.get_object("k").read() == source.read_bytes()
    assert bucket.get_bucket_info().name == made


def test_tokens_that_were_tampered_with(server, made):
    """In each dialect's own words."""
    credentials = assume(server)
    middle = len(credentials["SessionToken"]) // 2
    token = credentials["SessionToken"]
    flipped = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for forged in (flipped, token[:-4], "nonsense"):
        spoilt = credentials | {"SessionToken": forged}
        for version in OSS2_AUTHS:
            with pytest.raises(oss2.exceptions.ServerError) as error:
                sts_bucket(server, made, spoilt, version).get_object("k")
            assert (error.value.status, error.value.code) == (403, "InvalidSecurityToken"), version
        s3 = boto3.client("s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"], aws_session_token=forged)
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3.get_object(Bucket=made, Key="k")
        assert error.value.response["Error"]["Code"] == "InvalidToken"
    other = assume(server)
    with pytest.raises(oss2.exceptions.ServerError) as error:
        sts_bucket(server, made, credentials | {"SessionToken": other["SessionToken"]}, "v4").get_object("k")
    assert error.value.status == 403 and error.value.code in ("AccessKeyIdAndSecurityTokenNotMatch", "InvalidSecurityToken")
    with pytest.raises(oss2.exceptions.ServerError) as error:
        sts_bucket(server, made, credentials | {"SecretAccessKey": "wrong"}, "v4").get_object("k")
    assert error.value.code == "SignatureDoesNotMatch"
    with pytest.raises(oss2.exceptions.ServerError) as error:
        oss2.Bucket(oss2.AuthV4(credentials["AccessKeyId"], credentials["SecretAccessKey"]), server.endpoint, made, region=OSS_REGION).get_object("k")
    assert (error.value.status, error.value.code) == (403, "InvalidAccessKeyId"), "without the token"


def test_what_sts_refuses(server, made):
    for client, expected in [
        (sts_client(server, secret="wrong"), "SignatureDoesNotMatch"),
        (sts_client(server, access_key="NOBODY0000000000"), "InvalidClientTokenId"),
    ]:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            client.assume_role(RoleArn="arn:aws:iam::123456789012:role/demo", RoleSessionName="s-1")
        assert error.value.response["Error"]["Code"] == expected
    for options in ({"DurationSeconds": 43_201}, {"Policy": "{not json"}):
        with pytest.raises(botocore.exceptions.ClientError):
            sts_client(server).assume_role(RoleArn="arn:aws:iam::123456789012:role/demo", RoleSessionName="s-1", **options)
    # Credentials already narrowed cannot be exchanged for wider ones.
    narrow = assume(server, put_below("up/", made, "aws"))
    client = boto3.client(
        "sts", endpoint_url=server.endpoint, region_name=REGION,
        aws_access_key_id=narrow["AccessKeyId"], aws_secret_access_key=narrow["SecretAccessKey"], aws_session_token=narrow["SessionToken"],
    )
    try:
        wider = client.assume_role(RoleArn="arn:aws:iam::123456789012:role/demo", RoleSessionName="s-1")["Credentials"]
    except botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    else:
        with pytest.raises(oss2.exceptions.AccessDenied):
            sts_bucket(server, made, wider, "v4").put_object("elsewhere", b"x")


def test_boto3_lists_buckets_with_temporary_credentials(server, made):
    credentials = assume(server)
    s3 = boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"], aws_session_token=credentials["SessionToken"],
    )
    assert made in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert made in [bucket["Name"] for bucket in conftest.s3_client(server).list_buckets()["Buckets"]]
