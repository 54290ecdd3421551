"""What README.md and docs/ show is what runs: code comes from examples/, names of files, tests and targets exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from docsite.python_blocks import code_of
from powertools_durable.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
OPERATION_PAGES = sorted(page for page in (ROOT / "docs" / "operations").glob("*.md") if page.stem != "index")
README = (ROOT / "README.md").read_text()

FENCE = re.compile(r"^( *)(`{3,}) *(\w*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r'^\s*--8<-- "(?P<file>[^":]+)(?::(?P<section>\w+))?"$')
SECTION = re.compile(r"# --8<-- \[start:(?P<name>\w+)\]\n(?P<code>.*?)# --8<-- \[end:(?P=name)\]\n", re.DOTALL)
TEST = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")


def python_blocks(text):
    return [
        code.splitlines() for _, _, language, code in FENCE.findall(text) if language in {"python", "py", "python3"}
    ]


def own_lines(block):
    return [line for line in block if line.strip() and not SNIPPET.match(line)]


def sections(path):
    return {found["name"]: found["code"] for found in SECTION.finditer(path.read_text())}


def quoted(pages):
    matches = [SNIPPET.match(line) for page in pages for line in page.read_text().splitlines()]
    return {(match["file"], match["section"]) for match in matches if match}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_no_python_of_its_own_longer_than_three_lines(page):
    assert [block for block in python_blocks(page.read_text()) if len(own_lines(block)) > 3] == []


def test_python_of_a_page_is_found_and_told_from_a_snippet():
    snippet = '    ```py\n    --8<-- "examples/order.py:x"\n    ```\n'
    page = f"```console\nmake\n```\n\n```python\na\nb\n\nc\nd\n```\n\n{snippet}"
    assert [own_lines(block) for block in python_blocks(page)] == [["a", "b", "c", "d"], []]


def test_every_section_of_an_operation_example_is_quoted_by_a_page_and_every_quoted_one_exists():
    files = sorted((ROOT / "examples").rglob("*.py"))
    there = {(str(file.relative_to(ROOT)), name) for file in files for name in sections(file)}
    assert {quote for quote in quoted(PAGES) if quote[0].startswith("examples/") and quote[1]} == there


COMMAND = re.compile(r"^ *(?:\$ |- run: )?powertools-durable ([a-z]+)(.*?)$", re.MULTILINE)


def test_every_command_line_of_a_page_names_a_command_and_options_that_there_are():
    group = get_command(app)
    texts = {str(page): page.read_text() for page in PAGES} | {"README": README}
    whole = {name: re.sub(r"\\\n *", "", text) for name, text in texts.items()}  # a command may go on in the next line
    lines = [(name, verb, rest) for name, text in whole.items() for verb, rest in COMMAND.findall(text)]
    assert {verb for _, verb, _ in lines} >= {"callback", "export", "replay", "explore", "doctor"}
    for name, verb, rest in lines:
        assert verb in group.commands, name
        known = {
            option
            for parameter in group.commands[verb].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known, (name, verb, rest)


@pytest.mark.parametrize("page", OPERATION_PAGES, ids=lambda page: page.stem)
def test_an_operation_page_has_the_form_of_its_siblings(page):
    headings = re.findall(r"^## (.+?)(?: \{.*\})?$", page.read_text(), re.MULTILINE)
    form = ["Example", "Complete example", "Options", "Failures", "Timeline", "Record", "Official SDK"]
    assert [heading for heading in headings if heading != "Common tasks"] == form
    assert "Common tasks" not in headings or headings.index("Common tasks") == 1


def test_the_readme_shows_the_five_lines_that_are_tested():
    handler = sections(ROOT / "examples" / "five_lines.py")["handler"].strip().splitlines()
    assert len(handler) == 5
    assert python_blocks(README) == [code_of([("examples/five_lines.py", "handler")]).splitlines()]


@pytest.mark.parametrize("page", ["README.md", "docs/contributing/index.md", "docs/index.md"])
def test_every_make_target_of_a_page_exists(page):
    text = (ROOT / page).read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, re.MULTILINE))
    assert named - targets == set()
    assert named


def test_the_readme_links_to_pages_and_files_that_are_there():
    """It is read on PyPI too, where only absolute links work."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    links = [*re.findall(r"^\[[\w-]+\]: (\S+)$", README, re.MULTILINE), *re.findall(r"\]\(([^)]+)\)", README)]
    assert links
    for link in links:
        assert link.startswith("https://"), link
        page = link.removeprefix(urls["Documentation"]).rstrip("/")
        file = link.removeprefix(f"{urls['Repository']}/blob/main/")
        if page != link.rstrip("/"):
            files = (ROOT / "docs" / f"{page}.md", ROOT / "docs" / page / "index.md", ROOT / "docs" / page)
            assert any(file.is_file() for file in files), link
        elif file != link:
            assert (ROOT / file).exists(), link


def test_every_promise_names_tests_that_exist():
    page = (ROOT / "docs" / "reliability.md").read_text()
    _, _, held = page.partition("## Tests of the promises")
    held, _, _ = held.partition("\n## ")
    promises = held.split("\n* **G")[1:]
    assert [promise.partition("**")[0] for promise in promises] == [str(number) for number in range(1, 11)]
    for promise in promises:
        named = TEST.findall(promise)
        assert named, promise
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(), promise


def test_the_readme_promises_as_much_as_the_page_on_reliability():
    promises = re.findall(r"^(\d+)\. ", README, re.MULTILINE)
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert promises == re.findall(r"^\| G(\d+) \|", page, re.MULTILINE)
