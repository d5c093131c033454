"""Between a listener and its bridge: who is answered, where, when and how often.

| module | what it knows |
|---|---|
| `gate` | the bridge that a listener gets: what must not be answered is not passed on |
| `calling` | a command in a text; pure |
| `limits` | how often a person, and a room, may be answered |
| `loops` | who talks as bots do |
| `lasts` | the last message of each room, for `!why` |
| `complaints` | a line a minute in the log about who is not answered |
| `recent` | a map that forgets what was used least lately |
"""

from chatbot.listeners.gate.gate import Conduct, Gate

__all__ = ["Conduct", "Gate"]
