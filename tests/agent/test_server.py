"""The REP loop over real sockets: one request, one reply, and who may ask.

One module, since all of it shares the served agent.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from agent import __version__
from agent.commands import Stopped
from agent.errors import CommandTimeout, ErrorReply, KeysError, SettingsError
from agent.keys import load_public, load_secret, make_keys
from agent.report import PROTOCOL, Job, Report, Scheduler
from agent.server import MAX_REQUEST_BYTES, Agent, Stop, check_exposure, serve
from agent.settings import load_settings
from agent.states import JobState
from agent.wire import answer_from_wire, from_wire, request_to_wire

ANY_PORT = "tcp://127.0.0.1:0"


def make_report(number: int = 1) -> Report:
    jobs = [Job(f"{index}.pbs", JobState.RUNNING, "R") for index in range(number)]
    return Report("c", Scheduler("openpbs", "1", "pbs"), 5.0, {"jobs": 0.1}, jobs, [], [], [], [], __version__)


class Rounds:
    """Stands for the probe: counts its rounds, and fails if told to."""

    def __init__(self, *results) -> None:
        self.results = list(results)
        self.count = 0

    def __call__(self) -> Report:
        self.count += 1
        result = self.results.pop(0) if self.results else make_report(self.count)
        if isinstance(result, BaseException):
            raise result
        return result


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_agent(rounds, clock=None, min_age=15.0, max_message=10**6) -> Agent:
    return Agent(rounds, lambda: {"scheduler": "openpbs"}, min_age, max_message, clock or Clock())


def ask(agent: Agent, what: str = "report") -> bytes:
    return agent.answer([request_to_wire(what)])


# What it answers, without sockets


def test_one_round_serves_all_who_ask_within_min_age():
    rounds, clock = Rounds(), Clock()
    agent = make_agent(rounds, clock)
    first = ask(agent)
    clock.now += 14.9
    assert ask(agent) == first
    assert rounds.count == 1
    clock.now += 0.2
    assert len(from_wire(ask(agent)).jobs) == 2
    assert rounds.count == 2


def test_a_failed_round_is_remembered_too():
    failed = CommandTimeout("qstat -f did not finish", "qstat -f", None, "words")
    rounds, clock = Rounds(failed), Clock()
    agent = make_agent(rounds, clock)
    for age in (0.0, 10.0):
        clock.now = 100.0 + age
        with pytest.raises(ErrorReply, match="did not finish") as caught:
            from_wire(ask(agent))
        assert caught.value.reply_code == "command_timeout"
        assert caught.value.reply_detail == {
            "command": "qstat -f",
            "exit_code": None,
            "stderr": "words",
            "age_seconds": age,
            "retry_after_seconds": 15.0 - age,
        }
    assert rounds.count == 1
    clock.now = 116.0
    assert from_wire(ask(agent)).cluster == "c"


def test_age_counts_from_the_end_of_a_round():
    clock = Clock()
    rounds = Rounds()

    def slow() -> Report:
        clock.now += 60
        return rounds()

    agent = make_agent(slow, clock)
    ask(agent)
    clock.now += 10
    ask(agent)
    assert rounds.count == 1


def test_without_min_age_each_request_is_a_round():
    rounds = Rounds()
    agent = make_agent(rounds, min_age=0.0)
    assert [len(from_wire(ask(agent)).jobs) for _ in range(3)] == [1, 2, 3]


def test_ping_runs_no_round():
    rounds = Rounds()
    before = time.time()
    answer = answer_from_wire(ask(make_agent(rounds), "ping"))
    assert rounds.count == 0
    assert before <= answer["now"] <= time.time()
    assert (answer["agent_version"], answer["protocol"], answer["scheduler"]) == (__version__, PROTOCOL, "openpbs")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b""], "malformed"),
        ([b"\x00\xff"], "malformed"),
        ([b"[1,2]"], "malformed"),
        ([b"{}"], "protocol"),
        ([b'{"protocol": 99, "ask": "report"}'], "protocol"),
        ([b'{"protocol": 1, "ask": 3}'], "malformed"),
        ([b'{"protocol": 1, "ask": "dance"}'], "malformed"),
        ([request_to_wire("report"), b"more"], "malformed"),
        ([b" " * 5000], "too_large"),
        ([b'{"protocol": 1, "ask": "' + b"[" * 3000 + b'"}'], "malformed"),
        ([b"[" * 4000], "malformed"),
    ],
)
def test_garbage_gets_a_typed_error(frames, code):
    rounds = Rounds()
    with pytest.raises(ErrorReply) as caught:
        from_wire(make_agent(rounds).answer(frames))
    assert caught.value.reply_code == code
    assert rounds.count == 0


def test_a_bug_is_an_error_reply_not_the_end():
    rounds = Rounds(ZeroDivisionError("oh"))
    agent = make_agent(rounds, min_age=0.0)
    with pytest.raises(ErrorReply, match="ZeroDivisionError") as caught:
        from_wire(ask(agent))
    assert caught.value.reply_code == "internal"
    assert from_wire(ask(agent)).cluster == "c"


def test_a_report_over_the_limit_is_an_error_reply():
    with pytest.raises(ErrorReply, match="--max-message") as caught:
        from_wire(ask(make_agent(Rounds(make_report(1000)), max_message=100)))
    assert caught.value.reply_code == "too_large"


def test_stopped_is_no_reply():
    with pytest.raises(Stopped):
        ask(make_agent(Rounds(Stopped("qstat"))))


@pytest.mark.parametrize(
    ("bind", "with_keys", "insecure", "refused"),
    [
        ("tcp://127.0.0.1:7621", False, False, False),
        ("tcp://127.9.9.9:7621", False, False, False),
        ("tcp://localhost:7621", False, False, False),
        ("tcp://[::1]:7621", False, False, False),
        ("ipc:///tmp/x", False, False, False),
        ("tcp://0.0.0.0:7621", False, False, True),
        ("tcp://*:7621", False, False, True),
        ("tcp://127.evil.example:7621", False, False, True),
        ("tcp://localhost.evil.example:7621", False, False, True),
        ("tcp://eth0:7621", False, False, True),
        ("tcp://0.0.0.0:7621", True, False, False),
        ("tcp://0.0.0.0:7621", False, True, False),
    ],
)
def test_beyond_this_host_only_with_keys(bind, with_keys, insecure, refused):
    if not refused:
        assert check_exposure(bind, with_keys, insecure) is None
        return
    with pytest.raises(SettingsError, match="--insecure"):
        check_exposure(bind, with_keys, insecure)


# Over sockets


class Serving:
    """A server in a thread, and sockets to ask it."""

    def __init__(self, endpoint: str, stop: Stop) -> None:
        self.endpoint = endpoint
        self.stop = stop
        self.context = zmq.Context()

    def client(self, keys=None, server_key=None) -> zmq.Socket:
        socket = self.context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 5000)
        if keys:
            socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
            socket.curve_serverkey = server_key
        socket.connect(self.endpoint)
        return socket

    def ask(self, data: bytes = b"", **keys) -> bytes:
        with self.client(**keys) as socket:
            socket.send(data or request_to_wire("report"))
            return socket.recv()

    def is_refused(self, **keys) -> bool:
        with self.client(**keys) as socket:
            socket.setsockopt(zmq.RCVTIMEO, 700)
            socket.send(request_to_wire("report"))
            try:
                socket.recv()
            except zmq.Again:
                return True
            return False


@pytest.fixture
def serving(caplog):
    """Starts servers; ends them after the test."""
    caplog.set_level("INFO", "webstat.agent")

    @contextmanager
    def start(rounds, *arguments):
        settings = load_settings(["serve", "--bind", ANY_PORT, *arguments], {})
        stop = Stop()
        failures = []

        def run() -> None:
            try:
                serve(settings, rounds, lambda: {"scheduler": "openpbs"}, stop)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        endpoint = None
        deadline = time.monotonic() + 10
        while endpoint is None and time.monotonic() < deadline and thread.is_alive():
            for record in caplog.records:
                if record.getMessage() == "serving":
                    endpoint = record.fields["bind"]
            time.sleep(0.01)
        server = Serving(endpoint, stop)
        try:
            if endpoint is not None:
                yield server
        finally:
            stop.request()
            thread.join(10)
            server.context.destroy(linger=0)
            stop.close()
        assert not thread.is_alive()
        assert not failures

    return start


def test_requests_over_tcp(serving):
    rounds = Rounds()
    with serving(rounds) as server:
        assert from_wire(server.ask()).cluster == "c"
        assert answer_from_wire(server.ask(request_to_wire("ping")))["scheduler"] == "openpbs"
        with pytest.raises(ErrorReply):
            from_wire(server.ask(b"garbage"))
        with server.client() as socket:
            socket.send_multipart([b"a", b"b"])
            assert json.loads(socket.recv())["code"] == "malformed"
        assert from_wire(server.ask()).cluster == "c"
    assert rounds.count == 1


def test_many_collectors_at_once_are_one_round(serving):
    rounds = Rounds()

    def slow() -> Report:
        time.sleep(0.3)
        return rounds()

    with serving(slow) as server:
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(server.ask())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(replies) == 8
    assert len(set(replies)) == 1
    assert rounds.count == 1


def test_a_peer_that_sends_too_much_harms_nobody(serving):
    with serving(Rounds()) as server:
        with server.client() as socket:
            socket.setsockopt(zmq.RCVTIMEO, 500)
            socket.send(b"x" * (MAX_REQUEST_BYTES + 1))
            with pytest.raises(zmq.Again):
                socket.recv()
        assert from_wire(server.ask()).cluster == "c"


def test_a_peer_that_leaves_before_its_reply_harms_nobody(serving):
    def slow() -> Report:
        time.sleep(0.3)
        return make_report()

    with serving(slow) as server:
        socket = server.client()
        socket.send(request_to_wire("report"))
        time.sleep(0.1)
        socket.close()
        assert from_wire(server.ask()).cluster == "c"


def test_ipc(serving, tmp_path):
    with serving(Rounds(), "--bind", f"ipc://{tmp_path}/socket") as server:
        assert from_wire(server.ask()).cluster == "c"


def test_a_taken_port_is_said(serving):
    with serving(Rounds()) as server:
        settings = load_settings(["serve", "--bind", server.endpoint], {})
        stop = Stop()
        with pytest.raises(SettingsError, match=r"cannot bind .* choose another --bind"):
            serve(settings, Rounds(), dict, stop)
        stop.close()


def test_only_allowed_collectors_with_curve(serving, tmp_path):
    _, agent_secret = make_keys(tmp_path / "agent", "agent")
    allowed_public, allowed_secret = make_keys(tmp_path / "allowed", "collector")
    _, other_secret = make_keys(tmp_path / "other", "other")
    server_key = load_public(tmp_path / "agent" / "agent.key")
    rounds = Rounds()
    with serving(rounds, "--keys", str(agent_secret), "--allow", str(allowed_public)) as server:
        allowed, other = load_secret(allowed_secret), load_secret(other_secret)
        assert server.is_refused()
        assert server.is_refused(keys=other, server_key=server_key)
        assert server.is_refused(keys=allowed, server_key=allowed.public)
        assert rounds.count == 0
        assert from_wire(server.ask(keys=allowed, server_key=server_key)).cluster == "c"


def test_allowed_keys_are_read_again_without_a_restart(serving, tmp_path):
    _, agent_secret = make_keys(tmp_path / "agent", "agent")
    old_public, old_secret = make_keys(tmp_path / "allowed", "old")
    new_public, new_secret = make_keys(tmp_path / "new", "new")
    server_key = load_public(tmp_path / "agent" / "agent.key")
    old, new = load_secret(old_secret), load_secret(new_secret)
    rounds = Rounds()
    with serving(rounds, "--keys", str(agent_secret), "--allow", str(tmp_path / "allowed")) as server:
        with server.client(keys=old, server_key=server_key) as open_since_before:
            open_since_before.send(request_to_wire("report"))
            assert from_wire(open_since_before.recv()).cluster == "c"
            assert server.is_refused(keys=new, server_key=server_key)
            (tmp_path / "allowed" / "new.key").write_bytes(new_public.read_bytes())
            for keys in (new, old):
                assert from_wire(server.ask(keys=keys, server_key=server_key)).cluster == "c"
            old_public.unlink()
            assert server.is_refused(keys=old, server_key=server_key)
            open_since_before.send(request_to_wire("report"))
            with pytest.raises(ErrorReply, match="does not allow this collector's key any more") as caught:
                from_wire(open_since_before.recv())
            assert caught.value.reply_code == "keys"
        assert from_wire(server.ask(keys=new, server_key=server_key)).cluster == "c"
    assert rounds.count == 1


def test_collectors_come_in_while_commands_run(serving, tmp_path):
    _, agent_secret = make_keys(tmp_path / "agent", "agent")
    _, collector_secret = make_keys(tmp_path / "allowed", "collector")
    keys = {"keys": load_secret(collector_secret), "server_key": load_public(tmp_path / "agent" / "agent.key")}
    release = threading.Event()

    def slow() -> Report:
        release.wait(10)
        return make_report()

    with serving(slow, "--keys", str(agent_secret), "--allow", str(tmp_path / "allowed")) as server:
        first, second = server.client(**keys), server.client(**keys)
        monitor = second.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        try:
            first.send(request_to_wire("report"))
            second.send(request_to_wire("report"))
            assert monitor.poll(5000), "no handshake while the first request is being answered"
            release.set()
            assert first.recv() == second.recv()
        finally:
            release.set()
            second.disable_monitor()
            first.close()
            second.close()


def test_keys_are_checked_before_serving(tmp_path):
    settings = load_settings(["serve", "--keys", str(tmp_path / "none"), "--allow", str(tmp_path)], {})
    stop = Stop()
    with pytest.raises(KeysError, match="cannot be read"):
        serve(settings, Rounds(), dict, stop)
    stop.close()


def test_stop_wakes_who_waits_on_it():
    stop = Stop()
    assert not stop.requested
    stop.request()
    assert stop.requested
    assert os.read(stop.fd, 1) == b"x"
    stop.close()


def test_nothing_here_writes_files(tmp_path, monkeypatch, serving):
    monkeypatch.chdir(tmp_path)
    with serving(Rounds()) as server:
        server.ask()
    assert list(Path(tmp_path).iterdir()) == []


def test_a_signal_is_seen_by_a_poll_that_is_just_being_entered():
    # The pipe must be written by the interpreter when the signal comes, not by the handler, which runs later.
    stop = Stop()
    stop.install()
    try:
        assert signal.set_wakeup_fd(-1) not in (-1, stop.fd)
    finally:
        stop.close()
    other = Stop()
    other.install()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert select.select([other.fd], [], [], 5)[0] == [other.fd]
        assert other.requested
    finally:
        other.close()
