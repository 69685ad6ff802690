#!/bin/sh
# Install the broker, exactly as locked, into a directory of its own. Run in the source tree, with
# uv and Python on the PATH: build.sh DIRECTORY
set -eu
target=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export UV_PYTHON_DOWNLOADS=never
uv export --frozen --quiet --no-dev --no-emit-project --extra tracing -o "$work/run.txt"
uv export --frozen --quiet --only-group build --no-emit-project -o "$work/build.txt"

# The wheel, by the locked build backend.
uv venv --quiet "$work/build"
uv pip install --quiet --python "$work/build" --require-hashes --no-deps -r "$work/build.txt"
"$work/build/bin/python" -m hatchling build --target wheel --directory "$work/dist"

# What runs: no pip, no uv, no sources.
uv venv --quiet "$target"
uv pip install --quiet --python "$target" --require-hashes --no-deps --compile-bytecode \
    -r "$work/run.txt"
uv pip install --quiet --python "$target" --no-deps --compile-bytecode "$work"/dist/*.whl
"$target/bin/broker" --version
