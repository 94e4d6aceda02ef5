# Dancu. `make demo` and `make test` are all that a newcomer needs.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test soak chaos upgrade lint bench scale fuzz preflight preflight-kafka

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DANCU := $(TARGET_DIR)/release/dancu

# make demo PERSONS=50000 PROVINCE=01 YEARS=3 SEED=7 DIR=data; what is not given, `dancu demo` decides.
DEMO_FLAGS := $(if $(PERSONS),--persons $(PERSONS)) $(if $(PROVINCE),--province $(PROVINCE)) \
	$(if $(YEARS),--years $(YEARS)) $(if $(SEED),--seed $(SEED)) $(if $(DIR),--dir $(DIR))

# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := decode_entry command_json

help:
	@echo 'make demo   a synthetic province lives for some years (PERSONS= PROVINCE= YEARS= SEED= DIR=); LOG=kafka on a real broker'
	@echo 'make test   every test, with the counts of the gate'
	@echo 'make soak   the same tests with the full counts; takes hours'
	@echo 'make chaos  nodes and brokers are killed, paused, cut off and woken while offices submit (MINUTES= FAULTS= DIR=)'
	@echo 'make upgrade  nodes of two formats side by side: to and fro until the later one is in force'
	@echo 'make lint   formatting and clippy, warnings denied'
	@echo 'make bench  measurements as JSON, one object a line; LOG=kafka those of brokers (NODES=)'
	@echo 'make scale  a nation rehearsed: years of life, all views, a restart (PERSONS= YEARS= ENGINE= DIR=)'
	@echo 'make fuzz   fuzz each target for FUZZ_SECONDS (60)'

demo: preflight $(if $(filter kafka,$(LOG)),preflight-kafka)
	$(CARGO) build --locked --release -p dancu
ifeq ($(LOG),kafka)
	@run=$$(mktemp -d) && trap 'kafka/cluster stop "$$run"' EXIT && \
		bootstrap=$$(kafka/cluster start "$$run" 1) && \
		$(DANCU) demo $(DEMO_FLAGS) --log kafka --bootstrap "$$bootstrap" && \
		echo "  kafka/cluster start $$run     # first: the broker ends with the demo; rm -r $$run when you have seen enough"
else
	$(DANCU) demo $(DEMO_FLAGS)
endif

test: preflight preflight-kafka
	$(CARGO) test --locked --workspace --no-fail-fast

# The full counts: seeds of the simulation, rounds of kill -9, cases of each property, and an hour of fuzzing in all.
soak: preflight preflight-kafka
	SIMULATION_SEEDS=20000 DANCU_KILL_ROUNDS=1000 DANCU_BULK_PEOPLE=40000 DANCU_DEMO_PERSONS=100000 PROPTEST_CASES=4096 \
		$(CARGO) test --locked --release --workspace --no-fail-fast -- --nocapture
	PROPTEST_CASES=500000 $(CARGO) test --locked --release -p projections --test views every_row_as_of
	$(MAKE) upgrade
	$(MAKE) fuzz FUZZ_SECONDS=1800

# Minutes of faults; the gate runs each once. make chaos FAULTS=LeaderPaused,BrokerKilled DIR=/some/disk: of these alone, and logs are kept.
MINUTES ?= 10

chaos: preflight preflight-kafka
	DANCU_CHAOS_MINUTES=$(MINUTES) $(if $(FAULTS),DANCU_CHAOS_FAULTS=$(FAULTS)) $(if $(DIR),DANCU_CHAOS_DIR=$(abspath $(DIR))) \
		$(CARGO) test --locked --release -p dancu --test black_box failover -- --nocapture

# Two programs: the ordinary one, put aside, and the one under test, which knows one version more of an event.
EARLIER := $(TARGET_DIR)/earlier/dancu

upgrade: preflight preflight-kafka
	$(CARGO) build --locked -p dancu
	mkdir -p $(dir $(EARLIER)) && cp $(TARGET_DIR)/debug/dancu $(EARLIER)
	$(CARGO) test --locked -p domain --features next-format --lib --test decisions
	$(CARGO) test --locked -p event-schemas --features next-format --lib
	$(CARGO) test --locked -p command-service --features next-format --test formats
	DANCU_EARLIER="$(abspath $(EARLIER))" $(CARGO) test --locked -p dancu --features next-format --test black_box upgrade -- --nocapture

lint: preflight
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# make bench LOG=kafka NODES=3: families kafka, fold and views on brokers of its own.
NODES ?= 1
KAFKA_LIBS := $(or $(DANCU_KAFKA_LIBS),target/kafka/libs)

bench: preflight $(if $(filter kafka,$(LOG)),preflight-kafka)
	$(CARGO) build --locked --release -p dancu
ifeq ($(LOG),kafka)
	@run=$$(mktemp -d) && trap 'kafka/cluster stop "$$run"; rm -r "$$run"' EXIT && \
		bootstrap=$$(kafka/cluster start "$$run" $(NODES)) && \
		$(DANCU) bench --json --bootstrap "$$bootstrap" --kafka-libs "$(KAFKA_LIBS)"
else
	$(DANCU) bench --json
endif

# make scale PERSONS=10000000 ENGINE=fjall DIR=/some/disk; what is not given, `dancu scale` decides.
scale: preflight
	$(CARGO) build --locked --release -p dancu
	$(DANCU) scale $(if $(PERSONS),--persons $(PERSONS)) $(if $(BESIDE),--beside $(BESIDE)) \
		$(if $(YEARS),--years $(YEARS)) $(if $(ENGINE),--engine $(ENGINE)) $(if $(DIR),--dir $(DIR))

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

# Tests of the Kafka engine run a real broker, which kafka/cluster fetches.
preflight-kafka:
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
		echo 'There is no Java or no Maven, which a Kafka broker needs. Run: sudo apt-get install -y openjdk-17-jre-headless maven'; \
		exit 1; }
	@kafka/cluster fetch
