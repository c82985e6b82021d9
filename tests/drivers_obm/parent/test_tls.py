"""A parent all of whose doors speak TLS: API, obmd and console prove themselves before a word is said to them."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hil.api.settings import Settings
from hil.core.errors import DeviceError, IdentityChanged
from hil.core.secret import Secret
from hil.drivers.obm.parent.session import open_session
from hil.drivers.transport.http import fingerprint
from hil.obmd.app import ObmdSettings, close_consoles, create_app
from hil.obmd.store import ObmdStore
from hil.process.http import HttpPart, listen, written
from hil.services.obm_key import obm_public_keys
from hil.store.unit import Store
from tests.api_v1.world import open_world
from tests.drivers_obm.parent.peer import api_key, api_of, config
from tests.obm_side.world import ADMIN, QUICK, Obmd, ObmWorld
from tests.obmd.serving import true

pytestmark = pytest.mark.net
LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
ELSEWHERE = x509.SubjectAlternativeName([x509.IPAddress(ip_address("192.0.2.1"))])


class Authority:
    """An issuer of certificates. `ca` is its own, in a file."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory, self._key = directory, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, directory.name)])
        made = self._build(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, names: x509.SubjectAlternativeName = LOOPBACK) -> tuple[Path, Path]:
        """A certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._build(subject, key, names, critical=False)
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(plain)
        return paths

    def _build(self, subject: x509.Name, key: Any, extension: Any, *, critical: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        begun = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        dated = begun.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        numbered = dated.serial_number(x509.random_serial_number()).add_extension(extension, critical)
        return numbered.sign(self._key, hashes.SHA256())


def print_of(path: Path) -> str:
    return fingerprint(ssl.PEM_cert_to_DER_cert(path.read_text()))


@asynccontextmanager
async def obmd_over_tls(world: ObmWorld, certificate: tuple[Path, Path], ca: Path) -> AsyncIterator[Obmd]:
    keys = world.hil.store.change(obm_public_keys)
    app = create_app(world.store, ObmdSettings(public_keys=keys, admin_token=Secret(ADMIN), limits=QUICK))
    bound, ending = listen("127.0.0.1:0"), lambda: close_consoles(app)
    part = HttpPart("obmd", app, bound, drain=1.0, websockets=True, let_go=ending, certificate=certificate)
    running = asyncio.create_task(part.run())
    await part.ready.wait()
    url, trust = f"https://{written(bound)}", ssl.create_default_context(cafile=ca)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, verify=trust) as client:
            yield Obmd(url, client)
    finally:
        part.stop()
        await running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def parent(
    sqlite_url: str, open_store: Any, obmd_store: ObmdStore, authority: Authority, tmp_path: Path
) -> Iterator[ObmWorld]:
    """A HIL that trusts its obmd by the authority alone, and a machine of project p behind it."""
    store: Store = open_store(sqlite_url)
    store.limits = dataclasses.replace(store.limits, obmd_ca_file=str(authority.ca))
    settings = Settings(look_again=0.05, obmd_timeout=5.0, machine_timeout=10.0, obmd_ca_file=str(authority.ca))
    made = ObmWorld(open_world(store, settings), obmd_store, AsyncExitStack())
    serving = obmd_over_tls(made, authority.issue("obmd"), authority.ca)
    made.site = made.run(made.stack.enter_async_context(serving))
    made.machine("n1", "p", enabled=True).on = True
    yield made
    made.close()


def play(world: ObmWorld, authority: Authority, story: Any) -> None:
    """Run a story with the API's address, also over TLS, and a key of the project."""
    _, token = api_key(world)

    async def run() -> None:
        async with api_of(world, authority.issue("api")) as url, asyncio.timeout(60):
            await story(url, token)

    world.run(run())


def pins(authority: Authority, tmp_path: Path, how: str) -> dict[str, str]:
    """Ways to say who the parent is, all of them right."""
    ca, ours = authority.ca.read_text(), authority.ca.parent
    return {
        "the issuer, for both": {"certificate": ca},
        "the issuer of each": {"certificate": ca, "console_certificate": ca},
        "each by its fingerprint": {
            "certificate": print_of(ours / "api.pem"), "console_certificate": print_of(ours / "obmd.pem"),
        },
        "the console by itself": {"certificate": ca, "console_certificate": (ours / "obmd.pem").read_text()},
        "whoever comes first": {"certificate": "first-use", "console_certificate": "first-use"},
    }[how]  # fmt: skip


@pytest.mark.parametrize(
    "how",
    [
        "the issuer, for both",
        "the issuer of each",
        "each by its fingerprint",
        "the console by itself",
        "whoever comes first",
    ],
)
def test_a_console_goes_over_tls_from_end_to_end(
    parent: ObmWorld, authority: Authority, tmp_path: Path, how: str
) -> None:
    machine = parent.machines["n1"]

    async def story(url: str, token: str) -> None:
        session = await open_session(config(url, token, **pins(authority, tmp_path, how)))
        line = await session.console()
        machine.print(b"Welcome")
        assert await line.read() == b"Welcome"
        await line.write(b"root")
        await true(lambda: bytes(machine.typed) == b"root")
        await line.close()
        await session.close()

    play(parent, authority, story)


def wrong(authority: Authority, tmp_path: Path, how: str) -> str:
    """What the console's certificate is said to be, and is not."""
    match how:
        case "another's fingerprint":
            return "AB" * 32
        case "the API's own":
            return print_of(authority.ca.parent / "api.pem")
        case "another issuer":
            return Authority(tmp_path / "another").ca.read_text()
        case _:
            return authority.issue("stranger")[0].read_text()


@pytest.mark.parametrize("how", ["another's fingerprint", "the API's own", "another issuer", "another certificate"])
def test_a_console_that_proves_to_be_another_hears_nothing(
    parent: ObmWorld, authority: Authority, tmp_path: Path, how: str
) -> None:
    machine, heard = parent.machines["n1"], parent.servers["n1"]

    async def story(url: str, token: str) -> None:
        known = {"certificate": authority.ca.read_text(), "console_certificate": wrong(authority, tmp_path, how)}
        session = await open_session(config(url, token, **known))
        with pytest.raises(DeviceError) as seen:
            await session.console()
        assert type(seen.value) is IdentityChanged
        assert token not in f"{seen.value!r}{seen.value.detail}"
        await session.close()
        again = await open_session(config(url, token, **known))
        assert await again.power() is True, "the API is who it is"
        await again.close()

    play(parent, authority, story)
    assert bytes(machine.typed) == b""
    assert not heard.consoles


def test_a_certificate_of_the_right_issuer_for_another_address_is_refused(
    parent: ObmWorld, authority: Authority
) -> None:
    """An impostor in the place of obmd, who has a certificate of the same issuer, hears no capability."""
    heard: list[bytes] = []

    async def listen_to(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.close()

    async def story(url: str, token: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("impostor", ELSEWHERE))
        server = await asyncio.start_server(listen_to, "127.0.0.1", 0, ssl=context)
        async with server:
            impostor = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            session = await open_session(config(url, token, certificate=authority.ca.read_text()))
            parent.hil.store.change(lambda unit: _move(unit, impostor))
            with pytest.raises(DeviceError) as seen:
                await session.console()
            assert type(seen.value) is IdentityChanged
            await session.close()
        await server.wait_closed()

    play(parent, authority, story)
    assert b"".join(heard) == b""


def _move(unit: Any, uri: str) -> None:
    """Let the parent's books name another obmd, as one who lies to its clients would."""
    from sqlalchemy import update

    from hil.store.tables import Node

    unit.session.execute(update(Node).where(Node.name == "n1").values(obmd_uri=uri))


def test_without_a_word_about_certificates_the_system_decides(parent: ObmWorld, authority: Authority) -> None:
    async def story(url: str, token: str) -> None:
        with pytest.raises(IdentityChanged, match="certificate"):
            await open_session(config(url, token))

    play(parent, authority, story)
