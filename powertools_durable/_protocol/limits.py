"""Every number the service imposes, each with its source.

[M] is the Lambda service model in botocore 1.44, [P] the official Python SDK 3.0, [E] the official
emulator 1.4; see docs/contributing/protocol.md#sources.
"""

from __future__ import annotations

__all__ = [
    "MAX_ARN_LENGTH",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_UPDATES",
    "MAX_CALLBACK_ID_LENGTH",
    "MAX_CALLBACK_SECONDS",
    "MAX_CONTEXT_RESULT_BYTES",
    "MAX_ERROR_CHARACTERS",
    "MAX_INVOKE_PAYLOAD_BYTES",
    "MAX_NAME_LENGTH",
    "MAX_PAGE_ITEMS",
    "MAX_RESPONSE_BYTES",
    "MAX_SUB_TYPE_LENGTH",
    "MAX_TIMER_SECONDS",
    "MAX_TOKEN_LENGTH",
    "MIN_TIMER_SECONDS",
]

MAX_BATCH_UPDATES = 250  # [P] updates in one checkpoint
MAX_BATCH_BYTES = 750 * 1024  # [P] UTF-8 JSON of one checkpoint's updates
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 - 50  # [P] handler result; past it, checkpoint the result first
MAX_CONTEXT_RESULT_BYTES = 256 * 1024  # [P] result of a CONTEXT; past it, its children are replayed
MAX_INVOKE_PAYLOAD_BYTES = 1024 * 1024  # [E] input of a chained invoke
MAX_ERROR_CHARACTERS = 32_768  # [E] JSON of an error object; the model documents 1 MB
MAX_PAGE_ITEMS = 1000  # [M] records of one GetDurableExecutionState page
MAX_NAME_LENGTH = 256  # [M] printable ASCII
MAX_SUB_TYPE_LENGTH = 32  # [M] letters, digits, hyphen, underscore
MAX_CALLBACK_ID_LENGTH = 1024  # [M]
MAX_ARN_LENGTH = 1024  # [M] of a durable execution
MAX_TOKEN_LENGTH = 2048  # [M] checkpoint token
MIN_TIMER_SECONDS = 1  # [M] wait and retry delay
MAX_TIMER_SECONDS = 31_622_400  # [M] 366 days
MAX_CALLBACK_SECONDS = 99_999_999  # [M] callback and heartbeat timeout; 0 is none
