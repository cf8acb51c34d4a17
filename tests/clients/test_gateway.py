"""Promises about the whole server: speed of Complete, memory, drain, operators' commands, virtual hosts."""

import concurrent.futures
import hashlib
import http.client
import json
import signal
import threading
import time

import boto3
import pytest
from botocore.config import Config

import conftest
from harness import ACCESS_KEY, MIB, REGION, SECRET_KEY, Server, multipart_etag, payload


def connection_to(server):
    return http.client.HTTPConnection(server.address, timeout=120)


def presigned(client, operation, **parameters):
    """The target of a presigned URL, for plain http.client."""
    url = client.generate_presigned_url(operation, Params=parameters, ExpiresIn=3600)
    return url[url.index("/", len("http://")) :]


def v4_client(server):
    return conftest.s3_client(server, config=Config(signature_version="s3v4"))


def test_ten_thousand_parts_complete_without_reading_a_blob_and_replay_the_same(tmp_path, capsys):
    """How long Complete takes is printed, from the server's own completion line; `make bench` has it without the wire."""
    server = Server(tmp_path / "data", "--s3-part-size-min", "1KiB")
    client = v4_client(server)
    client.create_bucket(Bucket="many-parts")
    upload = client.create_multipart_upload(Bucket="many-parts", Key="k")["UploadId"]
    # Large enough to be files of their own.
    body = payload(66_000)
    etag = hashlib.md5(body).hexdigest()
    targets = [presigned(client, "upload_part", Bucket="many-parts", Key="k", UploadId=upload, PartNumber=number) for number in range(1, 10_001)]

    def send(targets):
        connection = connection_to(server)
        for target in targets:
            connection.request("PUT", target, body=body)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.headers["ETag"]) == (200, f'"{etag}"')

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [targets[start::8] for start in range(8)]))
    listed = "".join(f'<Part><PartNumber>{number}</PartNumber><ETag>"{etag}"</ETag></Part>' for number in range(1, 10_001))
    document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    target = presigned(client, "complete_multipart_upload", Bucket="many-parts", Key="k", UploadId=upload)
    connection = connection_to(server)

    def complete():
        connection.request("POST", target, body=document)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return text

    before = blob_reads(server)
    first = complete()
    assert complete() == first
    assert blob_reads(server) == before, "Complete reads no blob"
    assert f"{hashlib.md5(bytes.fromhex(etag) * 10_000).hexdigest()}-10000" in first
    edge = len(body) * 7321
    got = client.get_object(Bucket="many-parts", Key="k", Range=f"bytes={edge - 4}-{edge + 3}")
    assert got["Body"].read() == body[-4:] + body[:4]
    assert blob_reads(server) > before, "and the counter counts"
    with capsys.disabled():
        print(f"\nCompleteMultipartUpload of 10,000 parts, and its replay, in the server: {complete_times_ms(server)} ms")
    server.stop()


def blob_reads(server):
    return sum(float(line.split()[-1]) for line in server.metrics().splitlines() if line.startswith("partway_blob_reads_total"))


def complete_times_ms(server):
    lines = server.log.read_text(errors="replace").splitlines()
    return [float(line.split("duration_ms=")[1].split()[0]) for line in lines if 'operation="CompleteMultipartUpload"' in line]


def test_a_thousand_parts_at_once_stay_in_bounded_memory(own_server, capsys):
    """Done-when 6: 1,000 concurrent uploads of 8 MiB parts under 512 MiB of resident memory."""
    client = v4_client(own_server)
    client.create_bucket(Bucket="many")
    upload = client.create_multipart_upload(Bucket="many", Key="k")["UploadId"]
    count, size = 1000, 8 * MIB
    piece = payload(64 * 1024)
    body = piece * (size // len(piece))
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    targets = [presigned(client, "upload_part", Bucket="many", Key="k", UploadId=upload, PartNumber=number) for number in range(1, count + 1)]
    everybody = threading.Barrier(count, timeout=300)

    def send(target):
        connection = http.client.HTTPConnection(own_server.address, timeout=600)
        connection.connect()
        half = size // 2
        connection.putrequest("PUT", target)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        connection.send(body[: 64 * 1024])
        # All of them are in the middle of their body at the same time.
        everybody.wait()
        connection.send(memoryview(body)[64 * 1024 : half])
        connection.send(memoryview(body)[half:])
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["ETag"]

    threading.stack_size(256 * 1024)
    try:
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(send, targets))
    finally:
        threading.stack_size(0)
    assert answers == [(200, etag)] * count
    peak = own_server.resident_mib()
    assert peak < 512, f"{peak:.0f} MiB"
    with capsys.disabled():
        print(f"\n1,000 parts of 8 MiB at once: peak resident memory {peak:.0f} MiB")
    parts = [{"PartNumber": number, "ETag": etag} for number in range(1, count + 1)]
    client.complete_multipart_upload(Bucket="many", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert client.head_object(Bucket="many", Key="k")["ContentLength"] == count * size


def test_sigterm_lets_requests_in_flight_finish(own_server):
    client = v4_client(own_server)
    client.create_bucket(Bucket="drained")
    body = payload(2 * MIB)
    target = presigned(client, "put_object", Bucket="drained", Key="k")
    connection = connection_to(own_server)
    connection.putrequest("PUT", target)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:MIB])
    time.sleep(0.2)
    own_server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    other = connection_to(own_server)
    other.request("GET", "/drained")
    refused = other.getresponse()
    assert refused.status == 503 and refused.headers["Retry-After"]
    connection.send(body[MIB:])
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()
    assert own_server.process.wait(timeout=30) == 0
    own_server.start()
    assert v4_client(own_server).get_object(Bucket="drained", Key="k")["Body"].read() == body


def test_what_was_acknowledged_survives_a_kill(own_server):
    client = v4_client(own_server)
    client.create_bucket(Bucket="killed")
    upload = client.create_multipart_upload(Bucket="killed", Key="k")["UploadId"]
    bodies = [payload(5 * MIB, 1), payload(1000, 2)]
    etags = [client.upload_part(Bucket="killed", Key="k", UploadId=upload, PartNumber=n, Body=b)["ETag"] for n, b in enumerate(bodies, 1)]
    client.put_object(Bucket="killed", Key="small", Body=b"small")
    own_server.kill()
    own_server.start()
    client = v4_client(own_server)
    assert client.get_object(Bucket="killed", Key="small")["Body"].read() == b"small"
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    done = client.complete_multipart_upload(Bucket="killed", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"] == multipart_etag(bodies)
    assert client.get_object(Bucket="killed", Key="k")["Body"].read() == b"".join(bodies)
    report = own_server.run("verify", check=False)
    assert report.returncode == 0, report.stdout


def test_verify_finds_a_flipped_byte_and_reads_refuse_it(own_server):
    client = v4_client(own_server)
    client.create_bucket(Bucket="rotten")
    client.put_object(Bucket="rotten", Key="k", Body=payload(300_000))
    blobs = [path for path in (own_server.data / "blobs/data").rglob("*") if path.is_file()]
    assert len(blobs) == 1
    damaged = bytearray(blobs[0].read_bytes())
    damaged[150_000] ^= 1
    blobs[0].chmod(0o600)
    blobs[0].write_bytes(damaged)
    report = own_server.run("verify", check=False)
    assert report.returncode == 1 and blobs[0].name in report.stdout
    with pytest.raises(Exception):
        client.get_object(Bucket="rotten", Key="k")["Body"].read()
    assert "partway_corrupt_blobs_total 0" not in own_server.metrics()
    assert "partway_corrupt_blobs_total " in own_server.metrics()


def test_uploads_are_listed_for_operators_running_and_stopped(own_server):
    client = v4_client(own_server)
    client.create_bucket(Bucket="listed")
    upload = client.create_multipart_upload(Bucket="listed", Key="dir/k")["UploadId"]
    client.upload_part(Bucket="listed", Key="dir/k", UploadId=upload, PartNumber=3, Body=payload(MIB))
    for _ in range(2):
        [shown] = json.loads(own_server.run("uploads", "--json").stdout)
        assert (shown["bucket"], shown["key"], shown["upload_id"]) == ("listed", "dir/k", upload)
        assert (shown["part_count"], shown["bytes_held"]) == (1, MIB)
        assert upload in own_server.run("uploads").stdout
        own_server.stop()
    own_server.start()


def test_virtual_hosted_buckets(server):
    """`*.localhost` needs no configuration; the client resolves it to this machine by itself."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{server.address.rpartition(':')[2]}",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(s3={"addressing_style": "virtual"}, signature_version="s3v4"),
    )
    conftest.s3_client(server).create_bucket(Bucket="virtual.bucket")
    port = server.address.rpartition(":")[2]
    url = client.generate_presigned_url("put_object", Params={"Bucket": "virtual.bucket", "Key": "a b"})
    assert url.startswith(f"http://virtual.bucket.localhost:{port}/a%20b?")
    connection = connection_to(server)
    target = url[url.index("/", len("http://")) :]
    connection.request("PUT", target, body=b"hosted", headers={"Host": f"virtual.bucket.localhost:{port}"})
    assert connection.getresponse().status == 200
    got = conftest.s3_client(server).get_object(Bucket="virtual.bucket", Key="a b")
    assert got["Body"].read() == b"hosted"


def test_health_and_metrics(server):
    host = server.metrics_endpoint.removeprefix("http://")
    for path in ("/healthz", "/readyz", "/metrics"):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == 200, path
    assert "partway_" in server.metrics()
