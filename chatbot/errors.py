"""Every error that a caller may want to handle.

    ChatbotError                  something is wrong that a person can mend; `exit_code`, `hint`
    ├── UsageError                the command line or a setting is wrong           (exit 2)
    ├── FlowError                 a flow file is wrong; `problems`, all of them    (exit 2)
    ├── BrokerError               NATS
    │   ├── ConnectError          no server there, or it does not let us in        (exit 2)
    │   ├── ServerError           the embedded server cannot start                 (exit 2)
    │   ├── StorageError          NATS cannot keep what a flow asks it to keep         (exit 2)
    │   ├── LockLostError         a lock may have been another's while we had it
    │   └── AlreadyPublished      the stream has this id already: the first one stands
    ├── OperationError            an operation cannot be had or configured         (exit 2)
    │   ├── SignatureError        a function cannot be an operation; all that is wrong with it
    │   └── OutdatedError         an older version of the program left it: to be made anew
    ├── ChildError                a process of ours says that it cannot run        (exit 2)
    ├── EncodingError             a value that cannot cross between processes; `where`, in it
    ├── ListenerError             a network refuses us for good                    (exit 2)
    └── RemoteError               an operation raised on a node; the context's result

The message says what, which, and what to do. What people wrote in a chat is never in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatbot.authoring.place import Fault
    from chatbot.flowfile.problems import Problem


class ChatbotError(Exception):
    """Something is wrong that a person can mend; `hint` says how, where that is known."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ChatbotError):
    """The command line or a setting is wrong."""

    exit_code = 2


class FlowError(ChatbotError):
    """A flow file is wrong. `problems` has all that was found, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the flow")
        self.problems = list(problems)


class BrokerError(ChatbotError):
    """NATS does not do what was asked of it."""


class ConnectError(BrokerError):
    """There is no NATS server at the address, or it does not let us in."""

    exit_code = 2


class ServerError(BrokerError):
    """The embedded NATS server cannot be started."""

    exit_code = 2


class StorageError(BrokerError):
    """NATS cannot keep what a flow's `storage` section asks it to keep."""

    exit_code = 2


class AlreadyPublished(BrokerError):  # noqa: N818 - not a failure: the id is taken
    """The stream has a message under this id already; the first one stands."""


class LockLostError(BrokerError):
    """A lock may have been another's while we had it: what was done under it must not count."""


class OperationError(ChatbotError):
    """An operation is not installed, cannot be placed, or refuses its configuration."""

    exit_code = 2


class SignatureError(OperationError):
    """A function's signature is not an operation's; `faults` has all that is wrong with it."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        told = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(f"{name} cannot be an operation:{told}")
        self.faults = list(faults)


class OutdatedError(OperationError):
    """What an older version of the program made cannot be used: it is to be made anew."""


class EncodingError(ChatbotError):
    """A value cannot be sent to another process, or what came is not understood.

    `where` is the path in the value, outermost first: `[3]['x'].name`. No part of the value
    itself is in the message but the keys that lead to the culprit.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where

    def inside(self, step: str) -> EncodingError:
        """Return it as seen from the container where the culprit lies at `step`."""
        return EncodingError(self.message, step + self.where)

    def located(self, name: object) -> str:
        """Return it as a sentence, for the value `name`."""
        return f"{name}{self.where} {self.message}"


class ChildError(ChatbotError):
    """A process that we started says that it cannot run here, now or later."""

    exit_code = 2


class ListenerError(ChatbotError):
    """A network refuses the bot in a way that trying again does not mend."""

    exit_code = 2


class RemoteError(ChatbotError):
    """An operation raised on a node.

    `operation` is its instance name, `kind` the exception's class name there, and `trace` the
    traceback's text, which may hold what people wrote: log it at DEBUG only. `nodes` (host:pid)
    have tried it.
    """

    def __init__(
        self,
        operation: str,
        kind: str,
        message: str,
        trace: str = "",
        nodes: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{operation} raised {kind}: {message}")
        self.operation = operation
        self.kind = kind
        self.trace = trace
        self.nodes = list(nodes)
