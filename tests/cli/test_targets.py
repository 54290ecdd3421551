"""Each target sees its own folder's modules; every path is settled before a module can change the folder."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from tests.cli.processes import command


def cli(*words, **options):
    return CliRunner().invoke(app, [str(word) for word in words], **options)


def result(done):
    """The result that JSON lines end with, of a process or of a call in this one."""
    code = getattr(done, "returncode", getattr(done, "exit_code", None))
    assert code == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])["result"]


def write(folder, **files):
    for name, text in files.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


# -- modules of one name ---------------------------------------------------------------------------------------

ORDERS = """
from models import OWNER
from powertools_durable import durable

@durable
def handler(event, ctx):
    before = lazily()
    paid = ctx.invoke("payments", {}, name="pay")
    shipped = ctx.invoke("shipping", {}, name="ship")
    return [OWNER, before, paid, shipped, lazily()]

def lazily():
    import later
    return later.OWNER
"""
PAYMENTS = """
from models import OWNER
from models.deep import OWNER as DEEP

def handler(event, context):
    import later
    return [OWNER, DEEP, later.OWNER]
"""
SHIPPING = """
import models
from powertools_durable import durable

@durable
def handler(event, ctx):
    ctx.wait(1)
    import later
    return [models.OWNER, later.OWNER]
"""


@pytest.fixture
def services(tmp_path):
    """Three services, each with an app, a models and a module that it imports when it runs."""
    for name, source in (("orders", ORDERS), ("payments", PAYMENTS), ("shipping", SHIPPING)):
        write(tmp_path / name, app=source, later=f"OWNER = '{name}'")
        owner = f"OWNER = '{name}'"
        write(tmp_path / name, **({"models__in____init__": owner, "models__in__deep": owner}
              if name == "payments" else {"models": owner}))  # fmt: skip
    return tmp_path


def functions(*names):
    return [word for name in names for word in ("--function", f"{name}={name}/app.py:handler")]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "orders"])
def test_services_with_modules_of_one_name_run_side_by_side_each_with_its_own(services, folder):
    places = {".": "", "orders": "../"}
    names = [word.replace("=", f"={places[folder]}") for word in functions("payments", "shipping")]
    target = "orders/app.py:handler" if folder == "." else "app:handler"
    done = command(services / folder, "run", target, *names, "--name", "o", "--skip-time")
    assert result(done) == ["orders", "orders", ["payments"] * 3, ["shipping"] * 2, "orders"]


@pytest.mark.slow
def test_it_is_the_same_when_another_process_goes_on(services):
    names = functions("payments", "shipping")
    assert command(services, "run", "orders/app.py:handler", *names, "--name", "o", "--no-wait").returncode in {0, 3}
    done = command(
        services / "orders", "resume", "o", "--skip-time", "--store", "../.powertools-durable/executions.sqlite"
    )
    assert result(done)[2:4] == [["payments"] * 3, ["shipping"] * 2]


@pytest.mark.slow
def test_explore_which_runs_all_in_one_process_names_both_files(services):
    done = command(services, "explore", "orders/app.py:handler", *functions("payments"))
    assert done.returncode == 2
    assert "orders/app.py and payments/app.py have the same name" in done.stderr.replace(str(services), "")


@pytest.mark.slow
def test_two_handlers_of_one_file_are_of_one_module(tmp_path):
    write(
        tmp_path,
        both="""
from powertools_durable import durable
SEEN = []
@durable
def handler(event, ctx):
    ctx.invoke("other", {}, name="call")
    return SEEN
def other(event, context):
    SEEN.append("other")
""",
    )
    assert result(command(tmp_path, "run", "both.py:handler", "--function", "other=both.py:other")) == ["other"]


# -- packages --------------------------------------------------------------------------------------------------

IN_PACKAGE = """
from powertools_durable import durable
from . import sibling
from ..shared import NAME
import beside

@durable
def handler(event, ctx):
    return [__name__, sibling.__name__, NAME, beside.__name__]
"""


@pytest.fixture
def package(tmp_path):
    write(tmp_path / "company", __init__="", shared="NAME = 'shared'")
    write(tmp_path / "company" / "orders", __init__="", app=IN_PACKAGE, sibling="", beside="")
    return tmp_path


EXPECTED = ["company.orders.app", "company.orders.sibling", "shared", "beside"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "target"),
    [
        (".", "company/orders/app.py:handler"),
        ("company/orders", "app.py:handler"),
        ("company", "./orders/app.py:handler"),
    ],
)
def test_a_file_in_a_package_is_imported_by_its_dotted_name(package, folder, target):
    assert result(command(package / folder, "run", target)) == EXPECTED


@pytest.mark.slow
def test_a_module_is_found_again_from_another_folder(package):
    lines = [
        "from powertools_durable import durable",
        "from ..shared import NAME",
        "@durable",
        "def handler(event, ctx):",
    ]
    body = ["    ctx.create_callback(name='go').result()", "    return [__name__, NAME]"]
    write(package / "company" / "orders", waits="\n".join([*lines, *body]))
    assert command(package, "run", "company.orders.waits:handler", "--no-wait", "--name", "w").returncode == 3
    store = ("--store", package / ".powertools-durable" / "executions.sqlite")
    done = command(package / "company", "resume", "w", "--answer", "go=1", *store)
    assert result(done) == ["company.orders.waits", "shared"]


def test_an_import_that_fails_in_a_package_says_by_which_name_it_was_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "somewhere", __init__="", broken="from . import missing\n")
    done = cli("run", "somewhere/broken.py:handler")
    assert done.exit_code == 2
    assert "importing somewhere/broken.py as somewhere.broken failed: ImportError" in done.stderr


# -- names that are taken --------------------------------------------------------------------------------------

TAKEN = ["queue.py:handler", "queue:handler", "json/app.py:handler", "json.app:handler"]


@pytest.mark.parametrize("verb", ["run", "--function", "explore", "replay", "doctor"])
@pytest.mark.parametrize("target", TAKEN)
def test_a_target_named_like_a_module_of_python_is_refused_in_those_words(tmp_path, monkeypatch, target, verb):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, queue="raise SystemExit('imported')", fine="")
    write(tmp_path / "json", __init__="", app="raise SystemExit('imported')")
    words = ("run", "fine.py:handler", "--function", f"f={target}") if verb == "--function" else (verb, target)
    done = cli(*words, *(("history.json",) if verb == "replay" else ()))
    assert done.exit_code == 2
    assert (
        f"hide Python's standard module {target.partition('.')[0].partition('/')[0].partition(':')[0]!r}" in done.stderr
    )


def test_a_target_named_like_a_module_that_is_in_use_is_refused_with_both_files(tmp_path, monkeypatch):
    import rich

    monkeypatch.chdir(tmp_path)
    write(tmp_path, rich="raise SystemExit('imported')")
    done = cli("run", "rich.py:handler")
    assert done.exit_code == 2
    assert f"'rich', but this process has imported {rich.__file__} under that name: rename it" in done.stderr


# -- a module that changes the folder --------------------------------------------------------------------------

ROAMS = """
import os
from powertools_durable import durable
os.chdir("/")

@durable
def handler(event, ctx):
    return [event, ctx.invoke("other", {}, name="call")] if event else event

@durable
def waits(event, ctx):
    return ctx.create_callback(name="approval").result()
"""


@pytest.fixture
def roaming(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path, roams=ROAMS, stays="def other(event, context): return 'other'")
    write(tmp_path / "home", roams=ROAMS)
    for folder in (tmp_path, tmp_path / "home"):
        (folder / "event.json").write_text('"event"')
    return tmp_path


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("options", "store"),
    [
        ((), ".powertools-durable/executions.sqlite"),
        (("--store", "mine.sqlite"), "mine.sqlite"),
        (("--store=~/mine.sqlite",), "home/mine.sqlite"),
    ],
    ids=["default", "relative", "home"],
)
@pytest.mark.parametrize("target", ["roams.py", "roams", "~/roams.py"])
def test_the_store_the_event_and_all_targets_stay_where_they_were(roaming, monkeypatch, options, store, target):
    event = "@~/event.json" if target[0] == "~" else "@event.json"
    done = cli("run", f"{target}:handler", "--event", event, "--function", "other=stays.py:other", *options)
    assert result(done) == ["event", "other"]
    assert (roaming / store).exists()


def test_the_store_of_the_environment_stays_where_it_was(roaming, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DURABLE_STORE", "~/env.sqlite")
    assert result(cli("run", "roams.py:handler")) == {}
    assert (roaming / "home" / "env.sqlite").exists()


def test_what_is_said_to_go_on_with_finds_the_store(roaming, monkeypatch):
    done = cli("run", "roams.py:waits", "--no-wait", "--name", "one")
    (line,) = [json.loads(text) for text in done.stdout.splitlines() if '"Waiting"' in text]
    assert line["callbacks"][0]["answer"].startswith(
        "powertools-durable callback approval succeed '\"text\"' --execution "
    )
    monkeypatch.chdir(roaming)
    assert cli("callback", "approval", "succeed", "@event.json").exit_code == 0
    assert result(cli("resume", "--function", "other=stays.py:other")) == '"event"'


@pytest.mark.parametrize("history", ["one.json", "~/one.json"])
def test_a_history_stays_where_it_was(roaming, monkeypatch, history):
    assert cli("run", "roams.py:handler", "--name", "one").exit_code == 0
    monkeypatch.chdir(roaming)
    text = cli("export", "one").stdout
    (roaming / "one.json").write_text(text)
    (roaming / "home" / "one.json").write_text(text)
    done = cli("replay", "roams.py:handler", history)
    assert (done.exit_code, done.stdout[:6]) == (0, "SAFE  "), done.output


def test_places_are_told_as_seen_from_where_the_command_began(roaming):
    (roaming / "lost.py").write_text("import os\nos.chdir('/')\nraise LookupError\n")
    assert "(lost.py:3)" in cli("run", "lost.py:handler").stderr


@pytest.mark.parametrize(
    "words", [("run", "~nobody-of-this-name/app.py:handler"), ("list", "--store", "~nobody-of-this-name/s")]
)
def test_a_home_folder_that_is_not_there_is_named(roaming, words):
    done = cli(*words)
    assert done.exit_code == 2
    assert "there is no such home folder" in done.stderr
