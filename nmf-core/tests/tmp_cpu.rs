nmf_core::conformance_tests!(cpu32, || nmf_cpu::Cpu::<f32>::new().unwrap());
nmf_core::conformance_tests!(cpu64, || nmf_cpu::Cpu::<f64>::new().unwrap());
