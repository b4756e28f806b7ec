"""A hub on this machine: the endpoints of the Hugging Face hub that its library asks, with files of a test's choice."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from huggingface_hub import constants

COMMIT = "a1" * 20


class LocalHub:
    """What it holds and how it answers; a test may change both at any time."""

    def __init__(self):
        self.models, self.asked = {}, []
        self.refusal, self.hangs = None, False
        """Code and error name of every answer, if it refuses; and whether it never answers."""
        self.freed = Event()

    def add(self, name, card=None, **files):
        """Put up files (a double underscore stands for a dot) of a model, or replace those of that name."""
        content = {
            key.replace("__", "."): value if isinstance(value, bytes) else json.dumps(value).encode()
            for key, value in files.items()
        }
        self.models[name] = {"card": card or {}, "files": content}

    @property
    def downloaded(self):
        """The files whose content was given, in order."""
        return [path.rpartition("/")[2] for method, path in self.asked if method == "GET" and "/resolve/" in path]


@contextmanager
def local_hub(monkeypatch, cache):
    """Serve a hub that the library takes for the real one, with an empty cache of its own."""
    hub = LocalHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def say(self, code, body=b"", *, with_body=True, **headers):
            self.send_response(code)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def answer(self, *, with_body):
            hub.asked.append((self.command, self.path))
            if hub.hangs:
                hub.freed.wait(60)
                return
            if hub.refusal is not None:
                code, name = hub.refusal
                self.say(code, X_Error_Code=name, X_Error_Message=name)
                return
            path = self.path.partition("?")[0]
            name = next((key for key in hub.models if f"/{key}" in path), None)
            if name is None:
                self.say(404, X_Error_Code="RepoNotFound")
                return
            revision = (
                path.partition("/revision/")[2]
                or path.partition("/tree/")[2]
                or path.partition("/resolve/")[2].partition("/")[0]
            )
            files = hub.models[name]["files"]
            if revision not in ("", "main", COMMIT, COMMIT[:7]):
                self.say(404, X_Error_Code="RevisionNotFound")
            elif "/tree/" in path:
                tree = [{"type": "file", "path": key, "size": len(body), "oid": key} for key, body in files.items()]
                self.say(200, json.dumps(tree).encode(), Content_Type="application/json")
            elif path.startswith("/api/models/"):
                card = hub.models[name]["card"]
                siblings = [{"rfilename": key} for key in files]
                content = {"id": name, "sha": COMMIT, "siblings": siblings, "cardData": card, "tags": []}
                self.say(200, json.dumps(content).encode(), Content_Type="application/json")
            else:
                self.give(files.get(path.rpartition("/")[2]), with_body)

        def give(self, body, with_body):
            if body is None:
                self.say(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT, with_body=with_body)
            else:
                tag = f'"{hashlib.sha1(body).hexdigest()}"'
                self.say(200, body, with_body=with_body, ETag=tag, X_Repo_Commit=COMMIT)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", here)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("/{repo_id}")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", here + "".join(template[1:]))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    try:
        yield hub
    finally:
        hub.freed.set()
        server.shutdown()
        server.server_close()
