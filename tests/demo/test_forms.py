"""What is printed has the recorded clients' form: their attributes, in their order, broken at their columns."""

from __future__ import annotations

import gzip
import re
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from demo.clusters import small
from demo.dialects import answer
from demo.forms import OPENPBS_WIDTH, TORQUE_WIDTH, attribute_lines, ctime_text, duration_text
from demo.simulation import Simulation

SAMPLES = Path(__file__).parent.parent / "samples"
START = 1_795_392_000
DAY = 86400


def sample(name: str) -> str:
    path = SAMPLES / name
    packed = path.with_name(path.name + ".gz")
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    return raw.decode("latin-1")


def records(text: str, head: str) -> dict[str, str]:
    """Name -> body of each record whose values hold no line breaks of their own."""
    found = {}
    for part in re.split(rf"\n\n(?={head})", text):
        name, _, body = part.partition("\n")
        found[name] = body.rstrip("\n")
    return found


def attributes(body: str) -> list[str]:
    """The attributes of a record, each with its continuation lines."""
    return re.split(r"\n(?=    \S)", body)


@pytest.mark.parametrize(
    ("broken", "unbroken", "width"),
    [
        ("openpbs-23.06.06/wide/qstat-t-f.txt", "openpbs-23.06.06/wide/qstat-t-f-w.txt", OPENPBS_WIDTH),
        ("torque-6.1.3.h5/mixed/qstat-t-f.txt", "torque-6.1.3.h5/mixed/qstat-t-f-1.txt", TORQUE_WIDTH),
    ],
)
def test_lines_break_where_the_client_breaks_them(broken: str, unbroken: str, width: int) -> None:
    wrapped, plain = records(sample(broken), "Job Id: "), records(sample(unbroken), "Job Id: ")
    compared = broke = 0
    for name in wrapped.keys() & plain.keys():
        values = dict(line[4:].split(" = ", 1) for line in attributes(plain[name]) if " = " in line)
        for printed in attributes(wrapped[name]):
            attribute, _, value = printed[4:].partition(" = ")
            # What holds line breaks of its own, or bytes outside ASCII, we never print.
            if values.get(attribute) != value.replace("\n\t", "") or not value.isascii() or "^" in value:
                continue
            if attribute_lines([(attribute, values[attribute])], width) != printed + "\n":
                pytest.fail(f"{printed!r} became {attribute_lines([(attribute, values[attribute])], width)!r}")
            compared += 1
            broke += "\n" in printed
    assert compared > 3000
    assert broke > 300


KNOWN = {
    "openpbs": {
        "qstat -t -f -w": ["openpbs-23.06.06/wide/qstat-t-f-w.txt", "openpbs-23.06.06/wide/qstat-x-f.txt"],
        "qstat -x -t -f": ["openpbs-23.06.06/mixed/qstat-t-f.txt", "openpbs-23.06.06/mixed/qstat-x-f.txt"],
        "pbsnodes -av": ["openpbs-23.06.06/mixed/pbsnodes-av.txt"],
        "qstat -Q -f": ["openpbs-23.06.06/mixed/qstat-Q-f.txt"],
        "qstat -B -f": ["openpbs-23.06.06/mixed/qstat-B-f.txt"],
    },
    "torque": {
        "qstat -t -f -1": ["torque-6.1.3.h5/mixed/qstat-t-f-1.txt"],
        "qstat -f": ["torque-6.1.3.h5/mixed/qstat-f.txt", "torque-6.1.3.h5/large/qstat-f-1.txt"],
        "pbsnodes -a": ["torque-6.1.3.h5/mixed/pbsnodes-a.txt"],
        "qstat -Q -f": ["torque-6.1.3.h5/mixed/qstat-Q-f.txt"],
        "qstat -B -f": ["torque-6.1.3.h5/mixed/qstat-B-f.txt"],
    },
    "slurm": {
        "qstat -f": ["slurm-22.05.8/mixed/qstat-f.txt", "slurm-22.05.8/large/qstat-f.txt"],
        "pbsnodes -a": ["slurm-22.05.8/mixed/pbsnodes-a.txt"],
        "qstat -Q -f": ["slurm-22.05.8/mixed/qstat-Q-f.txt"],
    },
}
UNSEEN = {
    # Attributes of the man pages that no recording happened to hold.
    ("openpbs", "estimated.start_time"),
    ("openpbs", "resources_assigned.ngpus"),
    ("torque", "max_user_run"),
}


def names_in_order(text: str, indent: str) -> list[list[str]]:
    """For each record, the names of its attributes as they follow each other."""
    found: list[list[str]] = []
    for line in text.split("\n"):
        match = re.match(rf"{indent}([A-Za-z_][\w.]*) = ", line)
        if match and found:
            if match[1] not in found[-1]:
                found[-1].append(match[1])
        elif line and not line[0].isspace():
            found.append([])
    return [names for names in found if names]


@pytest.fixture(scope="module", params=sorted(KNOWN))
def printed(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[str]]]:
    """A kind of scheduler, and what each command printed at several moments."""
    kind = request.param
    simulation = Simulation(small(kind), 5, START)
    outputs: dict[str, list[str]] = {command: [] for command in KNOWN[kind]}
    for at in range(START, START + 4 * DAY, 40000):
        simulation.advance(at)
        for command in outputs:
            done = answer(simulation, command.split())
            assert done.exit_code == 0 and not done.stderr
            outputs[command].append(done.stdout.decode())
    return kind, outputs


def test_attributes_are_the_recorded_ones_in_the_recorded_order(printed: tuple[str, dict[str, list[str]]]) -> None:
    kind, outputs = printed
    for command, texts in outputs.items():
        indent = "\t" if kind == "slurm" else "    "
        if command.startswith("pbsnodes"):
            indent = "    " if kind == "slurm" else "     "
        before: set[tuple[str, str]] = set()
        known: set[str] = set()
        for name in KNOWN[kind][command]:
            for names in names_in_order(sample(name), indent):
                known.update(names)
                before.update((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
        seen: set[str] = set()
        for names in (names for text in texts for names in names_in_order(text, indent)):
            names = [name for name in names if (kind, name) not in UNSEEN]
            seen.update(names)
            for a, b in pairwise(names):
                assert a in known and b in known, f"{a} and {b} in {command}"
                assert (a, b) in before or (b, a) not in before, f"{b} does not follow {a} in {command}"
        assert len(seen) > 3


def test_times_and_durations() -> None:
    assert ctime_text(1_795_468_683, ZoneInfo("Etc/UTC")) == "Mon Nov 23 21:18:03 2026"
    assert ctime_text(1_793_500_000, ZoneInfo("Europe/Berlin")) == "Sun Nov  1 03:26:40 2026"
    assert duration_text(360_000) == "100:00:00"
    assert duration_text(59) == "00:00:59"


@pytest.mark.parametrize(
    ("kind", "command", "code", "words"),
    [
        ("openpbs", "qstat --json", 2, "usage: "),
        ("openpbs", "qstat -f 17.pbs01", 2, "usage: "),
        ("openpbs", "pbsnodes -F json", 2, "usage: "),
        ("torque", "qstat -x -1", 2, "conflicting options"),
        ("torque", "qstat --json", 2, "usage: "),
        ("slurm", "qstat -t -f", 2, "Unknown option: t\nUsage:"),
        ("slurm", "pbsnodes -av", 2, "Unknown option: av\nUsage:"),
        ("slurm", "pbsnodes -x", 2, "Unknown option: x\nUsage:"),
    ],
)
def test_what_is_not_simulated_is_refused(kind: str, command: str, code: int, words: str) -> None:
    simulation = Simulation(small(kind), 5, START)
    printed = answer(simulation, command.split())
    assert (printed.exit_code, printed.stdout) == (code, b"")
    assert words in printed.stderr.decode()


def test_nothing_to_list() -> None:
    """Empty listings have each dialect's form; Slurm's wrapper exits 153."""
    idle = {kind: Simulation(small(kind), 5, START) for kind in KNOWN}
    for simulation in idle.values():
        simulation.jobs.clear()
        simulation.arrays.clear()
    assert answer(idle["openpbs"], ["qstat", "-t", "-f", "-w"]).stdout == b""
    assert (
        answer(idle["torque"], ["qstat", "-t", "-x"]).stdout == sample("torque-6.1.3.h5/empty/qstat-t-x.xml").encode()
    )
    assert answer(idle["slurm"], ["qstat", "-f"]).exit_code == 153
