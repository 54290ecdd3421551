"""Whether the role of a function may save the progress of its executions, as far as the template says."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.cli.diagnosis.templates.functions import SAM_FUNCTION, Function, resources_of, sections
from powertools_durable.cli.diagnosis.templates.intrinsics import UNKNOWN, chosen, listed, references, text_of
from powertools_durable.cli.diagnosis.templates.reading import Section, line_of

__all__ = ["NEEDED", "invoke_permissions", "permissions"]

NEEDED = ("lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState")
_MANAGED = ("policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy", "policy/AdministratorAccess")
_POLICIES = {
    "AWS::IAM::GroupPolicy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::UserPolicy",
}
_ROLE = "AWS::IAM::Role"


def permissions(function: Function, file: str) -> Iterator[Finding]:
    """Yield what the function's role lacks."""
    role = function.get("Role")
    if role is None and function.is_sam:
        return  # SAM makes a role with the managed policy for durable functions
    name = next((one for one in references(role) if _is_role(function.template, one)), None)
    if name is None:
        message = f"{file}:{function.line_of('Role')}: its role is not part of the template, so it was not checked"
        yield Finding.ok(function.name, message)
        return
    place = f"{file}:{line_of(function.template, 'Resources', name)}"
    if any(text_of(arn).endswith(_MANAGED) for arn in _managed_policies(function.template, name)):
        return
    statements = [*_statements_of_role(function.template, name)]
    for action in NEEDED:
        allowing = [one for one in statements if _allows(one, action)]
        resources = [text_of(one) for statement in allowing for one in listed(statement.get("Resource"))]
        if any(not function.is_unqualified(one) for one in resources) or any("NotResource" in one for one in allowing):
            continue
        if allowing:
            yield Finding.error(
                function.name,
                f"{file}:{line_of(allowing[0], 'Resource')}: {action} is allowed on the function's unqualified ARN, "
                "which never matches: an execution belongs to a version",
                f'write Resource: !Sub "arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:'
                f'function:{_physical_name(function)}:*"',
            )
        else:
            yield _missing(function, action, place, name, statements)


def _missing(function: Function, action: str, place: str, role: str, statements: list[Section]) -> Finding:
    written = [text_of(one) for statement in statements for one in listed(statement.get("Action"))]
    close = [one for one in get_close_matches(action, written, n=1, cutoff=0.9) if one != action]
    known = f"; it allows {close[0]}, which does not exist" if close else ""
    return Finding.error(
        function.name,
        f"{place}: its role {role} does not allow {action}{known}",
        "add arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy to its ManagedPolicyArns, "
        f"or allow {' and '.join(NEEDED)} on function:{_physical_name(function)}:*",
    )


def invoke_permissions(function: Function, file: str) -> Iterator[Finding]:
    """Yield statements that allow to invoke the function by its unqualified ARN only."""
    for _, statement in _all_statements(function.template):
        if not _allows(statement, "lambda:InvokeFunction"):
            continue
        resources = [text_of(one) for one in listed(statement.get("Resource"))]
        bare = [one for one in resources if function.is_unqualified(one)]
        if bare and not any(_covers(one, bare[0]) for one in resources):
            yield Finding.error(
                function.name,
                f"{file}:{line_of(statement, 'Resource')}: lambda:InvokeFunction is allowed on its unqualified ARN; "
                "a durable function is invoked by a version or an alias, which that ARN does not match",
                f'write Resource: !Sub "${{{function.name}.Arn}}:*", or the ARN of the alias',
            )


def _covers(resource: str, bare: str) -> bool:
    return resource != bare and (UNKNOWN in resource or resource == "*" or resource.startswith(f"{bare}:"))


def _physical_name(function: Function) -> str:
    name = function.get("FunctionName")
    return text_of(name) if name is not None else "NAME"


def _is_role(template: Section, name: str) -> bool:
    resource = template["Resources"].get(name)
    return isinstance(resource, Section) and resource.get("Type") == _ROLE


def _managed_policies(template: Section, role: str) -> Iterator[Any]:
    yield from listed(_properties(template["Resources"][role]).get("ManagedPolicyArns"))


def _statements_of_role(template: Section, role: str) -> Iterator[Section]:
    properties = _properties(template["Resources"][role])
    attached = {name for arn in listed(properties.get("ManagedPolicyArns")) for name in references(arn)}
    physical = text_of(properties["RoleName"]) if "RoleName" in properties else None
    for name, statement in _all_statements(template):
        if name in attached | {role} or _is_attached(template["Resources"][name], role, physical):
            yield statement


def _is_attached(resource: Section, role: str, physical: str | None) -> bool:
    properties = _properties(resource)
    roles = [*listed(properties.get("Roles")), *listed(properties.get("RoleName"))]
    if resource.get("Type") == _ROLE:
        return False
    return any(role in references(one) or text_of(one) == physical for one in roles)


def _all_statements(template: Section) -> Iterator[tuple[str, Section]]:
    """Yield the statements of all policies, with the logical id of the resource that has them."""
    for name, resource in resources_of(template):
        properties = _properties(resource)
        documents = []
        if resource.get("Type") == _ROLE:
            documents = [one.get("PolicyDocument") for one in sections(properties.get("Policies"))]
        elif resource.get("Type") in _POLICIES:
            documents = [properties.get("PolicyDocument")]
        elif resource.get("Type") == SAM_FUNCTION:
            documents = listed(properties.get("Policies"))
        for document in map(chosen, documents):
            if isinstance(document, Section):
                yield from ((name, statement) for statement in sections(document.get("Statement")))


def _allows(statement: Section, action: str) -> bool:
    if text_of(statement.get("Effect")) != "Allow":
        return False
    patterns = [text_of(one).lower() for one in listed(statement.get("Action"))]
    return any(UNKNOWN in one or fnmatchcase(action.lower(), one) for one in patterns)


def _properties(resource: Section) -> Section:
    properties = chosen(resource.get("Properties"))
    return properties if isinstance(properties, Section) else Section(line=resource.line)
