"""What we ask of a homeserver, as requests; beside `encryption`, all that knows matrix-nio. Pure.

nio would put the token into the address, where logs of servers and proxies keep it; we send it in
a header, so it is left out here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from nio import Api

from chatbot.listeners.matrix.rooms import STATE

Request = tuple[str, str, Mapping[str, Any] | None]
"""Method, path with its query, and the JSON to send."""

PAGE = 100
"""Events of a room in one answer; a server gives no more than that."""
SPOKEN = ("m.room.message", "m.room.encrypted", "m.reaction", "m.room.redaction")
LEVELS = "m.room.power_levels"
MEMBER = "m.room.member"
_NOTHING = {"not_types": ["*"]}
# Members are told again with each that speaks: the server may think that we know them, but this
# process was started since.
_LAZY = {"lazy_load_members": True, "include_redundant_members": True}
_SEEN = {"types": [*SPOKEN, *STATE], **_LAZY}


def login(user: str, password: str, device: str) -> Request:
    """Ask for a token of `device`."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
        "device_id": device,
        "initial_device_display_name": "chatbot",
    }
    return _made(Api.login_raw(body))


def whoami() -> Request:
    """Ask whose the token is."""
    return _made(Api.whoami(""))


def display_name(user: str) -> Request:
    """Ask what somebody is called."""
    return _made(Api.profile_get_displayname(user))


def sync(since: str, seconds: float, page: int = PAGE) -> Request:
    """Ask for what is new since then, or for all there is; wait for it for `seconds`.

    Our own events are among it: where we came into a room is where what we hear there begins.

    All there is must be as it is now. Synapse gives the same answer again to the same request for
    two minutes (`sync_response_cache_duration`), so to a bot that was started again it would tell
    rooms as they were at the start before. Hence no two of these requests are the same.
    """
    never = [] if since else [f"!{secrets.token_hex(8)}:none.invalid"]
    wanted = {
        "presence": _NOTHING,
        "account_data": {"types": ["m.direct"]},
        "room": {
            "not_rooms": never,
            "account_data": _NOTHING,
            "ephemeral": _NOTHING,
            "state": {"types": [*STATE], **_LAZY},
            "timeline": {"limit": page, **_SEEN},
        },
    }
    return _made(Api.sync("", since or None, int(seconds * 1000), wanted))


def earlier(room: str, start: str, end: str) -> Request:
    """Ask for the page of a room's events before `start`, backwards, not beyond `end` if given."""
    return _made(Api.room_messages("", room, start, end or None, limit=PAGE, message_filter=_SEEN))


def event(room: str, event_id: str) -> Request:
    """Ask for one event."""
    return _made(Api.room_get_event("", room, event_id))


def send(room: str, kind: str, content: Mapping[str, Any], transaction: str) -> Request:
    """Have an event said; the server knows the same transaction again."""
    return _made(Api.room_send("", room, kind, dict(content), transaction))


def redact(room: str, event_id: str, reason: str, transaction: str) -> Request:
    """Have an event taken away."""
    return _made(Api.room_redact("", room, event_id, transaction, reason or None))


def move(room: str, how: str, user: str, reason: str) -> Request:
    """Have somebody leave (`kick`), stay away (`ban`) or be free to come back (`unban`)."""
    method, path, _ = _made(Api.room_kick("", room, user))
    body = {"user_id": user, "reason": reason} if reason else {"user_id": user}
    return method, path.removesuffix("kick") + how, body


def state(room: str, kind: str, key: str = "") -> Request:
    """Ask for a part of a room's state."""
    return _made(Api.room_get_state_event("", room, kind, key))


def put_state(room: str, kind: str, content: Mapping[str, Any], key: str = "") -> Request:
    """Change a part of a room's state."""
    return _made(Api.room_put_state("", room, kind, dict(content), key))


def alias(name: str) -> Request:
    """Ask for the id of the room that is called so."""
    return _made(Api.room_resolve_alias(name))


def join(room: str, via: str) -> Request:
    """Go into a room (an id, or an alias), by the server `via` where ours is not in it."""
    method, path, _ = _made(Api.join("", room))
    ways = urlencode([("server_name", via), ("via", via)])
    return method, f"{path}?{ways}" if via else path, {}


def note(user: str, name: str, content: Mapping[str, Any] | None = None) -> Request:
    """Ask for, or with `content` store, data of the account that only we know of."""
    path = "/".join(quote(each, safe="") for each in ("user", user, "account_data", name))
    return "GET" if content is None else "PUT", f"/_matrix/client/v3/{path}", content


def without_token(path: str) -> str:
    """Return the path without a token in its query."""
    bare, _, query = path.partition("?")
    kept = [(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k != "access_token"]
    return f"{bare}?{urlencode(kept)}" if kept else bare


def _made(built: tuple[str, ...]) -> Request:
    method, path, *body = built
    return method, without_token(path), json.loads(body[0]) if body else None
