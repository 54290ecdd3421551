"""Powertools' circuit breaker inside a step: docs/powertools/neighbours.md."""

from __future__ import annotations

from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig,
    circuit_breaker,
)
from aws_lambda_powertools.utilities.circuit_breaker.exceptions import (
    CircuitBreakerOpenError,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence.base import (
    CircuitBreakerPersistenceLayer,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence.record import (
    CircuitStateRecord,
)

from powertools_durable import DurableContext, Retry, durable

CALLS: list[str] = []


class MemoryCircuits(CircuitBreakerPersistenceLayer):
    """Keeps circuits in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, CircuitStateRecord] = {}

    def _get_record(self, name: str) -> CircuitStateRecord | None:
        return self.records.get(name)

    def _put_record(
        self,
        record: CircuitStateRecord,
        condition: str | None = None,
        expected_opened_at: int | None = None,
    ) -> None:
        self.records[record.name] = record

    def _update_record(self, record: CircuitStateRecord) -> None:
        self.records[record.name] = record


# In a deployment: CircuitBreakerDynamoDBPersistence(table_name="circuits")
circuits = MemoryCircuits()


# --8<-- [start:breaker]
@circuit_breaker(
    name="payments",
    persistence_store=circuits,
    config=CircuitBreakerConfig(failure_threshold=2, local_cache_max_age=0),
)
def charge(order_id: str) -> str:
    CALLS.append(order_id)
    if len(CALLS) <= 2:
        raise ConnectionError
    return f"pay-{order_id}"


def charge_in_step(order_id: str) -> str:
    return str(charge(order_id))


# An open circuit is another reason to retry later. Until then, the execution is
# suspended, and you don't pay for it.
patient = Retry(
    max_attempts=10,
    initial_delay=30,
    backoff_rate=1,
    retry_on=(CircuitBreakerOpenError, ConnectionError),
)


@durable
def pay(order_id: str, ctx: DurableContext) -> str:
    return ctx.step(charge_in_step, order_id, retry=patient)


# --8<-- [end:breaker]
