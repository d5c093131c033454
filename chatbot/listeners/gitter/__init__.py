"""The classic Gitter listener, for servers that people run themselves; gitter.im is Matrix now.

It owns everything that is Gitter: one account on one server, the rooms there, a stream of each
room, and the requests that leave under one limit. It knows nothing of NATS or flows; see
`bridge`. `library` alone imports gitterpy, and only when a listener runs.
"""

from chatbot.listeners.gitter.listener import GitterListener
from chatbot.listeners.gitter.settings import GitterSettings, Timing

__all__ = ["GitterListener", "GitterSettings", "Timing"]
