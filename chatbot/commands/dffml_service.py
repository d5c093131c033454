"""DFFML's command line: `chatbot dffml …` passes through, `service node run` is a node.

The stock `dffml` program imports DFFML before anything can repair it; ours has done so by then.
"""

from dffml.base import config, field
from dffml.util.cli.cmd import CMD

from chatbot.commands.node import run as run_node
from chatbot.commands.screen import Screen


def dffml_main(arguments: list[str]) -> int:
    """Run DFFML's command with `arguments`; return its exit code."""
    from dffml.cli.cli import CLI

    try:
        CLI.main(argv=["dffml", *arguments])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


@config
class NodeRunConfig:
    operations: list[str] = field("Operations that the node may run")
    nats: str = field("Address of the NATS server", default=None)
    quiet: bool = field("Say only what is wrong", default=False)


class Run(CMD):
    """Run operations for the flows that need them, until stopped."""

    CONFIG = NodeRunConfig

    async def run(self) -> None:
        await run_node(self.operations, self.nats, None, Screen(quiet=self.quiet))


class NodeService(CMD):
    """Nodes: they run operations for bots, on any machine."""

    run = Run
