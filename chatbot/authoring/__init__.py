"""Writing operations: a function with type hints becomes one.

    from chatbot import operation

    @operation
    def shout(text: str, marks: int = 1) -> str:
        \"\"\"Say it louder.\"\"\"
        return text.upper() + "!" * marks

The function stays what it was, to be called and tested as such. `docs/operations.md` says more.
The rule that it guards: nothing of DFFML is imported before a function is decorated.
"""

from chatbot.authoring.decorator import operation
from chatbot.authoring.hints import Batch

__all__ = ["Batch", "operation"]
