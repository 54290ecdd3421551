"""SARIF logs, checked by the schema that OASIS publishes: the package ``schemastore`` has a copy of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import cache
from importlib.metadata import distribution

import fastjsonschema
import pytest

from powertools_durable.cli.sarif import SarifResult, sarif_log, write_sarif
from powertools_durable.cli.usage import UsageError

PUBLISHED = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


@cache
def schema():
    """Return the check of the published schema; read as data, because the package is a client of its website."""
    file = distribution("schemastore").locate_file("schemastore/cache.sqlite")
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as stored:
        for (answer,) in stored.execute("SELECT value FROM responses WHERE instr(value, ?)", (PUBLISHED.encode(),)):
            begin = answer.find(b'{\r\n  "$schema"')
            found, _ = (
                json.JSONDecoder().raw_decode(answer[begin:].decode("utf-8", "replace")) if begin >= 0 else ({}, 0)
            )
            if found.get("$id") == PUBLISHED:
                return fastjsonschema.compile(found)
    raise LookupError(PUBLISHED)


def is_valid(log):
    schema()(json.loads(json.dumps(log)))
    return True


RESULTS = [
    SarifResult("clock", "time.time() differs", "shop/a b.py", 3),
    SarifResult("order", "a set", "/elsewhere/app.py", 0, "error"),
    SarifResult("unknown", "no place", "", 0, "note"),
]


def test_a_log_fits_the_published_schema(tmp_path):
    log = sarif_log(RESULTS, {"clock": "The clock"}, root=tmp_path)
    assert is_valid(log)
    (run,) = log["runs"]
    first, second, third = run["results"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["clock", "order", "unknown"]
    assert [one["ruleIndex"] for one in run["results"]] == [0, 1, 2]
    (place,) = first["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "shop/a%20b.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3},
    }
    assert second["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///elsewhere/app.py"}
    assert "locations" not in third


def test_a_log_without_findings_fits_too():
    assert is_valid(sarif_log([], {}))


def test_the_schema_refuses_what_is_no_log():
    log = sarif_log(RESULTS, {})
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(fastjsonschema.JsonSchemaException, match="level"):
        is_valid(log)


def test_an_absolute_path_below_the_folder_is_written_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sarif("log.sarif", [SarifResult("clock", "x", str(tmp_path / "app.py"), 1)], {})
    log = json.loads((tmp_path / "log.sarif").read_text())
    assert is_valid(log)
    assert log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "app.py"


def test_a_file_that_can_not_be_written_is_an_error_of_usage(tmp_path):
    with pytest.raises(UsageError, match="--sarif .*no-folder"):
        write_sarif(tmp_path / "no-folder" / "log.sarif", [], {})
