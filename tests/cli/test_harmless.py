"""What an execution's texts may not do to the terminal, or to the page, of whoever looks at it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.cli.output import harmless

HOSTILE = """
from powertools_durable import durable

def boom():
    raise ValueError("<b>\\x1b]0;title\\x07\\x1b[2J\\x00\\x9b1m\\u202e [bold]x[/bold] & ]]>")

@durable
def handler(event, ctx):
    ctx.step(lambda: 1, name="<script>alert(1)</script>")
    ctx.step(boom, name="[red]x[/red]", retry=lambda error, attempt: None)

@durable
def waits(event, ctx):
    ctx.create_callback(name="[red]yes[/red]").result()

@durable
def answers(event, ctx):
    return "\\x1b[2J\\x9b1m"
"""


@pytest.fixture(autouse=True)
def hostile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("hostile.py").write_text(HOSTILE)
    cli("run", "hostile.py:handler", "--name", "hostile")
    cli("run", "hostile.py:answers", "--name", "answers")


def cli(*words):
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("words", [("show", "hostile"), ("show", "answers"), ("show", "\x1b[2J"), ("list",)])
def test_no_control_character_reaches_the_terminal(words):
    done = cli(*words)
    assert [sign for sign in done.output if sign != "\n" and (sign < " " or "\x7f" <= sign < "\xa0")] == []
    assert "\u202e" not in done.output


def test_they_are_written_out_so_that_nothing_is_hidden():
    shown = " ".join(cli("show", "hostile").stdout.split())
    assert r"ValueError: <b>\x1b]0;title\x07\x1b[2J\x00\x9b1m\u202e [bold]x[/bold] & ]]>" in shown
    assert "✗ [red]x[/red]" in shown


def test_a_drawing_is_well_formed_and_holds_no_element_of_theirs():
    cli("show", "hostile", "--svg", "page.svg", "--html", "page.html")
    tree = ET.parse("page.svg")
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} <= {
        *("svg", "style", "defs", "clipPath", "rect", "text", "g", "circle"),
    }
    report = Path("page.html").read_text()
    assert report.count("<script") == 2  # its data and its own script; tests/report says more
    assert "\x1b" not in report


def test_json_is_ascii():
    assert cli("show", "hostile", "--json").stdout.isascii()
    assert json.loads(cli("show", "answers", "--json").stdout)["result"] == "\x1b[2J\x9b1m"


def test_a_name_is_no_markup():
    cli("run", "hostile.py:waits", "--no-wait")
    assert "[red]yes[/red]" in cli("list").stdout


def test_lines_and_tabs_stay():
    assert harmless("a\tb\nc\x0bd") == "a\tb\nc\\x0bd"
