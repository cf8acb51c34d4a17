"""Where partway's CPU time goes, by perf: samples of the CPU clock, counted by function."""

import dataclasses
import re
import shutil
import signal
import subprocess
import sys

from measure import Failed, measure
from rows import TABLE

ROWS = ["up16", "up1", "put-1m", "put-4k", "get-4k", "get-2g"]
TOP = 12
# The first that matches; what matches nothing is the rest.
PARTS = [
    ("MD5", re.compile(r"md5|lanes", re.IGNORECASE)),
    ("CRC", re.compile(r"crc", re.IGNORECASE)),
    ("index", re.compile(r"rocksdb|LZ4", re.IGNORECASE)),
    ("kernel", re.compile(r"^\[k\]")),
]


def take(server, secs, folder):
    """Shares of the samples for some rows, while the server is loaded. Nothing where there is no perf."""
    if not shutil.which("perf"):
        print("no profile: perf is not installed", file=sys.stderr)
        return {}
    server.resume()
    taken = {}
    for row in TABLE:
        if row.name in ROWS:
            server.settle()
            try:
                taken[row.name] = profile(server, row, secs, folder)
            except (Failed, subprocess.SubprocessError) as error:
                print(f"no profile of {row.name}: {error}", file=sys.stderr)
    server.pause()
    return taken


def profile(server, row, secs, folder):
    data = folder / "perf.data"
    # What is prepared and cleaned up is not what is measured.
    kept = dataclasses.replace(row, arguments=(*row.arguments, "--keep", "--prefix", f"profile/{row.name}/"))
    if "get" in row.arguments:
        measure(server, kept, secs, folder / "report.json")
    record = ["perf", "record", "-F", "997", "-e", "cpu-clock", "-p", str(server.pid), "-o", data]
    recorder = subprocess.Popen(record, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        measured = measure(server, kept, secs, folder / "report.json")
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    command = ["perf", "report", "-i", data, "--stdio", "--no-inline", "--sort", "symbol", "--percent-limit", "0"]
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=300).stdout
    data.unlink()
    # Two columns that are for processors with other counters are empty.
    found = re.findall(r"^ +([0-9.]+)% +(\[.\] .*?)(?: +- +-)? *$", told, re.MULTILINE)
    functions = [(float(share), name) for share, name in found]
    shares = {name: 0.0 for name, _ in PARTS} | {"rest": 0.0}
    for share, function in functions:
        shares[part(function)] += share / 100
    return {"cost": measured["cost"], "shares": shares, "top": functions[:TOP]}


def part(function):
    return next((name for name, pattern in PARTS if pattern.search(function)), "rest")
