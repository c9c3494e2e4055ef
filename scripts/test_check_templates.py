"""Breaks one thing at a time in a copy of the templates and expects check_templates.py to notice it."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

from check_templates import check

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "template.yaml"
ACTION = "examples/custom-action.json"
PIPELINE = "examples/pipeline/pipeline.json"
EXAMPLE = "examples/pipeline/template.yaml"
NODE = "examples/pipeline/node_example"
METRICS = "src/metric.rs"

# What is broken: the file, a text that occurs in it exactly once, what it becomes, and what the report must say.
BREAKS = {
    "a description drifts apart": (
        ACTION,
        "such as npm, generic",
        "such as generic",
        "custom-action.json: TypeOfArtifact",
    ),
    "a description is too long": (TEMPLATE, "Never a password.", "Never a password. " + "x" * 160, "160 are allowed"),
    "a property becomes secret": (
        TEMPLATE,
        "Never a password.\n"
        "          Type: String\n          Required: false\n          Key: false\n          Secret: false",
        "Never a password.\n"
        "          Type: String\n          Required: false\n          Key: false\n          Secret: true",
        "UserName secret",
    ),
    "an eleventh property": (
        TEMPLATE,
        "        - Name: Options\n",
        "        - {Name: More, Description: x, Type: String, Required: false, Key: false,"
        " Secret: false, Queryable: false}\n"
        "        - Name: Options\n",
        "11 configuration properties",
    ),
    "a property is renamed": (TEMPLATE, "- Name: TargetPath", "- Name: Path", "the properties in their order"),
    "a link names an optional property": (
        TEMPLATE,
        "{Config:ArtifactoryHost}/ui/",
        "{Config:ArtifactoryHost}/ui/{Config:TargetPath}/",
        "entityUrlTemplate names {Config:TargetPath}",
    ),
    "the wrong link names the run": (
        ACTION,
        "{Config:ArtifactoryHost}/ui/",
        "{Config:ArtifactoryHost}/ui/{ExternalExecutionId}/",
        "entityUrlTemplate names {ExternalExecutionId}",
    ),
    "the links drift apart": (ACTION, "-2592000000", "-86400000", "custom-action.json: settings"),
    "the application keeps an old version": (
        "Cargo.toml",
        'version = "0.1.0"\nedition',
        'version = "0.2.0"\nedition',
        "the application's version",
    ),
    "the nested stack is given what it does not know": (
        "examples/nested/template.yaml",
        "        DefaultSecretId:",
        "        SecretId:",
        "unknown parameters",
    ),
    "the nested stack is asked for what it does not give": (
        "examples/nested/template.yaml",
        "Publisher.Outputs.ActionTypeId",
        "Publisher.Outputs.TypeId",
        "which the stack does not give",
    ),
    "the README asks for more": (
        "README.md",
        "| `SecretId` | no |",
        "| `SecretId` | yes |",
        "README.md: the properties",
    ),
    "the command line's type gains a member": (ACTION, '"version": "1",', '"version": "1", "tags": [],', "its members"),
    "the role may do more": (
        TEMPLATE,
        "Action: [s3:GetObject, s3:PutObject, s3:DeleteObject]",
        "Action: [s3:GetObject, s3:PutObject, s3:DeleteObject, s3:DeleteObjectVersion]",
        "grants s3:DeleteObjectVersion",
    ),
    "the role may do anything": (TEMPLATE, "Action: s3:ListBucket", 'Action: "s3:*"', "grants s3:*"),
    "the role may do less": (
        TEMPLATE,
        "                  - codepipeline:GetJobDetails\n",
        "",
        "does not grant codepipeline:GetJobDetails",
    ),
    "the role reaches artifact buckets": (
        TEMPLATE,
        "Resource: !Sub ${Journal.Arn}/quarantine/*",
        'Resource: "arn:aws:s3:::*/*"',
        "resources of s3:GetObject",
    ),
    "the role polls any type": (
        TEMPLATE,
        "Action: codepipeline:PollForJobs\n                Resource:\n",
        'Action: codepipeline:PollForJobs\n                Resource:\n                  - "*"\n',
        "resources of codepipeline:PollForJobs",
    ),
    "the role reads any secret": (
        TEMPLATE,
        '                Condition:\n                  "Null":'
        ' { "aws:ResourceTag/codepipeline-artifactory": "false" }\n',
        "",
        "condition of secretsmanager:GetSecretValue",
    ),
    "the role reads secrets by another tag": (
        TEMPLATE,
        "aws:ResourceTag/codepipeline-artifactory",
        "aws:ResourceTag/artifactory",
        "condition of secretsmanager:GetSecretValue",
    ),
    "the key opens everything": (
        TEMPLATE,
        '{ "kms:ViaService": !Sub "secretsmanager.${AWS::Region}.${AWS::URLSuffix}" }',
        '{ "kms:ViaService": "s3.eu-west-1.amazonaws.com" }',
        "condition of kms:Decrypt",
    ),
    "network rights without a VPC": (
        TEMPLATE,
        "              - !If\n                - InVpc\n                - Sid: JoinVpc",
        "              - !If\n                - HasSecretKey\n                - Sid: JoinVpc",
        "JoinVpc: granted only if",
    ),
    "the code may use the network rights": (
        TEMPLATE,
        "Effect: Deny\n                  Action:",
        "Effect: Allow\n                  Action:",
        "KeepVpcFromCode",
    ),
    "a managed policy": (
        TEMPLATE,
        "      Policies:\n        - PolicyName: publisher",
        "      ManagedPolicyArns: [arn:aws:iam::aws:policy/AmazonS3FullAccess]\n"
        "      Policies:\n        - PolicyName: publisher",
        "managed policies",
    ),
    "an alarm of a metric that nobody counts": (METRICS, '"OldestClaim"', '"Oldest"', "OldestClaim is watched"),
    "a graph of a metric that nobody counts": (METRICS, '"BytesSent"', '"Bytes"', "BytesSent is watched"),
    "a graph of what is not kept so": (
        TEMPLATE,
        "{codepipeline-artifactory,function,failure}",
        "{codepipeline-artifactory,failure}",
        "Failures is watched by ['failure']",
    ),
    "a metric that nobody sees": (TEMPLATE, '[".", "Quarantined",', '[".", "OldestClaim",', "metrics on the dashboard"),
    "an alarm of nothing": (TEMPLATE, "MetricName: Errors", "MetricName: Error", "the metrics with an alarm"),
    "an alarm of another function": (
        TEMPLATE,
        "MetricName: Throttles\n      Dimensions: [{ Name: FunctionName, Value: !Ref Publisher }]",
        "MetricName: Throttles\n      Dimensions: [{ Name: FunctionName, Value: other }]",
        "Throttled: dimensions",
    ),
    "an alarm that tells nobody": (
        TEMPLATE,
        "      TreatMissingData: breaching\n"
        "      AlarmActions: !If [HasAlarmTopic, [!Ref AlarmTopicArn], !Ref AWS::NoValue]\n",
        "      TreatMissingData: breaching\n",
        "Silent: alarm actions",
    ),
    "silence that alarms nobody": (
        TEMPLATE,
        "TreatMissingData: breaching",
        "TreatMissingData: missing",
        "Silent: missing data",
    ),
    "a variable is forgotten": (
        TEMPLATE,
        "          JOBS_IN_FLIGHT: !Ref JobsInFlight\n",
        "",
        "Publisher: environment",
    ),
    "a parameter loses its default": (TEMPLATE, "    Default: rate(1 minute)\n", "", "without a default"),
    "failed invocations vanish": (
        TEMPLATE,
        "Destination: !GetAtt Undelivered.Arn",
        "Destination: arn:aws:sqs:x",
        "failed invocations go",
    ),
    "retries pile up": (TEMPLATE, "MaximumRetryAttempts: 0", "MaximumRetryAttempts: 2", "more than one retry"),
    "the queue is not encrypted": (
        TEMPLATE,
        "SqsManagedSseEnabled: true",
        "SqsManagedSseEnabled: false",
        "Undelivered: encryption",
    ),
    "the journal is opened": (
        TEMPLATE,
        "BlockPublicPolicy: true",
        "BlockPublicPolicy: false",
        "Journal: public access",
    ),
    "claims expire within a job": (TEMPLATE, "ExpirationInDays: 30", "ExpirationInDays: 1", "within the life of a job"),
    "the secret loses its tag": (
        TEMPLATE,
        "Key: codepipeline-artifactory, Value",
        "Key: artifactory, Value",
        "Credential: lacks the tag",
    ),
    "the rule asks for a version": (
        TEMPLATE,
        "category: [Deploy]\n",
        "category: [Deploy]\n                  version: [1]\n",
        "names a version",
    ),
    "the rule listens to stages": (
        TEMPLATE,
        "CodePipeline Action Execution State Change]",
        "CodePipeline Stage Execution State Change]",
        "action-started.json: matched by the rule",
    ),
    "an event is not JSON": ("events/schedule.json", '"detail": {}', '"detail": {', "cannot be read"),
    "an event has the documentation's types": (
        "events/action-started.json",
        '"version": 1.0',
        '"version": 1',
        "is not a float",
    ),
    "an event's type has a number": ("events/action-started.json", '"version": "1"', '"version": 1', "is not a string"),
    "the example asks for an unknown property": (PIPELINE, '"RepoKey"', '"Repo"', "unknown properties ['Repo']"),
    "the example lacks a required property": (
        EXAMPLE,
        "                RepoKey: !Ref RepoKey\n",
        "",
        "lacks ['RepoKey']",
    ),
    "the example uses another type": (
        PIPELINE,
        '"provider": "Artifactory"',
        '"provider": "JFrog"',
        "pipeline.json: action type",
    ),
    "the example's variables have no namespace": (EXAMPLE, "              Namespace: Published\n", "", "namespace"),
    "the build hands over less": (f"{NODE}/buildspec.yml", "'**/*'", "'package.json'", "buildspec.yml: artifacts"),
    "the project changes its version": (
        f"{NODE}/package.json",
        '"version": "1.0.3"',
        '"version": "1.0.4"',
        "name and version",
    ),
    "the lock file names a registry": (
        f"{NODE}/package-lock.json",
        '"integrity"',
        '"resolved": "https://example.com/ms.tgz", "integrity"',
        "names the registry",
    ),
    "a resource is gone": (
        TEMPLATE,
        "\n  Journal:\n",
        "\n  Other:\n",
        "'Journal'",
    ),
}


class Breaks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        shutil.copy(ROOT / TEMPLATE, self.root)
        (self.root / "src").mkdir()
        for name in (METRICS, "README.md", "Cargo.toml"):
            shutil.copy(ROOT / name, self.root / name)
        for name in ("events", "examples"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("node_modules"))

    def test_what_is_committed_agrees(self):
        self.assertEqual(check(self.root), [])

    def test_each_break_is_noticed(self):
        for what, (path, old, new, expected) in BREAKS.items():
            with self.subTest(what):
                file = self.root / path
                whole = file.read_text(encoding="utf-8")
                self.assertEqual(whole.count(old), 1, f"{old!r} must occur once in {path}")
                file.write_text(whole.replace(old, new), encoding="utf-8")
                problems = check(self.root)
                file.write_text(whole, encoding="utf-8")
                self.assertTrue(any(expected in problem for problem in problems), f"{expected!r} not in {problems}")

    def test_a_missing_event_is_noticed(self):
        (self.root / "events/manual.json").unlink()
        self.assertTrue(any("the sample events" in problem for problem in check(self.root)))

    def test_every_property_of_the_command_line_is_compared(self):
        file = self.root / ACTION
        whole = json.loads(file.read_text(encoding="utf-8"))
        for position, property_ in enumerate(whole["configurationProperties"]):
            for member in property_:
                with self.subTest(f"{property_['name']}.{member}"):
                    broken = json.loads(json.dumps(whole))
                    value = property_[member]
                    broken["configurationProperties"][position][member] = (
                        not value if isinstance(value, bool) else value + "."
                    )
                    file.write_text(json.dumps(broken), encoding="utf-8")
                    wanted = f"custom-action.json: {property_['name']}"
                    self.assertTrue(any(problem.startswith(wanted) for problem in check(self.root)))


if __name__ == "__main__":
    unittest.main()
