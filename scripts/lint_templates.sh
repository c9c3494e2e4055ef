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

scripts/python_tools.sh "$venv" "$wanted" || {
    echo 'lint_templates: the templates were not checked.' >&2
    exit 2
}

# Informational findings count as well: what is deliberate is written down in the template.
"$venv/bin/python" scripts/ready.py >.tools/ready.yaml
"$venv/bin/cfn-lint" --include-checks I -- template.yaml .tools/ready.yaml examples/*/template.yaml
echo 'cfn-lint: clean'
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/check_templates.py
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/check_stack.py
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/role.py --check
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/terraform.py --check
# The checks themselves: each must fail when what it guards is broken.
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m unittest discover --quiet --start-directory scripts
