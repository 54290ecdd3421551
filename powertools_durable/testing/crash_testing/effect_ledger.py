"""What code did to the world outside, so that nothing is done once too often after a crash."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from powertools_durable.errors.places import call_site
from powertools_durable.scope import current_scope
from powertools_durable.testing.simulation.sandbox import SANDBOX

__all__ = ["Entry", "Ledger"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect.

    Attributes
    ----------
    effect : str
        What was done.
    details : Mapping[str, Any]
        With what.
    key : str | None
        By what the receiver recognises a repetition.
    repeated : bool
        It did: nothing happened.
    operation, operation_id : str | None
        The step whose body did it; None when it was done outside of any step.
    attempt : int | None
        Which attempt of that step.
    location : str
        ``file:line``.
    inside : bool
        The code of an invocation did it, and not a fake that was invoked.
    """

    effect: str
    details: Mapping[str, Any]
    key: str | None
    repeated: bool
    operation: str | None
    operation_id: str | None
    attempt: int | None
    location: str
    inside: bool


class Ledger:
    """The world outside, as far as a test needs it: fakes write down what they do.

    It survives the crashes that `explore` makes, and is empty when a run begins.

    Attributes
    ----------
    state : dict
        What the outside world remembers: for fakes that answer from memory.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.record("charge", amount=42, key="order-1")
    True
    >>> ledger.record("charge", amount=42, key="order-1")
    False
    >>> ledger.count("charge")
    1
    """

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Ledger of {len(self._entries)} effects>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    @property
    def entries(self) -> list[Entry]:
        """All effects, the first one first."""
        return list(self._entries)

    def count(self, effect: str) -> int:
        """Return how often *effect* really happened: recognised repetitions don't count."""
        return sum(entry.effect == effect and not entry.repeated for entry in self._entries)

    def record(self, effect: str, /, *, key: str | None = None, **details: Any) -> bool:
        """Write down that an effect happens now.

        Parameters
        ----------
        effect : str
            What is done, such as ``"charge"``.
        key : str | None
            By what the receiver recognises that it did this before, such as
            ``current_step().idempotency_key``. None: it does not, and does it again.
        **details
            With what.

        Returns
        -------
        bool
            False when the receiver recognised it, and nothing happened.
        """
        return self._record(effect, key, details)

    def _record(self, effect: str, key: str | None, details: Mapping[str, Any]) -> bool:
        sandbox = SANDBOX.get()
        if sandbox is not None:
            sandbox.check()
        scope = current_scope()
        with self._lock:
            known = key is not None and any(entry.effect == effect and entry.key == key for entry in self._entries)
            entry = Entry(
                effect=effect,
                details=details,
                key=key,
                repeated=known,
                operation=scope.operation_name if scope else None,
                operation_id=scope.operation_id if scope else None,
                attempt=scope.attempt if scope else None,
                location=call_site(),
                inside=sandbox is not None,
            )
            self._entries.append(entry)
        if sandbox is not None and sandbox.watch is not None:
            sandbox.watch.after_effect(entry)
        return not known

    def effect(self, func: Callable[P, R]) -> Callable[P, R]:
        """Decorate a fake: each call of it is an effect that has its name."""

        @functools.wraps(func)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if (sandbox := SANDBOX.get()) is not None:
                sandbox.check()
            value = func(*args, **kwargs)
            self._record(getattr(func, "__name__", "effect"), None, {"args": args, **kwargs})
            return value

        return call

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.state.clear()
