"""examples/deploy: the function that its templates deploy."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from powertools_durable.testing import Simulator

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
EVENT = json.loads((DEPLOY / "event.json").read_text(encoding="utf-8"))


@pytest.fixture
def handler(monkeypatch):
    pytest.importorskip("aws_xray_sdk")
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    return import_module("examples.deploy.src.app").handler


@pytest.mark.xray
def test_the_function_takes_an_order_to_its_receipt(handler):
    run = Simulator(handler).start(EVENT)
    run.callback("approval").succeed({"approved": True, "by": "ada"})
    receipt = run.finish().result
    assert receipt["order"] == "42"
    assert receipt["approved_by"] == "ada"
    assert receipt["parcel"] == "parcel-42"


@pytest.mark.xray
def test_an_order_that_is_refused_fails(handler):
    run = Simulator(handler).start(EVENT)
    run.callback("approval").succeed({"approved": False, "by": "ada"})
    assert run.finish().error.error_type == "PermissionError"
