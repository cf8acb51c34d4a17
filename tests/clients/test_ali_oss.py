"""ali-oss on Node, signing with version 1 (its default) and version 4: the stories of js/oss.mjs."""

import json

import pytest
import requests

import app_server
from harness import ACCESS_KEY, SECRET_KEY, Server
from oss_harness import node, oss2_bucket


def tell(story, server, bucket, directory, signature="v1", **more):
    settings = {
        "port": server.address.rpartition(":")[2],
        "bucket": bucket,
        "accessKeyId": ACCESS_KEY,
        "accessKeySecret": SECRET_KEY,
        "signature": signature,
        "directory": str(directory),
    }
    return node("oss.mjs", story, json.dumps(settings | more))


@pytest.mark.parametrize("signature", ["v1", "v4"])
@pytest.mark.parametrize("story", ["buckets", "objects", "multipart", "sts", "urls"])
def test_ali_oss(server, free_name, tmp_path, story, signature):
    oss2_bucket(server, free_name).create_bucket()
    assert tell(story, server, free_name, tmp_path, signature) == "story told"


def test_ali_oss_signs_forms(server, free_name, tmp_path):
    oss2_bucket(server, free_name).create_bucket()
    assert tell("forms", server, free_name, tmp_path) == "story told"


@pytest.mark.parametrize("signature", ["v1", "v4"])
def test_ali_oss_asks_for_callbacks(free_name, tmp_path, signature):
    server = Server(tmp_path / "data", "--callback-allow", "127.0.0.0/8")
    try:
        oss2_bucket(server, free_name).create_bucket()
        with app_server.running() as application:
            assert tell("callbacks", server, free_name, tmp_path, signature, app=application.url) == "story told"
            assert not application.complaints
    finally:
        server.stop()


@pytest.mark.parametrize("signature", ["v1", "v4"])
def test_ali_oss_by_every_kind_of_address(tmp_path, signature):
    server = Server(tmp_path / "data", "--cname", "files.example.test=addressed")
    try:
        oss2_bucket(server, "addressed").create_bucket()
        assert tell("addresses", server, "addressed", tmp_path, signature) == "story told"
    finally:
        server.stop()


@pytest.mark.parametrize("address", ["path", "host"])
def test_a_browser_may_upload_after_its_preflight(server, free_name, address):
    """What the documentation of ali-oss tells to allow, and the requests a browser then sends on its behalf."""
    bucket = oss2_bucket(server, free_name)
    bucket.create_bucket()
    # A preflight carries no signature; its dialect is told by its host, if by anything.
    url = f"{server.endpoint}/{free_name}/dir/a%20b" if address == "path" else f"{server.endpoint}/dir/a%20b"
    host = {} if address == "path" else {"Host": f"{free_name}.oss-cn-hangzhou.aliyuncs.com"}
    preflight = host | {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type,x-oss-date,x-oss-meta-a,x-oss-security-token,x-oss-user-agent",
    }
    refused = requests.options(url, headers=preflight, timeout=10)
    assert (refused.status_code, "<Code>AccessForbidden</Code>" in refused.text) == (403, True)
    rules = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in ("GET", "PUT", "POST", "DELETE", "HEAD"))
    exposed = "".join(f"<ExposeHeader>{name}</ExposeHeader>" for name in ("ETag", "x-oss-request-id"))
    bucket.put_bucket_cors(
        f"<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin>{rules}<AllowedHeader>*</AllowedHeader>"
        f"{exposed}<MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>"
    )
    allowed = requests.options(url, headers=preflight, timeout=10)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert "PUT" in allowed.headers["Access-Control-Allow-Methods"]
    granted = {name.strip().lower() for name in allowed.headers["Access-Control-Allow-Headers"].split(",")}
    assert granted >= set(preflight["Access-Control-Request-Headers"].split(","))
    assert allowed.headers["Access-Control-Max-Age"] == "60"
    put = requests.put(bucket.sign_url("PUT", "dir/a b", 60), data=b"from a page", headers={"Origin": "https://page.example"}, timeout=10)
    assert (put.status_code, put.headers["Access-Control-Allow-Origin"]) == (200, "https://page.example")
    assert "etag" in put.headers["Access-Control-Expose-Headers"].lower()
    absent = requests.get(bucket.sign_url("GET", "absent", 60), headers={"Origin": "https://page.example"}, timeout=10)
    assert (absent.status_code, absent.headers["Access-Control-Allow-Origin"]) == (404, "https://page.example"), "errors must be readable too"
    stranger = requests.options(url, headers=preflight | {"Origin": "https://page.evil"}, timeout=10)
    assert (stranger.status_code, "Access-Control-Allow-Origin" in stranger.headers) == (403, False)
    assert requests.options(url, headers=host, timeout=10).status_code == 400
