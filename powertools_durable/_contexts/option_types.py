"""The options that all overloads of a method have in common, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from pydantic import TypeAdapter as TypeAdapter  # noqa: PLC0414 - re-exported, for type checkers only
    from typing_extensions import TypeForm as TypeForm  # noqa: PLC0414

    from powertools_durable._protocol.duration import Duration
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["CreateCallbackOptions", "InvokeOptions", "SubmitOptions"]


class CreateCallbackOptions(TypedDict, total=False):
    """Options of `create_callback`."""

    name: str | None
    timeout: Duration | None
    heartbeat_timeout: Duration | None
    sub_type: str | None


class SubmitOptions(TypedDict, total=False):
    """Options of `wait_for_callback`."""

    name: str | None
    timeout: Duration | None
    heartbeat_timeout: Duration | None
    retry: RetryPolicy | None


class InvokeOptions(TypedDict, total=False):
    """Options of `invoke`."""

    name: str | None
    tenant_id: str | None
    payload_serdes: SerDes[Any] | None
