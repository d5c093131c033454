"""gitterpy, made safe: the only module that imports it.

The rule that it guards: every call names its whole address, ends within its time-outs, follows
no redirect with the token, and gives the status beside a bounded answer. Of itself gitterpy has
one address for the whole process, no time-outs, and takes any answer for JSON.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gitterpy.client
import requests
import urllib3

gitterpy.client.GITTER_BASE_URL = ""
gitterpy.client.GITTER_STREAM_URL = ""
# Both were copied from gitterpy.const when it was imported. Two listeners may have two servers,
# so the address is the call's.

LONGEST = 16 * 1024 * 1024
"""Bytes of an answer: a hundred messages of 4096 characters, as text and as HTML, have less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; the names of `headers` are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class UnansweredError(Exception):
    """There was no whole answer; the message says why, and holds neither token nor content.

    `untrusted`: the certificate could not be verified.
    """

    def __init__(self, reason: str, *, untrusted: bool = False) -> None:
        super().__init__(reason)
        self.untrusted = untrusted


class Library:
    """Calls one server with one token. Blocks; any thread may use it."""

    def __init__(
        self, server: str, token: str, ca_file: Path | None, *, connect: float, answer: float
    ) -> None:
        self._server = server.rstrip("/") + "/"
        self._client = gitterpy.client.GitterClient(token)
        self._options: dict[str, Any] = {
            "timeout": (connect, answer),
            "allow_redirects": False,
            "auth": _as_it_is,
            "verify": str(ca_file) if ca_file else True,
            "stream": True,
            "hooks": {"response": _answer},
        }

    def call(
        self, method: str, path: str, parameters: Mapping[str, str], body: object = None
    ) -> Answer:
        """Return the answer to one request; a `body` goes as JSON, with its length.

        Raises `UnansweredError`.
        """
        options = dict(self._options, params=dict(parameters))
        if body is not None:
            options["json"] = body
        try:
            getattr(self._client, method)(self._server + path, **options)
        except _AnsweredError as answered:
            return answered.answer
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise UnansweredError(type(error).__name__, untrusted=untrusted) from None
        raise AssertionError("the hook takes every answer")


class _AnsweredError(Exception):
    """Carries an answer past gitterpy, which would take it for JSON whatever its status."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _as_it_is(request: Any) -> Any:
    """Authenticate with gitterpy's header; requests would take what ~/.netrc has instead."""
    return request


def _answer(response: Any, **_: object) -> None:
    with contextlib.closing(response):
        content = bytearray()
        for chunk in response.iter_content(64 * 1024):
            content += chunk
            if len(content) > LONGEST:
                raise UnansweredError("an answer without end")
        headers = {name.lower(): value for name, value in response.headers.items()}
        raise _AnsweredError(Answer(response.status_code, headers, bytes(content)))
