"""The agent's errors, in one tree. Messages say what was expected, what came, and what to do.

    AgentError
    ├── SettingsError        a flag or an environment variable is wrong
    ├── CommandError         a scheduler command failed: carries command, exit_code, stderr
    │   ├── CommandMissing   it is not installed
    │   ├── CommandTimeout   it did not finish in time
    │   └── OutputTooLarge   it printed more than the cap
    ├── ParseError           a whole output is not what that command prints
    ├── RecordingError       a folder of recorded outputs cannot be used
    ├── KeysError            a CURVE key file is missing, malformed or readable by others
    └── WireError            a message cannot be read
        ├── MessageTooLarge  it is over the size limit
        ├── ProtocolMismatch it has another protocol number
        ├── MalformedMessage it is not a message, or a field has the wrong type
        └── ErrorReply       it is a peer's error reply: carries code and detail

Single records that cannot be read are no errors: they become warnings inside the report.
"""

from __future__ import annotations

from typing import Any, Dict, Optional


class AgentError(Exception):
    """Anything the agent reports as an error reply; `code` is its stable name on the wire."""

    code = "internal"

    def detail(self) -> Dict[str, Any]:
        """Facts for the error reply beside code and message; JSON-ready, keys per subclass."""
        return {}


class SettingsError(AgentError):
    """A flag or an environment variable is wrong."""

    code = "settings"


class CommandError(AgentError):
    """A scheduler command failed.

    `command` is the command line as one string, `exit_code` None if it never ended,
    `stderr` what it printed there, capped by the caller.
    """

    code = "command_failed"

    def __init__(self, message: str, command: str, exit_code: Optional[int] = None, stderr: str = "") -> None:
        super().__init__(message)
        self.command = command
        self.exit_code = exit_code
        self.stderr = stderr

    def detail(self) -> Dict[str, Any]:
        return {"command": self.command, "exit_code": self.exit_code, "stderr": self.stderr}


class CommandMissing(CommandError):
    """The command is not installed, or not on PATH."""

    code = "command_missing"


class CommandTimeout(CommandError):
    """The command did not finish within its timeout; it has been killed."""

    code = "command_timeout"


class OutputTooLarge(CommandError):
    """The command printed more than the cap; it has been killed."""

    code = "output_too_large"


class ParseError(AgentError):
    """A whole output is not what that command prints."""

    code = "parse"


class RecordingError(AgentError):
    """A folder of recorded outputs cannot be used."""

    code = "recording"


class KeysError(AgentError):
    """A CURVE key file is missing, malformed or readable by others."""

    code = "keys"


class WireError(AgentError):
    """A message cannot be read."""

    code = "wire"


class MessageTooLarge(WireError):
    """The message is over the size limit."""

    code = "too_large"


class ProtocolMismatch(WireError):
    """The message has a protocol number this side does not speak."""

    code = "protocol"


class MalformedMessage(WireError):
    """The message is not one, or a field has the wrong type; the text names the field."""

    code = "malformed"


class ErrorReply(WireError):
    """The peer answered with an error: `reply_code` and `reply_detail` are its words."""

    code = "error_reply"

    def __init__(self, message: str, reply_code: str, reply_detail: Dict[str, Any]) -> None:
        super().__init__(message)
        self.reply_code = reply_code
        self.reply_detail = reply_detail

    def detail(self) -> Dict[str, Any]:
        return {"reply_code": self.reply_code, **self.reply_detail}
