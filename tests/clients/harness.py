"""Starts the real binary on a real directory, and makes the bytes that scenarios move."""

import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = REPOSITORY / ".clients"
BINARY = pathlib.Path(os.environ.get("PARTWAY_BINARY", REPOSITORY / "target/release/partway"))
ACCESS_KEY = "PARTWAYTESTROOTKEY01"
SECRET_KEY = "a-secret/with+characters=that.need.care"
REGION = "us-east-1"
MIB = 1 << 20
GIB = 1 << 30


class Server:
    """One running partway."""

    def __init__(self, data, *arguments):
        self.data = pathlib.Path(data)
        self.arguments = arguments
        self.log = self.data.parent / f"{self.data.name}.log"
        self.start()

    def start(self, listen="127.0.0.1:0"):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PARTWAY_")}
        environment |= {"PARTWAY_ROOT_ACCESS_KEY": ACCESS_KEY, "PARTWAY_ROOT_SECRET_KEY": SECRET_KEY}
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = [BINARY, "serve", "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--data", self.data, *self.arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            text = self.log.read_bytes()[offset:].decode(errors="replace")
            found = re.search(r"^listening on (https?://\S+)$", text, re.MULTILINE)
            metrics = re.search(r"^metrics on (http://\S+)$", text, re.MULTILINE)
            if found and metrics:
                self.endpoint = found[1]
                self.metrics_endpoint = metrics[1]
                return
            if self.process.poll() is not None:
                raise AssertionError(f"partway ended with {self.process.returncode}:\n{text}")
            time.sleep(0.02)
        raise AssertionError("partway did not start in time")

    @property
    def address(self):
        return self.endpoint.split("//", 1)[1]

    def stop(self):
        """Ends it as an operator would, and insists that it drains cleanly."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(timeout=60) == 0

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=10)

    def run(self, *arguments, check=True):
        """An operator's command on this server's data directory."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PARTWAY_")}
        command = [BINARY, *arguments, "--data", self.data]
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=300, env=environment)

    def metrics(self):
        with urllib.request.urlopen(f"{self.metrics_endpoint}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def counted(self, name, **labels):
        """The sum of a metric's values over the lines that carry these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in self.metrics().splitlines() if re.match(rf"{name}[{{ ]", line)]
        return sum(float(line.split()[-1]) for line in lines if all(label in line for label in wanted))

    def complaints(self, count=20):
        """The last lines of its log that are not about ordinary requests."""
        lines = self.log.read_text(errors="replace").splitlines()
        ordinary = re.compile(r"status=[234]")
        return "\n".join([line for line in lines if not ordinary.search(line)][-count:])

    def resident_mib(self):
        """Peak resident memory so far."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def payload(size, seed=1):
    """Bytes that do not repeat and do not compress; the same for the same seed."""
    return random.Random(seed).randbytes(size)


def file_of(path, size, seed=1):
    """A file of such bytes, written in pieces."""
    source = random.Random(seed)
    with open(path, "wb") as target:
        left = size
        while left:
            piece = source.randbytes(min(left, 4 * MIB))
            target.write(piece)
            left -= len(piece)
    return path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def multipart_etag(parts):
    """The ETag S3 gives an object of these parts."""
    return f'"{hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"'
