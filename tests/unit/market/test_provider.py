"""A fake identity provider: one sound login, and every lie it could tell."""

import base64
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from meterworks.catalogue import Role
from meterworks.market import BadCredentials, NotPermitted, OidcClient, OidcSettings
from meterworks.market.provider import ProviderSettingsError, ProviderUnreachable

ISSUER = "https://id.example"
NOW = 1_790_000_000.0
KEY = ECKey.generate_key("P-256", {"kid": "one"})
OTHER = ECKey.generate_key("P-256", {"kid": "one"})
SETTINGS = OidcSettings(issuer=ISSUER, client_id="meterworks", roles="ops=operator, books=auditor")
Change = Callable[[dict[str, Any]], None]


class Provider:
    """Answers as a provider does; its claims can be changed."""

    def __init__(self, change: Change = lambda claims: None, *, sign: Callable[[dict[str, Any]], str] | None = None):
        self.nonce = ""
        self.asked: list[dict[str, str]] = []
        self.claims: dict[str, Any] = {}
        self._change = change
        self._sign = sign or (lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("openid-configuration"):
            return httpx.Response(
                200,
                json={
                    "issuer": ISSUER,
                    "authorization_endpoint": f"{ISSUER}/auth",
                    "token_endpoint": f"{ISSUER}/token",
                    "jwks_uri": f"{ISSUER}/keys",
                },
            )
        if request.url.path == "/keys":
            return httpx.Response(200, json=KeySet([KEY]).as_dict(private=False))
        self.asked.append(dict(httpx.QueryParams(request.content.decode())))
        claims = {
            "iss": ISSUER,
            "aud": "meterworks",
            "sub": "42",
            "nonce": self.nonce,
            "iat": NOW,
            "exp": NOW + 300,
            "roles": ["staff", "books", "ops"],
            "amr": ["pwd", "otp"],
            "preferred_username": "olivia",
            **self.claims,
        }
        self._change(claims)
        return httpx.Response(200, json={"id_token": self._sign(claims)})


async def login(provider: Provider, settings: OidcSettings = SETTINGS, **answer: str):
    client = OidcClient(
        settings,
        transport=httpx.MockTransport(provider),
        now=lambda: datetime.fromtimestamp(NOW, UTC),
        monotonic=time.monotonic,
    )
    begun = await client.begin("http://localhost:8080/login/provider/callback")
    provider.nonce = begun.nonce
    return begun, await client.finish(begun, code="the code", **answer)


async def test_a_sound_login_gives_subject_role_and_factors():
    provider = Provider()
    begun, found = await login(provider)
    assert (found.issuer, found.subject, found.name) == (ISSUER, "42", "olivia@id.example")
    assert found.role is Role.OPERATOR, "the first row of our table that fits"
    assert found.factors == {"provider", "provider-mfa"}
    question = httpx.URL(begun.url).params
    assert question["code_challenge_method"] == "S256"
    assert question["state"] == begun.state
    assert begun.verifier not in begun.url, "the verifier goes to the token endpoint only"
    assert provider.asked[0]["code_verifier"] == begun.verifier


async def test_a_password_at_the_provider_is_one_factor():
    _, found = await login(Provider(lambda claims: claims.update(amr=["pwd"])))
    assert found.factors == {"provider"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda claims: claims.update(nonce="another"), id="nonce"),
        pytest.param(lambda claims: claims.pop("nonce"), id="no nonce"),
        pytest.param(lambda claims: claims.update(aud="another"), id="audience"),
        pytest.param(lambda claims: claims.update(aud=["meterworks", "another"]), id="two audiences"),
        pytest.param(lambda claims: claims.update(azp="another"), id="authorised party"),
        pytest.param(lambda claims: claims.update(iss="https://evil.example"), id="issuer"),
        pytest.param(lambda claims: claims.update(exp=NOW - 61), id="expired"),
        pytest.param(lambda claims: claims.pop("exp"), id="no end"),
        pytest.param(lambda claims: claims.update(iat=NOW + 120), id="of the future"),
        pytest.param(lambda claims: claims.update(iat=NOW - 3600), id="old"),
        pytest.param(lambda claims: claims.update(sub=""), id="no subject"),
    ],
)
async def test_a_claim_that_does_not_hold_lets_nobody_in(change: Change):
    with pytest.raises(BadCredentials):
        await login(Provider(change))


def _unsigned(claims: dict[str, Any]) -> str:
    token = jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY)
    _, payload, _ = token.split(".")
    return f"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{payload}."


def _by_public_key(claims: dict[str, Any]) -> str:
    token = jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY)
    header = _encoded(b'{"alg":"HS256","kid":"one"}')
    signed = f"{header}.{token.split('.')[1]}"
    tag = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")  # libraries refuse a PEM as a secret
    return f"{signed}.{_encoded(tag)}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(_unsigned, id="alg none"),
        pytest.param(_by_public_key, id="the public key as a shared secret"),
        pytest.param(lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, OTHER), id="another key"),
        pytest.param(lambda claims: "no token", id="garbage"),
    ],
)
async def test_a_signature_that_does_not_hold_lets_nobody_in(sign: Callable[[dict[str, Any]], str]):
    with pytest.raises(BadCredentials):
        await login(Provider(sign=sign))


async def test_an_answer_of_another_issuer_is_refused():
    with pytest.raises(BadCredentials):
        await login(Provider(), issuer="https://evil.example")


async def test_somebody_without_a_role_of_ours_is_refused():
    for held in ([], "staff", ["Ops"], 7, None):
        provider = Provider()
        provider.claims["roles"] = held
        with pytest.raises(NotPermitted):
            await login(provider)


@pytest.mark.parametrize("roles", ["ops=supplier", "ops", "ops=king"])
def test_a_provider_gives_roles_of_the_carrier_only(roles: str):
    with pytest.raises(ProviderSettingsError):
        OidcClient(OidcSettings(issuer=ISSUER, roles=roles))


@pytest.mark.parametrize("issuer", ["http://id.example", "ftp://id.example", "", "https://"])
def test_a_provider_is_asked_over_tls_only(issuer: str):
    with pytest.raises(ProviderSettingsError):
        OidcClient(OidcSettings(issuer=issuer))


async def test_a_provider_that_is_away_is_told_apart():
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(ProviderUnreachable):
        await OidcClient(SETTINGS, transport=httpx.MockTransport(away)).begin("http://localhost/x")


async def test_a_provider_of_another_name_is_refused():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"issuer": "https://evil.example"})

    with pytest.raises(ProviderSettingsError):
        await OidcClient(SETTINGS, transport=httpx.MockTransport(answer)).begin("http://localhost/x")
