"""``pcd sim`` as a person uses it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request

import orjson

COMMAND = [sys.executable, "-c", "from pcd.cli.sim import app; app()", "--customers", "20"]


def test_sim_tells_its_address_serves_and_ends_cleanly_on_ctrl_c() -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        text = "".join(lines)
        found = re.search(r"http://127\.0\.0\.1:\d+", text)
        assert found, text
        with urllib.request.urlopen(f"{found.group()}/_sim/state", timeout=10) as answer:
            state = orjson.loads(answer.read())
        addresses = dict(re.findall(r"(PCD_\w+)=(http://127\.0\.0\.1:\d+)", text))
        with urllib.request.urlopen(f"{addresses['PCD_GHL__API_URL']}/_sim/state", timeout=10) as answer:
            subaccount = orjson.loads(answer.read())
        carriers = addresses["PCD_MESSAGING__TWILIO__API_URL"]
        with urllib.request.urlopen(f"{carriers}/_sim/received", timeout=10) as answer:
            received = orjson.loads(answer.read())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert state["records"]["customers"] >= 20
    assert (subaccount["records"]["contacts"], received["texts"]) == (0, [])
    assert "export SERVICE_TITAN_CLIENT_ID=sim-client" in text
    assert (process.returncode, errors) == (0, "")


def test_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, check=False, timeout=30
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"pcd: port {port} cannot be used")
    assert done.stderr.count("\n") == 1


def test_unknown_preset_names_the_known_ones() -> None:
    done = subprocess.run(
        [*COMMAND, "--faults", "drizzle"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert "none, storm, throttle, drift" in done.stderr
