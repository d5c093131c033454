"""What a flow file may have: every section and key, in one table. Pure.

The reader takes the keys that it allows from here, and so do what describes the format (a JSON
Schema, completion, the reference). The rule: a key that is not in this table is refused.
"""

from __future__ import annotations

from chatbot.flowfile.answering import ACTS, ANSWERING
from chatbot.flowfile.key import (
    ANY,
    EVERY,
    LIST,
    MAP,
    NAME,
    NULL,
    NUMBER,
    OFF,
    PRIMITIVES,
    TEXT,
    TRUTH,
    WHOLE,
    Described,
    Key,
    a_time,
)
from chatbot.flowfile.listening import LISTENING

__all__ = [
    "LIST",
    "MAP",
    "NAME",
    "NULL",
    "PRIMITIVES",
    "SECTIONS",
    "TEXT",
    "TRUTH",
    "Described",
    "Key",
    "names",
]

_VERSION = Key("The version of the format.", (WHOLE,), required=True, least=1, most=1)
_SOURCES = (TEXT, LIST, MAP)


_COMMON = {
    "version": _VERSION,
    "name": Key("What it is called; the file's name where nothing is said.", (TEXT,), pattern=NAME),
    "include": Key(
        "Files that are laid under this one: their sections are as if they stood here.",
        (TEXT, LIST, MAP),
        section="include",
        each="include",
        example="networks.yaml",
    ),
    "parameters": Key(
        "Values that who uses the file may set; ${NAME} stands for one.",
        (MAP,),
        each="parameter",
        example="{threshold: 0.5}",
    ),
    "seeds": Key("Values that are there in every context, as seeds.NAME.", (MAP,), each="seed"),
    "validate": Key(
        "Fields of the message, or inputs, that an operation checks or mends before anybody has "
        "them: field → instance.",
        (MAP,),
        items=(TEXT,),
        example="{text: tidy}",
    ),
    "operations": Key(
        "What is done: one entry an instance, under its name.",
        (MAP,),
        each="operation",
        required=True,
    ),
}

SECTIONS: dict[str, Described] = {
    "flow": Described(
        "A flow for a bot: where it listens, what happens to a message, what it answers.",
        {
            **_COMMON,
            "listeners": Key(
                "Where it listens: one entry a network, under the network's name.",
                (MAP,),
                each="listener",
            ),
            "roles": Key(
                "Accounts (network/account) that may do more, by role.",
                (MAP,),
                items=(LIST,),
                example="{moderator: [libera/anna]}",
            ),
            "order": Key(
                "Whether a person's messages are done one after the other.",
                (TEXT,),
                default="any",
                choices=("by person", "any"),
            ),
            "commands": Key(
                "The bot's own commands; off for none.",
                (MAP, TEXT, TRUTH),
                pattern=OFF,
                section="commands",
            ),
            "learning": Key("What people may teach it in the channel.", (MAP,), section="learning"),
            "backlog": Key(
                "What becomes of messages that are old when their turn comes.",
                (TEXT,),
                default="skip older than 10m",
                pattern=r"answer|(skip|record|ask nothing, only record)( older than \S.*)?",
                suggested=("skip older than 10m", "record older than 10m", "answer"),
            ),
            "storage": Key(
                "For how long, how much and how often is kept.", (MAP,), section="storage"
            ),
            "schedules": Key(
                "What starts at a time, beside messages; one entry a schedule.",
                (MAP,),
                each="schedule",
            ),
            "state": Key(
                "What is kept from message to message; one entry a value, read as state.NAME.",
                (MAP,),
                each="state",
            ),
            "outputs": Key(
                "What the bot shows of a message: name → source.",
                (MAP,),
                items=_SOURCES[:1],
                example="{label: understand.label}",
            ),
        },
    ),
    "subflow": Described(
        "A flow that others use as an operation, or `chatbot run` never: it declares inputs.",
        {
            **_COMMON,
            "inputs": Key(
                "What it is given: name → type.",
                (MAP,),
                required=True,
                items=(TEXT,),
                choices=tuple(PRIMITIVES),
            ),
            "outputs": Key(
                "What it gives: name → source.", (MAP,), required=True, items=_SOURCES[:1]
            ),
        },
    ),
    "include": Described(
        "A file to lay under this one.",
        {
            "file": Key("The file, seen from this one.", (TEXT,), required=True),
            "with": Key("Its parameters.", (MAP,), items=ANY),
        },
    ),
    "parameter": Described(
        "A parameter of a file, in full; instead of the map, its default alone.",
        {
            "type": Key("What it must be.", (TEXT,), default="any", choices=tuple(PRIMITIVES)),
            "default": Key("What it is where it is not set; without, it must be.", ANY),
        },
    ),
    "seed": Described(
        "A value that is there in every context; instead of the map, the value alone.",
        {
            "value": Key("The value.", ANY, required=True),
            "type": Key("What it is.", (TEXT,), default="any", choices=tuple(PRIMITIVES)),
            "lock": Key("Only one call at a time may use it.", (TRUTH,), default=False),
        },
    ),
    **LISTENING,
    "commands": Described(
        "The bot's own commands.",
        {
            "prefix": Key("What they begin with.", (TEXT,), default="!", pattern=r"[^\w\s]{1,8}"),
            "flow": Key(
                "Commands that the flow itself deals with, as `message.command`.",
                (LIST,),
                items=(TEXT,),
            ),
        },
    ),
    "learning": Described(
        "Corrections in the channel: `!label`, `!undo`, reactions.",
        {
            "operation": Key("Which operation learns; needed where several can.", (TEXT,)),
            "who": Key("The role of those who may teach it.", (TEXT,), default="teacher"),
            "reactions": Key("What reactions stand for: sign → label.", (MAP,), items=(TEXT,)),
            "rooms": Key(
                "Whether what is learned in a room counts there only.",
                (TEXT,),
                default="shared",
                choices=("shared", "own"),
            ),
            "shadow": Key(
                "Whether a new revision first runs beside the old one.",
                (TRUTH, WHOLE, MAP),
                default=False,
                section="shadow",
            ),
        },
    ),
    "shadow": Described(
        "How long a new revision runs beside the old one.",
        {"after": Key("Messages until it takes over.", (WHOLE,), least=1, most=1_000_000)},
    ),
    "storage": Described(
        "For how long, and how much, is kept.",
        {
            "keep": a_time("What was heard.", "7d"),
            "outcomes": a_time("What was decided; longer than `keep`.", "14d"),
            "dead": a_time("What failed.", "30d"),
            "size": Key(
                "The most of what was heard, such as 1GB.",
                (TEXT, WHOLE),
                pattern=r"\d+(\.\d+)? ?([KMGT]i?)?B",
            ),
            "replicas": Key(
                "On how many servers of a cluster.",
                (TEXT, WHOLE),
                default="auto",
                pattern="auto",
                least=1,
                most=5,
            ),
        },
    ),
    "schedule": Described(
        "What starts at a time: its operations are those that use `schedule.NAME`.",
        {
            "every": Key(
                "When, in words.",
                (TEXT,),
                suggested=("15m", "hour", "day at 18:00", "weekday at 9:00", "monday at 9:00"),
                pattern=EVERY,
            ),
            "cron": Key(
                "When, in cron's five fields.",
                (TEXT,),
                pattern=r"\s*\S+(\s+\S+){4}\s*",
                example="0 18 * * mon-fri",
            ),
            "zone": Key("The time zone.", (TEXT,), default="UTC", example="Europe/Berlin"),
            "in": Key(
                "The rooms it is for, as network/room: it starts once for each.",
                (TEXT, LIST),
                required=True,
                items=(TEXT,),
                example="libera/#dev",
            ),
            "catch up": Key(
                "What becomes of times at which no bot ran: the last one is made up for, or none.",
                (TEXT,),
                default="latest",
                choices=("latest", "none"),
            ),
        },
    ),
    "state": Described(
        "A value that is kept from message to message.",
        {
            "per": Key(
                "Whose it is.",
                (TEXT,),
                default="conversation",
                choices=("conversation", "person", "room", "network", "flow"),
            ),
            "type": Key("What it is.", (TEXT,), default="any", choices=tuple(PRIMITIVES)),
            "start": Key("What it is at first.", ANY),
            "keep": a_time("For how long after it was last set; at most 90d.", "7d"),
        },
    ),
    "operation": Described(
        "An instance: `run` an operation, a sub`flow`, a `reply`, an `action`, or what is `set`.",
        {
            "run": Key("Which operation; the entry's name by default.", (TEXT,)),
            "flow": Key("A subflow: a file, seen from this one.", (TEXT,), example="answer.yaml"),
            "with": Key("The subflow's parameters.", (MAP,), items=ANY),
            "forward": Key(
                "What a subflow that runs is given as it comes: input → source.",
                (MAP,),
                items=_SOURCES[:1],
            ),
            "reply": Key(
                "What to say: a template.",
                (TEXT, MAP),
                section="reply",
                example="Hello {{ message.name }}!",
            ),
            "action": Key(
                "What to do beside talking: a kind, or in full.",
                (TEXT, MAP),
                section="action",
                suggested=ACTS,
            ),
            "set": Key(
                "What to keep: name of a state → source, template or {value: …}.",
                (MAP,),
                each="change",
            ),
            "when": Key(
                "Run it only if this is true; of a list, any.", (TEXT, LIST, NULL), items=(TEXT,)
            ),
            "inputs": Key("What it is given: input → source.", (MAP,), each="source"),
            "config": Key("Its configuration.", (MAP,), items=ANY),
            "on": Key(
                "Where it runs: primary, nodes, or labels of nodes.",
                (TEXT, LIST),
                items=(TEXT,),
                suggested=("primary", "nodes", "gpu"),
            ),
            "retry": Key("Times that a node tries again.", (WHOLE,), default=0, least=0, most=1000),
            "batch": Key(
                "Calls that a node runs in one go.", (WHOLE,), default=32, least=1, most=100_000
            ),
            "concurrency": Key(
                "Calls, or batches, that a node runs at once.",
                (WHOLE,),
                default=1,
                least=1,
                most=1024,
            ),
            "timeout": a_time("What a call may take.", "60s"),
            "optional": a_time(
                "For how long a message waits for it, to go on without; so, too, where it fails."
            ),
            "expand": Key(
                "Outputs that are lists, each item of which is a value of its own.",
                (LIST,),
                items=(TEXT,),
            ),
            "lock": Key("Outputs that only one call at a time may use.", (LIST,), items=(TEXT,)),
            "stage": Key(
                "`cleanup`: it runs when all else has ended.",
                (TEXT,),
                default="processing",
                choices=("processing", "cleanup"),
            ),
        },
    ),
    **ANSWERING,
    "source": Described(
        "Where an input comes from, in full; mostly a source alone, or a list of them.",
        {
            "value": Key("This value.", ANY),
            "from": Key("A source, or a list of them.", (TEXT, LIST), items=(TEXT,)),
            "via": Key(
                "Sources that it must have come by, the nearest first.", (TEXT, LIST), items=(TEXT,)
            ),
            "default": Key("What it is where nothing comes.", ANY),
        },
    ),
    "change": Described(
        "How a state changes, in full; mostly a source or a template alone.",
        {
            "value": Key("It becomes this.", ANY),
            "add": Key("It grows by this: a number, or a source.", (NUMBER, TEXT)),
            "append": Key("A source, which becomes the last item of a list.", (TEXT,)),
            "remove": Key(
                "A source: a list of items that go; those that are maps by their `id`.", (TEXT,)
            ),
            "most": Key("Items that the list keeps.", (WHOLE,), default=100, least=1, most=1000),
            "forget": Key("It is as at the start.", (TRUTH,)),
        },
    ),
}


def names(section: str) -> tuple[str, ...]:
    """Return the keys that a section may have, in the order in which people are told them."""
    return tuple(SECTIONS[section].keys)
