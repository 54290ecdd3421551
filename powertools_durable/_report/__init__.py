"""The HTML report of an execution, and what the execution costs.

::

    prices     the public prices, and a bill
    metering   what of an execution is charged
    data       what the page is told of an execution
    page       the page: `template.html` with that data
"""

from __future__ import annotations

from powertools_durable._report.page import Pair, render_fork, render_pair, render_report

__all__ = ["Pair", "render_fork", "render_pair", "render_report"]
