"""Writes a Lambda layer: the files of a wheel below ``python/``, in a zip that is the same whenever it is built.

Usage: layer.py WHEEL ZIP. https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html says where Lambda looks.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
READABLE = 0o100644 << 16  # Lambda reads the files as another user


def main(wheel: Path, layer: Path) -> None:
    """Write *layer* and say how large it is."""
    layer.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(layer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        names = sorted(name for name in source.namelist() if not name.endswith("/"))
        for name in names:
            entry = zipfile.ZipInfo(f"python/{name}", DATE)
            entry.external_attr = READABLE
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is built
            zipped.writestr(entry, source.read(name))
    data = layer.read_bytes()
    print(f"{layer}: {len(names)} files, {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
