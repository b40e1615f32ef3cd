"""The load generator, `ringhold-bench http`: one call is one measured piece of work."""

import json
import subprocess
from dataclasses import dataclass

from .processes import Failed


@dataclass
class Load:
    """What the generator says of a piece of work, and what it was told."""
    requests: int
    bytes: int
    seconds: float
    cpu_s: float
    p50_us: float
    p99_us: float
    verified: int
    command: list


class Generator:
    """The program, wherever it is."""

    def __init__(self, path):
        self.path = path

    def command(self, target, work, **flags):
        """`warm_up=8` is `--warm-up 8`; a flag that is None is left out."""
        command = [self.path, "http", "--target", target, "--work", work, "--json"]
        for name, value in flags.items():
            if value is not None:
                command += ["--" + name.replace("_", "-"), str(value)]
        return command

    def run(self, target, work, **flags):
        """To its end. Raises `Failed` when a request failed or a body was wrong."""
        command = self.command(target, work, **flags)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return understood(command, result.returncode, result.stdout, result.stderr)


def understood(command, code, output, errors):
    """The line of JSON at the end of the output."""
    lines = output.strip().splitlines()
    if code != 0 or not lines:
        words = " ".join(command[1:])
        raise Failed(f"{words}: exit code {code}: {errors.strip()[-500:]}")
    said = json.loads(lines[-1])
    latency = said["latency_us"]
    return Load(said["requests"], said["bytes"], said["seconds"], said["cpu_s"],
                latency["p50"], latency["p99"], said["verified"], command)
