"""Installs the publisher as the README says, on this machine: builds it with sam, deploys, updates and deletes its
stack in a local AWS, reads back what is there, and lets what was built do a job.

    make check-deploy

Prints what was done, and by name what could not be checked. Ends with status 1 when something is not as it should be.
"""

import ast
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
import zipfile
from pathlib import Path

from local_aws import LocalAws
from ready import ready as ready_template
from release import machine_of, release
from stack import Stack, read
from terraform_provider import Bindings, compare

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".tools/deploy/bin"
CHECKOV = ROOT / ".tools/checkov/bin/checkov"
PROVIDER = ROOT / ".tools/provider-aws.tgz"
NAME = "codepipeline-artifactory"
URL = "https://acme.jfrog.io"
ARM_LIBRARY = "aarch64-unknown-linux-gnu"


class Broken(Exception):
    """Something is not as it should be."""


def say(text):
    print(text, flush=True)


def expect(holds, what):
    if not holds:
        raise Broken(what)
    say(f"  ok    {what}")


def run(*command, environment=None, answers=None, cwd=ROOT, fails=False):
    """Runs a command; its output, which is shown when it ends otherwise than expected."""
    say("  $ " + " ".join(str(part) for part in command))
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        input=answers,
        stdin=subprocess.DEVNULL if answers is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        check=False,
    )
    if (done.returncode != 0) != fails:
        say(done.stdout)
        raise Broken(f"{command[0]} ended with {done.returncode}")
    return done.stdout


def tools():
    """The environment for tools that are installed here."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}


def lint(left):
    """The template, as the tools of others judge it."""
    environment = tools()
    run(BIN / "sam", "validate", "--lint", environment=environment)
    # Without --skip-download it asks its maker's servers. What is skipped has its reason in the template.
    told = run(CHECKOV, "-f", "template.yaml", "--framework", "cloudformation", "--skip-download", "-o", "json")
    summary = json.loads(told)["summary"]
    expect(summary["failed"] == 0 and summary["passed"] > 0, f"checkov: {summary['passed']} checks pass, none fails")
    say(f"  {summary['skipped']} of checkov's checks are skipped, each with its reason in template.yaml")


def without_zig(left):
    """What somebody is told who has no zig."""
    with tempfile.TemporaryDirectory() as folder:
        # cargo-lambda by itself: its package would bring zig along.
        os.symlink((BIN / "cargo-lambda").resolve(), Path(folder) / "cargo-lambda")
        kept = [part for part in os.environ["PATH"].split(os.pathsep) if not (Path(part) / "zig").exists()]
        environment = tools() | {"PATH": os.pathsep.join([folder, *kept])}
        told = run(BIN / "sam", "build", environment=environment, fails=True)
    expect("Zig is not installed" in told, "without zig sam build says that it lacks it, and builds nothing")
    left.append("sam build without zig, by CARGO_LAMBDA_COMPILER=cargo: a second release build; it was not made")


def build(left):
    """What sam makes of the sources."""
    run(BIN / "sam", "build", environment=tools())
    bootstrap = ROOT / ".aws-sam/build/Publisher/bootstrap"
    expect(machine_of(bootstrap) == "x86_64", "sam build made a bootstrap for x86_64")
    expect(os.access(bootstrap, os.X_OK), "it may be executed")


def arm(left):
    """The other architecture, where the toolchain has its library."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(sysroot) / "lib/rustlib" / ARM_LIBRARY).exists():
        left.append(f"arm64: this toolchain lacks {ARM_LIBRARY} (rustup target add {ARM_LIBRARY})")
        return
    run(BIN / "sam", "build", "--parameter-overrides", "Architecture=arm64", environment=tools())
    bootstrap = ROOT / ".aws-sam/build/Publisher/bootstrap"
    expect(machine_of(bootstrap) == "arm64", "sam build --parameter-overrides Architecture=arm64 made one for arm64")
    left.append("arm64: built, not run, for want of such a processor")


def answers(template):
    """What a person types at `sam deploy --guided`: the address of Artifactory, and Enter."""
    parameters = [URL if "Default" not in declared else "" for declared in template["Parameters"].values()]
    # Stack's name, region, parameters; then: no question before the deployment, roles may be made, rollback as it is,
    # no file with all of this.
    return "\n".join(["", "", *parameters, "n", "y", "n", "n", ""])


def deploy(left):
    """make deploy's second half, word for word, with a person's answers; then an update, and the end."""
    template = read(ROOT / "template.yaml")
    with LocalAws() as aws:
        environment = tools() | aws.environment() | {"PATH": tools()["PATH"]}
        guided = ("deploy", "--guided", "--stack-name", NAME, "--capabilities", "CAPABILITY_IAM")
        architecture = ("--parameter-overrides", "Architecture=x86_64")
        told = run(BIN / "sam", *guided, *architecture, environment=environment, answers=answers(template))
        expect("Successfully created/updated stack" in told, "sam deploy --guided, nothing typed but ArtifactoryUrl")
        wanted = Stack(template, {"ArtifactoryUrl": URL})
        facts(aws, wanted, left)
        update = ["ArtifactoryUrl=" + URL, "MemorySize=1024", 'Schedule="rate(5 minutes)"']
        again = ("deploy", "--stack-name", NAME, "--capabilities", "CAPABILITY_IAM", "--resolve-s3")
        changed = ("--no-confirm-changeset", "--parameter-overrides", *update)
        run(BIN / "sam", *again, *changed, environment=environment)
        function = aws.client("lambda").get_function_configuration(FunctionName=of(aws, "Publisher"))
        expect(function["MemorySize"] == 1024, "an update changes the function")
        rule = aws.client("events").describe_rule(Name=of(aws, "PublisherSweep"))
        expect(rule["ScheduleExpression"] == "rate(5 minutes)", "an update changes the schedule")
        run(
            BIN / "sam",
            "delete",
            "--stack-name",
            NAME,
            "--no-prompts",
            "--region",
            "eu-west-1",
            environment=environment,
        )
        gone(aws)


def of(aws, logical):
    """The name that a resource of the stack has."""
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=NAME)
    made = {
        it["LogicalResourceId"]: it["PhysicalResourceId"] for page in pages for it in page["StackResourceSummaries"]
    }
    if logical not in made:
        raise Broken(f"the stack has no {logical}, but {sorted(made)}")
    return made[logical]


def facts(aws, wanted, left):
    """What is there now, asked of each service."""
    for name, resource in wanted.resources.items():
        if not aws.makes(resource["Type"]):
            left.append(f"{name} ({resource['Type']}): the local AWS makes none; asserted in the template alone")
    function = aws.client("lambda").get_function_configuration(FunctionName=of(aws, "Publisher"))
    template = wanted.resources["Publisher"]["Properties"]
    for name in ("Runtime", "Handler", "MemorySize", "Timeout", "Architectures"):
        expect(function[name] == template[name], f"function: {name} is {template[name]}")
    variables = function["Environment"]["Variables"]
    unmade = {f"<{name}>" for name, resource in wanted.resources.items() if not aws.makes(resource["Type"])}
    named = {name for name, value in template["Environment"]["Variables"].items() if value not in unmade}
    expect(set(variables) == named, f"function: the variables {', '.join(sorted(variables))}")
    expect(variables["ARTIFACTORY_URL"] == URL, "function: the address of Artifactory is the one that was typed")
    bucket = of(aws, "Journal")
    expect(variables["JOURNAL_BUCKET"] == bucket, "function: its journal is the stack's bucket")
    code = aws.client("lambda").get_function(FunctionName=of(aws, "Publisher"))["Code"]
    expect(code.get("S3Key") or code.get("Location"), "function: its code was uploaded")
    s3 = aws.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    algorithm = encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    expect(algorithm == "AES256", "journal: encrypted")
    expect("Status" not in s3.get_bucket_versioning(Bucket=bucket), "journal: without versions")
    for call, what in (
        ("get_public_access_block", "closed to the public"),
        ("get_bucket_lifecycle_configuration", "a lifecycle"),
    ):
        try:
            getattr(s3, call)(Bucket=bucket)
            expect(True, f"journal: {what}")
        except s3.exceptions.ClientError as error:
            left.append(f"Journal, {what}: the local CloudFormation leaves it out ({error.response['Error']['Code']})")
    events = aws.client("events")
    for name in ("PublisherActionStarted", "PublisherSweep"):
        rule, properties = events.describe_rule(Name=of(aws, name)), wanted.resources[name]["Properties"]
        expect(rule["State"] == "ENABLED", f"{name}: enabled")
        expect(rule.get("ScheduleExpression") == properties.get("ScheduleExpression"), f"{name}: its schedule")
        pattern = json.loads(rule["EventPattern"]) if rule.get("EventPattern") else None
        expect(pattern == properties.get("EventPattern"), f"{name}: its pattern")
        targets = events.list_targets_by_rule(Rule=of(aws, name))["Targets"]
        expect([it["Arn"] for it in targets] == [function["FunctionArn"]], f"{name}: wakes the function")
        expect("DeadLetterConfig" in targets[0], f"{name}: undeliverable events are kept")
    allowed = json.loads(aws.client("lambda").get_policy(FunctionName=of(aws, "Publisher"))["Policy"])["Statement"]
    expect(len(allowed) == 2, "function: two rules may invoke it, and nobody else")
    role = aws.client("iam").get_role_policy(RoleName=of(aws, "PublisherRole"), PolicyName="publisher")
    document = role["PolicyDocument"]
    # moto keeps what CloudFormation gave it as Python writes it, and None for what a condition leaves out.
    document = ast.literal_eval(document) if isinstance(document, str) else document
    sids = [it["Sid"] for it in document["Statement"] if it]
    mine = [
        it["Sid"]
        for it in wanted.resources["PublisherRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    ]
    expect(sids == mine, f"role: {', '.join(sids)}")
    log = aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/{NAME}/")["logGroups"]
    expect([it.get("retentionInDays") for it in log] == [30], "log: kept for 30 days")
    outputs = {
        it["OutputKey"]: it["OutputValue"]
        for it in aws.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]["Outputs"]
    }
    expect(set(wanted.outputs) - set(outputs) <= {"DefaultSecretId"}, f"outputs: {', '.join(sorted(outputs))}")


def gone(aws):
    expect(not aws.client("lambda").list_functions()["Functions"], "after sam delete: no function")
    expect(not aws.client("events").list_rules()["Rules"], "after sam delete: no rule")
    expect(not aws.client("iam").list_roles()["Roles"], "after sam delete: no role")
    expect(not aws.client("sqs").list_queues().get("QueueUrls"), "after sam delete: no queue")
    buckets = [it["Name"] for it in aws.client("s3").list_buckets()["Buckets"]]
    expect(
        all(name.startswith("aws-sam-cli-managed") for name in buckets),
        f"after sam delete: no bucket but sam's own: {buckets}",
    )


def ready(left):
    """The zip of a release and its template, as somebody uses them who has neither Rust nor sam."""
    bootstrap = ROOT / ".aws-sam/build/Publisher/bootstrap"
    with tempfile.TemporaryDirectory() as folder:
        once, again = (release([bootstrap], Path(folder) / name) for name in ("once", "again"))
        expect(once == again, f"packed twice: {once[0]}")
        packed = (Path(folder) / "once" / once[0].split("  ")[1]).read_bytes()
    template = ready_template((ROOT / "template.yaml").read_text(encoding="utf-8"))
    with LocalAws() as aws:
        s3, stacks = aws.client("s3"), aws.client("cloudformation")
        s3.create_bucket(Bucket="releases", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket="releases", Key="1.zip", Body=packed)
        given = {"ArtifactoryUrl": URL, "CodeBucket": "releases", "CodeKey": "1.zip"}
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        # What `aws cloudformation deploy` does.
        change = {"StackName": NAME, "ChangeSetName": "first", "ChangeSetType": "CREATE", "Parameters": parameters}
        stacks.create_change_set(TemplateBody=template, Capabilities=capabilities, **change)
        stacks.execute_change_set(StackName=NAME, ChangeSetName="first")
        function = aws.client("lambda").get_function_configuration(FunctionName=of(aws, "Publisher"))
        digest = base64.b64encode(hashlib.sha256(packed).digest()).decode()
        expect(function["CodeSha256"] == digest, "the function has the bytes of the zip")
        expect(function["Environment"]["Variables"]["ARTIFACTORY_URL"] == URL, "and the address that was given")


def provider():
    """The module's resources are of the provider's schema, and what is not is noticed."""
    bindings = Bindings(PROVIDER)
    module = json.loads((ROOT / "terraform/main.tf.json").read_text(encoding="utf-8"))
    wrong = list(compare(module, bindings))
    expect(not wrong, f"arguments and blocks are those of the provider's schema, {bindings.version()} {wrong or ''}")
    function = module["resource"]["aws_lambda_function"]["publisher"]
    for changed in (
        {"handlers": "bootstrap"},
        {"role": None},
        {"architectures": "x86_64"},
        {"environment": {"variable": {}}},
        {"dynamic": {"vpc_configuration": {"content": {}}}},
    ):
        broken = {name: value for name, value in (function | changed).items() if value is not None}
        said = list(compare({"resource": {"aws_lambda_function": {"publisher": broken}}}, bindings))
        expect(len(said) == 1, f"this would be noticed: {' '.join(said)}")


def terraform(left):
    """The Terraform module, held against the provider's schema, and, evaluated by Terraform, against the stack."""
    provider()
    left.append("terraform/main.tf.json: which values the provider takes, for want of the provider")
    if shutil.which("terraform") is None:
        left.append("terraform/main.tf.json: there is no terraform here to evaluate it")
        return
    # No configuration of a person's own, and no question of what the newest version is.
    environment = os.environ | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    told = run(sys.executable, "scripts/terraform.py", "--evaluate", environment=environment)
    expect("evaluates to the stack" in told, "with one variable and with all it evaluates to the template's stack")


def move(left):
    """A pipeline of the old worker moves: docs/moving.md, over a local CodePipeline and Secrets Manager."""
    password = "correct horse battery staple"
    old = {
        "TypeOfArtifact": "npm",
        "RepoKey": "npm-local",
        "UserName": "ci",
        "Password": password,
        "EmailAddress": "ci@example.com",
        "ArtifactoryHost": URL,
    }
    document = json.loads((ROOT / "examples/pipeline/pipeline.json").read_text(encoding="utf-8"))
    action = document["pipeline"]["stages"][-1]["actions"][0]
    action["configuration"] = old
    with LocalAws() as aws:
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "codepipeline.amazonaws.com"}}]}
        role = aws.client("iam").create_role(RoleName="pipeline", AssumeRolePolicyDocument=json.dumps(trust))
        document["pipeline"]["roleArn"] = role["Role"]["Arn"]
        pipelines, secrets = aws.client("codepipeline"), aws.client("secretsmanager")
        pipelines.create_pipeline(pipeline=document["pipeline"])
        name = document["pipeline"]["name"]
        command = (sys.executable, "scripts/move_pipelines.py", name)
        environment = aws.environment()
        told = run(*command, environment=environment)
        expect("Nothing was changed" in told, "without --apply it says what it would do")
        expect(not secrets.list_secrets()["SecretList"], "and does nothing")
        told += run(*command, "--apply", environment=environment)
        expect(password not in told, "the password is not printed")
        secret = secrets.get_secret_value(SecretId="codepipeline-artifactory/publish")
        held = json.loads(secret["SecretString"])
        expect(
            held == {"username": "ci", "password": password, "url": URL}, "the secret holds user, password and address"
        )
        tags = secrets.describe_secret(SecretId=secret["ARN"])["Tags"]
        expect([it["Key"] for it in tags] == [NAME], "it carries the tag by which the function may read it")
        there = pipelines.get_pipeline(name=name)["pipeline"]
        moved = there["stages"][-1]["actions"][0]
        expect(password not in json.dumps(there), "the pipeline holds no password")
        expect(moved["actionTypeId"]["version"] == "2", "it uses the other action type")
        expect(moved["configuration"]["SecretId"] == secret["Name"], "it names the secret")
        again = run(*command, "--apply", environment=environment)
        expect("nothing to do" in again, "a second run finds nothing to do")


def job(left):
    """The bootstrap that sam built, as Lambda starts it out of a zip, does a pipeline's job."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "bootstrap.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(ROOT / ".aws-sam/build/Publisher/bootstrap", "bootstrap")
        unpacked = Path(folder) / "task"
        shutil.unpack_archive(packed, unpacked)
        bootstrap = unpacked / "bootstrap"
        bootstrap.chmod(0o755)
        told = run("cargo", "run", "--locked", "--quiet", "--example", "demo", "--", bootstrap)
    say("\n".join("        " + line for line in told.strip().splitlines()[-6:]))
    expect(True, "what sam built publishes a package, which npm installs")


STEPS = {
    "lint": lint,
    "without-zig": without_zig,
    "arm": arm,
    "build": build,
    "job": job,
    "deploy": deploy,
    "ready": ready,
    "terraform": terraform,
    "move": move,
}


def main():
    left, failed = [], []
    for name in sys.argv[1:] or STEPS:
        say(f"\n{name}: {STEPS[name].__doc__.strip().splitlines()[0]}")
        try:
            STEPS[name](left)
        except Broken as broken:
            failed.append(f"{name}: {broken}")
        except Exception:  # Whatever else breaks is a failed check as well.
            failed.append(f"{name}: {traceback.format_exc()}")
    say("\nNot checked here:")
    for line in left or ["nothing that was tried"]:
        say(f"  - {line}")
    for line in failed:
        say(f"FAILED {line}")
    say(
        f"\ncheck_deploy: {len(failed)} step(s) failed"
        if failed
        else "\ncheck_deploy: all that can be checked here holds"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
