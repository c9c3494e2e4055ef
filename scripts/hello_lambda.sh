#!/bin/sh
# Builds examples/hello_lambda as its own crate, with the function's own release profile and locked versions, and
# prints where the binary is.
#
#   scripts/hello_lambda.sh TARGET-FOLDER
#
# As an example of this crate it would be built with everything that the tests need, and with the features that this
# turns on in what it shares with the function: no hello world any more, and minutes in place of seconds.
set -eu

target=$1
cd "$(dirname "$0")/.."
crate=.tools/hello_lambda
mkdir -p "$crate"
cp Cargo.lock "$crate"
{
    printf '[package]\nname = "hello_lambda"\nversion = "0.0.0"\nedition = "2024"\n\n'
    printf '[[bin]]\nname = "hello_lambda"\npath = "../../examples/hello_lambda/main.rs"\n\n[workspace]\n\n'
    sed -n '/^\[dependencies\]/,/^$/{/^\[/p;/^lambda_runtime = /p;/^serde_json = /p;/^tokio = /p}' Cargo.toml
    printf '\n'
    sed -n '/^\[profile.release\]/,/^$/p' Cargo.toml
} >"$crate/Cargo.toml"
# Not --locked, since most of the lock file is of no use here and goes; what is used stays as it is, for want of a
# network. The function's own build has fetched it.
cargo build --quiet --offline --release --manifest-path "$crate/Cargo.toml" --target-dir "$target/hello_lambda"
printf '%s\n' "$target/hello_lambda/release/hello_lambda"
