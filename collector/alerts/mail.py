"""A notice as an e-mail, given to the one server of [notify] smtp."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from collector.alerts.webhook import Failed, Refused
from collector.settings import NotifySettings

SECONDS = 15.0
"""For each answer of the server."""
LONGEST_SUBJECT = 150


def one_line(text: str) -> str:
    """A stranger's text as one line that can be printed: nothing in it begins a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def write_mail(settings: NotifySettings, to: str, message: str, words: Sequence[str], at: float) -> EmailMessage:
    """What is sent: `words` are sentences without their full stops; the first is in its subject, all are in it."""
    sender = settings.smtp_from or ""
    subject = one_line(words[0] if len(words) == 1 else f"{len(words)} notices: {words[0]}")
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, to
    mail["Subject"] = subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + "…"
    mail["Date"] = formatdate(at)
    mail["Message-ID"] = f"<{message}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    end = "You asked webstat to be told"
    end += f"; your rules: {settings.page}/tell" if settings.page else '; your rules are on its page "Tell me when".'
    mail.set_content("\n".join([*(f"{one_line(one)}." for one in words), "", "-- ", end, ""]))
    return mail


def send_mail(settings: NotifySettings, mail: EmailMessage) -> None:
    """Give it to the server; waits for it. Raises Refused, Failed."""
    host, _, port = (settings.smtp or "").rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=SECONDS) as server:
            if settings.smtp_starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user is not None and settings.smtp_password_file is not None:
                server.login(settings.smtp_user, settings.smtp_password_file.read_text(encoding="utf-8").strip())
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise (Refused if code >= 500 else Failed)(_said(code, words)) from None
    except smtplib.SMTPResponseException as error:
        raise Failed(_said(error.smtp_code, error.smtp_error)) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Failed(str(error) or type(error).__name__) from None


def _said(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return one_line(f"the mail server says {code} {text}")[:300]
