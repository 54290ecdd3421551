"""Fetches mermaid, which draws the diagrams in the reader's browser: `python -m docsite.mermaid`.

It becomes a file of the site, so that reading a page fetches nothing from elsewhere.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "11.17.2"  # the theme's script is written for version 11
SHA256 = "581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8"
SCRIPT = Path(__file__).parents[1] / "docs" / "assets" / "mermaid.min.js"  # git ignores it


def is_fetched() -> bool:
    """Return whether the script is there, in the version that is pinned here."""
    return SCRIPT.is_file() and hashlib.sha256(SCRIPT.read_bytes()).hexdigest() == SHA256


def fetch() -> None:
    """Fetch the script from npm's registry, unless it is there.

    Raises
    ------
    RuntimeError
        npm is not installed or can't reach its registry, or what it fetched is not the file that is pinned here.
    """
    if is_fetched():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("The documentation needs npm, to fetch mermaid for its diagrams. Install Node.js.")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--ignore-scripts", f"mermaid@{VERSION}"]
        made = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603 - no input
        if made.returncode:
            raise RuntimeError(f"npm could not fetch mermaid {VERSION} from its registry:\n{made.stderr.strip()}")
        with tarfile.open(Path(folder, f"mermaid-{VERSION}.tgz")) as archive:
            member = archive.extractfile("package/dist/mermaid.min.js")
            script = member.read() if member else b""
    if hashlib.sha256(script).hexdigest() != SHA256:
        raise RuntimeError(f"mermaid {VERSION} from npm's registry is not the file whose hash is in {__file__}.")
    SCRIPT.write_bytes(script)


if __name__ == "__main__":
    try:
        fetch()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
