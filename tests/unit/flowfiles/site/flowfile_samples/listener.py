"""Listeners that connect to nothing."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    server: str
    port: int = 6697
    tls: bool = True
    nick: str = "chatbot"
    channels: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    ca_file: Path | None = None

    def problems(self) -> list[tuple[str, str]]:
        found = []
        if not 0 < self.port < 65536:
            found.append(("port", f"{self.port} must be a port"))
        if " " in self.password:
            found.append(("password", f"{self.password!r} has a space in it"))
        return found


class SampleListener:
    settings_type = SampleSettings


class PipeListener:
    pass
