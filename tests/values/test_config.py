"""Settings of a deployment."""

from __future__ import annotations

import dataclasses
import re

import pytest

from powertools_durable import DurableConfig
from powertools_durable.errors import DurableConfigError

DEFAULTS = {
    "log_replays": False,
    "instrument_root_logger": True,
    "consistent_sampling": True,
    "buffer_replayed": False,
    "trace_operations": "live",
    "trace_max_subsegments": 20,
    "trace_backend_calls": False,
    "engine_metrics": False,
    "include_validation_input": False,
    "on_model_change": "raise",
    "on_unconsumed": "warn",
    "max_payload_bytes": 1024 * 1024,
    "max_threads": 32,
    "stack_traces": False,
    "log_failures": True,
    "plain_await_grace": 1.0,
}

VARIABLES = [
    ("LOG_REPLAYS", "true", "log_replays", True),
    ("ROOT_LOGGER", "0", "instrument_root_logger", False),
    ("CONSISTENT_SAMPLING", "no", "consistent_sampling", False),
    ("BUFFER_REPLAYED", "1", "buffer_replayed", True),
    ("TRACE_OPERATIONS", "summary", "trace_operations", "summary"),
    ("TRACE_MAX_SUBSEGMENTS", "7", "trace_max_subsegments", 7),
    ("TRACE_BACKEND", "on", "trace_backend_calls", True),
    ("METRICS", "TRUE", "engine_metrics", True),
    ("VALIDATION_INPUT", "yes", "include_validation_input", True),
    ("ON_MODEL_CHANGE", "fail", "on_model_change", "fail"),
    ("ON_UNCONSUMED", "ignore", "on_unconsumed", "ignore"),
    ("MAX_PAYLOAD_BYTES", "262144", "max_payload_bytes", 262_144),
]


def test_the_defaults_are_those_of_the_contract():
    assert dataclasses.asdict(DurableConfig()) == DEFAULTS


@pytest.mark.parametrize(("variable", "text", "field", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
def test_a_variable_sets_its_field_and_an_argument_wins(monkeypatch, variable, text, field, value):
    monkeypatch.setenv(f"POWERTOOLS_DURABLE_{variable}", text)
    assert getattr(DurableConfig(), field) == value
    assert getattr(DurableConfig(**{field: DEFAULTS[field]}), field) == DEFAULTS[field]


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DURABLE_TRACE_OPERATIONS", "")
    assert DurableConfig().trace_operations == "live"


WRONG = [
    ("LOG_REPLAYS", "perhaps", "POWERTOOLS_DURABLE_LOG_REPLAYS must be"),
    ("TRACE_OPERATIONS", "some", "'some'"),
    ("TRACE_MAX_SUBSEGMENTS", "many", "POWERTOOLS_DURABLE_TRACE_MAX_SUBSEGMENTS must be"),
]


@pytest.mark.parametrize(("variable", "text", "message"), WRONG)
def test_a_wrong_variable_is_named(monkeypatch, variable, text, message):
    monkeypatch.setenv(f"POWERTOOLS_DURABLE_{variable}", text)
    with pytest.raises(DurableConfigError, match=re.escape(message)):
        DurableConfig()


WRONG_NUMBERS = [
    {"max_threads": number} for number in (-1, True, 2.5, float("inf"), float("nan"), "many", None, [8], "9" * 5000)
]


@pytest.mark.parametrize(
    "given",
    [{"log_replays": "yes"}, {"max_threads": 0}, {"on_model_change": "ignore"}, {"stack_traces": 1}, *WRONG_NUMBERS],
)
def test_a_wrong_argument_is_named(given):
    (name,) = given
    with pytest.raises(DurableConfigError, match=re.escape(f"DurableConfig({name}=...) must be")):
        DurableConfig(**given)


@pytest.mark.parametrize("text", ["1", " TRUE ", "t", "Yes", "y", "on"])
def test_what_powertools_reads_as_true_is_true(monkeypatch, text):
    monkeypatch.setenv("POWERTOOLS_DURABLE_METRICS", text)
    assert DurableConfig().engine_metrics is True


def test_a_copy_with_changes_keeps_what_the_environment_said(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DURABLE_METRICS", "1")
    config = DurableConfig()
    monkeypatch.delenv("POWERTOOLS_DURABLE_METRICS")
    assert dataclasses.replace(config, max_threads=4) == DurableConfig(engine_metrics=True, max_threads=4)


def test_a_config_is_a_value_that_shows_what_is_not_default():
    assert DurableConfig(max_threads=4) == DurableConfig(max_threads=4)
    assert repr(DurableConfig(max_threads=4)) == "DurableConfig(max_threads=4)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        DurableConfig().max_threads = 1
