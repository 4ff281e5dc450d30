"""`keys`: one command makes all keys of a site that are missing, checks those that are there, and says what goes where.

What is in a key file, and who may read it, is agent/keys.py's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agent.curve import is_local
from agent.errors import KeysError
from agent.keys import load_allowed, load_public, load_secret, make_keys, read_allowed
from collector.settings import ClusterSettings, Settings

SECRET = ".key_secret"


def make_site_keys(settings: Settings, base: Path, folder: Path, agents: bool) -> Iterator[str]:
    """Make what is missing and check the rest; yields what to say, line by line. Raises KeysError.

    `base` is the folder that webstat.toml's paths are relative to, `folder` where new keys go; without `agents` only
    those of collector and page.
    """
    collector, web, allow = _places(settings, folder)
    keyed = [c for c in settings.cluster if c.server_key_file or not is_local(c.agent)] if agents else []
    for secret in (collector, web):
        yield _pair(secret)
    yield _allow(load_secret(web).public, web.with_suffix(".key"), allow)
    for cluster in keyed:
        yield _agent(cluster, folder)
    lines = [line for table, keys in _missing(settings, base, folder, keyed) for line in (table, *keys)]
    if lines:
        yield "\nWrite into webstat.toml:\n"
        yield from (f"    {line}" for line in lines)
    for cluster in keyed:
        secret = _agent_secret(_agent_place(cluster, folder))
        if secret.exists():
            yield from _move(cluster, secret, collector.with_suffix(".key"))


def _places(settings: Settings, folder: Path) -> tuple[Path, Path, tuple[Path, ...]]:
    """The secret files of collector and page, and where the keys lie that the collector allows."""
    collector = settings.collector.secret_key_file or folder / f"collector{SECRET}"
    web = settings.web.secret_key_file or folder / f"web{SECRET}"
    return collector, web, settings.collector.allow or (folder / "allowed",)


def _missing(
    settings: Settings, base: Path, folder: Path, keyed: list[ClusterSettings]
) -> Iterator[tuple[str, list[str]]]:
    """Table of webstat.toml -> the lines that it lacks."""
    collector, web, allow = _places(settings, folder)
    lines = [f'secret_key_file = "{_beside(collector, base)}"'] if not settings.collector.secret_key_file else []
    lines += [f'allow = ["{_beside(allow[0], base)}"]'] if not settings.collector.allow else []
    if lines:
        yield "[collector]", lines
    if not settings.web.secret_key_file:
        yield "[web]", [f'secret_key_file = "{_beside(web, base)}"']
    for cluster in keyed:
        if not cluster.server_key_file:
            place = _beside(_agent_place(cluster, folder), base)
            yield f"[[cluster]]  # {cluster.name}", [f'server_key_file = "{place}"']


def _pair(secret: Path) -> str:
    public = secret.with_suffix(".key")
    if not secret.exists():
        if secret.suffix != SECRET:
            raise KeysError(f"{secret} does not exist; name it {secret.stem}{SECRET}, and it is made")
        make_keys(secret.parent, secret.stem)
        return f"made     {secret} and {public.name}"
    if load_secret(secret).public != load_public(public):
        raise KeysError(f"{public} is not the public key of {secret}; remove it, and make a new pair")
    return f"good     {secret} and {public.name}"


def _allow(key: bytes, public: Path, allow: tuple[Path, ...]) -> str:
    """Let the page into the collector's sockets."""
    keys, wrong = read_allowed(path for path in allow if path.exists())
    if wrong:
        raise wrong[0]
    if key in keys:
        return f"good     {public.name} is allowed by {', '.join(map(str, allow))}"
    into = allow[0] / public.name if allow[0].suffix != ".key" else allow[0]
    if into.exists():
        raise KeysError(f"{into} holds another key than {public}; copy that there under another name")
    into.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    into.write_bytes(public.read_bytes())
    into.chmod(0o644)
    return f"allowed  {into}"


def _agent_place(cluster: ClusterSettings, folder: Path) -> Path:
    """The file or folder of an agent's public keys."""
    return cluster.server_key_file or folder / "agents" / cluster.name


def _agent_secret(place: Path) -> Path:
    return place.with_suffix(SECRET) if place.suffix == ".key" else place / f"agent{SECRET}"


def _agent(cluster: ClusterSettings, folder: Path) -> str:
    place = _agent_place(cluster, folder)
    secret = _agent_secret(place)
    if secret.exists() or not (place.is_file() or list(place.glob("*.key"))):
        return _pair(secret)
    load_allowed([place])
    return f"good     {place}, whose secret key is elsewhere"


def _move(cluster: ClusterSettings, secret: Path, collector: Path) -> Iterator[str]:
    host = urlsplit(cluster.agent).hostname or "its host"
    yield f"\nFor the agent of {cluster.name}, on {host}:\n"
    yield f"    {secret}  ->  /etc/webstat/keys/agent.key_secret (its own, mode 600); then delete it here"
    yield f"    {collector}  ->  /etc/webstat/collectors/ (what --allow names)"


def _beside(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
