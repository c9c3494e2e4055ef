"""Asserts the stack that template.yaml makes, resource by resource, after the transform and with parameters applied:
once with nothing but ArtifactoryUrl, once with every parameter, once with each that leaves something out.

    python scripts/check_stack.py [root]

What the role may do is asserted where it is used (tests/stack/role.rs); that the parts agree with the examples and
with each other, in check_templates.py.
"""

import copy
import json
import sys
from pathlib import Path

from report import Report, matches, told
from stack import Stack, read

ROOT = Path(__file__).resolve().parent.parent
URL = "https://acme.jfrog.io"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/11111111-abcd-1111-abcd-111111abcdef"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:alarms"
ONLY_URL = {"ArtifactoryUrl": URL}
EVERYTHING = ONLY_URL | {
    "SecretKmsKeyArn": KEY,
    "AllowHttp": "true",
    "AllowInvokeAction": "true",
    "CaCertificates": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca-AbCdEf",
    "ActionProvider": "Second",
    "ActionVersion": "3",
    "PreviousActionVersion": "2",
    "Architecture": "arm64",
    "MemorySize": 1024,
    "Timeout": 300,
    "EphemeralStorage": 2048,
    "JobsInFlight": 8,
    "ReservedConcurrency": "2",
    "Schedule": "rate(5 minutes)",
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
    "HttpsProxy": "http://proxy.example.com:3128",
    "NoProxy": "169.254.169.254,.internal",
    "LogLevel": "DEBUG",
    "LogRetentionDays": 90,
    "AlarmTopicArn": TOPIC,
    "FailedJobsAlarm": 20,
    "Dashboard": "false",
    "Tracing": "true",
}
ENVIRONMENT = {
    "ACTION_CATEGORY": "Deploy",
    "ACTION_PROVIDER": "Artifactory",
    "ACTION_VERSION": "1",
    "JOURNAL_BUCKET": "<Journal>",
    "DEFAULT_SECRET_ID": "<Credential>",
    "ARTIFACTORY_URL": URL,
    "ALLOW_HTTP": "false",
    "ALLOW_INVOKE_ACTION": "false",
    "JOBS_IN_FLIGHT": 4,
    "AWS_LAMBDA_LOG_LEVEL": "INFO",
}
# Everything but what only watches (AWS::CloudWatch), which check_templates.py looks at.
RESOURCES = {
    "Publisher": "AWS::Lambda::Function",
    "PublisherEventInvokeConfig": "AWS::Lambda::EventInvokeConfig",
    "PublisherActionStarted": "AWS::Events::Rule",
    "PublisherActionStartedPermission": "AWS::Lambda::Permission",
    "PublisherSweep": "AWS::Events::Rule",
    "PublisherSweepPermission": "AWS::Lambda::Permission",
    "PublisherLogs": "AWS::Logs::LogGroup",
    "PublisherRole": "AWS::IAM::Role",
    "Journal": "AWS::S3::Bucket",
    "JournalPolicy": "AWS::S3::BucketPolicy",
    "Credential": "AWS::SecretsManager::Secret",
    "Undelivered": "AWS::SQS::Queue",
    "UndeliveredPolicy": "AWS::SQS::QueuePolicy",
    "ActionType": "AWS::CodePipeline::CustomActionType",
}
TLS_ONLY = {"Bool": {"aws:SecureTransport": "false"}}


def check_resources(report, where, stack, wanted):
    made = {name: it["Type"] for name, it in stack.resources.items() if not it["Type"].startswith("AWS::CloudWatch::")}
    report.equal(f"{where}: the resources", dict(sorted(made.items())), dict(sorted(wanted.items())))


def check_function(report, where, stack, wanted, environment):
    function = dict(stack.resources["Publisher"]["Properties"])
    report.equal(f"{where}: environment", function.pop("Environment")["Variables"], environment)
    # What the founder of a stack sees, and what the transform adds.
    for name in ("Description", "Tags", "Code"):
        function.pop(name)
    report.equal(f"{where}: the function", function, wanted)
    invoke = dict(stack.resources["PublisherEventInvokeConfig"]["Properties"])
    report.equal(
        f"{where}: how it is invoked",
        invoke,
        {
            "FunctionName": "<Publisher>",
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": 1200,
            "DestinationConfig": {"OnFailure": {"Destination": "<Undelivered.Arn>"}},
        },
    )


def check_wakers(report, where, stack, schedule):
    """Two rules wake the function, each is allowed to, nobody else is, and what cannot be delivered is kept."""
    target = {
        "Arn": "<Publisher.Arn>",
        "DeadLetterConfig": {"Arn": "<Undelivered.Arn>"},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 300, "MaximumRetryAttempts": 5},
    }
    rules = stack.of_type("AWS::Events::Rule")
    for name, rule in rules.items():
        targets = [{key: value for key, value in it.items() if key != "Id"} for it in rule["Targets"]]
        report.equal(f"{where}: targets of {name}", targets, [target])
        report.equal(f"{where}: state of {name}", rule.get("State", "ENABLED"), "ENABLED")
    times = {name: rule.get("ScheduleExpression") for name, rule in rules.items()}
    report.equal(f"{where}: schedules", times, {"PublisherActionStarted": None, "PublisherSweep": schedule})
    permissions = sorted(stack.of_type("AWS::Lambda::Permission").values(), key=str)
    wanted = [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "<Publisher>",
            "Principal": "events.amazonaws.com",
            "SourceArn": f"<{name}.Arn>",
        }
        for name in rules
    ]
    report.equal(f"{where}: who may invoke the function", permissions, sorted(wanted, key=str))
    queue = stack.resources["UndeliveredPolicy"]["Properties"]
    report.equal(f"{where}: queues with a policy", queue["Queues"], ["<Undelivered>"])
    statements = [
        {key: value for key, value in it.items() if key != "Sid"} for it in queue["PolicyDocument"]["Statement"]
    ]
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "<Undelivered.Arn>",
        "Condition": {"ArnEquals": {"aws:SourceArn": ["<PublisherActionStarted.Arn>", "<PublisherSweep.Arn>"]}},
    }
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": "<Undelivered.Arn>",
        "Condition": TLS_ONLY,
    }
    report.equal(f"{where}: the queue's policy", statements, [send, deny])


def check_pattern(report, where, stack, provider, events):
    """The rule matches the start of our actions and nothing else, shown on the sample events and on changes of them."""
    pattern = stack.resources["PublisherActionStarted"]["Properties"]["EventPattern"]
    for name, event in events.items():
        ours = provider == "Artifactory" and name == "action-started"
        report.equal(f"{where}: {name}.json wakes the function", matches(pattern, event), ours)
    started = copy.deepcopy(events["action-started"])
    started["detail"]["type"]["provider"] = provider
    for change, wakes in (
        ({}, True),
        ({"type.version": "7"}, True),
        ({"type.version": 1}, True),
        ({"type.provider": "S3"}, False),
        ({"type.owner": "AWS"}, False),
        ({"type.category": "Build"}, False),
        ({"state": "SUCCEEDED"}, False),
        ({"state": "FAILED"}, False),
        ({"type": None}, False),
    ):
        event = copy.deepcopy(started)
        for path, value in change.items():
            *parents, last = path.split(".")
            within = event["detail"]
            for parent in parents:
                within = within[parent]
            within[last] = value
        report.equal(f"{where}: an event with {change} wakes the function", matches(pattern, event), wakes)
    foreign = started | {"source": "custom.application"}
    report.equal(f"{where}: an event of another source wakes the function", matches(pattern, foreign), False)


def check_stores(report, where, stack, days):
    """Bucket, secret, queue and log as they are, and what becomes of them with the stack."""
    journal = stack.resources["Journal"]["Properties"]
    report.equal(
        f"{where}: the journal",
        journal,
        {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "forget-what-is-left",
                        "Status": "Enabled",
                        "ExpirationInDays": 30,
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    }
                ]
            },
        },
    )
    policy = stack.resources["JournalPolicy"]["Properties"]
    report.equal(f"{where}: the bucket with a policy", policy["Bucket"], "<Journal>")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": TLS_ONLY}
    deny["Resource"] = ["<Journal.Arn>", "<Journal.Arn>/*"]
    statements = [
        {key: value for key, value in it.items() if key != "Sid"} for it in policy["PolicyDocument"]["Statement"]
    ]
    report.equal(f"{where}: the journal's policy", statements, [deny])
    log = {"LogGroupName": "/codepipeline-artifactory/publisher", "RetentionInDays": days}
    report.equal(f"{where}: the log", stack.resources["PublisherLogs"]["Properties"], log)
    queue = {"MessageRetentionPeriod": 1209600, "SqsManagedSseEnabled": True}
    report.equal(f"{where}: the queue", stack.resources["Undelivered"]["Properties"], queue)
    kept = sorted(name for name, it in stack.resources.items() if it.get("DeletionPolicy") == "Retain")
    report.equal(f"{where}: what outlives the stack", kept, [])


def check_secret(report, where, stack, key):
    secret = dict(stack.resources["Credential"]["Properties"])
    secret.pop("Description")
    generated = secret.pop("GenerateSecretString")
    report.equal(f"{where}: the secret's key", secret.pop("KmsKeyId", None), key)
    tags = [{"Key": "codepipeline-artifactory", "Value": "credential"}]
    report.equal(f"{where}: the secret", secret, {"Tags": tags})
    report.equal(f"{where}: the placeholder", json.loads(generated["SecretStringTemplate"]), {"username": "replace-me"})
    report.equal(f"{where}: what is generated", generated["GenerateStringKey"], "password")


def check_role(report, where, stack):
    """Who may take the role; what it may do has a test of its own."""
    role = stack.resources["PublisherRole"]["Properties"]
    trust = role["AssumeRolePolicyDocument"]["Statement"]
    wanted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    report.equal(f"{where}: who may take the role", trust, [wanted])
    report.equal(f"{where}: policies beside the role's own", role.get("ManagedPolicyArns", []), [])
    report.equal(f"{where}: roles", list(stack.of_type("AWS::IAM::Role")), ["PublisherRole"])


def check_versions(report, template, events):
    """The way from one version of the action type to the next: of each stack on it, which are polled, may be, and wake it;
    which one it declares, and that the one before stays when it is replaced."""
    arn = "arn:aws:codepipeline:eu-west-1:111122223333:actiontype:Custom/Deploy/Artifactory/"
    for parameters, polled in (
        ({}, ["1"]),
        ({"ActionVersion": "2", "PreviousActionVersion": "1"}, ["2", "1"]),
        ({"ActionVersion": "1", "PreviousActionVersion": "2"}, ["1", "2"]),
        ({"ActionVersion": "2"}, ["2"]),
    ):
        where, stack = f"versions {','.join(polled)}", Stack(template, ONLY_URL | parameters)
        variables = stack.resources["Publisher"]["Properties"]["Environment"]["Variables"]
        report.equal(f"{where}: polled", variables["ACTION_VERSION"], ",".join(polled))
        statements = stack.resources["PublisherRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        may = [it["Resource"] for it in statements if it["Action"] == "codepipeline:PollForJobs"]
        report.equal(f"{where}: rights to poll", may, [[arn + version for version in polled]])
        pattern = stack.resources["PublisherActionStarted"]["Properties"]["EventPattern"]
        for version in polled:
            event = copy.deepcopy(events["action-started"])
            event["detail"]["type"]["version"] = version
            report.equal(f"{where}: an event of {version} wakes the function", matches(pattern, event), True)
        type_ = stack.resources["ActionType"]
        report.equal(f"{where}: declared", type_["Properties"]["Version"], polled[0])
        report.equal(f"{where}: one that was declared", type_.get("UpdateReplacePolicy"), "Retain")


def check_watching(report, where, stack, topic, periods, failures, boards):
    """Whom the alarms tell, after how much silence or how many failures they go off, and whether there is a dashboard."""
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    silent = alarms["Silent"]
    report.equal(f"{where}: silence", [silent["Period"], silent["EvaluationPeriods"]], [300, periods])
    report.equal(f"{where}: failed jobs", alarms["FailedJobs"]["Threshold"], failures)
    found = stack.of_type("AWS::CloudWatch::Dashboard").values()
    report.equal(f"{where}: dashboards", len(found), boards)
    for board in found:
        # What is left of an intrinsic function would be seen by CloudWatch as it is.
        report.equal(f"{where}: the dashboard", "${" in board["DashboardBody"], False)
        json.loads(board["DashboardBody"])
    for name, alarm in alarms.items():
        told = [alarm.get("AlarmActions"), alarm.get("OKActions")]
        report.equal(f"{where}: whom {name} tells", told, [topic, topic])


def check(root):
    """All checks over the files under root; the problems found."""
    report = Report()
    try:
        template = read(root / "template.yaml")
        events = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (root / "events").glob("*.json")}
        check_parameters(report, template, events)
    except (OSError, ValueError) as error:
        report.problems.append(f"no stack can be made: {error}")
    except (KeyError, TypeError, AttributeError) as error:
        report.problems.append(f"something that the checks rely on is missing or has another shape: {error!r}")
    return report.problems


def check_parameters(report, template, events):
    basis = {
        "Handler": "bootstrap",
        "Runtime": "provided.al2023",
        "Role": "<PublisherRole.Arn>",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "<PublisherLogs>"},
    }
    where, stack = "only ArtifactoryUrl", Stack(template, ONLY_URL)
    function = {"Architectures": ["x86_64"], "MemorySize": 512, "Timeout": 900, "EphemeralStorage": {"Size": 512}}
    function["TracingConfig"] = {"Mode": "PassThrough"}
    check_resources(report, where, stack, RESOURCES)
    check_function(report, where, stack, basis | function, ENVIRONMENT)
    check_wakers(report, where, stack, "rate(1 minute)")
    check_pattern(report, where, stack, "Artifactory", events)
    check_stores(report, where, stack, 30)
    check_secret(report, where, stack, None)
    check_role(report, where, stack)
    check_watching(report, where, stack, None, 1, 5, 1)
    report.equal(f"{where}: action type", stack.outputs["ActionTypeId"], "Deploy/Custom/Artifactory/1")

    where, stack = "every parameter", Stack(template, EVERYTHING)
    # These two leave something out, and have stacks of their own below.
    report.equal(
        f"{where}: not given",
        sorted(set(template["Parameters"]) - set(EVERYTHING)),
        ["DeclareActionType", "DefaultSecretId"],
    )
    function = {
        "Architectures": ["arm64"],
        "MemorySize": 1024,
        "Timeout": 300,
        "EphemeralStorage": {"Size": 2048},
        "ReservedConcurrentExecutions": "2",
        "TracingConfig": {"Mode": "Active"},
        "VpcConfig": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    }
    environment = ENVIRONMENT | {
        "ACTION_PROVIDER": "Second",
        "ACTION_VERSION": "3,2",
        "ALLOW_HTTP": "true",
        "ALLOW_INVOKE_ACTION": "true",
        "CA_CERTIFICATES": EVERYTHING["CaCertificates"],
        "JOBS_IN_FLIGHT": 8,
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
        "HTTPS_PROXY": EVERYTHING["HttpsProxy"],
        "NO_PROXY": EVERYTHING["NoProxy"],
    }
    check_resources(report, where, stack, RESOURCES)
    check_function(report, where, stack, basis | function, environment)
    check_wakers(report, where, stack, "rate(5 minutes)")
    check_pattern(report, where, stack, "Second", events)
    check_stores(report, where, stack, 90)
    check_secret(report, where, stack, KEY)
    check_role(report, where, stack)
    check_watching(report, where, stack, [TOPIC], 6, 20, 0)
    type_ = stack.resources["ActionType"]["Properties"]
    report.equal(
        f"{where}: the type", [type_[name] for name in ("Category", "Provider", "Version")], ["Deploy", "Second", "3"]
    )
    report.equal(f"{where}: an old type", stack.resources["ActionType"]["UpdateReplacePolicy"], "Retain")

    def without(name):
        return {other: type_ for other, type_ in RESOURCES.items() if other != name}

    where, stack = "an existing secret", Stack(template, ONLY_URL | {"DefaultSecretId": "team/artifactory"})
    check_resources(report, where, stack, without("Credential"))
    variables = stack.resources["Publisher"]["Properties"]["Environment"]["Variables"]
    report.equal(f"{where}: environment", variables, ENVIRONMENT | {"DEFAULT_SECRET_ID": "team/artifactory"})
    report.equal(f"{where}: output", stack.outputs["DefaultSecretId"], "team/artifactory")
    where, stack = "a declared type", Stack(template, ONLY_URL | {"DeclareActionType": "false"})
    check_resources(report, where, stack, without("ActionType"))
    check_versions(report, template, events)


if __name__ == "__main__":
    sys.exit(told(check, "check_stack", "every resource is as it should be"))
