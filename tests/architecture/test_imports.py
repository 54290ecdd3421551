"""Law 9: importing the package loads nothing that is slow to load. Decorating may."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = frozenset(
    {
        "asyncio",
        "aws_lambda_powertools",
        "aws_xray_sdk",
        "boto3",
        "botocore",
        "opentelemetry",
        "pydantic",
        "pydantic_core",
        "rich",
        "typer",
        "yaml",
    }
)
PROBE = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted({{name.split('.')[0] for name in set(sys.modules) - before}})))
"""


def loaded_by(statement):
    """The top-level modules that *statement* loads in a fresh interpreter."""
    probe = [sys.executable, "-c", PROBE.format(statement=statement)]
    answer = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout))


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import powertools_durable")
    assert "powertools_durable" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", ["asyncio", "pydantic", "boto3"])
def test_the_probe_sees_what_is_heavy(module):
    assert module in loaded_by(f"import {module}") & HEAVY
