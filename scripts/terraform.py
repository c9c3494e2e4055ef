"""Writes terraform/main.tf.json: the same stack for Terraform, made from template.yaml, so that the two cannot drift.

    python scripts/terraform.py            writes it
    python scripts/terraform.py --check    says whether it is current (make check)
    python scripts/terraform.py --evaluate has Terraform evaluate it, and compares with CloudFormation's stack
                                           (make check-deploy; needs terraform, no provider and no network)

A resource type that has no form (terraform_forms.py) ends it: nothing is left out silently.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hcl import IDS, Writer, quoted, snake
from stack import NO_VALUE, PLACE, Stack, read
from terraform_forms import FORMS

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = ROOT / "terraform/main.tf.json"
NOTE = "Made from template.yaml by scripts/terraform.py; see terraform/README.md."


def variables(parameters):
    own = {
        "name": {
            "type": "string",
            "default": "codepipeline-artifactory",
            "description": "Prefix of what is made, and name of the function.",
        },
        "code_zip": {"type": "string", "description": "Path of a release's zip for var.architecture (make release)."},
    }
    for name, declared in parameters.items():
        kind = {"Number": "number", "CommaDelimitedList": "list(string)"}.get(declared["Type"], "string")
        form = {"type": kind, "description": declared["Description"].replace("${", "$${")}
        if "Default" in declared:
            default = declared["Default"]
            form["default"] = [it for it in default.split(",") if it] if kind == "list(string)" else default
        rules = []
        short = snake(name)
        if "AllowedValues" in declared:
            allowed = json.dumps(declared["AllowedValues"])
            rules.append({"condition": f"${{contains({allowed}, var.{short})}}", "error_message": f"One of {allowed}."})
        if "AllowedPattern" in declared:
            pattern = quoted(declared["AllowedPattern"])
            meaning = declared.get("ConstraintDescription", declared["AllowedPattern"])
            rules.append(
                {"condition": f"${{can(regex({pattern}, var.{short}))}}", "error_message": f"It must be {meaning}."}
            )
        for key, sign in (("MinValue", ">="), ("MaxValue", "<=")):
            if key in declared:
                rules.append(
                    {
                        "condition": f"${{var.{short} {sign} {declared[key]}}}",
                        "error_message": f"{sign} {declared[key]}.",
                    }
                )
        own[short] = form | ({"validation": rules} if rules else {})
    return own


def module(template, rehearsal=False):
    """The whole module; in a rehearsal every resource is a terraform_data that keeps what it is given."""
    writer = Writer(template, rehearsal)
    resources = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] not in FORMS:
            raise ValueError(f"{name}: {resource['Type']} has no form in Terraform here (scripts/terraform_forms.py)")
        for type_, made in FORMS[resource["Type"]](writer, name, resource["Properties"]).items():
            for short, form in made.items():
                form = {key: value for key, value in form.items() if value is not None}
                count = (
                    {"count": f"${{local.{snake(resource['Condition'])} ? 1 : 0}}"} if "Condition" in resource else {}
                )
                if rehearsal:
                    dynamic = form.pop("dynamic", {})
                    for block, of in dynamic.items():
                        form[block] = {"for_each": of["for_each"], "content": of["content"]}
                    resources.setdefault("terraform_data", {})[f"{type_}__{short}"] = count | {"input": form}
                else:
                    resources.setdefault(type_, {})[short] = count | form
    outputs = {
        snake(name): {"description": it["Description"], "value": writer.value(it["Value"])}
        for name, it in template["Outputs"].items()
    }
    whole = {
        "//": NOTE,
        "variable": variables(template["Parameters"]),
        "locals": {snake(name): f"${{{writer.of(test)}}}" for name, test in template["Conditions"].items()},
        "resource": resources,
        "output": outputs,
    }
    if not rehearsal:
        provider = {"aws": {"source": "hashicorp/aws", "version": "~> 5.31"}}
        whole["terraform"] = {"required_version": ">= 1.5", "required_providers": provider}
        whole["data"] = {name: {"current": {}} for name in ("aws_partition", "aws_region", "aws_caller_identity")}
    return whole


def text(template):
    return json.dumps(module(template), indent=2, ensure_ascii=False) + "\n"


def evaluated(template, given):
    """What Terraform makes of the module with these variables: the values of each resource, and the outputs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf.json").write_text(json.dumps(module(template, rehearsal=True)), encoding="utf-8")
        Path(folder, "code.zip").write_bytes(b"zip")
        own = {snake(name): value for name, value in given.items()} | {
            "code_zip": "code.zip",
            "name": PLACE["AWS::StackName"],
        }
        own |= {name: own[name].split(",") for name in ("subnet_ids", "security_group_ids") if name in own}
        Path(folder, "terraform.tfvars.json").write_text(json.dumps(own), encoding="utf-8")
        for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
            done = subprocess.run(
                ["terraform", *command, "-no-color"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise ValueError(f"terraform {command[0]}: {done.stdout}{done.stderr}")
        shown = subprocess.run(["terraform", "show", "-json"], cwd=folder, capture_output=True, text=True, check=True)
    values = json.loads(shown.stdout)["values"]
    made = {it["name"]: it["values"]["input"] for it in values["root_module"].get("resources", [])}
    return made, {name: it["value"] for name, it in values["outputs"].items()}


def compare(template, given, equal):
    """Holds what Terraform made against the stack that CloudFormation makes, part by part."""
    made, outputs = evaluated(template, given)
    stack = Stack(template, given)
    kinds = {IDS[it["Type"]][0] + "__" + snake(name) for name, it in stack.resources.items()}
    beside = ("aws_cloudwatch_event_target__", "aws_iam_role_policy__", "aws_s3_bucket_")
    equal("resources", {name for name in made if not name.startswith(beside) or name in kinds}, kinds)
    variables_ = {
        key: str(value) for key, value in stack.resources["Publisher"]["Properties"]["Environment"]["Variables"].items()
    }
    lambda_ = made["aws_lambda_function__publisher"]
    equal("environment", lambda_["environment"]["variables"], variables_)
    properties = stack.resources["Publisher"]["Properties"]
    for name in ("Handler", "Runtime", "Role", "MemorySize", "Timeout", "Architectures"):
        equal(f"function: {name}", lambda_[snake(name)], properties[name])
    equal(
        "reservation",
        str(lambda_["reserved_concurrent_executions"]),
        properties.get("ReservedConcurrentExecutions", "-1"),
    )
    equal("VPC", bool(lambda_["vpc_config"]["for_each"]), "VpcConfig" in properties)
    role_ = stack.resources["PublisherRole"]["Properties"]
    equal(
        "role",
        json.loads(made["aws_iam_role_policy__publisher_role"]["policy"]),
        role_["Policies"][0]["PolicyDocument"],
    )
    equal(
        "trust",
        json.loads(made["aws_iam_role__publisher_role"]["assume_role_policy"]),
        role_["AssumeRolePolicyDocument"],
    )
    for name, policy in (
        ("aws_s3_bucket_policy__journal_policy", "JournalPolicy"),
        ("aws_sqs_queue_policy__undelivered_policy", "UndeliveredPolicy"),
    ):
        equal(policy, json.loads(made[name]["policy"]), stack.resources[policy]["Properties"]["PolicyDocument"])
    for name, it in stack.of_type("AWS::Events::Rule").items():
        rule_ = made[f"aws_cloudwatch_event_rule__{snake(name)}"]
        equal(f"{name}: pattern", json.loads(rule_.get("event_pattern", "null")), it.get("EventPattern"))
        equal(f"{name}: schedule", rule_.get("schedule_expression"), it.get("ScheduleExpression"))
        equal(f"{name}: target", made[f"aws_cloudwatch_event_target__{snake(name)}"]["arn"], it["Targets"][0]["Arn"])
    for name, it in stack.of_type("AWS::CodePipeline::CustomActionType").items():
        type_ = made[f"aws_codepipeline_custom_action_type__{snake(name)}"]
        wanted = [
            {snake(key): value for key, value in property_.items()} for property_ in it["ConfigurationProperties"]
        ]
        equal("properties of the action", type_["configuration_property"], wanted)
        equal("links of the action", type_["settings"], {snake(key): value for key, value in it["Settings"].items()})
        equal(
            "type",
            [type_[key] for key in ("category", "provider_name", "version")],
            [it[key] for key in ("Category", "Provider", "Version")],
        )
    for name, it in stack.of_type("AWS::CloudWatch::Alarm").items():
        alarm_ = made[f"aws_cloudwatch_metric_alarm__{snake(name)}"]
        for key, value in it.items():
            if key not in ("Dimensions", "Metrics", "AlarmName"):
                equal(f"{name}: {key}", alarm_[snake(key)], value)
        equal(
            f"{name}: dimensions",
            alarm_.get("dimensions", {}),
            {d["Name"]: d["Value"] for d in it.get("Dimensions", [])},
        )
    equal("outputs", outputs, {snake(name): value for name, value in stack.outputs.items() if value is not NO_VALUE})


def evaluate(template, given, where):
    """The differences, each a line."""
    problems = []

    def equal(what, actual, wanted):
        if actual != wanted:
            problems.append(f"{where}: {what} is {actual!r} in Terraform, {wanted!r} in CloudFormation")

    compare(template, given, equal)
    return problems


def main():
    template = read(ROOT / "template.yaml")
    if sys.argv[1:] == ["--check"]:
        if not WRITTEN.exists() or WRITTEN.read_text(encoding="utf-8") != text(template):
            print(f"{WRITTEN.relative_to(ROOT)} is not what template.yaml says: make generate", file=sys.stderr)
            return 1
        return 0
    if sys.argv[1:] == ["--evaluate"]:
        from check_stack import EVERYTHING, ONLY_URL

        problems = evaluate(template, ONLY_URL, "only ArtifactoryUrl") + evaluate(
            template, EVERYTHING, "every parameter"
        )
        print("\n".join(problems) or "terraform: evaluates to the stack that CloudFormation makes")
        return 1 if problems else 0
    WRITTEN.write_text(text(template), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
