"""Moves pipelines from the EC2 sample's action (a Password among its properties) to this publisher's: the password goes
into Secrets Manager, the action's configuration is rewritten. Says what it would do; does it with --apply.

    python scripts/move_pipelines.py PIPELINE... [--secret-id NAME] [--password-file FILE] [--apply]
    python scripts/move_pipelines.py --file pipeline.json [...]     a pipeline's JSON on disk; rewritten with --apply

Needs boto3 and credentials that may codepipeline:GetPipeline, UpdatePipeline (with iam:PassRole for the pipeline's
role), secretsmanager:CreateSecret, GetSecretValue, PutSecretValue, DescribeSecret and TagResource. The secret comes
first, then the pipeline, so that nothing breaks on the way. A password is never printed.

CodePipeline shows a secret property as asterisks, even to its owner. So a pipeline's own JSON gives the password only
where it lies on disk in clear; else --password-file says where it is (- asks for it), or the secret must exist already.
docs/moving.md has the whole way.
"""

import argparse
import copy
import difflib
import getpass
import json
import re
import sys
from pathlib import Path

TAG = {"Key": "codepipeline-artifactory", "Value": "credential"}
# What the old action has, and what becomes of it: everything else keeps its name and meaning.
GONE = {"Password", "UserName"}
KEPT = ("TypeOfArtifact", "RepoKey", "ArtifactoryHost", "EmailAddress")
# The user in the secret that the stack makes, until somebody fills it in (template.yaml, Credential).
PLACEHOLDER = "replace-me"
MASKED = re.compile(r"^\*+$")


class CannotMove(Exception):
    """Why nothing was done."""


def is_old(action, provider, version):
    """Whether this is the sample's action: its type, with a Password among its properties."""
    identity = action["actionTypeId"]
    same = (identity["owner"], identity["category"], identity["provider"]) == ("Custom", "Deploy", provider)
    return same and identity["version"] == version and "Password" in action.get("configuration", {})


def old_actions(pipeline, provider, version):
    return [it for stage in pipeline["stages"] for it in stage["actions"] if is_old(it, provider, version)]


def moved(action, secret_id, target):
    """The action as this publisher wants it; CannotMove for what it cannot take over."""
    configuration = action["configuration"]
    unknown = sorted(set(configuration) - GONE - set(KEPT))
    if unknown:
        raise CannotMove(f"the action {action['name']} has properties that the sample does not know: {unknown}")
    lacking = [name for name in KEPT[:3] if not configuration.get(name)]
    if lacking:
        raise CannotMove(f"the action {action['name']} lacks {lacking}")
    if not configuration["ArtifactoryHost"].startswith("https://"):
        raise CannotMove(
            f"the action {action['name']} sends its password to {configuration['ArtifactoryHost']}: use https://, or "
            "set the stack's AllowHttp and move it by hand"
        )
    new = copy.deepcopy(action)
    new["actionTypeId"] |= {"provider": target[0], "version": target[1]}
    new["configuration"] = {name: configuration[name] for name in KEPT if configuration.get(name)}
    if secret_id:
        new["configuration"]["SecretId"] = secret_id
    return new


def rewritten(pipeline, secret_id, source, target):
    """The pipeline with every old action moved."""
    new = copy.deepcopy(pipeline)
    for stage in new["stages"]:
        stage["actions"] = [moved(it, secret_id, target) if is_old(it, *source) else it for it in stage["actions"]]
    return new


def credential(actions, given):
    """User, password and address of the old actions, which must agree, as the secret holds them."""

    def one(name):
        values = {it["configuration"].get(name, "") for it in actions}
        if len(values) != 1:
            raise CannotMove(
                f"the actions have different values of {name}: move them one by one, to secrets of their own"
            )
        return values.pop()

    found = {it["configuration"]["Password"] for it in actions if not MASKED.match(it["configuration"]["Password"])}
    if len(found) > 1:
        raise CannotMove("the actions have different passwords: move them one by one, to secrets of their own")
    password = given or (found.pop() if found else None)
    user, url = one("UserName"), one("ArtifactoryHost")
    if not user:
        raise CannotMove("the actions name no UserName")
    return {"username": user, "password": password, "url": url} if password else None


def shown(pipeline):
    """A pipeline as lines that may be printed: a password in clear is no more to be seen than in the console."""
    told = copy.deepcopy(pipeline)
    for stage in told["stages"]:
        for action in stage["actions"]:
            if "Password" in action.get("configuration", {}):
                action["configuration"]["Password"] = "****"
    return json.dumps(told, indent=2).splitlines()


def difference(name, before, after):
    return "\n".join(difflib.unified_diff(shown(before), shown(after), f"{name} now", f"{name} then", lineterm="", n=1))


def keep(secrets, secret_id, value, apply):
    """Puts the credential into the secret, with the tag; what was, or would be, done."""
    try:
        there = secrets.describe_secret(SecretId=secret_id)
    except secrets.exceptions.ResourceNotFoundException:
        there = None
    if value is None:
        if there is None:
            raise CannotMove(
                f"there is no secret {secret_id}, and CodePipeline does not show the password: give --password-file "
                "(- to type it)"
            )
        if TAG["Key"] not in {tag["Key"] for tag in there.get("Tags", [])}:
            raise CannotMove(
                f"the secret {secret_id} lacks the tag {TAG['Key']}, without which the publisher cannot read it"
            )
        return f"the secret {secret_id} is there, with its tag, and stays as it is"
    text = json.dumps(value)
    if there is None:
        if apply:
            description = "Artifactory credential of codepipeline-artifactory"
            secrets.create_secret(Name=secret_id, Description=description, SecretString=text, Tags=[TAG])
        return f"a secret {secret_id} for {value['username']} at {value['url']}, with the tag {TAG['Key']}"
    held = json.loads(secrets.get_secret_value(SecretId=secret_id)["SecretString"])
    if held == value:
        return f"the secret {secret_id} holds this credential already"
    if held.get("username") != PLACEHOLDER:
        raise CannotMove(f"the secret {secret_id} holds another credential: name another one with --secret-id")
    if apply:
        secrets.put_secret_value(SecretId=secret_id, SecretString=text)
        secrets.tag_resource(SecretId=secret_id, Tags=[TAG])
    return f"a new value of the secret {secret_id} for {value['username']} at {value['url']}"


def move(name, document, secrets, update, options, tell):
    """One pipeline: the secret first, so that the pipeline never names one that is not there."""
    pipeline = document["pipeline"]
    source = (options.from_provider, options.from_version)
    actions = old_actions(pipeline, *source)
    if not actions:
        tell(f"{name}: no action Deploy / Custom / {' / '.join(source)} with a Password; nothing to do")
        return
    value = credential(actions, options.password)
    after = rewritten(pipeline, options.secret_id, source, (options.to_provider, options.to_version))
    tell(f"{name}: {'done' if options.apply else 'would be done'}:")
    tell(f"  {keep(secrets, options.secret_id, value, options.apply)}")
    tell(difference(name, pipeline, after))
    if options.apply:
        # metadata is AWS's own; update_pipeline takes the pipeline alone.
        update(after)


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pipelines", nargs="*", metavar="PIPELINE")
    parser.add_argument("--file", type=Path, help="a pipeline's JSON, as get-pipeline prints it")
    parser.add_argument("--secret-id", default="codepipeline-artifactory/publish", help="default: %(default)s")
    parser.add_argument("--password-file", help="where the password is; - asks for it")
    parser.add_argument("--from-provider", default="Artifactory", help="the sample's provider, default %(default)s")
    parser.add_argument("--from-version", default="1", help="the sample's version, default %(default)s")
    parser.add_argument("--to-provider", default="Artifactory", help="this stack's ActionProvider, default %(default)s")
    parser.add_argument("--to-version", default="2", help="this stack's ActionVersion, default %(default)s")
    parser.add_argument("--apply", action="store_true", help="do it; without, only say it")
    options = parser.parse_args(arguments)
    if bool(options.pipelines) == bool(options.file):
        parser.error("name pipelines, or a --file")
    if (options.from_provider, options.from_version) == (options.to_provider, options.to_version):
        parser.error("the old and the new action type are the same: two workers on one type answer each other's jobs")
    options.password = None
    if options.password_file == "-":
        options.password = getpass.getpass("Artifactory password: ")
    elif options.password_file:
        options.password = Path(options.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    return options


def main(arguments, client, tell=print):
    """`client` makes the client of a service, as boto3.client does."""
    options = parsed(arguments)
    try:
        if options.file:
            document = json.loads(options.file.read_text(encoding="utf-8"))

            def write(pipeline):
                text = json.dumps(document | {"pipeline": pipeline}, indent=2)
                options.file.write_text(text + "\n", encoding="utf-8")

            move(str(options.file), document, client("secretsmanager"), write, options, tell)
        for name in options.pipelines:
            pipelines = client("codepipeline")
            document = pipelines.get_pipeline(name=name)
            move(
                name,
                document,
                client("secretsmanager"),
                lambda pipeline, pipelines=pipelines: pipelines.update_pipeline(pipeline=pipeline),
                options,
                tell,
            )
    except CannotMove as why:
        tell(f"not moved: {why}")
        return 1
    if not options.apply:
        tell("Nothing was changed. With --apply it is.")
    return 0


if __name__ == "__main__":
    import boto3

    sys.exit(main(sys.argv[1:], boto3.client))
