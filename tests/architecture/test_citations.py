"""Every citation leads somewhere: pages to a heading, codes to the table that defines them, paths to a file.

A citation stands in a comment, a docstring, another text of a Python file, or a page. Each check is a function from
one file's name and text to its broken citations, so that a bad text can show that the check is able to fail.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("", "powertools_durable", "tests")  # what a path may be relative to, besides the citing file's folder
FOLDERS = ("powertools_durable", "tests", "examples", "benchmarks", "e2e", "docs", "docsite")
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted(
        [
            *(file for kind in ("*.md", "*.py", "*.toml", "Makefile") for file in ROOT.glob(kind)),
            *(file for folder in FOLDERS for kind in ("*.py", "*.md") for file in (ROOT / folder).rglob(kind)),
        ]
    )
    if path != Path(__file__)
}
RELIABILITY, FRAME = "docs/reliability.md", "powertools_durable/_replay/frame.py"
GROWTH = "benchmarks/growth.py"
ABOUT_GROWTH = (GROWTH, "tests/guards/test_growth.py")  # G1 to G9 are rows of their own there

PAGE = re.compile(r"(?<![\w./*{}-])((?:[\w.-]+/)*[\w-]+\.md)((?:#[\w-]+(?:(?:, | and |, and | to )(?=#))?)*)")
NUMBERED = re.compile(r"\b[\w-]+\.md,? (?:[A-Z]?\d)")
ROW = re.compile(r"#fault-rows[^.;]*?\brows? (\d+(?:(?:, | and | to |-)\d+)*)")
ITEM = re.compile(r"#security-list[^.;]*?\bitems? (\d+(?:(?:, | and | to |-)\d+)*)")
CODE = re.compile(r"(?<![\w.\"'/+-])([GITEFMVW]\d{1,2})(?![\w.]*\w)(?!-)")
MODULE = re.compile(r"(?<![\w/.*{-])(?!site-packages/|src/)((?:[\w.-]+/)+[\w-]+\.py)(?:::(\w+))?(?![\w(])")
FILE = re.compile(r"(?<!`)`(\w+\.py)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CITING = (PAGE, NUMBERED, ROW, ITEM, CODE, MODULE, FILE)


# ------------------------------------------------------------------------------------------- what is there


def slug(heading):
    """The anchor that mkdocs makes of a heading, or the one that is written behind it: ``{ #anchor }``."""
    if own := re.search(r"\{ #([\w-]+) \}$", heading):
        return own[1]
    text = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading)).strip().lower()
    return re.sub(r"[-\s]+", "-", text)


@cache
def anchors(page):
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@cache
def codes(file):
    """What tables define in their first column: in a page, in a docstring, or as the keys of a table in code."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return set(re.findall(r"^(?:\| |    \"|)([GIT]\d+)(?= |  )", text, re.MULTILINE))


@cache
def fault_rows():
    text = (ROOT / RELIABILITY).read_text(encoding="utf-8")
    return {int(row) for row in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}


@cache
def security_items():
    _, _, items = (ROOT / RELIABILITY).read_text(encoding="utf-8").partition("## Security list")
    return {int(item) for item in re.findall(r"^(\d+)\. ", items, re.MULTILINE)}


def numbers(text):
    """1 to 3, 5 and 7-8 as a set."""
    found = set()
    for first, last in re.findall(r"(\d+)(?:(?: to |-)(\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


# ---------------------------------------------------------------------------------------------- the checks


@cache
def prose(file, text):
    """What may cite; nothing where no pattern matches anywhere, because to take a file apart costs most."""
    bare = text.replace('"', " ").replace("'", " ")  # no pattern matches across a quotation mark, some not after one
    return list(_prose(file, text)) if any(pattern.search(bare) for pattern in CITING) else []


def _prose(file, text) -> Iterator[tuple[bool, str]]:
    """What may cite: whether it is prose (a comment, a docstring, a page), and the text."""
    if not file.endswith(".py"):
        yield True, text
        return
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(words), lineno=line)):
                docstrings.add(line)
                yield True, words
            case _:
                pass
    comments = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.append(token.string.lstrip("# "))
        elif token.type == tokenize.STRING and token.start[0] not in docstrings:
            yield False, token.string.strip("rbuRBU\"'")
        if comments and token.type not in {tokenize.COMMENT, tokenize.NL}:
            yield True, " ".join(comments)
            comments = []
    if comments:
        yield True, " ".join(comments)


def found(file, path):
    """Return the path of what is cited, from the root."""
    folder = PurePosixPath(file).parent.as_posix()
    for start in (*ROOTS, folder):
        target = (ROOT / start / path).resolve()
        if target.is_file() and target.is_relative_to(ROOT):
            return target.relative_to(ROOT).as_posix()
    return None


def lost_pages(file, text) -> Iterator[str]:
    for is_prose, words in prose(file, text):
        plain = LINK.sub("]", words) if file.endswith(".md") else words
        for page, cited in PAGE.findall(plain):
            target = found(file, page)
            if target is None and (is_prose or cited):
                yield f"{file} cites {page}, which is not there"
            for anchor in re.findall(r"#([\w-]+)", cited) if target else ():
                if anchor not in anchors(target):
                    yield f"{file} cites {page}#{anchor}, a heading that is not there"


def lost_numbers(file, text) -> Iterator[str]:
    for _, words in prose(file, text):
        for number in NUMBERED.findall(words):
            yield f"{file} cites a number, {number!r}: cite a heading"
        for row in ROW.findall(words):
            if not numbers(row) <= fault_rows():
                yield f"{file} cites fault row {row}, which is not there"
        for item in ITEM.findall(words):
            if not numbers(item) <= security_items():
                yield f"{file} cites item {item} of the security list, which is not there"


def lost_codes(file, text) -> Iterator[str]:
    known = codes(RELIABILITY) | codes(FRAME) if file not in ABOUT_GROWTH else codes(GROWTH) | codes(RELIABILITY)
    for _, words in prose(file, text):
        for code in CODE.findall(words):
            if code not in known:
                yield f"{file} cites {code}, which no table defines"


def lost_modules(file, text) -> Iterator[str]:
    for is_prose, words in prose(file, text):
        for path, name in MODULE.findall(words) if is_prose else ():
            target = found(file, path)
            if target is None:
                yield f"{file} cites {path}, which is not there"
            elif name and not re.search(rf"\b(?:def|class) {name}\b", (ROOT / target).read_text(encoding="utf-8")):
                yield f"{file} cites {path}::{name}, which is not in it"


def lost_files(file, text) -> Iterator[str]:
    names = {PurePosixPath(known).name for known in FILES}
    for is_prose, words in prose(file, text):
        for name in FILE.findall(words) if is_prose and not file.startswith("docs/") else ():
            if name not in names:
                yield f"{file} cites {name}, a file that is not there"


def lost_links(file, text) -> Iterator[str]:
    for link in LINK.findall(re.sub(r"`[^`]*`", "", text)) if file.endswith(".md") else ():
        path, _, anchor = link.partition("#")
        if "://" in link or "{" in link:
            continue
        target = (ROOT / file).parent / path if path else ROOT / file
        if not target.exists():
            yield f"{file} links to {link}, which is not there"
        elif anchor and anchor not in anchors(target.resolve().relative_to(ROOT).as_posix()):
            yield f"{file} links to {link}, a heading that is not there"


# ------------------------------------------------------------------------------------------------ the house


@pytest.mark.parametrize("check", [lost_pages, lost_numbers, lost_codes, lost_modules, lost_files, lost_links])
def test_every_citation_leads_somewhere(check):
    texts = {file: path.read_text(encoding="utf-8") for file, path in FILES.items()}
    assert [broken for file, text in texts.items() for broken in check(file, text)] == []


def test_the_page_has_each_fault_row_invariant_and_promise_once():
    text = (ROOT / RELIABILITY).read_text(encoding="utf-8")
    assert [int(row) for row in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == list(range(1, 75))
    assert re.findall(r"^\| (I\d+) \|", text, re.MULTILINE) == [f"I{number:02}" for number in range(1, 24)]
    assert re.findall(r"^\| (G\d+) \|", text, re.MULTILINE) == [f"G{number}" for number in range(1, 11)]
    assert codes(FRAME) == {f"T{number}" for number in range(1, 6)}


# ------------------------------------------------------------------------------------ the checks can fail

HERE = "powertools_durable/_replay/engine.py"
PROTOCOL = "docs/contributing/protocol.md"


@pytest.mark.parametrize(
    "text",
    [
        '"""Batches. Source: protocol.md 9.6."""',
        "x = 1  # see values.md V2",
        "# docs/contributing/protocol.md#no-such-heading",
        "# docs/contributing/protocol.md#batching, #nor-this",
        "# docs/contributing/protocol.md#batching and #nor-this",
        "# docs/no-such-page.md",
        "WHY = 'docs/contributing/protocol.md#no-such-heading'",
        "def f():\n    '''See architecture.md 5.9.'''",
    ],
)
def test_a_citation_of_a_page_that_leads_nowhere_is_found(text):
    assert list(lost_pages(HERE, text))


@pytest.mark.parametrize(
    "text",
    [
        "# docs/contributing/protocol.md 9.6",
        "# docs/contributing/protocol.md, 9",
        "# docs/reliability.md#fault-rows, row 99",
        "# docs/reliability.md#fault-rows, rows 12 to 75",
        "# docs/reliability.md#security-list, item 15",
    ],
)
def test_a_number_that_leads_nowhere_is_found(text):
    assert list(lost_numbers(HERE, text))


@pytest.mark.parametrize(
    "text",
    [
        f'"""Batches ({PROTOCOL}#batching)."""',
        f"# {PROTOCOL}#batching, #limits and #client-tokens.",
        f"# {PROTOCOL}#request-and-response to #responses-without-a-token.",
        "# docs/reliability.md#fault-rows, rows 12 to 20, 73.",
        "# docs/reliability.md#security-list, items 1, 2 and 6.",
        "# README.md",
        "page = ROOT / 'nothing.md'",
        "pages = ROOT.rglob('*.md')",
    ],
)
def test_one_that_leads_somewhere_is_fine(text):
    assert [*lost_pages(HERE, text), *lost_numbers(HERE, text)] == []


@pytest.mark.parametrize(
    "text", ["# (I24)", '"""G11: no."""', "# (T6)", "WHY = 'I99: no'", "# values V4", "# F1 and F3"]
)
def test_a_code_that_no_table_defines_is_found(text):
    assert list(lost_codes(HERE, text))


@pytest.mark.parametrize(
    "text", ["# (I08)", '"""G10: yes."""', "# T1", "WHY = 'I22'", "# noqa: F401", "# UTF-8 and X-1"]
)
def test_a_code_of_a_table_is_fine(text):
    assert list(lost_codes(HERE, text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "# tests/nowhere/test_nothing.py",
        "# see _runtime/no_such_file.py",
        "# tests/guards/test_growth.py::test_no_such_name",
    ],
)
def test_a_path_to_nowhere_is_found(text):
    assert list(lost_modules(HERE, text))


@pytest.mark.parametrize(
    "text",
    [
        "# _runtime/invocation.py",
        "# tests/reliability/test_every_row.py::test_there_are_74_rows",
        "path = 'src/app.py'",
    ],
)
def test_a_path_to_a_file_is_fine(text):
    assert list(lost_modules(HERE, text)) == []


def test_a_file_name_of_nothing_is_found():
    assert list(lost_files(HERE, "# see `no_such_file.py`"))
    assert list(lost_files(HERE, "# see `invocation.py`")) == []


@pytest.mark.parametrize("link", ["nowhere.md", "reliability.md#no-such-heading", "#no-such-heading", "../nowhere.py"])
def test_a_link_to_nowhere_is_found(link):
    assert list(lost_links("docs/index.md", f"See [there]({link})."))


@pytest.mark.parametrize("link", ["reliability.md#fault-rows", "https://example.com", "../README.md"])
def test_a_link_to_somewhere_is_fine(link):
    assert list(lost_links("docs/index.md", f"See [there]({link}).")) == []
