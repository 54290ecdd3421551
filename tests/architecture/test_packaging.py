"""The two ways to set up install the same, from the public index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked():
    return {
        f"{package['name']}=={package['version']}" for package in LOCK["package"] if "registry" in package["source"]
    }


def constrained():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {line.partition(";")[0].strip() for line in lines}


def test_the_constraints_for_pip_say_what_the_lock_for_uv_says():
    assert constrained() == locked(), "run `make lock`"


def test_the_lock_knows_every_dependency_of_the_project():
    groups = [*PROJECT["project"]["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    asked = [text for group in [PROJECT["project"]["dependencies"], *groups] for text in group if isinstance(text, str)]
    names = {re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].lower().replace("_", "-") for text in asked}
    assert names <= {package["name"] for package in LOCK["package"]}, "run `make lock`"


def test_the_lock_names_no_index_but_the_public_one():
    text = (ROOT / "uv.lock").read_text(encoding="utf-8") + (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^/\"]+", text)) == {"https://pypi.org", "https://files.pythonhosted.org"}
