"""Serves a fresh Python package registry on a free port of 127.0.0.1 and says which one; it ends when its standard input
does. usage: python serve.py FOLDER
"""

import os
import socketserver
import sys
import threading
import wsgiref.simple_server

import pypiserver


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def end_with_the_input():
    sys.stdin.buffer.read()
    os._exit(0)


# Whoever stands before it asks for credentials; what it does not have it does not look for elsewhere.
app = pypiserver.app(roots=[sys.argv[1]], password_file=".", authenticate=[], disable_fallback=True)
server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, Server, Quiet)
threading.Thread(target=end_with_the_input, daemon=True).start()
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
