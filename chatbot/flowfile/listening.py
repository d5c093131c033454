"""The keys of a flow file that are of networks: where the bot listens, whom it answers. Pure."""

from __future__ import annotations

from chatbot.flowfile.key import ANY, LIST, MAP, OFF, QUIET, RATE, TEXT, TRUTH, Described, Key

_POLICY = {
    "only": Key(
        "Whom the bot hears.", (TEXT,), default="everybody", choices=("addressed", "everybody")
    ),
    "limits": Key(
        "How many messages may be answered; off for any number.",
        (MAP, TEXT, TRUTH),
        pattern=OFF,
        section="limits",
        example="{person: 10 in 1m, room: 60 in 1m}",
    ),
    "quiet": Key(
        "Hours, by the clock of a time zone, in which only who speaks to the bot is answered.",
        (TEXT, TRUTH),
        default="off",
        pattern=QUIET,
        example="22:00-07:00 Europe/Berlin",
    ),
}

LISTENING: dict[str, Described] = {
    "listener": Described(
        "A network. Beside these keys it takes the settings of its kind.",
        {
            "kind": Key("What kind of network it is; the entry's name by default.", (TEXT,)),
            "priority": Key(
                "`bulk`: only who speaks to the bot overtakes what waits.",
                (TEXT,),
                default="interactive",
                choices=("interactive", "bulk"),
            ),
            **_POLICY,
            "allow": Key("Who and where; nobody and nowhere else.", (MAP,), section="whom"),
            "deny": Key("Who and where not.", (MAP,), section="whom"),
            "rooms": Key("What is different in some rooms.", (MAP, LIST), each="room"),
        },
        open=True,
    ),
    "room": Described(
        "What is different in a room (a name, a pattern with * and ?, or `private`).",
        {
            **_POLICY,
            "allow": Key("Who; nobody else.", (MAP,), section="people"),
            "deny": Key("Who not.", (MAP,), section="people"),
            "listen": Key("Whether anything is heard there.", (TRUTH,), default=True),
            "operations": Key(
                "Operations that are configured otherwise there.", (MAP,), each="variant"
            ),
        },
    ),
    "variant": Described(
        "How an operation of the flow is configured in a room, where it differs.",
        {
            "config": Key("The keys that differ.", (MAP,), items=ANY),
            "operations": Key("Of a subflow: its operations.", (MAP,), each="variant"),
        },
    ),
    "whom": Described(
        "Rooms and people, as the network has them; * and ? stand for letters.",
        {
            "rooms": Key(
                "Rooms; `private` for conversations with one person.", (LIST,), items=(TEXT,)
            ),
            "people": Key("Nicks, ids or accounts.", (LIST,), items=(TEXT,)),
        },
    ),
    "people": Described(
        "People, as the network has them.",
        {"people": Key("Nicks, ids or accounts.", (LIST,), items=(TEXT,))},
    ),
    "limits": Described(
        "How many messages may be answered in a time, such as `10 in 1m`.",
        {
            "person": Key(
                "Of a person in a room.", (TEXT, TRUTH), pattern=RATE, example="10 in 1m"
            ),
            "room": Key("In a room.", (TEXT, TRUTH), pattern=RATE, example="60 in 1m"),
        },
    ),
}
