# Dancu. `make demo` and `make test` are all that a newcomer needs.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test soak lint bench fuzz preflight

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DANCU := $(TARGET_DIR)/release/dancu

# make demo PERSONS=200000 PROVINCE=01 YEARS=3 SEED=1; what is not given, `dancu demo` decides.
DEMO_FLAGS := $(if $(PERSONS),--persons $(PERSONS)) $(if $(PROVINCE),--province $(PROVINCE)) \
	$(if $(YEARS),--years $(YEARS)) $(if $(SEED),--seed $(SEED)) $(if $(LOG),--log $(LOG))

# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := decode_entry command_json

help:
	@echo 'make demo   a synthetic province lives for some years (PERSONS= PROVINCE= YEARS= SEED=)'
	@echo 'make test   every test, with the counts of the gate'
	@echo 'make soak   the same tests with the full counts; takes hours'
	@echo 'make lint   formatting and clippy, warnings denied'
	@echo 'make bench  measurements as JSON, one object a line'
	@echo 'make fuzz   fuzz each target for FUZZ_SECONDS (60)'

demo: preflight
	$(CARGO) build --locked --release -p dancu
	$(DANCU) demo $(DEMO_FLAGS)

test: preflight
	$(CARGO) test --locked --workspace --no-fail-fast

# Release, because the counts are 20 to 40 times those of `make test`.
soak: preflight
	DANCU_SOAK=1 PROPTEST_CASES=20000 $(CARGO) test --locked --release --workspace -- --nocapture

lint: preflight
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

bench: preflight
	$(CARGO) build --locked --release -p dancu
	$(DANCU) bench --json

# On the stable toolchain, so without sanitizers.
fuzz: preflight
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked
	@for target in $(FUZZ_TARGETS); do \
		$(CARGO) fuzz run -s none $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# What a fresh Debian machine lacks beside the Rust toolchain: a linker and a C compiler (for zstd, ring and the like).
preflight:
	@command -v $(firstword $(CARGO)) >/dev/null || { \
		echo 'There is no cargo. Install Rust: https://rustup.rs'; exit 1; }
	@command -v cc >/dev/null || { \
		echo 'There is no C compiler or linker. Run: sudo apt-get install -y gcc libc6-dev'; exit 1; }
