"""`record`: asks what a report asks, once, and writes the outputs into a folder, names replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterator, List, Optional, Tuple, Union

from agent.anonymise import anonymise
from agent.commands import Output
from agent.dialects import DIALECTS, EXTRAS, JOBS, Alternative, alternatives
from agent.errors import AgentError, CommandError, CommandMissing, SettingsError
from agent.live import LiveSource
from agent.pseudonyms import Pseudonyms
from agent.recording import Replay, prepare_folder, write_recording
from agent.settings import AgentSettings
from agent.zones import local_zone_name

Asked = Tuple[str, Alternative, Output]


def record(settings: AgentSettings, source: Union[LiveSource, Replay]) -> Iterator[str]:
    """Make a recording in `settings.folder`, telling line by line what was done; raises AgentError.

    A replay can be recorded too: with its names replaced, to pass it on.
    """
    if settings.folder is None:
        raise SettingsError("record needs a folder to write to")
    prepare_folder(settings.folder)
    source.next_report()
    left_out: List[str] = []
    asked = list(_ask(settings, source, left_out))
    if not settings.keep_names:
        asked = list(_without_names(source.kind, asked, left_out))
    facts: Dict[str, str] = {
        "scheduler": source.kind,
        "version": source.version,
        "server": source.server,
        "timezone": zone_of(settings, source),
        "note": "names as they are" if settings.keep_names else "names replaced, free text and environments left out",
    }
    if not settings.keep_names:
        facts["server"] = ""
    written = write_recording(settings.folder, facts, (output for _, _, output in asked), left_out)
    for _, way, output in asked:
        yield f"{output.command}: exit code {output.exit_code}, {len(output.stdout)} bytes of {way.format}"
    yield from (f"left out: {words}" for words in left_out)
    yield f"{len(written)} files in {settings.folder}; try it: python -m agent report --replay {settings.folder}"


def zone_of(settings: AgentSettings, source: Union[LiveSource, Replay]) -> str:
    """The zone that the recorded times are in."""
    if isinstance(source, Replay):
        return settings.timezone or source.timezone
    return settings.timezone or local_zone_name()


def _ask(settings: AgentSettings, source: Union[LiveSource, Replay], left_out: List[str]) -> Iterator[Asked]:
    for query in DIALECTS[source.kind]:
        preferred: Optional[Alternative] = None
        try:
            preferred, output, _ = source.fetch(query)
            yield query, preferred, output
        except CommandMissing as error:
            if query == JOBS:
                raise
            if query not in EXTRAS:
                left_out.append(str(error))
        except AgentError as error:
            left_out.append(_said(query, error))
        if settings.all_formats:
            yield from _others(source, query, preferred, left_out)


def _others(
    source: Union[LiveSource, Replay], query: str, preferred: Optional[Alternative], left_out: List[str]
) -> Iterator[Asked]:
    for way in alternatives(source.kind, query):
        if way is preferred:
            continue
        try:
            output = source.run(way)
        except CommandMissing:
            continue
        except AgentError as error:
            left_out.append(_said(query, error))
            continue
        yield query, way, output


def _said(query: str, error: AgentError) -> str:
    """An error's words, where they are the agent's own; those about a file hold its path."""
    return str(error) if isinstance(error, CommandError) else f"{query}: {type(error).__name__}"


def _without_names(kind: str, asked: List[Asked], left_out: List[str]) -> Iterator[Asked]:
    pseudonyms = Pseudonyms()
    for query, way, output in asked:
        try:
            stdout = anonymise(kind, query, way.format, output.stdout, pseudonyms)
        except AgentError as error:
            # The error's words may hold names.
            left_out.append(f"{output.command}: its names cannot be replaced ({type(error).__name__})")
            continue
        yield query, way, replace(output, stdout=stdout, stderr=pseudonyms.words(output.stderr))
