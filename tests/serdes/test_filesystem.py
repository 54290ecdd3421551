"""Large values in files, and pointers that nobody trusts.

See docs/reliability.md#security-list, item 4, and docs/contributing/protocol.md#text-formats.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading

import pytest
from pydantic import BaseModel

from powertools_durable import durable
from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError, ValidationError
from powertools_durable.serdes import EncryptingSerDes, FileSystemSerDes, SerDesContext
from powertools_durable.serdes.base import prove, read
from powertools_durable.testing import Simulator
from tests.serdes.vault import Vault

HERE = SerDesContext("op", "arn:aws:lambda:x:1:function:f:1/durable-execution/../../etc")
LARGE = "x" * 300_000


class Report(BaseModel):
    title: str
    text: str


@pytest.fixture
def mount(tmp_path):
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount"


@pytest.fixture
def serdes(mount):
    return FileSystemSerDes(mount)


def files(mount):
    return sorted(path for path in mount.rglob("*") if path.is_file())


def test_a_small_value_is_recorded_itself(serdes, mount):
    text, seen = prove({"a": 1}, serdes, HERE)
    assert json.loads(text) == {"data": '{"t":"m","v":{"a":{"t":"i","v":1}}}'}
    assert (read(text, serdes, HERE), seen, files(mount)) == ({"a": 1}, {"a": 1}, [])


def test_a_large_one_is_a_file_that_only_we_may_read_under_a_name_that_tells_nothing(serdes, mount):
    text, seen = prove(LARGE, serdes, HERE)
    record = json.loads(text)
    assert len(text) < 300
    assert (read(text, serdes, HERE), seen) == (LARGE, LARGE)
    (file,) = files(mount)
    assert record["file"] == file.relative_to(mount).as_posix()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not {"arn", "op", "etc", ".."} & set(record["file"].replace("-", "/").split("/"))


@pytest.mark.parametrize(("size", "is_file"), [(96, False), (97, True)])
def test_the_threshold_counts_bytes(mount, size, is_file):
    prove("é" * ((size - 2) // 6) + "x" * ((size - 2) % 6), FileSystemSerDes(mount, threshold=96), HERE)
    assert bool(files(mount)) is is_file


def test_written_again_it_is_the_same_file_and_another_value_is_another(serdes, mount):
    first = prove(LARGE, serdes, HERE)[0]
    inode = files(mount)[0].stat().st_ino
    assert prove(LARGE, serdes, HERE)[0] == first
    assert files(mount)[0].stat().st_ino == inode
    prove(f"{LARGE}y", serdes, HERE)
    assert len(files(mount)) == 2
    assert read(first, serdes, HERE) == LARGE


def test_a_file_that_was_damaged_is_written_anew(serdes, mount):
    text, _ = prove(LARGE, serdes, HERE)
    files(mount)[0].write_text("half")
    prove(LARGE, serdes, HERE)
    assert read(text, serdes, HERE) == LARGE


def test_many_writers_of_one_value_leave_one_whole_file(serdes, mount):
    threads = [threading.Thread(target=prove, args=(LARGE, serdes, HERE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = files(mount)
    assert file.read_text() == json.dumps(LARGE)


def test_a_writer_that_dies_leaves_nothing_that_could_be_read(serdes, mount, monkeypatch):
    def dies(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(KeyboardInterrupt):
        prove(LARGE, serdes, HERE)
    assert files(mount) == []


# -- pointers that are not ours ----------------------------------------------------------------------------------


def pointer(serdes, **changed):
    return json.dumps({**json.loads(prove(LARGE, serdes, HERE)[0]), **changed})


@pytest.mark.parametrize("elsewhere", [SerDesContext("other", HERE.execution_arn), SerDesContext("op", "other")])
def test_a_pointer_of_another_operation_or_execution_is_refused(serdes, elsewhere):
    with pytest.raises(SerDesError, match="not one of this operation's"):
        read(pointer(serdes), serdes, elsewhere)


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret", "a/../../secret", "", "x" * 9_999, "\0"])
def test_a_pointer_to_somewhere_else_is_refused_before_a_file_is_opened(serdes, mount, place):
    (mount.parent / "secret").write_text("secret")
    with pytest.raises(SerDesError, match="not one of this operation's"):
        read(pointer(serdes, file=place), serdes, HERE)


def test_another_content_is_refused(serdes, mount):
    text = pointer(serdes)
    files(mount)[0].write_text(json.dumps("y" * len(LARGE)))
    with pytest.raises(SerDesError, match="not what was recorded"):
        read(text, serdes, HERE)
    files(mount)[0].write_text(json.dumps(LARGE))
    os.truncate(files(mount)[0], 2**40)  # and no more of it is read than was recorded
    with pytest.raises(SerDesError, match="not what was recorded"):
        read(text, serdes, HERE)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_nothing_is_read_or_written_through_a_link(serdes, mount, link):
    text = pointer(serdes)
    (file,) = files(mount)
    real = file if link == "file" else file.parent
    moved = mount.parent / "moved"
    real.rename(moved)
    real.symlink_to(moved)
    for use in (lambda: read(text, serdes, HERE), lambda: prove(LARGE, serdes, HERE)):
        with pytest.raises(SerDesError, match="a link lies below"):
            use()


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"data":1}', '{"data":"1","file":"x"}', '{"file":"a","sha256":1}', '"x"', "[" * 9_999],
)
def test_what_is_no_envelope_is_refused(serdes, text):
    with pytest.raises(SerDesError, match="no envelope of FileSystemSerDes"):
        read(text, serdes, HERE)


# -- a mount that fails ------------------------------------------------------------------------------------------


def test_a_mount_that_is_away_asks_for_another_invocation(serdes, mount):
    text = pointer(serdes)
    mount.rename(mount.parent / "away")
    with pytest.raises(RetryableSerDesError, match="could not be read from .*ENOTCONN"):
        read(text, serdes, HERE)
    with pytest.raises(RetryableSerDesError, match="could not be written to .*"):
        prove(LARGE, serdes, HERE)
    assert not mount.exists()  # never made anew: it would be lost with the sandbox


def test_a_file_that_is_gone_is_gone(serdes, mount):
    text = pointer(serdes)
    files(mount)[0].unlink()
    with pytest.raises(SerDesError, match="ENOENT") as caught:
        read(text, serdes, HERE)
    assert not isinstance(caught.value, RetryableSerDesError)


@pytest.mark.parametrize(("code", "again"), [(errno.EIO, True), (errno.ESTALE, True), (errno.ENOSPC, False)])
def test_what_may_pass_asks_for_another_invocation(serdes, mount, monkeypatch, code, again):
    def fails(_):
        raise OSError(code, "no")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(SerDesError, match=errno.errorcode[code]) as caught:
        prove(LARGE, serdes, HERE)
    assert isinstance(caught.value, RetryableSerDesError) is again
    assert files(mount) == []


# -- previews ----------------------------------------------------------------------------------------------------


def test_a_preview_stands_beside_the_pointer_for_readers_of_the_history(mount):
    serdes = FileSystemSerDes(mount, preview=lambda report: {"title": report["title"]})
    text, _ = prove({"title": "Q1", "text": LARGE}, serdes, HERE)
    assert json.loads(text)["preview"] == {"title": "Q1"}
    assert read(text, serdes, HERE) == {"title": "Q1", "text": LARGE}
    assert "preview" not in prove({"title": "Q1"}, serdes, HERE)[0]


@pytest.mark.parametrize(
    ("preview", "problem"),
    [(lambda value: "x" * 4095, "is 4,097 bytes; it may have 4,096"), (lambda value: 1 / 0, "ZeroDivisionError")],
)
def test_a_preview_that_is_too_long_or_raises_is_refused(mount, preview, problem):
    with pytest.raises(SerDesError, match=problem):
        prove(LARGE, FileSystemSerDes(mount, preview=preview), HERE)


# -- in an execution ---------------------------------------------------------------------------------------------


def test_steps_and_fan_outs_read_their_files_on_replay(mount):
    seen = []

    def render(n) -> Report:
        return Report(title=f"report {n}", text=LARGE)

    @durable(serdes=FileSystemSerDes(mount, preview=lambda report: {"title": report.title}))
    def handler(event, ctx):
        reports = ctx.map(lambda child, n: child.step(render, n), [1, 2], returns=Report)
        seen.append([ctx.step(render, 3), *reports.results])
        ctx.wait(5)
        return [report.title for report in seen[-1]]

    run = Simulator(handler).start().finish()
    assert run.result == ["report 3", "report 1", "report 2"]
    assert seen[0] == seen[1]
    assert LARGE not in str(run.operations)
    assert "'preview': {'title': 'report 3'}" in str([json.loads(op.result) for op in run.operations if op.result])


def test_with_encryption_inside_the_files_tell_nothing_either(mount):
    serdes = FileSystemSerDes(mount, inner=EncryptingSerDes(Vault()))
    text, seen = prove({"secret": LARGE}, serdes, HERE)
    assert (seen, read(text, serdes, HERE)) == ({"secret": LARGE}, {"secret": LARGE})
    assert "secret" not in files(mount)[0].read_text()
    assert "x" * 99 not in files(mount)[0].read_text()


def test_it_reads_no_answers_from_outside(mount):
    serdes = FileSystemSerDes(mount)

    @durable
    def handler(event, ctx):
        for call in (ctx.create_callback, lambda serdes: ctx.invoke("f", serdes=serdes)):
            with pytest.raises(ValidationError, match="an answer comes from outside"):
                call(serdes=serdes)

    assert Simulator(handler).start().status == "SUCCEEDED"


# -- making one --------------------------------------------------------------------------------------------------


def test_a_directory_that_is_none_or_would_be_lost_is_refused(mount, monkeypatch):
    with pytest.raises(DurableConfigError, match="is no directory"):
        FileSystemSerDes(mount / "nothing")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    with pytest.raises(DurableConfigError, match="/tmp is lost with the sandbox"):
        FileSystemSerDes("/tmp")
    with pytest.raises(DurableConfigError, match="use one"):
        monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
        FileSystemSerDes(mount, inner=FileSystemSerDes(mount))


def test_encrypting_a_pointer_is_no_encryption_of_the_file(mount):
    with pytest.raises(DurableConfigError, match="encrypt first"):
        EncryptingSerDes(Vault(), inner=FileSystemSerDes(mount))
