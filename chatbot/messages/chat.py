"""What is said, and what is decided for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from chatbot.messages.record import Record


class ChatMessage(Record, frozen=True):
    """What a person said, or did to what was said.

    `id` is unique for ever and derived from the platform's own (see the listeners); `network`
    names the listener's connection, `room` the channel there (for a private message, the
    sender), `nick` is what the bot is called there. `addressed` says that the bot was spoken
    to by name or in private.

    `sender` is whom the platform says it is from, `name` what people call them (equal, where a
    platform knows no other); both may be anybody's choice. `account` is who the network itself
    has made sure of, or empty: only this may give rights, and `roles` are what it gave.

    `kind` is `message`, `action` (`/me`), `reaction` (`text` is it, `reply_to` what it is about)
    or `unreaction` (that was taken back). `reply_to` is the id of the message that this one
    answers, `thread` the platform's name for the thread it is in, `repository` the one that the
    room is about (`org/name`); each is empty where there is none. `old` says that it was said
    before the listener was there, and only found later.

    `after` is the id of the message that has to be done first, where a flow wants its messages
    in order. `command` is the bot's own command that it is (`why`), `arguments` what stands
    behind it, and `about` the id of the message that it is about. `schedule` names the flow's
    schedule that is due (`kind` is `schedule`, too): then nobody said it.
    """

    id: str
    network: str
    room: str
    sender: str
    text: str
    time: datetime
    addressed: bool = False
    private: bool = False
    nick: str = ""
    name: str = ""
    account: str = ""
    roles: tuple[str, ...] = ()
    kind: str = "message"
    reply_to: str = ""
    thread: str = ""
    repository: str = ""
    old: bool = False
    after: str = ""
    command: str = ""
    arguments: str = ""
    about: str = ""
    schedule: str = ""


RETRY = "~retry-"


def is_retry(message_id: str) -> bool:
    """Whether the message is one that failed, and is tried again: `<id>~retry-<number>`."""
    return RETRY in message_id


FROM = "~from-"


def answer_id(message_id: str, network: str, number: int = 0) -> str:
    """Return the id of what `network` answers when it has done its action of that number."""
    return f"{message_id}{FROM}{network}.{number}"


def origin(message_id: str) -> str:
    """Return the id of the message as it was heard, of one that is tried again, too."""
    return message_id.partition(RETRY)[0].partition(FROM)[0]


class Reply(Record, frozen=True):
    """One thing to say in the room that the message came from; `notice` where there is one.

    With `markdown`, networks that have formatted text show it so; the others show `plain`, or
    the text as it is where that is empty.
    """

    text: str
    notice: bool = False
    markdown: bool = False
    plain: str = ""


class Action(Record, frozen=True):
    """One thing to do on the network, beside talking, in the room that the message came from.

    | `kind` | what is done | `to` | `text` |
    |---|---|---|---|
    | `react` | an emoji is put on a message | a message's id, or empty: this one | the emoji |
    | `delete` | a message is taken away | likewise | why |
    | `kick`, `ban`, `unban` | a person must leave, may not come back, may again | a `sender`, or \
empty: this one's | why |
    | `mute`, `unmute` | a person may not speak for `seconds` (0: until `unmute`) | likewise | why |
    | `issue` | an entry is opened in a tracker | – | its title |
    | `comment` | something is added to an entry | the message that it was opened for | what |
    | `post` | JSON is posted to an address | – | – |

    The last three are done by the listener `on` (see docs/triage.md), whatever network the message
    came from; `details` are theirs, and what came of it is told in `room` of the network that the
    message came from, where one is named. Any other is done where the message came from; if the
    network does not let the bot do it, why not is said in the room `tell`, where one is named.
    """

    kind: str
    to: str = ""
    text: str = ""
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    on: str = ""
    details: dict[str, Any] = {}
    room: str = ""
    tell: str = ""


ORDERS = ("issue", "comment", "post")
"""Actions that a listener does which was not talked to."""

ACTIONS = ("react", "delete", "kick", "ban", "unban", "mute", "unmute", *ORDERS)


class Elsewhere(Record, frozen=True):
    """What is said and done in another `room` of the network than the message came from."""

    room: str
    replies: tuple[Reply, ...] = ()
    actions: tuple[Action, ...] = ()


class Change(Record, frozen=True):
    """How one value of the flow's state changes: `set`, `add`, `append` (of which it keeps the
    last `most`), `remove` (those items) or `forget`.

    `key` says whose value it is; `start` is what it was at first, and `keep` for how many seconds
    it is kept.
    """

    name: str
    how: str
    value: Any = None
    most: int = 100
    key: str = ""
    start: Any = None
    keep: float = 0.0


class Outcome(Record, frozen=True):
    """All that a flow decided for one message: at most one of these per message id, ever.

    `replies` and `actions` are empty where the bot stays silent; `understood` is what the flow
    shows of the message, by name (`label`, `score`), and `revision` the flow's; `error` says in
    general terms what failed, `skipped` why nothing is said where the flow wants it so ("too
    old"). `thread` and `private` are the message's. `changes` are those of the flow's state: they
    are made once it is stored, and once. `elsewhere` is what is said and done in other rooms.

    Where the flow learns from corrections, `text` is what the operation that learns was given,
    and behind the flow's revision stands that of what it had learned: `<flow>+<learned>`.

    What another listener is to do of it is a second record, on that `network`: `source` is then
    the network that the message came from.
    """

    id: str
    network: str
    room: str
    sender: str
    replies: tuple[Reply, ...] = ()
    understood: dict[str, Any] = {}
    error: str = ""
    skipped: str = ""
    actions: tuple[Action, ...] = ()
    thread: str = ""
    private: bool = False
    revision: str = ""
    changes: tuple[Change, ...] = ()
    text: str = ""
    source: str = ""
    elsewhere: tuple[Elsewhere, ...] = ()


class DeadLetter(Record, frozen=True):
    """What can never succeed, with all that is needed to see why and to try again.

    The `operation` (its instance) raised an exception of that `kind`; `reason` and `trace` may
    hold what people wrote. `nodes` are the processes (host:pid) that tried it, as often as
    `attempts` says. `lane` is the one to try it again in.
    """

    flow: str
    message: ChatMessage
    reason: str
    trace: str = ""
    time: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    lane: str = "people"
    operation: str = ""
    kind: str = ""
    attempts: int = 1
    nodes: list[str] = []
