"""The two bases of the API's models: requests refuse what they do not know, responses are frozen."""

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """What a client sends: unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Params(BaseModel):
    """What stands in a query string: text, so numbers are parsed; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """What the API answers."""

    model_config = ConfigDict(frozen=True)


class NoFields(Request):
    """A body that may be missing or `{}`."""
