"""What a scanner may offer a TLS server, tried in memory: versions, suites, groups, signature algorithms."""

import itertools
import ssl
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from tests.tls_authority import authority, issued
from tests.unit.trust.tls.handshake import End, end_of

from meterworks.trust.tls import Interface, TlsPolicy, openssl

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
SUITES_13 = (
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)  # fmt: skip
GROUPS = (
    "P-256", "P-384", "P-521", "X25519", "X448", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
    "secp256k1", "P-224", "ffdhe2048", "ffdhe3072",
)  # fmt: skip
GROUP_CODES = dict(zip(GROUPS, (23, 24, 25, 29, 30, 26, 27, 28, 22, 21, 256, 257), strict=True))  # RFC 8422, 7919
GROUPS_OF_12_ONLY = frozenset({"brainpoolP256r1", "brainpoolP384r1"})  # OpenSSL 3.0 has them with TLS 1.2 only
SIGNATURES = ("ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512", "ECDSA+SHA1", "ed25519")
OWN_ROLE = {
    Interface.METER: "device", Interface.PUSH: "headend", Interface.BUS: "nats", Interface.DATABASE: "database",
    Interface.MARKET: "web", Interface.EST: "pki", Interface.WEB: "web",
}  # fmt: skip
PEER_ROLE = {
    Interface.METER: "headend", Interface.PUSH: "device", Interface.BUS: "writer", Interface.DATABASE: "writer",
    Interface.MARKET: "organisation", Interface.EST: "device", Interface.WEB: "organisation",
}  # fmt: skip


@dataclass(frozen=True)
class Offer:
    """One thing a client offers, and nothing else."""

    version: str = "TLSv1.2"
    suite: str = "ECDHE-ECDSA-AES128-GCM-SHA256"
    group: str = "P-256"
    signature: str = "ECDSA+SHA256"

    def __str__(self) -> str:
        return f"{self.version} {self.suite} {self.group} {self.signature}"


def suites_12() -> tuple[str, ...]:
    """Every suite before TLS 1.3 that this OpenSSL can offer, null and anonymous ones too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return tuple(each["name"] for each in context.get_ciphers() if not each["name"].startswith("TLS_"))


def is_allowed(policy: TlsPolicy, offer: Offer) -> bool:
    """What the table says about an offer, of a server whose certificate has a key of P-256."""
    suites = policy.suites_13 if offer.version == "TLSv1.3" else policy.suites_12
    signatures = policy.signature_algorithms if offer.version == "TLSv1.2" else ("ECDSA+SHA256",)  # 1.3: of the curve
    late_group = offer.version == "TLSv1.3" and offer.group in GROUPS_OF_12_ONLY
    # before TLS 1.3 the groups of a client bound the curves of certificates too, so that it must offer P-256 as well
    return (
        offer.version in policy.versions
        and offer.suite in suites
        and offer.group in policy.groups
        and not late_group
        and offer.signature in signatures
    )


def client_offering(offer: Offer, role: str) -> ssl.SSLContext:
    """A client that can do this and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    authority().memory(issued(role, "scanner")).load_into(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = VERSIONS[offer.version]
    if offer.version != "TLSv1.3":
        context.set_ciphers(f"{offer.suite}:@SECLEVEL=0")
    else:
        context.set_ciphers("ALL:@SECLEVEL=0")
    groups = (offer.group,) if offer.version == "TLSv1.3" or offer.group == "P-256" else (offer.group, "P-256")
    assert openssl.set_parameters(
        context,
        groups=groups,
        signature_algorithms=(offer.signature,),
        suites_13=(offer.suite,) if offer.version == "TLSv1.3" else (),
        ticket_s=1,
    )
    return context


def negotiates(server: ssl.SSLContext, offer: Offer, role: str, policy: TlsPolicy) -> bool:
    """Whether a server takes an offer, up to the end of the handshake.

    Before TLS 1.3 a client has to offer the curve of the certificate as well: then the group that the server chose
    tells, and which of several lawful ones it prefers is its own affair.
    """
    try:
        client = client_offering(offer, role)
    except ssl.SSLError:
        return False  # not even a scanner with this OpenSSL can offer it
    one, other = end_of(client, server_side=False, name="scanned"), end_of(server, server_side=True)
    try:
        flights = shake_and_hear(one, other)
    except ssl.SSLError:
        return False
    if one.wrapped.version() != offer.version:
        return False
    chosen = group_of(flights) if offer.version != "TLSv1.3" else None
    lawful = {GROUP_CODES[group] for group in policy.groups} if offer.group in policy.groups else set()
    return chosen is None or chosen in {GROUP_CODES[offer.group], *lawful}


def shake_and_hear(client: End, server: End) -> bytes:
    """Carry flights to and fro; gives all that the server said. Raises ssl.SSLError where either refuses."""
    heard = b""
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            if not one.is_done:
                try:
                    one.wrapped.do_handshake()
                    one.is_done = True
                except ssl.SSLWantReadError:
                    pass
                finally:
                    flight = one.outgoing.read()
                    heard += flight if one is server else b""
                    other.incoming.write(flight)
    assert client.is_done and server.is_done
    return heard


def group_of(flights: bytes) -> int | None:
    """The named curve in a server's key exchange (RFC 8422, 5.4); None where it sent none in clear."""
    messages, place = b"", 0
    while place + 5 <= len(flights) and flights[place] == 22:  # records of the handshake, up to the change of cipher
        size = int.from_bytes(flights[place + 3 : place + 5], "big")
        messages += flights[place + 5 : place + 5 + size]
        place += 5 + size
    place = 0
    while place + 4 <= len(messages):
        kind, size = messages[place], int.from_bytes(messages[place + 1 : place + 4], "big")
        if kind == 12 and messages[place + 4] == 3:
            return int.from_bytes(messages[place + 5 : place + 7], "big")
        place += 4 + size
    return None


def row_of_each() -> Iterator[Offer]:
    """Each version, suite, group and signature algorithm once, beside what is allowed."""
    for version in ("TLSv1", "TLSv1.1"):
        yield Offer(version=version, suite="ECDHE-ECDSA-AES128-SHA")
    yield from (Offer(suite=suite) for suite in suites_12())
    yield from (Offer(version="TLSv1.3", suite=suite) for suite in SUITES_13)
    for group in GROUPS:
        yield Offer(version="TLSv1.3", suite="TLS_AES_128_GCM_SHA256", group=group)
    for signature in SIGNATURES:
        yield Offer(signature=signature)
        yield Offer(version="TLSv1.3", suite="TLS_AES_128_GCM_SHA256", signature=signature)


def every_offer() -> Iterator[Offer]:
    """The whole matrix, for long runs."""
    for version, suite, group in itertools.product(("TLSv1", "TLSv1.1", "TLSv1.2"), suites_12(), GROUPS):
        yield Offer(version=version, suite=suite, group=group)
    for suite, group, signature in itertools.product(SUITES_13, GROUPS, SIGNATURES):
        yield Offer(version="TLSv1.3", suite=suite, group=group, signature=signature)


def wrong_verdicts(server: ssl.SSLContext, policy: TlsPolicy, offers: Iterator[Offer], role: str) -> list[str]:
    """What negotiates though it may not, and what does not though it may."""
    return [str(offer) for offer in offers if negotiates(server, offer, role, policy) != is_allowed(policy, offer)]
