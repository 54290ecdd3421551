"""Five hundred documents, twenty at a time; one that can't be read is put aside and not in the way.

Run it here::

    powertools-durable run examples/documents.py:handler --event '{"folder": "letters"}'

Kill it in the middle: ``powertools-durable resume`` reads only the documents that were not read yet.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from powertools_durable import Completion, DurableContext, Retry, durable


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
    """The document is damaged; trying again doesn't help."""


def list_documents(job: Job) -> list[str]:
    """List the folder: a step, because the next look may see other files."""
    return [f"{job.folder}/{number:04}" for number in range(job.documents)]


def read(document: str) -> Document:
    """Count the words of a document; the one with number 250 is damaged."""
    if document.endswith("/0250"):
        raise UnreadableError(f"{document} is damaged")
    return Document(id=document, words=100 + len(document))


def put_aside(document: str) -> None:
    """Move a document to where a person looks at it."""


def process(child: DurableContext, document: str) -> Document:
    """Read one document; several steps would do as well, each branch has a context of its own."""
    return child.step(
        read, document, retry=Retry(max_attempts=3, retry_if=is_worth_another_look)
    )


def is_worth_another_look(error: Exception) -> bool:
    return not isinstance(error, UnreadableError)


@durable
def handler(job: Job, ctx: DurableContext) -> Report:
    """Read all documents of a folder; a second damaged one would fail the job."""
    documents = ctx.step(list_documents, job)
    batch = ctx.map(
        process,
        documents,
        max_concurrency=20,
        completion=Completion(tolerated_failure_count=1),
        item_name=lambda document, _: document,
    )
    if batch.completion_reason != "ALL_COMPLETED":
        batch.raise_if_failed()
    damaged = [documents[item.index] for item in batch.failed]
    for document in damaged:
        ctx.step(put_aside, document)
    return Report(
        read=batch.success_count,
        words=sum(one.words for one in batch.results),
        put_aside=damaged,
    )
