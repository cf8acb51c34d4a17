"""Temporary credentials, asked for and used with boto3."""

import json

import boto3
import requests
import pytest
from botocore.exceptions import ClientError

from harness import ACCESS_KEY, REGION, SECRET_KEY

ROLE = "arn:aws:iam::123456789012:role/uploads"


def client(server, service, credentials=None):
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    if credentials:
        keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
    return boto3.client(service, endpoint_url=server.endpoint, region_name=REGION, **keys)


def code(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


def assume(server, **parameters):
    return client(server, "sts").assume_role(RoleArn=ROLE, RoleSessionName="user-42", **parameters)


def test_temporary_credentials_upload_where_their_policy_allows(server, bucket):
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/42/*"}]}
    assumed = assume(server, DurationSeconds=900, Policy=json.dumps(policy))
    assert assumed["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/uploads/user-42"
    s3 = client(server, "s3", assumed["Credentials"])
    s3.put_object(Bucket=bucket, Key="42/a", Body=b"hello")
    assert code(s3.put_object, Bucket=bucket, Key="43/a", Body=b"hello") == "AccessDenied"
    assert code(s3.get_object, Bucket=bucket, Key="42/a") == "AccessDenied"
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "42/b"})
    assert requests.put(url, data=b"1", timeout=10).status_code == 200


def test_a_token_that_was_altered_is_refused(server, bucket):
    credentials = assume(server)["Credentials"]
    token = credentials["SessionToken"]
    altered = client(server, "s3", credentials | {"SessionToken": ("B" if token[0] == "A" else "A") + token[1:]})
    assert code(altered.list_objects_v2, Bucket=bucket) == "InvalidToken"
    client(server, "s3", credentials).list_objects_v2(Bucket=bucket)


def test_callers_learn_who_they_are(server):
    assert client(server, "sts").get_caller_identity()["Arn"] == f"arn:aws:iam::root:user/{ACCESS_KEY}"
    assumed = assume(server)
    identity = client(server, "sts", assumed["Credentials"]).get_caller_identity()
    assert (identity["Arn"], identity["UserId"]) == (assumed["AssumedRoleUser"]["Arn"], assumed["AssumedRoleUser"]["AssumedRoleId"])


def test_refusals_have_sts_words(server):
    sts = client(server, "sts")
    again = client(server, "sts", assume(server)["Credentials"])
    assert code(again.assume_role, RoleArn=ROLE, RoleSessionName="user-42") == "AccessDenied"
    assert code(sts.assume_role, RoleArn=ROLE, RoleSessionName="user-42", Policy="{}") == "MalformedPolicyDocument"
    assert code(sts.assume_role, RoleArn="arn:aws:iam::123456789012:user/x", RoleSessionName="user-42") == "ValidationError"
    assert code(sts.assume_role, RoleArn=ROLE, RoleSessionName="user-42", DurationSeconds=43_201) == "ValidationError"
    assert code(sts.get_session_token) == "InvalidAction"
