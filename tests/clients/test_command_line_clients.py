"""The command-line clients people already have: aws-cli, s5cmd, rclone, s3cmd. Each runs one story."""

import os
import re
import signal
import subprocess
import time

import boto3
import pytest

from harness import ACCESS_KEY, GIB, MIB, SECRET_KEY, file_of, payload, sha256, sha256_of_file


def run(environment, *command, check=True, timeout=300, **options):
    answer = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, timeout=timeout, **options)
    if check:
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer


def test_aws_cli_scenario(server, bucket, environment, tmp_path):
    def aws(*words, **options):
        return run(environment, "aws", "--endpoint-url", server.endpoint, *words, **options)

    source = file_of(tmp_path / "source", 30 * MIB + 3)
    aws("s3", "cp", source, f"s3://{bucket}/dir/big file+ü")
    aws("s3", "cp", f"s3://{bucket}/dir/big file+ü", tmp_path / "down")
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
    aws("s3", "cp", f"s3://{bucket}/dir/big file+ü", f"s3://{bucket}/copy")
    aws("s3", "mv", f"s3://{bucket}/copy", f"s3://{bucket}/moved")
    listed = aws("s3", "ls", "--recursive", f"s3://{bucket}").stdout
    assert re.findall(r"^\S+ \S+ +\d+ (.*)$", listed, re.MULTILINE) == ["dir/big file+ü", "moved"]
    assert "PRE dir/" in aws("s3", "ls", f"s3://{bucket}").stdout
    aws("s3api", "get-object", "--bucket", bucket, "--key", "moved", "--range", "bytes=8388600-8388620", tmp_path / "range")
    with open(source, "rb") as file:
        file.seek(8388600)
        assert (tmp_path / "range").read_bytes() == file.read(21)
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/a").write_bytes(b"a")
    (tmp_path / "tree/sub/b").write_bytes(b"b")
    aws("s3", "sync", tmp_path / "tree", f"s3://{bucket}/tree")
    assert aws("s3", "sync", tmp_path / "tree", f"s3://{bucket}/tree").stdout == ""
    aws("s3", "rm", "--recursive", f"s3://{bucket}")
    assert aws("s3", "ls", f"s3://{bucket}").stdout == ""
    piped = subprocess.run(
        ["aws", "--endpoint-url", server.endpoint, "s3", "cp", "-", f"s3://{bucket}/piped"], env=environment, input=payload(9 * MIB), timeout=120
    )
    assert piped.returncode == 0


def test_a_gibibyte_is_interrupted_and_continued_by_another_client(server, bucket, s3, environment, tmp_path):
    """Done-when 2: aws s3 cp of 1 GiB both ways; killed half-way, the parts are listed and another client goes on."""
    source = file_of(tmp_path / "source", GIB)
    command = ["aws", "--endpoint-url", server.endpoint, "s3", "cp", str(source), f"s3://{bucket}/whole"]
    run(environment, *command, timeout=600)
    run(environment, "aws", "--endpoint-url", server.endpoint, "s3", "cp", f"s3://{bucket}/whole", tmp_path / "down", timeout=600)
    expected = sha256_of_file(source)
    assert sha256_of_file(tmp_path / "down") == expected
    (tmp_path / "down").unlink()

    command[-1] = f"s3://{bucket}/killed"
    client = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    held = []
    while len(held) < 40:
        assert client.poll() is None and time.monotonic() < deadline
        uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        held = s3.list_parts(Bucket=bucket, Key="killed", UploadId=uploads[0]["UploadId"]).get("Parts", []) if uploads else []
        time.sleep(0.05)
    client.send_signal(signal.SIGKILL)
    client.wait()

    upload = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["UploadId"]
    paginator = s3.get_paginator("list_parts")
    held = {part["PartNumber"]: part for page in paginator.paginate(Bucket=bucket, Key="killed", UploadId=upload) for part in page["Parts"]}
    assert 40 <= len(held) < 128
    size = 8 * MIB
    parts = []
    with open(source, "rb") as file:
        for number in range(1, GIB // size + 1):
            part = held.get(number)
            if part is None:
                file.seek((number - 1) * size)
                part = s3.upload_part(Bucket=bucket, Key="killed", UploadId=upload, PartNumber=number, Body=file.read(size), ChecksumAlgorithm="CRC32")
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="killed", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.download_file(bucket, "killed", str(tmp_path / "down"))
    assert sha256_of_file(tmp_path / "down") == expected


def test_s5cmd_scenario(server, bucket, environment, tmp_path):
    def s5cmd(*words):
        return run(environment, "s5cmd", "--endpoint-url", server.endpoint, *words).stdout

    source = file_of(tmp_path / "source", 60 * MIB + 3)
    s5cmd("cp", "--part-size", "5", source, f"s3://{bucket}/dir/big file+ü")
    assert s5cmd("ls", f"s3://{bucket}/dir/*").endswith(f" {60 * MIB + 3}  big file+ü\n")
    assert "DIR" in s5cmd("ls", f"s3://{bucket}/")
    s5cmd("cp", f"s3://{bucket}/dir/big file+ü", tmp_path / "down")
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
    s5cmd("cp", f"s3://{bucket}/dir/big file+ü", f"s3://{bucket}/copy")
    assert sha256(subprocess.run(["s5cmd", "--endpoint-url", server.endpoint, "cat", f"s3://{bucket}/copy"], env=environment, capture_output=True, timeout=120).stdout) == sha256_of_file(source)
    assert f"{60 * MIB + 3}" in s5cmd("du", f"s3://{bucket}/copy")
    s5cmd("rm", f"s3://{bucket}/*")
    assert run(environment, "s5cmd", "--endpoint-url", server.endpoint, "ls", f"s3://{bucket}/*", check=False).returncode != 0


def test_rclone_scenario(server, bucket, environment, tmp_path):
    remote = {
        "RCLONE_CONFIG_P_TYPE": "s3",
        "RCLONE_CONFIG_P_PROVIDER": "Other",
        "RCLONE_CONFIG_P_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_P_ENV_AUTH": "true",
        "RCLONE_CONFIG_P_FORCE_PATH_STYLE": "true",
    }

    def rclone(*words, extra=None, check=True):
        return run(environment | remote | (extra or {}), "rclone", "--config", os.devnull, *words, check=check)

    tree = tmp_path / "tree"
    (tree / "sub dir").mkdir(parents=True)
    file_of(tree / "big", 210 * MIB)
    (tree / "sub dir/small ü+%").write_bytes(b"small")
    (tree / "empty").write_bytes(b"")
    rclone("copy", tree, f"p:{bucket}/t")
    rclone("check", "--download", tree, f"p:{bucket}/t")
    assert sorted(rclone("lsf", "-R", f"p:{bucket}/t").stdout.splitlines()) == ["big", "empty", "sub dir/", "sub dir/small ü+%"]
    rclone("copy", f"p:{bucket}/t", tmp_path / "down")
    assert sha256_of_file(tmp_path / "down/big") == sha256_of_file(tree / "big")
    rclone("copyto", f"p:{bucket}/t/big", f"p:{bucket}/copy", extra={"RCLONE_S3_COPY_CUTOFF": "50M"})
    rclone("touch", "--timestamp", "2020-01-01T00:00:00", f"p:{bucket}/copy")
    assert "2020-01-01" in rclone("lsl", f"p:{bucket}/copy").stdout
    assert rclone("cat", "--offset", "1", "--count", "3", f"p:{bucket}/t/sub dir/small ü+%").stdout == "mal"
    rclone("delete", f"p:{bucket}")
    assert rclone("lsf", "-R", "--files-only", f"p:{bucket}").stdout == ""
    # Old installations still sign with version 2.
    old = {"RCLONE_S3_V2_AUTH": "true", "RCLONE_CONFIG_P_ACCESS_KEY_ID": ACCESS_KEY, "RCLONE_CONFIG_P_SECRET_ACCESS_KEY": SECRET_KEY}
    rclone("copyto", tree / "sub dir/small ü+%", f"p:{bucket}/v2", extra=old)
    assert rclone("cat", f"p:{bucket}/v2", extra=old).stdout == "small"


@pytest.mark.parametrize("signature", [(), ("--signature-v2",)], ids=["v4", "v2"])
def test_s3cmd_scenario(server, bucket, environment, tmp_path, signature):
    configuration = tmp_path / "s3cfg"
    configuration.write_text(
        f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nhost_base = {server.address}\nhost_bucket = {server.address}\nuse_https = False\n"
    )

    def s3cmd(*words, check=True):
        return run(environment, "s3cmd", "-c", configuration, "--no-progress", *signature, *words, check=check).stdout

    source = file_of(tmp_path / "source", 32 * MIB + 3)
    s3cmd("put", source, f"s3://{bucket}/dir/big file+ü")
    assert f"s3://{bucket}/dir/big file+ü" in s3cmd("ls", "--recursive", f"s3://{bucket}")
    s3cmd("get", f"s3://{bucket}/dir/big file+ü", tmp_path / "down")
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
    s3cmd("cp", f"s3://{bucket}/dir/big file+ü", f"s3://{bucket}/copy")
    s3cmd("modify", "--add-header=x-amz-meta-a:b", f"s3://{bucket}/copy")
    assert "x-amz-meta-a:" in s3cmd("info", f"s3://{bucket}/copy")
    # Interrupted and resumed: two of the parts are there, s3cmd sends the others.
    with open(source, "rb") as file:
        first = file.read(15 * MIB)
    boto = boto3.client("s3", endpoint_url=server.endpoint, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
    upload = boto.create_multipart_upload(Bucket=bucket, Key="resumed")["UploadId"]
    boto.upload_part(Bucket=bucket, Key="resumed", UploadId=upload, PartNumber=1, Body=first)
    assert upload in s3cmd("multipart", f"s3://{bucket}")
    s3cmd("put", "--upload-id", upload, source, f"s3://{bucket}/resumed")
    s3cmd("get", "--force", f"s3://{bucket}/resumed", tmp_path / "down")
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}")
    assert s3cmd("ls", f"s3://{bucket}") == ""
