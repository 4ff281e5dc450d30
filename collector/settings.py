"""webstat.toml: read, checked, and turned into frozen settings for collector and web page.

The file is one document with one schema, so that each process sees the other's addresses.
Messages of SettingsError say which line to change and to what.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from collector.errors import SettingsError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Endpoint = Annotated[str, Field(pattern=r"^(tcp|ipc)://\S+$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Table):
    """[store]: where the data is."""

    url: str = "sqlite:///var/webstat.sqlite"
    """An SQLAlchemy URL. Relative SQLite paths are relative to the file's folder."""


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
    """IANA name of the zone that charts are drawn in; the server's own where it is left out."""


class ClusterSettings(_Table):
    """[[cluster]]: one agent to ask."""

    name: Name
    title: str | None = None
    agent: Endpoint
    period_seconds: Annotated[int, Field(ge=5, le=86400)] | None = None
    server_key_file: Path | None = None
    """The agent's public CURVE key; without it the connection is neither encrypted nor checked."""
    demo: bool = False


class Settings(_Table):
    """The whole of webstat.toml."""

    store: StoreSettings = StoreSettings()
    collector: CollectorSettings = CollectorSettings()
    web: WebSettings = WebSettings()
    cluster: tuple[ClusterSettings, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [c.name for c in self.cluster]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two [[cluster]] tables are named {', '.join(twice)}; give each its own name")
        return self
