"""Draws what a command printed as an SVG, the way a terminal shows it.

    make demo | python3 scripts/picture.py '$ make demo' 2 5 7 > docs/demo.svg

The numbers choose sections, which begin with "2. " and so on; without any, everything is drawn. Long lines are wrapped.
It is drawn with text alone: no picture of a font, nothing that is loaded from elsewhere.
"""

import re
import sys
import textwrap
from xml.sax.saxutils import escape

COLUMNS = 118
WIDTH = 8.0
HEIGHT = 18
MARGIN = 20
TOP = 44

BACKGROUND = "#0d1117"
PLAIN = "#e6edf3"
COMMAND = "#7ee787"


def chosen(text, sections):
    """The text without the sections that are not chosen, and a mark where some are left out."""
    kept = []
    keeps = not sections
    for line in text.strip().splitlines():
        number = re.match(r"(\d+)\. ", line)
        if number:
            keeps = not sections or number.group(1) in sections
        if keeps:
            kept.append(line)
        elif kept[-2:] != ["…", ""]:
            kept += ["…", ""]
    return "\n".join(kept)


def lines(text):
    """The lines of a text, none longer than the terminal is wide."""
    for line in text.rstrip().splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        yield from textwrap.wrap(line, COLUMNS, subsequent_indent=indent, break_on_hyphens=False) or [""]


def picture(command, text):
    """An SVG of a terminal in which the command has printed the text."""
    shown = [(command, COMMAND)] + [(line, PLAIN) for line in lines(text)]
    width, height = round(COLUMNS * WIDTH) + 2 * MARGIN, TOP + len(shown) * HEIGHT + MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    yield f' aria-label="{escape(command, {chr(34): "&quot;"})} and what it prints"'
    yield ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13">'
    yield f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>'
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        yield f'<circle cx="{MARGIN + number * 18}" cy="18" r="5.5" fill="{colour}"/>'
    for number, (line, colour) in enumerate(shown):
        y = TOP + number * HEIGHT + 8
        yield f'<text x="{MARGIN}" y="{y}" fill="{colour}" xml:space="preserve">{escape(line)}</text>'
    yield "</svg>"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("\n".join(picture(sys.argv[1], chosen(sys.stdin.read(), sys.argv[2:]))))
