"""What invokes a durable function without saying which version of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.cli.diagnosis.templates.functions import Function, functions_of, resources_of
from powertools_durable.cli.diagnosis.templates.intrinsics import chosen, listed, text_of
from powertools_durable.cli.diagnosis.templates.reading import Section

__all__ = ["unqualified_callers"]

# Properties that name the function to be invoked; a list is looked into. CloudFormation's resource reference.
_TARGETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "AWS::ApiGateway::Method": (("Integration", "Uri"),),
    "AWS::ApiGatewayV2::Integration": (("IntegrationUri",),),
    "AWS::CloudFormation::CustomResource": (("ServiceToken",),),
    "AWS::Events::Rule": (("Targets", "Arn"),),
    "AWS::IoT::TopicRule": (("TopicRulePayload", "Actions", "Lambda", "FunctionArn"),),
    "AWS::Lambda::EventSourceMapping": (("FunctionName",),),
    "AWS::Lambda::Permission": (("FunctionName",),),
    "AWS::Lambda::Url": (("TargetFunctionArn",),),
    "AWS::Logs::SubscriptionFilter": (("DestinationArn",),),
    "AWS::Pipes::Pipe": (("Target",),),
    "AWS::S3::Bucket": (("NotificationConfiguration", "LambdaConfigurations", "Function"),),
    "AWS::SNS::Subscription": (("Endpoint",),),
    "AWS::Scheduler::Schedule": (("Target", "Arn"),),
}


def unqualified_callers(function: Function, file: str) -> Iterator[Finding]:
    """Yield what invokes *function* by a name or an ARN without a version or an alias."""
    for name, resource in resources_of(function.template):
        kind, properties = str(resource.get("Type")), chosen(resource.get("Properties"))
        if not isinstance(properties, Section) or "Qualifier" in properties:
            continue
        for path in _TARGETS.get(kind, ()):
            for value, line in _values(properties, path, properties.line):
                if function.is_unqualified(text_of(value)):
                    yield _unqualified(function, f"{file}:{line}: {path[-1]} of {name} ({kind})")
    yield from _events_without_alias(function, file)
    yield from _environments(function, file)


def _unqualified(function: Function, what: str) -> Finding:
    return Finding.error(
        function.name,
        f"{what} names the function without a version or an alias, which Lambda refuses for a durable function",
        f"write {_qualified(function)}",
    )


def _qualified(function: Function) -> str:
    """Return how the template names a version of *function* that can be invoked."""
    if function.is_sam and function.get("AutoPublishAlias") is not None:
        alias = text_of(function.get("AutoPublishAlias"))
        return f"!Ref {function.name}.Alias" if "$" in alias else f'!Sub "${{{function.name}.Arn}}:{alias}"'
    name = next((name for name, one in function.qualifiers() if one.get("Type") == "AWS::Lambda::Alias"), None)
    name = name or next((name for name, _ in function.qualifiers()), None)
    return f"!Ref {name}" if name else "the ARN of its alias"


def _events_without_alias(function: Function, file: str) -> Iterator[Finding]:
    if function.has_qualifier and function.get("AutoPublishAlias") is None:
        for name, event, line in function.events():
            what = f"{file}:{line}: the event {name} ({text_of(event.get('Type'))})"
            yield Finding.error(
                function.name,
                f"{what} invokes the function without an alias: SAM connects events to the alias of AutoPublishAlias",
                "write AutoPublishAlias: live in place of your own alias",
            )


def _environments(function: Function, file: str) -> Iterator[Finding]:
    for other in functions_of(function.template):
        environment = other.section("Environment")
        variables = environment.get("Variables") if environment is not None else None
        if other.name == function.name or not isinstance(variables, Section):
            continue
        for name, value in variables.items():
            if function.is_unqualified(text_of(value)):
                yield Finding.warning(
                    function.name,
                    f"{file}:{variables.lines.get(name, variables.line)}: the variable {name} of {other.name} names "
                    "the function without a version or an alias, with which it can't be invoked",
                    f"write {_qualified(function)}",
                )


def _values(value: Any, path: tuple[str, ...], line: int) -> Iterator[tuple[Any, int]]:
    """Yield the values at *path* below *value*, with their lines."""
    if not path:
        yield from ((item, line) for item in listed(value))
        return
    for item in listed(value):
        if isinstance(item, Section) and path[0] in item:
            yield from _values(item[path[0]], path[1:], item.lines.get(path[0], item.line))
