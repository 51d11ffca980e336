#!/usr/bin/env python3
"""Times the packages of a suite, and PyTorch beside them, in alternation.

`kforge bench emit` writes this file beside the packages. For each work: half of the peers'
runs, then kforge-run, which verifies the package before, during and after its timed runs,
then the other half. A package that is refused has no time. The results are written after
each work, so that a run that is killed keeps what it has, and --resume goes on with it.

Needs Python 3.9, and PyTorch with CUDA for the peers; without it they are left out. The peer
CubeCL is a program of its own, `tools/bench/burn`, which --burn names.
`kforge bench table RESULTS.json` shows the results.

The open CUDA context, with a tiny kernel every 0.2 s, keeps the clock of an NVIDIA GPU up
while kforge-run, which uses Vulkan alone, measures.
"""

import argparse
import datetime
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import peers as peers_of

SCHEMA = 1
# What the exit codes of kforge-run say.
CODES = {1: "input", 2: "refused", 3: "device"}
# Characters of a reason that are kept.
REASON = 2000


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", nargs="?", type=pathlib.Path, default=here, metavar="DIR",
                        help="the folder of the suite; the one of this file if not given")
    parser.add_argument("--runner", required=True, metavar="PATH", help="kforge-run")
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path, metavar="RESULTS.json")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="only works with this in their name; may be given several times")
    parser.add_argument("--samples", type=at_least_one, default=30,
                        help="timed runs of each side, at least (30)")
    parser.add_argument("--seconds-per-work", type=at_least_one, default=300, metavar="SECONDS",
                        help="longest that kforge-run may take for a work (300)")
    parser.add_argument("--seconds", type=at_least_one, metavar="SECONDS",
                        help="begin no further work after so long")
    parser.add_argument("--burn", metavar="PATH", help="burn-peer, which times CubeCL")
    parser.add_argument("--device", default="vulkan", help="of kforge-run (vulkan)")
    parser.add_argument("--resume", action="store_true",
                        help="keep the works that the output file has already")
    arguments = parser.parse_args()
    # So that a kforge-run that is under way ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    suite = read(arguments.suite / "suite.json")
    if not isinstance(suite, dict) or suite.get("schema") != SCHEMA:
        sys.exit(f"error: '{arguments.suite / 'suite.json'}' has another schema than {SCHEMA}")
    works = [it for it in suite["works"]
             if not arguments.only or any(part in it["name"] for part in arguments.only)]
    if not works:
        names = ", ".join(it["name"] for it in suite["works"])
        sys.exit(f"error: --only names no work; there are: {names}")
    sys.exit(Run(arguments, suite).all(works))


def at_least_one(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return value


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"error: cannot read '{path}': {error}")


class Run:
    """One run over a suite."""

    def __init__(self, arguments, suite):
        self.arguments, self.suite = arguments, suite
        torch, no_peers = peers_of.load()
        if no_peers:
            say(f"no peers: {no_peers}")
        self.torch = torch
        self.peers = peers_of.Peers(torch, arguments.samples) if torch else None
        driver = nvidia_smi("driver_version")
        self.results = {
            "schema": SCHEMA,
            "version": suite["version"],
            "suite": suite["suite"],
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "device": None,
            "driver": driver[0] if driver else None,
            "torch": torch.__version__ if torch else None,
            "no_peers": no_peers,
            "roofline": None,
            "samples": arguments.samples,
            "left_out": suite["left_out"],
            "works": [],
        }
        if arguments.resume and arguments.output.exists():
            earlier = read(arguments.output)
            for key in ("schema", "version", "suite", "torch", "driver", "samples"):
                if earlier.get(key) != self.results[key]:
                    sys.exit(f"error: cannot resume '{arguments.output}': its {key} is "
                             f"{earlier.get(key)}, here it is {self.results[key]}")
            self.results = earlier

    def all(self, works):
        """Measures works; the exit code: 1 if one of them has no time."""
        begin = time.monotonic()
        self.write()
        if self.peers and not self.results["roofline"]:
            try:
                clock = nvidia_smi("clocks.max.sm")
                self.results["roofline"] = self.peers.roofline(number(clock))
            except RuntimeError as error:
                say(f"no roofline: {error}")
        done = {it["work"]["name"]: it["work"] for it in self.results["works"]}
        for index, work in enumerate(works):
            name = work["name"]
            if name in done:
                if done[name] != work:
                    sys.exit(f"error: cannot resume: '{name}' was measured from another package")
                continue
            seconds = time.monotonic() - begin
            if self.arguments.seconds and seconds > self.arguments.seconds:
                say(f"{len(works) - index} works are left after {seconds:.0f} s; go on with --resume")
                break
            measured = self.measure(work)
            self.results["works"].append(measured)
            self.write()
            say(f"[{index + 1}/{len(works)}] {name}: {told(measured)}")
        refused = [it for it in self.results["works"] if "refused" in it["ours"]]
        return 1 if refused else 0

    def measure(self, work):
        begin = time.monotonic()
        there = {"burn": self.arguments.burn}
        asked = [it["peer"] for it in work["peers"] if there.get(it["peer"], self.peers)]
        halves = {peer: ([], None, None) for peer in asked}
        for peer in asked:
            halves[peer] = self.half(work, peer, 1, halves[peer])
        with Watch(self.torch) as watch:
            ours, device = self.ours(work)
        for peer in asked:
            halves[peer] = self.half(work, peer, 2, halves[peer])
        self.results["device"] = self.results["device"] or device
        found = []
        for peer, (times, how, missing) in halves.items():
            result = {"missing": missing} if missing else {"timed": {"ms": spread(times), "how": how}}
            found.append({"peer": peer, "time": result})
        return {
            "work": work,
            "ours": ours,
            "peers": found,
            "clocks": watch.clocks(),
            "seconds": round(time.monotonic() - begin, 1),
        }

    def half(self, work, peer, seed, before):
        """Half of a peer's runs; what went wrong stands in for its time."""
        times, how, missing = before
        if missing:
            return before
        try:
            if peer == "burn":
                more, how = self.burn(work)
            else:
                more, how = self.peers.time(work, peer, seed)
            return times + more, how, None
        # Whatever PyTorch or its compiler raises costs this peer of this work alone.
        except Exception as error:
            return [], None, f"{type(error).__name__}: {error}"[:REASON]

    def burn(self, work):
        """What burn-peer says of half of the samples."""
        samples = (self.arguments.samples + 1) // 2
        with Watch(self.torch):
            ran = subprocess.run([self.arguments.burn, str(samples)], input=json.dumps(work),
                                 capture_output=True, text=True, errors="replace",
                                 timeout=self.arguments.seconds_per_work)
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr[-REASON:].strip() or f"exit code {ran.returncode}")
        report = json.loads(ran.stdout)
        return report["ms"], report["how"]

    def ours(self, work):
        """What kforge-run says of a package, and the device's name."""
        command = [self.arguments.runner, str(self.arguments.suite / work["package"]),
                   "--device", self.arguments.device, "--arg", "random",
                   "--time", str(self.arguments.samples), "--json"]
        limit = self.arguments.seconds_per_work
        try:
            ran = subprocess.run(command, capture_output=True, text=True, errors="replace",
                                 timeout=limit)
        except subprocess.TimeoutExpired:
            return refusal("timeout", f"it took more than {limit} s"), None
        except OSError as error:
            sys.exit(f"error: cannot start '{self.arguments.runner}': {error}")
        if ran.returncode != 0:
            lines = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
            detail = lines[-1][len("error: "):] if lines else ran.stderr[-REASON:].strip()
            detail = detail.removeprefix("refused: ")
            reason = CODES.get(ran.returncode, "crash")
            return refusal(reason, detail or f"exit code {ran.returncode}"), None
        try:
            report = json.loads(ran.stdout)
            return timed(report), f"{report['device']} ({report['backend']})"
        except (ValueError, KeyError, TypeError) as error:
            return refusal("crash", f"its report cannot be read: {error!r}"), None

    def write(self):
        """Writes the results whole or not at all."""
        path = self.arguments.output
        folder = path.parent
        try:
            with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".results-", delete=False,
                                             encoding="utf-8") as file:
                json.dump(self.results, file, indent=1, allow_nan=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except OSError as error:
            sys.exit(f"error: cannot write '{path}': {error}")


class Watch:
    """Keeps the GPU's clock up and reads it while something else runs."""

    def __init__(self, torch):
        self.torch, self.seen, self.end = torch, [], threading.Event()
        self.threads = [threading.Thread(target=self.read, daemon=True)]
        if torch:
            self.threads.append(threading.Thread(target=self.wake, daemon=True))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join()

    def wake(self):
        a = self.torch.zeros(64, 64, device="cuda")
        while not self.end.wait(0.2):
            a @ a

    def read(self):
        while not self.end.wait(0.5):
            found = nvidia_smi("clocks.sm,clocks.mem")
            try:
                sm, memory = (int(it) for it in found)
                self.seen.append((sm, memory))
            except (TypeError, ValueError):
                return

    def clocks(self):
        if not self.seen:
            return None
        sm = [it[0] for it in self.seen]
        return {"sm_min_mhz": min(sm), "sm_max_mhz": max(sm),
                "memory_max_mhz": max(it[1] for it in self.seen)}


def timed(report):
    """The time in a report of kforge-run."""
    verification, total = report["verification"], report["total"]
    if not verification["passed"]:
        return refusal("refused", verification["missing"] or "it is not verified")
    ms, clock = total["gpu_ms"], "device"
    if ms is None:
        ms, clock = total["wall_ms"], "host"
    if ms is None:
        return refusal("no-time", "neither clock gave a time")
    return {"timed": {
        "ms": ms,
        "clock": clock,
        "wall_ms": total["wall_ms"],
        "levels": verification["levels"],
        "comparisons": verification["comparisons"],
        "without_checks": verification["without_checks"],
    }}


def refusal(reason, detail):
    return {"refused": {"reason": reason, "detail": detail[:REASON]}}


def spread(times):
    return {"median": statistics.median(times), "min": min(times), "max": max(times),
            "samples": len(times)}


def nvidia_smi(query):
    """The first GPU's values of a query, or None."""
    try:
        ran = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"],
                             capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = ran.stdout.splitlines()
    if ran.returncode != 0 or not lines:
        return None
    return [it.strip() for it in lines[0].split(",")]


def number(values):
    try:
        return float(values[0])
    except (TypeError, ValueError):
        return None


def told(measured):
    ours = measured["ours"]
    if "refused" in ours:
        return f"{ours['refused']['reason']}: {ours['refused']['detail'][:200]}"
    ms = ours["timed"]["ms"]["median"]
    text = f"{ms:.4f} ms"
    for it in measured["peers"]:
        found = it["time"].get("timed")
        if found:
            median = found["ms"]["median"]
            text += f", {it['peer']} {median:.4f} ms ({median / ms:.3f})"
        else:
            text += f", {it['peer']} missing: {it['time']['missing'][:100]}"
    return text


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
