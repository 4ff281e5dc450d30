"""A table written down as JSON, CSV, Parquet or Excel. Pure.

Times are ISO 8601 in UTC, timestamps in Parquet, dates in Excel. Unknown is null or empty. What spreadsheets would
compute stays text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import xlsxwriter
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

from webstat.api.v1.columns import COLUMNS, Cells, Kind
from webstat.format import iso
from webstat.sheets import plain

LONGEST_CELL = 32_767
"""Characters that Excel holds in a cell."""


@dataclass(frozen=True)
class Written:
    """What a table is made of: columns by name, all of the same length, and what is to be known of them."""

    columns: Mapping[str, Cells]
    meta: Mapping[str, Any]


def to_json(table: Written) -> bytes:
    """`{"meta": …, "rows": [{column: value, …}, …]}`."""
    columns = {name: _said(name, values) for name, values in table.columns.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return orjson.dumps({"meta": table.meta, "rows": rows})


def to_csv(table: Written) -> bytes:
    """A line with the names of the columns, then a line a row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    columns = [
        [plain(value) if isinstance(value, str) else value for value in _said(name, values)]
        if COLUMNS[name].kind == "text"
        else _said(name, values)
        for name, values in table.columns.items()
    ]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode("utf-8", "replace")


def _said(name: str, values: Cells) -> Sequence[Any]:
    if COLUMNS[name].kind != "time":
        return values
    return [None if value is None else iso(value) for value in values]


def to_parquet(table: Written) -> bytes:
    """Typed columns; `webstat` among the file's metadata is meta as JSON."""
    arrays = [_array(COLUMNS[name].kind, values) for name, values in table.columns.items()]
    body = io.BytesIO()
    write_parquet(
        Table.from_arrays(arrays, names=list(table.columns)),
        body,
        compression="zstd(3)",
        key_value_metadata={"webstat": orjson.dumps(table.meta).decode()},
    )
    return body.getvalue()


def _array(kind: Kind, values: Cells) -> Array:
    if kind == "time":
        # Milliseconds: the coarsest that a Parquet file holds.
        seconds = Array(values, DataType.int64()).cast(DataType.timestamp("s", tz="UTC"))
        return seconds.cast(DataType.timestamp("ms", tz="UTC"))
    return Array(values, _TYPES[kind]())


_TYPES: dict[Kind, Callable[[], DataType]] = {
    "text": DataType.string,
    "whole": DataType.int64,
    "number": DataType.float64,
    "flag": DataType.bool,
}


def to_xlsx(table: Written) -> bytes:
    """A sheet with the rows, and one that says what they are."""
    body = io.BytesIO()
    options = {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss", "remove_timezone": True}
    with xlsxwriter.Workbook(body, options) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("Rows")
        sheet.freeze_panes(1, 0)
        kinds = [COLUMNS[name].kind for name in table.columns]
        for place, (name, kind) in enumerate(zip(table.columns, kinds, strict=True)):
            sheet.set_column(place, place, 20 if kind in ("time", "text") else 12)
            sheet.write_string(0, place, f"{name} (UTC)" if kind == "time" else name, bold)
        writers = [getattr(sheet, _WRITE[kind]) for kind in kinds]
        makers = [_MAKE.get(kind) for kind in kinds]
        for number, row in enumerate(zip(*table.columns.values(), strict=True), 1):
            for place, value in enumerate(row):
                if value is not None:
                    make = makers[place]
                    writers[place](number, place, make(value) if make else value)
        about = book.add_worksheet("About")
        about.set_column(0, 0, 24)
        about.set_column(1, 1, 100)
        for number, (name, said) in enumerate(_about(table)):
            about.write_string(number, 0, name, bold)
            about.write_string(number, 1, said[:LONGEST_CELL])
    return body.getvalue()


_WRITE: dict[Kind, str] = {
    "time": "write_datetime",
    "text": "write_string",  # never a formula, never a link
    "whole": "write_number",
    "number": "write_number",
    "flag": "write_boolean",
}

_MAKE: dict[Kind, Callable[[Any], Any]] = {
    "time": lambda value: datetime.fromtimestamp(value, UTC),
    "text": lambda value: value[:LONGEST_CELL],
}


def _about(table: Written) -> list[tuple[str, str]]:
    meta = [
        (name, value if isinstance(value, str) else orjson.dumps(value).decode()) for name, value in table.meta.items()
    ]
    return [*meta, ("times", "all in UTC"), *((name, COLUMNS[name].words) for name in table.columns)]


@dataclass(frozen=True)
class Format:
    """How a table is written, and the media type that it then has."""

    write: Callable[[Written], bytes]
    media_type: str


FORMATS = {
    "json": Format(to_json, "application/json"),
    "csv": Format(to_csv, "text/csv; charset=utf-8"),
    "parquet": Format(to_parquet, "application/vnd.apache.parquet"),
    "xlsx": Format(to_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
"""By the word of an address."""
