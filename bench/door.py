"""What stands before an answer: HAProxy with TLS, sessions and tokens, and showing somebody only their own jobs.

HAProxy is real, with deploy/haproxy.cfg; the store holds the recorded cluster of 10,000 jobs. Two web processes read it: one open to
all, one where people sign in with OpenID Connect (their session is at hand here, as in a browser that signed in before).
Each question is asked each way in turn, by one person over connections that stay.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from itsdangerous import TimestampSigner

from bench.workers import Site, ask, connected, site, timed, wire
from scripts.run import free_port
from tests.webstat.programs import HAProxy, web
from webstat.access.tokens import hash_of, make_token
from webstat.secret import load_secret

ROUNDS = 400
ASKED = {
    "the smallest answer": "/readyz",
    "the node map": "/data/nodes/large",
    "a page of the table of jobs": "/data/jobs?sort=-cores",
}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, site(Path(folder), 1, False) as running:
        _measure(running, Path(folder))


def _measure(running: Site, folder: Path) -> None:
    token = make_token()
    config, port = folder / "signed.toml", free_port(0)
    text = (folder / "webstat.toml").read_text().replace("[web]\n", '[web]\nsecret_file = "web.secret"\n')
    (folder / "client").write_text("none")
    (folder / "client").chmod(0o600)
    config.write_text(
        f'{text}[access]\nmode = "oidc"\nadmins = ["admin"]\n'
        '[access.oidc]\nissuer = "https://127.0.0.1:1"\nclient_id = "webstat"\nclient_secret_file = "client"\n'
        f'[[access.token]]\nname = "program"\nsha256 = "{hash_of(token)}"\n'
    )
    (folder / "second").mkdir()
    signed = web(config, port, "signed")
    with signed, HAProxy(folder / "second", [port]).running() as door, ExitStack() as stack:
        secret = load_secret(folder / "web.secret", "sessions").hex()
        user = "u001"
        ways = {
            "open, direct": (running.workers[0].port, "", ""),
            "open, HAProxy with TLS": (running.front.port, str(running.front.certificate), ""),
            "a token, HAProxy with TLS": (door.port, str(door.certificate), f"Authorization: Bearer {token}\r\n"),
            "signed in, HAProxy with TLS": (door.port, str(door.certificate), _cookie(secret, "admin")),
            "the same, own jobs only": (door.port, str(door.certificate), _cookie(secret, user)),
        }
        while door.status("pages", "web1") != "UP":
            time.sleep(0.1)
        connections = {name: stack.enter_context(connected(at, cert)) for name, (at, cert, _) in ways.items()}
        for what, path in ASKED.items():
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(ROUNDS + 5):
                for name, (_, _, head) in ways.items():
                    seconds = timed(partial(ask, connections[name], wire("GET", path, head=head)))
                    if number >= 5:
                        taken[name].append(seconds)
            print(f"{what} ({path})")
            direct = sorted(taken["open, direct"])
            for name, times in taken.items():
                times.sort()
                p50, p95 = (times[int(len(times) * share)] - direct[int(len(times) * share)] for share in (0.5, 0.95))
                print(
                    f"  {name:28} p50 {times[len(times) // 2] * 1000:6.2f} ms   p95 {times[int(len(times) * 0.95)] * 1000:6.2f} ms"
                    + ("" if name == "open, direct" else f"   added {p50 * 1000:6.2f} and {p95 * 1000:6.2f} ms")
                )
    print("(the door and HAProxy are to add less than 5 ms at p95)")


def _cookie(secret: str, name: str) -> str:
    """The session of somebody who has signed in, as Starlette writes it."""
    session = {"name": name, "groups": ["staff"], "until": time.time() + 3600}
    signed = TimestampSigner(secret).sign(base64.b64encode(json.dumps(session).encode()))
    return f"Cookie: webstat_session={signed.decode()}\r\n"


if __name__ == "__main__":
    main()
