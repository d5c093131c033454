"""What crosses the wire, and its encoding. Pure: imports nothing of the project but errors.

Every record is frozen and encoded as MessagePack. Fields are only ever added, with a default,
so that processes of neighbouring versions understand each other; what cannot be understood
at all has another `PROTOCOL`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

PROTOCOL = 2
"""The version of everything below; processes that differ in it do not talk."""

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
    came from; `details` are theirs. Any other is done where the message came from.
    """

    kind: str
    to: str = ""
    text: str = ""
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    on: str = ""
    details: dict[str, Any] = {}


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


class Call(Record, frozen=True, array_like=True):
    """One parameter set of an operation; the owner knows it by `context` and `number`.

    `inputs` are as `encoding.pack` leaves them, as are the outputs of a `Result`.
    """

    context: int
    number: int
    inputs: dict[str, Any]


class Work(Record, frozen=True):
    """Calls of one operation on their way to a node; results go back to `primary`.

    `packed` says that some of the inputs are to be unpacked.
    """

    primary: Address
    calls: Annotated[list[Call], Meta(min_length=1)]
    packed: bool = False


class Result(Record, frozen=True, array_like=True):
    """What one call gave: its output sets (one per yield), or what was raised."""

    context: int
    number: int
    outputs: list[dict[str, Any]]
    error: Raised | None = None


class Raised(Record, frozen=True):
    """An exception that an operation raised on a node; `nodes` (host:pid) have tried it."""

    kind: str
    message: str
    trace: str = ""
    nodes: list[str] = []


class AttemptRecord(Record, frozen=True):
    """How far the calls of a work message were tried, after it was delivered again.

    `nodes` (id, host:pid) have begun the call at `position`, and the last one may be at it.
    `pauses` were made before a further attempt.
    """

    position: int
    nodes: list[tuple[str, str]]
    pauses: int = 0


class Part(Record, frozen=True, array_like=True):
    """Some of the output sets of a call that yields many: those from the index `first` on.

    The `last` one ends the call, with what was raised if anything was.
    """

    context: int
    number: int
    first: Annotated[int, Meta(ge=0)]
    outputs: list[dict[str, Any]]
    last: bool = False
    error: Raised | None = None


class Partial(Record, frozen=True):
    """A preview of one output set, for who listens while a context runs; or that it has ended."""

    operation: str
    outputs: dict[str, Any] = {}
    ended: bool = False


class Results(Record, frozen=True):
    """Results on their way back; `seconds` is how long one call took, on the average.

    `packed` says that some of the outputs are to be unpacked. `parts` are of calls that yield;
    the others are in `results`.
    """

    node: str
    operation: str
    seconds: Annotated[float, Meta(ge=0, le=86400)]
    results: list[Result]
    packed: bool = False
    parts: list[Part] = []


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


class LearnerRecord(Record, frozen=True):
    """An operation that learns from corrections: under which name, and how.

    With `shadow` what is newly learned runs beside the old one until it is promoted, or until it
    has seen `after` messages (0: it waits).
    """

    name: Address
    shadow: bool = False
    after: Count = 0


class OperationRecord(Record, frozen=True):
    """An operation as nodes need it: its name, its configuration and the files it names.

    `key` is derived from the rest, so that it names a revision: a node that has an older
    configuration has another key and gets none of the work. `files` maps a configuration
    key to (file name, content hash); the content lies in the object store under its hash.
    """

    key: Address
    name: str
    instance: str
    config: dict[str, Any] = {}
    files: dict[str, tuple[str, Address]] = {}
    retry: Count = 0
    batch: Annotated[int, Meta(ge=1, le=2**31)] = 32
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 1
    private: bool = False
    """Only the process that says so has it: no other node takes its work."""

    labels: tuple[str, ...] = ()
    """Only nodes that have all of these take its work (see `chatbot.labels`)."""

    timeout: float = 0.0
    """Seconds that a call may take, or a batch that runs in one go; 0 for as long as it likes."""

    learning: LearnerRecord | None = None


class FlowRecord(Record, frozen=True, omit_defaults=False):
    """A flow as all see it: its revision and the operations that nodes run.

    As the other announcements it says its protocol always: left out as a default, it would be
    read as the reader's own.
    """

    flow: str
    revision: str
    operations: list[OperationRecord] = []
    protocol: int = PROTOCOL
    primary: str = ""
    version: str = ""


class OperationStats(Record, frozen=True):
    """How one operation does on one node: calls done since the start, seconds a call, rate."""

    name: str
    flow: str
    done: int = 0
    seconds: float = 0.0
    rate: float = 0.0


class NodeRecord(Record, frozen=True, omit_defaults=False):
    """A node's announcement; it expires unless it is renewed.

    `time` is when it was made, by the clock there; `doing` what the node does until it is ready
    to run an operation that is not among its `operations` yet, or to run one with what it learns.
    """

    id: str
    host: str
    pid: int
    version: str
    started: datetime
    offers: list[str] = []
    operations: dict[str, OperationStats] = {}
    protocol: int = PROTOCOL
    labels: list[str] = []
    time: datetime | None = None
    doing: str = ""


class PrimaryRecord(Record, frozen=True, omit_defaults=False):
    """A primary's announcement; it expires unless it is renewed.

    `dropped` counts the results that came for no call of its own, `skipped` the messages (of
    those that are `done`) that were too old to be answered, or said where the bot is muted;
    `time` is when it was made, by the clock there. `revision` is the flow's.
    """

    id: str
    flow: str
    host: str
    pid: int
    version: str
    started: datetime
    contexts: int = 0
    done: int = 0
    rate: float = 0.0
    listeners: list[str] = []
    protocol: int = PROTOCOL
    dropped: int = 0
    skipped: int = 0
    time: datetime | None = None
    revision: str = ""


class Reloaded(Record, frozen=True):
    """What a primary says when it was asked to read its flow anew.

    `before` and `after` are the revisions that it ran and runs; where the flow is wrong, or
    cannot run, they are equal, and `error`, `hint` and `problems` (each with its place) say why.
    """

    host: str
    pid: int
    before: str
    after: str
    error: str = ""
    hint: str = ""
    problems: list[str] = []


class Stranger(Record, frozen=True):
    """A process that we do not talk with: it speaks another protocol, or nothing we understand.

    `kind` is what it announced (`node`, `primary`, `flow`) under `key`; the rest is what can be
    read of it. `protocol` is 0 where not even that can.
    """

    kind: str
    key: str
    protocol: int = 0
    version: str = ""
    host: str = ""
    pid: int = 0
    flow: str = ""


class _Header(Record, frozen=True):
    """What an announcement of any protocol is expected to have."""

    protocol: int = 0
    version: str = ""
    host: str = ""
    pid: int = 0
    flow: str = ""


def announced(kind: type[R], name: str, key: str, data: bytes) -> R | Stranger:
    """Return the announcement in `data`, or as much as can be read of a stranger's.

    `name` and `key` are what a stranger is called by: its `kind` and `key`.
    """
    try:
        header = _Header.decode(data)
    except msgspec.MsgspecError:
        return Stranger(name, key)
    if header.protocol == PROTOCOL:
        try:
            return kind.decode(data)
        except msgspec.MsgspecError:
            pass  # its protocol notwithstanding
    return Stranger(
        name, key, header.protocol, header.version, header.host, header.pid, header.flow
    )


def digest(*parts: str | bytes, length: int = 20) -> str:
    """Return a name for `parts`: hexadecimal, safe in a subject, equal for equal parts."""
    hasher = hashlib.blake2b(digest_size=length // 2)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()
