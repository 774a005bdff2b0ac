"""Servers beside this program: when one counts as up, as ended, as failed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows import services
from flows.processes import RunError


class Healthy(BaseHTTPRequestHandler):
    """Answers."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


def program(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


def test_a_server_is_waited_for_until_it_answers_or_ends(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # no proxy stands between
    with HTTPServer(("127.0.0.1", 0), Healthy) as server, program("input()") as running:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        services.wait_until_healthy(url, running)
        running.communicate(b"\n")
        with pytest.raises(RunError, match=rf"^no answer from {url}; the log in .prefect says why$") as error:
            services.wait_until_healthy(url, running)
    assert error.value.exit_code == 7


def test_a_server_that_ends_by_itself_ends_the_others_wait():
    with program("input()") as stays, program("") as ends:
        with pytest.raises(RunError, match=r"^a server ended by itself; the logs in \.prefect say why$") as error:
            services.wait_for_the_first_to_end(stays, ends)
        assert stays.poll() is None
        stays.communicate(b"\n")
    assert error.value.exit_code == 7


def test_a_command_that_fails_or_takes_too_long_is_named_with_its_last_words(monkeypatch):
    services.do("this", os.environ)
    with pytest.raises(RunError, match=r"^`json.tool --no-such` failed: usage: .* --no-such$") as error:
        services.do("json.tool --no-such", {**os.environ, "COLUMNS": "80"})
    assert error.value.exit_code == 7
    monkeypatch.setattr(services, "PATIENCE", 0.01)
    with pytest.raises(RunError, match=r"^`this` did not end within 0.01 s$") as error:
        services.do("this", os.environ)
    assert error.value.exit_code == 7


def test_a_port_that_is_free_is_found_and_let_through_and_a_busy_one_is_named():
    port = services._free_port()
    services.require_free(port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(RunError, match=f"^port {port} on 127.0.0.1: .*; choose another with --port$") as error:
            services.require_free(port)
    assert error.value.exit_code == 7


def test_prefects_settings_name_the_port_and_let_its_own_pages_alone_read_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = services.settings(4200)
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert found["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200,http://localhost:4200"
