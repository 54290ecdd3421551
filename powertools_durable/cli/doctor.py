"""``doctor``: checks a handler and its environment without running the handler, and the template that deploys it."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from powertools_durable._analysis.code_finding import RULES
from powertools_durable._analysis.user_code import is_ignored
from powertools_durable._hosting import program_of
from powertools_durable.cli.diagnosis.coroutines import coroutines
from powertools_durable.cli.diagnosis.decorations import decorators
from powertools_durable.cli.diagnosis.durable_calls import calls
from powertools_durable.cli.diagnosis.finding import Finding, Level
from powertools_durable.cli.diagnosis.handler import formats, telemetry
from powertools_durable.cli.diagnosis.installation import environment
from powertools_durable.cli.diagnosis.policy import policy
from powertools_durable.cli.diagnosis.source import Source
from powertools_durable.cli.options import JsonFlag
from powertools_durable.cli.output import console, own_output, print_json
from powertools_durable.cli.sarif import SarifResult, write_sarif
from powertools_durable.cli.targets import ResolvedTarget, load_target, resolve_target
from powertools_durable.cli.usage import UsageError, shorten_paths

__all__ = ["doctor"]

_IN_TEMPLATE = re.compile(r"\S+\.(?:ya?ml|json|template):(?P<line>\d+): ")
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red bold"}


_Target = Annotated[
    str, typer.Argument(metavar="[TARGET]", help="The handler: package.module:handler or path.py:handler.")
]
_Template = Annotated[
    str, typer.Option("--template", metavar="FILE", help="A SAM or CloudFormation template, YAML or JSON.")
]

_Sarif = Annotated[
    str, typer.Option("--sarif", metavar="FILE", help="Also write the errors and warnings as SARIF 2.1.0.")
]


def doctor(target: _Target = "", template: _Template = "", sarif: _Sarif = "", as_json: JsonFlag = False) -> None:
    """Check TARGET and its environment without running it, or the template that deploys it, or both.

    Checks versions, the Lambda API that boto3 knows, environment variables, plugins, and the handler's decorators,
    types, telemetry and source, with the functions of the same project that it calls; prints the permissions that its
    role needs. With --template: whether the functions of
    a template are durable, have a version or an alias, may save their progress, have time for it, and are invoked by
    a qualified name. The exit code is 1 if there is an error.
    """
    if not target and not template:
        raise UsageError("give a TARGET (path.py:handler), --template FILE, or both")
    from powertools_durable.cli.diagnosis.templates.checks import Step, check_template  # loads PyYAML

    if not target:
        found = check_template(template)
        _write_sarif(sarif, found, template)
        _report(found, None, None, as_json)
    resolved = resolve_target(target)  # a wrong TARGET is an error of usage, not a finding
    findings = [*environment()]
    with own_output():
        handler, import_findings = _load(target, resolved)
    findings += import_findings
    program = program_of(handler)
    source = None
    if handler is not None and program is not None:
        source = Source(program.handler)
        findings += [*decorators(handler), *formats(program, source.functions), *telemetry(program)]
        read = [*calls(source), *source.findings(), *coroutines(source)]
        findings += [one for one in read if not one.line or not is_ignored(one.rule, one.file, one.line)]
    if template:
        steps = [] if source is None else [Step(seconds, place) for seconds, place in source.step_timeouts()]
        findings += check_template(template, _lambda_handler(target), steps)
    _write_sarif(sarif, findings, template)
    _report(findings, policy(program, source), source, as_json)


def _write_sarif(path: str, findings: list[Finding], template: str) -> None:
    if not path:
        return
    results = []
    for finding in findings:
        if finding.level is not Level.OK:
            file, line = finding.file, finding.line
            if not file and (at := _IN_TEMPLATE.match(finding.message)):
                file, line = template, int(at["line"])
            rule = re.sub(r"[^a-z0-9]+", "-", (finding.rule or finding.subject).lower()).strip("-")
            message = f"{finding.message}. {finding.advice}".strip(". ")
            results.append(SarifResult(rule, message, file, line, finding.level.value))
    write_sarif(path, results, RULES, "troubleshooting/doctor/")


def _lambda_handler(target: str) -> str:
    """Return what a template's ``Handler`` ends with for ``src/app.py:handler`` and ``package.app:handler``."""
    module, _, name = target.rpartition(":")
    return f"{Path(module).stem if module.endswith('.py') else module.rpartition('.')[2]}.{name}"


def _report(
    findings: list[Finding], permissions: dict[str, Any] | None, source: Source | None, as_json: bool
) -> NoReturn:
    if as_json:
        _print_json(findings, permissions)
    else:
        _print(findings, permissions, source)
    raise typer.Exit(any(finding.level is Level.ERROR for finding in findings))


def _load(target: str, resolved: ResolvedTarget) -> tuple[Callable[..., Any] | None, list[Finding]]:
    """Import the handler; warnings of its import are findings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            handler = load_target(resolved)
        except UsageError as error:
            problem = Finding.error(
                "handler", shorten_paths(str(error)), "fix that first; nothing else of it was checked"
            )
            return None, [problem]
    ours = [one for one in caught if _is_ours(one)]
    warned = [Finding.warning("handler", shorten_paths(str(one.message)), "") for one in ours]
    return handler, [Finding.ok("handler", f"{target} is durable"), *warned]


def _is_ours(one: warnings.WarningMessage) -> bool:
    return issubclass(one.category, UserWarning) and "durable" in str(one.message)


def _print(findings: list[Finding], permissions: dict[str, Any] | None, source: Source | None) -> None:
    page = console(sys.stdout)
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.level.value, _STYLES[finding.level]), finding.subject, Text(finding.message))
        if finding.advice:
            table.add_row("", "", Text(f"-> {finding.advice}", "bold"))
    page.print(table)
    if permissions is not None:
        page.print(Text("\nIts role needs these permissions; fill in REGION, ACCOUNT and NAME:", "dim"))
        page.print(Text(json.dumps(permissions, indent=2)), soft_wrap=True)
        for note in _notes(permissions, source):
            page.print(Text(note, "dim"), soft_wrap=True)
    counts = Counter(finding.level for finding in findings)
    totals = f"{_counted(counts[Level.ERROR], 'error')}, {_counted(counts[Level.WARNING], 'warning')}"
    worst = Level.ERROR if counts[Level.ERROR] else Level.WARNING if counts[Level.WARNING] else Level.OK
    page.print(Text(f"\n{totals}", _STYLES[worst]))


def _notes(permissions: dict[str, Any], source: Source | None) -> Iterator[str]:
    if source is not None and source.operations & {"create_callback", "wait_for_callback"}:
        yield (
            "What answers its callbacks needs lambda:SendDurableExecutionCallbackSuccess, "
            "lambda:SendDurableExecutionCallbackFailure and lambda:SendDurableExecutionCallbackHeartbeat."
        )
    if "s3:PutObject" in str(permissions):
        yield (
            "If the bucket encrypts with a key of KMS, its role also needs kms:GenerateDataKey and kms:Decrypt on that "
            "key. A lifecycle rule removes objects that no record names: see 'Large values' in the documentation."
        )
    yield "Not checked: its deployment package; its DurableConfig, role and alias are checked with --template FILE."


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'s' * (number != 1)}"


def _print_json(findings: list[Finding], permissions: dict[str, Any] | None) -> None:
    for finding in findings:
        print_json({"event": "Finding"} | {key: value for key, value in asdict(finding).items() if value})
    errors = sum(finding.level is Level.ERROR for finding in findings)
    print_json({"event": "Diagnosed", "errors": errors} | ({"policy": permissions} if permissions is not None else {}))
