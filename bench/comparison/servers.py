"""The servers that are compared: where each is found, how it is installed where it is missing, and
how it is started fairly: as many workers as cores, no access log, its own way of hashing.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field

from .processes import Process, free_port

WORKERS = os.cpu_count() or 1
SECRET = "a secret for the comparison"


@dataclass
class Running:
    """A server that listens."""
    process: Process
    target: str
    # What its files lie in, and what it was told, for the report.
    root: str
    command: list
    config: str


@dataclass
class Server:
    """How to start one of them; `name` is its column."""
    name: str
    program: str
    install: str
    version_flag: str = "--version"
    # Where PUTs and forms go; None where it takes none.
    put_prefix: str = "/files"
    form_prefix: str = None
    # Only these works; all where it is empty.
    works: tuple = ()
    flags: list = field(default_factory=list)
    path: str = None

    def find(self, programs):
        """Looks for its program: where the command line says, else in PATH."""
        self.path = programs.get(self.program) or shutil.which(self.program)
        return self.path is not None

    def version(self):
        """The first line it says of itself."""
        words = [self.path, *self.version_flag.split()]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        lines = (result.stdout + result.stderr).strip().splitlines()
        return lines[0] if lines else "unknown"

    def plays(self, work):
        """Whether it has anything to show there."""
        return work in self.works if self.works else True

    def start(self, directory):
        """On a fresh directory, on a free port; waits until it listens."""
        root = os.path.join(directory, "served")
        os.makedirs(os.path.join(root, "files"), exist_ok=True)
        port = free_port()
        config_path = os.path.join(directory, "config")
        command, config = COMMANDS[self.program](self, directory, root, port, config_path)
        if config:
            with open(config_path, "w", encoding="utf-8") as file:
                file.write(config)
        # Nothing of the user's own configuration, and nothing written outside of the directory.
        environment = {
            "PATH": os.environ["PATH"], "HOME": directory, "XDG_CONFIG_HOME": directory,
            "XDG_DATA_HOME": directory, "TMPDIR": directory, "SECRET_KEY": SECRET,
            "RINGHOLD_LOG": "warn",
        }
        process = Process(self.name, command, environment, os.path.join(directory, "log"))
        process.wait_for(port)
        return Running(process, f"http://127.0.0.1:{port}", root, command, config)


def ringhold(server, _directory, root, port, _config_path):
    """Hashes and seals everything."""
    # Its root is its own: the folder for the others' files is in the way of nothing.
    command = [server.path, "serve", "--listen", f"127.0.0.1:{port}", "--root", root,
               "--workers", str(WORKERS), *server.flags]
    return command, ""


def bare(server, _directory, root, port, _config_path):
    """Receives and sends 4 KiB, or makes a file of each body: the limit, and no server."""
    work = ["--size", "0", "--store", os.path.join(root, "files")] if server.put_prefix else []
    return [server.path, "bare", "--listen", f"127.0.0.1:{port}", *work,
            "--workers", str(WORKERS)], ""


def nginx(server, directory, root, port, config_path):
    """PUT by its WebDAV module, sendfile, descriptors kept open; no hash."""
    user = "user root;" if os.geteuid() == 0 else ""
    config = f"""{user}
daemon off;
worker_processes {WORKERS};
worker_cpu_affinity auto;
pid {directory}/pid;
error_log {directory}/log;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {directory}/temporary;
    open_file_cache max=100000;
    server {{
        listen 127.0.0.1:{port} reuseport;
        root {root};
        location /files/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""
    return [server.path, "-c", config_path, "-p", directory, "-e", f"{directory}/log"], config


def caddy(server, _directory, root, port, config_path):
    """Downloads only."""
    config = f"""{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    root * {root}
    file_server
}}
"""
    return [server.path, "run", "--config", config_path, "--adapter", "caddyfile"], config


def dufs(server, _directory, root, port, _config_path):
    """Everything allowed, no log line a request; no hash."""
    return [server.path, "-A", "--bind", "127.0.0.1", "--port", str(port), "--log-format", "",
            root], ""


def copyparty(server, directory, root, port, _config_path):
    """Uploads and downloads for anybody, one process a core; hashes what is sent (SHA-512)."""
    return [server.path, "-q", "-i", "127.0.0.1", "-p", str(port), "-j", str(WORKERS),
            "--hist", f"{directory}/hist", "-v", f"{root}::rwmd"], ""


def rclone(server, _directory, root, port, _config_path):
    """WebDAV over a local directory without a cache between them."""
    return [server.path, "serve", "webdav", root, "--addr", f"127.0.0.1:{port}",
            "--vfs-cache-mode", "off", "--log-level", "ERROR", "--config", "/dev/null"], ""


COMMANDS = {"ringhold": ringhold, "ringhold-bench": bare, "nginx": nginx, "caddy": caddy, "dufs": dufs,
            "copyparty": copyparty, "rclone": rclone}


# Built here, and in every run.
OURS = ("ringhold", "ringhold-bench")


def known():
    """All of them, ringhold first. `ringhold-none` is the same without its promise,
    `ringhold-cached` with memory for all the files of get-wide."""
    build = "cargo build --release"
    return [
        Server("ringhold", "ringhold", build, form_prefix="/uploadFile",
               flags=["--durability", "full"]),
        Server("ringhold-none", "ringhold", build, works=("put-small",),
               flags=["--durability", "none"]),
        # 20,000 files of 4 KiB take 90 MiB.
        Server("ringhold-cached", "ringhold", build, works=("get-wide",),
               flags=["--durability", "none", "--cache-size", "128MiB"]),
        Server("nginx", "nginx", "apt-get install nginx-light", "-v"),
        Server("dufs", "dufs", "cargo install dufs"),
        # It takes a form at the folder that the file shall be in.
        Server("copyparty", "copyparty", "pip install copyparty", form_prefix="/files/"),
        Server("caddy", "caddy", "apt-get install caddy", "version", put_prefix=None),
        Server("rclone", "rclone", "apt-get install rclone", "version"),
        Server("bare", "ringhold-bench", build, put_prefix=None, works=("get-hot",)),
        Server("bare-store", "ringhold-bench", build, works=("put-small",)),
    ]


def chosen(names, programs, say):
    """Those of the names that are installed; says of the others how to install them."""
    found = []
    for server in known():
        if names is not None and server.program not in names and server.program not in OURS:
            continue
        if server.find(programs):
            found.append(server)
        elif server.name == server.program:
            say(f"{server.name} is not installed, so it is left out: {server.install}")
    return found
