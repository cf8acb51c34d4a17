"""What the scenarios of the OSS dialect share: clients as their documentation sets them up, and digests as OSS writes them."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import time

import alibabacloud_oss_v2
import crcmod
import oss2

from harness import ACCESS_KEY, CLIENTS, SECRET_KEY

REGION = "cn-hangzhou"
KIB = 1 << 10
OSS2_AUTHS = {"v1": oss2.Auth, "v2": oss2.AuthV2, "v4": oss2.AuthV4}
# Space, plus, percent, an umlaut, an ampersand, what looks encoded, and slashes where file systems have none.
ODD_KEYS = ["a b", "a%20b", "a&b=c", "a+b", "dir//two", "dir/ü", "dir/😀 +%&", "z"]


def oss2_bucket(server, name, signature="v4", **options):
    auth = OSS2_AUTHS[signature](ACCESS_KEY, SECRET_KEY)
    return oss2.Bucket(auth, server.endpoint, name, region=REGION, **options)


def oss_v2_client(server, signature="v4", credentials=(ACCESS_KEY, SECRET_KEY), **options):
    config = alibabacloud_oss_v2.config.load_default()
    config.region = REGION
    config.endpoint = server.endpoint
    config.signature_version = signature
    config.credentials_provider = alibabacloud_oss_v2.credentials.StaticCredentialsProvider(*credentials)
    for name, value in options.items():
        setattr(config, name, value)
    return alibabacloud_oss_v2.Client(config)


def crc64(data):
    """CRC-64/XZ, as `x-oss-hash-crc64ecma` carries it."""
    crc = crcmod.Crc(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)
    crc.update(data)
    return crc.crcValue


def crc64_of_file(path):
    crc = crcmod.Crc(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)
    with open(path, "rb") as source:
        while piece := source.read(4 << 20):
            crc.update(piece)
    return crc.crcValue


def md5_hex(data):
    """The ETag of a whole object or a part, without its quotes."""
    return hashlib.md5(data).hexdigest().upper()


def md5_base64(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def base64_json(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def eventually(condition, timeout=20):
    """Waits for what happens in the background."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return result


def settled(server):
    """Waits until the server has noticed that a client went away."""
    eventually(lambda: server.counted("partway_requests_in_flight") == 0)


def node(script, *arguments, timeout=120):
    """Runs one of the js/ scripts. Node looks for packages beside the script, so the script goes where they are installed."""
    source = os.path.join(os.path.dirname(__file__), "js", script)
    target = shutil.copy(source, CLIENTS / "js" / script)
    answer = subprocess.run(["node", target, *[str(argument) for argument in arguments]], capture_output=True, text=True, timeout=timeout)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout.splitlines()[-1]
