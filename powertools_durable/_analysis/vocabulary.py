"""What Python's and others' functions do: read the clock, draw a random value, use a file or the network."""

from __future__ import annotations

import inspect
import logging
import random
from typing import Any

from powertools_durable._functions import innermost
from powertools_durable.parser.determinism import is_unstable, unstable_name

__all__ = [
    "CLIENT_MAKERS",
    "CONNECTIONS",
    "HARMLESS_METHODS",
    "MUTATORS",
    "ORDERLY",
    "PATH_IO",
    "SEQUENCES",
    "SET_METHODS",
    "dotted_name",
    "is_client_class",
    "is_quiet",
    "rule_of",
]

ORDERLY = {"sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset", "bool", "math.fsum"}
SEQUENCES = {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "next", "reversed", "itertools.islice"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
MUTATORS = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "appendleft", "extendleft"),
    *("popleft", "add", "discard", "update", "setdefault", "popitem", "put_nowait", "subtract"),
}

_CLOCKS = {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"}
_TIME = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"}
_CLOCK_NAMES = {
    *_CLOCKS,
    *(f"time.{name}" for name in (*_TIME, "ctime", "strftime", "process_time", "thread_time")),
    *("arrow.now", "arrow.utcnow", "pendulum.now", "pendulum.today", "pendulum.tomorrow", "pendulum.yesterday"),
    "django.utils.timezone.now",
}
_RANDOM_MODULES = ("random.", "secrets.", "numpy.random.", "faker.")
_RANDOM_NAMES = {"os.urandom", "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid.uuid8"}
_SEEDED = {
    *("random.Random", "random.seed", "numpy.random.seed", "numpy.random.default_rng", "numpy.random.RandomState"),
    *("numpy.random.Generator", "secrets.compare_digest"),
}
_PROCESS = {
    *("builtins.id", "builtins.hash", "os.getpid", "os.getppid", "os.cpu_count", "threading.get_ident"),
    *("threading.get_native_id", "threading.current_thread", "socket.gethostname", "platform.node"),
    *("uuid.getnode", "multiprocessing.current_process", "_thread.get_ident"),
    "threading.active_count",
}
_ENVIRONMENT = {"os.getenv", "os.getenvb"}
_SLEEPS = {"time.sleep", "asyncio.tasks.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"}
_NETWORK = {
    *("requests", "httpx", "urllib3", "aiohttp", "socket", "smtplib", "ftplib", "imaplib", "poplib", "telnetlib"),
    *("paramiko", "redis", "psycopg", "psycopg2", "pymysql", "pymongo", "asyncpg", "aioboto3", "aiobotocore"),
    *("grpc", "websocket", "websockets", "subprocess", "sqlite3", "botocore", "slack_sdk", "stripe", "openai"),
    *("anthropic", "snowflake", "elasticsearch", "opensearchpy", "kafka", "pika", "aiofiles", "shelve", "dbm"),
}
_IO_NAMES = {
    *("urllib.request.urlopen", "urllib.request.urlretrieve", "http.client.HTTPConnection"),
    *("http.client.HTTPSConnection", "builtins.open", "io.open", "builtins.input", "os.system", "os.popen"),
    *(f"os.{name}" for name in ("listdir", "scandir", "walk", "remove", "unlink", "rename", "replace", "mkdir")),
    *(f"os.{name}" for name in ("makedirs", "rmdir", "removedirs", "stat", "open", "write", "read", "link", "symlink")),
    *("os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getmtime", "os.path.getsize"),
    *("genericpath.exists", "genericpath.isfile", "genericpath.isdir", "genericpath.getmtime", "genericpath.getsize"),
    *("glob.glob", "glob.iglob", "shutil.copy", "shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.rmtree"),
    *("tempfile.mkstemp", "tempfile.mkdtemp", "tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory"),
    *("tempfile.TemporaryFile", "asyncio.streams.open_connection", "asyncio.subprocess.create_subprocess_exec"),
    *("asyncio.subprocess.create_subprocess_shell",),
}
_PARAMETERS = "aws_lambda_powertools.utilities.parameters."
CLIENT_MAKERS = {
    *("boto3.client", "boto3.resource", "boto3.session.Session.client", "boto3.session.Session.resource"),
    *("requests.Session", "requests.session", "requests.sessions.Session", "requests.sessions.session"),
    *("httpx.Client", "httpx.AsyncClient", "httpx._client.Client", "httpx._client.AsyncClient"),
    *("aiohttp.ClientSession", "aiohttp.client.ClientSession", "socket.socket", "urllib3.PoolManager"),
    *("urllib3.poolmanager.PoolManager", "redis.Redis", "redis.client.Redis", "smtplib.SMTP", "smtplib.SMTP_SSL"),
    *(
        "http.client.HTTPSConnection",
        "http.client.HTTPConnection",
        "sqlite3.connect",
        "_sqlite3.connect",
        "boto3.Session",
    ),
    *("boto3.session.Session", "socket.create_connection"),
}
CONNECTIONS = {"socket.create_connection", "sqlite3.connect", "_sqlite3.connect"}  # clients that connect when made
HARMLESS_METHODS = {
    *("close", "aclose", "meta", "exceptions", "generate_presigned_url", "generate_presigned_post", "client"),
    *("resource", "get_paginator", "get_waiter", "can_paginate", "mount", "build_request"),
}
PATH_IO = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "open", "iterdir", "glob", "rglob", "mkdir", "unlink"),
    *("rmdir", "touch", "rename", "replace", "stat", "exists", "is_file", "is_dir", "walk"),
}
_QUIET_NAMES = {"logger", "log", "metrics", "tracer", "_logger", "_log", "LOGGER", "LOG"}
_QUIET_CLASSES = ("Logger", "Metrics", "Tracer", "SingleMetric", "EphemeralMetrics", "DatadogMetrics")


def dotted_name(function: Any) -> str:
    """Return ``module.name`` of a function or class; empty if it has none."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        module = owner.__module__
    if not isinstance(module, str) or not isinstance(name, str):
        return ""
    return f"{'os' if module in {'posix', 'nt'} else module}.{name}"


def rule_of(function: Any, text: str = "") -> str:
    """Return the rule that a call of *function* falls under, or of what has the dotted name *text*; empty if none."""
    if not text and function is not None:
        unstable = unstable_name(function)
        if unstable is not None:
            return "random" if unstable.startswith(("random.", "uuid.", "secrets.", "os.")) else "clock"
        if is_unstable(function) and dotted_name(innermost(function)) not in _SEEDED and _draws(function):
            return "random"
    return _rule_of_name(text or dotted_name(function), function)


def _rule_of_name(name: str, function: Any) -> str:
    if name in _SEEDED:
        return ""
    if name in _CLOCK_NAMES:
        return "clock"
    if name in _RANDOM_NAMES or name.startswith(_RANDOM_MODULES):
        return "random"
    if name in _ENVIRONMENT:
        return "environment"
    if name in _PROCESS or f"builtins.{name}" in _PROCESS:
        return "process"
    if name in _SLEEPS:
        return "sleep"
    if name == "builtins.print":
        return "print"
    return _io_rule(name, function)


def _draws(function: Any) -> bool:
    """Tell whether a method of a `random.Random` returns a number: ``seed`` and its kind do not."""
    return getattr(function, "__name__", "") not in {"seed", "setstate", "getstate", ""}


def _io_rule(name: str, function: Any) -> str:
    top, _, rest = name.partition(".")
    if name in _IO_NAMES:
        return "io"
    if name in CLIENT_MAKERS or inspect.isclass(function) or rest[:1].isupper():
        return ""
    if top in _NETWORK and not name.endswith(("Error", "Exception", "fromfd", "inet_aton", "ntohs", "getfqdn")):
        return "io"
    return "io" if name.startswith(_PARAMETERS) and ".get_" in name else ""


def is_client_class(cls: type | None) -> bool:
    """Tell whether an object of *cls* calls another service."""
    for base in getattr(cls, "__mro__", ()):
        where = f"{base.__module__}.{base.__qualname__}"
        if where in CLIENT_MAKERS or where in {"botocore.client.BaseClient", "boto3.resources.base.ServiceResource"}:
            return True
        if base.__module__.startswith("httpx") and base.__name__ in {"Client", "AsyncClient", "BaseClient"}:
            return True
    return False


def is_quiet(cls: type | None, name: str) -> bool:
    """Tell whether an object of *cls*, called *name*, only logs, traces or counts."""
    if cls is None:
        return name in _QUIET_NAMES
    return issubclass(cls, (logging.Logger, logging.LoggerAdapter)) or any(
        base.__module__.startswith(("aws_lambda_powertools.", "structlog", "loguru"))
        and (base.__name__ in _QUIET_CLASSES or not base.__module__.startswith("aws_"))
        for base in cls.__mro__
    )


def is_random_object(value: Any) -> bool:
    """Tell whether *value* is a generator of random numbers."""
    return isinstance(value, random.Random)
