# What this project can do, each a target. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
NAME := codepipeline-artifactory
TOOLS := .tools
VENV := $(TOOLS)/deploy
VERDACCIO := $(TOOLS)/verdaccio
CLIENTS := $(TOOLS)/clients
PYPI := $(TOOLS)/pypi
PYPI_CLIENTS := $(TOOLS)/pypi-clients
PYPI_CORPUS := $(TOOLS)/pypi-corpus
CORPUS := $(TOOLS)/npm-corpus
BASELINE := $(TOOLS)/bench
# cargo-lambda links with zig, which its package brings; with "cargo" it links for this machine alone.
CARGO_LAMBDA = PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(CURDIR)/$(VENV)/bin/cargo-lambda lambda
ARCHITECTURE ?= $(shell rustc -vV | sed -n 's/host: \(x86_64\|aarch64\).*/\1/p' | sed 's/aarch64/arm64/')
EVENT ?= events/action-started.json
STACK_NAME ?= codepipeline-artifactory

# Where cargo puts what it builds.
TARGET = $(shell cargo metadata --locked --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: demo
demo: ## a pipeline job, from event to `npm install`, on this machine
	@cargo build --locked --bin $(NAME) --example demo
	@cargo run --locked --quiet --example demo -- "$(TARGET)/debug/$(NAME)"

.PHONY: picture
picture: ## docs/demo.svg, drawn anew from what the demo prints
	$(MAKE) --no-print-directory demo > $(TOOLS)/demo.txt
	python3 scripts/picture.py '$$ make demo' 2 5 6 7 < $(TOOLS)/demo.txt > docs/demo.svg

.PHONY: stack
stack: ## keep the local services up, and print what `cargo lambda` needs to use them
	cargo run --locked --quiet --example stack

.PHONY: test
test: $(VERDACCIO)/node_modules/.package-lock.json $(TOOLS)/npm12/node_modules/.package-lock.json $(PYPI)/requirements.txt ## all tests: needs Rust, Node with npm, Python 3 and the package registries' clients; no AWS, no Docker
	cargo test --locked

.PHONY: npm-clients
npm-clients: $(VERDACCIO)/node_modules/.package-lock.json $(CLIENTS)/node_modules/.package-lock.json ## install what was published with npm, pnpm, Yarn, Yarn classic and Bun, from two registries
	cargo build --locked --quiet --bin $(NAME) --example npm_clients
	cargo run --locked --quiet --example npm_clients -- "$(TARGET)/debug/$(NAME)"

.PHONY: pypi-clients
pypi-clients: $(PYPI_CLIENTS)/requirements.txt ## lock and install what was published with pip, uv and Poetry, from the stack and from a real devpi
	cargo build --locked --quiet --bin $(NAME) --example pypi_clients
	cargo run --locked --quiet --example pypi_clients -- "$(TARGET)/debug/$(NAME)"

.PHONY: networks
networks: ## publish through a real nginx and a real squid: certificates, limits, time-outs, passwords, refusals
	@PATH="$$PATH:/usr/sbin:/sbin"; for program in nginx squid; do command -v $$program >/dev/null || { \
		echo "nginx and squid are needed; on Debian and Ubuntu: apt-get install --no-install-recommends nginx-light squid" >&2; \
		exit 1; }; done
	cargo build --locked --quiet --bin $(NAME) --example networks
	PATH="$$PATH:/usr/sbin:/sbin" "$(TARGET)/debug/examples/networks" "$(TARGET)/debug/$(NAME)"

.PHONY: maven-clients
maven-clients: ## resolve what was published with the real Maven, checksums strict, no other repository
	@command -v mvn >/dev/null || { echo "Maven is needed" >&2; exit 1; }
	cargo build --locked --quiet --bin $(NAME) --example maven_clients
	cargo run --locked --quiet --example maven_clients -- "$(TARGET)/debug/$(NAME)"

# The npm registry that tests/it/verdaccio.rs publishes to, and the package managers of tests/clients.rs. npm writes the
# file in the target's name when it is done.
$(TOOLS)/%/node_modules/.package-lock.json: tests/tools/%/package.json tests/tools/%/package-lock.json tests/tools/%/.npmrc
	@command -v npm >/dev/null || { echo "Node with npm is needed" >&2; exit 1; }
	mkdir -p $(TOOLS)/$*
	cp $^ $(TOOLS)/$*
	cd $(TOOLS)/$* && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error

# The clients and the registry of examples/pypi_clients.
$(PYPI_CLIENTS)/requirements.txt: tests/tools/pypi-clients/requirements.txt
	scripts/python_tools.sh $(PYPI_CLIENTS) $< --no-deps

# pip, twine and the registry of tests/it/pypi_clients.rs.
$(PYPI)/requirements.txt: tests/tools/pypi/requirements.txt
	scripts/python_tools.sh $(PYPI) $< --no-deps

.PHONY: check
check: format lint test docs templates ## everything that must hold before a commit

.PHONY: format
format:
	cargo fmt --check

.PHONY: lint
lint:
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: docs
docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

.PHONY: templates
templates:
	scripts/lint_templates.sh

.PHONY: generate
generate: ## write anew what is made from template.yaml (make check holds it against the template)
	scripts/python_tools.sh $(TOOLS)/venv scripts/requirements-lint.txt
	PYTHONDONTWRITEBYTECODE=1 $(TOOLS)/venv/bin/python scripts/role.py
	PYTHONDONTWRITEBYTECODE=1 $(TOOLS)/venv/bin/python scripts/terraform.py

.PHONY: dependencies
dependencies: $(TOOLS)/cargo/bin/cargo-deny ## licences, sources and bans of everything that is linked (builds cargo-deny once)
	$(TOOLS)/cargo/bin/cargo-deny --locked --config .deny.toml check bans licenses sources

$(TOOLS)/cargo/bin/cargo-deny:
	cargo install --locked --quiet cargo-deny@0.20.2 --root $(TOOLS)/cargo --target-dir $(TOOLS)/cargo-target

.PHONY: figures
figures: ## size of the release binary, and time from its start to the first request for work
	cargo build --locked --release --bin $(NAME)
	cargo run --locked --quiet --example figures -- "$(TARGET)/release/$(NAME)"

.PHONY: load
load: ## two hundred jobs for four processes of the release binary, every event twice
	cargo build --locked --release --bin $(NAME)
	cargo run --locked --quiet --example load -- "$(TARGET)/release/$(NAME)"

.PHONY: bench
bench: $(BASELINE)/requirements.txt ## measurements in one run, each against something; THEME=jobs, memory, files, many or start for one alone
	cargo build --locked --release --bin $(NAME)
	cargo build --locked --profile simulate --example bench
	"$(TARGET)/simulate/examples/bench" "$(TARGET)/release/$(NAME)" "$$(scripts/hello_lambda.sh "$(TARGET)")" \
		$(BASELINE)/bin/python $(THEME)

.PHONY: bench-inner
bench-inner: ## packing, digesting, base64, the zip's directory, npm's file list: each by itself
	cargo bench --locked --bench inner

# The Python of the baseline.
$(BASELINE)/requirements.txt: examples/bench/requirements.txt
	scripts/python_tools.sh $(BASELINE) $<

.PHONY: crash-matrix
crash-matrix: ## kill the function at every request of every scenario; of the pairs of deaths, every STEPth; SCENARIO=… for one alone
	cargo build --locked --quiet --profile simulate --bin $(NAME) --example crash_matrix
	cargo run --locked --quiet --profile simulate --example crash_matrix -- "$(TARGET)/simulate/$(NAME)" $(or $(STEP),1) $(if $(SCENARIO),'$(SCENARIO)')

# Until there is a tag: the commit before leases went by S3's clock, whose claims are the oldest that differ in meaning.
OLD ?= $(or $(shell git describe --tags --abbrev=0 2>/dev/null),db8c2f7~1)

.PHONY: upgrade-matrix
upgrade-matrix: ## upgrade and roll-back with open claims: one version dies at every STEPth point, the other goes on; OLD=commit or tag, SCENARIO=…
	cargo build --locked --quiet --bin $(NAME) --example crash_matrix
	old="$$(scripts/old_binary.sh $(OLD))" && "$(TARGET)/debug/examples/crash_matrix" "$(TARGET)/debug/$(NAME)" \
		$(or $(STEP),1) $(if $(SCENARIO),'$(SCENARIO)') --old "$$old"

SECONDS ?= 60
FUZZ ?= zip tgz manifest patterns metadata wheel pom jar
SANITIZER ?= none

# Nightly Rust where there is one, else the compiler that is there, told to take what it keeps for nightly. What a thread
# that is just ending has not given back yet would count as a leak.
.PHONY: fuzz
fuzz: $(TOOLS)/cargo/bin/cargo-fuzz ## zips, ready packages, manifests, patterns, wheels, POMs, jars (FUZZ=… for some alone): each SECONDS of inputs that nobody meant well; SANITIZER=address watches memory as well
	@export PATH="$(CURDIR)/$(TOOLS)/cargo/bin:$$PATH"; \
	if cargo +nightly --version >/dev/null 2>&1; then export RUSTUP_TOOLCHAIN=nightly; \
	else echo "no nightly Rust here: $$(rustc --version) with RUSTC_BOOTSTRAP=1"; export RUSTC_BOOTSTRAP=1; fi; \
	for target in $(FUZZ); do \
		cargo fuzz run --sanitizer $(SANITIZER) --target-dir "$(TARGET)/fuzz-$(SANITIZER)" $$target -- \
			-max_total_time=$(SECONDS) -max_len=65536 -timeout=25 -rss_limit_mb=$(if $(filter none,$(SANITIZER)),512,2048) \
			-detect_leaks=0 -print_final_stats=1 || exit 1; \
	done

$(TOOLS)/cargo/bin/cargo-fuzz:
	cargo install --locked --quiet cargo-fuzz@0.13.2 --root $(TOOLS)/cargo --target-dir $(TOOLS)/cargo-target

SEEDS ?= 0..1000

.PHONY: simulate
simulate: ## SEEDS=from..to: each seed decides on jobs, faults, deaths and clocks; says whether the invariants hold
	cargo run --locked --quiet --profile simulate --example simulate -- $(SEEDS)

.PHONY: npm-corpus
npm-corpus: $(CORPUS)/node_modules/.package-lock.json ## some six hundred real packages, alone and as monorepos, packed by the real npm and by us, and what would be sent
	cargo run --locked --quiet --example npm_corpus -- $(CORPUS)

# The packages are pinned by tests/corpus/npm/package-lock.json; nothing of them is in the repository.
$(CORPUS)/node_modules/.package-lock.json: $(addprefix tests/corpus/npm/,package.json package-lock.json .npmrc)
	mkdir -p $(CORPUS)
	cp $^ $(CORPUS)
	cd $(CORPUS) && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error

.PHONY: pypi-corpus
pypi-corpus: $(PYPI)/requirements.txt $(PYPI_CORPUS)/sources.txt ## some seventy real distributions of many build tools: what twine would send of each, and what we would
	cargo run --locked --quiet --example pypi_corpus -- $(PYPI)/bin/python $(PYPI_CORPUS)/files

# Each file by itself, because of some projects there are two versions. The lists are copied last, so that an interrupted
# download starts anew.
$(PYPI_CORPUS)/sources.txt: tests/corpus/pypi/wheels.txt tests/corpus/pypi/sources.txt $(PYPI)/requirements.txt
	mkdir -p $(PYPI_CORPUS)/files
	xargs -n 1 $(PYPI)/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--dest $(PYPI_CORPUS)/files < tests/corpus/pypi/wheels.txt
	xargs -n 1 $(PYPI)/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
		--dest $(PYPI_CORPUS)/files < tests/corpus/pypi/sources.txt
	cp tests/corpus/pypi/wheels.txt tests/corpus/pypi/sources.txt $(PYPI_CORPUS)

$(VENV)/bin/cargo-lambda:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check cargo-lambda==1.9.2

$(VENV)/bin/sam: $(VENV)/bin/cargo-lambda
	$(VENV)/bin/pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0

# The local AWS of check-deploy, beside sam because it borrows sam's transform; and checkov, whose dependencies agree
# with nobody's.
$(VENV)/bin/moto_server: $(VENV)/bin/sam
	$(VENV)/bin/pip install --quiet --disable-pip-version-check 'moto[server]==5.2.5'

$(TOOLS)/checkov/bin/checkov:
	python3 -m venv $(TOOLS)/checkov
	$(TOOLS)/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30

# The provider's schema, as another project has generated a library from it.
$(TOOLS)/provider-aws.tgz:
	mkdir -p $(TOOLS)/provider
	npm pack --silent --pack-destination $(TOOLS)/provider @cdktf/provider-aws@21.22.1
	mv $(TOOLS)/provider/*.tgz $@

.PHONY: check-deploy
check-deploy: $(VENV)/bin/moto_server $(TOOLS)/checkov/bin/checkov $(TOOLS)/provider-aws.tgz ## sam build, deploy, update and delete in a local AWS; the built function does a job; STEPS='lint deploy' for some alone
	cargo build --locked --quiet --example demo
	PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -W ignore scripts/check_deploy.py $(STEPS)

.PHONY: build
build: $(VENV)/bin/cargo-lambda ## the function for Lambda, ARCHITECTURE=x86_64 or arm64
	$(CARGO_LAMBDA) build --release --bin $(NAME) $(if $(filter arm64,$(ARCHITECTURE)),--arm64,--x86-64)

.PHONY: package
package: $(VENV)/bin/cargo-lambda ## the same as a zip, for those who deploy by other means
	$(CARGO_LAMBDA) build --release --bin $(NAME) --output-format zip $(if $(filter arm64,$(ARCHITECTURE)),--arm64,--x86-64)

# Built here: this machine's architecture, and the other one where its library is installed.
RELEASES = $(sort $(ARCHITECTURE) $(if $(wildcard $(shell rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu),arm64) $(if $(wildcard $(shell rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu),x86_64))

.PHONY: release
release: $(VENV)/bin/cargo-lambda ## release/: the zips for Lambda, the same bytes each time, their checksums, and a template for them
	for architecture in $(RELEASES); do \
		$(CARGO_LAMBDA) build --locked --release --bin $(NAME) --lambda-dir $(TOOLS)/release/$$architecture \
			$$([ $$architecture = arm64 ] && echo --arm64 || echo --x86-64) || exit 1; \
	done
	rm -rf release
	python3 scripts/release.py $(foreach it,$(RELEASES),$(TOOLS)/release/$(it)/$(NAME)/bootstrap)
	python3 scripts/ready.py > release/template.yaml

.PHONY: deploy
deploy: $(VENV)/bin/sam ## sam build and sam deploy --guided, for the architecture that was built
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam deploy --guided --stack-name $(STACK_NAME) --capabilities CAPABILITY_IAM --parameter-overrides Architecture=$(ARCHITECTURE)

.PHONY: watch
watch: $(VENV)/bin/cargo-lambda ## run the function against `make stack` (source .tools/stack.env first)
	cargo build --locked --bin $(NAME)
	$(CARGO_LAMBDA) watch --invoke-address 127.0.0.1 --invoke-port 9100 --ignore-changes

.PHONY: invoke
invoke: $(VENV)/bin/cargo-lambda ## send EVENT=events/… to `make watch`
	$(CARGO_LAMBDA) invoke $(NAME) --invoke-address 127.0.0.1 --invoke-port 9100 --data-file $(EVENT)

.PHONY: clean
clean: ## remove what was built and installed here
	cargo clean
	rm -rf $(TOOLS) .aws-sam release
