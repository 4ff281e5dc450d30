"""The data behind a card as a file, and its chart as a picture, in one menu.

The files are /api/v1's; pictures are made by assets/export.js in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from dash import html

from webstat.components.text import Part, icon
from webstat.data.explore.question import Question

FILES = {"csv": "CSV", "xlsx": "Excel", "parquet": "Parquet", "json": "JSON"}
"""Word of the address -> what people call the form."""

PICTURES = {"png": "Picture (PNG)", "svg": "Picture to edit (SVG)"}


def question_words(question: Question) -> dict[str, str]:
    """The words that ask /api/v1/history… the same as a page, days by the viewer's zone."""
    return {**question.words(), "zone": str(question.zone)}


def file_address(path: str, words: Mapping[str, str], form: str) -> str:
    """The address of a file."""
    return f"{path}?{urlencode({**words, 'format': form})}"


def export_links(path: str, words: Mapping[str, str], graph: str | None = None) -> html.Details:
    """The ⋯ menu of a card: what `path` answers to `words` in each form, and the chart of the id `graph` as a picture."""
    items: list[Part] = [
        # Files, no pages of the site: plain links, which the browser saves.
        html.Li(html.A(said, href=file_address(path, words, form), className="dropdown-item", download=""))
        for form, said in FILES.items()
    ]
    if graph is not None:
        items.append(html.Li(html.Hr(className="dropdown-divider")))
        items += [
            html.Li(
                html.Button(
                    said, className="dropdown-item", type="button", **{"data-export": form, "data-graph": graph}
                )
            )
            for form, said in PICTURES.items()
        ]
    label = "Save the numbers or the picture" if graph is not None else "Save the numbers"
    summary = html.Summary(
        icon("three-dots"), className="btn btn-outline-secondary", title=label, **{"aria-label": label}
    )
    ident = f"export-{graph or '-'.join([*path.strip('/').split('/'), *([words['of']] if 'of' in words else [])])}"
    return html.Details(
        [summary, html.Ul(items, className="dropdown-menu show")], className="ws-menu ws-export", id=ident
    )
