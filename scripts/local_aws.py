"""AWS on this machine, for check_deploy.py: moto's services on a free port of 127.0.0.1, in this very process.

moto's CloudFormation knows no AWS::Serverless and passes over what it cannot make, so that a stack's status proves
nothing. Here templates are transformed as CloudFormation would, by the sam command line's own transform, and what moto
cannot make is asked for by name.
"""

import functools
import logging
import os
import urllib.request

import boto3
import moto.cloudformation.models as models
from moto.cloudformation.parsing import get_model_map
from moto.server import ThreadedMotoServer
from samtranslator.translator.transform import transform

REGION = "eu-west-1"
SERVERLESS = "AWS::Serverless-2016-10-31"


class NoPolicies:
    def load(self):
        return {}


def expanded(template):
    return transform(template, {}, NoPolicies()) if template.get("Transform") == SERVERLESS else template


@functools.cache
def teach_transform():
    """Makes moto's CloudFormation transform what it reads; once in a process."""
    parse = models.Stack.parse_template
    of_change_set = models.ChangeSet._parse_template
    models.Stack.parse_template = staticmethod(lambda template: expanded(parse(template)))

    def parse_change_set(self):
        of_change_set(self)
        self.template_dict = expanded(self.template_dict)

    models.ChangeSet._parse_template = parse_change_set

    # A stack that a change set makes would keep the outputs of the empty template that it begins with; and a list that
    # keeps its previous value would be split a second time.
    def apply(self):
        self.stack.template_dict = self.template_dict
        lists = {name: ",".join(value) for name, value in self.parameters.items() if isinstance(value, list)}
        self.stack.resource_map.update(self.template_dict, {**self.parameters, **lists})
        self.stack.output_map = self.stack._create_output_map()

    models.ChangeSet.apply = apply


class LocalAws:
    """The services; `with` starts and stops them."""

    def __enter__(self):
        teach_transform()
        # The transform asks for it.
        os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
        for name in ("werkzeug", "moto", "botocore", "samtranslator.metrics.metrics"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.server.start()
        # By this name: of any other host moto takes the first label for a bucket.
        self.url = f"http://localhost:{self.server.get_host_and_port()[1]}"
        # What an earlier one has left in this process goes.
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")) as answer:
            answer.read()
        return self

    def __exit__(self, *_):
        self.server.stop()

    def environment(self):
        """The machine's environment, with everything of AWS turned here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
        return kept | {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    @staticmethod
    def makes(type_):
        """Whether this CloudFormation makes resources of this type."""
        return type_ in get_model_map()
