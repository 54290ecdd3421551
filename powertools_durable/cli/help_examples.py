"""The examples that ``--help`` of a command ends with, if its description has none."""

from __future__ import annotations

from typing import Final

__all__ = ["EXAMPLES"]

EXAMPLES: Final = {
    "run": (
        'run orders.py:handler --event \'{"id": "42"}\'',
        "run orders.py:handler --event @event.json --name order-42 --skip-time",
        "run orders.py:handler --answer 'approval={\"approved\": true}'",
        "run orders.py:handler --function pricing=pricing.py:handler",
    ),
    "resume": ("resume", "resume order-42 --skip-time", "resume order-42 --target new_orders.py:handler"),
    "list": ("list", "list --status FAILED --json", "list --aws --function orders:live"),
    "show": (
        "show order-42",
        "show order-42 --all",
        "show order-42 --follow",
        "show --history order-42.json --html order-42.html",
    ),
    "callback": (
        "callback approval succeed '{\"approved\": true}'",
        "callback 'etl > map-item-7 > approval' succeed true --execution order-42",
        "callback approval fail '\"not today\"'",
    ),
    "stop": ("stop order-42", "stop order-42 --aws --function orders"),
    "payload": ("payload order-42 charge", "payload order-42 'etl > map-item-7 > extract'"),
    "prune": ("prune --older-than 30d --dry-run", "prune --name 'order-*'"),
    "export": ("export order-42 > order-42.json", "export --to copy.sqlite"),
    "replay": ("replay orders.py:handler order-42.json", "replay orders.py:handler histories/*.json"),
    "explore": ('explore orders.py:handler --event \'{"id": "42"}\'',),
    "gate": ("gate orders.py:handler histories",),
    "doctor": ("doctor orders.py:handler", "doctor orders.py:handler --template template.yaml"),
}
