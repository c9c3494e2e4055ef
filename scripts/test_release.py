"""The zips of a release, and the template for them."""

import contextlib
import hashlib
import os
import struct
import tempfile
import unittest
import zipfile
from pathlib import Path

from check_stack import EVERYTHING, ONLY_URL, ROOT
from ready import ready
from release import machine_of, release
from stack import Stack, transformed

CODE = {"CodeBucket": "releases", "CodeKey": "1.zip"}


def binary(machine, content=b"code"):
    """The beginning of an ELF file for a processor, and something behind it."""
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + content


class Zips(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_the_same_binary_gives_the_same_bytes(self):
        told = []
        for time in (1_000_000_000, 1_700_000_000):
            path = self.write("bootstrap", binary(62))
            os.utime(path, (time, time))
            path.chmod(0o600 if time == 1_000_000_000 else 0o755)
            told.append(release([path], self.folder / str(time)))
        self.assertEqual(told[0], told[1])

    def test_lambda_can_start_it(self):
        release([self.write("bootstrap", binary(183))], self.folder / "out")
        with zipfile.ZipFile(self.folder / "out/codepipeline-artifactory-arm64.zip") as archive:
            (entry,) = archive.infolist()
            self.assertEqual(entry.filename, "bootstrap")
            self.assertEqual(entry.external_attr >> 16, 0o100755)
            self.assertEqual(entry.date_time, (1980, 1, 1, 0, 0, 0))
            self.assertEqual(archive.read(entry), binary(183))

    def test_the_checksums_are_those_of_the_files(self):
        binaries = [self.write("x", binary(62)), self.write("a", binary(183))]
        release(binaries, self.folder / "out")
        lines = (self.folder / "out/SHA256SUMS").read_text().splitlines()
        self.assertEqual([line.split("-")[-1] for line in lines], ["arm64.zip", "x86_64.zip"])
        for line in lines:
            digest, name = line.split("  ")
            self.assertEqual(hashlib.sha256((self.folder / "out" / name).read_bytes()).hexdigest(), digest)

    def test_what_is_no_function_is_refused(self):
        for content in (b"#!/bin/sh\n", b"", binary(243), b"\x7fELF"):
            with self.subTest(content), self.assertRaises((ValueError, struct.error)):
                machine_of(self.write("bootstrap", content))
        with self.assertRaises(ValueError):
            release([self.write("1", binary(62)), self.write("2", binary(62))], self.folder / "out")


class ReadyTemplate(unittest.TestCase):
    def test_it_makes_the_same_stack_from_a_ready_zip(self):
        text = (ROOT / "template.yaml").read_text(encoding="utf-8")
        for given in (ONLY_URL, EVERYTHING):
            built, made = Stack(transformed(text), given), Stack(transformed(ready(text)), given | CODE)
            code = made.resources["Publisher"]["Properties"].pop("Code")
            self.assertEqual(code, {"S3Bucket": "releases", "S3Key": "1.zip"})
            built.resources["Publisher"]["Properties"].pop("Code")
            for stack in (built, made):
                for resource in stack.resources.values():
                    resource.pop("Metadata", None)
            self.assertEqual(made.resources, built.resources)
            self.assertEqual(made.outputs, built.outputs)

    def test_a_template_without_the_places_is_refused(self):
        text = (ROOT / "template.yaml").read_text(encoding="utf-8")
        with contextlib.suppress(ValueError):
            ready(text.replace("CodeUri: .", "CodeUri: src"))
            self.fail("the place of the code was not found, and nobody said so")


if __name__ == "__main__":
    unittest.main()
