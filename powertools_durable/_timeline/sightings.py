"""What a picture shows that no record says; only of executions that run in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import SerDesError, ValidationError
from powertools_durable.errors.places import call_site, without_folders
from powertools_durable.serdes import SerDesContext

__all__ = ["Sightings"]


class Sightings:
    """Notes it while the code runs; the `Sights` of an `Environment`.

    Attributes
    ----------
    sources : dict[str, str]
        ``shop.py:12``, the line of the call, by operation; empty where it is not known.
    branches : dict[str, int]
        How many branches a fan-out has, by operation.
    answers : dict[str, SerDes]
        The format of the answer, by callback.
    """

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self.branches: dict[str, int] = {}
        self.answers: dict[str, Any] = {}

    def called(self, op: OperationHandle) -> None:
        """Note a durable call."""
        if op.id not in self.sources:
            self.sources[op.id] = without_folders(call_site())
        answers: Mapping[str, Any] = op.engine.answers
        if op.id in answers:
            self.answers[op.id] = answers[op.id]

    def check_answer(self, callback: str, name: str, text: str | None) -> None:
        """Refuse an answer that the code can't read; one whose format is not known passes.

        Raises
        ------
        ValidationError
            It doesn't fit. Nothing of the answer is in the message.
        """
        answer = self.answers.get(callback)
        if answer is None or text is None:
            return
        problem = ""
        try:
            answer.deserialize(text, SerDesContext(callback, ""))
        except Exception as error:  # noqa: BLE001 - of a serdes of the user's
            problem = str(error) if isinstance(error, SerDesError) else f"{type(error).__name__} in its serdes"
        if problem:
            problem = problem.removeprefix("a recorded value ")
            message = f"the answer for {name!r} {problem}; it was not sent"
            raise ValidationError(message)

    def fanned_out(self, op: OperationHandle, branches: int) -> None:
        """Note the size of a fan-out; one that only rebuilds its result has fewer."""
        self.branches[op.id] = max(branches, self.branches.get(op.id, 0))
