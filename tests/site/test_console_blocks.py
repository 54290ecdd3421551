"""Console blocks are run, and what they print is compared with the page."""

from __future__ import annotations

import shutil

import pytest

from docsite.console_blocks import Directive, Sessions, commands_of, run_page, same


def page_with(block, comment=""):
    return f"# Page\n\n{comment}```console\n{block}```\n"


@pytest.mark.parametrize(
    ("block", "commands"),
    [
        ("$ make\nmade\n", ["$ make"]),
        ("$ one \\\n    two\nprinted\n$ three\n", ["$ one \\\n    two", "$ three"]),
        ("make\n", []),
        ("$ echo\nends with \\\n", ["$ echo"]),
    ],
)
def test_commands_are_told_from_output(block, commands):
    assert commands_of(block) == commands


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("02:53:47 ✓ pay", "11:00:01 ✓ pay"),
        ("large  3a662a2c", "large  e99f58cb"),
        ("in 230 ms, 1 invocation", "in 1.2 s, 1 invocation"),
        ("4 passed in 4.21s", "4 passed in 3.00s"),
        ("ok  boto3  1.44.8", "ok  boto3      1.45.10"),
    ],
)
def test_what_varies_is_the_same(old, new):
    assert same(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SUCCEEDED  in 230 ms, 1 invocation", "SUCCEEDED  in 230 ms, 2 invocations"),
        ("✓ pay_back", "✗ pay_back"),
        ("4 passed", "5 passed"),
        ("waits 7 d", "waits 8 d"),
    ],
)
def test_what_does_not_vary_is_not(old, new):
    assert not same(old, new)


def test_a_directive_names_folder_files_and_what_comes_first():
    assert Directive.of("orders, examples/a/, examples/b.py; first: make x; first: make y") == Directive(
        "orders", ("examples/a/", "examples/b.py"), ("make x", "make y")
    )


def test_commands_without_a_place_are_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(page_with("$ true\n"))
    with pytest.raises(ValueError, match=r"no comment says where this runs: \$ true"):
        run_page(page, Sessions(tmp_path))


@pytest.mark.parametrize("comment", ["<!-- console: not run: it needs an account -->\n", ""])
def test_a_block_that_needs_an_account_or_has_no_prompt_stays(tmp_path, comment):
    page = tmp_path / "page.md"
    page.write_text(page_with("$ rm -rf /\n" if comment else "rm -rf /\n", comment))
    assert run_page(page, Sessions(tmp_path)) == page.read_text()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_the_output_is_that_of_a_terminal_in_the_folder_of_the_session(tmp_path):
    page = tmp_path / "page.md"
    first = page_with(
        "$ test -t 1 && cat made\nold\n$ pwd\n", "<!-- console: here, LICENSE; first: echo made > made -->\n"
    )
    page.write_text(first + page_with("$ cat made \\\n    made; ls LICENSE\n", "<!-- console: here -->\n"))
    text = run_page(page, Sessions(tmp_path))
    assert "$ test -t 1 && cat made\nmade\n$ pwd\n/home/you/here\n```" in text
    assert "    made; ls LICENSE\nmade\nmade\nLICENSE\n```" in text
