"""`make forecast-report`: how often forecasts held, of the store of webstat.toml, of traces, else of the demo clusters."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from collector.settings import load_settings
from scripts import run
from webstat.answers.forecast_report import report_forecasts
from webstat.start import CONFIG, settings_of

DEMO_DAYS = 60
"""Of the demo's past: as much again as is asked about, so that the first jobs have others before them."""


def main(traces: list[str]) -> int:
    """Print the table; returns the exit code."""
    if traces or CONFIG.exists():
        return report_forecasts(settings_of(None), [Path(one) for one in traces])
    run.say(f"no {CONFIG} here: {DEMO_DAYS} days of simulated clusters are made")
    with tempfile.TemporaryDirectory(prefix="webstat-") as folder:
        plan = run.demo_plan(Path(folder), DEMO_DAYS, None)
        settings = load_settings(plan.config)
        assert plan.prepare is not None
        plan.prepare(settings)
        return report_forecasts(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
