"""The page on OpenTelemetry shows the trace that its example draws."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_trace_on_the_page_is_the_one_that_the_example_prints():
    command = [sys.executable, "-m", "examples.powertools.open_telemetry"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "_X_AMZN_"))}
    printed = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout
    page = ROOT / "docs" / "powertools" / "opentelemetry-trace.txt"
    assert printed == page.read_text(encoding="utf-8")
