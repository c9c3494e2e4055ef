"""Checks what a linter cannot know: that the template, the examples and the events say the same thing.

Run it as `python scripts/check_templates.py [root]` with PyYAML installed (scripts/lint_templates.sh does both). It
prints every disagreement and ends with status 1 if there is one. The lists below are the decisions that the templates
must follow: to allow the function one more call, or to declare another property, change the list here as well.
"""

import json
import re
import sys

import yaml

from cloudformation import Loader, as_list, branches, lift, lower_keys, named, resolve
from report import Report, matches, told

# The action's configuration in the order in which the console shows it, with what is required.
PROPERTIES = {
    "TypeOfArtifact": True,
    "RepoKey": True,
    "ArtifactoryHost": True,
    "SecretId": False,
    "UserName": False,
    "EmailAddress": False,
    "Files": False,
    "TargetPath": False,
    "Properties": False,
    "Options": False,
}

ENVIRONMENT = {
    "ACTION_CATEGORY",
    "ACTION_PROVIDER",
    "ACTION_VERSION",
    "JOURNAL_BUCKET",
    "DEFAULT_SECRET_ID",
    "ARTIFACTORY_URL",
    "ALLOW_HTTP",
    "ALLOW_INVOKE_ACTION",
    "CA_CERTIFICATES",
    "JOBS_IN_FLIGHT",
    "AWS_LAMBDA_LOG_LEVEL",
    "HTTPS_PROXY",
    "NO_PROXY",
}

ACTION_TYPE = (
    "arn:${AWS::Partition}:codepipeline:${AWS::Region}:${AWS::AccountId}:actiontype:Custom/Deploy/${ActionProvider}/"
)
SECRETS = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"
CLAIMS = {"Sub ${Journal.Arn}/jobs/*"}
STRAYS = {"Sub ${Journal.Arn}/quarantine/*"}
ENDED = {"Sub ${Journal.Arn}/ended/*"}
ANY = {"*"}

# What the function may call, on what. Nothing else, and no artifact bucket: each job brings its own credentials.
ALLOWED = {
    "codepipeline:PollForJobs": {
        f"Sub {ACTION_TYPE}${{ActionVersion}}",
        f"Sub {ACTION_TYPE}${{PreviousActionVersion}}",
    },
    "codepipeline:AcknowledgeJob": ANY,
    "codepipeline:GetJobDetails": ANY,
    "codepipeline:PutJobSuccessResult": ANY,
    "codepipeline:PutJobFailureResult": ANY,
    "secretsmanager:GetSecretValue": {f"Sub {SECRETS}"},
    "kms:Decrypt": {"Ref SecretKmsKeyArn"},
    "s3:ListBucket": {"GetAtt Journal.Arn"},
    "s3:GetObject": CLAIMS | STRAYS | ENDED,
    "s3:PutObject": CLAIMS | STRAYS | ENDED,
    "s3:DeleteObject": CLAIMS,
    "logs:CreateLogStream": {"GetAtt PublisherLogs.Arn"},
    "logs:PutLogEvents": {"GetAtt PublisherLogs.Arn"},
    "sqs:SendMessage": {"GetAtt Undelivered.Arn"},
    "xray:PutTraceSegments": ANY,
    "xray:PutTelemetryRecords": ANY,
    "ec2:CreateNetworkInterface": ANY,
    "ec2:DescribeNetworkInterfaces": ANY,
    "ec2:DescribeSubnets": ANY,
    "ec2:DeleteNetworkInterface": ANY,
    "ec2:AssignPrivateIpAddresses": ANY,
    "ec2:UnassignPrivateIpAddresses": ANY,
}

# Rights that may only be granted under a condition of the statement, or in a stack with such a condition.
CONDITIONS = {
    "secretsmanager:GetSecretValue": {"Null": {"aws:ResourceTag/codepipeline-artifactory": "false"}},
    "kms:Decrypt": {"StringEquals": {"kms:ViaService": {"Sub": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"}}},
}
ONLY_IF = {"kms": "HasSecretKey", "ec2": "InVpc", "xray": "IsTraced"}

ALARMS = {
    ("AWS/Lambda", "Errors"): [{"Name": "FunctionName", "Value": {"Ref": "Publisher"}}],
    ("AWS/Lambda", "Throttles"): [{"Name": "FunctionName", "Value": {"Ref": "Publisher"}}],
    ("AWS/Lambda", "Invocations"): [{"Name": "FunctionName", "Value": {"Ref": "Publisher"}}],
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): [
        {"Name": "QueueName", "Value": {"GetAtt": "Undelivered.QueueName"}}
    ],
    ("codepipeline-artifactory", "Jobs"): [
        {"Name": "function", "Value": {"Ref": "Publisher"}},
        {"Name": "outcome", "Value": "failed"},
    ],
    ("codepipeline-artifactory", "OldestClaim"): [{"Name": "function", "Value": {"Ref": "Publisher"}}],
}


def declared_type(template):
    """The template's action type in the form of create-custom-action-type."""
    properties = dict(template["Resources"]["ActionType"]["Properties"])
    parameters = template["Parameters"]
    for name in ("Category", "Provider", "Version"):
        properties[name] = resolve(properties[name], parameters)
    properties["Settings"] = {name: resolve(url, parameters) for name, url in properties["Settings"].items()}
    return lower_keys(properties)


def check_action_type(report, where, action):
    """CodePipeline's own rules for an action type, and ours."""
    properties = action["configurationProperties"]
    report.expect(len(properties) <= 10, f"{where}: {len(properties)} configuration properties, CodePipeline allows 10")
    report.equal(f"{where}: the properties in their order", [p["name"] for p in properties], list(PROPERTIES))
    for property_ in properties:
        name = property_["name"]
        required = PROPERTIES.get(name)
        report.equal(f"{where}: {name} required", property_["required"], required)
        report.equal(f"{where}: {name} secret", property_["secret"], False)
        report.equal(f"{where}: {name} queryable", property_["queryable"], False)
        length = len(property_["description"])
        report.expect(
            1 <= length <= 160, f"{where}: the description of {name} has {length} characters, 160 are allowed"
        )
    usable = {p["name"] for p in properties if p["required"] and not p["secret"]}
    for setting, url in action["settings"].items():
        report.expect(1 <= len(url) <= 2048, f"{where}: {setting} has {len(url)} characters, 2048 are allowed")
        for placeholder in re.findall(r"\{([^}]*)\}", url):
            if placeholder == "ExternalExecutionId":
                fits = setting == "executionUrlTemplate"
            else:
                fits = placeholder.startswith("Config:") and placeholder.removeprefix("Config:") in usable
            report.expect(
                fits, f"{where}: {setting} names {{{placeholder}}}, which is no required property without secret"
            )
    report.equal(f"{where}: input artifacts", action["inputArtifactDetails"], {"minimumCount": 1, "maximumCount": 5})
    report.equal(f"{where}: output artifacts", action["outputArtifactDetails"], {"minimumCount": 0, "maximumCount": 5})


def check_agreement(report, template, action):
    """The template and examples/custom-action.json declare the same type."""
    declared = declared_type(template)
    report.equal("custom-action.json: its members", sorted(action), sorted(declared))
    theirs = {p["name"]: p for p in action["configurationProperties"]}
    for property_ in declared["configurationProperties"]:
        name = property_["name"]
        report.equal(f"custom-action.json: {name}", theirs.get(name), property_)
    for member in sorted(set(declared) - {"configurationProperties"}):
        report.equal(f"custom-action.json: {member}", action.get(member), declared[member])


def check_nested(report, template, nested, manifest):
    """What the application repository is told, and that the stack which nests ours gives and takes what it has."""
    told = template["Metadata"]["AWS::ServerlessRepo::Application"]
    version = re.search(r'^version = "([^"]+)"$', manifest, re.MULTILINE)[1]
    report.equal("the application's version", told["SemanticVersion"], version)
    licence = re.search(r'^license = "([^"]+)"$', manifest, re.MULTILINE)[1]
    report.expect(told["SpdxLicenseId"] in licence.split(" OR "), f"the application's licence is none of {licence}")
    report.expect(len(told["Description"]) <= 256, "the application's description is longer than 256 characters")
    report.expect(len(told["Labels"]) <= 10, "the application has more than ten labels")
    application = nested["Resources"]["Publisher"]["Properties"]
    report.equal("nested: location", application["Location"], "../../template.yaml")
    given = set(application["Parameters"])
    report.expect(given <= set(template["Parameters"]), f"nested: gives unknown parameters {sorted(given)}")
    lacking = {name for name, it in template["Parameters"].items() if "Default" not in it} - given
    report.equal("nested: parameters without a value", lacking, set())
    for name, output in nested["Outputs"].items():
        taken = output["Value"]["GetAtt"].removeprefix("Publisher.Outputs.")
        report.expect(taken in template["Outputs"], f"nested: {name} takes {taken}, which the stack does not give")
    tags = [tag["Key"] for tag in nested["Resources"]["Credential"]["Properties"]["Tags"]]
    report.equal("nested: tags of its secret", tags, ["codepipeline-artifactory"])


def check_readme(report, readme):
    """The README's table of the action has the same properties, in the same order, with what is required."""
    table = re.findall(r"^\| `(\w+)` \| (yes|no) \|", readme, re.MULTILINE)
    wanted = [(name, "yes" if required else "no") for name, required in PROPERTIES.items()]
    report.equal("README.md: the properties of the action", table, wanted)


def check_role(report, template):
    """The function's role allows exactly what ALLOWED lists, and nothing is attached beside it."""
    role = template["Resources"]["PublisherRole"]["Properties"]
    report.expect("ManagedPolicyArns" not in role, "PublisherRole: managed policies are attached")
    report.equal(
        "Publisher: its role",
        named(template["Resources"]["Publisher"]["Properties"].get("Role")),
        "GetAtt PublisherRole.Arn",
    )
    report.expect(
        "Policies" not in template["Resources"]["Publisher"]["Properties"], "Publisher: has policies beside its role"
    )
    granted, denied = {}, set()
    for policy in role["Policies"]:
        for statement, only_if in branches(policy["PolicyDocument"]["Statement"]):
            where = f"PublisherRole: {statement.get('Sid')}"
            report.expect(not {"NotAction", "NotResource"} & set(statement), f"{where}: says what it does not grant")
            actions = as_list(statement.get("Action", []))
            if statement["Effect"] == "Deny":
                denied.update(actions)
                continue
            resources = {named(resource) for resource, _ in branches(statement.get("Resource", []))}
            for action in actions:
                granted.setdefault(action, set()).update(resources)
                report.equal(f"{where}: condition of {action}", statement.get("Condition"), CONDITIONS.get(action))
                report.equal(f"{where}: granted only if", only_if, ONLY_IF.get(action.split(":")[0]))
    for action in sorted(set(granted) | set(ALLOWED)):
        if action not in ALLOWED:
            report.expect(False, f"PublisherRole: grants {action}, which the function never calls")
        elif action not in granted:
            report.expect(False, f"PublisherRole: does not grant {action}, which the function calls")
        else:
            report.equal(f"PublisherRole: resources of {action}", granted[action], ALLOWED[action])
    network = {action for action in ALLOWED if action.startswith("ec2:")}
    report.equal("PublisherRole: calls denied to the code itself", denied, network)


def check_alarms(report, template):
    """Every alarm watches our function or queue and tells the topic, if there is one."""
    topic = {"If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    seen = set()
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        alarm = resource["Properties"]
        metric = (alarm["Namespace"], alarm["MetricName"])
        seen.add(metric)
        report.equal(f"{name}: dimensions", alarm.get("Dimensions"), ALARMS.get(metric))
        report.equal(f"{name}: alarm actions", alarm.get("AlarmActions"), topic)
        report.equal(f"{name}: whom it tells when it is over", alarm.get("OKActions"), topic)
        silence = alarm["ComparisonOperator"].startswith("LessThan")
        report.equal(f"{name}: missing data", alarm.get("TreatMissingData"), "breaching" if silence else "notBreaching")
    report.equal("the metrics with an alarm", seen, set(ALARMS))


def sets_of(source):
    """The metrics that src/metric.rs counts, each with the sets of dimensions under which it is kept."""
    groups = {}
    for name, sets in re.findall(r"const (BY_[A-Z]+): &\[&\[&str\]\] = &\[(.*)\];", source):
        groups[name] = [frozenset(re.findall(r'"(\w+)"', one)) for one in re.findall(r"&\[([^\]]*)\]", sets)]
    metrics = re.findall(r'Self \{ name: "(\w+)", unit: Unit::\w+, by: (BY_[A-Z]+) \}', source)
    return {name: groups[by] for name, by in metrics}


def drawn(widgets):
    """Every line of the dashboard's graphs as (namespace, metric, dimension names), the dots filled in."""
    for widget in widgets:
        before = []
        for line in widget["properties"].get("metrics", []):
            words = [word for word in line if isinstance(word, str)]
            if not words:
                search = line[0]["expression"]
                namespace, *names = re.search(r"\{([^}]*)\}", search).group(1).split(",")
                yield namespace, re.search(r'MetricName="(\w+)"', search).group(1), frozenset(names)
                continue
            if words[0] == "...":
                words = before[: len(before) - len(words) + 1] + words[1:]
            words = [before[at] if word == "." else word for at, word in enumerate(words)]
            before = words
            yield words[0], words[1], frozenset(words[2::2])


def check_watching(report, template, source):
    """Dashboard and alarms name only what is counted, under dimensions under which it is."""
    counted = sets_of(source)
    report.expect(len(counted) >= 9, f"src/metric.rs: only {sorted(counted)} could be read of it")
    body = template["Resources"]["Board"]["Properties"]["DashboardBody"]["Sub"]
    lines = list(drawn(json.loads(body)["widgets"]))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            alarm = resource["Properties"]
            names = frozenset(dimension["Name"] for dimension in alarm["Dimensions"])
            lines.append((alarm["Namespace"], alarm["MetricName"], names))
    own = [(metric, names) for namespace, metric, names in lines if namespace == "codepipeline-artifactory"]
    for metric, names in own:
        report.expect(metric in counted, f"{metric} is watched, but src/metric.rs does not count it")
        report.expect(names in counted.get(metric, []), f"{metric} is watched by {sorted(names)}, and not kept so")
    report.equal("the metrics on the dashboard", {metric for metric, _ in own}, set(counted))


def check_function(report, template):
    """The function's environment, what happens to events that it could not handle, and its stores."""
    resources = template["Resources"]
    function = resources["Publisher"]["Properties"]
    report.equal("Publisher: environment", set(function["Environment"]["Variables"]), ENVIRONMENT)
    report.equal("Publisher: log format", function["LoggingConfig"]["LogFormat"], "Text")
    invoke = function["EventInvokeConfig"]
    report.expect(invoke["MaximumRetryAttempts"] in (0, 1), "Publisher: more than one retry; the schedule is the retry")
    queue = {"GetAtt": "Undelivered.Arn"}
    report.equal("Publisher: failed invocations go", invoke["DestinationConfig"]["OnFailure"]["Destination"], queue)
    for name, event in function["Events"].items():
        report.equal(f"Publisher: undeliverable {name} goes", event["Properties"]["DeadLetterConfig"]["Arn"], queue)
    report.equal("Undelivered: encryption", resources["Undelivered"]["Properties"].get("SqsManagedSseEnabled"), True)
    tags = [tag["Key"] for tag in resources["Credential"]["Properties"]["Tags"]]
    report.expect("codepipeline-artifactory" in tags, "Credential: lacks the tag without which it cannot be read")
    journal = resources["Journal"]["Properties"]
    blocked = journal["PublicAccessBlockConfiguration"]
    report.expect(len(blocked) == 4 and all(blocked.values()), "Journal: public access is not blocked wholly")
    report.expect("BucketEncryption" in journal, "Journal: is not encrypted")
    report.expect("VersioningConfiguration" not in journal, "Journal: keeps versions")
    days = [rule["ExpirationInDays"] for rule in journal["LifecycleConfiguration"]["Rules"]]
    report.expect(days and min(days) >= 7, f"Journal: claims expire after {days} days, within the life of a job")
    free = [name for name, declared in template["Parameters"].items() if "Default" not in declared]
    report.equal("the parameters without a default", free, ["ArtifactoryUrl"])


def check_events(report, template, events):
    """The sample events parse, have the types seen on the wire, and wake the function or not, as they should."""
    rule = template["Resources"]["Publisher"]["Properties"]["Events"]["ActionStarted"]["Properties"]["Pattern"]
    parameters = template["Parameters"]
    rule["detail"]["type"]["provider"] = [resolve(name, parameters) for name in rule["detail"]["type"]["provider"]]
    report.expect("version" not in rule["detail"]["type"], "ActionStarted: the pattern names a version")
    wanted = ["action-started", "codepipeline-job", "doctor", "manual", "pipeline-started", "schedule", "stage-started"]
    report.equal("the sample events", sorted(events), wanted)
    for name, event in events.items():
        report.equal(f"{name}.json: matched by the rule", matches(rule, event), name == "action-started")
        version = event.get("detail", {}).get("version", 1.0)
        report.expect(
            isinstance(version, float), f"{name}.json: detail.version is not a float, as CodePipeline sends it"
        )
    type_ = events.get("action-started", {}).get("detail", {}).get("type", {})
    report.expect(isinstance(type_.get("version"), str), "action-started.json: the type's version is not a string")
    report.equal("manual.json", events.get("manual"), {})
    check_invoke_event(report, events.get("codepipeline-job", {}))
    report.equal("schedule.json: source", events.get("schedule", {}).get("source"), "aws.events")


def check_invoke_event(report, event):
    """The event of an Invoke action has our properties in one text, and words in the place of credentials."""
    data = event["CodePipeline.job"]["data"]
    parameters = json.loads(data["actionConfiguration"]["configuration"]["UserParameters"])
    required = {name for name, needed in PROPERTIES.items() if needed}
    report.expect(
        required <= set(parameters) <= set(PROPERTIES),
        f"codepipeline-job.json: UserParameters are {sorted(parameters)}",
    )
    for name in ("accessKeyId", "secretAccessKey", "sessionToken"):
        value = data["artifactCredentials"][name]
        report.expect(
            re.fullmatch(r"[a-z]+(-[a-z]+)*-of-the-job", value), f"codepipeline-job.json: {name} is no placeholder"
        )


def publish_action(report, where, stages):
    found = [action for stage in stages for action in stage["actions"] if "owner" in action.get("actionTypeId", {})]
    found = [action for action in found if action["actionTypeId"]["owner"] == "Custom"]
    report.equal(f"{where}: custom actions", len(found), 1)
    return found[0] if found else None


def check_pipelines(report, template, example, pipeline, node):
    """Both forms of the example pipeline use our action as it is declared, and the build hands over everything."""
    stages = lower_keys(example["Resources"]["Pipeline"]["Properties"]["Stages"])
    actions = {
        "pipeline/template.yaml": publish_action(report, "pipeline/template.yaml", stages),
        "pipeline.json": publish_action(report, "pipeline.json", pipeline["pipeline"]["stages"]),
    }
    declared = declared_type(template)
    required = {name for name, needed in PROPERTIES.items() if needed}
    for where, action in actions.items():
        if action is None:
            continue
        names = {name[:1].upper() + name[1:] for name in action["configuration"]}
        report.expect(names <= set(PROPERTIES), f"{where}: unknown properties {sorted(names - set(PROPERTIES))}")
        report.expect(required <= names, f"{where}: lacks {sorted(required - names)}")
        identity = {name: resolve(lift(part), example["Parameters"]) for name, part in action["actionTypeId"].items()}
        wanted = {name: declared[name] for name in ("category", "provider", "version")} | {"owner": "Custom"}
        report.equal(f"{where}: action type", identity, wanted)
        report.equal(f"{where}: namespace", action.get("namespace"), "Published")
    shape = [
        (stage["name"], [action["name"] for action in stage["actions"]]) for stage in pipeline["pipeline"]["stages"]
    ]
    report.equal("pipeline.json: stages", [name for name, _ in shape], [stage["name"] for stage in stages])
    report.equal(
        "node_example: name and version",
        (node["package"]["name"], node["package"]["version"]),
        ("node_example", "1.0.3"),
    )
    report.equal("buildspec.yml: artifacts", node["buildspec"]["artifacts"]["files"], ["**/*"])
    parts = [part for part in node["lock"]["packages"].values() if "resolved" in part]
    report.expect(not parts, "package-lock.json: names the registry (npm install --omit-lockfile-registry-resolved)")


def check(root):
    """All checks over the files under root; the problems found."""

    def load(path):
        return yaml.load((root / path).read_text(encoding="utf-8"), Loader)

    def read(path):
        return json.loads((root / path).read_text(encoding="utf-8"))

    report = Report()
    try:
        template, example = load("template.yaml"), load("examples/pipeline/template.yaml")
        action, pipeline = read("examples/custom-action.json"), read("examples/pipeline/pipeline.json")
        events = {path.stem: read(path.relative_to(root)) for path in sorted((root / "events").glob("*.json"))}
        nested = load("examples/nested/template.yaml")
        manifest = (root / "Cargo.toml").read_text(encoding="utf-8")
        readme = (root / "README.md").read_text(encoding="utf-8")
        project = "examples/pipeline/node_example"
        node = {"package": read(f"{project}/package.json"), "lock": read(f"{project}/package-lock.json")}
        node["buildspec"] = load(f"{project}/buildspec.yml")
        source = (root / "src/metric.rs").read_text(encoding="utf-8")
    except (OSError, ValueError, yaml.YAMLError) as error:
        return [f"cannot be read: {error}"]
    try:
        check_action_type(report, "template.yaml", declared_type(template))
        check_action_type(report, "custom-action.json", action)
        check_agreement(report, template, action)
        check_readme(report, readme)
        check_nested(report, template, nested, manifest)
        check_role(report, template)
        check_alarms(report, template)
        check_watching(report, template, source)
        check_function(report, template)
        check_events(report, template, events)
        check_pipelines(report, template, example, pipeline, node)
    except (KeyError, TypeError, AttributeError) as error:
        report.problems.append(f"something that the checks rely on is missing or has another shape: {error!r}")
    return report.problems


if __name__ == "__main__":
    sys.exit(told(check, "check_templates", "all agree"))
