"""The server's REST API: what a bot needs of it, under one limit and one gate.

The rule that it guards: whatever the server does, a call ends in time and in a record, or in one
of the errors of `faults`, and no more requests leave than the server allows.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from chatbot.errors import ListenerError
from chatbot.listeners.calls import Calls
from chatbot.listeners.gitter import records
from chatbot.listeners.gitter.faults import LimitedError, RefusedError, UnavailableError
from chatbot.listeners.gitter.pace import MINUTE, Budget, Gate
from chatbot.listeners.gitter.records import Message, Page, Room, User
from chatbot.listeners.gitter.settings import GitterSettings, Timing

if TYPE_CHECKING:
    from chatbot.listeners.gitter.library import Answer, Library

T = TypeVar("T")

PAGE = 100
"""Messages that the server gives at once, at the most."""

LIMITED = 15.0
"""Seconds to wait after a 429 that does not say for how long."""


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again until the server answers; the gate sees to it that this is not too often."""
    while True:
        try:
            return await ask()
        except (LimitedError, UnavailableError):
            continue


class Api:
    """The account of `settings` on its server. All methods but `now` raise the errors of `faults`.

    Those that only read are not urgent: some requests are kept for replies.
    """

    def __init__(self, settings: GitterSettings, token: str, timing: Timing, budget: Budget):
        self._library = _library(settings, token, timing)
        self._server = settings.server
        self._timing = timing
        self._budget = budget
        self._gate = Gate(settings.server, timing.backoff, timing.backoff_most)
        self._calls = Calls()
        self._ahead = 0.0

    def now(self) -> float:
        """Return the server's time, in seconds since 1970, as far as it told it."""
        return time.time() + self._ahead

    async def me(self) -> User:
        """Return who the token stands for."""
        answer = await self._call("get", "user")
        found = records.user(answer[0] if isinstance(answer, list) and answer else answer)
        if found is None:
            raise UnavailableError("no user in its answer")
        return found

    async def rooms(self, *, urgent: bool = False) -> list[Room]:
        """Return the rooms that we are in, the one-to-one rooms too."""
        answer = await self._call("get", "rooms", urgent=urgent)
        if not isinstance(answer, list):
            raise UnavailableError("no rooms in its answer")
        found = (records.room(each) for each in answer)
        return [each for each in found if each is not None]

    async def find(self, name: str, *, urgent: bool = False) -> Room:
        """Return the room at the address `name`; of a username, the one-to-one room, made anew."""
        answer = await self._call("post", "rooms", body={"uri": name}, urgent=urgent)
        found = records.room(answer)
        if found is None:
            raise UnavailableError("no room in its answer")
        return found

    async def join(self, me: User, room: Room) -> None:
        """Become a member of `room`."""
        await self._call("post", f"user/{me.id}/rooms", body={"id": room.id})

    async def after(self, room: Room, key: str, skip: int = 0) -> Page:
        """Return up to `PAGE` messages behind the id `key`, the oldest first, without `skip`."""
        which = {"afterId": key, **({"skip": str(skip)} if skip else {})}
        return await self._messages(room, which, urgent=False)

    async def newest(self, room: Room, before: str = "", *, urgent: bool = False) -> Page:
        """Return the `PAGE` newest messages (before the id `before`), the oldest first."""
        return await self._messages(room, {"beforeId": before} if before else {}, urgent=urgent)

    async def post(self, room: Room, text: str, thread: str) -> Message | None:
        """Say something. After `UnavailableError` it may have been said, or may be said yet."""
        body = {"text": text, **({"parentId": thread} if thread else {})}
        path = f"rooms/{room.id}/chatMessages"
        return records.message(await self._call("post", path, body=body, urgent=True))

    async def delete(self, room: Room, key: str) -> None:
        """Take a message away."""
        path = f"rooms/{room.id}/chatMessages/{quote(key, safe='')}"
        await self._call("delete", path, urgent=True)

    async def kick(self, room: Room, username: str) -> None:
        """Take a person out of the room."""
        path = f"rooms/{room.id}/users/{quote(username, safe='')}"
        await self._call("delete", path, {"type": "username"}, urgent=True)

    async def ban(self, room: Room, username: str) -> None:
        """Take a person out of the room for good."""
        path = f"rooms/{room.id}/bans"
        await self._call("post", path, body={"username": username}, urgent=True)

    async def unban(self, room: Room, username: str) -> None:
        """Let a person in again."""
        path = f"rooms/{room.id}/bans/{quote(username, safe='')}"
        await self._call("delete", path, urgent=True)

    async def _messages(self, room: Room, which: dict[str, str], *, urgent: bool) -> Page:
        path = f"rooms/{room.id}/chatMessages"
        parameters = {"limit": str(PAGE), "includeThreads": "true", **which}
        answer = await self._call("get", path, parameters, urgent=urgent)
        if not isinstance(answer, list):
            raise UnavailableError("no messages in its answer")
        return records.page(answer)

    async def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        body: object = None,
        urgent: bool = False,
    ) -> Any:
        request = functools.partial(self._library.call, method, path, parameters or {}, body)
        async with self._gate.attempt():
            await self._budget.take(urgent=urgent)
            answer = await self._answer(request)
            if answer.status != 401:
                return _content(answer)
            await self._confirm()
            raise UnavailableError("status 401, once")

    async def _answer(self, request: Callable[[], Answer]) -> Answer:
        from chatbot.listeners.gitter.library import UnansweredError

        try:
            answer = await self._calls.run(request, self._timing.answer)
        except TimeoutError:
            raise UnavailableError("no answer in time") from None
        except UnansweredError as error:
            if error.untrusted:
                raise untrusted(self._server) from None
            raise UnavailableError(str(error)) from None
        self._learn(answer.headers)
        if answer.status == 429:
            self._budget.pause(_wait(answer.headers, self.now()))
            raise LimitedError
        return answer

    async def _confirm(self) -> None:
        """Ask once more who we are; raises `ListenerError` where the token is not known."""
        await self._budget.take(urgent=True)
        request = functools.partial(self._library.call, "get", "user", {})
        if (await self._answer(request)).status == 401:
            raise unknown(self._server)

    def _learn(self, headers: Mapping[str, str]) -> None:
        with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):  # else our clock
            self._ahead = parsedate_to_datetime(headers["date"]).timestamp() - time.time()
        limit, remaining = (
            _number(headers.get(f"x-ratelimit-{name}", "")) for name in ("limit", "remaining")
        )
        reset = _reset(headers, self.now())
        self._budget.told(_whole(limit), _whole(remaining), reset)


def unknown(server: str) -> ListenerError:
    """Return the error for a token that the server does not know (any more)."""
    return ListenerError(
        f"{server} does not know the token",
        hint="make a new one in the server's list of your apps, and give it as `token`",
    )


def untrusted(server: str) -> ListenerError:
    """Return the error for a certificate that cannot be verified."""
    return ListenerError(
        f"cannot verify the certificate of {server}", hint="name the authority with `ca_file`"
    )


def _library(settings: GitterSettings, token: str, timing: Timing) -> Library:
    from chatbot.listeners.gitter.library import Library

    return Library(
        settings.server,
        token,
        settings.ca_file,
        connect=timing.connect,
        answer=timing.answer,
    )


def _content(answer: Answer) -> Any:
    """Return the JSON of an answer that is one; raises the errors of `faults`."""
    if answer.status in (408, 425) or answer.status >= 500:
        raise UnavailableError(f"status {answer.status}")
    if not 200 <= answer.status < 300:
        raise RefusedError(answer.status)
    if not answer.content.strip():
        return None
    try:
        return records.load(answer.content)
    except ValueError:
        raise UnavailableError("its answer is no JSON") from None


def _wait(headers: Mapping[str, str], now: float) -> float:
    after = _number(headers.get("retry-after", ""))
    if after is not None:
        return after
    reset = _reset(headers, now)
    return LIMITED if reset is None else reset


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return in how many seconds the server counts anew: it tells an instant, or just that."""
    told = _number(headers.get("x-ratelimit-reset", ""))
    if told is None:
        return None
    if told > 1e11:
        told /= 1000  # milliseconds
    return min(max(0.0, told - now), MINUTE) if told > 1e8 else told


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < 1e15 else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
