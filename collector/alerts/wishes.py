"""What a page may ask for in a person's name, as it comes over the socket: read and checked, nothing looked up.

Who the person is has been found out by the page (webstat/alerts/); what a rule can rest on is rules.py's to find.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from collector.alerts.decide import OF_JOBS, Kind

Channel = Literal["browser", "webhook", "mail"]
Owner = Annotated[str, Field(pattern=r"^(user|key):[^\x00-\x1f\x7f]{1,100}$")]
Text = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Secret = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32,64}$")]

PERSON = "user:"
"""What the owner begins with who has signed in; any other is only known to be the same browser."""


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: Owner


class Add(_Wish):
    """A new rule, and the secret of the person's feed, if they have none yet."""

    act: Literal["add"]
    feed: Secret
    kind: Kind
    cluster: Text
    subject: Text | None = None
    number: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    once: bool = True
    days: Annotated[int, Field(ge=1, le=365)] = 30
    channels: Annotated[tuple[Channel, ...], Field(max_length=3)] = ("browser",)
    webhook: Annotated[str, Field(max_length=500)] | None = None
    mail: Annotated[str, Field(max_length=200, pattern=r"^[^\s@<>,;:\"()\\]+@[A-Za-z0-9.-]+$")] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Add:
        if self.subject is None and self.kind in (*OF_JOBS, Kind.STUCK):
            raise ValueError("say of which job or queue")
        if self.kind is Kind.SILENT and self.subject is not None:
            raise ValueError("a cluster is silent as a whole")
        if self.kind is Kind.CORES and self.number < 1:
            raise ValueError("say how many cores are to be free")
        if self.kind is Kind.STUCK and not 300 <= self.number <= 7 * 86400:
            raise ValueError("say for how long no job has started: from 5 minutes to a week")
        for channel, to in (("webhook", self.webhook), ("mail", self.mail)):
            if (channel in self.channels) != (to is not None):
                raise ValueError(f"a {channel} needs an address, and an address a {channel}")
        if not self.owner.startswith(PERSON) and set(self.channels) - {"browser"}:
            raise ValueError("only who has signed in can be told by webhook or e-mail")
        return self


class OfRule(_Wish):
    """Something to be done with one of the own rules: `test` tells something at once, to see whether it comes."""

    act: Literal["remove", "pause", "resume", "test"]
    id: int


class Renew(_Wish):
    """Another secret for the feed: the old address is none any more."""

    act: Literal["feed"]
    feed: Secret


Wish = Add | OfRule | Renew
_WISH: TypeAdapter[Wish] = TypeAdapter(Annotated[Wish, Field(discriminator="act")])


def read_wish(given: Any) -> Wish | str:
    """The wish, or what is wrong with it."""
    try:
        return _WISH.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            return str(first["msg"]).removeprefix("Value error, ")
        where = ".".join(str(part) for part in first["loc"][1:])
        return f"{where}: {first['msg']}" if where else str(first["msg"])
