"""The stack that CloudFormation would make of template.yaml with given parameters: the transform of AWS::Serverless is
the one of the sam command line, run here; conditions and functions are resolved as CloudFormation resolves them."""

import logging
import os

import yaml
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# Where the stack is, for the eyes of the checks.
PLACE = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "publisher",
    "AWS::URLSuffix": "amazonaws.com",
}
# Where `sam package` would have put the function's zip.
CODE = "s3://code/bootstrap.zip"
NO_VALUE = object()


class NoPolicies:
    """The transform asks for the managed policies of the account; ours names none."""

    def load(self):
        return {}


def transformed(text):
    """The template as CloudFormation gets it: no AWS::Serverless left."""
    os.environ.setdefault("AWS_DEFAULT_REGION", PLACE["AWS::Region"])
    # It collects figures of its own and complains when nobody asks for them.
    logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)
    template = yaml_parse(text)
    if template["Resources"]["Publisher"]["Properties"]["CodeUri"] == ".":
        template["Resources"]["Publisher"]["Properties"]["CodeUri"] = CODE
    return transform(template, {}, NoPolicies())


class Stack:
    """The resources and outputs of a stack with these parameters."""

    def __init__(self, template, given):
        self.template = template
        declared = template["Parameters"]
        unknown = set(given) - set(declared)
        if unknown:
            raise ValueError(f"the template has no parameters {sorted(unknown)}")
        missing = [name for name, it in declared.items() if "Default" not in it and name not in given]
        if missing:
            raise ValueError(f"parameters without a value: {missing}")
        self.parameters = {name: given.get(name, it.get("Default")) for name, it in declared.items()}
        for name, it in declared.items():
            if it["Type"] == "CommaDelimitedList":
                self.parameters[name] = str(self.parameters[name]).split(",")
        self.resources = {
            name: self._value(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }
        self.outputs = {name: self._value(output["Value"]) for name, output in template["Outputs"].items()}

    def of_type(self, type_):
        return {name: it["Properties"] for name, it in self.resources.items() if it["Type"] == type_}

    def _value(self, value):
        if isinstance(value, list):
            return [inner for inner in map(self._value, value) if inner is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function.removeprefix("Fn::"), argument)
        resolved = {name: self._value(inner) for name, inner in value.items()}
        return {name: inner for name, inner in resolved.items() if inner is not NO_VALUE}

    def _call(self, function, argument):
        match function:
            case "Ref" if argument == "AWS::NoValue":
                return NO_VALUE
            case "Ref":
                return self._named(argument)
            case "GetAtt":
                return self._attribute(argument if isinstance(argument, str) else ".".join(argument))
            case "If":
                condition, yes, no = argument
                return self._value(yes if self._holds(condition) else no)
            case "Sub":
                return self._substituted(argument)
            case "Join":
                between, items = argument
                return between.join(self._value(items))
        raise ValueError(f"Fn::{function} is not known here")

    def _named(self, name):
        if name in PLACE:
            return PLACE[name]
        if name in self.parameters:
            return self.parameters[name]
        self._must_exist(name)
        return f"<{name}>"

    def _attribute(self, path):
        self._must_exist(path.split(".")[0])
        return f"<{path}>"

    def _must_exist(self, name):
        resource = self.template["Resources"].get(name)
        if resource is None:
            raise ValueError(f"no resource {name}")
        if "Condition" in resource and not self._holds(resource["Condition"]):
            raise ValueError(f"{name} is named although it is not made")

    def _substituted(self, text):
        pieces = text.split("${")
        whole = pieces[0]
        for piece in pieces[1:]:
            name, rest = piece.split("}", 1)
            whole += str(self._attribute(name) if "." in name else self._named(name)) + rest
        return whole

    def _holds(self, condition):
        return self._true(self.template["Conditions"][condition])

    def _true(self, test):
        ((function, argument),) = test.items()
        match function:
            case "Fn::Equals":
                one, other = map(self._value, argument)
                return str(one) == str(other)
            case "Fn::Not":
                return not self._true(argument[0])
            case "Fn::And":
                return all(map(self._true, argument))
            case "Fn::Or":
                return any(map(self._true, argument))
            case "Condition":
                return self._holds(argument)
        raise ValueError(f"{function} is not known here")


def read(path):
    """The transformed template of a file; ValueError says what is wrong with it."""
    try:
        return transformed(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
