"""Reports as CSV: tidy rows of everything, or one file for each table."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from zlib import crc32

from webstat.report.model import Picture, Report, Value
from webstat.sheets import plain

HEAD = ("section", "name", "measure", "unit", "value")


def tidy_csv(reports: Iterable[Report]) -> str:
    """One row a number of the reports. `name` is what a row of a table is about, its keys parted by ` / `."""
    rows: list[Sequence[Value]] = []
    for report in reports:
        where = ":".join(word for word in (report.kind, report.name, report.period.name) if word)
        for number in report.numbers:
            unit = number.measure.unit
            rows.append(("report", where, number.measure.name, unit, number.value))
            rows.append(("report", where, f"{number.measure.name}_before", unit, number.before))
        for picture in report.pictures:
            measure = picture.measure
            for start, name, value in _points(picture):
                rows.append((f"{where} {picture.name}", f"{start} / {name}", measure.name, measure.unit, value))
        for table in report.tables:
            for row in table.rows:
                name = " / ".join(str(key) for key in row[: table.keys])
                for measure, value in zip(table.measures[table.keys :], row[table.keys :], strict=True):
                    rows.append((f"{where} {table.name}", name, measure.name, measure.unit, value))
    return _csv(HEAD, rows)


def table_csvs(report: Report) -> dict[str, str]:
    """Name of a file -> its text: the numbers at the top, what the pictures show, and each table."""
    start = stem(report)
    numbers = [(one.measure.name, one.measure.unit, one.value, one.before) for one in report.numbers]
    files = {f"{start}-numbers.csv": _csv(("measure", "unit", "value", "before"), numbers)}
    for picture in report.pictures:
        head = ("since", "name", picture.measure.name)
        files[f"{start}-{picture.name.replace('_', '-')}.csv"] = _csv(head, _points(picture))
    for table in report.tables:
        heads = [measure.name for measure in table.measures]
        files[f"{start}-{table.name.replace('_', '-')}.csv"] = _csv(heads, table.rows)
    return files


def _points(picture: Picture) -> list[tuple[str, str, float]]:
    return [
        (start, band.name, value)
        for band in picture.bands
        for start, value in zip(picture.starts, band.values, strict=True)
    ]


def stem(report: Report) -> str:
    """What its files are named: `webstat-group-physics-2026-10`; never a path, and never the same for two names."""
    safe = re.sub(r"[^\w.-]+", "-", report.name)[:60].strip(".-")
    if safe != report.name:
        safe = f"{safe}-{crc32(report.name.encode('utf-8', 'replace')):08x}".lstrip("-")
    return "-".join(word for word in ("webstat", report.kind, safe, report.period.name) if word)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Value) -> str | float:
    if isinstance(value, str):
        return plain(value)
    if value is None or math.isnan(value):
        return ""
    return int(value) if value == int(value) else round(value, 6)
