"""CloudFormation's values as Terraform's expressions, for terraform.py."""

import json
import re

from stack import PLACE

# What a resource is in Terraform, and which of its attributes CloudFormation's Ref gives.
IDS = {
    "AWS::Lambda::Function": ("aws_lambda_function", "function_name"),
    "AWS::Lambda::EventInvokeConfig": ("aws_lambda_function_event_invoke_config", "id"),
    "AWS::Lambda::Permission": ("aws_lambda_permission", "id"),
    "AWS::Events::Rule": ("aws_cloudwatch_event_rule", "name"),
    "AWS::Logs::LogGroup": ("aws_cloudwatch_log_group", "name"),
    "AWS::Logs::MetricFilter": ("aws_cloudwatch_log_metric_filter", "id"),
    "AWS::IAM::Role": ("aws_iam_role", "name"),
    "AWS::S3::Bucket": ("aws_s3_bucket", "id"),
    "AWS::S3::BucketPolicy": ("aws_s3_bucket_policy", "id"),
    "AWS::SecretsManager::Secret": ("aws_secretsmanager_secret", "arn"),
    "AWS::SQS::Queue": ("aws_sqs_queue", "url"),
    "AWS::SQS::QueuePolicy": ("aws_sqs_queue_policy", "id"),
    "AWS::CodePipeline::CustomActionType": ("aws_codepipeline_custom_action_type", "id"),
    "AWS::CloudWatch::Alarm": ("aws_cloudwatch_metric_alarm", "alarm_name"),
    "AWS::CloudWatch::Dashboard": ("aws_cloudwatch_dashboard", "dashboard_name"),
}
PSEUDO = {
    "AWS::Partition": "data.aws_partition.current.partition",
    "AWS::URLSuffix": "data.aws_partition.current.dns_suffix",
    "AWS::Region": "data.aws_region.current.name",
    "AWS::AccountId": "data.aws_caller_identity.current.account_id",
    "AWS::StackName": "var.name",
}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def quoted(text):
    """A plain text in an expression."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


class Writer:
    """CloudFormation's values as Terraform's expressions. In a rehearsal names stand for themselves."""

    def __init__(self, template, rehearsal=False):
        self.template, self.rehearsal = template, rehearsal

    def of(self, value):
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, dict):
            if len(value) == 1:
                ((function, argument),) = value.items()
                if function in ("Ref", "Condition") or function.startswith("Fn::"):
                    return self._call(function.removeprefix("Fn::"), argument)
            return "{" + ", ".join(f"{quoted(name)} = {self.of(inner)}" for name, inner in value.items()) + "}"
        return quoted(value) if isinstance(value, str) else json.dumps(value)

    def _list(self, items):
        """A list; what a condition leaves out of it is not null, but not there."""
        parts = []
        for item in items:
            if isinstance(item, dict) and "Fn::If" in item and {"Ref": "AWS::NoValue"} in item["Fn::If"]:
                condition, yes, no = item["Fn::If"]
                sides = ["[]" if side == {"Ref": "AWS::NoValue"} else f"[{self.of(side)}]" for side in (yes, no)]
                parts.append(f"local.{snake(condition)} ? {sides[0]} : {sides[1]}")
            else:
                parts.append(f"[{self.of(item)}]")
        if all(part.startswith("[") for part in parts):
            return "[" + ", ".join(part[1:-1] for part in parts) + "]"
        return "concat(" + ", ".join(parts) + ")"

    def _call(self, function, argument):
        match function:
            case "Ref" if argument == "AWS::NoValue":
                return "null"
            case "Ref":
                return self._named(argument)
            case "GetAtt":
                return self._attribute(argument if isinstance(argument, str) else ".".join(argument))
            case "If":
                condition, yes, no = argument
                return f"(local.{snake(condition)} ? {self.of(yes)} : {self.of(no)})"
            case "Sub":
                return self._substituted(argument)
            case "Join":
                return f"join({quoted(argument[0])}, {self.of(argument[1])})"
            case "Equals":
                return f"({self.of(argument[0])} == {self.of(argument[1])})"
            case "Not":
                return f"!{self.of(argument[0])}"
            case "And" | "Or":
                return "(" + (" && " if function == "And" else " || ").join(map(self.of, argument)) + ")"
            case "Condition":
                return f"local.{snake(argument)}"
        raise ValueError(f"Fn::{function} is not known here")

    def _named(self, name):
        if name in PSEUDO:
            return quoted(PLACE[name]) if self.rehearsal else PSEUDO[name]
        if name in self.template["Parameters"]:
            return f"var.{snake(name)}"
        return quoted(f"<{name}>") if self.rehearsal else self.address(name) + "." + self.kind(name)[1]

    def _attribute(self, path):
        name, attribute = path.split(".", 1)
        if self.rehearsal:
            return quoted(f"<{path}>")
        if self.kind(name)[0] == "aws_cloudwatch_log_group" and attribute == "Arn":
            # CloudFormation's ends with ":*", Terraform's does not, and rights to a stream need it.
            return f'"${{{self.address(name)}.arn}}:*"'
        known = {"Arn": "arn", "QueueName": "name"}
        return f"{self.address(name)}.{known[attribute]}"

    def _substituted(self, text):
        pieces = text.split("${")
        whole = quoted(pieces[0])[1:-1]
        for piece in pieces[1:]:
            name, rest = piece.split("}", 1)
            inner = self._attribute(name) if "." in name else self._named(name)
            whole += f"${{{inner}}}" + quoted(rest)[1:-1]
        return f'"{whole}"'

    def kind(self, name):
        return IDS[self.template["Resources"][name]["Type"]]

    def address(self, name):
        index = "[0]" if "Condition" in self.template["Resources"][name] else ""
        return f"{self.kind(name)[0]}.{snake(name)}{index}"

    def value(self, value):
        """As a value of the JSON form: literals as they are, everything else as one expression in a text."""
        if isinstance(value, str | bool | int | float) or value is None:
            return value.replace("${", "$${").replace("%{", "%%{") if isinstance(value, str) else value
        return f"${{{self.of(value)}}}"

    def text(self, value):
        """A document, as JSON in a text."""
        return f"${{jsonencode({self.of(value)})}}"
