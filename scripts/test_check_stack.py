"""Breaks one thing at a time in a copy of the template and expects check_stack.py to notice it."""

import shutil
import tempfile
import unittest
from pathlib import Path

from check_stack import ROOT, check

TEMPLATE = "template.yaml"

# What is broken: a text that occurs in the template exactly once, what it becomes, and what the report must say.
BREAKS = {
    "another runtime": ("Runtime: provided.al2023", "Runtime: provided.al2", "only ArtifactoryUrl: the function"),
    "less time by default": ("    Default: 900\n", "    Default: 60\n", "only ArtifactoryUrl: the function"),
    "a reservation by default": (
        "!If [HasReservedConcurrency, !Ref ReservedConcurrency, !Ref AWS::NoValue]",
        "1",
        "only ArtifactoryUrl: the function",
    ),
    "the previous version is not polled": (
        '            - !Sub "${ActionVersion},${PreviousActionVersion}"\n',
        "            - !Ref ActionVersion\n",
        "every parameter: environment",
    ),
    "no right to poll the previous version": (
        "                      ${ActionProvider}/${PreviousActionVersion}\"\n",
        "                      ${ActionProvider}/${ActionVersion}\"\n",
        "versions 2,1: rights to poll",
    ),
    "only the newest version wakes the function": (
        "                  provider: [!Ref ActionProvider]\n",
        "                  provider: [!Ref ActionProvider]\n                  version: [!Ref ActionVersion]\n",
        "versions 2,1: an event of 1",
    ),
    "http by default": (
        '  AllowHttp:\n    Type: String\n    Default: "false"\n',
        '  AllowHttp:\n    Type: String\n    Default: "true"\n',
        "only ArtifactoryUrl: environment",
    ),
    "invoke actions by default": (
        '  AllowInvokeAction:\n    Type: String\n    Default: "false"\n',
        '  AllowInvokeAction:\n    Type: String\n    Default: "true"\n',
        "only ArtifactoryUrl: environment",
    ),
    "the dashboard does not follow its switch": (
        "    Condition: HasDashboard\n",
        "",
        "every parameter: dashboards",
    ),
    "a slow schedule alarms": ("!If [TicksEachMinute, 1, 6]", "1", "every parameter: silence"),
    "no traces": ("!If [IsTraced, Active, PassThrough]", "PassThrough", "every parameter: the function"),
    "the given secret is not used": (
        "DEFAULT_SECRET_ID: !If [MakeSecret, !Ref Credential, !Ref DefaultSecretId]",
        "DEFAULT_SECRET_ID: !If [MakeSecret, !Ref Credential, !Ref AWS::NoValue]",
        "an existing secret: environment",
    ),
    "a schedule of its own": ("Schedule: !Ref Schedule", "Schedule: rate(1 minute)", "every parameter: schedules"),
    "the rule hears other actions": (
        "                  category: [Deploy]\n",
        "",
        "wakes the function",
    ),
    "the rule hears every state": ("                state: [STARTED]\n", "", "'state': 'SUCCEEDED'"),
    "the rule hears other providers": ("provider: [!Ref ActionProvider]", "provider: [Artifactory]", "every parameter"),
    "invocations are tried again": ("MaximumRetryAttempts: 0", "MaximumRetryAttempts: 1", "how it is invoked"),
    "any rule may send to the queue": (
        "[!GetAtt PublisherActionStarted.Arn, !GetAtt PublisherSweep.Arn]",
        '["arn:aws:events:*:*:rule/*"]',
        "the queue's policy",
    ),
    "anybody may take the role": (
        "Principal: { Service: lambda.amazonaws.com }",
        'Principal: { AWS: "*" }',
        "who may take the role",
    ),
    "the journal speaks without TLS": (
        'Resource: [!GetAtt Journal.Arn, !Sub "${Journal.Arn}/*"]',
        "Resource: [!GetAtt Journal.Arn]",
        "the journal's policy",
    ),
    "claims are kept for a week": ("ExpirationInDays: 30", "ExpirationInDays: 7", "the journal"),
    "the journal outlives the stack": (
        "    Type: AWS::S3::Bucket\n",
        "    Type: AWS::S3::Bucket\n    DeletionPolicy: Retain\n",
        "what outlives the stack",
    ),
    "the secret's key is not used": (
        "      KmsKeyId: !If [HasSecretKey, !Ref SecretKmsKeyArn, !Ref AWS::NoValue]\n",
        "",
        "the secret's key",
    ),
    "a credential in the template": ('\'{"username": "replace-me"}\'', '\'{"username": "ci"}\'', "the placeholder"),
    "messages are forgotten": ("MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 60", "the queue"),
    "the log is kept for ever": ("      RetentionInDays: !Ref LogRetentionDays\n", "", "the log"),
    "the old type goes with the update": ("    UpdateReplacePolicy: Retain\n", "", "another shape"),
    "a second function": (
        "\n  PublisherLogs:\n",
        "\n  Second:\n    Type: AWS::SNS::Topic\n  PublisherLogs:\n",
        "the resources",
    ),
    "a resource that is not made is named": (
        "Value: !If [MakeSecret, !Ref Credential, !Ref DefaultSecretId]",
        "Value: !Ref Credential",
        "named although it is not made",
    ),
    "a parameter loses its default": ("    Default: rate(1 minute)\n", "", "without a value"),
}


class Breaks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        shutil.copy(ROOT / TEMPLATE, self.root)
        shutil.copytree(ROOT / "events", self.root / "events")

    def test_what_is_committed_is_as_it_should_be(self):
        self.assertEqual(check(self.root), [])

    def test_each_break_is_noticed(self):
        file = self.root / TEMPLATE
        whole = file.read_text(encoding="utf-8")
        for what, (old, new, expected) in BREAKS.items():
            with self.subTest(what):
                self.assertEqual(whole.count(old), 1, f"{old!r} must occur once")
                file.write_text(whole.replace(old, new), encoding="utf-8")
                problems = check(self.root)
                self.assertTrue(any(expected in problem for problem in problems), f"{expected!r} not in {problems}")


if __name__ == "__main__":
    unittest.main()
