#!/usr/bin/env python3
"""What .ci/nodes asks: an Ollama that checks the Host header, and every way a tunnel fails."""

import http.server
import json
import sys
import threading

HTML = "<!DOCTYPE html><html><title>Error</title></html>"

# name: status, headers, body
CASES = {
    "well": (200, {}, '{"version":"0.33.0"}'),
    "page": (200, {}, HTML),
    "login": (302, {"Location": "https://team.cloudflareaccess.com/cdn-cgi/access/login/x"}, ""),
    "moved": (301, {"Location": "https://elsewhere.example.org/"}, ""),
    "unauthorized": (401, {}, "Unauthorized"),
    "host": (403, {}, ""),
    "denied": (403, {}, HTML),
    "challenge": (403, {"cf-mitigated": "challenge"}, HTML),
    "ban": (403, {}, "error code: 1010"),
    "no-rule": (404, {}, ""),
    "path": (404, {}, "404 page not found"),
    "many": (429, {"Retry-After": "30"}, ""),
    "origin": (502, {}, HTML),
    "no-last-rule": (503, {}, ""),
    "busy": (503, {}, '{"error":"server busy"}'),
    "late": (524, {}, HTML),
    "tunnel": (530, {"Retry-After": "120"}, "error code: 1033"),
}

release = threading.Event()
gone = threading.Event()
over = threading.Event()


class Node(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        data = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def piece(self, line):
        data = (json.dumps(line) + "\n").encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_GET(self):
        part = self.path.split("/")
        if part[1] == "silent":
            over.wait()
        elif part[1] == "release":
            release.set()
            self.answer(200, {}, "")
        elif part[1] == "gone":
            self.answer(200 if gone.wait(10) else 504, {}, "")
        elif part[1] == "case":
            self.answer(*CASES[part[2]])
        elif self.headers["Host"] != "localhost:11434":
            self.answer(403, {}, "")
        elif self.path in ("/api/version", "/api/ps", "/api/tags"):
            self.answer(200, {}, '{"version":"0.33.0","models":[]}')
        else:
            self.answer(404, {}, "404 page not found")

    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.piece({"read": len(request), "authorization": self.headers["Authorization"]})
        if b"endless" in request:
            try:
                while not over.wait(0.02):
                    self.piece({"done": False})
            except OSError:
                gone.set()
            return
        if b"wait" in request and not release.wait(10):
            return
        self.piece({"done": True, "done_reason": "stop"})
        self.wfile.write(b"0\r\n\r\n")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
server.daemon_threads = True
with open(sys.argv[1], "w") as port:
    port.write(f"{server.server_port}\n")
server.serve_forever()
