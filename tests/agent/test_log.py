"""Log lines that a program can split."""

from __future__ import annotations

import logging

import pytest

from agent.log import KeyValueFormatter, fields, quoted


def line(message, *arguments, **extra):
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, message, arguments, None, extra=extra or None)
    return KeyValueFormatter().format(record)


def test_event_and_fields():
    text = line("report made", **fields(jobs=3, seconds=0.25, who="a b", nothing=None))
    assert text.split(" ", 1)[1] == 'level=info event="report made" jobs=3 seconds=0.25 who="a b" nothing=null'
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
