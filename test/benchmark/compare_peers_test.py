# SPDX-License-Identifier: Apache-2.0
"""Checks compare_peers.py without PyTorch and without a GPU: python3 compare_peers_test.py

With GDREG_BENCH=path/to/gdreg-bench also that the engine has the operators that the comparison asks for.
"""
import contextlib
import io
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import compare_peers
import peers


class FakeTimer:
    """Calls, and says that it took 2 ms."""
    cuda = False
    torch = None

    def measure(self, call):
        call()
        return 2.0, None


def raising(error):
    def make(scene):
        raise error
    return make


def bench_of(rows, size, batch=1):
    names = sorted({name for row in rows for name in row.operators})
    return {"device": {"name": "cpu", "description": "none"},
            "results": [{"operator": name, "size": list(size), "batch": batch, "median_ms": 0.5} for name in names]}


class ComparePeersTest(unittest.TestCase):
    def test_engine_time_sums_the_operators_of_a_row(self):
        row = peers.Row("both", ["A", "B"], [])
        bench = bench_of([row], (4, 5, 6))
        self.assertEqual(compare_peers.engine_time(bench, row, (4, 5, 6), 1), 1.0)
        self.assertIsNone(compare_peers.engine_time(bench, row, (4, 5, 7), 1))
        self.assertIsNone(compare_peers.engine_time(bench, row, (4, 5, 6), 32))
        self.assertIsNone(compare_peers.engine_time(bench, peers.Row("c", ["A", "C"], []), (4, 5, 6), 1))

    def test_whatever_a_peer_does_is_a_row(self):
        measure = lambda make: compare_peers.measure_peer(FakeTimer(), make, None)
        self.assertEqual(measure(lambda scene: lambda: None)["median_ms"], 2.0)
        self.assertEqual(measure(raising(peers.Unavailable("not installed"))), {"status": "not installed"})
        self.assertEqual(measure(raising(RuntimeError("CUDA out of memory\nmore")))["status"], "failed: CUDA out of memory")
        self.assertEqual(measure(raising(AssertionError()))["status"], "failed: AssertionError")
        self.assertEqual(measure(lambda scene: lambda: 1 / 0)["status"], "failed: division by zero")

    def test_absent_modules_are_told_from_broken_ones(self):
        with self.assertRaisesRegex(peers.Unavailable, "^not installed$"):
            peers.load("no_such_module")
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("needs_another", "import no_such_module"), ("is_broken", "raise RuntimeError('no nvcc')")):
                with open(os.path.join(folder, name + ".py"), "w") as file:
                    file.write(text)
            sys.path.insert(0, folder)
            try:
                with self.assertRaisesRegex(peers.Unavailable, r"^not installed \(needs no_such_module\)$"):
                    peers.load("needs_another")
                with self.assertRaisesRegex(peers.Unavailable, "^failed to load: no nvcc$"):
                    peers.load("is_broken")
            finally:
                sys.path.remove(folder)

    def test_ratios_and_their_table(self):
        row = peers.Row("x", ["A"], [("quick", lambda scene: lambda: None), ("absent", raising(peers.Unavailable("no")))])
        options = compare_peers.parse(["--bench-json", "-", "--device", "cpu", "--size", "4x5x6"])
        original = compare_peers.open_torch, compare_peers.Timer
        compare_peers.open_torch, compare_peers.Timer = lambda device: None, lambda *arguments: FakeTimer()
        FakeTimer.torch = type("Torch", (), {})
        try:
            with contextlib.redirect_stdout(io.StringIO()) as text:
                entry, = compare_peers.compare(options, bench_of([row], (4, 5, 6)), [row])
        finally:
            compare_peers.open_torch, compare_peers.Timer = original
        self.assertEqual([peer.get("ratio") for peer in entry["peers"]], [4.0, None])
        self.assertIn("4.00", text.getvalue())

    def test_batch_keeps_the_operations_that_take_one(self):
        options = compare_peers.parse(["--bench-json", "-", "--batch", "2x16"])
        rows = compare_peers.select_rows(options)
        self.assertTrue(rows)
        self.assertTrue(all("LNCC" in row.name for row in rows))

    def test_bad_arguments_are_refused(self):
        for bad in (["--size", "3x4"], ["--size", "0x1x2"], ["--batch", "1x2x3"], ["--runs", "0"], ["--filter", "("]):
            with self.subTest(bad), contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
                compare_peers.parse(["--bench-json", "-"] + bad)
        with self.assertRaises(SystemExit):
            compare_peers.main(["--bench-json", "/nowhere"])
        with self.assertRaises(SystemExit):
            compare_peers.main(["--bench", "/nowhere"])

    def test_whole_program_with_a_bench_that_is_a_script(self):
        with tempfile.TemporaryDirectory() as folder:
            program, output = os.path.join(folder, "bench"), os.path.join(folder, "out.json")
            results = json.dumps(bench_of(peers.ROWS, (8, 8, 8)))
            with open(program, "w") as file:
                file.write("#!%s\nimport sys\nopen(sys.argv[sys.argv.index('--json') + 1], 'w').write(%r)\n"
                           % (sys.executable, results))
            os.chmod(program, os.stat(program).st_mode | stat.S_IXUSR)
            with contextlib.redirect_stdout(io.StringIO()):
                status = compare_peers.main(["--bench", program, "--device", "cpu", "--size", "8x8x8", "--runs", "1",
                                             "--filter", "LNCC value", "--json", output])
            self.assertEqual(status, 0)
            with open(output) as file:
                row, = json.load(file)["rows"]
            self.assertEqual(row["engine_ms"], 0.5)
            self.assertTrue(all("status" in peer for peer in row["peers"]))

    @unittest.skipUnless("GDREG_BENCH" in os.environ, "GDREG_BENCH is not set")
    def test_the_engine_has_all_operators(self):
        names = subprocess.check_output([os.environ["GDREG_BENCH"], "--list"], universal_newlines=True).split()
        for row in peers.ROWS:
            for operator in row.operators:
                self.assertIn(operator, names)


if __name__ == "__main__":
    unittest.main()
