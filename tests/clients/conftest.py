import os

import boto3
import pytest

import harness
import oss_harness


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The partway that most scenarios share; each uses buckets of its own."""
    running = harness.Server(tmp_path_factory.mktemp("partway") / "data")
    yield running
    running.stop()
    report = running.run("verify", check=False)
    assert report.returncode == 0, f"verify after all scenarios:\n{report.stdout}{report.stderr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows with a failure what the servers it used complained about: a full disk, say, is not visible from the client."""
    report = (yield).get_result()
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, harness.Server):
                report.sections.append((f"log of {name}", value.complaints()))


@pytest.fixture
def own_server(tmp_path):
    """A partway of the scenario's own, to be killed or filled."""
    running = harness.Server(tmp_path / "data")
    yield running
    running.stop()


@pytest.fixture
def bucket(request, server):
    """An empty bucket named after the test."""
    name = bucket_name(request)
    s3_client(server).create_bucket(Bucket=name)
    return name


@pytest.fixture
def free_name(request):
    """A bucket name after the test; the bucket is the test's to create."""
    return bucket_name(request)


@pytest.fixture(params=list(oss_harness.OSS2_AUTHS))
def signature(request):
    """Each version of signature that oss2 knows."""
    return request.param


@pytest.fixture
def oss(server, free_name, signature):
    """oss2's client of an empty bucket named after the test, CRC checks on as by default."""
    bucket = oss_harness.oss2_bucket(server, free_name, signature)
    bucket.create_bucket()
    return bucket


@pytest.fixture
def s3(server):
    """boto3's client with nothing set beyond endpoint, key and region."""
    return s3_client(server)


@pytest.fixture
def environment(server, tmp_path):
    """Environment variables for command-line clients, and a home of their own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PARTWAY_", "S3_", "RCLONE_"))}
    return kept | {
        "HOME": str(tmp_path),
        "PATH": f"{harness.CLIENTS / 'python/bin'}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": harness.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": harness.SECRET_KEY,
        "AWS_DEFAULT_REGION": harness.REGION,
        "AWS_REGION": harness.REGION,
    }


def bucket_name(request):
    return request.node.name.replace("_", "-").replace("[", "-").replace("]", "").lower()[:60].strip("-")


def s3_client(server, **options):
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=harness.ACCESS_KEY,
        aws_secret_access_key=harness.SECRET_KEY,
        region_name=harness.REGION,
        **options,
    )
