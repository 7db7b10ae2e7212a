//! Proves a backend against the oracle: yours included.
//!
//! One line in a test file gives one test per check, named after what it checks:
//!
//! ```
//! # #[allow(unused_imports)]
//! use nmf_core::reference::Naive;
//!
//! nmf_core::conformance_tests!(naive_f64, || Naive::<f64>::new());
//! # fn main() {}
//! ```
//!
//! [`run_all`] does the same at run time and returns a [`Report`].
//!
//! - [`oracle`]: every operation against the f64 loops of [`crate::reference`], entry by entry, with a tolerance
//!   derived from the number of roundings and the size of the terms of that entry. A tolerance relative to the
//!   largest entry would hide errors in small rows.
//! - [`laws`]: what holds for any right implementation: layouts agree, transposing exchanges the sides, an exact
//!   factorization stays, the divergence descends.
//! - [`hostile`]: empty rows, poisoned memory, long queues, wrong shapes.
//!
//! What a backend says it does not support ([`crate::Support::No`]) is not asked of it, except that it must say so by
//! an error. [`Traced`] counts what a solver does to a backend, [`Broken`] spoils one operation at a time and shows
//! that the suite notices.

mod bounds;
mod broken;
mod failure;
mod fault;
pub mod hostile;
pub mod laws;
pub mod oracle;
mod probe;
mod sample;
mod traced;

pub use broken::{Broken, BrokenData, BrokenTerms};
pub use failure::{Failure, Outcome, Report};
pub use fault::Fault;
pub use traced::{Counts, Traced};

/// The one list of checks: `run_all` and `conformance_tests!` are both made from it.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($then:ident $($with:tt)*) => {
        $crate::$then! {
            [$($with)*]
            oracle: memory, scalars, gram, cross, terms, apply, mu_step, mu_steps, divergence, divergence_near_fit, penalty, kkt,
                quadratic, hals_sweep, least_squares, gradient_step, extrapolate, advance, newton_sweep,
                impose_sparseness, unfold, fold, weighted;
            laws: layouts_agree, transpose, permutation, scaling, exact_fit, identity_factor, disjoint_supports,
                zeros_stay, non_negative, descent, weights_of_one, masks_are_patterns, weights_scale,
                momentum_goes_on, batches;
            hostile: empty_lines, all_zero, near_floor, poisoned_memory, many_operations, repeatable, tickets,
                wrong_shapes, unsupported;
        }
    };
}

/// Tests a backend: `conformance_tests!(name, || MyBackend::new())` expands to a module `name` with one `#[test]`
/// per check of [`crate::conformance`]. The expression makes a fresh backend each time it is called.
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_list!(__conformance_module $name, $make);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_module {
    ([$name:ident, $make:expr] $($group:ident: $($check:ident),+;)+) => {
        // `|| Backend::new()` reads well even where `Backend::new` would do
        #[allow(clippy::redundant_closure)]
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $($crate::__conformance_group!($group, $make, $($check)+);)+
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_group {
    ($group:ident, $make:expr, $($check:ident)+) => {
        mod $group {
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $check() {
                if let Err(failure) = $crate::conformance::$group::$check($make) {
                    panic!("{failure}");
                }
            })+
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_run {
    ([$make:ident] $($group:ident: $($check:ident),+;)+) => {
        vec![$($((
            concat!(stringify!($group), "::", stringify!($check)),
            caught(concat!(stringify!($group), "::", stringify!($check)), || $group::$check($make)),
        )),+),+]
    };
}

/// Runs every check on backends made by `make`. A panic counts as a failure of its check.
pub fn run_all<B: crate::Backend>(make: impl Fn() -> B) -> Report {
    let info = make().info();
    let make = &make;
    Report {
        backend: format!("{} ({})", info.name, info.adapter),
        outcomes: crate::__conformance_list!(__conformance_run make),
    }
}

fn caught(check: &'static str, run: impl FnOnce() -> Outcome) -> Outcome {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Err(Box::new(Failure {
            check,
            operation: "unknown",
            case: String::new(),
            index: None,
            found: f64::NAN,
            expected: f64::NAN,
            tolerance: f64::NAN,
            note: format!("panicked: {}", text.unwrap_or_default()),
        }))
    })
}
