"""``python -m powertools_durable.compat FILE...``: moves handlers from the official SDK's names to `compat.aws`."""

from __future__ import annotations

import argparse
import difflib
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from powertools_durable.compat.rewriting import rewrite

_LEFT, _USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the changes, or make them.

    Returns
    -------
    int
        0; 1 if something could not be moved; 2 if a file can't be read.
    """
    parser = argparse.ArgumentParser(
        prog="python -m powertools_durable.compat",
        description="Change the imports of aws_durable_execution_sdk_python to powertools_durable.compat.aws.",
        epilog="Exit codes: 0 done, 1 something can't be moved, 2 a file can't be read.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with Python files")
    parser.add_argument("--write", action="store_true", help="change the files, instead of showing a diff")
    options = parser.parse_args(arguments)
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        parser.error(f"there is no {missing[0]}")
    return max((_move(file, write=options.write) for file in _files(options.paths)), default=0)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*.py")) if not _is_foreign(file.relative_to(path)))
        else:
            yield path


def _is_foreign(file: Path) -> bool:
    return any(part.startswith(".") or part in {"node_modules", "site-packages", "__pycache__"} for part in file.parts)


def _move(file: Path, *, write: bool) -> int:
    try:
        content = file.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        source = content.decode(encoding)
        changed = rewrite(source)
    except (OSError, SyntaxError, UnicodeError, ValueError) as error:
        line = getattr(error, "lineno", None)
        print(f"{file}{f':{line}' if line else ''}: {error}", file=sys.stderr)
        return _USAGE
    if changed.source != source:
        if write:
            file.write_bytes(changed.source.encode(encoding))
            print(f"changed {file}")
        else:
            sys.stdout.writelines(_diff(file, source, changed.source))
    for problem in changed.problems:
        print(f"{file}:{problem.line}: {problem.message}", file=sys.stderr)
    return _LEFT if changed.problems else 0


def _diff(file: Path, before: str, after: str) -> Iterator[str]:
    """Yield a diff that git and patch can apply; a line ends with a line feed there, and with nothing else."""
    path = file.as_posix().removeprefix("/")
    old, new = (list(io.StringIO(text, newline="\n")) for text in (before, after))
    for line in difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


if __name__ == "__main__":
    sys.exit(main())
