"""Holds what terraform/main.tf.json says against the provider's own schema: names of arguments and blocks, which of
them are required, and whether a value is a text or number, a list or a map.

    python scripts/terraform_provider.py BINDINGS

BINDINGS is the npm package @cdktf/provider-aws as it is packed: it is generated from the provider's schema, and where
the provider itself is not to be had, the next best thing. It says nothing of which values an argument takes.
"""

import json
import re
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

WRITTEN = Path(__file__).resolve().parent.parent / "terraform/main.tf.json"
# What every resource may have, whatever the provider says.
META = {"count", "for_each", "depends_on", "lifecycle", "provider"}


@dataclass
class Block:
    """Arguments by name, each with the shape of its values; blocks by name; and which of both must be there."""

    arguments: dict = field(default_factory=dict)
    blocks: dict = field(default_factory=dict)
    required: set = field(default_factory=set)


class Bindings:
    """The generated package."""

    def __init__(self, path):
        self.package = tarfile.open(path)
        names = self.package.getnames()
        self.folders = {name.split("/")[2] for name in names if re.fullmatch(r"package/lib/[^/]+/index\.js", name)}

    def read(self, folder, file):
        return self.package.extractfile(f"package/lib/{folder}/{file}").read().decode()

    def version(self):
        """The provider's version that the package was made of."""
        return re.search(r"providerVersion: '([^']+)'", self.read("lambda-function", "index.js")).group(1)

    def resource(self, kind):
        """The schema of a resource type; `None`: there is none of this name."""
        folder = kind.removeprefix("aws_").replace("_", "-")
        if folder not in self.folders:
            return None
        code, types = self.read(folder, "index.js"), self.read(folder, "index.d.ts")
        if f'tfResourceType = "{kind}"' not in code:
            return None
        body = re.search(r"synthesizeAttributes\(\) \{\s+return \{(.*?)\n        \};", code, re.S).group(1)
        config = re.search(r"export interface (\w+) extends cdktf\.TerraformMetaArguments", types).group(1)
        return self.block(body, config, code, types)

    def block(self, body, interface, code, types):
        block = Block()
        wanted = re.search(rf"export interface {interface}(?: extends [\w.]+)? \{{(.*?)\n\}}", types, re.S)
        wanted = set(re.findall(r"readonly (\w+):", wanted.group(1))) if wanted else set()
        for name, how in re.findall(r"^\s+(\w+): (.+?),?$", body, re.M):
            if re.sub(r"_(\w)", lambda letter: letter.group(1).upper(), name) in wanted:
                block.required.add(name)
            inner = re.search(r"(?<!cdktf\.)\b([a-z]\w+)ToTerraform", how)
            if inner is None:
                block.arguments[name] = shape(how)
                continue
            function = inner.group(1)
            told = re.search(rf"function {function}ToTerraform\(struct\) \{{.*?return \{{(.*?)\n    \}};", code, re.S)
            block.blocks[name] = self.block(told.group(1), function[0].upper() + function[1:], code, types)
        return block


def shape(how):
    """The shape of an argument's values, by what the bindings do to them."""
    for word, meaning in (("hashMapper", "map"), ("listMapper", "list"), ("ToTerraform", "single value")):
        if word in how:
            return meaning
    return "any"


def shape_of(value):
    """The shape of a value as it is written; an expression may come to anything."""
    if isinstance(value, str) and re.fullmatch(r"\$\{.*\}", value, re.S):
        return "any"
    return {dict: "map", list: "list"}.get(type(value), "single value")


def problems(place, written, block):
    """What is wrong with a block as it is written."""
    written = {name: value for name, value in written.items() if name not in META}
    nested = [(name, it["content"]) for name, it in written.pop("dynamic", {}).items()]
    for name, value in written.items():
        if name in block.blocks:
            nested += [(name, it) for it in (value if isinstance(value, list) else [value])]
        elif name not in block.arguments:
            yield f"{place}: the provider knows no {name}"
        elif "any" not in (kind := {block.arguments[name], shape_of(value)}) and len(kind) > 1:
            yield f"{place}: {name} is a {shape_of(value)}, and the provider wants a {block.arguments[name]}"
    for name, inner in nested:
        if name not in block.blocks:
            yield f"{place}: the provider knows no block {name}"
        elif isinstance(inner, dict):
            yield from problems(f"{place}.{name}", inner, block.blocks[name])
    for name in sorted(block.required - set(written) - {name for name, _ in nested}):
        yield f"{place}: {name} is required"


def compare(module, bindings):
    """What is wrong with a module's resources."""
    for kind, resources in module["resource"].items():
        block = bindings.resource(kind)
        if block is None:
            yield f"{kind}: the provider has no such resource"
            continue
        for name, written in resources.items():
            yield from problems(f"{kind}.{name}", written, block)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bindings = Bindings(sys.argv[1])
    module = json.loads(WRITTEN.read_text(encoding="utf-8"))
    wrong = list(compare(module, bindings))
    if wrong:
        sys.exit("\n".join(wrong))
    count = sum(len(of_a_kind) for of_a_kind in module["resource"].values())
    types = len(module["resource"])
    print(f"{count} resources of {types} types agree with the provider's schema, version {bindings.version()}")
