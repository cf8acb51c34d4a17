"""One run of `partway bench` against one server, and what it says."""

import json
import re
import subprocess

from places import ACCESS_KEY, BUCKET, CLIENT, REGION, SECRET_KEY
from rows import figures, work

PATIENCE_SECS = 300
# Small and of every kind, to see that the answers are right before anybody measures how fast they are.
ROUND = [
    work("put", 4, size="100KiB", count=20),
    work("upload-parts", 4, size="5MiB", parts=4, count=16),
    work("get", 4, size="100KiB", objects=5, count=20),
    work("range", 4, size="100KiB", object_size="11MiB", parts=2, objects=1, count=20),
    work("list", 1, objects=1234, count=2),
]


class Failed(Exception):
    """Why a row has no figures."""


def bench(server, arguments, report):
    """Runs `partway bench`; returns its report, in which every operation succeeded."""
    report.unlink(missing_ok=True)
    command = [CLIENT, "bench", "--endpoint", server.endpoint, "--bucket", BUCKET, "--region", REGION, "--server-pid", server.pid,
               "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, "--json", report, *arguments]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, complaint = process.communicate(timeout=PATIENCE_SECS)
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {PATIENCE_SECS} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if not report.exists():
        raise Failed(shortened(complaint))
    result = json.loads(report.read_text())
    errors = sum(measured["errors"] for measured in result["operations"])
    if errors or result["is_given_up"] or not any(measured["count"] for measured in result["operations"]):
        raise Failed(shortened("; ".join(trouble["what"] for trouble in result["troubles"]) or "nothing succeeded"))
    return result


def verify(server, report):
    """Compares every byte and ETag of a small round. Returns what is wrong, in words."""
    wrong = []
    for arguments in ROUND:
        try:
            bench(server, [*arguments, "--verify"], report)
        except Failed as failed:
            wrong.append(f"{arguments[1]}: {failed}")
    return wrong


def measure(server, row, secs, report):
    """Speed, cost and whatever else a run has to tell."""
    limit = ["--count", str(row.count)] if row.count else ["--duration", f"{secs}s"]
    arguments = list(row.arguments)
    for option, value in server.instead.get(row.name, {}).items():
        arguments[arguments.index(option) + 1] = value
    result = bench(server, [*arguments, *limit], report)
    speed, cost = figures(row, result)
    retries = sum(measured["retries"] for measured in result["operations"])
    return {"speed": speed, "cost": cost, "retries": retries, "client_cpu_secs": result["client_cpu_secs"], "elapsed_secs": result["elapsed_secs"]}


def shortened(complaint):
    """The part of a complaint that says what is wrong."""
    lines = [line for line in complaint.strip().splitlines() if line] or ["it says nothing"]
    said = next((line for line in lines if line.startswith("error")), lines[-1])
    text = re.sub(r"^(error|partway bench|partway): *", "", said.strip())
    if "EntityTooSmall" in text:
        return "refused: EntityTooSmall, for parts below 5 MiB"
    return text if len(text) <= 160 else f"{text[:157]}…"
