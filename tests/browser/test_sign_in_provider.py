"""Sign-in by an OIDC provider: a small one in this process, and a real browser between the two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlparse

import pytest
from playwright.sync_api import Browser, expect
from serving import free_port, serving

pytest.importorskip("authlib")
from joserfc import jwt
from joserfc.jwk import RSAKey

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Provider:
    """Says of everybody who comes that they are `email`."""

    url: str = ""
    email: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"}))

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "desk", "sub": self.email, "email": self.email, "email_verified": True, "iat": now, "exp": now + 3600}
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims | ({"nonce": self.asked["nonce"]} if "nonce" in self.asked else {}), self.key)


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider()

    class Handler(BaseHTTPRequestHandler):
        def say(self, data: dict) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(data).encode())

        def do_GET(self) -> None:
            asked = urlparse(self.path)
            if asked.path == "/auth":
                one.asked = dict(parse_qsl(asked.query))
                self.send_response(302)
                self.send_header("location", f"{one.asked['redirect_uri']}?{urlencode({'code': 'c', 'state': one.asked['state']})}")
                self.end_headers()
            elif asked.path == "/jwks":
                self.say({"keys": [one.key.as_dict(private=False)]})
            else:
                self.say({"issuer": one.url, "authorization_endpoint": f"{one.url}/auth", "token_endpoint": f"{one.url}/token", "jwks_uri": f"{one.url}/jwks",
                          "response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.say({"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": one.token()})

        def log_message(self, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture
def app(provider: Provider, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text("\n".join([
        "[auth]", f'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"', f'cookie_secret = "{"x" * 40}"', 'client_id = "desk"', 'client_secret = "between us"',
        f'server_metadata_url = "{provider.url}/.well-known/openid-configuration"']))
    env = {**os.environ, "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "SIGN_IN": "on"}
    for name, role in (("@lab.org", "viewer"), ("head@lab.org", "admin")):
        subprocess.run([sys.executable, "-m", "core", "users", "add", name, "--role", role, "--provider"], cwd=ROOT, env=env, check=True, capture_output=True)
    with serving(env, port) as url:
        yield url


def test_a_provider_says_who_it_is_and_the_file_of_users_what_they_may(app: str, provider: Provider, browser: Browser):
    expect.set_options(timeout=20_000)
    for email, role in (("head@lab.org", "admin"), ("new@lab.org", "viewer"), ("mallory@else.org", "")):
        provider.email = email
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(app)
        page.get_by_role("button", name="Sign in with your organisation").click()
        if role:
            page.get_by_role("button", name=email).click(timeout=20_000)
            expect(page.get_by_text(f"lab.org, {role}")).to_be_visible()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("button", name="Sign in with your organisation")).to_be_visible()
        else:
            expect(page.get_by_text("is not among those who may come in")).to_be_visible()
        context.close()
