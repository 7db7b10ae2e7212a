//! Gaussian mixtures by expectation–maximization, and k-means.
//!
//! [`fit`] learns weights, means and (diagonal or full) covariances of K Gaussians from the rows of a matrix, each row
//! with a weight of its own if wanted; the log-likelihood never falls from one iteration to the next. [`kmeans`] is
//! Lloyd's algorithm from k-means++ centres. Both give the same bits for every number of threads, and for one seed always.
//!
//! Sources: A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from incomplete data via the EM
//! algorithm", J. R. Stat. Soc. B 39(1), 1977; C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, §9.2
//! (eqs. 9.23–9.28); D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
//!
//! ```
//! use ndarray::array;
//! use nmf_mixture::{MixtureOptions, fit};
//! let data = array![[0.0], [0.1], [-0.1], [5.0], [5.2], [4.8]];
//! let found = fit(data.view(), None, &MixtureOptions::new(2))?;
//! let mut means: Vec<f64> = found.mixture.means().column(0).to_vec();
//! means.sort_by(f64::total_cmp);
//! assert!((means[0] - 0.0).abs() < 1e-6 && (means[1] - 5.0).abs() < 1e-6);
//! assert!(found.log_likelihood.windows(2).all(|w| w[1] >= w[0]));
//! # Ok::<(), nmf_mixture::Error>(())
//! ```

mod data;
mod em;
mod error;
mod exp;
mod fit;
mod kmeans;
mod model;
mod moments;

pub use error::{Error, Result};
pub use fit::{MixtureFit, MixtureOptions, Start, fit};
pub use kmeans::{KMeans, KMeansOptions, kmeans};
pub use model::{Covariance, Covariances, GaussianMixture};
