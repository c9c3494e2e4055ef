"""What the checks of the templates have in common: problems are collected, and told at the end."""

import sys
from pathlib import Path


class Report:
    """Collects what is wrong, so that one run shows everything."""

    def __init__(self):
        self.problems = []

    def expect(self, holds, problem):
        if not holds:
            self.problems.append(problem)

    def equal(self, what, actual, wanted):
        self.expect(actual == wanted, f"{what} is {actual!r}, not {wanted!r}")


def matches(pattern, event):
    """Whether EventBridge would match: a list is a choice, everything else is nested."""
    if isinstance(pattern, list):
        return event in pattern
    return isinstance(event, dict) and all(
        name in event and matches(part, event[name]) for name, part in pattern.items()
    )


def told(check, name, well):
    """Runs the check over the folder that the command line names, or the project's; the status to end with."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    problems = check(root)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{name}: {len(problems)} problem(s)" if problems else f"{name}: {well}")
    return 1 if problems else 0
