"""The keys of a flow file that are of answers: what the bot says, what it does. Pure."""

from __future__ import annotations

from chatbot.flowfile.key import MAP, SOURCE, TEXT, TRUTH, Described, Key

ACTS = ("react", "delete", "kick", "ban", "unban", "mute", "unmute")


ANSWERING: dict[str, Described] = {
    "reply": Described(
        "A reply, in full.",
        {
            "text": Key("What to say: a template.", (TEXT,)),
            "by": Key("What chooses one of the `texts`: a source.", (TEXT,), pattern=SOURCE),
            "texts": Key("What to say, by the value of `by`; else `text`.", (MAP,), items=(TEXT,)),
            "notice": Key("Say it as a notice, where there is one.", (TRUTH,), default=False),
            "markdown": Key(
                "It is Markdown: networks that have formatted text show it so.",
                (TRUTH,),
                default=False,
            ),
            "room": Key(
                "Say it in this room of the network instead; where it is empty, nowhere.", (TEXT,)
            ),
        },
    ),
    "action": Described(
        "An action, in full.",
        {
            "kind": Key("What is done.", (TEXT,), required=True, choices=ACTS),
            "to": Key(
                "The id of the message, or the sender, that it is about; this one without it.",
                (TEXT,),
            ),
            "text": Key("The emoji of a reaction, or why: a template.", (TEXT,)),
            "time": Key("For how long somebody is muted or banned.", (TEXT,), example="10m"),
            "room": Key(
                "Do it in this room of the network instead; where it is empty, not.", (TEXT,)
            ),
        },
    ),
}
