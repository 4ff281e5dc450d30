"""Asking an agent over real sockets: answers, silence, refusals, and agents that go away."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from agent.curve import Peer
from agent.errors import CommandError
from agent.keys import KeyPair, load_public, load_secret, make_keys
from agent.wire import answer_to_wire, error_to_wire, from_wire, to_wire
from collector import client
from collector.client import fetch_answer, fetch_reply, peers_of
from collector.errors import NoAnswer, PollFailed, SettingsError
from collector.settings import ClusterSettings, CollectorSettings
from tests.collector.agents import fake_agent
from tests.collector.reports import T0, a_report

REPORT = to_wire(a_report(T0))


def new_keys() -> KeyPair:
    return KeyPair(*zmq.curve_keypair())


def test_one_request_brings_one_report() -> None:
    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: REPORT) as agent:
            assert from_wire(await fetch_reply(context, [Peer(agent.endpoint)], "report", 5)).taken_at == T0
            assert agent.asked == ["report"]
        context.destroy(linger=0)

    asyncio.run(scene())


def test_a_socket_that_got_no_answer_is_dropped_and_the_next_try_succeeds() -> None:
    answers = iter([None, REPORT])

    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: next(answers)) as agent:
            assert await fetch_reply(context, [Peer(agent.endpoint)], "report", 0.3, retries=1) == REPORT
            assert agent.asked == ["report", "report"]
        context.destroy(linger=0)

    asyncio.run(scene())


def test_a_silent_agent_is_given_up() -> None:
    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: None) as agent:
            with pytest.raises(NoAnswer, match="did not answer within"):
                await fetch_reply(context, [Peer(agent.endpoint)], "report", 0.2)
        context.destroy(linger=0)

    asyncio.run(scene())


def test_nobody_listening_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.2)

    async def scene() -> None:
        context = zmq.asyncio.Context()
        with pytest.raises(NoAnswer, match="is the agent running"):
            await fetch_reply(context, [Peer("tcp://127.0.0.1:1")], "report", 5)
        with pytest.raises(NoAnswer, match="cannot be connected to"):
            await fetch_reply(context, [Peer("tcp://nonsense")], "report", 5)
        context.destroy(linger=0)

    asyncio.run(scene())


def test_keys_that_fit_connect_and_others_are_refused() -> None:
    server, mine, stranger = new_keys(), new_keys(), new_keys()

    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: REPORT, keys=server, allowed=mine.public) as agent:
            peer = Peer(agent.endpoint, server.public, mine)
            assert await fetch_reply(context, [peer], "report", 5) == REPORT
            for bad in (
                Peer(agent.endpoint, server.public, stranger),
                Peer(agent.endpoint, stranger.public, mine),
                Peer(agent.endpoint),
            ):
                with pytest.raises(PollFailed, match="key") as caught:
                    await fetch_reply(context, [bad], "report", 2)
                assert caught.value.code == "refused"
            assert agent.asked == ["report"], "a refused collector learns nothing"
        context.destroy(linger=0)

    asyncio.run(scene())


def test_an_agent_that_goes_away_before_it_is_asked_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stood(*_: object) -> None:
        """As if there had been a connection for a moment."""

    async def scene() -> None:
        context = zmq.asyncio.Context()
        with pytest.raises(NoAnswer, match="before it was asked"):
            await fetch_reply(context, [Peer("tcp://127.0.0.1:1")], "report", 5)
        context.destroy(linger=0)

    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(client, "_handshake", stood)
    monkeypatch.setattr(Peer, "connect", lambda peer, socket: None)  # there is no connection any more
    asyncio.run(scene())


def test_an_agent_may_have_one_of_several_keys(tmp_path: Path) -> None:
    """So that its pair can be changed: the file of the new one is put beside that of the old one before."""
    _, own = make_keys(tmp_path / "own", "collector")
    pairs = [load_secret(make_keys(tmp_path / "agent", name)[1]) for name in ("new", "old")]
    settings = CollectorSettings(secret_key_file=own)

    async def scene(pair: KeyPair) -> bytes:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: REPORT, keys=pair, allowed=load_public(own)) as agent:
            cluster = ClusterSettings(name="c", agent=agent.endpoint, server_key_file=tmp_path / "agent")
            peers = peers_of(cluster, settings)
            assert {peer.server_key for peer in peers} == {pair.public for pair in pairs}
            try:
                return await fetch_reply(context, peers, "report", 5)
            finally:
                context.destroy(linger=0)

    (tmp_path / "agent" / "half.key").write_text('public-key = "half')  # as while it is being copied
    for pair in pairs:
        assert asyncio.run(scene(pair)) == REPORT
    with pytest.raises(PollFailed, match="server_key_file") as caught:
        asyncio.run(scene(new_keys()))
    assert caught.value.code == "refused"
    with pytest.raises(SettingsError, match="damaged"):
        broken = tmp_path / "agent" / "half.key"
        peers_of(ClusterSettings(name="c", agent="tcp://127.0.0.1:1", server_key_file=broken), settings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"no \.key file"):
        peers_of(ClusterSettings(name="c", agent="tcp://127.0.0.1:1", server_key_file=tmp_path / "empty"), settings)


def test_an_agents_error_keeps_its_code_and_words() -> None:
    reply = error_to_wire(CommandError("qstat -f ended with exit code 255", "qstat -f", 255, "cannot connect"))

    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: reply) as agent:
            with pytest.raises(PollFailed, match="exit code 255; it said: cannot connect") as caught:
                await fetch_answer(context, [Peer(agent.endpoint)], "ping", 5)
            assert caught.value.code == "command_failed"
        context.destroy(linger=0)

    asyncio.run(scene())


def test_a_slow_agent_delays_no_other() -> None:
    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: None) as slow, fake_agent(lambda ask: REPORT) as quick:
            order: list[str] = []

            async def ask(name: str, endpoint: str) -> None:
                with contextlib.suppress(NoAnswer):
                    await fetch_reply(context, [Peer(endpoint)], "report", 1.0)
                order.append(name)

            await asyncio.gather(ask("slow", slow.endpoint), ask("quick", quick.endpoint))
            assert order == ["quick", "slow"]
        context.destroy(linger=0)

    asyncio.run(scene())


def test_key_files_are_read_from_the_settings(tmp_path: Path) -> None:
    public, _ = make_keys(tmp_path, "agent")
    _, secret = make_keys(tmp_path, "collector")
    cluster = ClusterSettings(name="c", agent="tcp://127.0.0.1:1", server_key_file=public)
    (peer,) = peers_of(cluster, CollectorSettings(secret_key_file=secret))
    assert peer.server_key is not None and peer.own is not None
    secret.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        peers_of(cluster, CollectorSettings(secret_key_file=secret))


def test_an_answer_is_facts() -> None:
    async def scene() -> None:
        context = zmq.asyncio.Context()
        async with fake_agent(lambda ask: answer_to_wire({"now": 7.0})) as agent:
            assert (await fetch_answer(context, [Peer(agent.endpoint)], "ping", 5))["now"] == 7.0
        async with fake_agent(lambda ask: REPORT) as agent:
            with pytest.raises(PollFailed, match="'kind'"):
                await fetch_answer(context, [Peer(agent.endpoint)], "ping", 5)
        context.destroy(linger=0)

    asyncio.run(scene())
