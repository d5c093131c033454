"""The IRC listener: hears channels and private messages, and says the replies, without floods.

It owns everything that is IRC: one connection at a time to one network, the channels there,
the lines that leave under one rate limit. It knows nothing of NATS or flows; see `bridge`.
"""

from chatbot.listeners.irc.listener import IrcListener
from chatbot.listeners.irc.settings import IrcSettings, Timing

__all__ = ["IrcListener", "IrcSettings", "Timing"]
