"""A real InspIRCd, with IRCv3, and the services (atheme) of a network of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.servers.irc import Certificate, RawClient, binary, free_port, reachable

MODULES = (
    "cap",
    "ircv3",
    "ircv3_accounttag",
    "ircv3_batch",
    "ircv3_capnotify",
    "ircv3_chghost",
    "ircv3_ctctags",
    "ircv3_echomessage",
    "ircv3_labeledresponse",
    "ircv3_msgid",
    "ircv3_servertime",
    "chanhistory",
    "muteban",
    "sasl",
    "services_account",
    "sethost",
    "spanningtree",
    "sslinfo",
)
MODULE_FOLDER = "/usr/lib/inspircd/modules"
ROOMY = 'threshold="100000" commandrate="100000" recvq="256K" fakelag="no"'
"""No flood protection at all."""


@dataclass
class Inspircd:
    """An InspIRCd on a port of its own: in clear or, with a certificate, with TLS.

    People who do without TLS find it at `plain` in either case. `limits` is what it does against
    floods; `without` names modules that are left out.
    """

    folder: Path
    certificate: Certificate | None = None
    limits: str = ROOMY
    without: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    plain: int = field(default_factory=free_port)
    services_port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Inspircd:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start it; return once it takes connections."""
        config = self.folder / "inspircd.xml"
        config.write_text(self._config())
        root = ["--runasroot"] if os.geteuid() == 0 else []
        self._process = await asyncio.create_subprocess_exec(
            binary("inspircd"),
            *root,
            "--nofork",
            "--config",
            str(config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await reachable(self.port)

    async def kill(self) -> None:
        """End it without a chance to say goodbye; at SIGTERM it may crash (seen)."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    def _config(self) -> str:
        folders = "".join(
            f'{name}dir="{MODULE_FOLDER if name == "module" else self.folder}" '
            for name in ("config", "data", "log", "module", "runtime")
        )
        names = [name for name in MODULES if name not in self.without]
        if self.certificate is not None:
            names.append("ssl_gnutls")
        modules = [f'<module name="{name}">' for name in names]
        return "\n".join([_HEAD.format(folders=folders, inspircd=self), *modules, *self._binds()])

    def _binds(self) -> list[str]:
        lines = []
        secure = ""
        if self.certificate is not None:
            files = f'certfile="{self.certificate.certificate}" keyfile="{self.certificate.key}"'
            lines = [f'<sslprofile name="here" provider="gnutls" hash="sha256" {files}>']
            secure = ' sslprofile="here"'
        return [
            *lines,
            f'<bind address="127.0.0.1" port="{self.port}" type="clients"{secure}>',
            f'<bind address="127.0.0.1" port="{self.plain}" type="clients">',
            f'<bind address="127.0.0.1" port="{self.services_port}" type="servers">',
            "",
        ]


_HEAD = """\
<config format="xml">
<path {folders}>
<server name="irc.test.local" description="test" network="Test" id="1AA">
<admin name="a" nick="a" email="a@test.local">
<connect allow="*" timeout="60" {inspircd.limits} pingfreq="120" hardsendq="10M"
 softsendq="1M" localmax="1000" globalmax="1000" resolvehostnames="no" useident="no" maxchans="200">
<class name="all" commands="*" usermodes="*" chanmodes="*" privs="*">
<type name="NetAdmin" classes="all">
<oper name="oper" password="operpw" host="*@*" type="NetAdmin">
<chanhistory maxlines="100" prefixmsg="no" bots="yes" enableumode="no">
<sasl target="services.test.local" requiressl="no">
<muteban notifyuser="yes">
<link name="services.test.local" ipaddr="127.0.0.1" port="{inspircd.services_port}"
 allowmask="127.0.0.1" sendpass="linked" recvpass="linked">
<uline server="services.test.local" silent="yes">
<performance softlimit="12800" quietbursts="yes">
<options defaultmodes="no" casemapping="rfc1459" splitwhois="no">
<log method="file" type="*" level="default" target="inspircd.log">
"""


@dataclass
class Atheme:
    """The services of an InspIRCd: NickServ and SASL, PLAIN and EXTERNAL."""

    folder: Path
    server: Inspircd
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start them; `registered` waits until they have linked."""
        home = self.folder / "atheme"
        home.mkdir(exist_ok=True)
        config = home / "atheme.conf"
        config.write_text(_ATHEME.format(port=self.server.services_port, folder=home))
        common = ["-c", str(config), "-D", str(home), "-l", str(home / "log"), "-p"]
        common += [str(home / "pid")]
        if not (home / "services.db").exists():
            await (await self._spawn("-b", *common)).wait()
        self._process = await self._spawn("-n", *common)

    async def stop(self) -> None:
        """End them; the network goes on without."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()

    async def register(self, account: str, password: str, certificate: Path | None = None) -> None:
        """Register an account, by password and by a certificate where there is one."""
        client = await registered(self.server.plain, account, account, password, new=True)
        if certificate is not None:
            client.send(f"PRIVMSG NickServ :CERT ADD {fingerprint(certificate)}")
            await client.wait_for("Added fingerprint")
        client.send("QUIT")
        await client.close()

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            binary("atheme-services"),
            *arguments,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self.folder)},
        )


_ATHEME_MODULES = (
    "protocol/inspircd",
    "backend/opensex",
    "crypto/pbkdf2",
    "nickserv/main",
    "nickserv/register",
    "nickserv/identify",
    "nickserv/logout",
    "nickserv/cert",
    "nickserv/enforce",
    "nickserv/ghost",
    "saslserv/main",
    "saslserv/plain",
    "saslserv/external",
)
_ATHEME = (
    "".join(f'loadmodule "modules/{name}";\n' for name in _ATHEME_MODULES)
    + """
crypto {{ pbkdf2_iterations = 10000; }};
serverinfo {{
  name = "services.test.local"; desc = "Services"; numeric = "00A"; recontime = 1; netname = "Test";
  hidehostsuffix = "users.test"; adminname = "a"; adminemail = "a@test.local";
  registeremail = "no@test.local"; auth = none; loglevel = {{ error; info; }}; maxusers = 0;
  casemapping = rfc1459;
}};
uplink "irc.test.local" {{
  host = "127.0.0.1"; send_password = "linked"; receive_password = "linked"; port = {port};
}};
nickserv {{ nick = "NickServ"; user = "NickServ"; host = "services.test.local"; real = "Nicks"; }};
saslserv {{ nick = "SaslServ"; user = "SaslServ"; host = "services.test.local"; real = "SASL"; }};
general {{ commit_interval = 5; flood_msgs = 0; operstring = "is an IRC operator"; }};
"""
)


async def registered(
    port: int, nick: str, account: str, password: str, *channels: str, new: bool = False
) -> RawClient:
    """Return a person who is logged in to `account` (which is made, where it is `new`)."""
    client = await RawClient.connect(port, nick)
    while True:
        asked = f"REGISTER {password} a@test.local" if new else f"IDENTIFY {account} {password}"
        client.send(f"PRIVMSG NickServ :{asked}", "PING :asked")
        answer = await client.wait_for(lambda line: " 900 " in line or " 401 " in line)
        if " 900 " in answer:
            break
    for channel in channels:
        client.send(f"JOIN {channel}")
        await client.wait_for(" 366 ")
    return client


def fingerprint(certificate: Path) -> str:
    """Return what services know a client's certificate by, with `hash="sha256"`."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()


@asynccontextmanager
async def services(server: Inspircd) -> AsyncIterator[Atheme]:
    """Run the services of `server` for the block."""
    atheme = Atheme(server.folder, server)
    await atheme.start()
    try:
        yield atheme
    finally:
        await atheme.stop()


@pytest.fixture
async def inspircd(tmp_path: Path) -> AsyncIterator[Inspircd]:
    """A fresh InspIRCd without TLS and without flood protection."""
    async with Inspircd(tmp_path) as server:
        yield server
