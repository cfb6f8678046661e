#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine's operators beside what others offer for the same, on one machine in one run.

    compare_peers.py --bench path/to/gdreg-bench [--device cuda|cpu] [--size 160x192x224]... [--batch 2x16] [--runs 20]
                     [--filter REGEX] [--json FILE]
    compare_peers.py --bench-json FILE ...   takes the engine's times from an earlier `gdreg-bench --json FILE`

Needs the standard library only. A peer that is not installed is a row that says so:
    fused_lncc  (pip install fused-lncc)      LNCC over boxes, zero padding
    fireants    (with fireants_fused_ops)     its fused operators, and what it calls where it has none
    torch                                     PyTorch's own operators, and compositions of them written here

Method, for both sides: a call is warmed up, then timed by CUDA events --runs times with 256 MiB written before each, so
that nothing is left in the L2 cache; the median counts. On the CPU by the clock, without the writing. "MB" is the peak of
PyTorch's allocations during a call over what there was before, results included. A ratio above 1 means that the peer
takes longer.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

from peers import ROWS, Scene, Unavailable, first_line, load


class Timer:
    """Times calls with PyTorch on one device."""

    def __init__(self, torch, device, runs):
        self.torch, self.runs = torch, runs
        self.cuda = device == "cuda"
        self.flush = torch.empty(2 ** 28, dtype=torch.uint8, device="cuda") if self.cuda else None

    def one(self, call):
        """milliseconds"""
        if not self.cuda:
            start = time.perf_counter()
            call()
            return 1e3 * (time.perf_counter() - start)
        events = [self.torch.cuda.Event(enable_timing=True) for _ in range(2)]
        self.flush.zero_()
        events[0].record()
        call()
        events[1].record()
        events[1].synchronize()
        return events[0].elapsed_time(events[1])

    def measure(self, call):
        """Median of milliseconds and peak of MB."""
        for _ in range(3):
            call()
        peak = None
        if self.cuda:
            self.torch.cuda.synchronize()
            self.torch.cuda.reset_peak_memory_stats()
            before = self.torch.cuda.memory_allocated()
            call()
            self.torch.cuda.synchronize()
            peak = (self.torch.cuda.max_memory_allocated() - before) / 2 ** 20
        return statistics.median(self.one(call) for _ in range(self.runs)), peak


def open_torch(device):
    """PyTorch with this device, or Unavailable."""
    torch = load("torch")
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("PyTorch sees no GPU")
    return torch


def measure_peer(timer, make, scene):
    """What is written about one peer."""
    try:
        milliseconds, peak = timer.measure(make(scene))
        return {"status": "measured", "median_ms": milliseconds, "peak_mib": peak}
    except Unavailable as reason:
        return {"status": str(reason)}
    except Exception as error:  # out of memory, another interface, a failed assertion: a row and not the end
        return {"status": "failed: " + first_line(error)}
    finally:
        if timer.cuda:
            timer.torch.cuda.empty_cache()


def numbers_of(text):
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError("%s is not of the form 160x192x224" % text)
    return tuple(int(part) for part in text.split("x"))


def size_of(text):
    size = numbers_of(text)
    if len(size) != 3:
        raise argparse.ArgumentTypeError("%s has %d numbers where 3 are needed" % (text, len(size)))
    return size


def run_bench(options, rows):
    """The engine's results from gdreg-bench, in its JSON."""
    names = sorted({operator for row in rows for operator in row.operators})
    handle, path = tempfile.mkstemp(suffix=".json")
    os.close(handle)
    command = [options.bench, "--device", options.device, "--runs", str(options.runs), "--no-errors", "--json", path,
               "--filter", "^(" + "|".join(re.escape(name).replace("\\-", "-") for name in names) + ")$"]
    for size in options.size:
        command += ["--size", "x".join(map(str, size))]
    if options.batch:
        command += ["--batch", "x".join(map(str, options.batch))]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        if done.returncode != 0:
            raise SystemExit("compare_peers.py: %s ended with %d: %s" % (
                options.bench, done.returncode, done.stderr.strip()))
        with open(path) as file:
            return json.load(file)
    except OSError as error:
        raise SystemExit("compare_peers.py: cannot run %s: %s" % (options.bench, error))
    finally:
        os.unlink(path)


def engine_time(bench, row, size, volumes):
    """Sum of the medians of the row's operators, or None if one was not measured."""
    times = {(r["operator"], tuple(r["size"]), r["batch"]): r["median_ms"] for r in bench["results"]}
    found = [times.get((operator, tuple(size), volumes)) for operator in row.operators]
    return None if None in found else sum(found)


def select_rows(options):
    rows = [row for row in ROWS if re.search(options.filter, row.name) and (row.batched or not options.batch)]
    if not rows:
        raise SystemExit("compare_peers.py: --filter %s leaves no operation" % options.filter)
    return rows


def compare(options, bench, rows):
    """The comparison as a list of dictionaries."""
    try:
        torch = open_torch(options.device)
        timer, without = Timer(torch, options.device, options.runs), None
    except Unavailable as reason:
        timer, without = None, str(reason)
    batch = options.batch or (1, 1)
    if len(batch) == 1:
        batch = (1,) + batch
    volumes = batch[0] * batch[1]
    result = []
    for size in options.size:
        scene = None if timer is None else Scene(timer.torch, options.device, size, batch)
        for row in rows:
            ours = engine_time(bench, row, size, volumes)
            entry = {"operation": row.name, "size": list(size), "batch": list(batch), "operators": row.operators,
                     "engine_ms": ours, "peers": []}
            for name, make in row.peers:
                peer = {"status": "torch: " + without} if scene is None else measure_peer(timer, make, scene)
                peer["name"] = name
                if ours and "median_ms" in peer:
                    peer["ratio"] = peer["median_ms"] / ours
                entry["peers"].append(peer)
            result.append(entry)
            print_entry(entry)
    return result


def print_header(bench):
    device = bench.get("device", {})
    print("%s (%s)" % (device.get("name", "?"), device.get("description", "?")))
    print("%-38s %-14s %10s   %-32s %10s %8s %9s" % ("operation", "size", "engine ms", "peer", "ms", "ratio", "MB"))


def print_entry(entry):
    size = "x".join(map(str, entry["size"]))
    if entry["batch"] != [1, 1]:
        size = "(%d,%d) %s" % (entry["batch"][0], entry["batch"][1], size)
    ours = "not run" if entry["engine_ms"] is None else "%.3f" % entry["engine_ms"]
    for peer in entry["peers"]:
        if "median_ms" in peer:
            ratio = "%.2f" % peer["ratio"] if "ratio" in peer else "-"
            peak = "-" if peer["peak_mib"] is None else "%.0f" % peer["peak_mib"]
            text = "%10.3f %8s %9s" % (peer["median_ms"], ratio, peak)
        else:
            text = peer["status"]
        print("%-38s %-14s %10s   %-32s %s" % (entry["operation"], size, ours, peer["name"], text))
    sys.stdout.flush()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--bench", help="the program gdreg-bench")
    source.add_argument("--bench-json", help="what it wrote with --json")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", type=size_of, action="append")
    parser.add_argument("--batch", type=numbers_of, help="batch x channels, for LNCC alone")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--filter", default="", help="operations whose name holds a match")
    parser.add_argument("--json", help="the comparison is written here")
    options = parser.parse_args(arguments)
    options.size = options.size or [(160, 192, 224)]
    if options.batch and len(options.batch) > 2:
        parser.error("--batch takes one number or two")
    if options.runs < 1:
        parser.error("--runs is %d: at least 1 is needed" % options.runs)
    try:
        re.compile(options.filter)
    except re.error as error:
        parser.error("--filter: %s" % error)
    return options


def main(arguments):
    options = parse(arguments)
    rows = select_rows(options)
    if options.bench:
        bench = run_bench(options, rows)
    else:
        try:
            with open(options.bench_json) as file:
                bench = json.load(file)
            bench["results"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SystemExit("compare_peers.py: %s is not what gdreg-bench --json writes: %r" % (options.bench_json, error))
    print_header(bench)
    result = compare(options, bench, rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": bench.get("device"), "runs": options.runs, "rows": result}, file, indent=1)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
