"""What every record of the wire has: its encoding, and the version of the protocol."""

from __future__ import annotations

import hashlib
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

PROTOCOL = 2
"""The version of all records; processes that differ in it do not talk."""

R = TypeVar("R", bound="Record")


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frozen record that crosses the wire."""

    def encode(self) -> bytes:
        """Return the record as MessagePack."""
        return _encoder.encode(self)

    @classmethod
    def decode(cls: type[R], data: bytes) -> R:
        """Return the record in `data`; raises `msgspec.MsgspecError` if there is none."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except RecursionError:
            raise msgspec.DecodeError("nested too deep") from None
        except UnicodeDecodeError:  # of a key or a text in it
            raise msgspec.DecodeError("not UTF-8") from None


_encoder = msgspec.msgpack.Encoder()

Address = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
"""One token of a subject, nothing else: it is published to."""

Count = Annotated[int, Meta(ge=0, le=2**31)]


def digest(*parts: str | bytes, length: int = 20) -> str:
    """Return a name for `parts`: hexadecimal, safe in a subject, equal for equal parts."""
    hasher = hashlib.blake2b(digest_size=length // 2)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()
