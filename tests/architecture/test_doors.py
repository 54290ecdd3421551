"""Law 3: what is public is what the doors list, and nothing slips out unnoticed.

A name added here is a promise: it can be published in a minor release, taking it back needs a major one.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "powertools_durable"
SUB_PACKAGES = ("errors", "serdes", "plugins", "backends", "parser", "integrations", "testing", "local", "compat")

OPERATION_ERRORS = """
    BatchError CallbackError CallbackExternalError CallbackSubmitterError CallbackTimeoutError ChildContextError
    CompensationError InvokeError OperationCancelledError OperationError StepError StepInterruptedError
    StepTimeoutError WaitForConditionError
"""

DOORS = {
    "": f"""
        AsyncCallback AsyncDurableContext BatchItem BatchResult Callback CompensationItem CompensationResult Completion
        DurableConfig DurableContext DurableError DurableFunction DurableTask
        ExecutionMode Nesting NonDeterminismError Polling Retry SerDesError StepSemantics SuspendExecution
        ValidationError __version__ current_scope current_step current_step_or_none durable
        {OPERATION_ERRORS}
    """,
    "errors": f"""
        BackendError DecoratorOrderError DurableConfigError DurableError InvalidStateError NonDeterminismError
        NotADurableInvocationError PayloadModelChangedError PayloadTooLargeError PayloadValidationError
        RetryInvocation RetryableSerDesError SerDesError SuspendExecution ValidationError
        {OPERATION_ERRORS}
    """,
    "serdes": """
        CompressingSerDes EncryptingSerDes FileSystemSerDes MaskingSerDes ModelSerDes PassThrough PlainJson S3SerDes
        SerDes SerDesContext TaggedJson
    """,
    "plugins": """
        Around AttemptEnd AttemptInfo BackendCalls ChangeInfo ErrorObject InvocationEnd InvocationInfo Listening
        OperationEnd OperationInfo Plugin PluginFactory PluginSource PropagationInfo ReplayInfo
    """,
    "backends": "CheckpointResponse DurableBackend LambdaBackend OperationUpdate StatePage",
    "parser": "DurableEnvelope DurableInvocationEvent",
    "testing": """
        CheckpointCall CrashPoint Entry Exploration Failure Ledger MockDurableContext MockRun OperationRecord
        RecordingBackend ReplayVerdict SimulatedCallback SimulatedInvocation SimulatedRun Simulator
        assert_checkpoint_count assert_no_checkpoints assert_operation_count assert_operation_names assert_operations
        explore replay reset spend
    """,
    "integrations": "ReplaySafeProvider correlation_paths",
    "compat": "install",
    "local": "LocalCallback LocalExecution LocalExecutions LocalRunner SqliteStore StoreError",
}

NAMES = [(door, name) for door, names in DOORS.items() for name in names.split()]


def opened(door):
    return import_module(f"powertools_durable.{door}".rstrip("."))


def undocumented(name, value):
    """A class or function without words of its own; ``@dataclass`` writes a signature where there are none."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return False
    own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    return not own or own.startswith(f"{name}(")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door or "powertools_durable")
def test_a_door_exports_exactly_what_is_written_here(door):
    assert sorted(opened(door).__all__) == sorted(DOORS[door].split())


@pytest.mark.parametrize(("door", "name"), NAMES, ids=lambda part: part or "powertools_durable")
def test_a_public_name_is_there_and_says_what_it_is_for(door, name):
    assert not undocumented(name, getattr(opened(door), name))


@pytest.mark.parametrize("name", SUB_PACKAGES)
def test_a_public_sub_package_that_exists_is_a_door_here(name):
    exists = (PACKAGE / f"{name}.py").exists() or (PACKAGE / name / "__init__.py").exists()
    assert name in DOORS or not exists


def test_missing_words_are_found():
    @dataclass
    class Plain:
        value: int

    class InheritingError(ValueError):
        pass

    assert undocumented("Plain", Plain)
    assert undocumented("InheritingError", InheritingError)
    assert undocumented("opened", opened)
    assert not undocumented("undocumented", undocumented)
