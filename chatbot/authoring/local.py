"""Operations in a Python file that lies beside a flow, and is no package.

`./shout.py:shout` in a flow file is the operation `shout` of that file. To all others it is called
`shout.py:shout@<digest>`, after what the file holds: whoever has another file of that name does
not have this operation. The rule that it guards: a file is loaded because a command line or a flow
file names it, from this machine's disk, and never because of what came over the wire.
"""

from __future__ import annotations

import re
import sys
import threading
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatbot.authoring.decorator import collected
from chatbot.authoring.place import Fault
from chatbot.messages import digest

_LOCAL = re.compile(r"(?P<file>.*\.py)(?::(?P<name>.*))?", re.DOTALL)
_CALLED = re.compile(r"(?P<file>[^/@]+\.py):(?P<name>[^@:]+)@(?P<digest>[0-9a-f]+)")
_ALONE = "a local file stands alone: put what it needs into it, or install it as a package"

MOST = 1024 * 1024
"""Bytes that such a file may have."""


class LocalError(Exception):
    """A file cannot be loaded, or an operation is not in it: `faults`, all that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("; ".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A loaded file: its operations, decorated functions, by their names in it.

    `functions` are its others.
    """

    path: Path
    digest: str
    operations: dict[str, Any] = field(default_factory=dict, repr=False)
    functions: frozenset[str] = frozenset()

    def called(self, name: str) -> str:
        """Return what its operation `name` is called by all others."""
        return f"{self.path.name}:{name}@{self.digest}"


def is_local(run: str) -> bool:
    """Whether what a flow file runs is a Python file's."""
    return _LOCAL.fullmatch(run) is not None


def parted(run: str) -> tuple[str, str]:
    """Return the file, and the operation in it; "" where none is named."""
    found = _LOCAL.fullmatch(run)
    assert found is not None
    return found["file"], found["name"] or ""


def file_named(called: str) -> str:
    """Return the name of the file of a local operation; "" for what is none."""
    found = _CALLED.fullmatch(called)
    return found["file"] if found else ""


def plain_name(called: str) -> str:
    """Return what people call an operation: a local one without its digest."""
    found = _CALLED.fullmatch(called)
    return f"{found['file']}:{found['name']}" if found else called


_loaded: dict[tuple[Path, str], LocalFile] = {}
_known: dict[str, LocalFile] = {}
"""By what their operations are called."""

_loading = threading.Lock()


def digest_of(path: Path) -> str:
    """Return what stands for the file's content now; "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return digest(file.read(MOST), length=12)
    except OSError:
        return ""


def load_file(path: Path) -> LocalFile:
    """Return the file as it is now, loaded once for each content; raises `LocalError`."""
    path = path.absolute()
    try:
        with path.open("rb") as file:
            source = file.read(MOST + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LocalError([Fault(str(path), 1, 1, f"cannot be read: {why}")]) from error
    if len(source) > MOST:
        raise LocalError([Fault(str(path), 1, 1, "is too large for a file of operations")])
    key = path, digest(source, length=12)
    with _loading:
        if key not in _loaded:
            _loaded[key] = _load(path, source, key[1])
        found = _loaded[key]
        _known.update({found.called(name): found for name in found.operations})
        return found


def known_file(called: str) -> Path | None:
    """Return the file of a local operation that this process has loaded."""
    found = _known.get(called)
    return found.path if found else None


def operation_in(file: LocalFile, name: str) -> Any:
    """Return the class that implements the operation `name` of `file`; raises `LocalError`.

    Its `op` has the name that all others call it by. Without a name it is the only one there.
    """
    if not name and len(file.operations) == 1:
        [name] = file.operations
    found: Any = file.operations.get(name)
    if found is None:
        raise LocalError([_missing(file, name)])
    called = file.called(name)
    own = {"op": found.op._replace(name=called), "local": file, "__doc__": found.__doc__}
    implementation: Any = type(found.imp.__name__, (found.imp,), own)
    return implementation


def _missing(file: LocalFile, name: str) -> Fault:
    if name in file.functions:
        what = f"has `{name}`, which is a function and no operation"
        return Fault(str(file.path), 1, 1, what, "put `@operation` above it")
    there = ", ".join(file.operations)
    hint = f"there are {there}" if there else "put `@operation` above a function"
    if not name and not there:
        return Fault(str(file.path), 1, 1, "has no operations", hint)
    if not name:
        one = f"{file.path.name}:{min(file.operations)}"
        return Fault(str(file.path), 1, 1, f"has several operations: name one, as {one}", hint)
    return Fault(str(file.path), 1, 1, f"has no operation `{name}`", hint)


def _load(path: Path, source: bytes, own: str) -> LocalFile:
    name = f"{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{own}_{digest(str(path), length=8)}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses, and hints that are texts, look it up
    try:
        with collected() as faults:
            _execute(module, path, source)
        if faults:
            raise LocalError(faults)
    except BaseException:
        del sys.modules[name]
        raise
    return LocalFile(path, own, _operations(module), _functions(module))


def _execute(module: types.ModuleType, path: Path, source: bytes) -> None:
    import linecache

    linecache.checkcache(str(path))
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - the file that its user named
    except SyntaxError as error:
        where = (error.lineno or 1, error.offset or 1)
        raise LocalError([Fault(str(path), *where, f"is not Python: {error.msg}")]) from error
    except ValueError as error:  # NUL in it
        raise LocalError([Fault(str(path), 1, 1, f"is not Python: {error}")]) from error
    except (Exception, SystemExit) as error:
        raise LocalError([_fault(path, error)]) from error


def _fault(path: Path, error: BaseException) -> Fault:
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    message = f"cannot be loaded: {type(error).__name__}: {error}"
    return Fault(str(path), line, 1, message, _hint(path, error))


def _hint(path: Path, error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return ""
    beside = path.parent / error.name.partition(".")[0]
    if beside.is_dir() or beside.with_suffix(".py").is_file():
        return _ALONE
    return f"install what has {error.name}, on the nodes that run it, too"


def _operations(module: types.ModuleType) -> dict[str, Any]:
    """Return what was decorated in the module itself, not what it imports."""
    return {
        name: each
        for name, each in vars(module).items()
        if hasattr(each, "op")
        and hasattr(each, "imp")
        and getattr(each, "__module__", "") == module.__name__
    }


def _functions(module: types.ModuleType) -> frozenset[str]:
    found = {
        name: each
        for name, each in vars(module).items()
        if isinstance(each, types.FunctionType) and each.__module__ == module.__name__
    }
    return frozenset(name for name, each in found.items() if not hasattr(each, "op"))
