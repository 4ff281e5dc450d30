"""`keys`: one command makes all keys of a site that are missing, checks those that are there, and says what goes where.

What is in a key file, and who may read it, is agent/keys.py's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agent.curve import is_local
from agent.errors import KeysError
from agent.keys import load_public, load_secret, make_keys, read_allowed
from collector.settings import ClusterSettings, Settings

SECRET = ".key_secret"


def make_site_keys(settings: Settings, base: Path, folder: Path, agents: bool) -> Iterator[str]:
    """Make what is missing and check the rest; yields what to say, line by line. Raises KeysError.

    `base` is the folder that webstat.toml's paths are relative to, `folder` where new keys go; without `agents` only
    those of collector and page.
    """
    collector = settings.collector.secret_key_file or folder / f"collector{SECRET}"
    web = settings.web.secret_key_file or folder / f"web{SECRET}"
    allow = settings.collector.allow or (folder / "allowed",)
    keyed = [c for c in settings.cluster if c.server_key_file or not is_local(c.agent)] if agents else []
    for secret in (collector, web):
        yield _pair(secret)
    yield _allow(load_secret(web).public, web.with_suffix(".key"), allow)
    for cluster in keyed:
        yield _agent(cluster, folder)
    wanted = {
        "[collector]": [
            f'secret_key_file = "{_beside(collector, base)}"' if not settings.collector.secret_key_file else "",
            f'allow = ["{_beside(allow[0], base)}"]' if not settings.collector.allow else "",
        ],
        "[web]": [f'secret_key_file = "{_beside(web, base)}"' if not settings.web.secret_key_file else ""],
        **{
            f'[[cluster]]  # {c.name}': [f'server_key_file = "{_beside(_agent_file(c, folder), base)}"']
            for c in keyed
            if not c.server_key_file
        },
    }  # fmt: skip
    lines = [line for table, keys in wanted.items() if any(keys) for line in (table, *filter(None, keys))]
    if lines:
        yield "\nWrite into webstat.toml:\n"
        yield from (f"    {line}" for line in lines)
    for cluster in keyed:
        secret = _agent_file(cluster, folder).with_suffix(SECRET)
        if secret.exists():
            yield from _move(cluster, secret, collector.with_suffix(".key"))


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


def _agent_file(cluster: ClusterSettings, folder: Path) -> Path:
    return cluster.server_key_file or folder / f"agent-{cluster.name}.key"


def _agent(cluster: ClusterSettings, folder: Path) -> str:
    public = _agent_file(cluster, folder)
    if public.is_dir():
        keys, wrong = read_allowed([public])
        if wrong:
            raise wrong[0]
        return f"good     {public}: {len(keys)} keys of the agent of {cluster.name}"
    if public.exists() and not public.with_suffix(SECRET).exists():
        load_public(public)
        return f"good     {public}, whose secret key is elsewhere"
    return _pair(public.with_suffix(SECRET))


def _move(cluster: ClusterSettings, secret: Path, collector: Path) -> Iterator[str]:
    host = urlsplit(cluster.agent).hostname or "its host"
    yield f"\nFor the agent of {cluster.name}, on {host}:\n"
    yield f"    {secret}  ->  /etc/webstat/keys/agent.key_secret (its own, mode 600); then delete it here"
    yield f"    {collector}  ->  /etc/webstat/collectors/ (what --allow names)"


def _beside(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
