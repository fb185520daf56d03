"""An identity provider on this machine: whoever is chosen on its page has signed in. For the journeys alone."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Sequence
from typing import Any


class Provider:
    """Serve the four pages of OpenID Connect that a sign-in needs."""

    def __init__(self, people: Sequence[str]) -> None:
        from joserfc import jwk

        self.people = people
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()

    @property
    def metadata(self) -> dict[str, Any]:
        pages = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {
            "issuer": self.address, **{name: f"{self.address}/{path}" for name, path in pages.items()},
            "response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
        }  # fmt: skip

    def token(self, code: str, client: str) -> dict[str, Any]:
        from joserfc import jwt

        person, _, nonce = code.partition("|")
        now = int(time.time())
        claims = {"iss": self.address, "aud": client, "sub": person, "email": person, "email_verified": True, "iat": now, "exp": now + 3600}
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims | ({"nonce": nonce} if nonce else {}), self.key)
        return {"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": signed}

    def choice(self, asked: dict[str, str]) -> str:
        """Return the page on which one chooses who one is."""
        links = []
        for person in self.people:
            answer = urllib.parse.urlencode({"code": f"{person}|{asked.get('nonce', '')}", "state": asked.get("state", "")})
            links.append(f'<p><a href="{asked["redirect_uri"]}?{answer}">{person}</a></p>')
        return "<h1>Who are you?</h1>" + "".join(links)


def _handler(provider: Provider) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/.well-known/openid-configuration":
                self._answer(json.dumps(provider.metadata))
            elif path == "/keys":
                self._answer(json.dumps({"keys": [provider.key.as_dict(private=False)]}))
            elif path == "/authorize":
                self._answer(provider.choice(dict(urllib.parse.parse_qsl(query))), "text/html")
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self._answer(json.dumps(provider.token(form["code"], "tieout")))

        def _answer(self, text: str, kind: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None: ...

    return Handler
