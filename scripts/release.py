"""Makes the zips that are released: the same bytes whenever the same binary is packed, and their checksums.

    python scripts/release.py BOOTSTRAP...        one zip each in release/, named after its architecture, and SHA256SUMS

A zip holds one file, `bootstrap`, which Lambda starts. Its date is that of SOURCE_DATE_EPOCH, else the earliest that a
zip can hold; no extra fields, no names or times of this machine. That two builds give the same binary is the build's
matter: `make release` turns this machine's paths off.
"""

import hashlib
import os
import struct
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "codepipeline-artifactory"
EARLIEST = (1980, 1, 1, 0, 0, 0)
# e_machine of an ELF header: <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>
MACHINES = {62: "x86_64", 183: "arm64"}


def machine_of(binary):
    """The architecture that an ELF binary is for, as Lambda calls it."""
    header = Path(binary).read_bytes()[:20]
    if header[:4] != b"\x7fELF":
        raise ValueError(f"{binary} is no ELF binary")
    (machine,) = struct.unpack_from("<H", header, 18)
    if machine not in MACHINES:
        raise ValueError(f"{binary} is for a processor that Lambda does not have ({machine})")
    return MACHINES[machine]


def date():
    """When the file in the zip was made, for all who look."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return max(time.gmtime(int(epoch))[:6], EARLIEST) if epoch else EARLIEST


def pack(content, target):
    """One zip with one executable file."""
    entry = zipfile.ZipInfo("bootstrap", date())
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, content, compresslevel=9)


def release(binaries, folder):
    """Packs each binary; the lines of SHA256SUMS."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for binary in binaries:
        target = folder / f"{NAME}-{machine_of(binary)}.zip"
        if any(line.endswith(f"  {target.name}") for line in lines):
            raise ValueError(f"two binaries for {machine_of(binary)}")
        pack(Path(binary).read_bytes(), target)
        lines.append(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target.name}")
    lines.sort(key=lambda line: line.split("  ")[1])
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    for line in release(sys.argv[1:], ROOT / "release"):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
