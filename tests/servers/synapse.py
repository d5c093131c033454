"""A real Synapse, which all tests share, and the accounts on it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import hmac
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.frozen import freeze
from tests.servers.irc import free_port

NAME = "test.local"
RELAXED = {"per_second": 1000, "burst_count": 1000}
HARSH = {"per_second": 0.5, "burst_count": 3}
"""Of messages; Synapse's default is 0.2 and 10."""


@dataclass(frozen=True, slots=True)
class User:
    """An account with a token."""

    id: str
    token: str
    device: str
    password: str


class Synapse:
    """A homeserver on a port of its own, which it keeps when it is started again.

    It is no part of any event loop, so that all tests can share it.
    """

    def __init__(self, folder: Path, messages: Mapping[str, float] = RELAXED) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._messages = messages
        self._secret = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._users: dict[str, User] = {}

    def start(self) -> None:
        """Start it; return once it answers."""
        config = self._folder / "homeserver.yaml"
        if not config.exists():
            self._configure(config)
        command = [sys.executable, "-W", "ignore", "-m", "synapse.app.homeserver"]
        with (self._folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--config-path", str(config)],
                cwd=self._folder,
                stdout=out,
                stderr=out,
            )
        self.wait()

    def wait(self) -> None:
        """Return once it answers."""
        assert self._process is not None
        for _ in range(600):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError((self._folder / "out").read_text()[-3000:])

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze it: connections stay, nothing is answered."""
        assert self._process is not None
        freeze(self._process.pid)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def user(self, name: str = "", *, admin: bool = False) -> User:
        """Return the account `name`, made when it is first asked for; else one of a new name."""
        name = name or f"u{secrets.token_hex(5)}"
        if name not in self._users:
            self._users[name] = self._register(name, admin=admin)
        return self._users[name]

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> dict[str, Any]:
        """Ask the server, at once; for what a test sets up."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                found: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from error
        return found

    def _register(self, name: str, *, admin: bool) -> User:
        password = f"pw-{secrets.token_hex(8)}"
        path = "/_synapse/admin/v1/register"
        nonce = self.ask("GET", path)["nonce"]
        parts = [nonce, name, password, "admin" if admin else "notadmin"]
        mac = hmac.new(self._secret.encode(), "\0".join(parts).encode(), hashlib.sha1)
        body = {"nonce": nonce, "username": name, "password": password, "admin": admin}
        made = self.ask("POST", path, {**body, "mac": mac.hexdigest()})
        return User(made["user_id"], made["access_token"], made["device_id"], password)

    def _configure(self, config: Path) -> None:
        names = ("address", "account", "failed_attempts")
        limits = {
            "rc_message": self._messages,
            "rc_registration": RELAXED,
            "rc_login": dict.fromkeys(names, RELAXED),
            "rc_joins": dict.fromkeys(("local", "remote"), RELAXED),
            "rc_joins_per_room": RELAXED,
            "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), RELAXED),
            "rc_room_creation": RELAXED,
            "rc_admin_redaction": RELAXED,
        }
        listener = {
            "port": self.port,
            "type": "http",
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client"]}],
        }
        log = self._folder / "log.yaml"
        log.write_text("version: 1\nroot: {level: ERROR}\ndisable_existing_loggers: false\n")
        (self._folder / "signing.key").write_text(f"ed25519 a_test {'A' * 43}\n")
        settings = {
            "server_name": NAME,
            "pid_file": str(self._folder / "pid"),
            "listeners": [listener],
            "database": {"name": "sqlite3", "args": {"database": str(self._folder / "db")}},
            "log_config": str(log),
            "media_store_path": str(self._folder / "media"),
            "signing_key_path": str(self._folder / "signing.key"),
            "macaroon_secret_key": secrets.token_hex(16),
            "registration_shared_secret": self._secret,
            "report_stats": False,
            "trusted_key_servers": [],
            "presence": {"enabled": False},
            "bcrypt_rounds": 4,
            "caches": {"global_factor": 0.5},
            **limits,
        }
        config.write_text(json.dumps(settings))  # which is YAML, too


@functools.cache
def shared() -> Synapse:
    """Return the homeserver of all tests, started when it is first asked for."""
    return _started(RELAXED)


@functools.cache
def _limiting() -> Synapse:
    return _started(HARSH)


def _started(messages: Mapping[str, float]) -> Synapse:
    if importlib.util.find_spec("synapse") is None:
        if os.environ.get("CI"):
            pytest.fail("matrix-synapse is not installed")
        pytest.skip("matrix-synapse is not installed")
    folder = Path(tempfile.mkdtemp(prefix="chatbot-synapse-"))
    server = Synapse(folder, messages)

    def end() -> None:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    server.start()
    return server


@pytest.fixture(scope="session")
def synapse() -> Synapse:
    """The homeserver of all tests: every test has users and rooms of its own."""
    return shared()


@pytest.fixture(scope="session")
def harsh_synapse() -> Synapse:
    """A homeserver that limits what anybody may say, as public ones do."""
    return _limiting()
