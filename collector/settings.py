"""webstat.toml: read, checked, and turned into frozen settings for collector and web page.

The file is one document with one schema, so that each process sees the other's addresses; so it is one module.
Messages of SettingsError say which line to change and to what.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from collector.errors import SettingsError

DEFAULT_FILE = "webstat.toml"
FILE_VARIABLE = "WEBSTAT_CONFIG"
"""Environment variable that names the file where no --config is given."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Endpoint = Annotated[str, Field(pattern=r"^(tcp|ipc)://\S+$")]
MemcachedAddress = Annotated[str, Field(pattern=r"^(/\S+|(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):[0-9]{1,5})$")]


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
    load_share: Share = 0.05
    """Of the time, so much may pass in the scheduler's commands; where they are slow, it is asked less often. 0: no limit."""
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
    metrics: Annotated[str, Field(pattern=r"^[^\s/]+:[0-9]{1,5}$")] | None = None
    """HOST:PORT at which Prometheus may ask it."""
    secret_key_file: Path | None = None
    """The collector's own CURVE key, made by `python -m collector keys`; needed with server_key_file, and with allow."""
    allow: tuple[Path, ...] = ()
    """Public keys of the web processes that may hear and ask, files or folders; with it these two sockets take keys only."""
    insecure: bool = False
    """Bind these two sockets beyond this host without keys: anybody may hear and ask."""


class WebSettings(_Table):
    """[web]: where the page is served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8050
    title: str = "webstat"
    timezone: str | None = None
    """IANA name of the zone of every time on the page; each viewer's own where it is left out."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    """How long a process that was told to end says so at /readyz, and serves on, before it ends."""
    memcached: tuple[MemcachedAddress, ...] = ()
    """Where web processes share results: host:port, or a socket's path; one, or a list."""
    secret_file: Path | None = None
    """Random bytes that all web processes know and nobody else. Made where it is missing."""
    secret_key_file: Path | None = None
    """The web process's own CURVE key; with it only collectors with keys are heard and asked."""
    metrics_from: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses or networks that may ask for /metrics."""

    @field_validator("memcached", mode="before")
    @classmethod
    def _one_is_a_list(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("proxies", "metrics_from")
    @classmethod
    def _networks_read(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(f"{one!r} is no address or network; write e.g. 127.0.0.1 or 10.0.0.0/24") from None
        return given

    @model_validator(mode="after")
    def _shared_results_are_signed(self) -> WebSettings:
        if self.memcached and self.secret_file is None:
            raise ValueError(
                'memcached is set, but no secret_file to sign what is put there; write e.g. secret_file = "keys/web.secret"'
            )
        return self

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"{name!r} is no time zone; write an IANA name such as Europe/Berlin") from None
        return name


Sees = Literal["full", "pseudonyms", "own", "totals"]
"""How much of other people somebody sees: webstat/privacy.py."""
Scope = Literal["read", "refresh"]
SEES, SCOPES = get_args(Sees), get_args(Scope)


class OidcSettings(_Table):
    """[access.oidc]: where people sign in."""

    issuer: Annotated[str, Field(pattern=r"^https?://\S+$")]
    client_id: str
    client_secret_file: Path
    scope: str = "openid profile"
    user_claim: str = "preferred_username"
    """What of a person is the user name on the clusters."""
    groups_claim: str = "groups"
    mail_claim: str = "email"
    """Where they may be written to; the scope must ask for it."""


class TokenSettings(_Table):
    """[[access.token]]: a program that may ask, as `python -m webstat token` writes it."""

    name: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...] = ("read",)
    sees: Sees = "full"


class AccessSettings(_Table):
    """[access]: who may look, and how much of other people each sees."""

    mode: Literal["open", "proxy", "oidc"] = "open"
    """Whoever reaches the page; whom a proxy of [web] proxies names; who signs in with OpenID Connect."""
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    admins: tuple[str, ...] = ()
    """User names, or group:NAME for everybody in a group."""
    viewers: tuple[str, ...] = ()
    """Who may look and no more; of those who signed in all others are members."""
    public: Sees | Literal["none"] | None = None
    """What is seen without signing in; where it is left out all where mode is open, else nothing."""
    viewer: Sees = "totals"
    member: Sees = "own"
    admin: Sees = "full"
    session_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12.0
    refreshes_a_minute: Annotated[int, Field(ge=1)] = 12
    """Of one person, or one address where nobody signs in."""
    exports_a_minute: Annotated[int, Field(ge=1)] = 60
    beyond_loopback: bool = False
    """Whether an open page may be served to other hosts."""
    oidc: OidcSettings | None = None
    token: tuple[TokenSettings, ...] = ()

    @model_validator(mode="after")
    def _mode_has_its_settings(self) -> AccessSettings:
        if self.mode == "oidc" and self.oidc is None:
            raise ValueError(
                'mode is "oidc", but there is no [access.oidc] with issuer, client_id and client_secret_file'
            )
        names = [one.name for one in self.token]
        if len(set(names)) < len(names):
            raise ValueError("two [[access.token]] tables have the same name; give each its own")
        return self

    @property
    def public_sees(self) -> str:
        """What is seen without signing in, in words of Sees or `none`."""
        return self.public or ("full" if self.mode == "open" else "none")

    @property
    def needs_secret(self) -> bool:
        """Whether sessions are signed, or pseudonyms are made."""
        sees = (self.public_sees, self.viewer, self.member, self.admin, *(one.sees for one in self.token))
        return self.mode == "oidc" or "pseudonyms" in sees


class LogSettings(_Table):
    """[log]: what collector and page write to standard error, one line an event."""

    format: Literal["text", "json"] = "text"
    """key=value pairs, or JSON."""
    level: Literal["debug", "info", "warning", "error"] = "info"


_WEBHOOKS_AT = re.compile(r"([A-Za-z0-9._-]+|[0-9.]+/[0-9]+|[0-9a-fA-F:]+/[0-9]+)(:[0-9]{1,5})?")


class NotifySettings(_Table):
    """[notify]: what people may be told of, and how."""

    webhooks: tuple[str, ...] = ()
    """Where posts may go: HOST or NETWORK, for ports 80 and 443, or with :PORT. A network is for addresses that are written
    as numbers, since a name may be another address at each question."""
    smtp: Annotated[str, Field(pattern=r"^[^\s/:]+:[0-9]{1,5}$")] | None = None
    """host:port of the server that takes e-mails; none are sent where it is left out."""
    smtp_from: Annotated[str, Field(pattern=r"^[^\s@<>,]+@[^\s@<>,]+$")] | None = None
    smtp_starttls: bool = False
    smtp_user: str | None = None
    smtp_password_file: Path | None = None
    mail_to: Annotated[str, Field(pattern=r"^[^\s@<>,]*\{user\}[^\s@<>,]*@[^\s@<>,{}]+$")] | None = None
    """The address of a person by their user name, as {user}@example.org; that which a provider of OpenID tells goes before."""
    an_hour: Annotated[int, Field(ge=1)] = 12
    """Webhooks and e-mails to one person; what is more comes together in one as soon as the hour allows."""
    rules_each: Annotated[int, Field(ge=0)] = 50
    page: Annotated[str, Field(pattern=r"^https?://[^\s?#]*[^\s?#/]$")] | None = None
    """The address of this site as people have it, for links in what is told."""

    @field_validator("webhooks")
    @classmethod
    def _webhooks_read(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            found = _WEBHOOKS_AT.fullmatch(one)
            try:
                if found is None:
                    raise ValueError
                if "/" in found[1]:
                    ipaddress.ip_network(found[1])
            except ValueError:
                raise ValueError(
                    f"{one!r} is no host or network; write e.g. hooks.example.org:8443 or 10.0.0.0/24"
                ) from None
        return given

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> NotifySettings:
        if self.smtp is not None and self.smtp_from is None:
            raise ValueError('smtp is set, but no smtp_from; write e.g. smtp_from = "webstat@example.org"')
        if (self.smtp_user is None) != (self.smtp_password_file is None):
            raise ValueError("smtp_user and smtp_password_file belong together; give both or none")
        return self


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
    load_share: Share | None = None
    server_key_file: Path | None = None
    """The agent's public CURVE key, or a folder of keys that it may have; without it the connection is neither
    encrypted nor checked."""
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
    access: AccessSettings = AccessSettings()
    retention: RetentionSettings = RetentionSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()
    cluster: tuple[ClusterSettings, ...] = ()

    def pace_of(self, entry: ClusterSettings) -> tuple[int, float]:
        """(seconds wished from poll to poll, share of the time that the scheduler's commands may take) of a cluster."""
        share = self.collector.load_share if entry.load_share is None else entry.load_share
        return entry.period_seconds or self.collector.period_seconds, share

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [c.name for c in self.cluster]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two [[cluster]] tables are named {', '.join(twice)}; give each its own name")
        if self.access.mode == "proxy" and not self.web.proxies:
            raise ValueError(
                '[access] mode is "proxy", but [web] proxies names none; write e.g. proxies = ["127.0.0.1"]'
            )
        if self.access.needs_secret and self.web.secret_file is None:
            raise ValueError(
                "[access] needs [web] secret_file, to sign sessions and to make pseudonyms; write e.g. "
                'secret_file = "keys/web.secret"'
            )
        keyed = [c.name for c in self.cluster if c.server_key_file]
        if keyed and self.collector.secret_key_file is None:
            raise ValueError(
                f"cluster {keyed[0]} has server_key_file, but [collector] has no secret_key_file; "
                "make one with: python -m collector keys"
            )
        if self.collector.allow and self.collector.secret_key_file is None:
            raise ValueError(
                "[collector] has allow, but no secret_key_file of its own; make one with: python -m collector keys"
            )
        return self


def settings_path(given: str | None) -> Path:
    """Which file to read: `--config`, else $WEBSTAT_CONFIG, else webstat.toml here."""
    return Path(given or os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)


def log_settings(path: Path) -> LogSettings:
    """[log] of a webstat.toml; the defaults where that cannot be read, which whoever needs it will say."""
    try:
        return load_settings(path).log
    except SettingsError:
        return LogSettings()


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
        pattern = error["ctx"]["pattern"]
        message = (
            "expected an address such as tcp://login1.example.org:7621"
            if "tcp|ipc" in pattern
            else "expected host:port such as 127.0.0.1:11211, or the path of a socket"
            if "[0-9]{1,5}" in pattern
            else "expected letters, digits, dot, dash or underscore (it becomes part of addresses)"
        )
    return f"{message} (found {given!r})" if isinstance(given, (str, int, float, bool)) else message


def _beside(settings: Settings, folder: Path) -> Settings:
    url = make_url(settings.store.url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        url = url.set(database=str(folder / url.database))
    collector, web, oidc = settings.collector, settings.web, settings.access.oidc
    if oidc is not None:
        oidc = oidc.model_copy(update={"client_secret_file": folder / oidc.client_secret_file})
    notify = settings.notify
    password = folder / notify.smtp_password_file if notify.smtp_password_file else None
    clusters = tuple(
        c.model_copy(update={"server_key_file": folder / c.server_key_file if c.server_key_file else None})
        for c in settings.cluster
    )
    return settings.model_copy(
        update={
            "store": StoreSettings(url=url.render_as_string(hide_password=False)),
            "collector": collector.model_copy(
                update={
                    "secret_key_file": folder / collector.secret_key_file if collector.secret_key_file else None,
                    "allow": tuple(folder / path for path in collector.allow),
                }
            ),
            "web": web.model_copy(
                update={
                    "secret_file": folder / web.secret_file if web.secret_file else None,
                    "secret_key_file": folder / web.secret_key_file if web.secret_key_file else None,
                }
            ),
            "access": settings.access.model_copy(update={"oidc": oidc}),
            "notify": notify.model_copy(update={"smtp_password_file": password}),
            "cluster": clusters,
        }
    )
