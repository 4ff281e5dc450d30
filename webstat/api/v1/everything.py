"""GET /api/v1/history/all.zip: every table of a question as CSV, and a text that says what they are."""

from __future__ import annotations

import io
import zipfile

import orjson
from fastapi.responses import Response

from webstat.api.v1 import history
from webstat.api.v1.columns import COLUMNS
from webstat.api.v1.formats import Written, to_csv
from webstat.api.v1.sheets import Look
from webstat.data.explore.answer import answered
from webstat.data.explore.cut import CLASSES
from webstat.data.explore.metrics import METRICS


def archive(look: Look) -> Response:
    """The answer; what has more rows than one answer holds is cut, and the text says so."""
    asked, _ = history.asked_for(look)
    found = answered(look.source, asked)
    sheets = {"series": history.series_of(found, look.now), "totals": history.totals_of(found, look.now)}
    sheets["week"] = history.week_of(look, asked)
    sheets |= {f"mix-{by}": history.mix_of(look, asked, by) for by in CLASSES}
    sheets |= {"waits": history.waits_of(look, asked), "nodes": history.nodes_of(look, asked)}
    tables = {name: sheet.written(look.form) for name, sheet in sheets.items()}
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.txt", _readme(tables))
        for name, table in tables.items():
            packed.writestr(f"{name}.csv", to_csv(table))
    name = sheets["series"].name
    headers = {
        "Content-Disposition": f'attachment; filename="webstat-{name}.zip"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body.getvalue(), headers=headers, media_type="application/zip")


def _readme(tables: dict[str, Written]) -> str:
    meta = tables["series"].meta
    about = {name: value for name, value in meta.items() if name not in ("columns", "total", "offset", "rows")}
    lines = ["webstat: history", "", "Times are UTC. An empty cell is not known.", ""]
    lines += [
        f"{name}: {value if isinstance(value, str) else orjson.dumps(value).decode()}" for name, value in about.items()
    ]
    lines += ["", f"The metric, {meta['metric']}: {METRICS[meta['metric']].unit}.", ""]
    for name, table in tables.items():
        rows, total = table.meta["rows"], table.meta["total"]
        cut = "" if rows == total else f" of {total:,}; the rest by /api/v1/history with offset"
        lines += [
            f"{name}.csv, {rows:,} rows{cut}",
            f"  {table.meta['range']['since']} to {table.meta['range']['until']}",
        ]
        lines += [f"  {column}: {COLUMNS[column].words}" for column in table.columns]
        lines.append("")
    return "\n".join(lines)
