"""The diagrams and tables that docsite/diagrams.py writes into the pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docsite.diagrams import draw, limits_table, state_diagram
from powertools_durable._protocol import limits
from powertools_durable._protocol.lifecycle import EXTERNAL, TIMERS, TRANSITIONS
from powertools_durable._protocol.operation import OperationType

DOCS = Path(__file__).parents[2] / "docs"
ARROW = re.compile(r"^    (?P<before>\[\*\]|\w+) --> (?P<after>\[\*\]|\w+)(?:: (?P<hands>.+))?$")


def arrows(kind):
    """What the diagram says: (before, after, hand) for each label of each arrow; no label is no hand."""
    first, *lines = state_diagram(kind).splitlines()
    assert first == "stateDiagram-v2"
    matches = [ARROW.match(line) for line in lines]
    assert all(matches)
    return {(m["before"], m["after"], hand) for m in matches for hand in (m["hands"] or "").split(" / ")}


def changes(kind):
    """What the three tables say, in the same form."""
    ours = {(before or "[*]", after, action) for (of, before, action), after in TRANSITIONS.items() if of is kind}
    timers = {(before, after, "time") for (of, before), after in TIMERS.items() if of is kind}
    outside = {
        (before, after, "outside") for (of, before), afters in EXTERNAL.items() if of is kind for after in afters
    }
    return ours | timers | outside


@pytest.mark.parametrize("kind", OperationType)
def test_a_diagram_has_an_arrow_for_each_change_of_the_lifecycle_tables_and_no_other(kind):
    drawn = {arrow for arrow in arrows(kind) if arrow[1] != "[*]"}
    assert drawn == changes(kind)


@pytest.mark.parametrize("kind", OperationType)
def test_a_diagram_ends_in_each_status_from_which_nothing_follows(kind):
    befores = {before for before, _, _ in changes(kind)}
    ends = {after for _, after, _ in changes(kind)} - befores
    assert {arrow for arrow in arrows(kind) if arrow[1] == "[*]"} == {(end, "[*]", "") for end in ends}


def test_a_wait_is_drawn_like_this():
    assert state_diagram(OperationType.WAIT) == (
        "stateDiagram-v2\n"
        "    [*] --> STARTED: START\n"
        "    STARTED --> CANCELLED: CANCEL\n"
        "    STARTED --> SUCCEEDED: time\n"
        "    CANCELLED --> [*]\n"
        "    SUCCEEDED --> [*]"
    )


def test_a_marker_becomes_a_mermaid_block_and_the_rest_of_the_page_stays():
    page = draw("before\n\n<!-- lifecycle: STEP -->\n\nafter")
    assert page == f"before\n\n```mermaid\n{state_diagram(OperationType.STEP)}\n```\n\nafter"


def test_a_marker_of_an_operation_that_does_not_exist_stops_the_build():
    with pytest.raises(KeyError, match="NAP"):
        draw("<!-- lifecycle: NAP -->")


def test_the_limits_table_lists_every_limit_with_its_value():
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in limits_table().splitlines()[2:]]
    assert {(name.strip("`"), value) for name, value, *_ in rows} == {
        (name, f"{getattr(limits, name):,}") for name in limits.__all__
    }


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("step", "STEP"),
        ("wait", "WAIT"),
        ("callback", "CALLBACK"),
        ("wait-for-callback", "CONTEXT"),
        ("wait-for-callback", "CALLBACK"),
        ("wait-for-condition", "STEP"),
        ("invoke", "CHAINED_INVOKE"),
        ("child-context", "CONTEXT"),
        ("with-retry", "CONTEXT"),
        ("parallel", "CONTEXT"),
        ("map", "CONTEXT"),
        ("saga", "CONTEXT"),
        ("batch", "STEP"),
        ("patches", "STEP"),
    ],
)
def test_each_operation_page_asks_for_its_diagram(page, kind):
    assert f"\n<!-- lifecycle: {kind} -->\n" in (DOCS / "operations" / f"{page}.md").read_text()
