"""Serves a fresh devpi on a free port of 127.0.0.1, with one index of one user that never gives up a file, and says which
port; it ends when its standard input does. usage: python serve.py FOLDER USER PASSWORD INDEX
"""

import base64
import json
import os
import sys
import threading
import urllib.request

import devpi_server.init
import devpi_server.main
import waitress

folder, user, password, index = sys.argv[1:]


def end_with_the_input():
    while os.read(0, 1024):
        pass
    os._exit(0)


def ask(port, method, path, body, token=None):
    headers = {"content-type": "application/json", "accept": "application/json"}
    if token:
        headers["x-devpi-auth"] = base64.b64encode(f"{user}:{token}".encode()).decode()
    url = f"http://127.0.0.1:{port}/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["result"]


def furnish(port):
    try:
        ask(port, "PUT", user, {"password": password})
        token = ask(port, "POST", "+login", {"user": user, "password": password})["password"]
        # No bases: what it does not have it does not look for elsewhere.
        ask(port, "PUT", f"{user}/{index}", {"bases": [], "volatile": False}, token)
        print(f"listening on {port}", flush=True)
    except Exception as error:
        print(f"the index cannot be made: {error}", flush=True)
        os._exit(1)


def serve(app, **_):
    # The socket listens from here on, so that the first question is not refused.
    server = waitress.create_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=furnish, args=(server.effective_port,), daemon=True).start()
    server.run()


waitress.serve = serve
threading.Thread(target=end_with_the_input, daemon=True).start()
options = ["--serverdir", folder]
devpi_server.init.init(argv=["devpi-init", *options, "--no-root-pypi"])
devpi_server.main.main(argv=["devpi-server", *options])
