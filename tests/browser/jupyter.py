"""A real JupyterLab on loopback that touches nothing of the user's: own port, token, configuration and workspaces."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.browser.patience import TIMES

# What JupyterLab is told through its settings, by plugin: no news from elsewhere, every cell in the page at once.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its process, address, token and the folder that its notebooks lie in."""

    process: "subprocess.Popen[bytes]"
    address: str
    token: str
    folder: Path
    log: Path

    def url(self, notebook: str) -> str:
        """The address of one notebook of the folder, shown alone."""
        return f"{self.address}/doc/tree/{notebook}?token={self.token}"

    def stop(self) -> None:
        """End the server; it ends its kernels."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(folder: Path, home: Path, environment: Mapping[str, str], patience: float = 60) -> Lab:
    """Start JupyterLab on a folder of notebooks and give it when it answers; what it says goes to `home/lab.log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _write_settings(home / "settings")
    token = secrets.token_hex(16)
    words = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "MPLCONFIGDIR": "matplotlib",
    }
    given = {name: str(home / part) for name, part in own.items()}
    log = home / "lab.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            words, env={**os.environ, **given, "JUPYTER_PREFER_ENV_PATH": "1", **environment}, stdout=file, stderr=file
        )
    return _wait(Lab(process, f"http://127.0.0.1:{port}", token, folder, log), patience)


def start_inspect(run: Path, home: Path, environment: Mapping[str, str], patience: float = 120) -> Lab:
    """Run `hybridkit inspect` on a run folder, as a person types it, and give its server when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    parts = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    own = {f"JUPYTER_{name}_DIR": str(home / part) for name, part in parts.items()}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    own |= {"IPYTHONDIR": str(home / "ipython"), "JUPYTER_TOKEN": token}
    _write_settings(home / "settings")
    words = [sys.executable, "-m", "hybridkit", "inspect", str(run), "--no-browser", "--allow-root", f"--port={port}"]
    log = home / "inspect.log"
    with log.open("wb") as file:
        process = subprocess.Popen(words, env={**os.environ, **own, **environment}, stdout=file, stderr=file)
    return _wait(Lab(process, f"http://127.0.0.1:{port}", token, run / "notebooks", log), patience)


def _write_settings(folder: Path) -> None:
    for name, values in SETTINGS.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")


def _wait(lab: Lab, patience: float) -> Lab:
    until = time.monotonic() + patience * TIMES
    while not _answers(lab):
        if lab.process.poll() is not None or time.monotonic() > until:
            lab.stop()
            raise RuntimeError(f"JupyterLab did not start:\n{lab.log.read_text(encoding='utf-8', errors='replace')}")
        time.sleep(0.1)
    return lab


def _answers(lab: Lab) -> bool:
    request = urllib.request.Request(f"{lab.address}/api/status", headers={"Authorization": f"token {lab.token}"})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
