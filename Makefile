# One screen: run it, build it, test it, check it. One profile, so that RocksDB is compiled once.

.PHONY: run build test test-rust test-clients test-crash test-races fuzz bench bench-peers bench-scale lint advisories clean prerequisites
.DEFAULT_GOAL := build

# Serves on 127.0.0.1:9000 with data in ./partway-data. More flags: make run ARGS="--listen 0.0.0.0:9000"
run: build
	exec target/release/partway serve $(ARGS)

build: prerequisites
	cargo build --release --locked --bin partway

# Installs what compiling needs and this machine lacks (Debian packages).
prerequisites:
	@.ci/prerequisites build

# With --keep-going both halves run although the first one fails.
test: test-rust test-clients

# Without the tools of file systems a few power cuts are skipped, which is said and no failure.
test-rust: prerequisites
	-@.ci/prerequisites crash
	cargo test --release --locked --no-fail-fast

# Scenarios of the S3 and OSS clients against the real binary. More arguments for pytest: make test-clients ARGS="-k boto3"
test-clients: build
	@.ci/prerequisites clients
	tests/clients/setup.sh
	tests/clients/run.sh $(ARGS)

# Power cuts, simulated ones first, and kills under load, many of them, and a start over many objects: minutes. A few belong to
# test-rust. Another first seed: CRASH_SEED=1000 make test-crash
test-crash: export CRASH_CUTS ?= 50
test-crash: export CRASH_KILLS ?= 200
test-crash: export POWER_SEEDS ?= 5000
test-crash: export STARTUP_OBJECTS ?= 1000000
test-crash: export STARTUP_LOAD_SECS ?= 15
test-crash: prerequisites
	@.ci/prerequisites crash
	cargo test --release --locked --test power
	cargo test --release --locked --test crash --test startup -- --nocapture

# Storms of racing requests for an hour, which is as many as fit. Shorter: make test-races RACES_MINUTES=5
test-races: export RACES_MINUTES ?= 60
test-races: prerequisites
	cargo test --release --locked --test races -- --nocapture storm

# Every fuzz target under libFuzzer, FUZZ_SECONDS each (600), FUZZ_JOBS at once (1): hours. What they found is replayed by
# test-rust. Some of them: make fuzz ARGS="s3_request xml"
fuzz: prerequisites
	tests/fuzz/run $(ARGS)

# Figures, not verdicts: nothing fails for being slow.
bench: prerequisites
	cargo bench --profile release --locked --bench complete --bench digest --bench lanes

# partway beside Garage, s3s-fs, JuiceFS and rclone, which are installed into .peers: half an hour, the first time more. A part of
# it: make bench-peers ARGS="--quick --rows up16,put-4k --servers partway,garage". Synced, on a real disk: ARGS=--disk
bench-peers: build
	cargo build --release --locked --example floor
	benches/peers/run.py $(ARGS)

# What requests cost over an index of 1 and 10 million objects: a table, and docs/performance/scale.svg. 50 million take 9 GB and
# a quarter of an hour: make bench-scale SCALE_OBJECTS="1000000 10000000 50000000"
SCALE_OBJECTS ?= 1000000 10000000
SCALE_DIRECTORY ?= target/scale
bench-scale: prerequisites
	cargo build --release --locked --bin partway
	set -e; rm -rf $(SCALE_DIRECTORY); mkdir -p $(SCALE_DIRECTORY) docs/performance; \
	scale="cargo bench --profile release --locked --bench scale --"; at="$$PWD/$(SCALE_DIRECTORY)"; \
	for objects in $(SCALE_OBJECTS); do \
		$$scale fill "$$at/data" $$objects; $$scale measure "$$at/data" $$objects "$$at/$$objects.json"; rm -rf "$$at/data" "$$at/data.log"; \
	done; $$scale draw "$$at"/*.json "$$PWD/docs/performance/scale.svg"

lint: prerequisites
	cargo fmt --all --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps
	cargo test --release --locked --test tidy --test dependencies --test limits

# Fails for a known vulnerability in what is depended on, and where that cannot be told: without a tool, or without network.
advisories:
	.ci/advisories

# The data directory stays.
clean:
	cargo clean
	rm -rf .clients .peers
