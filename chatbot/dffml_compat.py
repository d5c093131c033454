"""The repairs that DFFML 0.4.0 needs on Python 3.11 and later; nothing else.

The release predates Python 3.9. Each repair is applied while the one module that needs it is
being executed, and `typing` and `collections` are put back before anybody else can see them:
importing DFFML changes nothing for the rest of the program.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import sys
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Any, NamedTuple, cast


def install() -> None:
    """Arrange for DFFML to be repaired when it is first imported; importing nothing now."""
    if not any(isinstance(finder, _RepairingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, cast(Any, _RepairingFinder()))


class _RepairingFinder:
    """Finds DFFML's modules as Python would, and wraps the loader of those to repair."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _REPAIRS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = cast(Any, _RepairingLoader(spec.loader, _REPAIRS[name]))
        return spec


class _RepairingLoader:
    def __init__(self, loader: Any, repair: Repair) -> None:
        self._loader = loader
        self._repair = repair

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with self._repair.around():
            self._loader.exec_module(module)
        self._repair.after(module)

    def __getattr__(self, name: str) -> Any:  # get_source, get_filename, …
        return getattr(self._loader, name)


@contextmanager
def _quiet_pkg_resources() -> Iterator[None]:
    # pkg_resources announces its own removal; setuptools is pinned below that release.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pkg_resources.*")
        import pkg_resources  # noqa: F401
    yield


@contextmanager
def _single_inheritance_for_named_tuples() -> Iterator[None]:
    """Drop the extra bases of a NamedTuple, as Python 3.8 silently did."""
    meta: Any = typing.NamedTupleMeta  # type: ignore[attr-defined]
    original = meta.__new__
    marker = typing._NamedTuple  # type: ignore[attr-defined]

    def new(cls: type, name: str, _bases: tuple[Any, ...], namespace: dict[str, Any]) -> Any:
        return original(cls, name, (marker,), namespace)

    meta.__new__ = new
    try:
        yield
    finally:
        meta.__new__ = original


@contextmanager
def _hashable_dataclass_defaults() -> Iterator[None]:
    """Accept dataclass defaults of unhashable types, which 3.11 refuses, as 3.8 did.

    The check reads `default.__class__.__hash__`, so the two classes that DFFML uses as
    defaults are given a hash while the module is executed.
    """
    from dffml.df.memory import MemoryOrchestrator
    from dffml.feature import Features

    unhashable = [cls for cls in (Features, MemoryOrchestrator) if cls.__hash__ is None]
    kept = {cls: "__hash__" in vars(cls) for cls in unhashable}
    for cls in unhashable:
        cls.__hash__ = object.__hash__
    try:
        yield
    finally:
        for cls, own in kept.items():
            if own:
                cls.__hash__ = None
            else:
                del cls.__hash__


@contextmanager
def _no_loop_of_its_own() -> Iterator[None]:
    """Keep DFFML's test case class from making an event loop that nobody closes."""
    kept = asyncio.get_event_loop
    asyncio.get_event_loop = lambda: None  # type: ignore[assignment, return-value]
    try:
        yield
    finally:
        asyncio.get_event_loop = kept


class _LoopWhenAsked:
    """DFFML's test cases have one event loop, made when the first of them asks for it."""

    _loop: asyncio.AbstractEventLoop | None = None

    def __get__(self, instance: object, owner: type) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop


def _mend_test_case(module: ModuleType) -> None:
    module.AsyncTestCase.loop = _LoopWhenAsked()


def _mend_definitions(module: ModuleType) -> None:
    """Replace `_field_types` (gone since 3.9) and the hand-made NamedTuple of a spec."""
    definition = module.Definition
    export_dict = module.export_dict

    def export(self: Any) -> dict[str, Any]:
        exported = dict(self._asdict())
        if isinstance(self.default, module._NO_DEFAULT):
            del exported["default"]
        if not self.lock:
            del exported["lock"]
        if not self.validate:
            del exported["validate"]
        if not self.spec:
            del exported["spec"], exported["subspec"]
        else:
            exported["spec"] = _export_spec(self.spec, export_dict)
        return exported

    def _fromdict(cls: Any, /, **kwargs: Any) -> Any:
        spec = kwargs.get("spec")
        if isinstance(spec, dict):
            kwargs["spec"] = _build_spec(cls, spec)
        return cls(**kwargs)

    definition.export = export
    definition._fromdict = classmethod(_fromdict)


def _export_spec(spec: Any, export_dict: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    defaults = getattr(spec, "_field_defaults", None)
    if defaults is None:  # a dataclass
        import dataclasses

        defaults = {
            field.name: field.default
            for field in dataclasses.fields(spec)
            if field.default is not dataclasses.MISSING
        }
    return export_dict(
        name=spec.__qualname__, types=typing.get_type_hints(spec), defaults=dict(defaults)
    )


def _build_spec(definition: Any, spec: dict[str, Any]) -> Any:
    defaults = spec.get("defaults", {})
    types = {name: definition.type_lookup(hint) for name, hint in spec["types"].items()}
    required = [(name, hint) for name, hint in types.items() if name not in defaults]
    optional = [(name, hint) for name, hint in types.items() if name in defaults]
    built: Any = typing.NamedTuple(spec["name"], required + optional)  # type: ignore[misc]
    built.__new__.__defaults__ = tuple(defaults[name] for name, _ in optional)
    built._field_defaults = {name: defaults[name] for name, _ in optional}
    return built


def _mend_inputs(module: ModuleType) -> None:
    """Have an operation wait for an input of which only another definition's name is known.

    Where nothing has come for it, DFFML's memory network asks that name for its default, as if it
    were the definition, and the whole context ends with an `AttributeError`.
    """
    flow = module.InputFlow
    found = flow.get_alternate_definitions

    class Name(str):
        __slots__ = ()
        default = module.NO_DEFAULT

    def named(origin: Any) -> tuple[list[str], Any]:
        alternates, origin = found(origin)
        return [Name(each) for each in alternates], origin

    flow.get_alternate_definitions = staticmethod(named)


def _mend_types(module: ModuleType) -> None:
    _mend_definitions(module)
    _mend_inputs(module)


def _mend_configurations(module: ModuleType) -> None:
    """Make what a file has for an operation whose configuration is a plain dataclass, and for one
    that runs a dataflow within: DFFML's own gives them the map as it is."""
    begin = module.OperationImplementation.__init__

    def configured(self: Any, config: Any) -> None:
        begin(self, _configuration(self, config))

    module.OperationImplementation.__init__ = configured


def _configuration(implementation: Any, config: Any) -> Any:
    import dataclasses

    kind = getattr(implementation, "CONFIG", None)
    if isinstance(config, dict) and dataclasses.is_dataclass(kind) and isinstance(kind, type):
        config = kind(**config)
    if isinstance(getattr(config, "dataflow", None), dict):
        from dffml import DataFlow

        config = dataclasses.replace(config, dataflow=DataFlow._fromdict(**config.dataflow))
    return config


def _mend_ends(module: ModuleType) -> None:
    """Have no operation of DFFML's own orchestrator end before what it gave was seen.

    One that ends while the orchestrator is busy with what another gave would be counted as done,
    nothing more be expected, and the context end without what was to follow from both.
    """
    network = module.MemoryOperationImplementationNetworkContext
    run = network.run_dispatch

    async def run_dispatch(self: Any, octx: Any, operation: Any, given: Any, *more: Any) -> None:
        await run(self, octx, operation, given, *more)
        if isinstance(octx.ictx, module.MemoryInputNetworkContext):
            handle = await given.ctx.handle()
            waiting = octx.ictx.input_notification_set[handle.as_string()]
            while waiting.notification_items:  # noqa: ASYNC110 - nothing says when they are taken
                await asyncio.sleep(0)

    network.run_dispatch = run_dispatch


class Repair(NamedTuple):
    """What holds while one module is executed, and what is mended in it afterwards."""

    around: Callable[[], AbstractContextManager[None]] = nullcontext
    after: Callable[[ModuleType], None] = lambda _: None


_REPAIRS = {
    "dffml": Repair(around=_quiet_pkg_resources),
    "dffml.df.types": Repair(around=_single_inheritance_for_named_tuples, after=_mend_types),
    "dffml.df.base": Repair(
        around=_single_inheritance_for_named_tuples, after=_mend_configurations
    ),
    "dffml.df.memory": Repair(after=_mend_ends),
    "dffml.util.asynctestcase": Repair(around=_no_loop_of_its_own, after=_mend_test_case),
    "dffml.source.df": Repair(around=_hashable_dataclass_defaults),
}
