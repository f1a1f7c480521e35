# The verbs: build · run · test · check · bench. Everything is in the release profile, so that wasmtime and cranelift are
# compiled once for all of them.

CARGO ?= cargo
GUESTS = mapping http shopify
NODE_SUITES = $(dir $(wildcard tests/*/package-lock.json))
TOOLS = target/tools

.PHONY: build run test check bench guests toolchain node postgres deny

build: guests
	$(CARGO) build --release -p resly-server

run: build
	target/release/resly demo --listen $${RESLY_LISTEN:-127.0.0.1:8080} --data $${RESLY_DATA:-data}

# The suites' own build makes target/release/resly too; building it apart would compile wasmtime again with other features.
test: guests node postgres
	$(CARGO) test --release --workspace
	@for suite in tests/shopify; do if [ -d $$suite ]; then (cd $$suite && node --test) || exit 1; fi; done

check: guests deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets

bench: build
	$(CARGO) run --release -p resly-tests --bin resly-bench

# The connectors that the binary carries.
guests: toolchain
	$(CARGO) build --profile guest --target wasm32-wasip2 $(GUESTS:%=-p resly-plugin-%)

toolchain:
	@rustup target list --installed | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2
	@for part in clippy rustfmt; do cargo $$(echo $$part | sed s/rustfmt/fmt/) --version >/dev/null 2>&1 || rustup component add $$part; done

# What the suites that run on Node need; an `npm ci` only when the lock file is newer than what is installed.
node: $(NODE_SUITES:%=%node_modules/.package-lock.json)

tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	cd tests/$* && npm ci --no-audit --no-fund
	@touch $@

postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q postgresql; } || \
	  { echo "the store's tests need PostgreSQL's initdb: install your system's postgresql package" >&2; exit 1; }

# Licences, bans and sources of every dependency; advisories where their database can be reached.
deny: $(TOOLS)/bin/cargo-deny
	$(TOOLS)/bin/cargo-deny --all-features check --hide-inclusion-graph licenses bans sources
	@$(TOOLS)/bin/cargo-deny check advisories >target/advisories.log 2>&1 || \
	  if grep -q -i -E 'fetch|network|connect|resolve' target/advisories.log; then \
	    echo "advisories were NOT checked: their database can't be reached from here"; \
	  else cat target/advisories.log >&2; exit 1; fi

# A tool that runs for a second is not worth minutes of optimising.
$(TOOLS)/bin/cargo-deny:
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
	  $(CARGO) install cargo-deny --locked --root $(TOOLS)
