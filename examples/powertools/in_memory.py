"""What Powertools' utilities ask of AWS, kept in memory: for examples and tests."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.feature_flags.base import StoreProvider
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import (
    BasePersistenceLayer,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import (
    DataRecord,
)
from aws_lambda_powertools.utilities.parameters import BaseProvider


class MemoryPersistence(BasePersistenceLayer):
    """Idempotency records in a dictionary."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.records: dict[str, DataRecord] = {}

    def _get_record(self, idempotency_key: str) -> DataRecord:
        try:
            return self.records[idempotency_key]
        except KeyError:
            raise IdempotencyItemNotFoundError from None

    def _put_record(self, data_record: DataRecord) -> None:
        found, now = self.records.get(data_record.idempotency_key), time.time() * 1000
        died = (
            found is not None
            and (found.in_progress_expiry_timestamp or now) < now
            and found.status == "INPROGRESS"
        )
        if found is not None and not found.is_expired and not died:
            raise IdempotencyItemAlreadyExistsError(old_data_record=found)
        self.records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        self.records.pop(data_record.idempotency_key, None)


class MemoryParameters(BaseProvider):
    """Parameters in a dictionary, with the cache that every provider has."""

    def __init__(self, **values: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values = values

    def _get(self, name: str, **_options: Any) -> str:
        return self.values[name]

    def _get_multiple(self, path: str, **_options: Any) -> dict[str, str]:
        return {
            name: value for name, value in self.values.items() if name.startswith(path)
        }


class MemoryFlags(StoreProvider):
    """Feature flags in a dictionary."""

    def __init__(self, **features: dict[str, Any]) -> None:
        self.features = features

    @property
    def get_raw_configuration(self) -> dict[str, Any]:
        """Return all features."""
        return self.features

    def get_configuration(self) -> dict[str, Any]:
        """Return all features."""
        return self.features
