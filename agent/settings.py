"""Flags and environment into one frozen AgentSettings; the table of all settings is OPTIONS.

A flag wins over its variable WEBSTAT_AGENT_<NAME>, that over the default. Errors name the one that is
wrong and say what to write. What the settings mean is left to the modules that use them.
"""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from agent import __version__
from agent.errors import SettingsError
from agent.wire import MAX_MESSAGE_BYTES
from agent.zones import zone_named

ENVIRONMENT_PREFIX = "WEBSTAT_AGENT_"
SCHEDULERS = ("openpbs", "torque", "slurm")
FORMATS = ("text", "json", "xml")
TABLES = ("user", "group", "running", "queued", "nodes", "freenodes")
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class AgentSettings:
    """All that a run of the agent is told; fields that its command does not use keep their default."""

    command: str
    """`serve`, `report`, `record`, `show` or `keys`."""
    cluster: Optional[str] = None
    scheduler: Optional[str] = None
    format: Optional[str] = None
    timezone: Optional[str] = None
    timeout: float = 60.0
    """Seconds for one command."""
    max_output: int = 512 * _MEGABYTE
    """Bytes of one command's output."""
    path: Optional[Path] = None
    diagnose: bool = False
    accounting: Optional[Path] = None
    """Folder of the server's accounting log."""
    replay: Optional[Path] = None
    poll: Optional[int] = None
    state: Optional[str] = None
    client: Optional[str] = None
    bind: str = "tcp://127.0.0.1:7621"
    min_age: float = 15.0
    """Seconds during which a round of commands is not repeated."""
    max_message: int = MAX_MESSAGE_BYTES
    """Bytes of one reply, compressed."""
    secret_key_file: Optional[Path] = None
    allow: Tuple[Path, ...] = ()
    insecure: bool = False
    log_level: str = "info"
    folder: Optional[Path] = None
    """Where `record` and `keys make` write, which file `keys check` reads."""
    keep_names: bool = False
    all_formats: bool = False
    table: str = ""
    """Which table `show` prints."""
    json: bool = False
    action: str = ""
    """What `keys` does: `make` or `check`."""
    name: str = "agent"


class Option(NamedTuple):
    """One setting: where it is given, how its text is read, and its help."""

    flag: str
    convert: Callable[[str], Any]
    metavar: str
    help: str
    commands: Tuple[str, ...]
    repeat: bool = False

    @property
    def field(self) -> str:
        return self.flag[2:].replace("-", "_")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.field.upper()


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 86400:
        raise ValueError("expected a number of seconds between 0 and 86400")
    return number


def _not_negative(text: str) -> float:
    return 0.0 if text.strip() in ("0", "0.0") else _positive(text)


def _megabytes(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65536:
        raise ValueError("expected megabytes, a whole number between 1 and 65536")
    return number * _MEGABYTE


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("expected a whole number from 0")
    return number


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text

    return convert


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("expected yes or no")


def _zone(text: str) -> str:
    zone_named(text)
    return text


def _cluster(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError("expected a name of at most 64 letters, digits, '.', '_' and '-'")
    return text


def _endpoint(text: str) -> str:
    if not re.fullmatch(r"tcp://(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}|ipc://\S+", text):
        raise ValueError("expected tcp://ADDRESS:PORT or ipc://FILE, such as tcp://127.0.0.1:7621")
    if text.startswith("tcp://") and int(text.rsplit(":", 1)[1]) > 65535:
        raise ValueError("expected a port of at most 65535")
    return text


_ASKING = ("serve", "report", "show", "record")

OPTIONS: Tuple[Option, ...] = (
    Option("--cluster", _cluster, "NAME", "name of the cluster in the report (default: the server's)", _ASKING),
    Option("--scheduler", _one_of(SCHEDULERS), "KIND", "openpbs, torque or slurm (default: found out)", _ASKING),
    Option("--format", _one_of(FORMATS), "FORMAT", "text, json or xml (default: the one users cannot forge)", _ASKING),
    Option("--timezone", _zone, "ZONE", "zone of the times in the outputs (default: this host's)", _ASKING),
    Option("--timeout", _positive, "SECONDS", "limit for one command (default 60)", _ASKING),
    Option("--max-output", _megabytes, "MB", "limit for one command's output (default 512)", _ASKING),
    Option("--path", _path, "DIR", "folder of qstat and pbsnodes, searched before PATH", _ASKING),
    Option("--diagnose", _flag, "", "also ask Maui/Moab (diagnose -p, -q); show always does", ("serve", "report")),
    Option("--accounting", _path, "DIR", "follow the server's accounting log in this folder", ("serve", "report")),
    Option("--replay", _path, "DIR", "use recorded outputs instead of running commands", _ASKING),
    Option("--poll", _count, "N", "with --replay: which poll of a series (default: one after the other)", _ASKING),
    Option("--state", str, "WORD", "with --replay: which state of a recorded failure", _ASKING),
    Option("--client", str, "WORD", "with --replay: outputs of the client whose name holds this", _ASKING),
    Option("--bind", _endpoint, "ENDPOINT", "where collectors ask (default tcp://127.0.0.1:7621)", ("serve",)),
    Option("--min-age", _not_negative, "SECONDS", "ask the scheduler at most this often (default 15)", ("serve",)),
    Option("--max-message", _megabytes, "MB", "limit for one reply, compressed (default 64)", ("serve",)),
    Option("--secret-key-file", _path, "FILE", "the agent's own CURVE key (see: keys make)", ("serve",)),
    Option("--allow", _path, "FILE", "public key of a collector, or a folder of them; repeat", ("serve",), repeat=True),
    Option("--insecure", _flag, "", "bind beyond this host without keys: anybody can ask", ("serve",)),
    Option("--log-level", _one_of(("debug", "info", "warning", "error")), "LEVEL", "default info", ("serve",)),
    Option("--keep-names", _flag, "", "keep users', hosts' and jobs' names and all text", ("record",)),
    Option("--all-formats", _flag, "", "also record every other form the client prints", ("record",)),
    Option("--json", _flag, "", "print JSON instead of a table", ("show",)),
    Option("--name", str, "NAME", "name of the key files (default agent)", ("keys",)),
)

_ALIASES = {"--secret-key-file": ("--keys",), "--path": ("--qstat-dir",)}

_EXAMPLES = """\
examples:
  python -m agent report                          one report as JSON
  python -m agent show queued                     waiting jobs, with priority or reason
  python -m agent report --replay recordings/today
  python -m agent record /tmp/for-the-developers  outputs with all names replaced
  python -m agent keys make ~/webstat-keys
  python -m agent serve --bind tcp://0.0.0.0:7621 \\
      --secret-key-file ~/webstat-keys/agent.key_secret --allow ~/webstat-keys/collector.key

Every option can be given in the environment, as WEBSTAT_AGENT_<NAME>.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    parser = argparse.ArgumentParser(
        prog="python -m agent",
        description="Reads this cluster's qstat and pbsnodes; prints or serves the state of all jobs and nodes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"webstat agent {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, words in (
        ("serve", "answer collectors on a ZeroMQ socket, in the foreground"),
        ("report", "print one report as JSON"),
        ("show", "print a table: " + ", ".join(TABLES)),
        ("record", "store what the scheduler's commands print in a folder, to send it to the developers"),
        ("keys", "make or check CURVE keys"),
    ):
        command = commands.add_parser(
            name, help=words, description=words[0].upper() + words[1:] + ".", allow_abbrev=False
        )
        if name == "show":
            command.add_argument("table", choices=TABLES)
        elif name == "record":
            command.add_argument("folder", type=_path, metavar="DIR", help="a new or empty folder")
        elif name == "keys":
            command.add_argument("action", choices=("make", "check"))
            command.add_argument("folder", type=_path, metavar="DIR|FILE", help="make: folder; check: a key file")
        for option in OPTIONS:
            if name in option.commands:
                _add_option(command, option)
    return parser


def load_settings(arguments: Sequence[str], environment: Optional[Mapping[str, str]] = None) -> AgentSettings:
    """Settings from the command line (without the program's name) and the environment; raises SettingsError."""
    variables: Mapping[str, str] = os.environ if environment is None else environment
    given = vars(build_parser().parse_args(list(arguments)))
    values: Dict[str, Any] = {"command": given["command"]}
    for name in ("table", "folder", "action"):
        if given.get(name) is not None:
            values[name] = given[name]
    for option in OPTIONS:
        if given["command"] not in option.commands:
            continue
        texts, source = given.get(option.field), option.flag
        if texts is None and variables.get(option.variable):
            text = variables[option.variable]
            texts, source = text.split(os.pathsep) if option.repeat else text, option.variable
        if texts is not None:
            values[option.field] = _converted(option, texts, source)
    settings = AgentSettings(**values)
    _check(settings)
    return settings


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    flags = [option.flag, *_ALIASES.get(option.flag, ())]
    if option.convert is _flag:
        parser.add_argument(*flags, dest=option.field, action="store_const", const="yes", help=option.help)
    elif option.repeat:
        parser.add_argument(*flags, dest=option.field, action="append", metavar=option.metavar, help=option.help)
    else:
        parser.add_argument(*flags, dest=option.field, metavar=option.metavar, help=option.help)


def _converted(option: Option, given: Any, source: str) -> Any:
    texts: List[str] = given if option.repeat else [given]
    values = []
    for text in texts:
        try:
            values.append(option.convert(text))
        except ValueError as error:
            words = str(error) if str(error).startswith("expected") else "expected a number"
            raise SettingsError(f"{source} {text!r}: {words}") from None
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}") from None
    return tuple(values) if option.repeat else values[0]


def _check(settings: AgentSettings) -> None:
    """What no option can see alone."""
    if settings.path is not None and not settings.path.is_dir():
        raise SettingsError(f"--path {settings.path} is no folder; give the one that holds qstat")
    if settings.accounting is not None and settings.scheduler == "slurm":
        raise SettingsError("--accounting follows the log of OpenPBS or TORQUE; Slurm writes none, leave it out")
    if settings.replay is None:
        for name in ("poll", "state", "client"):
            if getattr(settings, name) is not None:
                raise SettingsError(f"--{name} chooses among recorded outputs; it needs --replay DIR")
    if settings.allow and settings.secret_key_file is None:
        raise SettingsError("--allow needs the agent's own key too: --secret-key-file FILE (see: keys make)")
    if settings.secret_key_file is not None and not settings.allow:
        raise SettingsError("--secret-key-file needs the collectors' public keys: --allow FILE (or a folder of them)")
