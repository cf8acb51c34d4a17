"""Where things are, and the keys that every server is given."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("PARTWAY_PEERS", REPOSITORY / ".peers"))
BINARY = pathlib.Path(os.environ.get("PARTWAY_BINARY", REPOSITORY / "target/release/partway"))
# What sends the load may be another build than what is measured, for comparing builds.
CLIENT = pathlib.Path(os.environ.get("PARTWAY_BENCH_BINARY", BINARY))
FLOOR = pathlib.Path(os.environ.get("PARTWAY_FLOOR", REPOSITORY / "target/release/examples/floor"))
RESULTS = REPOSITORY / "target/peers"
DOCUMENT = REPOSITORY / "docs/performance.md"
CHART = REPOSITORY / "docs/performance/limit.svg"

# Garage takes only keys of its own form.
ACCESS_KEY = "GK31c2f218a2e44f485b94239e"
SECRET_KEY = "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835"
REGION = "us-east-1"
BUCKET = "bench"

MIB = 1 << 20
GIB = 1 << 30
