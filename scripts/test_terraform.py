"""The Terraform module: made from the template, current, and loud about what it has no form for. That Terraform itself
evaluates it to the same stack is shown by make check-deploy."""

import copy
import json
import unittest

from check_stack import ROOT
from hcl import Writer, snake
from stack import read
from terraform import WRITTEN, module, text


class Module(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.template = read(ROOT / "template.yaml")

    def test_what_is_committed_is_current(self):
        self.assertEqual(WRITTEN.read_text(encoding="utf-8"), text(self.template))

    def test_every_resource_parameter_and_output_is_there(self):
        made = module(self.template)
        names = {name for resources in made["resource"].values() for name in resources}
        self.assertEqual({snake(name) for name in self.template["Resources"]} - names, set())
        self.assertEqual(
            {snake(name) for name in self.template["Parameters"]} | {"name", "code_zip"}, set(made["variable"])
        )
        self.assertEqual({snake(name) for name in self.template["Outputs"]}, set(made["output"]))
        self.assertEqual({snake(name) for name in self.template["Conditions"]}, set(made["locals"]))

    def test_what_has_no_form_is_said(self):
        for change in (
            lambda it: it["Resources"].update(Topic={"Type": "AWS::SNS::Topic", "Properties": {}}),
            lambda it: it["Resources"]["Publisher"]["Properties"].update(SnapStart={"ApplyOn": "None"}),
            lambda it: it["Conditions"].update(Odd={"Fn::FindInMap": ["a", "b", "c"]}),
        ):
            template = copy.deepcopy(self.template)
            change(template)
            with self.assertRaises(ValueError):
                module(template)

    def test_expressions(self):
        writer = Writer(self.template)
        for value, expression in (
            ('a ${b} "c"', '"a $${b} \\"c\\""'),
            ({"Ref": "MemorySize"}, "var.memory_size"),
            ({"Fn::GetAtt": ["PublisherLogs", "Arn"]}, '"${aws_cloudwatch_log_group.publisher_logs.arn}:*"'),
            (
                {"Fn::Sub": "x/${AWS::Region}/${Journal.Arn}"},
                '"x/${data.aws_region.current.name}/${aws_s3_bucket.journal.arn}"',
            ),
            ({"Ref": "Credential"}, "aws_secretsmanager_secret.credential[0].arn"),
            ([1, {"Fn::If": ["InVpc", 2, {"Ref": "AWS::NoValue"}]}], "concat([1], local.in_vpc ? [2] : [])"),
            ({"Fn::If": ["InVpc", 2, {"Ref": "AWS::NoValue"}]}, "(local.in_vpc ? 2 : null)"),
        ):
            self.assertEqual(writer.of(value), expression)

    def test_no_function_of_cloudformation_is_left(self):
        for word in ('"Ref"', "Fn::", "AWS::NoValue"):
            self.assertNotIn(word, json.dumps(module(self.template)))


if __name__ == "__main__":
    unittest.main()
