"""minio-py, with the settings it has by itself."""

import io

import minio
import pytest
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject

from harness import ACCESS_KEY, MIB, SECRET_KEY, payload


def test_minio_py_scenario(server, bucket):
    client = minio.Minio(server.address, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False)
    assert client.bucket_exists(bucket) and not client.bucket_exists("no-such-bucket-here")
    big = payload(23 * MIB + 5)
    client.put_object(bucket, "dir/big ü+", io.BytesIO(big), len(big), part_size=5 * MIB, metadata={"a": "b"}, num_parallel_uploads=3)
    client.put_object(bucket, "unknown", io.BytesIO(big), -1, part_size=6 * MIB)
    assert client.get_object(bucket, "unknown").read() == big
    stat = client.stat_object(bucket, "dir/big ü+")
    assert stat.size == len(big) and stat.metadata["x-amz-meta-a"] == "b"
    assert client.get_object(bucket, "dir/big ü+", offset=5 * MIB - 3, length=7).read() == big[5 * MIB - 3 : 5 * MIB + 4]
    client.copy_object(bucket, "copy", CopySource(bucket, "dir/big ü+"))
    client.compose_object(bucket, "composed", [ComposeSource(bucket, "copy"), ComposeSource(bucket, "copy", offset=5, length=6 * MIB)])
    assert client.get_object(bucket, "composed").read() == big + big[5 : 5 + 6 * MIB]
    tags = Tags.new_object_tags()
    tags["k"] = "v"
    client.set_object_tags(bucket, "copy", tags)
    assert client.get_object_tags(bucket, "copy") == {"k": "v"}
    assert sorted(entry.object_name for entry in client.list_objects(bucket)) == ["composed", "copy", "dir/", "unknown"]
    assert [entry.object_name for entry in client.list_objects(bucket, recursive=True)] == ["composed", "copy", "dir/big ü+", "unknown"]
    url = client.presigned_get_object(bucket, "copy")
    assert client._http.request("GET", url).data == big
    names = [DeleteObject(entry.object_name) for entry in client.list_objects(bucket, recursive=True)]
    assert list(client.remove_objects(bucket, names)) == []
    with pytest.raises(minio.error.S3Error) as error:
        client.stat_object(bucket, "copy")
    assert error.value.code == "NoSuchKey"
