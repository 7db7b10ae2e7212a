#!/usr/bin/env python3
"""Multiplicative updates as one would write them in PyTorch and CuPy, on the shapes of the `gpu` benchmark.

    python3 benches/gpu/peers.py --out peers.json [--sparse counts.npz] [--budget 180] [--quick] [--device cpu]

Written to be fair: W is m x k, H is k x n, both stay on the device, products are the library's own (cuBLAS), results are
reused in place where that saves time, many iterations run between two waits, and the median of several samples counts.
PyTorch runs twice, with TF32 off and on. What is not installed is named in the output's "notes"; nothing here fails for it.
"""

import argparse
import json
import math
import statistics
import sys
import time
import zipfile

DENSE = [(10_000, 5_000), (20_000, 10_000), (2_000, 1_000), (100_000, 20_000)]
RANKS = [8, 16, 32, 64, 128, 256]
LOSSES = ["fro", "kl", "is", "beta:1.5"]
SPARSE_RANKS = [20, 64]
TINY = 1e-10


class Clock:
    """Medians, within a budget for everything."""

    def __init__(self, budget, samples, limit):
        self.end = time.perf_counter() + budget
        self.samples, self.limit = samples, limit

    def spent(self):
        return time.perf_counter() > self.end

    def seconds(self, run, wait):
        """Median seconds of one `run()`; None where the time is up."""
        if self.spent():
            return None
        run()
        wait()
        one = self.timed(run, wait, 1)
        if one < 1e-3:
            one = self.timed(run, wait, 20)
        if one > 5.0:
            return one
        per_wait = max(1, min(20_000, int(self.limit / self.samples / max(one, 1e-7))))
        begin, found = time.perf_counter(), []
        while len(found) < self.samples and (len(found) < 3 or time.perf_counter() - begin < self.limit):
            found.append(self.timed(run, wait, per_wait))
        return statistics.median(found)

    @staticmethod
    def timed(run, wait, n):
        begin = time.perf_counter()
        for _ in range(n):
            run()
        wait()
        return (time.perf_counter() - begin) / n


def dense_iteration(loss, x, w, h, floor):
    """One iteration on dense X in operators that PyTorch and CuPy share; `w` and `h` change in place, and `floor` raises
    what it is given to TINY in place."""
    beta = {"fro": 2.0, "kl": 1.0, "is": 0.0}.get(loss) if ":" not in loss else float(loss.split(":")[1])
    # Fevotte and Idier: the exponent with which every step descends
    gamma = 1.0 / (2.0 - beta) if beta < 1.0 else 1.0

    def terms():
        """Elementwise factors of X and of 1 in numerator and denominator."""
        v = floor(w @ h)
        if beta == 1.0:
            return x / v, None
        if beta == 0.0:
            inverse = 1.0 / v
            return x * inverse * inverse, inverse
        return x * v ** (beta - 2.0), v ** (beta - 1.0)

    def update(f, numerator, denominator):
        ratio = numerator / floor(denominator)
        f *= ratio if gamma == 1.0 else ratio**gamma

    def fro():
        update(w, x @ h.T, w @ (h @ h.T))
        update(h, w.T @ x, (w.T @ w) @ h)

    def others():
        a, b = terms()
        update(w, a @ h.T, h.sum(1)[None, :] if b is None else b @ h.T)
        del a, b
        a, b = terms()
        update(h, w.T @ a, w.sum(0)[:, None] if b is None else w.T @ b)

    return fro if beta == 2.0 else others


def divergence(loss, x, v):
    """Of x from v, up to a constant and a factor, summed in f64."""
    x, v = x.double(), v.double()
    if loss == "fro":
        return ((x - v) ** 2).sum().item()
    if loss == "kl":
        return (v - x * v.log()).sum().item()
    if loss == "is":
        return (x / v + v.log()).sum().item()
    beta = float(loss.split(":")[1])
    return (v**beta / beta - x * v ** (beta - 1.0) / (beta - 1.0)).sum().item()


def read_csr(path):
    """Rows, columns, offsets, indices and values of scipy.sparse.save_npz, by NumPy alone."""
    import numpy

    with numpy.load(path, allow_pickle=False) as z:
        if "indptr" not in z or z["format"].item() not in (b"csr", "csr"):
            raise ValueError(f"{path}: CSR of scipy.sparse.save_npz is wanted")
        return tuple(int(v) for v in z["shape"]), z["indptr"], z["indices"], z["data"].astype("float32")


class Torch:
    def __init__(self, torch, device):
        self.torch, self.device = torch, torch.device(device)

    def wait(self):
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def random(self, rows, cols, low=0.05):
        out = self.torch.empty((rows, cols), device=self.device)
        return out.uniform_(low, low + 1.0)

    def precision(self, tf32):
        self.torch.backends.cuda.matmul.allow_tf32 = tf32

    def sparse_iteration(self, loss, csr, k):
        """Sparse X: kl gathers the rows of W and H that its entries need; fro is two sparse products."""
        t, (shape, indptr, indices, values) = self.torch, csr
        make = lambda a, kind: t.as_tensor(a, device=self.device).to(kind)
        crow, cols = make(indptr.astype("int64"), t.int64), make(indices.astype("int64"), t.int64)
        vals = make(values, t.float32)
        rows = t.repeat_interleave(t.arange(shape[0], device=self.device), crow[1:] - crow[:-1])
        # the same entries by columns, for the other half-step; `order` says where each came from
        order = t.argsort(cols, stable=True)
        counts = t.bincount(cols, minlength=shape[1])
        ccol = t.cat([t.zeros(1, dtype=t.int64, device=self.device), counts.cumsum(0)])
        rows_t, cols_t, vals_t = rows[order], cols[order], vals[order]
        w, h = self.random(shape[0], k), self.random(shape[1], k)
        by_rows = lambda v: t.sparse_csr_tensor(crow, cols, v, size=shape)
        by_cols = lambda v: t.sparse_csr_tensor(ccol, rows_t, v, size=(shape[1], shape[0]))
        x, x_t = by_rows(vals), by_cols(vals_t)

        def ratio(r, c, v):
            model = (w.index_select(0, r) * h.index_select(0, c)).sum(1)
            return v / model.clamp_(min=TINY)

        def kl():
            w.mul_((by_rows(ratio(rows, cols, vals)) @ h) / h.sum(0).clamp_(min=TINY))
            h.mul_((by_cols(ratio(rows_t, cols_t, vals_t)) @ w) / w.sum(0).clamp_(min=TINY))

        def fro():
            w.mul_((x @ h) / (w @ (h.T @ h)).clamp_(min=TINY))
            h.mul_((x_t @ w) / (h @ (w.T @ w)).clamp_(min=TINY))

        return kl if loss == "kl" else fro


def with_torch(options, clock, cases, out):
    try:
        import torch
    except Exception as e:  # a broken installation counts as none
        out["notes"].append(f"PyTorch: not installed ({e})")
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        out["notes"].append(f"PyTorch {torch.__version__}: sees no CUDA device")
        return
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    out["notes"].append(f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, on {name}")
    b = Torch(torch, options.device)
    torch.manual_seed(1)
    with torch.no_grad():
        n = 512 if options.quick else 8192
        a, c = b.random(n, n), b.random(n, n)
        product = torch.empty_like(a)
        for tf32, key in [(False, "cublas_fp32_flops"), (True, "cublas_tf32_flops")]:
            b.precision(tf32)
            s = clock.seconds(lambda: torch.mm(a, c, out=product), b.wait)
            if s:
                out["ceilings"][key] = 2.0 * n**3 / s
        del a, c, product
        words = (1 << 20) if options.quick else (1 << 28)
        source = b.random(1, words)
        target = torch.empty_like(source)
        s = clock.seconds(lambda: target.copy_(source), b.wait)
        if s:
            out["ceilings"]["copy_bytes"] = 8.0 * words / s
        del source, target

        # what is timed must be the updates: every iteration lowers the divergence
        b.precision(False)
        x, w, h = b.random(60, 40), b.random(60, 5), b.random(5, 40)
        for loss in LOSSES:
            f, g = w.clone(), h.clone()
            run, found = dense_iteration(loss, x, f, g, lambda v: v.clamp_(min=TINY)), []
            for _ in range(10):
                found.append(divergence(loss, x, f @ g))
                run()
            if not all(after < before for before, after in zip(found, found[1:])):
                out["notes"].append(f"PyTorch, {loss}: WRONG, the divergence does not fall: {found}")

        columns = [(False, "torch_fp32"), (True, "torch_tf32")] if options.device == "cuda" else [(False, "torch_fp32")]
        x, held = None, None
        for case in cases:
            for tf32, key in columns:
                if clock.spent():
                    out["notes"].append(f"PyTorch: the time was up before {label(case)}")
                    return
                b.precision(tf32)
                try:
                    if case["stored"] is not None:
                        run = b.sparse_iteration(case["loss"], options.csr, case["k"])
                    else:
                        if held != (case["m"], case["n"]):
                            x = None
                            x, held = b.random(case["m"], case["n"]), (case["m"], case["n"])
                        w, h = b.random(case["m"], case["k"]), b.random(case["k"], case["n"])
                        run = dense_iteration(case["loss"], x, w, h, lambda v: v.clamp_(min=TINY))
                    case[key] = clock.seconds(run, b.wait)
                except (RuntimeError, MemoryError) as e:
                    out["notes"].append(f"PyTorch, {label(case)}: {str(e).splitlines()[0]}")
                run = w = h = None
                if options.device == "cuda" and case["m"] * case["n"] > 10**8:
                    torch.cuda.empty_cache()


def with_cupy(options, clock, cases, out):
    try:
        import cupy
    except Exception as e:
        out["notes"].append(f"CuPy: not installed ({e})")
        return
    try:
        wait = cupy.cuda.get_current_stream().synchronize
        cupy.zeros(1)
    except Exception as e:
        out["notes"].append(f"CuPy {cupy.__version__}: {e}")
        return
    out["notes"].append(f"CuPy {cupy.__version__}")
    random = lambda rows, cols: 0.05 + cupy.random.random((rows, cols), dtype=cupy.float32)
    floor = lambda v: cupy.maximum(v, TINY, out=v)
    x, held = None, None
    for case in cases:
        if case["stored"] is not None:
            continue
        if clock.spent():
            out["notes"].append(f"CuPy: the time was up before {label(case)}")
            return
        try:
            if held != (case["m"], case["n"]):
                x = None
                x, held = random(case["m"], case["n"]), (case["m"], case["n"])
            w, h = random(case["m"], case["k"]), random(case["k"], case["n"])
            case["cupy"] = clock.seconds(dense_iteration(case["loss"], x, w, h, floor), wait)
        except Exception as e:
            out["notes"].append(f"CuPy, {label(case)}: {str(e).splitlines()[0]}")
        w = h = None
        cupy.get_default_memory_pool().free_all_blocks()


def label(case):
    kind = "dense" if case["stored"] is None else "sparse"
    return f"{kind} {case['m']}x{case['n']} k={case['k']} {case['loss']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--sparse", help="CSR of scipy.sparse.save_npz, the file that the benchmark had")
    parser.add_argument("--budget", type=float, default=180.0, help="seconds for everything")
    parser.add_argument("--quick", action="store_true", help="small cases only")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try this script out")
    options = parser.parse_args()

    out = {"notes": [], "ceilings": {}, "cases": []}
    cases = []
    if options.sparse:
        try:
            options.csr = read_csr(options.sparse)
            (m, n), stored = options.csr[0], len(options.csr[3])
            for k in SPARSE_RANKS[: 1 if options.quick else None]:
                cases += [{"m": m, "n": n, "stored": stored, "k": k, "loss": loss} for loss in ["kl", "fro"]]
        except (ImportError, OSError, ValueError, zipfile.BadZipFile) as e:
            out["notes"].append(f"sparse cases: {e}")
    for m, n in [(500, 300), (2000, 1000)] if options.quick else DENSE:
        for k in [8, 32] if options.quick else RANKS:
            cases += [{"m": m, "n": n, "stored": None, "k": k, "loss": loss} for loss in LOSSES]
    budget = options.budget
    quick = (5, 0.1) if options.quick else (20, 0.5)
    # the larger part is PyTorch's, which runs everything twice
    with_torch(options, Clock(0.75 * budget, *quick), cases, out)
    with_cupy(options, Clock(0.25 * budget, *quick), cases, out)
    out["cases"] = [{k: v for k, v in c.items() if not (isinstance(v, float) and math.isnan(v))} for c in cases]
    with open(options.out, "w", encoding="utf-8") as f:
        json.dump(out, f, indent=1)
    for note in out["notes"]:
        print(note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
