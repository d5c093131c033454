"""Opens entries, and comments on them, in GitHub's tracker, or one with an API like it.

The rule that it guards: each entry ends in a mark that no reader sees, so that one whose answer was
lost is found again and not opened twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.filing.http import LIMITED, Answer, Http
from chatbot.listeners.filing.orders import (
    Done,
    Order,
    Receiver,
    RefusedError,
    UnavailableError,
    rate_of,
)
from chatbot.listeners.filing.settings import GithubSettings

PAGES = 20
"""Pages of entries, at most, in which one is looked for."""

LONGEST_TITLE = 250
LONGEST_BODY = 60_000
"""Characters; GitHub takes 256 and 65,536."""

_NEXT = re.compile(r'<([^<>]+)>;[^,<]*\brel="next"')


class GithubListener:
    """Does the actions `issue` and `comment`. It hears nothing."""

    settings_type = GithubSettings
    hears = False

    def __init__(self, network: str, own: GithubSettings, backoff: float = 2.0) -> None:
        self.network = network
        self._own = own
        self._backoff = backoff

    def describe(self) -> str:
        where = self._own.repository or "nowhere"
        return f"{self.network} ({where}{', dry run' if self._own.dry_run else ''})"

    async def run(self, bridge: Bridge) -> None:
        own = self._own
        async with Http.open(own.ca_file) as http:
            tracker = Tracker(http, own)
            receiver = Receiver(
                self.network,
                ("issue", "comment"),
                tracker.carry,
                tracker.find,
                dry=own.dry_run,
                limit=rate_of(own.limit),
                total=rate_of(own.total),
                backoff=self._backoff,
            )
            if not own.dry_run:
                await receiver.insist(tracker.check)
            await receiver.run(bridge)


class Tracker:
    """The entries of one repository. All methods may raise the errors of `orders`.

    A token that is not known from the start is a `ListenerError`; one that is not known any more
    is waited for: a file that holds it may have been renewed, and the rest of the bot goes on.
    """

    def __init__(self, http: Http, own: GithubSettings) -> None:
        self._http = http
        self._own = own
        self._was_known = False
        self._base = f"{own.api.rstrip('/')}/repos/{own.repository}"

    async def check(self) -> None:
        """Find out whether the token and the repository are right; raises `ListenerError`."""
        answer = await self._ask("GET", self._base)
        if answer.status in (301, 302, 307, 308):
            raise ListenerError(
                f"{self._own.repository} has moved", hint="give its new name as `repository`"
            )
        if answer.status != 200:
            raise ListenerError(
                f"{self._own.repository} cannot be used: status {answer.status}",
                hint="see that `repository` is OWNER/NAME and that the token may read it",
            )
        self._was_known = True

    async def carry(self, order: Order) -> Done:
        """Open an entry, or comment on one."""
        if order.action.kind == "issue":
            return await self._open(order)
        earlier = await self._earlier(order)
        body = {"body": _marked(order.action.text, order.id)}
        answer = await self._ask("POST", f"{self._base}/issues/{earlier.number}/comments", body)
        return Done(_link(self._taken(answer)), earlier.number)

    async def find(self, order: Order) -> Done | None:
        """Return the entry, or the comment, that an order made; it may have been made."""
        assert order.begun is not None
        mark, since = _mark(order.id), order.begun.strftime("%Y-%m-%dT%H:%M:%SZ")
        number = 0
        if order.action.kind == "issue":
            ways = {"state": "all", "sort": "created", "direction": "desc", "type": "issues"}
            path = f"{self._base}/issues"
        else:
            number = (await self._earlier(order)).number
            ways, path = {}, f"{self._base}/issues/{number}/comments"
        async for entry in self._all(path, {**ways, "since": since}):
            if mark in str(entry.get("body")):
                return Done(_link(entry), _number(entry) or number)
        return None

    async def _open(self, order: Order) -> Done:
        details = order.action.details
        labels = [str(each) for each in details.get("labels") or ()]
        body: dict[str, Any] = {
            "title": order.action.text[:LONGEST_TITLE] or "(without a title)",
            "body": _marked(str(details.get("body") or ""), order.id),
        }
        if labels:
            body["labels"] = labels if self._own.forge == "github" else await self._ids(labels)
        entry = self._taken(await self._ask("POST", f"{self._base}/issues", body))
        return Done(_link(entry), _number(entry))

    async def _earlier(self, order: Order) -> Done:
        earlier = await order.earlier()
        if earlier is None:
            raise RefusedError("there is no entry to comment on")
        return earlier

    async def _ids(self, labels: list[str]) -> list[int]:
        """Return the numbers of labels, as Gitea wants them; those that it does not know, not."""
        known = {}
        async for each in self._all(f"{self._base}/labels", {}):
            known[str(each.get("name"))] = each.get("id")
        return [number for label in labels if isinstance(number := known.get(label), int)]

    async def _all(self, url: str, ways: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Yield what a list has, from all its pages (RFC 8288's `next`)."""
        following = f"{url}?{urlencode({**ways, 'per_page': '100', 'limit': '50'})}"
        for _ in range(PAGES):
            answer = await self._ask("GET", following)
            if answer.status != 200 or not isinstance(answer.content, list):
                raise UnavailableError(f"no list in its answer (status {answer.status})")
            for each in answer.content:
                if isinstance(each, dict):
                    yield each
            found = _NEXT.search(answer.headers.get("link", ""))
            if found is None or not found[1].startswith(self._own.api.rstrip("/") + "/"):
                return
            following = found[1]

    async def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> Answer:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._own.secret()}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        answer = await self._http.ask(method, url, headers, data)
        if answer.status != 401:
            return answer
        what, remedy = f"{self._own.api} does not know the token", "make one that may write issues"
        if self._was_known:
            raise UnavailableError(f"{what} any more: {remedy}", LIMITED, undone=True)
        raise ListenerError(what, hint=f"{remedy}, and give it as `token`")

    def _taken(self, answer: Answer) -> dict[str, Any]:
        """Return what was made; raises `RefusedError` with what can be done."""
        if answer.status == 201 and isinstance(answer.content, dict):
            return answer.content
        why = _WHY.get(answer.status, "")
        raise RefusedError(f"status {answer.status}{': ' if why else ''}{why}")


_WHY = {
    301: "the repository has moved",
    307: "the repository has moved",
    403: "the token may not write issues there",
    404: "the token may not write issues there, or it is not there any more",
    410: "the repository has no issues",
    413: "it is too long",
    422: "it is not valid there",
}


def _mark(name: str) -> str:
    return f"<!-- chatbot:{name} -->"


def _marked(body: str, name: str) -> str:
    return f"{body[:LONGEST_BODY]}\n\n{_mark(name)}"


def _link(entry: Mapping[str, Any]) -> str:
    link = entry.get("html_url")
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else ""


def _number(entry: Mapping[str, Any]) -> int:
    number = entry.get("number")
    return number if isinstance(number, int) else 0
