"""What becomes of an execution's operations, in a hundred lines.

Written from docs/contributing/protocol.md#statuses-and-transitions alone: it says of every
request whether it is accepted and what it leads to, and the
service's own table is not consulted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.service.bench import A, S, T

KINDS = {
    "s1": T.STEP,
    "s2": T.STEP,
    "w": T.WAIT,
    "c": T.CALLBACK,
    "i": T.CHAINED_INVOKE,
    "x": T.CONTEXT,
    "y": T.CONTEXT,
    "z": T.CONTEXT,
}
NEXT = {
    T.STEP: {
        A.START: ((None, S.READY), S.STARTED),
        A.SUCCEED: ((S.STARTED, S.READY), S.SUCCEEDED),
        A.FAIL: ((S.STARTED, S.READY), S.FAILED),
        A.RETRY: ((S.STARTED, S.READY), S.PENDING),
    },
    T.WAIT: {A.START: ((None,), S.STARTED), A.CANCEL: ((S.STARTED,), S.CANCELLED)},
    T.CALLBACK: {A.START: ((None,), S.STARTED)},
    T.CHAINED_INVOKE: {A.START: ((None,), S.STARTED)},
    T.CONTEXT: {
        A.START: ((None,), S.STARTED),
        A.SUCCEED: ((S.STARTED,), S.SUCCEEDED),
        A.FAIL: ((S.STARTED,), S.FAILED),
    },
}
OVER = {S.SUCCEEDED, S.FAILED, S.CANCELLED, S.TIMED_OUT, S.STOPPED}


@dataclass(frozen=True)
class Known:
    """What the model knows of an operation; *due* is when time moves it, and to *then*."""

    kind: T
    status: S
    parent: str | None
    ended: int = 0  # attempts
    due: float | None = None


@dataclass
class Model:
    known: dict[str, Known] = field(default_factory=dict)
    now: float = 0

    def after(self, batch):
        """The operations after *batch*, or None when it is refused."""
        known, seen = dict(self.known), {}
        for one in batch:
            done = self._done(known, seen.get(one.id, []), one)
            if done is None:
                return None
            known[one.id] = done
            seen.setdefault(one.id, []).append(one.action)
        return known

    def _done(self, known, seen, one):
        old = known.get(one.id)
        status, parent = (old.status, old.parent) if old else (None, one.parent_id)
        statuses, becomes = NEXT[one.type].get(one.action, ((), None))
        wrong = (
            status not in statuses,
            old is not None and old.kind is not one.type,
            one.parent_id not in (None, parent),
            parent is not None and (parent not in known or known[parent].kind is not T.CONTEXT),
            self._is_closed(known, parent),
            seen and (seen != [A.START] or one.type not in (T.STEP, T.CONTEXT) or one.action is A.START),
        )
        if any(wrong):
            return None
        ended = (old.ended if old else 0) + (one.type is T.STEP and one.action is not A.START)
        return Known(one.type, becomes, one.parent_id, ended, self._due(one, becomes))

    @staticmethod
    def _is_closed(known, parent):
        while parent in known:
            if known[parent].status in OVER:
                return True
            parent = known[parent].parent
        return False

    def _due(self, one, becomes):
        if becomes is S.PENDING:
            return self.now + one.step_options.next_attempt_delay_seconds
        if one.wait_options and becomes is S.STARTED:
            return self.now + one.wait_options.wait_seconds
        options = one.callback_options
        limits = [options.timeout_seconds, options.heartbeat_timeout_seconds] if options else []
        return min((self.now + limit for limit in limits if limit), default=None)

    def fire(self):
        becomes = {T.STEP: S.READY, T.WAIT: S.SUCCEEDED, T.CALLBACK: S.TIMED_OUT}
        for key, one in self.known.items():
            if one.due is not None and one.due <= self.now:
                self.known[key] = Known(one.kind, becomes[one.kind], one.parent, one.ended)
