"""The rows of the table: what is done, in which figures it is told, and what partway is to reach."""

import dataclasses

from places import GIB, MIB


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a row: its unit, and whether more of it is better."""

    unit: str
    more_is_better: bool
    digits: int = 0


MIB_PER_SEC = Figure("MiB/s", True)
PER_SEC = Figure("/s", True)
MILLIS = Figure("ms", False, 1)
PER_GIB = Figure("CPU-s/GiB", False, 2)
PER_REQUEST = Figure("µs CPU", False, 1)
CPU_MILLIS = Figure("CPU-ms", False, 1)


@dataclasses.dataclass(frozen=True)
class Row:
    """`goals` are for the speed and the cost, None where there is none; `space` is what has to fit on the disk, in bytes."""

    name: str
    title: str
    arguments: tuple
    speed: Figure
    cost: Figure
    goals: tuple
    space: int
    # A bound by number instead of by time.
    count: int = 0
    # What the floor, which keeps no index, cannot do.
    floor: bool = True


def work(name, concurrency, **options):
    named = [text for option, value in options.items() for text in (f"--{option.replace('_', '-')}", str(value))]
    return ("--work", name, "--concurrency", str(concurrency), *named)


TABLE = [
    Row("up16", "UploadPart 8 MiB, 16 at once", (*work("upload-parts", 16, size="8MiB", parts=200), "--distinct"),
        MIB_PER_SEC, PER_GIB, (1700, 0.75), 8 * GIB),
    Row("up1", "UploadPart 8 MiB, one at a time", (*work("upload-parts", 1, size="8MiB", parts=1000), "--distinct"),
        MIB_PER_SEC, PER_GIB, (650, 1.7), 4 * GIB),
    Row("put-1m", "PUT 1 MiB, 16 at once", (*work("put", 16, size="1MiB", objects=512), "--distinct"),
        MIB_PER_SEC, PER_GIB, (1300, 0.9), 6 * GIB),
    Row("put-4k", "PUT 4 KiB, 32 at once", (*work("put", 32, size="4KiB", objects=100000), "--distinct"),
        PER_SEC, PER_REQUEST, (14000, 70), GIB),
    Row("get-4k", "GET 4 KiB, 32 at once", work("get", 32, size="4KiB", objects=2000),
        PER_SEC, PER_REQUEST, (28000, 35), GIB),
    Row("get-1m", "GET 1 MiB, 16 at once", work("get", 16, size="1MiB", objects=256),
        MIB_PER_SEC, PER_GIB, (2800, 0.4), GIB),
    Row("get-2g", "GET 2 GiB, 4 at once", work("get", 4, size="2GiB", objects=1, parts=256),
        MIB_PER_SEC, PER_GIB, (4000, 0.3), 4 * GIB),
    Row("range", "GET 1 MiB of 2 GiB in 256 parts, 16 at once",
        work("range", 16, size="1MiB", object_size="2GiB", parts=256, objects=1),
        MIB_PER_SEC, PER_GIB, (2800, 0.4), 4 * GIB),
    Row("complete-1000", "Complete 1,000 parts", work("complete", 1, size="1KiB", parts=1000),
        MILLIS, CPU_MILLIS, (8, None), GIB, count=10, floor=False),
    Row("complete-10000", "Complete 10,000 parts", work("complete", 1, size="1KiB", parts=10000),
        MILLIS, CPU_MILLIS, (60, None), GIB, count=2, floor=False),
    Row("list", "list 4,514 keys", work("list", 1, objects=4514),
        MILLIS, CPU_MILLIS, (40, None), GIB, floor=False),
]

# With everything synced on a real disk.
DISK = [
    dataclasses.replace(row, goals=goals)
    for name, goals in (("up16", (900, None)), ("put-4k", (6000, None)))
    for row in TABLE if row.name == name
]

MEMORY = Figure("MiB", False)
MEMORY_GOAL = 128


def figures(row, report):
    """Speed and cost of a run of `partway bench`, in the row's units."""
    measured, server = report["operations"][0], report["server"]
    cpu, count = server["cpu_secs"], measured["count"]
    speed = {
        MIB_PER_SEC: measured["bytes"] / MIB / report["elapsed_secs"],
        PER_SEC: count / report["elapsed_secs"],
        MILLIS: measured["latency"]["p50_micros"] / 1000,
    }[row.speed]
    cost = {
        PER_GIB: cpu / max(measured["bytes"] / GIB, 1e-9),
        PER_REQUEST: cpu * 1e6 / max(measured["requests"], 1),
        CPU_MILLIS: cpu * 1e3 / max(count, 1),
    }[row.cost]
    return speed, cost
