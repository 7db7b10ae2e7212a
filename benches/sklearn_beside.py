#!/usr/bin/env python3
"""scikit-learn's multiplicative updates and ours, from one start, in one run.

    sklearn_beside.py NMF_CLI X.npz|X.npy LOSS K ITERATIONS [REPEATS]

LOSS is fro, kl or is. Prints median seconds of the solve alone (no import, no loading) and the objective, recomputed here
in f64 from the returned factors. For kl a third row is scikit-learn without the two lines that set entries below 2.2e-16
to zero after every iteration. Needs numpy, scipy and scikit-learn.
"""
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import scipy.sparse as sp
import sklearn.decomposition._nmf as reference

warnings.filterwarnings("ignore")
cli, path, loss, k, iterations = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
repeats = int(sys.argv[6]) if len(sys.argv) > 6 else 3
names = {"fro": "frobenius", "kl": "kullback-leibler", "is": "itakura-saito"}
x = sp.load_npz(path).tocsr().astype(np.float32) if path.endswith(".npz") else np.load(path).astype(np.float32)
rng = np.random.default_rng(0)
scale = np.sqrt(float(x.sum(dtype=np.float64)) / x.shape[0] / x.shape[1] / k)
w0 = (scale * (1 - rng.random((x.shape[0], k)))).astype(np.float32)
h0 = (scale * (1 - rng.random((k, x.shape[1])))).astype(np.float32)


def objective(w, h):
    w, h = w.astype(np.float64), h.astype(np.float64)
    if sp.issparse(x):
        c = x.tocoo()
        v = np.concatenate([np.einsum("ij,ij->i", w[c.row[s:s + 200_000]], h.T[c.col[s:s + 200_000]])
                            for s in range(0, c.nnz, 200_000)])
        d = c.data.astype(np.float64)
        if loss == "fro":
            return 0.5 * (d @ d) - d @ v + 0.5 * np.sum((w.T @ w) * (h @ h.T))
        return d @ np.log(d / np.maximum(v, 1e-12)) - d.sum() + w.sum(0) @ h.sum(1)
    a, v = x.astype(np.float64), w @ h
    if loss == "fro":
        return 0.5 * np.sum((a - v) ** 2)
    r = a / np.maximum(v, 1e-12)
    return np.sum(a * np.log(np.where(a > 0, r, 1)) - a + v) if loss == "kl" else np.sum(r - np.log(r) - 1)


def theirs():
    model = reference.NMF(k, init="custom", solver="mu", beta_loss=names[loss], max_iter=iterations, tol=0)
    t = time.perf_counter()
    w = model.fit_transform(x, W=w0.copy(), H=h0.copy())
    return time.perf_counter() - t, objective(w, model.components_)


def ours():
    with tempfile.TemporaryDirectory() as d:
        np.save(d + "/w0.npy", w0)
        np.save(d + "/h0.npy", h0)
        words = [cli, "factorize", os.path.abspath(path), "-k", str(k), "--loss", loss, "--solver", "mu", "--w0", d + "/w0.npy",
                 "--h0", d + "/h0.npy", "--max-iter", str(iterations), "--tol", "0", "--backend", "cpu", "--precision", "f32",
                 "--json", "-q", "-o", d + "/model"]
        fit = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        return fit["seconds"], objective(np.load(d + "/model/W.npy"), np.load(d + "/model/H.npy"))


def report(name, run):
    runs = [run() for _ in range(repeats)]
    print(f"{name:<28} {statistics.median(s for s, _ in runs):9.3f} s   objective {runs[-1][1]:.6e}", flush=True)


report("ours, --solver mu", ours)
report("scikit-learn, solver='mu'", theirs)
if loss == "kl":
    source = inspect.getsource(reference._fit_multiplicative_update)
    for name in "WH":
        for sign in ("<", "<="):
            source = source.replace(f"{name}[{name} {sign} np.finfo(np.float64).eps] = 0.0", "pass")
    exec(source, reference.__dict__)
    report("scikit-learn, zeroing off", theirs)
