"""What the bot itself is told to do, in any room: `!help`, `!why`, `!status`, `!mute`.

A primary runs a command instead of the flow; as any message, it has one outcome, ever. Plug-ins
add commands of their own: see `command`.
"""

from chatbot.orchestrator.commands.command import Answer, Asked, Command
from chatbot.orchestrator.commands.known import Commands

__all__ = ["Answer", "Asked", "Command", "Commands"]
