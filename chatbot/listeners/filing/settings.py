"""What a flow file may say about trackers and webhooks, and what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from pathlib import Path

from chatbot.listeners.filing.http import address_problems
from chatbot.listeners.filing.orders import rate_problems
from chatbot.listeners.secret import secret_of, secret_problems

Problem = tuple[str, str]
"""The key that is wrong, and what is wrong with its value."""

FORGES = ("github", "gitea")
STANDARD = "whsec_"
"""What a secret begins with that is base64 (Standard Webhooks)."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubSettings:
    """One repository. Nothing is checked before `problems` is called."""

    repository: str = ""
    """Where entries are opened, as OWNER/NAME."""
    token: str = field(default="", repr=False)
    """A token that may write issues there, and nothing else."""
    token_file: Path | None = None
    """A file that holds it, instead."""
    api: str = "https://api.github.com"
    """The address of the API: https://HOST/api/v3 of GitHub Enterprise, https://HOST/api/v1 of
    Gitea and Forgejo."""
    forge: str = "github"
    """What the API is of: github, or gitea (Forgejo, too)."""
    dry_run: bool = True
    """Post nothing; only answer as if."""
    limit: str = "5 in 1h"
    """How much one person may have posted; off for any number."""
    total: str = "60 in 1h"
    """How much all together may."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's (a private CA)."""

    def secret(self) -> str:
        """Return the token; reads its file. Raises `ListenerError`."""
        return secret_of(self.token, self.token_file, "token")

    def problems(self) -> list[Problem]:
        """Return all that is wrong, in the order of the fields; empty where nothing is."""
        found: list[Problem] = []
        if self.repository and not _REPOSITORY.fullmatch(self.repository):
            found.append(("repository", "must be OWNER/NAME"))
        if not self.dry_run and not self.repository:
            found.append(("repository", "is missing: say where, as OWNER/NAME"))
        if not self.dry_run or self.token_file is not None:
            found += secret_problems(self.token, self.token_file, "token", required=True)
        found += address_problems("api", self.api)
        if self.forge not in FORGES:
            found.append(("forge", f"must be {' or '.join(FORGES)}"))
        return found + rate_problems(limit=self.limit, total=self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """One address. Nothing is checked before `problems` is called."""

    url: str = field(default="", repr=False)
    """Where JSON is posted; a secret, as many such addresses are one."""
    url_file: Path | None = None
    """A file that holds it, instead."""
    secret: str = field(default="", repr=False)
    """What posts are signed with; empty for no signature."""
    secret_file: Path | None = None
    """A file that holds it, instead."""
    dry_run: bool = True
    """Post nothing; only answer as if."""
    limit: str = "30 in 1h"
    """How much one person may have posted; off for any number."""
    total: str = "600 in 1h"
    """How much all together may."""
    timeout: float = 30.0
    """Seconds that a post may take."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's (a private CA)."""

    def address(self) -> str:
        """Return the address; reads its file. Raises `ListenerError`."""
        return secret_of(self.url, self.url_file, "url")

    def key(self) -> bytes:
        """Return what is signed with; reads its file. Raises `ListenerError`."""
        return key_of(secret_of(self.secret, self.secret_file, "secret"))

    def problems(self) -> list[Problem]:
        """Return all that is wrong, in the order of the fields; empty where nothing is."""
        wrong = secret_problems(self.url, self.url_file, "url", required=not self.dry_run)
        if not wrong and self.url:
            wrong = address_problems("url", self.url)
        found: list[Problem] = [*wrong, *secret_problems(self.secret, self.secret_file, "secret")]
        try:
            key_of(self.secret)
        except ValueError:
            found.append(("secret", f"begins with {STANDARD} and is not base64 behind it"))
        if not 1 <= self.timeout <= 300:
            found.append(("timeout", "must be 1 to 300 seconds"))
        return found + rate_problems(limit=self.limit, total=self.total)


def key_of(secret: str) -> bytes:
    """Return the bytes to sign with; raises `ValueError` where it says base64 and is none."""
    if not secret.startswith(STANDARD):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(STANDARD), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
