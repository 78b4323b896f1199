"""Logging in at an identity provider: OpenID Connect, authorization code with PKCE, the id token checked in full.

For the carrier's own people: the provider says who somebody is, and a table of ours which of its claims is which role.
Nothing of the answer is believed before its signature, issuer, audience, times and nonce hold.
Source: OpenID Connect Core 1.0 sections 3.1.2 and 3.1.3; RFC 7636; RFC 8176 (amr); RFC 9700.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from meterworks.catalogue import UNBOUND_ROLES, Role
from meterworks.errors import UnreachableError, UsageError
from meterworks.market.errors import BadCredentials, NotPermitted
from meterworks.trust import constant_time_equal

__all__ = ["Begun", "OidcClient", "OidcSettings", "ProviderIdentity", "ProviderSettingsError", "ProviderUnreachable"]

ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA")  # signatures only: never none, never a shared secret
SKEW_S = 60
TOKEN_AGE_S_MAX = 600
ANSWER_SIZE_MAX = 2**18
TIMEOUT_S = 10.0
METADATA_TTL_S = 3600.0
KEYS_AGAIN_S = 60.0  # keys are asked for again, for one we do not know, no more often than this
_SECOND_FACTORS = frozenset({"mfa", "otp", "hwk", "swk", "pop", "fpt", "face"})  # RFC 8176
_WRONG = "the identity provider's answer does not hold; log in again"


class ProviderSettingsError(UsageError):
    """The settings of the identity provider lead nowhere."""

    code = "provider-settings"


class ProviderUnreachable(UnreachableError):
    """The identity provider does not answer."""

    code = "provider-unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """The identity provider of the carrier's people. `issuer` empty: none."""

    issuer: str = ""
    """As the provider writes it: `https://...`; `http://` for a provider on this machine only."""
    client_id: str = ""
    client_secret_reference: str = ""
    """Path of a file that holds the client's secret; empty: a public client, by PKCE alone."""
    label: str = "the identity provider"
    """How the login page names it."""
    role_claim: str = "roles"
    """The claim that says what somebody may be: a text or a list of texts."""
    roles: str = ""
    """Which value is which role: `value=operator, other=auditor`. The first that fits counts."""

    def role_table(self) -> Mapping[str, Role]:
        """Claim value to role. Raises ProviderSettingsError."""
        table: dict[str, Role] = {}
        for entry in filter(str.strip, self.roles.split(",")):
            value, _, name = (part.strip() for part in entry.partition("="))
            if name not in {role.value for role in UNBOUND_ROLES}:
                raise ProviderSettingsError(
                    f"oidc.roles: {entry.strip()!r} gives no role of the carrier; write value=operator or value=auditor"
                )
            table[value] = Role(name)
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A login on its way: what the answer has to match."""

    url: str
    state: str
    nonce: str
    verifier: str
    redirect_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderIdentity:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    name: str
    role: Role
    factors: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Metadata:
    authorization: str
    token: str
    keys: str
    ends: float


def _checked_url(url: object, what: str) -> str:
    parts = urlsplit(url) if isinstance(url, str) else None
    local = parts is not None and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts is None or not parts.netloc or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ProviderSettingsError(f"{what} is no https address: {str(url)[:200]!r}")
    return str(url)


class OidcClient:
    """We as a client of one provider. fetch: GET or POST of an address, giving status and document."""

    def __init__(
        self,
        settings: OidcSettings,
        *,
        transport: Any = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._issuer = _checked_url(settings.issuer, "oidc.issuer")
        self._roles = settings.role_table()
        self._transport = transport
        self._now = now
        self._monotonic = monotonic
        self._known: _Metadata | None = None
        self._keys: tuple[Any, float] | None = None

    # --- the provider ---------------------------------------------------------------------------------------------

    async def _ask(self, url: str, *, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        import httpx  # for the web process only

        secret = self._secret() if form is not None else None
        auth = None if secret is None else httpx.BasicAuth(self.settings.client_id, secret)
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=TIMEOUT_S) as client:
                request = client.build_request("GET" if form is None else "POST", url, data=form)
                answer = await client.send(request, auth=auth, follow_redirects=False)
        except httpx.HTTPError as error:
            raise ProviderUnreachable(f"the identity provider does not answer: {type(error).__name__}") from error
        if answer.status_code >= 500:
            raise ProviderUnreachable(f"the identity provider failed with {answer.status_code}")
        if answer.status_code != 200 or len(answer.content) > ANSWER_SIZE_MAX:
            raise BadCredentials(_WRONG)
        try:
            document = answer.json()
        except ValueError as error:
            raise BadCredentials(_WRONG) from error
        if not isinstance(document, dict):
            raise BadCredentials(_WRONG)
        return document

    def _secret(self) -> str | None:
        if not self.settings.client_secret_reference:
            return None
        try:
            return Path(self.settings.client_secret_reference).read_text().strip()
        except OSError as error:
            raise ProviderSettingsError(
                f"oidc.client_secret_reference: {self.settings.client_secret_reference} cannot be read"
            ) from error

    async def _metadata(self) -> _Metadata:
        if self._known is None or self._known.ends <= self._monotonic():
            found = await self._ask(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self._issuer:
                raise ProviderSettingsError("the provider calls itself by another name than oidc.issuer")
            self._known = _Metadata(
                authorization=_checked_url(found.get("authorization_endpoint"), "the authorization endpoint"),
                token=_checked_url(found.get("token_endpoint"), "the token endpoint"),
                keys=_checked_url(found.get("jwks_uri"), "the address of the provider's keys"),
                ends=self._monotonic() + METADATA_TTL_S,
            )
        return self._known

    # --- the flow -------------------------------------------------------------------------------------------------

    async def begin(self, redirect_uri: str) -> Begun:
        """Where to send the browser, and what its return has to match. The person is asked anew, whatever session."""
        metadata = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(verifier.encode()).digest()
        question = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "prompt": "login",
        }
        separator = "&" if "?" in metadata.authorization else "?"
        url = f"{metadata.authorization}{separator}{urlencode(question)}"
        return Begun(url=url, state=state, nonce=nonce, verifier=verifier, redirect_uri=redirect_uri)

    async def finish(self, begun: Begun, *, code: str, issuer: str | None = None) -> ProviderIdentity:
        """Change the code for an id token, and say whom it speaks of. Raises BadCredentials, NotPermitted.

        issuer: what the answer named as its origin, if it did (RFC 9207).
        """
        if issuer is not None and issuer != self._issuer:
            raise BadCredentials(_WRONG)
        metadata = await self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": begun.verifier,
        }
        answer = await self._ask(metadata.token, form=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise BadCredentials(_WRONG)
        return self._identity(await self._claims(token, begun.nonce))

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        claims: dict[str, Any] | None = None
        for again in (False, True):  # once more with new keys: the provider may have changed them
            try:
                claims = jwt.decode(token, await self._key_set(again=again), algorithms=list(ALGORITHMS)).claims
                break
            except (JoseError, ValueError, KeyError, TypeError) as error:
                if again:
                    raise BadCredentials(_WRONG) from error
        assert claims is not None, "either decoded or raised"
        if not self._hold(claims, nonce):
            raise BadCredentials(_WRONG)
        return claims

    async def _key_set(self, *, again: bool) -> Any:
        from joserfc.jwk import KeySet

        now = self._monotonic()
        if self._keys is None or (again and now - self._keys[1] >= KEYS_AGAIN_S):
            document = await self._ask((await self._metadata()).keys)
            self._keys = (KeySet.import_key_set(document), now)  # type: ignore[arg-type]  # judged by the library
        return self._keys[0]

    def _hold(self, claims: Mapping[str, Any], nonce: str) -> bool:
        """Whether the claims are of this provider, for us, of now, and for this login. OIDC Core 3.1.3.7."""
        audience = claims.get("aud")
        for_us = audience == self.settings.client_id or (
            isinstance(audience, list)
            and self.settings.client_id in audience
            and (len(audience) == 1 or claims.get("azp") == self.settings.client_id)
        )
        by_us = claims.get("azp", self.settings.client_id) == self.settings.client_id
        now = self._now().timestamp()
        issued, ends, given = claims.get("iat"), claims.get("exp"), claims.get("nonce")
        return (
            claims.get("iss") == self._issuer
            and for_us
            and by_us
            and isinstance(issued, int | float)
            and isinstance(ends, int | float)
            and now - TOKEN_AGE_S_MAX <= issued <= now + SKEW_S
            and now - SKEW_S < ends
            and isinstance(given, str)
            and constant_time_equal(given.encode(), nonce.encode())
        )

    def _identity(self, claims: Mapping[str, Any]) -> ProviderIdentity:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise BadCredentials(_WRONG)
        held = claims.get(self.settings.role_claim, [])
        values = [held] if isinstance(held, str) else held if isinstance(held, list) else []
        role = next((role for value, role in self._roles.items() if value in values), None)
        if role is None:
            raise NotPermitted("the identity provider gives you no role here; ask its administrator")
        methods = claims.get("amr", [])
        strong = isinstance(methods, list) and not _SECOND_FACTORS.isdisjoint(filter(_is_text, methods))
        called = claims.get("preferred_username")
        shown = called if isinstance(called, str) and called.isprintable() and called else subject
        return ProviderIdentity(
            issuer=self._issuer,
            subject=subject,
            name=f"{shown[:60]}@{urlsplit(self._issuer).hostname}"[:128],
            role=role,
            factors=frozenset({"provider", "provider-mfa"} if strong else {"provider"}),
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str)
