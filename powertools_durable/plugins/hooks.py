"""The classes that are subclassed to observe an execution."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, ClassVar, TypeAlias

from powertools_durable.errors import ValidationError
from powertools_durable.plugins.infos import (
    AttemptEnd,
    AttemptInfo,
    ChangeInfo,
    InvocationEnd,
    InvocationInfo,
    OperationEnd,
    OperationInfo,
    PropagationInfo,
    ReplayInfo,
)

__all__ = ["Around", "Listening", "Plugin", "PluginFactory", "PluginSource"]


class Plugin:
    """Has a method for each moment; all do nothing.

    Attributes
    ----------
    observes_operations : bool
        False for a plugin that has no hook for operations and does not read how many were replayed. If that is true of
        all plugins, operations run as fast as without plugins.
    """

    observes_operations: ClassVar[bool] = True

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """The handler is about to run; nothing was sent yet."""

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """The last hook: the answer is made and no other code of the execution runs."""

    def on_replay_end(self, info: ReplayInfo) -> None:
        """A context goes on where no code has been before; once an invocation, at its end at the latest."""

    def on_operation_start(self, info: OperationInfo) -> None:
        """An operation begins, before its START is queued; or, ``is_replayed``, is met again and is not over."""

    def on_operation_end(self, info: OperationEnd) -> None:
        """An operation's end is seen, before the code that asked for it goes on; once an operation.

        Not for what had ended in an earlier invocation, unless it ended between two. Contexts that leave no record,
        or are rebuilt, are told each time they run.
        """

    def on_operation_replayed(self, info: OperationEnd) -> None:
        """An operation returns what was recorded, and whose end was told by an earlier invocation."""

    def on_user_function_start(self, info: AttemptInfo) -> None:
        """The user's code of an operation is about to run, on this thread."""

    def on_user_function_end(self, info: AttemptEnd) -> None:
        """It ran; its outcome is not recorded yet."""

    def on_operation_change(self, info: ChangeInfo) -> None:
        """Records have changed; told on a thread that is about to run the user's code, several changes at a time."""

    def provide_propagation_metadata(self, info: PropagationInfo) -> str | None:  # noqa: ARG002 - to override
        """Return an X-Ray trace header for a function that is about to be invoked; the first plugin's counts."""
        return None


class PluginFactory:
    """Makes the plugin of an invocation, knowing which invocation it is.

    Subclass it where a class without arguments is not enough: when the plugin depends on the execution, when only some
    invocations get one, or when the API calls of the engine need context variables of their own.
    """

    def create_plugin(self, info: InvocationInfo) -> Plugin | None:
        """Return the plugin of an invocation; None if it gets none. ``info.input`` is not known yet."""
        raise NotImplementedError

    def prepare_backend_calls(self) -> None:
        """Set context variables for the API calls of the engine, for example to keep them out of a trace.

        The code of the execution does not see them.
        """


PluginSource: TypeAlias = Plugin | PluginFactory | Callable[[], Plugin]
"""What ``plugins=`` takes: an instance, or what makes a fresh one for each invocation."""

Listening: TypeAlias = Generator[None, Any, None]
"""What the methods of `Around` return: ``ending = yield`` gives the matching end."""


class Around(Plugin):
    """Has a generator for each thing that lasts: what stands before its one ``yield`` runs before, the rest after.

    Examples
    --------
    >>> class SlowSteps(Around):
    ...     def attempt(self, info: AttemptInfo) -> Listening:
    ...         began = perf_counter()
    ...         ending = yield
    ...         if perf_counter() - began > 5:
    ...             logger.warning("slow step", step=info.name, outcome=ending.outcome)
    """

    def invocation(self, info: InvocationInfo) -> Listening:  # noqa: ARG002 - to override
        """Around one invocation; ``yield`` gives an `InvocationEnd`."""
        yield

    def operation(self, info: OperationInfo) -> Listening:  # noqa: ARG002
        """Around what an invocation sees of an operation that is not over.

        ``yield`` gives an `OperationEnd`, or None when the invocation ends before the operation. A branch of a
        fan-out may end on another thread than it began on.
        """
        yield

    def attempt(self, info: AttemptInfo) -> Listening:  # noqa: ARG002
        """Around the user's code of an operation, on its thread; ``yield`` gives an `AttemptEnd`."""
        yield

    # -- from hooks to generators --------------------------------------------------------------------------

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Begin `invocation`."""
        self._begin(("invocation", info.execution_arn), self.invocation, info)

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """End every `operation` that is still open, then `invocation`."""
        for key in [key for key in self._open if key[:2] == ("operation", info.execution_arn)]:
            self._end(key, None)
        self._end(("invocation", info.execution_arn), info)

    def on_operation_start(self, info: OperationInfo) -> None:
        """Begin `operation`."""
        self._begin(("operation", info.execution_arn, info.id), self.operation, info)

    def on_operation_end(self, info: OperationEnd) -> None:
        """End `operation`."""
        self._end(("operation", info.execution_arn, info.id), info)

    def on_user_function_start(self, info: AttemptInfo) -> None:
        """Begin `attempt`."""
        self._begin(("attempt", info.execution_arn, info.id), self.attempt, info)

    def on_user_function_end(self, info: AttemptEnd) -> None:
        """End `attempt`."""
        self._end(("attempt", info.execution_arn, info.id), info)

    @property
    def _open(self) -> dict[tuple[str, ...], Listening]:
        """The generators that stand at their ``yield``; a subclass need not call our ``__init__``."""
        found: dict[tuple[str, ...], Listening] = self.__dict__.setdefault("_powertools_durable_open", {})
        return found

    def _begin(self, key: tuple[str, ...], method: Callable[[Any], Listening], info: object) -> None:
        if getattr(type(self), method.__name__, None) is getattr(Around, method.__name__):
            return  # not overridden
        listening = method(info)
        next(listening)
        self._open[key] = listening

    def _end(self, key: tuple[str, ...], ending: object) -> None:
        listening = self._open.pop(key, None)
        if listening is None:
            return
        try:
            listening.send(ending)
        except StopIteration:
            return
        listening.close()
        message = f"{type(self).__name__}.{key[0]}() has more than one yield; everything after the second is skipped"
        raise ValidationError(message)
