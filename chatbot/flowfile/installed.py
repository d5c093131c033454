"""An entry of a flow file that runs an installed operation: found, configured, and fit for it."""

from __future__ import annotations

from chatbot.authoring.local import is_local
from chatbot.flowfile import beside, packages, strays
from chatbot.flowfile.catalog import Catalog, Loaded, NotLoadedError
from chatbot.flowfile.configuration import configure
from chatbot.flowfile.including import folder_of
from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import FlowFile, Section
from chatbot.flowfile.templated import templated, with_outputs
from chatbot.flowfile.wiring import Part

SUBFLOW = "dffml.dataflow.run"


class Installed:
    """What is installed, as instances of a flow file; what is wrong goes to `report`."""

    def __init__(self, catalog: Catalog, report: Report) -> None:
        self._catalog = catalog
        self._report = report

    def part(self, section: Section, file: FlowFile, *, subflow: bool) -> Part:
        """Return an instance of what runs here; without an operation where that was reported.

        That is an operation that is installed, or one in a Python file beside the flow's.
        """
        loaded = self._loaded(section, file)
        if loaded is None:
            return Part(section)
        strays.report(section, loaded, self._report)
        if not self._may_run(section, loaded):
            return Part(section)
        implementation = loaded.implementation
        operation = loaded.operation
        configuration = configure(section, implementation, file.path.parent, self._report)
        outputs_of = getattr(implementation, "outputs_of", None)
        if outputs_of is not None and configuration.value is not None:
            operation = with_outputs(operation, outputs_of(configuration.value))
        templates = getattr(implementation, "templates", None)
        if templates is not None and configuration.value is not None:
            texts = templates(configuration.value)
            section, operation = templated(
                section, operation, texts, file.operations, self._report, subflow=subflow
            )
        if section.name in {each.text for each in file.validate.values()}:
            operation = operation._replace(validator=True)
        return Part(section, operation, implementation, configuration)

    def _loaded(self, section: Section, file: FlowFile) -> Loaded | None:
        if is_local(section.run):
            folder = folder_of(section.run_mark, file.path)
            return beside.operation(section, folder, self._report)
        if section.run not in self._catalog:
            named = section.run_mark is not section.mark
            hint = packages.hint_for_unknown(section.run, self._catalog.names(), named=named)
            if (local := beside.meant(section.run, folder_of(section.run_mark, file.path))) != "":
                hint = f"did you mean {local}?"
            message = f"there is no operation `{section.run}`"
            self._report.add(section.run_mark, message, hint)
            return None
        try:
            return self._catalog.operation(section.run)
        except NotLoadedError as error:
            hint = packages.hint_for_broken(self._catalog, section.run, error)
            self._report.add(section.run_mark, str(error), hint)
            return None

    def _may_run(self, section: Section, loaded: Loaded) -> bool:
        from dffml import Stage

        if section.run == SUBFLOW:
            self._report.add(section.run_mark, "a subflow is written `flow: FILE`")
            return False
        if loaded.operation.stage is Stage.OUTPUT:
            message = f"`{section.run}` makes a flow's result; a flow file has `outputs` for that"
            self._report.add(section.run_mark, message)
            return False
        cleans_up = loaded.operation.stage is Stage.CLEANUP or section.cleanup
        if cleans_up and _elsewhere(section):
            message = f"`{section.run}` cleans up after a context: it runs on the primary"
            where = section.on_mark or section.mark
            self._report.add(where, message, "leave out `on`")
        return True


def _elsewhere(section: Section) -> bool:
    return section.on is not None and not section.on.primary
