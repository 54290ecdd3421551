"""The Lambda functions of a template, with what SAM's ``Globals`` say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from powertools_durable.cli.diagnosis.templates.intrinsics import chosen, listed, references, text_of
from powertools_durable.cli.diagnosis.templates.reading import Section, line_of

__all__ = ["POLLED_EVENTS", "SAM_FUNCTION", "Function", "functions_of", "resources_of", "sections"]

SAM_FUNCTION = "AWS::Serverless::Function"
_PLAIN_FUNCTION = "AWS::Lambda::Function"
POLLED_EVENTS = {"DocumentDB", "DynamoDB", "Kinesis", "MQ", "MSK", "SQS", "SelfManagedKafka"}
_QUALIFIERS = {"AWS::Lambda::Alias", "AWS::Lambda::Version"}


class Function:
    """A Lambda function of a template.

    Parameters
    ----------
    name : str
        Its logical id.
    resource : Section
        The resource.
    template : Section
        The template.

    Attributes
    ----------
    is_sam : bool
        True for ``AWS::Serverless::Function``.
    """

    def __init__(self, name: str, resource: Section, template: Section) -> None:
        self.name = name
        self.template = template
        self.is_sam = resource.get("Type") == SAM_FUNCTION
        self._resource = resource
        properties = chosen(resource.get("Properties"))
        self._own = properties if isinstance(properties, Section) else Section(line=resource.line)
        self._globals = _globals(template) if self.is_sam else Section()

    @property
    def line(self) -> int:
        """The line of its logical id."""
        return line_of(self.template, "Resources", self.name)

    def get(self, name: str) -> Any:
        """Return a property, its own or the one of SAM's ``Globals``; None if it has none."""
        return chosen(self._own.get(name, self._globals.get(name)))

    def section(self, name: str) -> Section | None:
        """Return a property that is a mapping; its own entries win over those of ``Globals``."""
        own, shared = chosen(self._own.get(name)), chosen(self._globals.get(name))
        if isinstance(own, Section) and isinstance(shared, Section):
            merged = Section({**shared, **own}.items(), own.line)
            merged.lines = {**shared.lines, **own.lines}
            return merged
        for one in (own, shared):
            if isinstance(one, Section):
                return one
        return None

    def line_of(self, *path: str) -> int:
        """Return the line of a property; of the function if it has no such property."""
        if path and path[0] not in self._own and path[0] in self._globals:
            return line_of(self._globals, *path)
        return line_of(self._own, *path) if path and path[0] in self._own else self.line

    @property
    def is_durable(self) -> bool:
        """True with a ``DurableConfig``, whatever is in it."""
        return self.get("DurableConfig") is not None

    @property
    def runtime(self) -> str:
        """Its runtime; empty for a container image."""
        return text_of(self.get("Runtime")) if self.get("Runtime") is not None else ""

    @property
    def handler(self) -> str:
        """Its ``Handler``, as in ``app.handler``."""
        return text_of(self.get("Handler")) if self.get("Handler") is not None else ""

    def qualifiers(self) -> Iterator[tuple[str, Section]]:
        """Yield the aliases and versions of it that are resources of the template."""
        for name, resource in resources_of(self.template):
            properties = resource.get("Properties")
            if resource.get("Type") in _QUALIFIERS and isinstance(properties, Section):
                target = properties.get("FunctionName")
                if self.name in references(target) or self.is_unqualified(text_of(target)):
                    yield name, resource

    @property
    def has_qualifier(self) -> bool:
        """True if it gets a version or an alias."""
        if self.is_sam and self.get("AutoPublishAlias") is not None:
            return True
        return next(self.qualifiers(), None) is not None

    def is_unqualified(self, text: str) -> bool:
        """Return whether *text* names this function, by name or ARN, without a version or an alias."""
        names = [re.escape(f"${{{self.name}}}")]
        if self.get("FunctionName") is not None:
            names.append(re.escape(text_of(self.get("FunctionName"))))
        name = f"(?:.*:function:)?(?:{'|'.join(names)})"
        arn = re.escape(f"${{{self.name}.Arn}}")
        return (
            re.fullmatch(f"(?:{name}|(?:.*/functions/)?{arn}|.*/functions/{name})(?:/invocations)?", text) is not None
        )

    def polled_events(self) -> Iterator[tuple[str, int]]:
        """Yield type and line of SAM's events that are event source mappings."""
        for _, event, line in self.events():
            if text_of(event.get("Type")) in POLLED_EVENTS:
                yield text_of(event.get("Type")), line

    def events(self) -> Iterator[tuple[str, Section, int]]:
        """Yield SAM's events: name, the event, and its line."""
        events = self.section("Events") if self.is_sam else None
        for name, event in (events or {}).items():
            if isinstance(event, Section):
                yield name, event, self.line_of("Events", name)


def functions_of(template: Section) -> list[Function]:
    """Return the Lambda functions of a template."""
    kinds = {SAM_FUNCTION, _PLAIN_FUNCTION}
    return [Function(name, one, template) for name, one in resources_of(template) if one.get("Type") in kinds]


def resources_of(template: Section) -> Iterator[tuple[str, Section]]:
    """Yield logical id and resource."""
    for name, resource in template["Resources"].items():
        if isinstance(resource, Section):
            yield name, resource


def sections(value: Any) -> Iterator[Section]:
    """Yield the mappings among the items of a list."""
    return (item for item in listed(value) if isinstance(item, Section))


def _globals(template: Section) -> Section:
    shared = template.get("Globals")
    function = shared.get("Function") if isinstance(shared, Section) else None
    return function if isinstance(function, Section) else Section()
