"""An agent that answers with a recorded cluster as if it had been recorded at START, and is still so:
`python -m tests.replaying SAMPLE NAME START …`, and the options of the agent's serve.

The real agent's server, with its keys; the recording goes through the real parsers.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

from agent.log import start_logging
from agent.probe import take_report
from agent.recording import Replay
from agent.report import Report
from agent.server import Stop, serve
from agent.settings import load_settings
from tests.webstat.recorded import SAMPLES, moved


def main() -> None:
    """Serve until SIGTERM."""
    sample, name, start, *options = sys.argv[1:]
    settings = load_settings(["serve", "--cluster", name, *options], {})
    start_logging(settings.log_level)
    report = take_report(Replay(SAMPLES / Path(sample)))
    report = moved(report, name, int(int(start) - report.taken_at))

    def take() -> Report:
        return dataclasses.replace(report, taken_at=time.time())

    def facts() -> dict[str, Any]:
        return {"cluster": name}

    stop = Stop()
    stop.install()
    serve(settings, take, facts, stop)


if __name__ == "__main__":
    main()
