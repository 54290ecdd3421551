"""`prune` and `export --to`: the store's keeper at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli import pruning
from powertools_durable.cli.app import app
from powertools_durable.local import SqliteStore
from powertools_durable.local.housekeeping import Pruned

SHOP = Path(__file__).parent / "shop.py"


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    for number in range(3):
        call("run", f"{SHOP}:greets", "--event", str(number), "--name", f"order-{number}")
    return call


def test_prune_removes_by_name_and_says_how_many(cli):
    assert cli("prune", "--name", "order-[12]").stdout.startswith("removed 0 executions")
    assert cli("prune", "--name", "order-?", "--dry-run").stdout == "would remove 3 executions\n"
    assert cli("prune", "--name", "order-1").stdout.startswith("removed 1 execution;")
    (said,) = map(json.loads, cli("prune", "--name", "*", "--json").stdout.splitlines())
    assert (said["executions"], said["freeBytes"], said["dryRun"]) == (2, 0, False)
    assert cli("list", "--json").stdout == ""


@pytest.mark.parametrize(("age", "removed"), [("30d", 0), ("0s", 3), ("1w", 0)])
def test_prune_removes_by_age(cli, age, removed):
    assert cli("prune", "--older-than", age).stdout.startswith(f"removed {removed} execution")


def test_prune_says_how_to_get_a_smaller_file_if_it_can_not_make_one(cli, monkeypatch):
    monkeypatch.setattr(pruning, "prune_store", lambda *_, **__: Pruned(1, 0, 3_000_000))
    assert cli("prune", "--name", "order-1").stdout == (
        "removed 1 execution; the store is 0.0 MB smaller\n"
        "3.0 MB of it are free and will be used again; powertools-durable export --to FILE makes a copy without them\n"
    )


@pytest.mark.sampled(1)
@pytest.mark.parametrize("words", [(), ("--older-than", "soon"), ("--older-than", "-1d"), ("--older-than", "30")])
def test_prune_without_a_choice_or_with_no_age_is_a_usage_error(cli, words):
    done = cli("prune", *words)
    assert done.exit_code == 2
    assert "30d" in done.stderr
    assert len(cli("list", "--json").stdout.splitlines()) == 3


def test_export_copies_the_whole_store_into_one_file(cli, tmp_path):
    done = cli("export", "--to", "copy.sqlite")
    assert done.stdout == f"copied the whole store to {tmp_path / 'copy.sqlite'}\n"
    assert len(list(SqliteStore(tmp_path / "copy.sqlite"))) == 3


@pytest.mark.parametrize("words", [(), ("order-1", "--to", "copy.sqlite"), ("--to", "c", "--aws", "--function", "f")])
def test_export_wants_an_execution_or_the_whole_store(cli, words):
    assert cli("export", *words).exit_code == 2
