"""oss2's resumable transfers: interrupted, killed, and run again. What was sent twice is read off the server's own counters."""

import subprocess
import time

import oss2
import pytest

from harness import ACCESS_KEY, CLIENTS, MIB, SECRET_KEY, file_of, sha256_of_file
from oss_harness import KIB, REGION, crc64_of_file, eventually, oss2_bucket, settled


class Interrupted(Exception):
    """What a progress callback raises in place of a user's ^C."""


def interrupt_at(bytes_done):
    """Ends every thread of a transfer once so much of it is done."""

    def progress(consumed, total):
        if consumed >= bytes_done:
            raise Interrupted

    return progress


def parts_sent(server):
    return server.counted("partway_requests_total", operation="UploadPart", status="200")


def test_an_interrupted_upload_sends_only_what_is_missing(server, oss, tmp_path):
    source = file_of(tmp_path / "source", 24 * MIB + 7)
    options = {
        "store": oss2.ResumableStore(root=str(tmp_path)),
        "multipart_threshold": MIB,
        "part_size": MIB,
        "num_threads": 4,
        "headers": {"x-oss-meta-a": "b", "x-oss-object-acl": "public-read"},
    }
    with pytest.raises(Interrupted):
        oss2.resumable_upload(oss, "dir/ü", str(source), progress_callback=interrupt_at(8 * MIB), **options)
    [upload] = oss2.MultipartUploadIterator(oss)
    held = [part.part_number for part in oss2.PartIterator(oss, "dir/ü", upload.upload_id)]
    assert 8 <= len(held) < 25
    before = parts_sent(server)
    done = oss2.resumable_upload(oss, "dir/ü", str(source), **options)
    assert parts_sent(server) - before == 25 - len(held)
    assert done.crc == crc64_of_file(source) and done.etag.endswith("-25")
    assert list(oss2.MultipartUploadIterator(oss)) == []
    oss.get_object_to_file("dir/ü", str(tmp_path / "down"))
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
    head = oss.head_object("dir/ü")
    assert head.headers["x-oss-meta-a"] == "b" and oss.get_object_acl("dir/ü").acl == "public-read"


def test_a_record_of_an_upload_that_is_gone_starts_over(oss, tmp_path):
    source = file_of(tmp_path / "source", 3 * MIB)
    options = {"store": oss2.ResumableStore(root=str(tmp_path)), "multipart_threshold": MIB, "part_size": MIB}
    with pytest.raises(Interrupted):
        oss2.resumable_upload(oss, "k", str(source), progress_callback=interrupt_at(MIB), **options)
    [upload] = oss2.MultipartUploadIterator(oss)
    oss.abort_multipart_upload("k", upload.upload_id)
    assert oss2.resumable_upload(oss, "k", str(source), **options).crc == crc64_of_file(source)


def test_an_interrupted_download_fetches_only_what_is_missing(server, oss, tmp_path):
    source = file_of(tmp_path / "source", 20 * MIB + 5)
    oss2.resumable_upload(oss, "k", str(source), store=oss2.ResumableStore(root=str(tmp_path)), part_size=3 * MIB)
    target = tmp_path / "down"
    options = {"store": oss2.ResumableDownloadStore(root=str(tmp_path)), "multiget_threshold": MIB, "part_size": MIB, "num_threads": 4}
    with pytest.raises(Interrupted):
        oss2.resumable_download(oss, "k", str(target), progress_callback=interrupt_at(8 * MIB), **options)
    assert not target.exists()
    settled(server)
    before = server.counted("partway_requests_total", operation="GetObject")
    oss2.resumable_download(oss, "k", str(target), **options)
    assert 0 < server.counted("partway_requests_total", operation="GetObject") - before <= 21 - 8
    assert sha256_of_file(target) == sha256_of_file(source)

    # Overwritten meanwhile: the halves of two objects are never joined.
    with pytest.raises(Interrupted):
        oss2.resumable_download(oss, "k", str(target), progress_callback=interrupt_at(4 * MIB), **options)
    other = file_of(tmp_path / "other", 20 * MIB + 5, seed=2)
    oss2.resumable_upload(oss, "k", str(other), store=oss2.ResumableStore(root=str(tmp_path)), part_size=3 * MIB)
    oss2.resumable_download(oss, "k", str(target), **options)
    assert sha256_of_file(target) == sha256_of_file(other)


UPLOADER = """
import sys, oss2
endpoint, bucket, source, root, access_key, secret_key, region = sys.argv[1:]
bucket = oss2.Bucket(oss2.AuthV4(access_key, secret_key), endpoint, bucket, region=region)
done = oss2.resumable_upload(bucket, "killed", source, store=oss2.ResumableStore(root=root), num_threads=3)
print(done.crc)
"""


def test_300_mib_killed_half_way_are_continued_by_the_next_process(server, free_name, tmp_path):
    bucket = oss2_bucket(server, free_name)
    bucket.create_bucket()
    source = file_of(tmp_path / "source", 300 * MIB)
    part_size, count = 10 * MIB, 30
    command = [CLIENTS / "python/bin/python", "-c", UPLOADER, server.endpoint, free_name, source, tmp_path, ACCESS_KEY, SECRET_KEY, REGION]

    def held():
        return [part for upload in oss2.MultipartUploadIterator(bucket) for part in oss2.PartIterator(bucket, "killed", upload.upload_id)]

    client = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(held()) < count // 2:
            assert client.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        client.kill()
        client.wait()
    # A part whose bytes had all arrived may still be stored.
    settled(server)
    kept = held()
    assert count // 2 <= len(kept) < count and all(part.size == part_size for part in kept)
    missing = count - len(kept)

    parts, bytes_in = parts_sent(server), server.counted("partway_body_bytes_total", direction="in")
    second = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    assert second.returncode == 0, second.stderr
    eventually(lambda: parts_sent(server) - parts == missing)
    sent = server.counted("partway_body_bytes_total", direction="in") - bytes_in
    assert missing * part_size <= sent <= missing * part_size + 64 * KIB, "the missing parts and the list of all parts"
    assert int(second.stdout) == crc64_of_file(source) == bucket.head_object("killed").server_crc
    assert not list(oss2.MultipartUploadIterator(bucket))
    bucket.get_object_to_file("killed", str(tmp_path / "down"))
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
