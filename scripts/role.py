"""Writes down what the function's role may do and what its environment holds, as the local stack reads it: statements
and variables of template.yaml with its parameters and conditions, unresolved, in JSON. The emulators hold every call of
the function against them.

    python scripts/role.py            writes tests/stack/role/template.json
    python scripts/role.py --check    says whether it is current (make check)
"""

import json
import sys
from pathlib import Path

import yaml

from cloudformation import Loader

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = "tests/stack/role/template.json"


def told(template):
    """The parts of the template that decide what the function may do."""
    resources = template["Resources"]
    role = [
        statement
        for policy in resources["PublisherRole"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    return {
        "from": "template.yaml, by scripts/role.py",
        "parameters": {name: declared.get("Default") for name, declared in template["Parameters"].items()},
        "conditions": template["Conditions"],
        "environment": resources["Publisher"]["Properties"]["Environment"]["Variables"],
        "role": role,
        "journal": resources["JournalPolicy"]["Properties"]["PolicyDocument"]["Statement"],
    }


def text(root):
    template = yaml.load((root / "template.yaml").read_text(encoding="utf-8"), Loader)
    return json.dumps(told(template), indent=1) + "\n"


def main():
    written = ROOT / WRITTEN
    if sys.argv[1:] == ["--check"]:
        if not written.exists() or written.read_text(encoding="utf-8") != text(ROOT):
            print(f"{WRITTEN} is not what template.yaml says: make generate", file=sys.stderr)
            return 1
        return 0
    written.write_text(text(ROOT), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
