"""Reads CloudFormation templates as plain values, for check_templates.py: tags, conditions and defaults resolved."""

import re

import yaml

# The values with which the template and examples/custom-action.json are compared.
SAMPLE = {"AWS::Region": "eu-west-1", "AWS::StackName": "codepipeline-artifactory"}


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with CloudFormation's tags: `!Ref x` becomes {"Ref": x}, `!Sub x` {"Sub": x}, and so on."""


def construct_tag(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", construct_tag)


def as_list(value):
    return value if isinstance(value, list) else [value]


def branches(value):
    """The values of a list, with those under `!If` unfolded, each with the name of its condition."""
    for item in as_list(value):
        if isinstance(item, dict) and set(item) == {"If"}:
            condition, yes, no = item["If"]
            yield from ((inner, condition) for inner, _ in branches(yes))
            yield from ((inner, f"not {condition}") for inner, _ in branches(no))
        elif item != {"Ref": "AWS::NoValue"}:
            yield item, None


def named(value):
    """A resource as one string: "*", "Ref X", "GetAtt X.Arn" or "Sub ..."."""
    if isinstance(value, dict) and len(value) == 1:
        ((function, argument),) = value.items()
        return f"{function} {argument}"
    return value


def resolve(value, parameters):
    """A string as a stack with default parameters has it."""
    known = {name: declared.get("Default") for name, declared in parameters.items()} | SAMPLE
    if isinstance(value, dict) and set(value) == {"Ref"}:
        return known.get(value["Ref"])
    if isinstance(value, dict) and set(value) == {"Sub"}:
        return re.sub(r"\$\{([A-Za-z0-9:]+)\}", lambda found: str(known.get(found[1], found[0])), value["Sub"])
    return value


def lower_keys(value):
    """CloudFormation's names as the API spells them."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: lower_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [lower_keys(inner) for inner in value]
    return value


def lift(value):
    """Undoes lower_keys for an intrinsic function."""
    return {key[:1].upper() + key[1:]: inner for key, inner in value.items()} if isinstance(value, dict) else value
