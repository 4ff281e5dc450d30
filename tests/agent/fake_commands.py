"""Shell scripts in place of a scheduler's commands, in a folder to put on PATH. They log how they are called."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Dict, List, Optional

from tests.agent.samples import Sample


class FakeCommands:
    """A folder of scripts; each tells its calls apart by its arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._cases: Dict[str, List[str]] = {}

    def on(
        self, command: str, stdout: bytes = b"", stderr: str = "", exit_code: int = 0, body: Optional[str] = None
    ) -> None:
        """`command` (`qstat -f`) prints this from now on, or does what the shell words in `body` say."""
        name, _, arguments = command.partition(" ")
        file = self.folder / f"{name}.{len(self._cases.setdefault(name, []))}.out"
        file.write_bytes(stdout)
        action = body or f"cat {shlex.quote(str(file))}; printf %s {shlex.quote(stderr)} >&2; exit {exit_code}"
        self._cases[name].insert(0, f"{shlex.quote(arguments)}) {action};;")
        self._write(name)

    def calls(self) -> List[str]:
        """All calls so far, in order."""
        log = self.folder / "calls.log"
        return log.read_text().splitlines() if log.exists() else []

    def _write(self, name: str) -> None:
        log = shlex.quote(str(self.folder / "calls.log"))
        lines = [
            "#!/bin/sh",
            f'echo "{name} $*" >> {log}',
            'case "$*" in',
            *self._cases[name],
            f'*) echo "usage: {name} [-f]" >&2; exit 2;;',
            "esac",
        ]
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o755)


def plain_tools(folder: Path) -> str:
    """A PATH with what scripts need and no scheduler's commands, which this host may have."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("sh", "cat", "head", "kill", "printf", "setsid", "sleep", "tr"):
        file = shutil.which(name)
        if file:
            (folder / name).symlink_to(file)
    return str(folder)


def fake_cluster(folder: Path, sample: Sample) -> FakeCommands:
    """Commands that print what was recorded in a sample (of its first client); everything else is wrong usage."""
    commands = FakeCommands(folder)
    version = {
        "openpbs": b"pbs_version = 23.06.06\n",
        "torque": b"Version: 6.1.3.h5\nCommit: 4decc716\n",
        "slurm": b"",
    }[sample.manifest["scheduler"]]
    for output in reversed(sample.outputs):
        if (
            not output.newer_client
            and output.exit_code is not None
            and output.command.split()[0] in ("qstat", "pbsnodes", "pbs_rstat")
        ):
            commands.on(output.command, output.read(), output.stderr, output.exit_code)
    if version:
        commands.on("qstat --version", version)
    else:
        commands.on("qstat --version", b"", "Unknown option: version\nUsage:\n    qstat [-f]\n", 2)
    return commands
