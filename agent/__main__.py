"""The agent's command line: serve, report, show, record, keys. Settings are read by settings.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from agent.accounting_log import AccountingLog
from agent.commands import Limits
from agent.diagnose import with_diagnosis
from agent.errors import AgentError, SettingsError
from agent.keys import load_public, load_secret, make_keys
from agent.live import LiveSource
from agent.log import start_logging
from agent.probe import take_report
from agent.recorder import record
from agent.recording import Choice, Replay
from agent.report import Report
from agent.server import Stop, serve
from agent.settings import AgentSettings, load_settings
from agent.tables import make_table, render_table, safe_text, table_to_json
from agent.wire import report_to_json
from agent.zones import local_zone_name, zone_named


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command; returns the exit code: 0, 1 for an error, 2 for wrong usage."""
    try:
        settings = load_settings(sys.argv[1:] if arguments is None else arguments)
        if settings.command != "serve":
            signal.signal(signal.SIGTERM, _terminate)
        _COMMANDS[settings.command](settings)
        sys.stdout.flush()
    except SettingsError as error:
        return _failed(error, 2)
    except AgentError as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _serve(settings: AgentSettings) -> None:
    start_logging(settings.log_level)
    stop = Stop()
    stop.install()
    try:
        source = _source(settings, stop.fd)
        serve(settings, _taker(settings, source), _facts(settings, source), stop)
    finally:
        stop.close()


def _report(settings: AgentSettings) -> None:
    report = _taker(settings, _source(settings))()
    sys.stdout.write(_readable(report_to_json(report)))


def _readable(document: Dict[str, Any]) -> str:
    """JSON with one record a line: quick to make, and good for grep and diff."""
    fields = []
    for key, value in document.items():
        rows = ",\n  ".join(map(json.dumps, value)) if isinstance(value, list) and value else ""
        text = f"[\n  {rows}\n ]" if rows else json.dumps(value)
        fields.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _show(settings: AgentSettings) -> None:
    source = _source(settings)
    report = take_report(source, settings.cluster)
    if settings.table == "queued":
        report = with_diagnosis(report, source)
    table = make_table(settings.table, report)
    if settings.json:
        json.dump(table_to_json(table, report), sys.stdout, ensure_ascii=True, indent=1)
        sys.stdout.write("\n")
        return
    for warning in report.warnings:
        print(f"warning: {safe_text(warning.source)}: {safe_text(warning.message)}", file=sys.stderr)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    sys.stdout.buffer.write((render_table(table, width) + "\n").encode("utf-8", "replace"))


def _record(settings: AgentSettings) -> None:
    for line in record(settings, _source(settings)):
        print(line)


def _keys(settings: AgentSettings) -> None:
    assert settings.folder is not None
    if settings.action == "make":
        public_file, secret_file = make_keys(settings.folder, settings.name)
        print(f"public key: {public_file} (copy it to the peers)\nsecret key: {secret_file} (stays here)")
    elif settings.folder.suffix == ".key_secret":
        print(f"{settings.folder}: a good secret key; its public key is {load_secret(settings.folder).public.decode()}")
    else:
        print(f"{settings.folder}: a good public key: {load_public(settings.folder).decode()}")


_COMMANDS: Dict[str, Callable[[AgentSettings], None]] = {
    "serve": _serve,
    "report": _report,
    "show": _show,
    "record": _record,
    "keys": _keys,
}


def _source(settings: AgentSettings, stop_fd: Optional[int] = None) -> Union[LiveSource, Replay]:
    if settings.replay is not None:
        choice = Choice(
            settings.poll, settings.state, settings.client, settings.format, settings.timezone, settings.max_output
        )
        return Replay(settings.replay, choice)
    # A recording is read elsewhere, so its times must be in a zone that has a name.
    zone = settings.timezone or (local_zone_name() if settings.command == "record" else None)
    limits = Limits(settings.timeout, settings.max_output, settings.path, zone, stop_fd)
    return LiveSource(limits, zone_named(zone), settings.scheduler, settings.format)


def _taker(settings: AgentSettings, source: Union[LiveSource, Replay]) -> Callable[[], Report]:
    log = AccountingLog(settings.accounting, zone_named(settings.timezone)) if settings.accounting else None

    def take() -> Report:
        report = take_report(source, settings.cluster)
        report = log.with_ends(report) if log else report
        return with_diagnosis(report, source) if settings.diagnose else report

    return take


def _facts(settings: AgentSettings, source: Union[LiveSource, Replay]) -> Callable[[], Dict[str, Any]]:
    """What a ping is told of the source: no command is run for it but the first `qstat --version`."""

    def facts() -> Dict[str, Any]:
        try:
            kind, problem = source.kind, None
        except AgentError as error:
            kind, problem = None, str(error)
        return {
            "scheduler": kind,
            "cluster": settings.cluster,
            "replay": isinstance(source, Replay),
            "problem": problem,
        }

    return facts


def _terminate(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)  # so that a running command is ended on the way out


def _failed(error: AgentError, code: int) -> int:
    lines: List[str] = str(error).splitlines() or [type(error).__name__]
    print(f"agent: {safe_text(' '.join(lines))}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
