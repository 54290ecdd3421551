"""Checks the English of the documentation: ``python -m docsite.prose [FILE...]``.

Three judges read the text of the pages without their code: proselint, write-good and `WORDS`, which follows the word
list of Google's developer documentation style guide (https://developers.google.com/style/word-list). `make prose`
installs the first two.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WRITE_GOOD_SCRIPT = Path(sys.prefix, "node_modules", "write-good", "write-good.js")

# Left alone: the passive voice, which says what Lambda does ("the handler is called again"), and what a typographer
# would change, such as the quotes of a keyboard and the accents of the verb "resume".
NOT_BY_PROSELINT = ("typography.", "lexical_illusions")
WRITE_GOOD = {
    "passive": False,
    "adverb": False,  # "only" and "exactly" limit what is promised
    "weasel": False,  # so do "few" and "several"
    "so": False,  # a sentence may begin with "so" ...
    "thereIs": False,  # ... and with "there is no"
    "whitelist": [
        "it is",
        "It is",
        "it was",
        "It was",
        "all of",
        "All of",
        "however",
        "However",
        "therefore",
        "in between",
        "equivalent",
        "type of",
        "outside of",
        "Outside of",
        "maximum",
        "minimum",
    ],
}

WORDS = {
    r"behind": "after, below",
    r"whoever|whomever": "the person who, the code that",
    r"(?<!there )(?<!There )is no(?! longer)": "is not a",
    r"shall": "must, can, will",
    r"e\.g\.|i\.e\.|etc\.|via": "for example, that is, and so on, through",
    r"please": "nothing: give the instruction",
    r"simply|just|easily|obviously|of course|needless to say": "nothing",
    r"utili[sz]e[sd]?|leverag(?:e|es|ed|ing)": "use",
    r"in order to": "to",
    r"hence|thus|thereby|therein|whereby|henceforth": "so, therefore, by which",
    r"desire[sd]?": "want, need",
    r"blacklist|whitelist": "denylist, allowlist",
    r"sanity check": "check",
    r"master|slave": "primary, replica",
    r"abort(?:s|ed)?": "end, cancel, stop",
    r"kicks? in|bakes? in|under the hood": "the plain verb",
}


def prose_of(markdown: str) -> str:
    """Return the prose of a page, each line in its place; code, addresses and markers are left out."""
    text = re.sub(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", _blank, markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->|<[^>\n]+>", _blank, text, flags=re.DOTALL)
    text = re.sub(r"^\[[^\]]+\]: .*$|^ *--8<-- .*$|^:::.*(?:\n .*)*$|^\|[-:| ]+\|$", _blank, text, flags=re.MULTILINE)
    names = iter(range(10_000_000))
    text = re.sub(r"(`+)(?:(?!\1).)+\1", lambda match: f"code{next(names)}" + _blank(match), text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)\n]*\)|\]\[[^\]\n]*\]|\{[^}\n]*\}", "", text)
    text = re.sub(r"^ *(?:!!!|\?\?\?\+?|===\+?) *\w* *", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ *[-*+] |^ *\d+\. |[\[\]*\"]", " ", text, flags=re.MULTILINE)
    text = re.sub(r"^#+ (.*)$", r"\1 |", text, flags=re.MULTILINE)
    return re.sub(r"https?://\S+", "", text)


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def by_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of each of `WORDS` in *text*, and what to write instead."""
    for pattern, instead in WORDS.items():
        for match in re.finditer(rf"\b(?:{pattern})(?!\w)", text, re.IGNORECASE):
            yield text.count("\n", 0, match.start()) + 1, f"'{match[0]}': write {instead}"


def by_proselint(texts: dict[Path, str]) -> Iterator[tuple[Path, int, str]]:
    """Yield what proselint finds in *texts*."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (path, text) in enumerate(texts.items()):
            file = Path(folder, f"{number}.md")
            file.write_text(text, encoding="utf-8")
            files[str(file)] = path
        command = [Path(sys.prefix, "bin", "proselint"), "check", *files]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own files
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"proselint can't be used:\n{done.stderr}")
    for line in done.stdout.splitlines():
        match = re.match(r"(.*?\d+\.md):(\d+):\d+: (.*)", line)
        if match and not match[3].startswith(NOT_BY_PROSELINT):
            yield files[match[1]], int(match[2]), match[3]


def by_write_good(texts: dict[Path, str]) -> Iterator[tuple[Path, int, str]]:
    """Yield what write-good finds in *texts*."""
    script = """
    const [good, checks] = [require(process.argv[1]), JSON.parse(process.argv[2])];
    const texts = JSON.parse(require("node:fs").readFileSync(0, "utf-8"));
    console.log(JSON.stringify(texts.map((text) => good(text, checks))));
    """
    node = shutil.which("node")
    if node is None or not WRITE_GOOD_SCRIPT.is_file():
        raise RuntimeError("write-good is not installed; `make prose` does that, by npm")
    command = [node, "-e", script, str(WRITE_GOOD_SCRIPT), json.dumps(WRITE_GOOD)]
    given = json.dumps(list(texts.values()))
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=given)  # noqa: S603 - our own text
    for (path, text), findings in zip(texts.items(), json.loads(done.stdout), strict=True):
        for finding in findings:
            yield path, text.count("\n", 0, finding["index"]) + 1, finding["reason"]


def pages() -> Iterator[Path]:
    """Yield every page of the documentation that is written by hand."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


def findings(paths: Iterable[Path]) -> list[tuple[Path, int, str]]:
    """Return what the judges find in the pages of *paths*: page, line, and what is wrong.

    Raises
    ------
    RuntimeError
        A judge is not installed.
    """
    texts = {path: prose_of(path.read_text(encoding="utf-8")) for path in paths}
    found = [(path, line, message) for path, text in texts.items() for line, message in by_words(text)]
    return sorted({*found, *by_proselint(texts), *by_write_good(texts)})


def main(arguments: list[str]) -> int:
    """Print what is found; 1 if something is."""
    found = findings([Path(argument).resolve() for argument in arguments] or list(pages()))
    for path, line, message in found:
        print(f"{path.relative_to(ROOT)}:{line}: {message}")  # noqa: T201 - a command prints
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
