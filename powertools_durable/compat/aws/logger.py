"""The logger of ``aws_durable_execution_sdk_python.logger``: adds the execution's ids, and drops replayed lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from powertools_durable.compat.aws.types import LoggerInterface

__all__ = ["LogInfo", "Logger", "LoggerInterface"]


class _State(Protocol):
    @property
    def durable_execution_arn(self) -> str: ...


@dataclass(frozen=True)
class LogInfo:
    """What lines are stamped with."""

    execution_state: _State
    parent_id: str | None = None
    operation_id: str | None = None
    name: str | None = None
    attempt: int | None = None

    @classmethod
    def from_operation_identifier(cls, execution_state: _State, op_id: Any, attempt: int | None = None) -> LogInfo:
        """Build it for an operation; *op_id* has its ids and its name."""
        return cls(execution_state, op_id.parent_id, op_id.operation_id, op_id.name, attempt)

    def with_parent_id(self, parent_id: str) -> LogInfo:
        """Return it with another parent."""
        return replace(self, parent_id=parent_id)


class Logger(LoggerInterface):
    """Passes lines on to a logger of yours, with ``extra``, unless they were logged before the replay.

    Parameters
    ----------
    logger : LoggerInterface
        Where lines go.
    default_extra : Mapping[str, object]
        What they are stamped with.
    is_replaying : Callable
        Asked for each line; True drops it.
    """

    def __init__(
        self,
        logger: LoggerInterface,
        default_extra: Mapping[str, object],
        is_replaying: Callable[[], bool] = lambda: False,
    ) -> None:
        self._logger = logger
        self._default_extra = default_extra
        self._is_replaying = is_replaying

    @classmethod
    def from_log_info(
        cls, logger: LoggerInterface, info: LogInfo, is_replaying: Callable[[], bool] = lambda: False
    ) -> Logger:
        """Build it for an operation or a context."""
        stamps = {
            "executionArn": info.execution_state.durable_execution_arn,
            "parentId": info.parent_id or None,
            "operationName": info.name or None,
            "attempt": info.attempt,
            "operationId": info.operation_id or None,
        }
        return cls(logger, {key: stamp for key, stamp in stamps.items() if stamp is not None}, is_replaying)

    def with_log_info(self, info: LogInfo) -> Logger:
        """Return it for another operation or context."""
        return Logger.from_log_info(self._logger, info, self._is_replaying)

    def with_is_replaying(self, is_replaying: Callable[[], bool]) -> Logger:
        """Return it with another switch."""
        return Logger(self._logger, self._default_extra, is_replaying)

    def get_logger(self) -> LoggerInterface:
        """Return the logger that lines go to."""
        return self._logger

    def debug(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at DEBUG."""
        self._log(self._logger.debug, msg, args, extra)

    def info(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at INFO."""
        self._log(self._logger.info, msg, args, extra)

    def warning(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at WARNING."""
        self._log(self._logger.warning, msg, args, extra)

    def error(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at ERROR."""
        self._log(self._logger.error, msg, args, extra)

    def exception(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at ERROR with a traceback."""
        self._log(self._logger.exception, msg, args, extra)

    def _log(
        self,
        log: Callable[..., None],
        msg: object,
        args: tuple[object, ...],
        extra: Mapping[str, object] | None,
    ) -> None:
        if not self._is_replaying():
            log(msg, *args, extra={**self._default_extra, **(extra or {})})
