#!/bin/sh
# Makes a virtual environment with exactly the packages of a list; made again when the list changes.
#
#   scripts/python_tools.sh <folder> <requirements> [pip's options]
#
# Needs python3 with venv and, the first time, the network. PYTHON names another interpreter.
set -eu

folder=$1
wanted=$2
shift 2

fail() {
    printf '%s\n' "$@" >&2
    exit 2
}

# A Python that can make a venv with pip in it: Debian's lacks that until python3-venv is installed.
find_python() {
    for candidate in ${PYTHON:-} python3 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

stamp=$folder/$(basename "$wanted")
if cmp -s "$wanted" "$stamp"; then
    touch "$stamp"
    exit 0
fi
python=$(find_python) || fail \
    'No Python 3.10 or newer that can make virtual environments was found.' \
    'On Debian and Ubuntu: apt-get install python3 python3-venv. With pyenv: pyenv install 3.12.' \
    'Or set PYTHON to one.'
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
"$python" -m venv "$folder" || fail "$python cannot make $folder."
"$folder/bin/pip" install --quiet --disable-pip-version-check "$@" -r "$wanted" || fail \
    "The packages of $wanted could not be installed; is there a network, or a mirror in pip's configuration?"
# Last, so that an interrupted installation starts anew.
cp "$wanted" "$stamp"
