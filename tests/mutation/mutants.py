"""Deliberate faults of the engine: one small edit each, and the promise or invariant it breaks.

An edit names its file and a text that stands there exactly once. `test_mutants.py` holds that they still apply; the
command ``python -m tests.mutation`` makes each fault in turn and looks whether the tests notice.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MUTANTS", "Mutant"]


class Mutant(NamedTuple):
    """One fault: in *file*, *old* becomes *new*."""

    name: str
    breaks: str
    file: str
    old: str
    new: str

    def applied(self, source: str) -> str:
        """Return *source* with the fault.

        Raises
        ------
        LookupError
            The text is not there, or more than once.
        """
        if source.count(self.old) != 1:
            raise LookupError(f"{self.name}: {source.count(self.old)} times in {self.file}: {self.old!r}")
        return source.replace(self.old, self.new)


STEP = "_operations/step.py"
CHILD = "_operations/child.py"
CHECKPOINTER = "_runtime/checkpointer.py"
REQUESTS = "_runtime/requests.py"
ENGINE = "_replay/engine.py"
FRAME = "_replay/frame.py"
PLAN = "_replay/fan_out_plan.py"
INVOCATION = "_runtime/invocation.py"
_OPTIONS = "Powertools' options do above @durable what they do without it, at the final end only"
_DECORATIONS = "doctor and the first invocation find the same wrong decorations"

MUTANTS = (
    Mutant(
        "the START of an at-most-once step is not waited for",
        "I02: at most one start of the body for each attempt",
        STEP,
        "yield Checkpoint(op.start())\n                _require_started(op)",
        "yield Checkpoint(op.start(), wait=False)",
    ),
    Mutant(
        "an interrupted at-most-once step runs again",
        "I02",
        STEP,
        "case Status.STARTED if at_most_once:",
        "case Status.STARTED if at_most_once and op.name == 'never':",
    ),
    Mutant(
        "attempts are counted one too low",
        "I17: attempt numbers without a gap",
        STEP,
        "delay = decide(retry, error, op.attempts + 1, op.random)",
        "delay = decide(retry, error, max(1, op.attempts), op.random)",
    ),
    Mutant(
        "a step whose retry is scheduled waits for ever",
        "I08: PENDING only with a waker",
        STEP,
        "yield Suspend(until=op.next_attempt)",
        "yield Suspend()",
    ),
    Mutant(
        "the result of a step is not waited for",
        "I12: SUCCEEDED only when every owed update is acknowledged",
        STEP,
        "yield Checkpoint(op.succeed(op.check_size(text)), deferrable=deferrable)",
        "yield Checkpoint(op.succeed(op.check_size(text)), wait=False, deferrable=deferrable)\n"
        "                yield Attempt(lambda: None, number=0)",
    ),
    Mutant(
        "a wait is over at once",
        "I14: no timer before the service says so",
        "_operations/wait.py",
        "yield Suspend(until=op.scheduled_end)",
        "return",
    ),
    Mutant(
        "a poll forgets its state",
        "docs/contributing/protocol.md#wait-for-condition",
        "_operations/wait_for_condition.py",
        "return Checkpoint(op.retry_with(text, delay))",
        "return Checkpoint(op.retry_with(None, delay))",
    ),
    Mutant(
        "a large context is not marked for rebuilding",
        "I15: the same outcome live and on every replay",
        CHILD,
        "yield Checkpoint(op.succeed(payload, replay_children=oversize), closes=frame)",
        "yield Checkpoint(op.succeed(payload, replay_children=False), closes=frame)",
    ),
    Mutant(
        "a context that succeeded does not close what runs below it",
        "I05: nothing below a terminal ancestor",
        CHILD,
        "yield Checkpoint(op.succeed(payload, replay_children=oversize), closes=frame)",
        "yield Checkpoint(op.succeed(payload, replay_children=oversize))",
    ),
    Mutant(
        "a failing delay is cut instead of rounded up",
        "G8: whole seconds, rounded up",
        "retry.py",
        "math.ceil(seconds)",
        "math.floor(seconds)",
    ),
    Mutant(
        "a wait is cut to whole seconds instead of rounded up",
        "I14",
        "_protocol/duration.py",
        "math.ceil(seconds_of(value))",
        "int(seconds_of(value))",
    ),
    Mutant(
        "compensations run first in, first out",
        "docs/contributing/protocol.md#compensations: last in, first out",
        "_operations/compensation.py",
        "for index in range(len(compensations) - 1, -1, -1):",
        "for index in range(len(compensations)):",
    ),
    Mutant(
        "values are returned without having been read back",
        "I15",
        "serdes/base.py",
        "        return text, read(text, serdes, context)\n",
        "        return text, value\n",
    ),
    Mutant(
        "the old token is used again",
        "I07: the token chain is linear",
        ENGINE,
        "        self.token = response.checkpoint_token\n",
        "",
    ),
    Mutant(
        "a missing token is not noticed",
        "row 24: PENDING, no more calls",
        ENGINE,
        "            self.revoked = True\n",
        "            pass\n",
    ),
    Mutant(
        "requests are filled beyond 250 updates",
        "I22",
        ENGINE,
        "len(self._updates) >= MAX_BATCH_UPDATES\n",
        "len(self._updates) >= 10 * MAX_BATCH_UPDATES\n",
    ),
    Mutant(
        "two changes of one step share a request",
        "I10: START (RETRY START)* (SUCCEED|FAIL)",
        ENGINE,
        "return ends and update.type in _MERGEABLE",
        "return True",
    ),
    Mutant(
        "the newest update is sent first",
        "I11: program order",
        ENGINE,
        "item = self._outbox.popleft()",
        "item = self._outbox.pop()",
    ),
    Mutant(
        "an older view replaces a newer one",
        "I13: a terminal status never regresses",
        "_protocol/lifecycle.py",
        "    if old.status.is_terminal:\n        return False\n"
        "    return new.status.is_terminal or _age(new) >= _age(old)",
        "    return True",
    ),
    Mutant(
        "another operation than the recorded one is accepted",
        "G6: changed code is never mixed with its history",
        FRAME,
        "or (record.name or None) != name",
        "",
    ),
    Mutant(
        "records below an ended context may still be queued",
        "I05",
        FRAME,
        "            if frame.finished:\n                return True\n",
        "",
    ),
    Mutant(
        "ids repeat",
        "I06: ids unique by parent and position",
        FRAME,
        "        self.counter += 1\n        identifier",
        "        self.counter = min(self.counter + 1, 4)\n        identifier",
    ),
    Mutant(
        "a swallowed suspension is forgotten",
        "G4: nothing turns a suspension into a result",
        FRAME,
        "        self.suspension = signal\n",
        "",
    ),
    Mutant(
        "more branches than allowed are in flight",
        "docs/contributing/protocol.md#scheduling: max_concurrency",
        PLAN,
        "if self._in_flight >= self._slots:",
        "if self._in_flight > self._slots:",
    ),
    Mutant(
        "a suspended branch gives its slot away",
        "docs/contributing/protocol.md#scheduling: a suspended branch keeps its slot",
        PLAN,
        "return self._admitted - len(self._outcomes)",
        "return self._admitted - len(self._outcomes) - len(self._suspended)",
    ),
    Mutant(
        "one failure more than tolerated is tolerated",
        "docs/contributing/protocol.md#completion-rules: strictly greater",
        "completion.py",
        "if count is not None and status.failed > count:",
        "if count is not None and status.failed > count + 1:",
    ),
    Mutant(
        "a reason changes after it was known",
        "row 63: the result of an early completion is frozen",
        PLAN,
        "        if self.reason is None:\n            failed",
        "        if True:\n            failed",
    ),
    Mutant(
        "a repeated request has another client token",
        "rows 12, 13: the same client token",
        REQUESTS,
        "return backend.checkpoint(arn, batch.token, updates, client_token)",
        "return backend.checkpoint(arn, batch.token, updates, client_token + str(attempt))",
    ),
    Mutant(
        "requests share one client token",
        "docs/contributing/protocol.md#client-tokens: one client token for each batch",
        REQUESTS,
        'client_token = f"{random.getrandbits(128):032x}"',
        'client_token = "0" * 32',
    ),
    Mutant(
        "a stale token is tried again",
        "row 22: no call after a stale token",
        REQUESTS,
        "may_help = error.retryable and not error.stale_token and",
        "may_help = error.retryable and",
    ),
    Mutant(
        "a passing fault ends the invocation",
        "G8",
        REQUESTS,
        "_ATTEMPTS = 4",
        "_ATTEMPTS = 1",
    ),
    Mutant(
        "what is owed at the end is not sent",
        "I12",
        INVOCATION,
        "        session.driver.flush(root)\n",
        "        pass\n",
    ),
    Mutant(
        "a fault of the service is forgotten when the handler returns",
        "row 27: never SUCCEEDED while owed updates are lost",
        INVOCATION,
        "    if engine.interruption is not None and not engine.revoked:\n"
        "        return _answer_interruption(engine.interruption, failures)\n",
        "",
    ),
    Mutant(
        "a suspended invocation answers SUCCEEDED",
        "G4",
        INVOCATION,
        "case Suspended():\n            return PENDING",
        'case Suspended():\n            return _answer_succeeded(session, "null", failures)',
    ),
    Mutant(
        "a durable call in a step is let through",
        "G5",
        "_runtime/placement.py",
        "if scope is not None and scope.step is not None:",
        "if scope is None and frame is None:",
    ),
    Mutant(
        "a misplaced call does not stick",
        "G5",
        "_runtime/placement.py",
        "            self._checkpointer.interrupt(error, unless_over=root)\n",
        "            pass\n",
    ),
    Mutant(
        "a value that can't be written is a tolerated failure of its branch",
        "an author's mistake is never a tolerated failure",
        PLAN,
        "case Raised(SerDesError() as mistake) if not self._rebuilds:",
        "case Raised(SerDesError() as mistake) if False:",
    ),
    Mutant(
        "what comes back as something else is taken",
        "what is recorded reads back equal, or is refused",
        "serdes/base.py",
        "        if found is None:\n",
        "        if True:\n",
    ),
    Mutant(
        "what an annotation promises is not looked at",
        "an annotation is a promise",
        "serdes/base.py",
        "promised and not promise(value)",
        "promised and False",
    ),
    Mutant(
        "a failed execution flushes no buffer",
        _OPTIONS,
        "integrations/uncaught.py",
        '        names["self"].flush_buffer()',
        "        pass",
    ),
    Mutant(
        "a failed execution flushes a buffer that is not to be flushed",
        _OPTIONS,
        "integrations/uncaught.py",
        'if names.get("flush_buffer_on_uncaught_error"):',
        "if True:",
    ),
    Mutant(
        "a failed execution is not marked in its subsegment",
        _OPTIONS,
        "integrations/uncaught.py",
        "        subsegment.add_exception(shown, [])",
        "        pass",
    ),
    Mutant(
        "a failed execution's error is not captured",
        _OPTIONS,
        "integrations/uncaught.py",
        '        subsegment.put_metadata(key=name, value=shown, namespace=names["self"].service)',
        "        pass",
    ),
    Mutant(
        "a failed execution's error is captured though it is not to be",
        _OPTIONS,
        "integrations/uncaught.py",
        'if names.get("capture_error"):',
        "if True:",
    ),
    Mutant(
        "a decorator that breaks when it is told of a failure replaces the answer",
        _OPTIONS,
        "integrations/uncaught.py",
        "except Exception as broken:",
        "except KeyError as broken:",
    ),
    Mutant(
        "decorators of another handler further up are told of a failure",
        _OPTIONS,
        "integrations/uncaught.py",
        "while frame is not None and not is_own(frame):",
        "while frame is not None:",
    ),
    Mutant(
        "a suspension is told to decorators as a failure",
        _OPTIONS,
        "integrations/telemetry.py",
        '        if status == "FAILED":',
        '        if status != "SUCCEEDED":',
    ),
    Mutant(
        "an empty set of metrics replaces the error of a failure",
        _OPTIONS,
        "integrations/telemetry.py",
        "or never for want of success\n            _expect_nothing(expected=True)",
        "or never for want of success\n            _expect_nothing(expected=False)",
    ),
    Mutant(
        "an empty set of metrics replaces the error of an invocation",
        _OPTIONS,
        "integrations/telemetry.py",
        'so that Lambda makes another one."""\n        _expect_nothing(expected=True)',
        'so that Lambda makes another one."""\n        _expect_nothing(expected=False)',
    ),
    Mutant(
        "an empty set of metrics takes a success back",
        _OPTIONS,
        "integrations/metrics.py",
        "            args, kwargs = (), {}",
        "            pass",
    ),
    Mutant(
        "an ordinary handler's empty set is forgiven after a durable one",
        _OPTIONS,
        "integrations/metrics.py",
        "            _invocation.has_nothing = _invocation.is_answered = False",
        "            pass",
    ),
    Mutant(
        "a metric is counted at each replay",
        _OPTIONS,
        "integrations/metrics.py",
        '        """Take a metric, unless an earlier invocation did."""\n        if _is_repeated():',
        '        """Take a metric, unless an earlier invocation did."""\n        if False:',
    ),
    Mutant(
        "code that only repeats flushes the buffer of other code",
        _OPTIONS,
        "integrations/log_buffer.py",
        "return [] if suppresses(scope) else get(self, key)",
        "return get(self, key)",
    ),
    Mutant(
        "code that only repeats empties the buffer of other code",
        _OPTIONS,
        "integrations/log_buffer.py",
        "return None if suppresses(scope) else clear(self, key)",
        "return clear(self, key)",
    ),
    Mutant(
        "the first invocation does not look at what stands above",
        _DECORATIONS,
        "_contexts/decorators.py",
        "above = map(problem_above, layers_above(caller))",
        "above = map(problem_above, ())",
    ),
    Mutant(
        "the first invocation does not look at what stands below",
        _DECORATIONS,
        "_contexts/decorators.py",
        "*map(problem_below, layers_below(function))",
        "*map(problem_below, ())",
    ),
    Mutant(
        "each invocation tells of wrong decorators",
        _DECORATIONS,
        "_hosting.py",
        "            self._was_called = True",
        "            self._was_called = False",
    ),
    Mutant(
        "doctor does not look at what stands above",
        _DECORATIONS,
        "cli/diagnosis/decorations.py",
        "[*map(problem_above, above), ",
        "[",
    ),
    Mutant(
        "doctor does not look at what stands below",
        _DECORATIONS,
        "cli/diagnosis/decorations.py",
        ", *map(problem_below, below)]",
        "]",
    ),
    Mutant(
        "a tracer that captures answers above is let through",
        _DECORATIONS,
        "parser/layers.py",
        'if layer.name == _TRACER and layer.made_with.get("capture_response"):',
        "if layer.name == _TRACER and False:",
    ),
    Mutant(
        "metrics below are let through",
        _DECORATIONS,
        "parser/layers.py",
        "    if layer.name.endswith(_METRICS):\n        return Problem(",
        "    if False:\n        return Problem(",
    ),
    Mutant(
        "a parser above is let through",
        _DECORATIONS,
        "parser/layers.py",
        "if (layer.module, layer.name) in REPLACING:",
        "if False:",
    ),
    Mutant(
        "a correlation path that finds nothing above is let through",
        _DECORATIONS,
        "integrations/correlation_advice.py",
        '    if path.lstrip(" (").startswith(_KEYS):',
        "    if True:",
    ),
    Mutant(
        "a correlation path that raises below is let through",
        _DECORATIONS,
        "integrations/correlation_advice.py",
        "    if not path.startswith(_INPUT):",
        "    if True:",
    ),
    Mutant(
        "swapped parameters are let through",
        _DECORATIONS,
        "_contexts/handler_checks.py",
        "if (is_context or by_name) and not _names_context(second.annotation):",
        "if False:",
    ),
    Mutant(
        "a handler with too few parameters is let through",
        _DECORATIONS,
        "_contexts/handler_checks.py",
        "if not fits(function, 2, follow_wrapped=True, without_signature=False):",
        "if False:",
    ),
    Mutant(
        "idempotent above is let through",
        _DECORATIONS,
        "_hosting.py",
        "        refuse_idempotent(event)\n",
        "        pass\n",
    ),
    Mutant(
        "a key of a dict is shown",
        "G10: no payload in a message",
        "serdes/paths.py",
        "if type(key) is str and key in names else",
        "if type(key) is str else",
    ),
    Mutant(
        "a key that pydantic names is shown",
        "G10: no payload in a message",
        "errors/type_names.py",
        "            shown.append(text if is_name else A_KEY)",
        "            shown.append(text)",
    ),
)
