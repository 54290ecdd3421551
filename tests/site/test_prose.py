"""What `make prose` reads of a page, and what each of its judges finds."""

from __future__ import annotations

import pytest

from docsite.prose import WRITE_GOOD_SCRIPT, by_words, findings, prose_of

PAGE = """# A heading of `x`

Read [the page](behind.md) and [more][behind].

```python
please = "simply"  # behind
```

    --8<-- "behind.py"

!!! note "Titles are read"
    Text with `please` in it, <span title="simply">and</span> a {.simply} class.

| Head | `x` |
|---|---|
| cell | [link](https://example.com/please) |

::: powertools_durable.durable
    options:
      members: false

[behind]: https://example.com/simply
"""


def test_code_addresses_and_markers_are_not_prose():
    text = prose_of(PAGE)
    assert text.count("\n") == PAGE.count("\n")
    assert list(by_words(text)) == []
    assert all(word in text for word in ("heading", "the page", "Titles are read", "cell"))


@pytest.mark.parametrize(
    "sentence",
    [
        "Please read on.",
        "The lock is behind it.",
        "Suspension is no error.",
        "It is simply there.",
        "The name shall be short.",
        "Whoever has it can answer.",
    ],
)
def test_a_word_of_the_list_is_found_with_its_line(sentence):
    ((line, _),) = by_words(prose_of(f"# Title\n\n{sentence}\n"))
    assert line == 3


def test_what_is_allowed_is_not_found():
    assert list(by_words("There is no timeout. It is no longer there. The end is north.")) == []


@pytest.mark.site
@pytest.mark.skipif(not WRITE_GOOD_SCRIPT.is_file(), reason="write-good is not installed; `make prose` does that")
def test_each_judge_finds_its_own_with_page_and_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nPlease wait.\n\nIt is the the end.\n\nAt the end of the day, we learned.\n")
    found = [(line, message) for _, line, message in findings([page])]
    assert [line for line, message in found if "instruction" in message] == [3]
    assert [line for line, message in found if "repeated" in message] == [5]
    assert [line for line, message in found if "cliches" in message] == [7]
