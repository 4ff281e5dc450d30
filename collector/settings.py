"""webstat.toml: read, checked, and turned into frozen settings for collector and web page.

The file is one document with one schema, so that each process sees the other's addresses.
Messages of SettingsError say which line to change and to what.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from collector.errors import SettingsError

DEFAULT_FILE = "webstat.toml"
FILE_VARIABLE = "WEBSTAT_CONFIG"
"""Environment variable that names the file where no --config is given."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Endpoint = Annotated[str, Field(pattern=r"^(tcp|ipc)://\S+$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Table):
    """[store]: where the data is."""

    url: str = "sqlite:///var/webstat.sqlite"
    """An SQLAlchemy URL. Relative SQLite paths are relative to the file's folder."""

    @field_validator("url")
    @classmethod
    def _url_reads(cls, url: str) -> str:
        try:
            make_url(url)
        except ArgumentError:
            raise ValueError(f"{url!r} is no database address; write e.g. sqlite:///var/webstat.sqlite") from None
        return url

    @property
    def file(self) -> Path | None:
        """The file of an SQLite store; None of other databases."""
        url = make_url(self.url)
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


class CollectorSettings(_Table):
    """[collector]: polling, and the sockets that web processes use."""

    period_seconds: Annotated[int, Field(ge=5, le=86400)] = 60
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 90.0
    """How long one request may take, the agent's commands included."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Further tries within one poll, each with a fresh socket."""
    backoff_max_seconds: Annotated[int, Field(ge=5)] = 600
    refresh_min_seconds: Annotated[int, Field(ge=0)] = 30
    """At most one refresh by hand per cluster in this time."""
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """PostgreSQL: after so long a silence of one collector, others take its clusters. At once where it was killed."""
    announce: Endpoint = "tcp://127.0.0.1:7622"
    refresh: Endpoint = "tcp://127.0.0.1:7623"
    secret_key_file: Path | None = None
    """The collector's own CURVE key, made by `python -m agent keys`; needed where a cluster has server_key_file."""


class WebSettings(_Table):
    """[web]: where the page is served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8050
    title: str = "webstat"
    timezone: str | None = None
    """IANA name of the zone of every time on the page; each viewer's own where it is left out."""

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"{name!r} is no time zone; write an IANA name such as Europe/Berlin") from None
        return name


Days = Annotated[int, Field(ge=0, le=36500)]


class RetentionSettings(_Table):
    """[retention]: how many days each level of history is kept; 0 keeps it for ever."""

    spans_days: Days = 1830
    """Jobs that have ended, and all spans: past moments can be looked at, and jobs be listed, for this long."""
    hours_days: Days = 100
    """Sums by hour."""
    days_days: Days = 0
    """Sums by day."""
    polls_days: Days = 100
    """When was asked, and what came; of what is older, only the stretches that are known stay."""
    columns_days: Days = 0
    """Ended jobs by columns, from which history is counted: about 30 bytes a job."""

    @model_validator(mode="after")
    def _columns_outlive_jobs(self) -> RetentionSettings:
        if self.columns_days and (not self.spans_days or self.columns_days < self.spans_days):
            raise ValueError(
                f"columns_days = {self.columns_days} is less than spans_days = {self.spans_days or 'for ever (0)'}: "
                "jobs that are kept are counted from columns; raise columns_days, or write 0 to keep them for ever"
            )
        return self


class ClusterSettings(_Table):
    """[[cluster]]: one agent to ask."""

    name: Name
    title: str | None = None
    agent: Endpoint
    period_seconds: Annotated[int, Field(ge=5, le=86400)] | None = None
    server_key_file: Path | None = None
    """The agent's public CURVE key; without it the connection is neither encrypted nor checked."""
    demo: bool = False
    region: Name | None = None
    """Which collectors poll it: those that run with the same --region."""

    @field_validator("name")
    @classmethod
    def _is_a_page(cls, name: str) -> str:
        if name.endswith((".txt", ".json")):
            raise ValueError(f"{name!r} would be the address of a text, not of a page; leave off its ending")
        return name


class Settings(_Table):
    """The whole of webstat.toml."""

    store: StoreSettings = StoreSettings()
    collector: CollectorSettings = CollectorSettings()
    web: WebSettings = WebSettings()
    retention: RetentionSettings = RetentionSettings()
    cluster: tuple[ClusterSettings, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [c.name for c in self.cluster]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two [[cluster]] tables are named {', '.join(twice)}; give each its own name")
        keyed = [c.name for c in self.cluster if c.server_key_file]
        if keyed and self.collector.secret_key_file is None:
            raise ValueError(
                f"cluster {keyed[0]} has server_key_file, but [collector] has no secret_key_file; "
                "make one with: python -m agent keys make keys --name collector"
            )
        return self


def settings_path(given: str | None) -> Path:
    """Which file to read: `--config`, else $WEBSTAT_CONFIG, else webstat.toml here."""
    return Path(given or os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)


def load_settings(path: Path) -> Settings:
    """Read and check webstat.toml; relative paths in it are relative to its folder.

    Raises SettingsError with one line for each thing to change.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist; copy webstat.example.toml to it and name your clusters") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        lines = [f"  {_where(e['loc'])}: {_words(e)}" for e in error.errors()]
        raise SettingsError("\n".join([f"{path} needs a change:", *lines])) from None
    return _beside(settings, path.resolve().parent)


def _where(location: tuple[int | str, ...]) -> str:
    """`cluster.1.agent` as people count: the second [[cluster]], key agent."""
    words = [
        f"no. {part + 1}" if isinstance(part, int) else f"[{part}]" if not i else part
        for i, part in enumerate(location)
    ]
    return " ".join(words) or "the file"


def _words(error: Any) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        return "this key is not known; look for a misspelling in webstat.example.toml"
    if kind == "missing":
        return "this key is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        endpoint = "tcp|ipc" in error["ctx"]["pattern"]
        message = (
            "expected an address such as tcp://login1.example.org:7621"
            if endpoint
            else "expected letters, digits, dot, dash or underscore (it becomes part of addresses)"
        )
    return f"{message} (found {given!r})" if isinstance(given, (str, int, float, bool)) else message


def _beside(settings: Settings, folder: Path) -> Settings:
    url = make_url(settings.store.url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        url = url.set(database=str(folder / url.database))
    secret = settings.collector.secret_key_file
    clusters = tuple(
        c.model_copy(update={"server_key_file": folder / c.server_key_file if c.server_key_file else None})
        for c in settings.cluster
    )
    return settings.model_copy(
        update={
            "store": StoreSettings(url=url.render_as_string(hide_password=False)),
            "collector": settings.collector.model_copy(update={"secret_key_file": folder / secret if secret else None}),
            "cluster": clusters,
        }
    )
