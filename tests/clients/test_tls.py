"""Over TLS with a certificate authority of the scenario's own: SDKs, command lines, HTTP/2, renewed certificates."""

import concurrent.futures
import datetime
import http.client
import ipaddress
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import oss2
import pytest
import requests
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import conftest
import harness
from harness import ACCESS_KEY, MIB, SECRET_KEY, file_of, payload, sha256, sha256_of_file

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for 127.0.0.1 and localhost."""

    def __init__(self, directory):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "partway's scenarios")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(*[name in ("crl_sign", "key_cert_sign", "digital_signature") for name in USAGES])
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        certificate = self.builder(self.name, self.key).add_extension(constraints, critical=True).add_extension(usage, critical=True)
        self.certificate = certificate.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())
        self.bundle = directory / "authority.pem"
        self.bundle.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.certificate_file = directory / "certificate.pem"
        self.key_file = directory / "key.pem"

    def builder(self, subject, key):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        return builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)

    def issue(self):
        """Puts a new certificate into the files that the server was told of, and returns its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = self.builder(x509.Name([]), key).add_extension(names, critical=True).add_extension(issuer, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_file.write_bytes(private)
        return certificate.serial_number

    def context(self):
        return ssl.create_default_context(cafile=self.bundle)


USAGES = [
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]


@pytest.fixture
def authority(tmp_path):
    made = Authority(tmp_path)
    made.serial = made.issue()
    return made


@pytest.fixture
def tls_server(authority, tmp_path):
    running = harness.Server(tmp_path / "data", "--tls-certificate", authority.certificate_file, "--tls-key", authority.key_file)
    assert running.endpoint.startswith("https://")
    yield running
    running.stop()
    assert running.run("verify", check=False).returncode == 0


@pytest.fixture
def secure_s3(tls_server, authority, free_name):
    client = conftest.s3_client(tls_server, verify=str(authority.bundle))
    client.create_bucket(Bucket=free_name)
    return client


def host_and_port(server):
    host, port = server.address.rsplit(":", 1)
    return host, int(port)


def presented_serial(server, authority):
    with socket.create_connection(host_and_port(server), timeout=10) as plain:
        with authority.context().wrap_socket(plain, server_hostname="127.0.0.1") as stream:
            return x509.load_der_x509_certificate(stream.getpeercert(binary_form=True)).serial_number


def test_boto3_over_tls(tls_server, authority, secure_s3, free_name, tmp_path):
    source = file_of(tmp_path / "source", 20 * MIB + 3)
    secure_s3.upload_file(str(source), free_name, "big")
    secure_s3.download_file(free_name, "big", str(tmp_path / "down"))
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)
    upload = secure_s3.create_multipart_upload(Bucket=free_name, Key="parts")["UploadId"]
    part = secure_s3.upload_part(Bucket=free_name, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    completed = secure_s3.complete_multipart_upload(Bucket=free_name, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert completed["Location"].startswith("https://")
    url = secure_s3.generate_presigned_url("get_object", Params={"Bucket": free_name, "Key": "parts"})
    assert requests.get(url, verify=authority.bundle, timeout=10).content == b"part"
    with pytest.raises(SSLError):
        conftest.s3_client(tls_server).list_buckets()


def test_aws_cli_over_tls(tls_server, authority, secure_s3, free_name, environment, tmp_path):
    source = file_of(tmp_path / "source", 12 * MIB + 1)
    environment = environment | {"AWS_CA_BUNDLE": str(authority.bundle)}
    for words in (["cp", source, f"s3://{free_name}/k"], ["cp", f"s3://{free_name}/k", tmp_path / "down"]):
        command = ["aws", "--endpoint-url", tls_server.endpoint, "s3", *map(str, words)]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
    assert sha256_of_file(tmp_path / "down") == sha256_of_file(source)


def test_oss2_over_tls(tls_server, authority, free_name, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    bucket = oss2.Bucket(oss2.Auth(ACCESS_KEY, SECRET_KEY), tls_server.endpoint, free_name)
    bucket.create_bucket()
    source = file_of(tmp_path / "source", 3 * MIB + 1)
    store = oss2.ResumableStore(root=str(tmp_path))
    oss2.resumable_upload(bucket, "k", str(source), store=store, multipart_threshold=MIB, part_size=MIB, num_threads=3)
    assert sha256(bucket.get_object("k").read()) == sha256_of_file(source)


def curl_speaks_http2():
    return shutil.which("curl") and "HTTP2" in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout


@pytest.mark.skipif(not curl_speaks_http2(), reason="there is no curl that speaks HTTP/2")
def test_curl_moves_many_objects_at_once_over_http2(tls_server, authority, secure_s3, free_name, tmp_path):
    curl = ["curl", "--silent", "--show-error", "--fail", "--http2", "--cacert", str(authority.bundle)]
    told = ["--write-out", "%{stderr}\nHTTP/%{http_version} %{response_code} connections %{num_connects}\n"]
    keys = [f"k{number}" for number in range(12)]
    sources = {key: file_of(tmp_path / key, 4 * MIB + seed, seed) for seed, key in enumerate(keys)}

    def url(operation, key):
        return secure_s3.generate_presigned_url(operation, Params={"Bucket": free_name, "Key": key})

    uploads = [word for key in keys for word in ("--upload-file", str(sources[key]), "--output", str(tmp_path / f"{key}.out"), url("put_object", key))]
    downloads = [word for key in keys for word in ("--output", str(tmp_path / f"{key}.down"), url("get_object", key))]
    for words in (uploads, downloads):
        answer = subprocess.run([*curl, *told, "--parallel", *words], capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
        answered = re.findall(r"HTTP/([\d.]+) (\d+) connections ([01])$", answer.stderr, re.MULTILINE)
        assert [version_and_status for *version_and_status, _ in answered] == [["2", "200"]] * len(keys), answer.stderr
        assert [count for *_, count in answered].count("1") == 1, "all on one connection"
    for key in keys:
        assert sha256_of_file(tmp_path / f"{key}.down") == sha256_of_file(sources[key])


def test_a_renewed_certificate_needs_no_restart_and_a_broken_one_changes_nothing(tls_server, authority):
    assert presented_serial(tls_server, authority) == authority.serial
    kept = http.client.HTTPSConnection(*host_and_port(tls_server), context=authority.context(), timeout=10)

    def still_served():
        kept.request("GET", "/")
        answer = kept.getresponse()
        answer.read()
        return answer.status == 403

    assert still_served()
    own_socket = kept.sock
    renewed = authority.issue()
    tls_server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: presented_serial(tls_server, authority) == renewed, 4)
    assert still_served() and kept.sock is own_socket

    authority.key_file.write_text("not a key")
    tls_server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "TLS files cannot be used" in tls_server.log.read_text(), 10)
    assert presented_serial(tls_server, authority) == renewed

    noticed = authority.issue()
    wait_until(lambda: presented_serial(tls_server, authority) == noticed, 20)
    assert still_served() and kept.sock is own_socket


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_clients_that_do_not_shake_hands_hold_nobody_up(tls_server, authority, secure_s3, free_name):
    idle = [socket.create_connection(host_and_port(tls_server)) for _ in range(200)]
    for number, connection in enumerate(idle):
        connection.sendall(b"\x16\x03\x01\x02\x00"[: number % 6])
    for garbage in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", bytes(1000)):
        with socket.create_connection(host_and_port(tls_server), timeout=10) as connection:
            connection.sendall(garbage)
            assert not connection.recv(1000).startswith(b"HTTP")
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bodies = [payload(MIB, seed) for seed in range(16)]
        list(pool.map(lambda seed: secure_s3.put_object(Bucket=free_name, Key=str(seed), Body=bodies[seed]), range(16)))
    assert time.monotonic() - begun < 20, "the head timeout is 30 s"
    assert tls_server.counted("partway_tls_handshakes_failed_total") >= 2
    for connection in idle:
        connection.close()


def test_a_server_says_what_is_wrong_with_its_certificate(tmp_path):
    absent = tmp_path / "absent.pem"
    for flags, words in ((["--tls-certificate", absent], "tls-key is not"), (["--tls-certificate", absent, "--tls-key", absent], "cannot read")):
        command = [harness.BINARY, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *flags]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert answer.returncode == 2 and words in answer.stderr, answer.stderr
