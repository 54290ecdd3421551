"""Five hundred documents with an ``async def`` handler, in two ways: `asyncio.gather`, and `map`.

Run it here::

    powertools-durable run examples/documents_async.py:gathered --event '{"folder": "letters"}'
    powertools-durable run examples/documents_async.py:mapped --event '{"folder": "letters"}'

A gather is a few lines less, and an update less for each document; its steps begin all at once. A map limits how
many are in hand, tolerates failures and names each document in the history. Kill either in the middle:
``powertools-durable resume`` reads only the documents that were not read yet.
"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from powertools_durable import (
    AsyncDurableContext,
    Completion,
    Retry,
    StepError,
    durable,
)


class Job(BaseModel):
    folder: str
    documents: int = Field(default=500, ge=1, le=10_000)


class Document(BaseModel):
    id: str
    words: int


class Report(BaseModel):
    read: int
    words: int
    put_aside: list[str]


class UnreadableError(Exception):
    """The document is damaged, so a retry doesn't help."""


def list_documents(job: Job) -> list[str]:
    """List the folder. This is a step, because the files can change."""
    return [f"{job.folder}/{number:04}" for number in range(job.documents)]


async def read(document: str) -> Document:
    """Count the words of a document. Number 250 is damaged."""
    await asyncio.sleep(0)  # where a client would wait for the document
    if document.endswith("/0250"):
        raise UnreadableError(f"{document} is damaged")
    return Document(id=document, words=100 + len(document))


async def put_aside(document: str) -> None:
    """Move a document to a folder for manual checks."""


READ = Retry(
    max_attempts=3, retry_if=lambda error: not isinstance(error, UnreadableError)
)


# --8<-- [start:gather]
async def read_if_possible(ctx: AsyncDurableContext, document: str) -> Document | None:
    try:
        return await ctx.step(read, document, retry=READ)
    except StepError:
        return None


@durable
async def gathered(job: Job, ctx: AsyncDurableContext) -> Report:
    """Read all documents of a folder at once."""
    documents = await ctx.step(list_documents, job)
    done = await asyncio.gather(
        *[read_if_possible(ctx, document) for document in documents]
    )

    readable = [document for document in done if document is not None]
    damaged = [
        name for name, document in zip(documents, done, strict=True) if document is None
    ]
    await asyncio.gather(*[ctx.step(put_aside, name) for name in damaged])
    return Report(
        read=len(readable),
        words=sum(document.words for document in readable),
        put_aside=damaged,
    )


# --8<-- [end:gather]


# --8<-- [start:map]
async def process(child: AsyncDurableContext, document: str) -> Document:
    return await child.step(read, document, retry=READ)


@durable
async def mapped(job: Job, ctx: AsyncDurableContext) -> Report:
    """Read a folder, twenty documents at a time. A second damaged one fails the job."""
    documents = await ctx.step(list_documents, job)
    batch = await ctx.map(
        process,
        documents,
        max_concurrency=20,
        completion=Completion(tolerated_failure_count=1),
        item_name=lambda document, _: document,
    )
    if batch.completion_reason != "ALL_COMPLETED":
        batch.raise_if_failed()
    damaged = [documents[item.index] for item in batch.failed]
    await asyncio.gather(*[ctx.step(put_aside, document) for document in damaged])
    return Report(
        read=batch.success_count,
        words=sum(each.words for each in batch.results),
        put_aside=damaged,
    )


# --8<-- [end:map]
