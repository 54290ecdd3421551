"""Each Python block of the pages is 88 columns wide at most, says which file it is from, and runs as it is printed.

A block is a file of its own here. pytest imports it, and runs its tests if it has some, beside the files in
`examples/` from which a page would have them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from docsite.python_blocks import WIDTH, UnknownSectionError, code_of, complete_blocks, python_blocks

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FOLDERS = tuple(f"examples{folder}" for folder in ("", "/operations", "/powertools", "/testing"))  # no name is in two


def name_of(page):
    return page.relative_to(ROOT).with_suffix("").as_posix()


BLOCKS = [(name_of(page), *block) for page in PAGES for block in python_blocks(page.read_text(encoding="utf-8"))]
MEANT_TO_FAIL = {("examples/tutorial/tested",): (1, "1 failed, 3 passed")}  # the page shows the report


def sources(title):
    """Return the folders in which a block finds what it imports from other examples."""
    folder = Path(title).parent.as_posix()
    return FOLDERS if folder in FOLDERS or not folder.startswith("examples") else (folder,)


def run(folder, examples, blocks):
    """Write each block into a file beside files of the examples, and let pytest import all; return its process."""
    folder.mkdir(exist_ok=True)
    numbers = count(1)
    for name, code in blocks:
        file = f"test_{re.sub(r'[^a-z0-9]', '_', name.lower())}_{next(numbers)}.py"
        (folder / file).write_text(code, encoding="utf-8")
    for example in examples:
        for file in (ROOT / example).glob("*.py"):
            if not file.name.startswith("test_"):
                shutil.copy(file, folder)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ["-q", "--import-mode=importlib", "-o", f"pythonpath={folder} {ROOT}"]
    without = [word for plugin in ("cacheprovider", "randomly", "xdist") for word in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", *options, *without, str(folder)]
    # moto answers in place of the addresses of AWS; the Lambda API it has not.
    environment = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    environment |= {"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9", "AWS_REGION": "us-east-1"}
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=300, env=environment
    )


def test_there_are_blocks():
    assert len(BLOCKS) > 100


def test_nothing_is_cut_at_the_edge_of_a_page():
    wide = [(name, line) for name, _, code in BLOCKS for line in code.splitlines() if len(line) > WIDTH]
    assert wide == []


def test_every_block_of_the_site_quotes_a_file_that_it_names():
    for page in PAGES:
        text = complete_blocks(page.read_text(encoding="utf-8"))
        fences = re.findall(r"^ *```+ ?(?:python|py)\b(.*)$", text, re.MULTILINE)
        if page.parent != ROOT:  # GitHub and PyPI show no titles
            assert [fence for fence in fences if 'title="' not in fence] == [], name_of(page)


@pytest.mark.parametrize("examples", sorted({sources(title) for _, title, _ in BLOCKS}))
def test_every_block_runs_as_it_is_printed(tmp_path, examples):
    process = run(tmp_path, examples, [(name, code) for name, title, code in BLOCKS if sources(title) == examples])
    ends = MEANT_TO_FAIL.get(examples, (0, "passed"))
    without_tests = (5, "no tests ran")
    assert any(process.returncode == code and text in process.stdout for code, text in (ends, without_tests)), (
        process.stdout[-10_000:] + process.stderr
    )


@pytest.mark.parametrize(
    "code", ["import no_such_module\n", "x: int = unknown\n", "def test_it():\n    assert False\n"]
)
def test_a_block_that_does_not_run_is_noticed(tmp_path, code):
    assert run(tmp_path, FOLDERS, [("page", "x = 1\n"), ("page", code)]).returncode


# --------------------------------------------------------------------------------------- how a block is completed


def page(quote):
    return f'before\n\n    ```python hl_lines="2"\n    --8<-- "{quote}"\n    ```\n\nafter'


def test_a_section_gets_the_imports_it_uses_and_what_it_calls():
    code = code_of([("examples/operations/step.py", "idempotency")])
    assert code == (
        "from decimal import Decimal\n\n"
        "from powertools_durable import current_step\n\n\n"
        "def charge_once(amount: Decimal) -> str:\n"
        '    """Charge with a key. A provider that knows the key repeats its first answer."""\n'
        "    return post_charge(amount, idempotency_key=current_step().idempotency_key)\n\n\n"
        "ACCOUNTS: dict[str, Decimal] = {}\n\n\n"
        "def post_charge(amount: Decimal, idempotency_key: str) -> str:\n"
        '    """Stand in for the provider\'s API."""\n'
        "    ACCOUNTS.setdefault(idempotency_key, amount)\n"
        '    return f"charged {ACCOUNTS[idempotency_key]}"\n'
    )


def test_what_is_imported_from_another_example_is_put_in():
    code = code_of([("examples/operations/async_handlers.py", "step")])
    assert "class Order(BaseModel):" in code
    assert "examples" not in code


def test_a_test_imports_what_it_tests():
    code = code_of([("examples/powertools/test_handlers.py", "order")])
    assert code.startswith("from decorator_order import handler\nfrom powertools_durable.testing import Simulator\n")
    inside = code_of([("examples/powertools/test_handlers.py", "input")])
    assert "    from parser import place_order\n" in inside


def test_a_block_keeps_its_place_and_its_options_and_gets_a_title():
    lines = complete_blocks(page("examples/operations/step.py:step")).splitlines()
    assert lines[2] == '    ```python hl_lines="2" title="examples/operations/step.py"'
    assert [line for line in lines[3:-3] if line and not line.startswith("    ")] == []
    assert lines[-3:] == ["    ```", "", "after"]


@pytest.mark.parametrize("quote", ["examples/nothing.py:x", "examples/order.py:nothing"])
def test_a_file_or_section_that_does_not_exist_stops_the_build(quote):
    with pytest.raises(UnknownSectionError):
        complete_blocks(page(quote))


def test_other_blocks_stay_as_they_are():
    text = "```console\n$ make\n```\n\n```python\nx = 1\n```\n"
    assert complete_blocks(text) == text
