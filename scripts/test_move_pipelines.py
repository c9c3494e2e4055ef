"""move_pipelines.py, over stand-ins of the two clients that it uses; check_deploy.py runs it over moto's services."""

import contextlib
import copy
import io
import json
import tempfile
import unittest
from pathlib import Path

from check_templates import PROPERTIES
from move_pipelines import main

PASSWORD = "correct horse battery staple"
OLD = {
    "name": "Publish",
    "actionTypeId": {"category": "Deploy", "owner": "Custom", "provider": "Artifactory", "version": "1"},
    "runOrder": 1,
    "inputArtifacts": [{"name": "BuildOutput"}],
    "configuration": {
        "TypeOfArtifact": "npm",
        "RepoKey": "npm-local",
        "UserName": "ci",
        "Password": PASSWORD,
        "EmailAddress": "ci@example.com",
        "ArtifactoryHost": "https://acme.jfrog.io",
    },
}
SOURCE = {
    "name": "Source",
    "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"},
    "configuration": {"S3Bucket": "b", "S3ObjectKey": "k"},
}
MOVED = {
    "TypeOfArtifact": "npm",
    "RepoKey": "npm-local",
    "ArtifactoryHost": "https://acme.jfrog.io",
    "EmailAddress": "ci@example.com",
    "SecretId": "codepipeline-artifactory/publish",
}


def pipeline(*actions):
    stages = [{"name": "Source", "actions": [SOURCE]}, {"name": "Publish", "actions": list(actions)}]
    return {
        "pipeline": {"name": "web", "roleArn": "arn:aws:iam::1:role/p", "version": 3, "stages": stages},
        "metadata": {},
    }


class NotFound(Exception):
    pass


class Secrets:
    """Secrets as far as they are used: created, given a value, tagged, described."""

    class exceptions:
        ResourceNotFoundException = NotFound

    def __init__(self, there=None):
        self.there = there or {}

    def describe_secret(self, SecretId):
        if SecretId not in self.there:
            raise NotFound(SecretId)
        return {"Name": SecretId, "Tags": self.there[SecretId]["Tags"]}

    def create_secret(self, Name, Description, SecretString, Tags):
        self.there[Name] = {"SecretString": SecretString, "Tags": Tags}

    def get_secret_value(self, SecretId):
        return {"SecretString": self.there[SecretId]["SecretString"]}

    def put_secret_value(self, SecretId, SecretString):
        self.there[SecretId]["SecretString"] = SecretString

    def tag_resource(self, SecretId, Tags):
        self.there[SecretId]["Tags"] = Tags


class Pipelines:
    def __init__(self, document):
        self.document = document
        self.updated = []

    def get_pipeline(self, name):
        return copy.deepcopy(self.document)

    def update_pipeline(self, pipeline):
        self.updated.append(pipeline)


class Moves(unittest.TestCase):
    def run_it(self, document, *arguments, secrets=None):
        self.secrets, self.pipelines, self.told = secrets or Secrets(), Pipelines(document), []
        clients = {"secretsmanager": self.secrets, "codepipeline": self.pipelines}
        status = main(["web", *arguments], clients.__getitem__, self.told.append)
        self.assertNotIn(PASSWORD, "\n".join(self.told), "a password is never printed")
        return status

    def masked(self, **changes):
        action = copy.deepcopy(OLD)
        action["configuration"]["Password"] = "****"
        action["configuration"].update(changes)
        return action

    def test_by_default_nothing_is_changed_and_everything_is_told(self):
        self.assertEqual(self.run_it(pipeline(OLD)), 0)
        self.assertEqual((self.secrets.there, self.pipelines.updated), ({}, []))
        told = "\n".join(self.told)
        for line in ('-            "Password": "****"', '+            "SecretId": ', "Nothing was changed"):
            self.assertIn(line, told)

    def test_the_password_goes_into_the_secret_and_the_action_names_it(self):
        self.assertEqual(self.run_it(pipeline(OLD), "--apply"), 0)
        secret = self.secrets.there["codepipeline-artifactory/publish"]
        wanted = {"username": "ci", "password": PASSWORD, "url": "https://acme.jfrog.io"}
        self.assertEqual(json.loads(secret["SecretString"]), wanted)
        self.assertEqual([tag["Key"] for tag in secret["Tags"]], ["codepipeline-artifactory"])
        (updated,) = self.pipelines.updated
        action = updated["stages"][1]["actions"][0]
        self.assertEqual(action["configuration"], MOVED)
        self.assertEqual(action["actionTypeId"]["version"], "2")
        self.assertEqual(action["inputArtifacts"], OLD["inputArtifacts"])
        self.assertEqual(updated["stages"][0]["actions"], [SOURCE], "other actions stay as they are")
        self.assertNotIn(PASSWORD, json.dumps(updated))
        self.assertLessEqual(set(action["configuration"]), set(PROPERTIES), "the publisher knows each property")

    def test_a_second_run_finds_nothing_to_do(self):
        self.run_it(pipeline(OLD), "--apply")
        again = {"pipeline": self.pipelines.updated[0]}
        self.assertEqual(self.run_it(again, "--apply"), 0)
        self.assertEqual(self.pipelines.updated, [])
        self.assertIn("nothing to do", "\n".join(self.told))

    def test_asterisks_are_no_password(self):
        self.assertEqual(self.run_it(pipeline(self.masked()), "--apply"), 1)
        self.assertEqual((self.secrets.there, self.pipelines.updated), ({}, []))
        self.assertIn("CodePipeline does not show the password", "\n".join(self.told))

    def test_with_asterisks_the_password_comes_from_a_file_or_the_secret_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "password"
            file.write_text(PASSWORD + "\n")
            self.assertEqual(self.run_it(pipeline(self.masked()), "--apply", "--password-file", str(file)), 0)
        self.assertEqual(
            json.loads(self.secrets.there["codepipeline-artifactory/publish"]["SecretString"])["password"], PASSWORD
        )
        there = self.secrets
        self.assertEqual(self.run_it(pipeline(self.masked()), "--apply", secrets=there), 0)
        self.assertEqual(len(self.pipelines.updated), 1)
        untagged = Secrets({"codepipeline-artifactory/publish": {"SecretString": "{}", "Tags": []}})
        self.assertEqual(self.run_it(pipeline(self.masked()), "--apply", secrets=untagged), 1)
        self.assertEqual(self.pipelines.updated, [])

    def test_what_cannot_be_taken_over_is_said_and_nothing_is_done(self):
        other = copy.deepcopy(OLD)
        other["configuration"]["UserName"] = "other"
        odd = copy.deepcopy(OLD)
        odd["configuration"]["Unknown"] = "x"
        plain = copy.deepcopy(OLD)
        plain["configuration"]["ArtifactoryHost"] = "http://artifactory.internal:8081"
        for actions, said in (
            ([OLD, other], "different values of UserName"),
            ([odd], "Unknown"),
            ([plain], "use https://"),
        ):
            with self.subTest(said):
                self.assertEqual(self.run_it(pipeline(*actions), "--apply"), 1)
                self.assertEqual((self.secrets.there, self.pipelines.updated), ({}, []))
                self.assertIn(said, "\n".join(self.told))

    def test_a_secret_that_holds_something_is_only_overwritten_where_that_is_the_placeholder(self):
        tags = [{"Key": "codepipeline-artifactory", "Value": "credential"}]
        name = "codepipeline-artifactory/publish"
        for user, status in (("replace-me", 0), ("team-b", 1)):
            held = json.dumps({"username": user, "password": "generated"})
            secrets = Secrets({name: {"SecretString": held, "Tags": tags}})
            self.assertEqual(self.run_it(pipeline(OLD), "--apply", secrets=secrets), status)
            self.assertEqual(len(self.pipelines.updated), 1 - status)
            self.assertEqual(secrets.there[name]["SecretString"] == held, status == 1)

    def test_a_second_pipeline_with_the_same_credential_uses_the_same_secret(self):
        self.run_it(pipeline(OLD), "--apply")
        self.assertEqual(self.run_it(pipeline(OLD), "--apply", secrets=self.secrets), 0)
        self.assertEqual(len(self.pipelines.updated), 1)

    def test_one_type_for_both_workers_is_refused(self):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            self.run_it(pipeline(OLD), "--to-version", "1")

    def test_a_file_is_rewritten_without_the_password(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pipeline.json"
            file.write_text(json.dumps(pipeline(OLD)))
            secrets = Secrets()
            self.assertEqual(
                main(["--file", str(file), "--apply"], {"secretsmanager": secrets}.__getitem__, lambda _: None), 0
            )
            self.assertNotIn(PASSWORD, file.read_text())
            self.assertIn("codepipeline-artifactory/publish", secrets.there)


if __name__ == "__main__":
    unittest.main()
