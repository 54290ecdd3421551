"""A job that runs elsewhere: start it, look now and then, go on when it is done.

Run it here::

    powertools-durable run examples/polling.py:handler --event '{"film": "metropolis"}' --skip-time

Between two looks the execution is suspended. Without ``--skip-time`` that is real time.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from powertools_durable import DurableContext, Polling, durable


class Film(BaseModel):
    film: str


class Job(BaseModel):
    id: str
    status: Literal["running", "done", "failed"] = "running"
    percent: int = 0


def start_job(film: str) -> Job:
    """Start rendering; the farm answers with the number of the job."""
    return Job(id=f"render-{film}")


def look(job: Job) -> Job:
    """Ask the farm how far the job is. This one gets a quarter done between two looks, and drops *dracula*."""
    percent = min(job.percent + 25, 100)
    if job.id == "render-dracula" and percent == 50:
        return Job(id=job.id, status="failed", percent=percent)
    return Job(
        id=job.id, status="done" if percent == 100 else "running", percent=percent
    )


def publish(job: Job) -> str:
    return f"{job.id}.mp4"


def is_over(job: Job) -> bool:
    return job.status != "running"


UNTIL_IT_IS_OVER = Polling(is_over, max_attempts=100, initial_delay=2, max_delay=60)


@durable
def handler(event: Film, ctx: DurableContext) -> str:
    """Render a film and publish it."""
    started = ctx.step(start_job, event.film)
    job = ctx.wait_for_condition(look, initial=started, polling=UNTIL_IT_IS_OVER)
    if job.status == "failed":
        raise RuntimeError(f"{job.id} failed at {job.percent} percent")
    return ctx.step(publish, job)
