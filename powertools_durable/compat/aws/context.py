"""The context of ``aws_durable_execution_sdk_python.context``, over the context of this package."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import powertools_durable
from powertools_durable import current_step
from powertools_durable.compat.aws import config as options
from powertools_durable.compat.aws import exceptions as failures
from powertools_durable.compat.aws.bound_functions import (
    durable_parallel_branch,
    durable_step,
    durable_wait_for_callback,
    durable_with_child_context,
)
from powertools_durable.compat.aws.concurrency.models import BatchResult
from powertools_durable.compat.aws.config import Duration, ParallelBranch
from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.fan_outs import BranchKey, arguments_of
from powertools_durable.compat.aws.lambda_service import OperationSubType
from powertools_durable.compat.aws.logger import Logger, LogInfo
from powertools_durable.compat.aws.retries import policy_of
from powertools_durable.compat.aws.serdes import JSON, adapted
from powertools_durable.compat.aws.translation import official_errors, ordinary, run_branch
from powertools_durable.compat.aws.types import (
    LoggerInterface,
    StepContext,
    WaitForCallbackContext,
    WaitForConditionCheckContext,
)
from powertools_durable.compat.aws.waits import WaitForConditionConfig, polling_of

if TYPE_CHECKING:
    from powertools_durable.compat.aws.types import LambdaContext

__all__ = [
    "Callback",
    "DurableContext",
    "ExecutionContext",
    "durable_parallel_branch",
    "durable_step",
    "durable_wait_for_callback",
    "durable_with_child_context",
]
__getattr__ = elsewhere(
    __name__,
    {
        "config": "CallbackConfig ChildConfig InvokeConfig MapConfig ParallelConfig StepConfig WaitForCallbackConfig",
        "exceptions": (
            "CallbackError CallbackExternalError CallbackSubmitterError CallbackTimeoutError "
            "ChildContextError StepError SuspendExecution ValidationError"
        ),
        "lambda_service": "OperationType",
        "serdes": "PassThroughSerDes SerDes deserialize",
    },
)

P = TypeVar("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")

_SEMANTICS = {
    options.StepSemantics.AT_LEAST_ONCE_PER_RETRY: powertools_durable.StepSemantics.AT_LEAST_ONCE,
    options.StepSemantics.AT_MOST_ONCE_PER_RETRY: powertools_durable.StepSemantics.AT_MOST_ONCE,
}


@dataclass(frozen=True)
class ExecutionContext:
    """Which execution it is."""

    durable_execution_arn: str


def _name(name: str | None, func: object = None) -> str:
    """Return an operation's name; an empty one is none. Only decorated functions have one of their own."""
    return name or getattr(func, "_original_name", None) or ""


# -- the context -------------------------------------------------------------------------------------------------------


class Callback(Generic[T]):
    """An id that an external system can answer, and the answer.

    Attributes
    ----------
    callback_id : str
        Pass it on to the system that is to answer.
    """

    def __init__(self, inner: powertools_durable.Callback[T]) -> None:
        self._inner = inner
        self.callback_id = inner.callback_id

    def result(self) -> T | None:
        """Return the answer; suspend the execution until there is one.

        Raises
        ------
        CallbackExternalError, CallbackTimeoutError
            The answer is a failure, or did not come in time.
        """
        with official_errors(failures.CallbackError):
            return self._inner.result()


class DurableContext:
    """The context of a handler: each method is a durable operation.

    Attributes
    ----------
    logger : Logger
        Logs once, however often the code replays.
    execution_context : ExecutionContext
        Which execution it is.
    lambda_context : object
        What Lambda gave this invocation.
    """

    def __init__(
        self,
        inner: powertools_durable.DurableContext,
        logger: Logger | None = None,
        *,
        parent_id: str | None = None,
        is_virtual: bool = False,
    ) -> None:
        self._inner = inner
        self._is_virtual = is_virtual
        self._parent_id = parent_id if is_virtual else inner.parent_id
        self.execution_context = ExecutionContext(inner.execution_arn)
        self.lambda_context: LambdaContext | Any = inner.lambda_context
        info = LogInfo(inner.state, self._parent_id)
        self.logger = (
            Logger.from_log_info(logging.getLogger(), info, self.is_replaying)
            if logger is None
            else logger.with_log_info(info).with_is_replaying(self.is_replaying)
        )

    # -- about itself ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> Any:
        """The records: ``operations`` and ``durable_execution_arn``."""
        return self._inner.state

    @property
    def is_virtual(self) -> bool:
        """Whether the context has no record of its own."""
        return self._is_virtual

    def is_replaying(self) -> bool:
        """Return whether the code repeats what an earlier invocation did."""
        return self._inner.is_replaying

    def set_logger(self, new_logger: LoggerInterface) -> None:
        """Log to *new_logger* from now on, in this context and in those that it makes."""
        self.logger = Logger.from_log_info(new_logger, LogInfo(self._inner.state, self._parent_id), self.is_replaying)

    def create_child_context(self, operation_id: str, *, is_virtual: bool = False) -> DurableContext:
        """Return the context of the operation with that id, for code that manages its own records."""
        return self._child(self._inner.create_child_context(operation_id), is_virtual=is_virtual)

    def _child(self, inner: powertools_durable.DurableContext, *, is_virtual: bool = False) -> DurableContext:
        return DurableContext(inner, self.logger, parent_id=self._parent_id, is_virtual=is_virtual)

    # -- operations with one record --------------------------------------------------------------------------------

    def step(
        self,
        func: Callable[[StepContext], T],
        name: str | None = None,
        config: options.StepConfig | None = None,
    ) -> T:
        """Run a function once and record its result.

        Parameters
        ----------
        func : Callable
            Called with a `StepContext`.
        name : str | None
            For the history; default: the name of a function that is decorated with `durable_step`.
        config : StepConfig | None
            The options.

        Returns
        -------
        T
            The result, as every replay sees it.

        Raises
        ------
        StepError
            Every attempt failed.
        """
        given = config or options.StepConfig()

        def body() -> T:
            here = current_step()
            try:
                return func(StepContext(self._logger_of_step(), here.attempt))
            except failures.InvocationError as error:
                if isinstance(error, failures.RetryableSerDesError):
                    raise
                raise ordinary(error) from error

        with official_errors(failures.StepError):
            result: T = self._inner.step(
                body,
                name=_name(name, func),
                retry=policy_of(given.retry_strategy),
                semantics=_SEMANTICS[given.step_semantics],
                serdes=adapted(given.serdes),
                sub_type=given.sub_type,
            )
            return result

    def _logger_of_step(self) -> Logger:
        here = current_step()
        return self.logger.with_log_info(
            LogInfo(self._inner.state, self._parent_id, here.operation_id, here.name, here.attempt)
        )

    def wait(self, duration: Duration, name: str | None = None) -> None:
        """Suspend the execution for a time.

        Raises
        ------
        ValidationError
            *duration* is less than a second.
        """
        seconds = duration.to_seconds()
        if seconds < 1:
            raise failures.ValidationError("duration must be at least 1 second")
        with official_errors(failures.DurableOperationError):
            self._inner.wait(seconds, name=_name(name))

    def create_callback(self, name: str | None = None, config: options.CallbackConfig | None = None) -> Callback[Any]:
        """Have the service create an id that an external system can answer."""
        given = config or options.CallbackConfig()
        with official_errors(failures.CallbackError):
            return Callback(
                self._inner.create_callback(
                    name=_name(name),
                    timeout=given.timeout_seconds,
                    heartbeat_timeout=given.heartbeat_timeout_seconds,
                    serdes=adapted(given.serdes) if given.serdes is not None else None,
                    sub_type=given.sub_type,
                )
            )

    def invoke(
        self,
        function_name: str,
        payload: P,
        name: str | None = None,
        config: options.InvokeConfig[P, R] | None = None,
    ) -> R:
        """Invoke another Lambda function; the execution is suspended until it has answered.

        Raises
        ------
        InvokeError
            The function failed.
        """
        given: options.InvokeConfig[P, R] = config or options.InvokeConfig()
        with official_errors(failures.InvokeError):
            answer: R = self._inner.invoke(
                function_name,
                payload,
                name=_name(name),
                tenant_id=given.tenant_id,
                payload_serdes=JSON if given.serdes_payload is None else adapted(given.serdes_payload),
                serdes=JSON if given.serdes_result is None else adapted(given.serdes_result),
            )
            return answer

    def wait_for_condition(
        self,
        check: Callable[[T, WaitForConditionCheckContext], T],
        config: WaitForConditionConfig[T],
        name: str | None = None,
    ) -> T:
        """Call a function repeatedly until a condition is met; the execution is suspended between two calls.

        Parameters
        ----------
        check : Callable
            Called with the state and a `WaitForConditionCheckContext`; returns the new state.
        config : WaitForConditionConfig
            The first state, and the strategy that decides about another check.
        name : str | None
            For the history.

        Returns
        -------
        T
            The last state.

        Raises
        ------
        WaitForConditionError
            A check failed, or the strategy gave up.
        """
        if check is None:
            raise failures.ValidationError("`check` is required for wait_for_condition")
        if config is None:
            raise failures.ValidationError("`config` is required for wait_for_condition")

        def body(state: T) -> T:
            here = current_step()
            try:
                return check(state, WaitForConditionCheckContext(self._logger_of_step(), here.attempt))
            except failures.UnrecoverableError as error:
                if isinstance(error, failures.InvocationError) and error.is_retryable():
                    raise
                raise ordinary(error) from error

        with official_errors(failures.WaitForConditionError):
            state: T = self._inner.wait_for_condition(
                body,
                initial=config.initial_state,
                polling=polling_of(config.wait_strategy),
                name=_name(name),
                serdes=adapted(config.serdes),
            )
            return state

    # -- operations that contain others ----------------------------------------------------------------------------

    def run_in_child_context(
        self,
        func: Callable[[DurableContext], T],
        name: str | None = None,
        config: options.ChildConfig[T] | None = None,
    ) -> T:
        """Run a function in its own context, with one record for its result.

        Raises
        ------
        ChildContextError
            The function raised.
        """
        given: options.ChildConfig[T] = config or options.ChildConfig()

        def body(inner: powertools_durable.DurableContext) -> T:
            return run_branch(func, self._child(inner, is_virtual=given.is_virtual))

        with official_errors(failures.ChildContextError):
            result: T = self._inner.run_in_child_context(
                body,
                name=_name(name, func),
                serdes=adapted(given.serdes),
                sub_type=given.sub_type,
                virtual=given.is_virtual,
                summary=given.summary_generator,
            )
            return result

    def wait_for_callback(
        self,
        submitter: Callable[[str, WaitForCallbackContext], object],
        name: str | None = None,
        config: options.WaitForCallbackConfig | None = None,
    ) -> Any:
        """Submit a callback id, and suspend the execution until it is answered.

        Parameters
        ----------
        submitter : Callable
            Called with the callback id and a `WaitForCallbackContext`, as a step.
        name : str | None
            For the history; default: the name of a function decorated with `durable_wait_for_callback`.
        config : WaitForCallbackConfig | None
            The options.

        Raises
        ------
        CallbackExternalError, CallbackTimeoutError
            The answer is a failure, or did not come in time.
        CallbackSubmitterError
            Submitting failed.
        """
        known = _name(name, submitter)
        begin = f"{known} " if known else ""
        of_step = options.StepConfig(retry_strategy=config.retry_strategy, serdes=config.serdes) if config else None

        def body(child: DurableContext) -> Any:
            callback = child.create_callback(f"{begin}create callback id", config)
            child.step(
                lambda step: submitter(callback.callback_id, WaitForCallbackContext(step.logger)),
                f"{begin}submitter",
                of_step,
            )
            return callback.result()

        of_context = options.ChildConfig[Any](sub_type=OperationSubType.WAIT_FOR_CALLBACK.value)
        try:
            return self.run_in_child_context(body, known, of_context)
        except failures.ChildContextError as error:
            match error.__cause__:
                case failures.CallbackError() as inner:
                    raise inner from None
                case failures.StepError() as inner:
                    raise failures.CallbackSubmitterError(
                        inner.message or "Callback submitter failed", data=inner.data, stack_trace=_listed(inner)
                    ) from inner
                case _:
                    raise

    def parallel(
        self,
        functions: Sequence[Callable[[DurableContext], T] | ParallelBranch[T]],
        name: str | None = None,
        config: options.ParallelConfig | None = None,
    ) -> BatchResult[T]:
        """Run several functions concurrently, each in its own context.

        Returns
        -------
        BatchResult
            What became of each branch; failures are reported there, not raised.
        """
        given = config or options.ParallelConfig()
        functions = list(functions)  # it may be a generator
        names = [getattr(each, "name", None) if isinstance(each, ParallelBranch) else None for each in functions]
        branches = [partial(self._branch, each, given.nesting_type) for each in functions]
        keyed: Any = branches
        if any(names):
            keyed = {
                BranchKey(each or f"parallel-branch-{at}"): branch
                for at, (each, branch) in enumerate(zip(names, branches, strict=True))
            }
        with official_errors(failures.ChildContextError):
            result: Any = self._inner.parallel(keyed, name=_name(name), **arguments_of(given, names))
            return result  # type: ignore[no-any-return] # written and read by the official format

    def map(
        self,
        inputs: Sequence[U],
        func: Callable[[DurableContext, U, int, Any], T],
        name: str | None = None,
        config: options.MapConfig[U] | None = None,
    ) -> BatchResult[T]:
        """Run a function for each item concurrently, each in its own context.

        Parameters
        ----------
        inputs : Sequence
            The items.
        func : Callable
            Called as ``func(context, item, index, inputs)``.
        name : str | None
            For the history; default: the name of a decorated function.
        config : MapConfig | None
            The options.

        Returns
        -------
        BatchResult
            What became of each item; failures are reported there, not raised.
        """
        given: options.MapConfig[U] = config or options.MapConfig()
        namer = given.item_namer
        pairs = list(enumerate(inputs))  # it may be a generator
        names = [namer(item, index) for index, item in pairs] if namer is not None else []

        def body(inner: powertools_durable.DurableContext, pair: tuple[int, U]) -> T:
            index, item = pair
            return self._branch(partial(_call_item, func, item, index, inputs), given.nesting_type, inner)

        with official_errors(failures.ChildContextError):
            result: Any = self._inner.map(
                body,
                pairs,
                name=_name(name, func),
                item_name=(lambda _pair, index: names[index] or f"map-item-{index}") if names else None,
                **arguments_of(given, names or [None] * len(pairs)),
            )
            return result  # type: ignore[no-any-return] # written and read by the official format

    def _branch(
        self,
        func: Callable[[DurableContext], T],
        nesting: options.NestingType,
        inner: powertools_durable.DurableContext,
    ) -> T:
        return run_branch(func, self._child(inner, is_virtual=nesting is options.NestingType.FLAT))


def _call_item(
    func: Callable[..., T], item: object, index: int, inputs: Sequence[object], context: DurableContext
) -> T:
    return func(context, item, index, inputs)


def _listed(error: failures.DurableOperationError) -> list[str] | None:
    return list(error.stack_trace) if error.stack_trace else None
