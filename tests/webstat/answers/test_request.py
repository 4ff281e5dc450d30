"""What is typed and what it means; the lines that schedulers are given."""

from __future__ import annotations

import pytest

from webstat.answers.fit import Shape, shapes
from webstat.answers.request import (
    MEMORY_HINT,
    WALLTIME_HINT,
    Request,
    memory_word,
    parse_memory,
    parse_walltime,
    read_request,
    walltime_word,
)
from webstat.answers.submit import line

HOUR, DAY, GB = 3600, 86400, 1024**3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12:00", 12 * HOUR), ("0:30", HOUR // 2), ("12h", 12 * HOUR), ("2d", 2 * DAY), ("1d12h", 36 * HOUR),
        ("90min", 5400), ("90m", 5400), ("1.5h", 5400), ("01:30:15", 5415), ("240:00:00", 10 * DAY), (" 4 H ", 4 * HOUR),
        ("1-12:00:00", 36 * HOUR),
    ],
)  # fmt: skip
def test_a_walltime_is_read_as_people_type_it(text: str, seconds: int) -> None:
    assert parse_walltime(text) == seconds
    assert parse_walltime(walltime_word(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "12", "abc", "12:60", "1:2", "0:00", "-4h", "4x", "1e9h", "٤h", "h", "99999999h"])
def test_what_is_no_walltime_is_not_guessed_at(text: str) -> None:
    assert parse_walltime(text) is None


def test_memory_is_in_gigabytes_where_no_unit_is_told() -> None:
    assert [parse_memory(text) for text in ("96", "96 GB", "96gib", "1.5tb", "512M")] == [
        96 * GB, 96 * GB, 96 * GB, 1536 * GB, GB // 2
    ]  # fmt: skip
    assert [parse_memory(text) for text in ("", "much", "-1", "9" * 12)] == [None] * 4
    assert [memory_word(size) for size in (96 * GB, 1536 * GB, GB // 2, 1)] == ["96gb", "1536gb", "512mb", "1kb"]


def test_a_field_says_what_is_expected_and_the_rest_is_read() -> None:
    request, problems = read_request({"cores": "24", "walltime": "soon", "memory": "much", "nodes": "any", "gpus": "0"})
    assert request == Request(cores=24)
    assert problems == {"walltime": WALLTIME_HINT, "memory": MEMORY_HINT}
    assert "hours:minutes, e.g. 12:00" in WALLTIME_HINT


def test_cores_that_do_not_fit_the_nodes_asked_for_are_refused() -> None:
    assert read_request({"cores": "25", "nodes": "2", "cores_per_node": "12"})[1] == {
        "cores": "2 nodes of 12 cores are 24"
    }
    assert read_request({"cores": "24", "nodes": "2", "cores_per_node": "12"})[1] == {}


def test_a_request_is_what_its_address_says() -> None:
    request = Request(48, 2, None, 1, 96 * GB, 12 * HOUR, "alice", "chem")
    assert read_request(request.asked()) == (request, {})
    assert request.words.replace("\u00a0", " ") == "48 cores on 2 nodes, 1 GPU, 96 GB, 12 h"


def test_totals_follow_from_what_is_asked() -> None:
    asked = [Request(), Request(gpus=4), Request(nodes=3), Request(7, nodes=2), Request(nodes=2, cores_per_node=12)]
    assert [one.total_cores for one in asked] == [1, 4, 3, 8, 24]


PARTS, SPREAD = Shape(2, 12, 1, 24.5 * GB), Shape(24, 1, apart=False)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("openpbs", PARTS, "qsub -q batch -l select=2:ncpus=12:ngpus=1:mem=25088mb -l place=scatter -l walltime=12:00:00 job.sh"),
        ("openpbs", SPREAD, "qsub -q batch -l select=24:ncpus=1 -l walltime=12:00:00 job.sh"),
        ("torque", PARTS, "qsub -q batch -l nodes=2:ppn=12:gpus=1,mem=49gb,walltime=12:00:00 job.sh"),
        ("slurm", PARTS, "sbatch -p batch -N 2 --ntasks-per-node=12 --gres=gpu:1 --mem=25088M -t 12:00:00 job.sh"),
        ("slurm", SPREAD, "sbatch -p batch -n 24 -t 12:00:00 job.sh"),
    ],
)  # fmt: skip
def test_the_line_to_submit_with(kind: str, shape: Shape, expected: str) -> None:
    assert line(kind, "batch", shape, 12 * HOUR) == expected


def test_a_queue_of_a_hostile_name_stays_one_word() -> None:
    assert line("torque", "q; rm -rf ~", SPREAD, None) == "qsub -q 'q; rm -rf ~' -l nodes=24:ppn=1 job.sh"


def test_shapes_divide_what_is_asked_evenly() -> None:
    for kind in ("openpbs", "torque", "slurm"):
        for request in (
            Request(12),
            Request(12, gpus=4),
            Request(nodes=3, cores=12),
            Request(cores_per_node=4, cores=12),
        ):
            found = list(shapes(request, kind))
            assert found
            assert all(one.parts * one.cores == 12 and one.parts * one.gpus == (request.gpus or 0) for one in found)
