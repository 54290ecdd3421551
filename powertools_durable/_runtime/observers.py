"""Calls the hooks of plugins, derived from effects: operations and engine contain no hook call.

`Observers.observe` wraps an operation's flow. The effects that pass through it show when the operation begins, when the
user's code runs and how it ended, and when the record is terminal. Plugins only observe: an exception of a hook is
logged and ignored.
Source: docs/contributing/protocol.md#plugin-hooks.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from inspect import isawaitable
from typing import Any, TypeVar

from powertools_durable._functions import below_partials
from powertools_durable._protocol.operation import ErrorObject, Operation, OperationType, SubType
from powertools_durable._protocol.result import InvocationResult
from powertools_durable._replay.effects import Attempt, Checkpoint, Enter, Flow, Outcome, Raised, Returned, Series
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.counted_backend import CountedBackend
from powertools_durable._runtime.environment import Clock
from powertools_durable._runtime.error_origin import place_of
from powertools_durable._runtime.records import Records, facts_of
from powertools_durable.errors.recording import to_error_object
from powertools_durable.plugins import (
    AttemptEnd,
    AttemptInfo,
    BackendCalls,
    ChangeInfo,
    InvocationEnd,
    InvocationInfo,
    OperationEnd,
    OperationInfo,
    Plugin,
    PluginFactory,
    PluginSource,
    PropagationInfo,
    ReplayInfo,
)
from powertools_durable.scope import SCOPE, ReplayState, ScopeInfo

__all__ = ["Observers"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_HOOKS = [name for name in vars(Plugin) if name.startswith(("on_", "provide_"))]
_RARE_HOOKS = ("on_invocation_start", "provide_propagation_metadata")  # for these, operations need not be observed


class Observers:
    """The plugins of one invocation.

    Parameters
    ----------
    sources : Sequence[Plugin | Callable]
        Plugins, and factories that make one for each invocation.
    state : ExecutionState
        The records of the execution; it tracks changes from now on if a plugin has a hook for them.
    about : InvocationInfo
        The invocation.
    clock : Clock
        Measures attempts.
    updated_ids : Iterable[str]
        Ids of the records that the service changed since the previous invocation.

    Attributes
    ----------
    observes_operations : bool
        A plugin is interested in operations.
    """

    def __init__(
        self,
        sources: Sequence[PluginSource],
        state: ExecutionState,
        about: InvocationInfo,
        clock: Clock,
        updated_ids: Iterable[str] = (),
    ) -> None:
        self._state = state
        self._clock = clock
        self._execution_scope = ScopeInfo(execution_arn=about.execution_arn, execution_name=about.execution_name)
        records = state.operations
        self._known = frozenset(records)
        self._updated_ids = frozenset(updated_ids)
        self._records = Records(records, about.execution_arn, self._known.__contains__)
        updated = {key: self._records[key] for key in self._updated_ids if key in records}
        self._about = about = replace(about, operations=self._records, updated=updated)
        made = list(_create_plugins(sources, about))
        self._plugins_of = {
            hook: [plugin for plugin in made if getattr(type(plugin), hook) is not getattr(Plugin, hook)]
            for hook in _HOOKS
        }
        self.observes_operations = any(
            plugin.observes_operations
            for hook, interested in self._plugins_of.items()
            if hook not in _RARE_HOOKS
            for plugin in interested
        )
        self._began: dict[str, datetime] = {}  # start times in this invocation of contexts without a record
        self._ended_before = frozenset(key for key, record in records.items() if record.status.is_terminal)
        self._started: set[str] = set()
        self._ended: set[str] = set()
        self._replayed: Counter[str] = Counter()
        self._replays = not about.is_first
        self._backend: CountedBackend | None = None
        self._lock = threading.Lock()
        if self._plugins_of["on_operation_change"]:
            state.track_changes()

    # -- the invocation ------------------------------------------------------------------------------------

    def around(
        self, payload: object, answer: Callable[[], InvocationResult], backend: CountedBackend
    ) -> InvocationResult:
        """Call *answer* between the hooks for the start and the end of the invocation; return its result."""
        self._about = replace(self._about, input=payload)
        self._backend = backend
        self._call_hooks("on_invocation_start", self._about)
        backend.use_current_context()
        try:
            result = answer()
        except BaseException as error:
            self._end_invocation(error, backend.calls)
            raise
        self._end_invocation(result, backend.calls)
        return result

    def _end_invocation(self, answer: InvocationResult | BaseException, calls: BackendCalls) -> None:
        self.report_changes()
        self._end_replay()
        if isinstance(answer, InvocationResult):
            outcome, error, result = answer.status.value, answer.error, answer.result
        else:
            outcome, error, result = "RETRY", _error_object(answer), None
        about = {name: getattr(self._about, name) for name in InvocationInfo.__dataclass_fields__}
        self._call_hooks(
            "on_invocation_end",
            InvocationEnd(
                **about, outcome=outcome, error=error, result=result, calls=calls, replayed=self._replayed.total()
            ),
        )

    def check_replay_end(self, frame: Frame) -> None:
        """Call the hook for the end of the replay when the code of *frame* is live, once."""
        if self._replays and frame.code_state is ReplayState.LIVE:
            self._end_replay()

    def _end_replay(self) -> None:
        with self._lock:
            ends, self._replays = self._replays, False
            counts: Mapping[str, int] = dict(self._replayed)
        if ends:
            pages = self._backend.calls.state_pages if self._backend is not None else 0
            info = ReplayInfo(operations=sum(counts.values()), by_type=counts, state_pages=pages)
            self._call_hooks("on_replay_end", info)

    def report_changes(self) -> None:
        """Call the hook for changed records, with those that have changed since the last call."""
        if not self._plugins_of["on_operation_change"]:
            return
        if changed := self._state.take_changed():
            updated = {key: self._records[key] for key in changed if key in self._records}
            info = ChangeInfo(execution_arn=self._about.execution_arn, updated=updated, operations=self._records)
            self._call_hooks("on_operation_change", info)

    def trace_header(self, op: OperationHandle, function_name: str) -> str | None:
        """Return the trace header for the function that *op* is about to invoke."""
        info = PropagationInfo(
            execution_arn=self._about.execution_arn,
            operation_id=op.id,
            parent_id=op.parent_id,
            function_name=function_name,
        )
        headers = self._call_hooks("provide_propagation_metadata", info, self._scope(op))
        return next((header for header in headers if isinstance(header, str) and header), None)

    # -- an operation --------------------------------------------------------------------------------------

    def observe(self, op: OperationHandle, flow: Flow[T]) -> Flow[T]:
        """Return *flow*, wrapped so that plugins observe it."""
        return self._observe(op, flow) if self.observes_operations and op.sub_type != SubType.PATCH else flow

    def _observe(self, op: OperationHandle, flow: Flow[T]) -> Flow[T]:
        self._start_operation(op)
        answer: object = None
        try:
            while True:
                effect = flow.send(answer)
                match effect:
                    case Attempt():
                        answer = yield from self._observe_attempt(op, effect)
                    case Enter(frame, body):
                        if callable(body):
                            answer = yield Enter(frame, partial(self._run_observed, op, body))
                        else:
                            answer = yield Enter(frame, self._observe_series(op, frame, body))
                    case Checkpoint(wait=True):
                        answer = yield effect
                        self.report_changes()
                    case _:
                        answer = yield effect
        except StopIteration as done:
            value: T = done.value
        except GeneratorExit:  # the operation is incomplete and the invocation ends
            flow.close()
            raise
        except BaseException:
            self._end_operation(op, failed=True)
            raise
        self._end_operation(op, failed=False)
        return value

    def _start_operation(self, op: OperationHandle) -> None:
        record = op.record
        if record is not None and (op.id in self._started or (record.status.is_terminal and not op.replays_children)):
            return
        self._started.add(op.id)
        if record is None and op.type is OperationType.CONTEXT:
            self._began[op.id] = self._clock.now()
        if self._plugins_of["on_operation_start"]:
            info = OperationInfo(**self._facts(op, record), is_replayed=op.id in self._known)
            self._call_hooks("on_operation_start", info, self._scope(op))

    def _end_operation(self, op: OperationHandle, *, failed: bool) -> None:
        record = op.record
        if record is not None and not record.status.is_terminal:
            return
        if op.id in self._ended_before and record is not None:
            with self._lock:
                self._replayed[op.type.value] += 1
            if op.id not in self._updated_ids and not op.replays_children:
                self._call_end_hooks("on_operation_replayed", op, record)
                return
        if record is not None and op.id in self._ended and not op.replays_children:
            return
        self._ended.add(op.id)
        self._call_end_hooks("on_operation_end", op, record, failed=failed)

    def _call_end_hooks(
        self, hook: str, op: OperationHandle, record: Operation | None, *, failed: bool = False
    ) -> None:
        if not self._plugins_of[hook]:
            return
        facts = self._facts(op, record)
        if record is None:  # a context without a record of its own: virtual, or a flat branch
            facts["status"] = "FAILED" if failed else "SUCCEEDED"
            facts["started_at"], facts["ended_at"] = self._began.get(op.id), self._clock.now()
        self._call_hooks(hook, OperationEnd(**facts, is_replayed=op.id in self._known), self._scope(op))

    # -- the user's code -----------------------------------------------------------------------------------

    def _observe_attempt(self, op: OperationHandle, effect: Attempt) -> Flow[Outcome]:
        with self._user_function(op, effect.number, function=below_partials(effect.body)) as ends:
            outcome: Outcome = yield effect
            ends(outcome)
        return outcome

    def _run_observed(self, op: OperationHandle, body: Callable[[Frame], Any], frame: Frame) -> Any:
        """Run the code of a context, between the hooks for user code."""
        self.check_replay_end(frame)
        with ExitStack() as until_its_end:
            is_replaying = frame.code_state is ReplayState.REPLAY
            ends = until_its_end.enter_context(self._user_function(op, None, is_replaying=is_replaying))
            try:
                value = body(frame)
                if isawaitable(value):
                    from powertools_durable._runtime.async_hooks import awaited  # loads asyncio

                    return awaited(value, frame, ends, until_its_end.pop_all())
            except Exception as error:
                if frame.suspension is None:
                    ends(Raised(error))
                raise
            if frame.suspension is None:  # otherwise the code has swallowed the suspension
                ends(Returned(value))
        return value

    def _observe_series(self, op: OperationHandle, frame: Frame, flow: Series[Outcome]) -> Series[Outcome]:
        """Perform a context's code that is a series, between the hooks for user code."""
        self.check_replay_end(frame)
        with self._user_function(op, None, is_replaying=frame.code_state is ReplayState.REPLAY) as ends:
            outcome = yield from flow
            if frame.suspension is None:  # otherwise the user's code has swallowed the suspension
                ends(outcome)
        return outcome

    @contextmanager
    def _user_function(
        self,
        op: OperationHandle,
        attempt: int | None,
        *,
        is_replaying: bool = False,
        function: Callable[..., Any] | None = None,
    ) -> Iterator[Callable[[Outcome], None]]:
        """Call the hooks around user code; the outcome is INCOMPLETE unless the block reports one."""
        self.report_changes()
        if not (self._plugins_of["on_user_function_start"] or self._plugins_of["on_user_function_end"]):
            yield lambda _: None
            return
        own = {"attempt": attempt, "started_at": self._clock.now(), "ended_at": None, "error": None}
        facts = self._facts(op, op.record) | own
        facts |= {
            "is_replayed": op.id in self._known,
            "is_replay_children": op.replays_children,
            "is_replaying": is_replaying,
            "function": function,
        }
        scope = self._scope(op, attempt)
        self._call_hooks("on_user_function_start", AttemptInfo(**facts), scope)
        ending: dict[str, Any] = {"outcome": "INCOMPLETE"}

        def ends(outcome: Outcome) -> None:
            match outcome:
                case Returned():
                    ending["outcome"] = "SUCCEEDED"
                case Raised(error):
                    ending.update(outcome="FAILED", exception=error, error=to_error_object(error))

        try:
            yield ends
        finally:
            self._call_hooks(
                "on_user_function_end", AttemptEnd(**facts | {"ended_at": self._clock.now()} | ending), scope
            )

    # -- hooks ---------------------------------------------------------------------------------------------

    def _call_hooks(self, hook: str, info: object, scope: ScopeInfo | None = None) -> list[Any]:
        """Call a hook of every plugin that has it; return the results.

        Log lines and metrics of hooks are emitted even during a replay.
        """
        if not self._plugins_of[hook]:
            return []
        answers = []
        token = SCOPE.set(scope or self._execution_scope)
        try:
            for plugin in self._plugins_of[hook]:
                try:
                    answers.append(getattr(plugin, hook)(info))
                except Exception as error:  # noqa: BLE001 - a plugin cannot fail the execution
                    name = type(plugin).__name__
                    logger.error("plugin %s failed in %s; it is ignored: %s", name, hook, place_of(error))  # noqa: TRY400
        finally:
            SCOPE.reset(token)
        return answers

    def _scope(self, op: OperationHandle, attempt: int | None = None) -> ScopeInfo:
        return ScopeInfo(
            execution_arn=self._about.execution_arn,
            execution_name=self._about.execution_name,
            context_id=op.parent_id,
            operation_id=op.id,
            operation_name=op.name,
            operation_type=op.type.value,
            attempt=attempt,
        )

    def _facts(self, op: OperationHandle, record: Operation | None) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "execution_arn": self._about.execution_arn,
            "id": op.id,
            "type": op.type.value,
            "sub_type": op.sub_type,
            "name": op.name,
            "parent_id": op.parent_id,
        }
        return facts if record is None else facts | facts_of(record)


def _error_object(error: BaseException) -> ErrorObject:
    return to_error_object(error) if isinstance(error, Exception) else ErrorObject(error_type=type(error).__name__)


def _create_plugins(sources: Iterable[PluginSource], about: InvocationInfo) -> Iterator[Plugin]:
    for source in sources:
        if isinstance(source, Plugin):
            yield source
            continue
        try:
            plugin: object = source.create_plugin(about) if isinstance(source, PluginFactory) else source()
        except Exception as error:  # noqa: BLE001 - a plugin cannot fail the execution
            logger.error("a plugin could not be created; the execution continues without it: %s", place_of(error))  # noqa: TRY400
            continue
        if isinstance(plugin, Plugin):
            yield plugin
        elif plugin is not None or not isinstance(source, PluginFactory):
            logger.error("a plugin factory returned a %s, not a Plugin; it is ignored", type(plugin).__name__)
