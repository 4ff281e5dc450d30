"""Maui's and Moab's words on waiting jobs. The outputs here have the form of the manuals' examples; none was recorded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ParseError
from agent.parsers.maui_text import parse_priorities, parse_reasons

MOAB = b"""diagnosing job priority information (partition: ALL)

Job                    PRIORITY*   Cred(  QOS)    FS(Accnt)  Serv(QTime)
             Weights   --------       1(    1)     1(    1)     1(    1)

2201                       1500*    7.0( 90.0)   0.2(  2.7)  92.8(1405.)
2207                        -35    42.6(100.0)   1.1(  2.7)  56.3(132.3)
2210[3]                       0     0.0(  0.0)   0.0(  0.0)   0.0(  0.0)

Percent Contribution   --------     0.9(  0.9)   0.4(  0.4)  98.7( 98.7)

* indicates system prio set on job
"""

MAUI = b"""diagnosing job priority information (partition: ALL)

Job                    PRIORITY*   QOS(Q:QOSPri) Resource(NDE: PE:PRC:MEM)
Weights                --------   1000(-:------)  800(  0:  0:  1:  0)

node8.1300.0             52203    0.00(1:000000)  98.08(064:064:064:000)
node4.2068.0             13802    0.00(1:000000)  92.74(016:016:016:000)
Totals                   --------    0.10( 0.10)  98.00( 98.00)
"""

BLOCKED = b"""Diagnosing blocked jobs (policylevel SOFT  partition ALL)

job 67                   has the following hold(s) in place:  Defer
job 67                   has non-idle expected state (expected state: Deferred)
job 68[2]                would violate 'local' fairness policies
job 69 requires completion of job '67')
"""


def test_priorities_of_moab():
    assert parse_priorities(MOAB) == {"2201": 1500, "2207": -35, "2210[3]": 0}


def test_priorities_of_maui():
    assert parse_priorities(MAUI) == {"node8.1300.0": 52203, "node4.2068.0": 13802}


def test_reasons():
    assert parse_reasons(BLOCKED) == {
        "67": "has the following hold(s) in place: Defer; has non-idle expected state (expected state: Deferred)",
        "68[2]": "would violate 'local' fairness policies",
        "69": "requires completion of job '67')",
    }


@pytest.mark.parametrize("parse", [parse_priorities, parse_reasons])
@pytest.mark.parametrize("raw", [b"", b"\n \n"])
def test_nothing_printed_is_nothing_told(parse, raw):
    assert parse(raw) == {}


def test_no_blocked_jobs():
    assert parse_reasons(b"Diagnosing blocked jobs (policylevel SOFT  partition ALL)\n\nno blocked jobs found\n") == {}


@pytest.mark.parametrize("parse", [parse_priorities, parse_reasons])
def test_another_programs_output_is_refused(parse):
    with pytest.raises(ParseError, match="expected"):
        parse(b"ERROR: cannot request service (status)\n")


def test_control_characters_do_not_pass():
    assert parse_reasons(b"job 1 has \x1b[31mred\x07 words\n") == {"1": "has [31mred words"}


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw):
    for parse in (parse_priorities, parse_reasons):
        try:
            told = parse(raw)
        except ParseError:
            continue
        assert all(isinstance(job, str) for job in told)
