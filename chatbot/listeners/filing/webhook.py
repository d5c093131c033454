"""Posts JSON to an address.

Every post carries an id that stays the same however often it is tried (`Idempotency-Key`, as the
IETF's draft has it, and `webhook-id`), and a signature over id, time and body, as Standard
Webhooks has it: `webhook-signature: v1,<base64 of HMAC-SHA256>` over `<id>.<time>.<body>`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.filing.http import Answer, Http, address_problems
from chatbot.listeners.filing.orders import (
    Done,
    Order,
    Receiver,
    RefusedError,
    UnavailableError,
    rate_of,
)
from chatbot.listeners.filing.settings import WebhookSettings

LINKS = ("html_url", "link", "url")
"""Where an answer may say what can be looked at."""


class WebhookListener:
    """Does the action `post`. It hears nothing."""

    settings_type = WebhookSettings
    hears = False

    def __init__(self, network: str, own: WebhookSettings, backoff: float = 2.0) -> None:
        self.network = network
        self._own = own
        self._backoff = backoff

    def describe(self) -> str:
        return f"{self.network} (webhook{', dry run' if self._own.dry_run else ''})"

    async def run(self, bridge: Bridge) -> None:
        own = self._own
        address, key = ("", b"") if own.dry_run else (own.address(), own.key())
        for _, wrong in [] if own.dry_run else address_problems("url", address):
            raise ListenerError(f"`{self.network}`: `url` {wrong}")
        async with Http.open(own.ca_file, own.timeout) as http:

            async def carry(order: Order) -> Done:
                return await _post(http, address, key, order)

            await Receiver(
                self.network,
                ("post",),
                carry,
                dry=own.dry_run,
                limit=rate_of(own.limit),
                total=rate_of(own.total),
                backoff=self._backoff,
            ).run(bridge)


async def _post(http: Http, address: str, key: bytes, order: Order) -> Done:
    body = json.dumps(order.action.details.get("body"), ensure_ascii=False).encode()
    answer = await http.ask("POST", address, headers_of(order.id, body, key), body)
    if answer.status == 409:  # the same one is being worked on there
        raise UnavailableError("status 409")
    if not 200 <= answer.status < 300:
        raise RefusedError(f"status {answer.status}")
    return Done(_link(answer))


def headers_of(name: str, body: bytes, key: bytes, now: float | None = None) -> dict[str, str]:
    """Return what goes with a body; signed where there is a `key`."""
    moment = str(int(time.time() if now is None else now))
    found = {
        "Content-Type": "application/json",
        "Idempotency-Key": f'"{name}"',
        "webhook-id": name,
        "webhook-timestamp": moment,
    }
    if key:
        signed = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
        found["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return found


def _link(answer: Answer) -> str:
    content: Any = answer.content
    told = [content.get(key) for key in LINKS] if isinstance(content, dict) else []
    told.append(answer.headers.get("location"))
    return next(
        (s for s in told if isinstance(s, str) and s.startswith(("https://", "http://"))), ""
    )
