"""The servers: how each is set up, started, told to hold still, and ended."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import install
from places import ACCESS_KEY, BINARY, BUCKET, FLOOR, REGION, SECRET_KEY

START_SECS = 30
STOP_SECS = 20


class CannotStart(Exception):
    """Why a server does not run."""


class Server:
    """One running server on a folder of its own. Between its turns it is stopped, so that it takes nothing from others."""

    name = None
    about = ""
    # How it is made to sync what it acknowledges, in words; None when it cannot.
    synced = None
    # Other values of options of `partway bench` for this server, by row.
    instead = {}

    def __init__(self, folder, is_synced):
        self.folder = pathlib.Path(folder)
        self.is_synced = is_synced
        self.port = free_port()
        self.process = None
        self.folder.mkdir()
        self.log = (self.folder / "log").open("wb")
        self.prepare()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PARTWAY_", "AWS_", "RUST_LOG"))}
        command = [str(word) for word in self.command()]
        # A session of its own: a Ctrl-C reaches this program alone, which then ends them.
        self.process = subprocess.Popen(
            command, env=environment | self.environment(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )
        try:
            self.wait()
            self.configure()
        except BaseException:
            self.end()
            raise

    def prepare(self):
        """Before it starts."""

    def configure(self):
        """After it started."""

    def environment(self):
        return {}

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def data(self):
        return self.folder / "data"

    def run(self, *command, **options):
        """A command that has to succeed; returns what it prints."""
        options = {"capture_output": True, "text": True, "timeout": START_SECS, **options}
        done = subprocess.run([str(word) for word in command], check=False, **options)
        if done.returncode:
            raise CannotStart((done.stderr or done.stdout).strip().splitlines()[-1:] or [f"{command[0]} failed"])
        return done.stdout

    def wait(self):
        deadline = time.monotonic() + START_SECS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise CannotStart(f"ended with {self.process.returncode}: {install.last_words(self.folder / 'log')}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise CannotStart(f"does not listen after {START_SECS} s: {install.last_words(self.folder / 'log')}")

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def cpu_ticks(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def settle(self, most_secs=10):
        """Waits until it has nothing left to do of its own."""
        deadline, before = time.monotonic() + most_secs, self.cpu_ticks()
        while time.monotonic() < deadline:
            time.sleep(0.3)
            now = self.cpu_ticks()
            if now - before <= 1:
                return
            before = now

    def peak_rss(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.resume()
            try:
                self.process.wait(STOP_SECS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Partway(Server):
    name = "partway"
    about = "as it is, durable; parts may be small, and what is deleted goes at once: --s3-part-size-min 1KiB --reap-grace 1s"
    synced = "always"

    def command(self):
        return [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--data", self.data, "--s3-part-size-min", "1KiB", "--reap-grace", "1s"]

    def environment(self):
        return {"PARTWAY_ROOT_ACCESS_KEY": ACCESS_KEY, "PARTWAY_ROOT_SECRET_KEY": SECRET_KEY}


class Floor(Server):
    name = "floor"
    about = "hyper alone: bytes between socket and file, no digest, no signature, no index, no sync"
    # It cannot put parts together.
    instead = {row: {"--parts": "1"} for row in ("get-2g", "range")}

    def prepare(self):
        self.data.mkdir()

    def command(self):
        return [FLOOR, self.port, self.data]


class Garage(Server):
    name = "garage"
    about = "one node, no replication, LMDB, uncompressed"
    synced = "metadata_fsync, data_fsync"

    def prepare(self):
        synced = str(self.is_synced).lower()
        rpc = free_port()
        (self.folder / "garage.toml").write_text(f"""
metadata_dir = "{self.folder}/meta"
data_dir = "{self.data}"
db_engine = "lmdb"
metadata_fsync = {synced}
data_fsync = {synced}
compression_level = "none"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{'5a' * 32}"

[s3_api]
s3_region = "{REGION}"
api_bind_addr = "127.0.0.1:{self.port}"
""")

    def command(self):
        return [install.binary("garage"), "-c", self.folder / "garage.toml", "server", "--single-node", "--default-bucket"]

    def environment(self):
        return {
            "GARAGE_DEFAULT_ACCESS_KEY": ACCESS_KEY, "GARAGE_DEFAULT_SECRET_KEY": SECRET_KEY, "GARAGE_DEFAULT_BUCKET": BUCKET, "RUST_LOG": "garage=warn",
        }


class S3sFs(Server):
    name = "s3s-fs"
    about = "a folder"

    def prepare(self):
        self.data.mkdir()

    def command(self):
        return [install.binary("s3s-fs"), "--host", "127.0.0.1", "--port", self.port,
                "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, self.data]

    def environment(self):
        return {"RUST_LOG": "error"}


class JuiceFs(Server):
    name = "juicefs"
    about = "gateway on an index in BadgerDB and a folder, without trash and without a second copy as cache"

    @property
    def meta(self):
        return f"badger://{self.folder}/meta"

    def prepare(self):
        self.run(install.binary("juicefs"), "format", self.meta, BUCKET, "--storage", "file", "--bucket", f"{self.data}/", "--trash-days", "0")

    def command(self):
        return [install.binary("juicefs"), "gateway", self.meta, f"127.0.0.1:{self.port}", "--no-banner", "--no-usage-report",
                "--cache-size", "0", "--backup-meta", "0", "--metrics", f"127.0.0.1:{free_port()}", "--log", self.folder / "gateway.log"]

    def environment(self):
        return {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}


class Rclone(Server):
    name = "rclone"
    about = "`rclone serve s3` on a folder, as it is"

    def prepare(self):
        self.data.mkdir()

    def command(self):
        return [install.binary("rclone"), "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{self.port}",
                "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--log-level", "ERROR", self.data]


ALL = [Partway, Garage, S3sFs, JuiceFs, Rclone, Floor]
PEERS = [server.name for server in ALL if server not in (Partway, Floor)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
