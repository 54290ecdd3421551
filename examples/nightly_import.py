"""A nightly import: files are loaded side by side, some fail, somebody approves, and the rest is published."""

from __future__ import annotations

import time
from datetime import timedelta

from powertools_durable import Completion, DurableContext, Retry, current_step, durable

MISSING = {"2026-11-17.csv"}
BUSY = {"2026-11-05.csv", "2026-11-21.csv"}


def list_files(month: str) -> list[str]:
    time.sleep(0.05)
    return [f"{month}-{day:02d}.csv" for day in range(1, 29)]


def download(file: str) -> int:
    time.sleep(0.1)
    if file in MISSING:
        message = f"there is no {file}"
        raise FileNotFoundError(message)
    if file in BUSY and current_step().attempt < 3:
        message = "503 Slow Down"
        raise ConnectionError(message)
    return len(file)


def store(rows: int) -> int:
    time.sleep(0.05)
    return rows


def ask_for_approval(callback_id: str) -> None:
    time.sleep(0.05)


def publish(files: int) -> str:
    time.sleep(0.1)
    return f"{files} files are published"


@durable
def handler(event: dict[str, str], ctx: DurableContext) -> str:
    files = ctx.step(list_files, event["month"])

    def load(child: DurableContext, file: str) -> int:
        retry = Retry.fixed(timedelta(seconds=1), max_attempts=3)
        rows = child.step(
            download, file, retry=Retry.none() if file in MISSING else retry
        )
        return child.step(store, rows)

    loaded = ctx.map(
        load,
        files,
        name="files",
        max_concurrency=6,
        completion=Completion.all_completed(),
    )
    ctx.wait_for_callback(ask_for_approval, name="approval", timeout=timedelta(days=2))
    ctx.wait(timedelta(hours=6), name="until-night")
    return ctx.step(publish, loaded.success_count)
