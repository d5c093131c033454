"""What a `NatsOrchestrator` is told: its configuration, and what is said of an instance."""

from __future__ import annotations

from typing import Protocol

from dffml.base import config, field

from chatbot.labels import Placement
from chatbot.messages import LearnerRecord
from chatbot.orchestrator.inputs import NatsMasterInputNetwork
from chatbot.orchestrator.locks import NatsPrimaryLockNetwork
from chatbot.orchestrator.networks import NatsPrimaryOperationImplementationNetwork


class InstanceSettings(Protocol):
    """What a flow file says of one operation instance, beside its configuration."""

    @property
    def on(self) -> Placement | None: ...
    @property
    def batch(self) -> int: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def timeout(self) -> float: ...
    @property
    def optional(self) -> float: ...
    @property
    def learning(self) -> LearnerRecord | None: ...


@config
class NatsOrchestratorConfig:
    url: str = field(
        "Address of the NATS server; CHATBOT_NATS_URL, else an embedded one",
        default=None,
        repr=False,  # DFFML logs and prints configurations
    )
    flow: str = field("Name under which nodes know the flow; one of its own", default=None)
    lane: str = field("people or bulk: whose work goes first", default="people")
    max_ctxs: int = field("Maximum number of contexts to run concurrently", default=None)
    placement: dict = field(  # type: ignore[type-arg]
        "Where operations run, by their paths: primary, nodes, or the labels of nodes",
        default_factory=dict,
    )
    input_network: NatsMasterInputNetwork = field(
        "Input network to use", default_factory=lambda: NatsMasterInputNetwork.withconfig({})
    )
    lock_network: NatsPrimaryLockNetwork = field(
        "Lock network to use", default_factory=lambda: NatsPrimaryLockNetwork.withconfig({})
    )
    opimp_network: NatsPrimaryOperationImplementationNetwork = field(
        "Operation implementation network to use",
        default_factory=lambda: NatsPrimaryOperationImplementationNetwork.withconfig({}),
    )
