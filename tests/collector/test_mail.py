"""E-mails to a server that wants encryption and a login."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from collector.alerts.mail import send_mail, write_mail
from collector.alerts.webhook import Failed
from collector.settings import NotifySettings
from tests.certificates import make_certificate
from tests.collector.receivers import mail_server

TO = "alice@example.org"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For localhost, with its key in one file; nobody knows it until they are told."""
    file, key = tmp_path / "server.pem", tmp_path / "key.pem"
    make_certificate(file, key, "DNS:localhost")
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file


def settings_of(port: int, folder: Path, **more: Any) -> NotifySettings:
    secret = folder / "password"
    secret.write_text("open sesame\n")
    told = {"smtp_starttls": True, "smtp_user": "webstat", "smtp_password_file": secret, **more}
    return NotifySettings(smtp=f"localhost:{port}", smtp_from="webstat@example.org", **told)


def send(settings: NotifySettings) -> None:
    send_mail(settings, write_mail(settings, TO, "m1", ["A queue is stuck"], 1_800_000_000))


def test_encrypted_and_with_a_login(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with mail_server(context, ("webstat", "open sesame")) as box:
        with pytest.raises(Failed, match="certificate verify failed"):
            send(settings_of(box.port, tmp_path))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as if it were among those that this host trusts
        send(settings_of(box.port, tmp_path))
        ((_, to, mail),) = box.mails
        assert to == [TO] and mail["Subject"] == "A queue is stuck"
        with pytest.raises(Failed, match="the mail server says 53"):
            send(settings_of(box.port, tmp_path, smtp_starttls=False, smtp_user=None, smtp_password_file=None))
        with pytest.raises(Failed, match="the mail server says 535"):
            send(settings_of(box.port, tmp_path, smtp_user="mallory"))
        assert len(box.mails) == 1
