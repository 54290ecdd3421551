"""The calls that group others: sagas, and batch mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Never, TypeVar, TypeVarTuple

from powertools_durable import _operations as operations
from powertools_durable import serdes as formats
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.fan_outs import FanOuts
from powertools_durable._operations.semantics import StepSemantics
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable.errors import (
    ChildContextError,
    CompensationError,
    PayloadTooLargeError,
    RetryableSerDesError,
    SerDesError,
    StepError,
    ValidationError,
)
from powertools_durable.errors.recording import raised_type

if TYPE_CHECKING:
    from powertools_durable._operations.compensation import Compensation, CompensationItem, CompensationResult
    from powertools_durable._protocol.duration import Duration
    from powertools_durable._replay.frame import Frame
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["Saga", "Sagas"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Saga:
    """A block whose steps are undone when it raises: what ``with ctx.saga() as saga:`` gives."""

    __slots__ = ("_context", "_is_over")

    def __init__(self, context: Sagas) -> None:
        self._context = context
        self._is_over = False

    def undo(self, func: Callable[[*Ts], object], *args: *Ts) -> None:
        """Remember how to undo what was just done, whatever that was.

        Should the block raise, ``func(*args)`` runs as a step, with the default retries and an idempotency key of
        its own. It has its turn among the compensations of `step_with_compensation`: the last one first.

        Parameters
        ----------
        func : Callable
            Undoes it. What it returns is not kept.
        *args
            What it is called with.

        Raises
        ------
        ValidationError
            The block is over, or this is no place for a durable call.
        """
        arguments.callable_(func, "saga.undo", *args)
        binding.bind(func, len(args), "saga.undo")
        if self._is_over:
            message = "saga.undo() is called after the end of its block: call it in the block, after what it undoes"
            raise ValidationError(message)
        self._context._remember(func, args)  # noqa: SLF001 - two halves of one thing

    def _end(self) -> None:
        self._is_over = True


class Sagas(FanOuts):
    """Operations that belong together."""

    __slots__ = ()

    def step_with_compensation(
        self,
        func: Callable[[*Ts], T],
        *args: *Ts,
        compensate: Callable[..., Any],
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> T:
        """Run a step, and remember how to undo it once it succeeded.

        The other parameters, and what is raised, are those of `step`.

        Parameters
        ----------
        compensate : Callable
            ``compensate(result)``, or ``compensate(child, result)`` with two required parameters when it uses
            durable operations itself. `run_compensations` calls it; it may run more than once after a crash. It is
            no step, so `current_step` raises in it: for an idempotency key let it take *child*, and make a step.
        """
        binding.refuse_unknown(func, "step_with_compensation", unknown)
        arguments.callable_(compensate, "step_with_compensation")
        before, count = ("the context", 2) if _required_parameters(compensate) > 1 else ("the result", 1)
        binding.bind(compensate, count, "step_with_compensation", role="compensate", before=before)
        op, value = self._step(func, args, name, retry, semantics, timeout, returns, serdes, sub_type)
        self._register(op, value, compensate)
        return value

    def run_compensations(self) -> CompensationResult:
        """Undo this context's compensated steps, the last one first; all are tried, whichever fails.

        Returns
        -------
        CompensationResult
            One item for each. Failures are told there, not raised. Source: protocol.md 21.2.
        """
        self._guard("run_compensations")
        return self._compensate(down_to=0)

    @contextmanager
    def saga(self) -> Iterator[Saga]:
        """Undo the compensated steps of a block when it raises, the last one first.

        Yields
        ------
        Saga
            Its ``undo(func, *args)`` remembers a compensation for what is no step.

        Raises
        ------
        Exception
            What the block raised, when every compensation succeeded.
        CompensationError
            From what the block raised, when one failed; ``result`` tells of all of them.
        """
        self._guard("saga")
        before = len(self._compensations)
        saga = Saga(self)
        try:
            yield saga
        except (RetryableSerDesError, MemoryError):  # another invocation goes on from here
            raise
        except Exception as error:
            result = self._compensate(down_to=before)
            if result.all_succeeded:
                raise
            failed = [item.name or "unnamed" for item in result.items if item.status == "Failed"]
            words = f"undoing {', '.join(failed)} failed, after {type(error).__name__}"
            failure = CompensationError(words, error_type=raised_type(error))
            failure.result = result
            raise failure from error
        finally:
            saga._end()  # noqa: SLF001 - two halves of one thing

    def _remember(self, func: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._session.driver.guard(self._frame, "saga.undo")
        self._compensations.append(operations.compensation.Undo(arguments.name_of(func, None), func, args))

    def _compensate(self, down_to: int) -> CompensationResult:
        told = operations.compensation
        items: list[CompensationItem] = []
        while len(self._compensations) > down_to:
            self._session.driver.guard(self._frame, "run_compensations")
            compensation = self._compensations.pop()
            try:
                if isinstance(compensation, told.Undo):
                    self.step(_without_result, compensation.func, compensation.args, name=compensation.name or "")
                else:
                    self._compensate_step(compensation)
            except RetryableSerDesError:
                raise
            except (StepError, ChildContextError, SerDesError, PayloadTooLargeError) as error:
                items.append(told.CompensationItem(compensation.name, "Failed", str(error)))
            else:
                items.append(told.CompensationItem(compensation.name, "Succeeded"))
        return told.CompensationResult(tuple(items))

    def _compensate_step(self, compensation: Compensation) -> None:
        op = self._begin("run_compensations", OperationType.CONTEXT, SubType.COMPENSATION, compensation.name)
        undo = partial(self._undo, compensation.undo, compensation.value)
        self._drive(op, operations.child.child(op, partial(self._frame.child, op), undo, formats.PassThrough()))

    def _undo(self, undo: Callable[..., Any], value: Any, frame: Frame) -> None:
        if _required_parameters(undo) > 1:
            undo(self._below(frame), value)
        else:
            undo(value)

    def defer(self, func: Callable[[*Ts], object], *args: *Ts, **unknown: Never) -> None:
        """Have a function run once, as a step, when the execution ends; not when it suspends.

        Deferred calls run last in, first out, all of them, after success and after failure. The first that fails
        after success fails the execution; any other failure is logged.

        Raises
        ------
        ValidationError
            Called on a child context: its code does not run again on every replay. Source: api.md 11.
        """
        binding.refuse_unknown(func, "defer", unknown)
        arguments.callable_(func, "defer", *args)
        self._guard("defer")
        if self._frame.parent is not None:
            message = "ctx.defer() is for the handler's own context; a child context that has ended is not run again"
            raise ValidationError(message)
        binding.bind(func, len(args), "defer")
        self._deferred.append(partial(self.step, func, *args))

    # -- changing code in flight ---------------------------------------------------------------------------

    def patched(self, name: str) -> bool:
        """Tell whether this execution takes the new way of a change.

        Parameters
        ----------
        name : str
            Names the change.

        Returns
        -------
        bool
            True in executions that come here for the first time with this code; False for ever in those that
            had passed this point before. Shifts no ids. Source: api.md 6.
        """
        shown = arguments.patch_name(name)
        self._guard("patched")
        answers = self._frame.patches
        if shown not in answers:
            op = self._frame.mark(shown, SubType.PATCH)
            answers[shown] = self._drive(op, operations.patch.patched(op, replaying=self.is_replaying))
        return answers[shown]

    def deprecate_patch(self, name: str) -> None:
        """Say that no execution takes the old way of a change any more, and only its mark may still be there.

        Remove the call when executions that were started before it are over.
        """
        shown = arguments.patch_name(name)
        self._guard("deprecate_patch")
        self._frame.mark(shown, SubType.PATCH)

    # -- batch mode ----------------------------------------------------------------------------------------

    def flush_batch(self) -> None:
        """Send what batch mode holds back and wait until the service has it."""
        self._guard("flush_batch")
        self._session.driver.flush(self._frame)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Enable batch mode for a block; what it held back is sent when the block ends, also by an error."""
        self._guard("batch")
        before, self._frame.batch_mode = self._frame.batch_mode, True
        try:
            yield
        except Exception:
            self._session.driver.flush(self._frame)
            raise
        else:
            self._session.driver.flush(self._frame)
        finally:
            self._frame.batch_mode = before


def _without_result(func: Callable[..., object], args: tuple[Any, ...]) -> object:
    """Call what undoes something; what it returns is nobody's, but what is no result yet is refused as a step's is."""
    result = func(*args)
    return result if inspect.iscoroutine(result) or inspect.isgenerator(result) else None


def _required_parameters(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins tell nothing
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty)
