"""The pki process: enrolment over HTTPS, revocation lists for everyone, and the authorities' own renewal.

It alone opens the authorities' keys while the system runs. Clients may come without a certificate (a first enrolment
has none); whoever shows one is judged here again, since a maker's certificate opens enrolment only. Certificates are
judged by the machine's clock.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from meterworks.errors import MeterworksError
from meterworks.runtime import get_logger, together
from meterworks.system.seal import seal_rule
from meterworks.system.serving.listener import PEER_EXTENSION, HttpServer
from meterworks.system.serving.process import Ground, answering_as_ready
from meterworks.system.serving.provisioning import ProvisioningDesk
from meterworks.trust.audit import AuditEvent, AuditSink, Outcome
from meterworks.trust.pki import (
    EnrolmentPlan,
    EstRequest,
    EstResponse,
    EstService,
    Provisioning,
    SystemPki,
    expiry_alarms,
)
from meterworks.trust.tls import Interface, TlsFiles, server_context

__all__ = ["EnrolmentApplication", "EnrolmentProtocol", "serve"]

log = get_logger("system.pki")
MAINTENANCE_S: Final = 30.0  # between two looks for what is revoked, ends or is due: a revocation is out within this
BODY_SIZE_MAX: Final = 64 * 1024
CRL_PATH: Final = "/crl/"
CRL_TYPE: Final = "application/pkix-crl"

Scope = MutableMapping[str, Any]


class EnrolmentProtocol(HttpToolsProtocol):
    """Puts the certificate that the client showed, if any, into the scope of each request."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        connection = cast("ssl.SSLObject | None", self.transport.get_extra_info("ssl_object"))
        der = connection.getpeercert(binary_form=True) if connection is not None else None
        cast("Scope", self.scope)["extensions"] = {PEER_EXTENSION: (der,) if der else ()}


class EnrolmentApplication:
    """The ASGI application: EST and revocation lists, each issue on record before it is done."""

    def __init__(
        self, pki: SystemPki, service: EstService, audit: AuditSink, *, publish: Callable[[], Sequence[str]]
    ) -> None:
        """publish: writes what relying parties read, and gives the names of the authorities that have a new list."""
        self._pki = pki
        self._service = service
        self._audit = audit
        self._publish = publish
        self.turn = asyncio.Lock()
        """Held by whoever uses the authorities' keys and ledger: they have one user at a time."""

    async def __call__(self, scope: Scope, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, await _body(receive))
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, body: bytes) -> EstResponse:
        if scope["path"].startswith(CRL_PATH):
            return await self._list(scope)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = EstRequest(
            method=scope["method"],
            path=scope["path"],
            body=body,
            content_type=headers.get("content-type", ""),
            authorization=headers.get("authorization", ""),
            peer=scope.get("extensions", {}).get(PEER_EXTENSION, ()),
        )
        async with self.turn:
            answer = await asyncio.to_thread(self._service.prepare, request, now=datetime.now(UTC))
        if isinstance(answer, EnrolmentPlan):  # recorded out of turn: plans of many share a write to the disk
            answer = await self._issue(answer)
        if answer.status >= 400:
            log.warning("enrolment refused", status=answer.status, identity=answer.identity, cause=answer.cause)
            await self._audit.append(_refused(answer))
        return answer

    async def _issue(self, plan: EnrolmentPlan) -> EstResponse:
        """Issue what is planned; nothing is issued that cannot be recorded first."""
        try:
            await self._audit.append(_issuing(plan))
        except MeterworksError as error:
            log.error("enrolment cannot be recorded", identity=plan.identity, cause=str(error))  # noqa: TRY400
            text = b"enrolment cannot be recorded at the moment: ask again later\n"
            return EstResponse(status=503, body=text, headers={"Retry-After": "30"}, identity=plan.identity)
        async with self.turn:
            return await asyncio.to_thread(self._service.complete, plan, now=datetime.now(UTC))

    async def _list(self, scope: Scope) -> EstResponse:
        name = scope["path"].removeprefix(CRL_PATH).removesuffix(".crl")
        async with self.turn:
            found = await asyncio.to_thread(self._crl, name)
        if found is None or scope["method"] not in {"GET", "HEAD"}:
            return EstResponse(status=404, body=f"there is no revocation list {name}\n".encode())
        return EstResponse(status=200, body=found, content_type=CRL_TYPE, headers={"Cache-Control": "max-age=60"})

    def _crl(self, name: str) -> bytes | None:
        for row in self._pki.ledger.authorities():
            authority = self._pki.authority(row.name, row.generation)
            if authority.file_name == name:
                return authority.current_crl().public_bytes(Encoding.DER)
        return None

    async def maintain(self, stopping: asyncio.Event) -> None:
        """Renew authorities that are due and publish lists, until asked to stop."""
        while not stopping.is_set():
            async with self.turn:
                renewed, listed = await asyncio.to_thread(self._maintain)
            for name in listed:
                self._audit.post(AuditEvent(act="crl.published", actor="process:pki", object=f"authority:{name}"))
            for name in renewed:
                log.warning("authority renewed", authority=name)
                await self._audit.append(
                    AuditEvent(act="root.changed", actor="process:pki", object=f"authority:{name}")
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MAINTENANCE_S):
                    await stopping.wait()

    def _maintain(self) -> tuple[list[str], Sequence[str]]:
        now = datetime.now(UTC)
        renewed = self._pki.maintain(now=now)
        for alarm in expiry_alarms(self._certificates(), now):
            log.error("certificate ends", name=alarm.name, within_days=alarm.days, ends_at=alarm.ends_at.isoformat())
        return renewed, self._publish()

    def _certificates(self) -> list[tuple[str, x509.Certificate]]:
        names = {row.name for row in self._pki.ledger.authorities()}
        return [(f"authority {name}", self._pki.authority(name).certificate) for name in sorted(names)]


async def _body(receive: Callable[[], Awaitable[Any]]) -> bytes:
    """The request's octets, up to more than any enrolment has: the core refuses what is longer."""
    parts = b""
    while len(parts) <= BODY_SIZE_MAX:  # bounded
        message = await receive()
        parts += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return parts


def _issuing(plan: EnrolmentPlan) -> AuditEvent:
    role = plan.subject.role.value if plan.subject.role else "party"
    return AuditEvent(
        act="certificate.issued",
        actor=f"{role}:{plan.identity}",
        object=f"{role}:{plan.identity}",
        cause="first enrolment" if plan.first else "renewal",
        facts={"profile": plan.profile, "authority": plan.authority},
    )


def _refused(answer: EstResponse) -> AuditEvent:
    return AuditEvent(
        act="certificate.refused",
        actor=f"peer:{answer.identity}" if answer.identity else "nobody",
        object=f"peer:{answer.identity}" if answer.identity else "process:pki",
        outcome=Outcome.REFUSED,
        cause=answer.cause[:200],
    )


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """Serve enrolment and lists until asked to stop."""
    layout = ground.layout
    pki = await asyncio.to_thread(SystemPki.open, layout.pki, ground.vault)
    try:
        pki.write_public(layout.pki_public)
        provisioning = Provisioning(pki.ledger)
        lifetime = timedelta(hours=layout.configuration.tls.lifetime_h)
        service = EstService(pki, provisioning, maker_anchors=pki.maker_anchors, service_lifetime=lifetime)
        application = EnrolmentApplication(
            pki, service, ground.audit, publish=lambda: pki.write_public(layout.pki_public)
        )
        own = ground.tls
        public = layout.pki_public
        files = TlsFiles(own.certificate, own.key, public / "enrolment.pem", public / "enrolment-crl.pem")
        context = server_context(files, Interface.EST)
        section = layout.configuration.pki
        config = uvicorn.Config(
            application,
            host=section.host,
            port=layout.port(section.port),
            http=EnrolmentProtocol,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        config.load()
        config.ssl = context
        server = HttpServer(config)
        desk = ProvisioningDesk(pki, provisioning, ground.audit, seals=lambda: seal_rule(layout), turn=application.turn)
        async with desk.answering(ground.bus):
            await _run(server, application, ground, stopping)
    finally:
        pki.close()


async def _run(server: HttpServer, application: EnrolmentApplication, ground: Ground, stopping: asyncio.Event) -> None:
    serving = asyncio.ensure_future(server.serve())
    try:
        await server.wait_started(serving)
        async with answering_as_ready(ground.bus, "pki"):
            await together(application.maintain(stopping), _until_stopped(server, serving, stopping))
    finally:
        server.should_exit = True
        await serving


async def _until_stopped(server: HttpServer, serving: "asyncio.Future[None]", stopping: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(stopping.wait())
    futures: set[asyncio.Future[Any]] = {serving, waiting}
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    stopping.set()
    server.should_exit = True
