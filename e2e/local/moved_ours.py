"""Our handler of `test_moving.py`: the same operations with the same names."""

from __future__ import annotations

from typing import Any

from moved_business import ITEMS, charge, label, receipt, reserve

from powertools_durable import DurableContext, Polling, Retry, StepError, durable


@durable
def handler(event: dict[str, Any], ctx: DurableContext) -> list[Any]:
    payment = ctx.step(charge, event)

    def parcel(branch: DurableContext, item: str) -> Any:
        named = branch.step(label, item)
        told = branch.wait_for_callback(lambda _id: None, name="carrier") if item == "pot" else None
        return named, told

    parcels = ctx.map(parcel, ITEMS, name="parcels", max_concurrency=2).results

    def rest(child: DurableContext) -> str | None:
        child.wait(1, name="pause")
        try:
            child.step(reserve, "jug", retry=Retry.none())
        except StepError as error:
            return str(error)
        return None

    excuse = ctx.run_in_child_context(rest)
    polling = Polling(lambda state: state >= 2, initial_delay=1, jitter="none")
    polled = ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=polling, name="poll")
    return receipt(payment, list(parcels), excuse or "", polled)
