"""A Dockerfile examined: for a build that goes on, and for a check that goes as far as it can."""

from __future__ import annotations

from collections.abc import Callable

from lading.build.checks.ruleset import findings
from lading.build.checks.settings import CheckSettings, of_file
from lading.build.checks.subject import Subject
from lading.build.convert.trace import Trace
from lading.build.dockerfile.directives import syntax
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.instruction_reader import understand
from lading.build.dockerfile.instructions import Dockerfile
from lading.build.dockerfile.parser import ParsedDockerfile, parse
from lading.build.errors import DockerfileError
from lading.build.graph.check_finding import CheckFinding, CheckReport
from lading.store.errors import LadingError
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines the Dockerfile `text`, called `name`, for a build with the patterns of `ignored`."""

    text: bytes
    name: str
    ignored: Callable[[], Ignore]

    def approve(self, dockerfile: Dockerfile, trace: Trace) -> tuple[CheckFinding, ...]:
        """What is found in one that is evaluated. Raises `DockerfileError` where it says itself that this is one."""
        settings = of_file(self.text, self.name)
        found = self._findings(dockerfile.source, dockerfile, trace, settings, None)
        if found and settings.error:
            rules = ", ".join(sorted({finding.rule for finding in found}))
            raise DockerfileError(
                found[0].place,
                f"{found[0].rule}: {found[0].message}",
                hint=f"with # check=error=true the build stops at what the checks find ({rules})",
            )
        return found

    def check(self, evaluate: Callable[[Dockerfile, Trace], object]) -> CheckReport:
        """What is found as far as it can be read, and evaluated by `evaluate`."""
        dockerfile, trace, last = None, Trace(), None
        try:
            settings = of_file(self.text, self.name)
            named = syntax(self.text, self.name)
            source = parse(self.text, self.name)
        except DockerfileError as error:
            return CheckReport((), error)
        failed: LadingError | None = None
        try:
            dockerfile = understand(source, named)
            evaluate(dockerfile, trace)
        except LadingError as error:
            failed = error
            last = error.place.line if dockerfile is None and isinstance(error, DockerfileError) else None
        return CheckReport(self._findings(source, dockerfile, trace, settings, last), failed)

    def _findings(
        self,
        source: ParsedDockerfile,
        dockerfile: Dockerfile | None,
        trace: Trace,
        settings: CheckSettings,
        last: int | None,
    ) -> tuple[CheckFinding, ...]:
        nodes = {node.place: node for node in source.nodes if last is None or node.place.line <= last}
        found = findings(Subject(source, nodes, dockerfile, trace, self.ignored), settings)
        return tuple(dict.fromkeys(found))  # what is evaluated for several platforms is seen several times
