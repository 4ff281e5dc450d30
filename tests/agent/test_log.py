"""Log lines that a program can split."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.log import JsonFormatter, KeyValueFormatter, fields, quoted

HOSTILE = 'x\ntime=2026-01-01T00:00:00Z level=error event="forged" code=\r\u2028\x1b[2J"'


def line(message, *arguments, form=KeyValueFormatter, **extra):
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, message, arguments, None, extra=extra or None)
    return form().format(record)


def document(message, *arguments, **extra):
    return json.loads(line(message, *arguments, form=JsonFormatter, **extra))


def test_event_and_fields():
    text = line("report made", **fields(jobs=3, seconds=0.25, who="a b", nothing=None))
    assert text.split(" ", 1)[1] == 'level=info logger=x event="report made" jobs=3 seconds=0.25 who="a b" nothing=null'
    assert text.startswith("time=")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("tcp://1.2.3.4:5", "tcp://1.2.3.4:5"),
        ("", '""'),
        ('say "hi"', '"say \\"hi\\""'),
        ("two\nlines", '"two\\nlines"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\x9b31m", '"\\u009b31m"'),
        ("\u2028", '"\\u2028"'),
        ("\ud800", '"\\ud800"'),
        ("key=value", '"key=value"'),
        (True, "true"),
        (12.0, "12"),
    ],
)
def test_values_are_one_word(value, text):
    assert quoted(value) == text


def test_a_traceback_stays_on_one_line():
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        record = logging.getLogger("x").makeRecord("x", logging.ERROR, "f", 1, "oh", (), (type(error), error, None))
    assert "\n" not in KeyValueFormatter().format(record)


@pytest.mark.parametrize(
    ("message", "arguments", "pairs"),
    [
        ("report stored cluster=%s jobs=%d", ("a b", 3), {"event": "report stored", "cluster": "a b", "jobs": 3}),
        (
            "poll failed message=%r next_in=%.0fs",
            ("it's", 4.6),
            {"event": "poll failed", "message": "it's", "next_in": "5s"},
        ),
        ("%s code=%s", ("No page.", "3F2A"), {"event": "No page.", "code": "3F2A"}),
        ("100 %% of it cluster=%s", ("c",), {"event": "100 % of it", "cluster": "c"}),
        ("plain %s", ("cluster=x",), {"event": "plain cluster=x"}),
        ("two in=%s/%s", (1, 2), {"event": "two in=1/2"}),
        ("none", (), {"event": "none"}),
        ("a mapping key=%(key)s", ({"key": 1},), {"event": "a mapping key=1"}),
        ("no pair cluster=%s", (None,), {"event": "no pair", "cluster": None}),
    ],
)
def test_pairs_that_a_message_names_are_pairs(message, arguments, pairs):
    found = document(message, *arguments)
    assert {key: value for key, value in found.items() if key not in ("time", "level", "logger")} == pairs


@pytest.mark.parametrize("form", [KeyValueFormatter, JsonFormatter])
def test_what_is_put_in_forges_neither_line_nor_pair(form):
    for text in (line("failed code=%s", HOSTILE, form=form), line(f"{HOSTILE} %s", HOSTILE, form=form)):
        assert len(text.splitlines()) == 1
        assert text.isprintable()
    assert set(document("failed code=%s", HOSTILE)) == {"time", "level", "logger", "event", "code"}
    assert document("failed code=%s", HOSTILE)["code"] == HOSTILE
    assert line("failed code=%s", HOSTILE).count(" level=") == 2, "the second one is inside of quotes"


@given(st.text(), st.text())
def test_any_text_comes_back_from_json(first, second):
    found = document("%s of=%s", first, second)
    assert (found["event"], found["of"]) == (first, second)
    assert len(line("%s of=%s", first, second).splitlines()) == 1
