"""Makes the .h5ad files of this folder with anndata 0.12 and h5py 3.16: python make_h5ad.py

All hold X of make_fixtures.py as X, 2·X as layers/counts and (csr.h5ad) three more genes as raw/X.
"""
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

X = np.array([[0, 1.5, 0, 2, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, 0], [4, 0, 5, 0, 6.25]])
warnings.simplefilter("ignore")


def annotated(x, layer):
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(["T", None, "B", "T"]),
            "batch": pd.array(["one", "one", None, "zwei ü"], dtype="string"),
            "size": [1.5, 2.0, 3.0, 4.25],
            "count": np.array([1, 2, 3, 40], dtype="int32"),
            "kept": [True, False, True, True],
        },
        index=["AAA-1", "CCC-1", "GGG-1", "TTT-1"],
    )
    var = pd.DataFrame({"gene_ids": [f"ENSG{j}" for j in range(5)]}, index=list("abcde"))
    return anndata.AnnData(x, obs=obs, var=var, layers={"counts": layer})


a = annotated(sp.csr_matrix(X.astype("f4")), sp.csc_matrix(2 * X))
raw = anndata.AnnData(
    sp.csr_matrix(np.hstack([X, np.ones((4, 3))]).astype("f4")),
    obs=a.obs,
    var=pd.DataFrame(index=list("abcdefgh")),
)
a.raw = raw
a.write_h5ad("csr.h5ad", compression="gzip")
annotated(sp.csc_matrix(X), X * 2).write_h5ad("csc.h5ad")
annotated(X, X * 2).write_h5ad("dense.h5ad", compression="gzip")
with h5py.File("dense.h5ad", "r") as source, h5py.File("refused_indices.h5ad", "w") as f:
    # a column index out of range
    source.copy("obs", f)
    source.copy("var", f)
    g = f.create_group("X")
    g.attrs["encoding-type"] = "csr_matrix"
    g.attrs["shape"] = [4, 5]
    g["data"] = np.array([1.0, 2.0])
    g["indices"] = np.array([0, 5])
    g["indptr"] = np.array([0, 1, 2, 2, 2])
with h5py.File("refused_no_x.h5ad", "w") as f:
    f["y"] = np.zeros(3)
