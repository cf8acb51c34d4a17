"""An application's server as upload callbacks find it: it trusts nothing that is not signed."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding


class Application:
    """Answers `/ok` with JSON that repeats what it was told, `/fail` with 500, `/moved` with 301, `/text` with what is not JSON.

    Every request is checked as the samples in OSS's documentation check it; `calls` holds those that passed, `complaints` the others.
    """

    def __init__(self):
        self.calls = []
        self.complaints = []
        self.port = 0
        self.server = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Starts, or starts again on the port it had."""
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                application.take(self)

            def log_message(self, *arguments):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Listener(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        path = urllib.parse.urlsplit(request.path).path
        told = None
        try:
            told = checked(request.path, request.headers, body)
            self.calls.append({"path": request.path, "headers": request.headers, "body": body, "told": told})
        except Exception as error:  # The scenario fails with it, in the main thread.
            self.complaints.append(f"{request.path} {body!r}: {error!r}")
        answers = {
            "/ok": (200, "application/json", json.dumps({"Status": "OK", "got": told})),
            "/fail": (500, "application/json", "{}"),
            "/moved": (301, "application/json", "{}"),
            "/text": (200, "text/plain", "thank you"),
        }
        status, kind, text = answers[path] if told is not None else (403, "application/json", "{}")
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())

    def call_about(self, key):
        """The one call that named this key."""
        assert not self.complaints, self.complaints
        [call] = [call for call in self.calls if call["told"].get("object") == key]
        return call


def checked(target, headers, body):
    """What the body says, once its digest and its signature are right."""
    assert headers["Content-MD5"] == base64.b64encode(hashlib.md5(body).digest()).decode(), "Content-MD5"
    url = urllib.parse.urlsplit(base64.b64decode(headers["x-oss-pub-key-url"]).decode())
    # Names below localhost are this machine, though only browsers resolve them so.
    key = requests.get(f"{url.scheme}://127.0.0.1:{url.port}{url.path}", headers={"Host": url.netloc}, timeout=5)
    assert key.status_code == 200, key.text
    path, mark, query = target.partition("?")
    signed = (urllib.parse.unquote(path) + mark + query).encode() + b"\n" + body
    signature = base64.b64decode(headers["Authorization"])
    serialization.load_pem_public_key(key.content).verify(signature, signed, padding.PKCS1v15(), hashes.MD5())
    if headers["Content-Type"].startswith("application/json"):
        return json.loads(body)
    return dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))


@contextlib.contextmanager
def running():
    application = Application()
    try:
        yield application
    finally:
        application.stop()
