"""The command line: commands, options, exit codes. The only place that exits or prints.

Exit codes: 0 done; 1 it failed; 2 the command line, a flow or a setting is wrong, and nothing
was started; 130 interrupted twice. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import sys

import click

import chatbot
from chatbot.cli.authoring import operations_check, operations_new
from chatbot.cli.bench import bench
from chatbot.cli.dead import dead
from chatbot.cli.dev import flow_dev
from chatbot.cli.dffml import dffml
from chatbot.cli.doctor import doctor
from chatbot.cli.evaluate import evaluate
from chatbot.cli.flow import flow
from chatbot.cli.forget import forget
from chatbot.cli.init import init
from chatbot.cli.labels import labels
from chatbot.cli.model import model
from chatbot.cli.node import node
from chatbot.cli.operations import operations
from chatbot.cli.questions import questions
from chatbot.cli.replay import replay
from chatbot.cli.run import run
from chatbot.cli.status import status
from chatbot.cli.terminal import refuse, refuse_flow
from chatbot.cli.train import train
from chatbot.errors import ChatbotError, FlowError

EXAMPLES = """
\b
Examples:
  chatbot init mybot                      make a bot to go on with
  chatbot run support                     talk to the bot in this terminal
  chatbot run support --set listeners.irc.server=irc.libera.chat \\
      --set 'listeners.irc.channels=["#example"]'
  chatbot node run                        give it another node (same machine)
  chatbot status                          see what runs
  chatbot doctor                          what is wrong?
  chatbot replay support LOG              what would it have said?
  chatbot flow check myflow.yaml          is it right?
  chatbot flow dev myflow.yaml            talk to it while you write it
  chatbot flow apply myflow.yaml          have the bots that run take it up
  chatbot eval support questions.tsv      how right is it?
  chatbot train support                   make it better
  chatbot dead list                       what failed?
  chatbot labels list                     what did people teach it?

\b
Completion in bash (zsh, fish):
  eval "$(_CHATBOT_COMPLETE=bash_source chatbot)"
"""


@click.group(
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(chatbot.__version__, prog_name="chatbot")
@click.option("-v", "--verbose", count=True, help="Log life-cycle steps; twice: everything.")
@click.pass_context
def cli(context: click.Context, verbose: int) -> None:
    """A chat bot on distributed dataflows.

    It listens in chat channels, classifies what is said with transformer models on as many
    machines as you give it, and answers as a flow file says.
    """
    from chatbot import logs

    logs.configure(verbose)
    context.obj = verbose


for command in (
    *(init, run, node, flow, operations, status, doctor, dead, replay, forget),
    *(evaluate, train, labels, questions, model, bench, dffml),
):
    cli.add_command(command)
flow.add_command(flow_dev)
operations.add_command(operations_new)
operations.add_command(operations_check)


def main() -> None:
    """Run the command line; never returns."""
    try:
        code = cli.main(standalone_mode=False)
    except FlowError as error:
        refuse_flow(error)
    except ChatbotError as error:
        refuse(error)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
