"""The examples of examples/deploy, checked as far as that goes without an AWS account; `make deploy-check`."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DEPLOY = HERE.parents[1] / "examples" / "deploy"
NEEDED = ("aws_cdk", "awscli", "cfnlint", "hcl2", "samtranslator")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        reason = f"not installed: {', '.join(missing)}; `make deploy-check` does that"
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def deploy(tmp_path_factory):
    """Copy the examples, with a layer beside them; what is in it does not matter here."""
    folder = tmp_path_factory.mktemp("project") / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("layer.zip", "cdk.out", "__pycache__"))
    shutil.make_archive(str(folder / "layer"), "zip", folder, "src")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_account():
    """Let nothing find an account; a region is needed by what builds ARNs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
