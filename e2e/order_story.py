"""What becomes of examples/order.json, wherever it runs."""

from __future__ import annotations

import json
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
ORDER = json.loads((EXAMPLES / "order.json").read_text(encoding="utf-8"))
APPROVAL = json.dumps({"approved": True, "by": "ada"})
RECEIPT = {
    "order": "42",
    "payment": {"id": "pay-42", "amount": "51.00"},
    "approved_by": "ada",
    "parcels": ["parcel-teapot", "parcel-cup"],
}
STORY = [
    ("StepStarted", "reserve"),
    ("StepSucceeded", "reserve"),
    ("StepStarted", "charge"),
    ("StepFailed", "charge"),
    ("StepStarted", "charge"),
    ("StepFailed", "charge"),
    ("StepStarted", "charge"),
    ("StepSucceeded", "charge"),
    ("WaitStarted", "cooling-off"),
    ("WaitSucceeded", "cooling-off"),
    ("CallbackStarted", "approval"),
    ("StepStarted", "ask_for_approval"),
    ("StepSucceeded", "ask_for_approval"),
    ("CallbackSucceeded", "approval"),
    ("ContextStarted", "ship"),
    ("StepStarted", "label-teapot"),
    ("StepSucceeded", "label-teapot"),
    ("StepStarted", "label-cup"),
    ("StepSucceeded", "label-cup"),
    ("ContextSucceeded", "ship"),
]
