#!/bin/sh
# Builds the function as it was at a commit or tag, once, and prints where the binary is.
#
#   scripts/old_binary.sh COMMIT
#
# Each commit's binary is kept in .tools/old; all share one folder of what cargo builds, beside the checkout's own.
set -eu

cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify --quiet "$1^{commit}") || {
    echo "There is no commit or tag $1 here." >&2
    exit 2
}
old=$PWD/.tools/old
binary=$old/$commit/codepipeline-artifactory
if [ ! -x "$binary" ]; then
    source=$old/source
    rm -rf "$source"
    mkdir -p "$source" "$old/$commit"
    git archive "$commit" | tar -x -C "$source"
    (cd "$source" && CARGO_TARGET_DIR="$old/target" cargo build --locked --quiet --bin codepipeline-artifactory)
    # Moved last, so that an interrupted copy starts anew.
    cp "$old/target/debug/codepipeline-artifactory" "$binary.new"
    mv "$binary.new" "$binary"
    rm -rf "$source"
fi
printf '%s\n' "$binary"
