"""What crosses the wire, and its encoding. Pure: imports nothing of the project but errors.

Every record is frozen and encoded as MessagePack. Fields are only ever added, with a default,
so that processes of neighbouring versions understand each other; what cannot be understood
at all has another `PROTOCOL`.
"""

from chatbot.messages.announcements import (
    FlowRecord,
    LearnerRecord,
    NodeRecord,
    OperationRecord,
    OperationStats,
    PrimaryRecord,
    Reloaded,
    Stranger,
    announced,
)
from chatbot.messages.chat import (
    ACTIONS,
    FROM,
    ORDERS,
    RETRY,
    Action,
    Change,
    ChatMessage,
    DeadLetter,
    Elsewhere,
    Outcome,
    Reply,
    answer_id,
    is_retry,
    origin,
)
from chatbot.messages.record import PROTOCOL, Record, digest
from chatbot.messages.work import AttemptRecord, Call, Part, Partial, Raised, Result, Results, Work

__all__ = [
    "ACTIONS",
    "FROM",
    "ORDERS",
    "PROTOCOL",
    "RETRY",
    "Action",
    "AttemptRecord",
    "Call",
    "Change",
    "ChatMessage",
    "DeadLetter",
    "Elsewhere",
    "FlowRecord",
    "LearnerRecord",
    "NodeRecord",
    "OperationRecord",
    "OperationStats",
    "Outcome",
    "Part",
    "Partial",
    "PrimaryRecord",
    "Raised",
    "Record",
    "Reloaded",
    "Reply",
    "Result",
    "Results",
    "Stranger",
    "Work",
    "announced",
    "answer_id",
    "digest",
    "is_retry",
    "origin",
]
