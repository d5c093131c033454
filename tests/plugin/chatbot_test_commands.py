"""Commands that a plug-in adds."""

from chatbot.messages import Action
from chatbot.orchestrator.commands import Answer, Asked, Command


async def _note(asked: Asked) -> Answer:
    thumb = Action("react", asked.message.about, "👍")
    return Answer(f"noted: {asked.message.arguments}", (thumb,))


async def _break(asked: Asked) -> Answer:
    raise ValueError("as asked, with a secret")


note = Command("note something", _note, arguments="TEXT", role="scribe")
broken = Command("fail", _break)
