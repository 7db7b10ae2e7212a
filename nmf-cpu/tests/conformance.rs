//! The CPU backend against the oracle of `nmf_core`, in both precisions.

use nmf_cpu::Cpu;

nmf_core::conformance_tests!(cpu_f32, || Cpu::<f32>::with_threads(2).unwrap());
nmf_core::conformance_tests!(cpu_f64, || Cpu::<f64>::with_threads(2).unwrap());
