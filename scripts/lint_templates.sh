#!/bin/sh
# Lints the CloudFormation templates and checks that they agree with the examples and the events.
#
#   scripts/lint_templates.sh
#
# Needs python3 with venv and, the first time, the network: the tools go into .tools/venv, outside git, and are made
# again when scripts/requirements-lint.txt changes. PYTHON names another interpreter.
set -eu

cd "$(dirname "$0")/.."
venv=.tools/venv
wanted=scripts/requirements-lint.txt
stamp=$venv/requirements-lint.txt

fail() {
    printf 'lint_templates: %s\n' "$@" >&2
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

if ! cmp -s "$wanted" "$stamp"; then
    python=$(find_python) || fail \
        'no Python 3.10 or newer that can make virtual environments was found.' \
        'On Debian and Ubuntu: apt-get install python3 python3-venv. With pyenv: pyenv install 3.12.' \
        'Or set PYTHON to one. The templates were not checked.'
    mkdir -p .tools
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "$python cannot make $venv. The templates were not checked."
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" || fail \
        "the packages of $wanted could not be installed; is there a network, or a mirror in pip's configuration?" \
        'The templates were not checked.'
    # Last, so that an interrupted installation starts anew.
    cp "$wanted" "$stamp"
fi

# Informational findings count as well: what is deliberate is written down in the template.
"$venv/bin/cfn-lint" --include-checks I -- template.yaml examples/pipeline/template.yaml
echo 'cfn-lint: clean'
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/check_templates.py
# The checks themselves: each must fail when what it guards is broken.
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m unittest discover --quiet --start-directory scripts
