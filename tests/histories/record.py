"""Writes the histories anew; run by hand: ``python -m tests.histories.record [NAME]...``.

Only for what is new: a recorded history stays what it is. `record_official.py` does so for the official SDK.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.histories.programs import PROGRAMS

HERE = Path(__file__).parent


def write(folder: str, name: str, arn: str, events: list[dict[str, Any]]) -> None:
    file = HERE / folder / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    text = json.dumps({"DurableExecutionArn": arn, "Events": events}, indent=1, ensure_ascii=False)
    file.write_text(f"{text}\n", encoding="utf-8")


def main(names: list[str]) -> None:
    for name, program in PROGRAMS.items():
        if (names and name not in names) or (not names and (HERE / "ours" / f"{name}.json").exists()):
            continue
        run = program.run()
        print(f"{name}: {run}")  # noqa: T201 - what the command is for
        write("ours", name, run.arn, run.history())


if __name__ == "__main__":
    main(sys.argv[1:])
