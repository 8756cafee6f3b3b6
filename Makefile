# Sets everything up in .venv, then does what was asked. Needs make, Python 3.10 or newer, and PyPI.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench collector jaeger-demo clean

PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3.10 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && echo $$python && break; \
	done)
BIN := .venv/bin

help:
	@echo 'make demo         start two services, send requests, and see who used which key'
	@echo 'make test         run the tests'
	@echo 'make lint         check style and types'
	@echo 'make bench        measure what keytrail costs'
	@echo 'make collector    build the OpenTelemetry Collector of collector-config; needs Go'
	@echo 'make jaeger-demo  the demo through a Collector into Jaeger; needs Go'
	@echo 'make clean        remove what make has made'

demo: .venv/demo-installed
	@$(BIN)/keytrail demo --dir .demo

test: .venv/tests-installed
	$(BIN)/python -m pytest

lint: .venv/tests-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/tests-installed
	$(BIN)/python -m benchmarks

collector: build/keytrail-otelcol

jaeger-demo: .venv/demo-installed build/keytrail-otelcol build/jaeger
	@$(BIN)/python -m keytrail.demo.jaeger --dir .demo-jaeger

build/keytrail-otelcol: collector-config/builder.yaml
	@collector-config/build collector

build/jaeger: collector-config/jaeger/go.mod collector-config/jaeger/go.sum
	@collector-config/build jaeger

build/kafka: tests/support/kafka/main.go tests/support/kafka/go.sum
	@tests/support/kafka/build

clean:
	rm -rf .venv .demo .demo-jaeger dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/demo-installed: pyproject.toml | $(BIN)/python
	@$(call install,--editable '.[demo]')

.venv/tests-installed: pyproject.toml | $(BIN)/python
	@$(call install,--editable '.[demo]' --group dev --group declarative)

# uv takes seconds where pip takes minutes; pip does where uv has no build for the platform.
define install
echo 'Installing keytrail and what it needs into .venv …'; \
if $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
then $(BIN)/python -m uv pip install --quiet --python $(BIN)/python $(1); \
else $(BIN)/python -m pip install --quiet --upgrade pip && $(BIN)/python -m pip install --quiet $(1); \
fi && touch $@
endef

# Debian leaves ensurepip out of python3; the pip of the system, where there is one, stands in.
$(BIN)/python:
	@test -n '$(PYTHON)' && '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo 'make: keytrail needs Python 3.10 or newer, and "$(PYTHON)" is not' >&2; \
		echo 'hint: install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)' >&2; exit 1; }
	@'$(PYTHON)' -m venv .venv >/dev/null 2>&1 || { \
		'$(PYTHON)' -m venv --clear --without-pip .venv && \
		'$(PYTHON)' -m pip --python $(BIN)/python install --quiet pip; } || { \
		rm -rf .venv; echo 'make: $(PYTHON) can neither make a virtual environment nor run pip' >&2; \
		echo 'hint: on Debian and Ubuntu, apt-get install python3-venv' >&2; exit 1; }
