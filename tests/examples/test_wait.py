"""Each handler that docs/operations/wait.md quotes."""

from __future__ import annotations

from datetime import timedelta

from examples.operations import wait as example
from powertools_durable.testing import Simulator


def test_welcome_sends_the_second_letter_three_days_after_the_first():
    run = Simulator(example.welcome).start("ada").finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["welcome to ada", "how-is-it-going to ada"])
    first, second = run.operation("send-welcome"), run.operation("send-follow-up")
    assert second.start_timestamp - first.end_timestamp >= timedelta(days=3)


def test_next_morning_sends_at_nine_of_the_next_day():
    run = Simulator(example.next_morning).start("ada").finish()
    assert (run.status, run.result) == ("SUCCEEDED", "good-morning to ada")
    wait, sent = run.operation("nine-o-clock"), run.operation("send")
    assert wait.end_timestamp.date() == wait.start_timestamp.date() + timedelta(days=1)
    assert (sent.start_timestamp.hour, sent.start_timestamp.minute) == (9, 0)


def test_remind_sends_each_letter_once_a_week_apart():
    run = Simulator(example.remind).start(["first", "second", "last"]).finish()
    assert (run.status, run.result) == ("SUCCEEDED", 3)
    sent = [run.operation(f"reminder-{number}") for number in (1, 2, 3)]
    assert [operation.attempts for operation in sent] == [1, 1, 1]
    assert sent[2].start_timestamp - sent[0].start_timestamp >= timedelta(weeks=2)
