#!/usr/bin/env -S python3 -B
"""Measures partway and its peers side by side, row by row, and prints the table of docs/performance.md.

Every row is carried out by `partway bench` against each server in turn, with the others stopped. A verdict is printed and
never an error: it fails only when partway itself answers errors.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import tempfile

import cycles
import document
import install
import report
from measure import Failed, measure, verify
from places import DOCUMENT, GIB, MIB, RESULTS
from rows import DISK, TABLE
from servers import ALL, PEERS, CannotStart


def main():
    options = arguments()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(130))
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / ("disk.json" if options.disk else "table.json")
    if options.render:
        results = json.loads(file.read_text())
    else:
        results = run(options)
        if options.add and file.exists():
            results = merged(json.loads(file.read_text()), results)
        file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    print((report.markdown if options.markdown else report.text)(results))
    if options.docs:
        document.write(results)
    behind = list(report.behind(results))
    print("\n".join(["", "behind or short of a goal:", *behind] if behind else ["", "ahead of every peer, and every goal reached"]), file=sys.stderr)
    print(f"figures: {file}", file=sys.stderr)
    return int(any(servers.get("partway", {}).get("trouble") for servers in results["rows"].values()) or "partway" in results["unverified"])


def arguments():
    names = [server.name for server in ALL]
    parser = argparse.ArgumentParser(prog="make bench-peers ARGS=…", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda text: text.split(","), help=f"some of {','.join(row.name for row in TABLE)}")
    parser.add_argument("--servers", type=lambda text: text.split(","), default=names, help=f"some of {','.join(names)}")
    parser.add_argument("--repeats", type=int, default=3, help="medians of so many runs (3)")
    parser.add_argument("--secs", type=int, default=3, help="seconds of a run (3)")
    parser.add_argument("--quick", action="store_true", help="one run of one second: an impression")
    parser.add_argument("--disk", action="store_true", help="the rows that write, synced, for servers that can, on a real disk")
    parser.add_argument("--data", type=pathlib.Path, help="where data goes (a folder in /dev/shm; with --disk one in target/peers)")
    parser.add_argument("--profile", action="store_true", help="also where partway's CPU time goes, by perf")
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/performance.md has it")
    parser.add_argument("--docs", action="store_true", help=f"write what was measured into {DOCUMENT.name}, and draw its picture")
    parser.add_argument("--add", action="store_true", help="keep what an earlier run measured and this one does not: no longer one run")
    parser.add_argument("--render", action="store_true", help="measure nothing: print, or write, what was measured last")
    options = parser.parse_args()
    rows = DISK if options.disk else TABLE
    if unknown := set(options.rows or []) - {row.name for row in rows} | set(options.servers) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    options.rows = [row for row in rows if not options.rows or row.name in options.rows]
    options.servers = [server for server in ALL if server.name in options.servers]
    if options.quick:
        options.repeats, options.secs = 1, 1
    if options.data is None:
        options.data = RESULTS if options.disk else pathlib.Path("/dev/shm")
    return options


def run(options):
    results = {
        "is_synced": options.disk, "repeats": options.repeats, "secs": options.secs, "machine": machine(options), "rows": {}, "memory": {},
        "servers": [server.name for server in options.servers], "peers": [server.name for server in options.servers if server.name in PEERS],
        "about": {server.name: server.about for server in options.servers}, "absent": {}, "unverified": {}, "profile": {},
    }
    present = []
    for server in options.servers:
        trouble = install.install(server.name) if server.name in PEERS else None
        if options.disk and not server.synced:
            trouble = f"{server.name} cannot sync what it acknowledges"
        if trouble:
            results["absent"][server.name] = trouble
        else:
            present.append(server)
    if options.disk:
        results["about"] |= {server.name: f"{server.about}; synced: {server.synced}" for server in present}
    figures, memory = {}, {}
    for number in range(options.repeats):
        one_pass(options, present, results, figures, memory, is_first=number == 0)
    for row in options.rows:
        results["rows"][row.name] = {server: median(runs) for (name, server), runs in figures.items() if name == row.name}
    results["memory"] = {server: statistics.median(peaks) / MIB for server, peaks in memory.items()}
    return results


def one_pass(options, present, results, figures, memory, is_first):
    """Every row with every server once: with servers that begin empty, each stopped while it is not its turn."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="partway-peers-", dir=options.data))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = []
        for kind in present:
            try:
                server = kind(folder / kind.name, options.disk)
            except (CannotStart, OSError) as error:
                results["absent"][kind.name] = f"cannot be started: {error}"
                continue
            stack.callback(server.end)
            if is_first and kind.name != "floor":
                say(f"{kind.name}: is it right?")
                if wrong := verify(server, folder / "report.json"):
                    results["unverified"][kind.name] = wrong
            server.pause()
            running.append(server)
        for row in options.rows:
            for server in running:
                if server.name == "floor" and not row.floor:
                    continue
                figures.setdefault((row.name, server.name), []).append(turn(options, row, server, folder))
        if options.profile and is_first:
            for server in running:
                if server.name == "partway":
                    results["profile"] = cycles.take(server, options.secs, folder)
        for server in running:
            memory.setdefault(server.name, []).append(server.peak_rss())


def turn(options, row, server, folder):
    if (room := space(folder)) < row.space:
        raise SystemExit(f"{folder} has room for {room / GIB:.1f} GiB, and {row.name} may take {row.space / GIB:.0f} GiB")
    server.resume()
    server.settle()
    try:
        result = measure(server, row, options.secs, folder / "report.json")
        say(f"{row.name} {server.name}: {result['speed']:,.1f} {row.speed.unit}, {result['cost']:,.2f} {row.cost.unit}")
    except Failed as failed:
        result = {"trouble": str(failed)}
        say(f"{row.name} {server.name}: {failed}")
    server.settle()
    server.pause()
    return result


def median(runs):
    """Of runs that all succeeded: the figures of one that failed now and then mean nothing."""
    if troubles := [run["trouble"] for run in runs if "trouble" in run]:
        return {"runs": runs, "trouble": troubles[0]}
    return {"runs": runs} | {kind: statistics.median(run[kind] for run in runs) for kind in ("speed", "cost")}


def merged(before, now):
    """What both measured, the new instead of the old."""
    now["rows"] = before["rows"] | {row: before["rows"].get(row, {}) | servers for row, servers in now["rows"].items()}
    for key in ("absent", "unverified"):
        now[key] = {server: why for server, why in before[key].items() if server not in now["servers"]} | now[key]
    now["about"] = before["about"] | now["about"]
    now["memory"] = {server: max(before["memory"].get(server, 0), now["memory"].get(server, 0)) for server in before["memory"] | now["memory"]}
    now["profile"] = before["profile"] | now["profile"]
    for key in ("servers", "peers"):
        now[key] = [server.name for server in ALL if server.name in before[key] + now[key]]
    return now


def space(folder):
    """What can be written: memory bounds a tmpfs, too."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    available = next(int(line.split()[1]) * 1024 for line in open("/proc/meminfo") if line.startswith("MemAvailable:"))
    return min(free, available) if str(folder).startswith("/dev/shm") else free


def machine(options):
    processors = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return {
        "date": datetime.date.today().isoformat(),
        "cpus": os.cpu_count(),
        "cpu": f"{processors[0] if processors else platform.machine()}, {vectors}",
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB),
        "kernel": platform.release(),
        "data": "tmpfs" if str(options.data).startswith("/dev/shm") else "a disk",
    }


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
