"""Makes the files of this folder with NumPy 2.4 and SciPy 1.17: python make_fixtures.py

All of them hold X below, in the type and layout their names say, except those that must be refused.
"""
import numpy as np
import scipy.io
import scipy.sparse as sp

X = np.array([[0, 1.5, 0, 2, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, 0], [4, 0, 5, 0, 6.25]])

np.save("f8_c.npy", X)
np.save("f8_fortran.npy", np.asfortranarray(X))
np.save("f8_big.npy", X.astype(">f8"))
np.save("f4_big_fortran.npy", np.asfortranarray(X.astype(">f4")))
np.save("f4.npy", X.astype("f4"))
np.save("f2.npy", X.astype("f2"))
np.save("i2_big.npy", (4 * X).astype(">i2"))
np.save("u1.npy", (4 * X).astype("u1"))
np.save("i8.npy", (4 * X).astype("i8"))
np.save("bool.npy", X > 0)
with open("f8_version2.npy", "wb") as f:
    np.lib.format.write_array(f, X, version=(2, 0))

np.save("refused_1d.npy", X[0])
np.save("refused_0d.npy", np.float64(3))
np.save("refused_3d.npy", X.reshape(2, 2, 5))
np.save("refused_complex.npy", X + 1j)
np.save("refused_object.npy", np.array([[None, 1]], dtype=object), allow_pickle=True)
np.save("refused_record.npy", np.zeros((2, 2), dtype=[("a", "f4"), ("b", "i4", (2, 2))]))
np.save("refused_string.npy", np.array([["a", "bc"]]))
np.save("refused_time.npy", np.zeros((1, 2), dtype="M8[ns]"))

np.savez("one.npz", anything=X)
np.savez_compressed("one_compressed.npz", anything=X)
np.savez("several_with_x.npz", labels=np.arange(4), X=X)
np.savez("refused_several.npz", a=X, b=X)

csr = sp.csr_matrix(X)
sp.save_npz("csr.npz", csr)
sp.save_npz("csr_stored.npz", csr, compressed=False)
sp.save_npz("csr_array_f4.npz", sp.csr_array(X.astype("f4")))
sp.save_npz("csc.npz", sp.csc_matrix(X))
sp.save_npz("coo.npz", sp.coo_matrix(X))
messy = sp.csr_matrix(
    (np.array([2, 0.5, 1, 3, 7, 5, 6.25, 4, 0]), np.array([3, 1, 1, 0, 2, 2, 4, 0, 1]), np.array([0, 3, 4, 4, 9])),
    shape=X.shape,
)
messy.data[4] = 0.0  # an explicit zero, beside a duplicate of the same column
sp.save_npz("csr_unsorted_duplicates_zeros.npz", messy)
assert (messy.toarray() == X).all()
wide = csr.copy()
wide.indices, wide.indptr = wide.indices.astype("i8"), wide.indptr.astype("i8")
np.savez("csr_i8.npz", indices=wide.indices, indptr=wide.indptr, format=b"csr", shape=X.shape, data=X[X != 0])
np.savez("csr_unicode_format.npz", indices=csr.indices, indptr=csr.indptr, format="csr", shape=X.shape, data=csr.data)
np.savez("coo_coords.npz", coords=np.array(sp.coo_matrix(X).coords), format=b"coo", shape=X.shape, data=X[X != 0])
sp.save_npz("refused_dia.npz", sp.dia_matrix(X))

scipy.io.mmwrite("coordinate_real.mtx", csr)
scipy.io.mmwrite("coordinate_integer.mtx", sp.csr_matrix((4 * X).astype(int)))
scipy.io.mmwrite("coordinate_pattern.mtx", sp.csr_matrix(X > 0), field="pattern")
scipy.io.mmwrite("array_real.mtx", X)
S = X[:, :4] + X[:, :4].T
scipy.io.mmwrite("coordinate_symmetric.mtx", sp.csr_matrix(S), symmetry="symmetric")
scipy.io.mmwrite("array_symmetric.mtx", S, symmetry="symmetric")
