"""DFFML's command line: `chatbot dffml …` passes through, `service node run` is a node.

The stock `dffml` program imports DFFML before anything can repair it; ours has done so by then.
"""

import asyncio
import sys

from dffml.base import config, field
from dffml.util.cli.cmd import CMD

from chatbot import service
from chatbot.commands.node import run as run_node
from chatbot.commands.screen import Screen

PROGRAM = "chatbot dffml"


def dffml_main(arguments: list[str]) -> int:
    """Run DFFML's command with `arguments`; return its exit code."""
    from dffml.cli.cli import CLI

    sys.argv[0] = PROGRAM  # what its parsers call themselves
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        CLI.main(loop=loop, argv=[PROGRAM, *arguments])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return 0


@config
class NodeRunConfig:
    operations: list[str] = field("Operations that the node may run")
    nats: str = field("Address of the NATS server", default=None)
    labels: list[str] = field("What flows may ask of the node: gpu, size=large", default=None)
    quiet: bool = field("Say only what is wrong", default=False)


class Run(CMD):
    """Run operations for the flows that need them, until stopped."""

    CONFIG = NodeRunConfig

    async def run(self) -> None:
        screen = Screen(quiet=self.quiet)
        labels = self.labels or ()
        await service.until_signal(
            lambda: run_node(self.operations, self.nats, None, screen, labels)
        )


class NodeService(CMD):
    """Nodes: they run operations for bots, on any machine."""

    run = Run
