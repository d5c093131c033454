"""NATS, for the rest of the program: nothing outside this package imports `nats`.

connection → streams (as data) → publisher and pull loop → buckets, leases, files; the embedded
server stands beside them. The rule that it guards: whoever publishes waits for the
acknowledgement, and whoever takes a message settles it last.
"""

from chatbot.broker import nats_compat
from chatbot.broker.connection import Broker, connect
from chatbot.broker.pull import Pull, Taken
from chatbot.broker.server import EmbeddedServer

nats_compat.install()

__all__ = ["Broker", "EmbeddedServer", "Pull", "Taken", "connect"]
