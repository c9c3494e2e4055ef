"""The template for those who have a ready zip and neither Rust nor sam: template.yaml with the zip's place in S3 as two
more parameters, and with nothing else changed.

    python scripts/ready.py > release/template.yaml
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PARAMETERS = """Parameters:
  CodeBucket:
    Type: String
    Description: Bucket in the stack's region that holds the function's zip.
  CodeKey:
    Type: String
    Description: Key of the zip for Architecture. Another key with each version, or an update does not see it.
"""
BUILD = """    Metadata:
      # cargo-lambda builds against the old glibc of the runtime; a plain cargo build may need a newer one.
      BuildMethod: rust-cargolambda
      BuildProperties:
        Binary: codepipeline-artifactory
"""
CODE = """      CodeUri:
        Bucket: !Ref CodeBucket
        Key: !Ref CodeKey
"""
CHANGES = (("Parameters:\n", PARAMETERS), (BUILD, ""), ("      CodeUri: .\n", CODE))


def ready(text):
    """The changed template; ValueError where a place is not found."""
    for old, new in CHANGES:
        if f"\n{text}".count(f"\n{old}") != 1:
            raise ValueError(f"template.yaml has not exactly one {old!r}")
        text = f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
    return text


if __name__ == "__main__":
    sys.stdout.write(ready((ROOT / "template.yaml").read_text(encoding="utf-8")))
