//! Every generated text is accepted by naga, binds what it says, and stays within the limits that every WebGPU
//! device offers. No adapter is needed.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};
use nmf_shaders::{Access, Kernel, WORKGROUP, WORKGROUP_MEMORY};

fn module(kernel: &Kernel) -> naga::Module {
    let text = kernel.source();
    // in comments, too, where no parser would notice
    let hole = text.split('{').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase() || c == '{'));
    assert!(!hole, "{}: a hole is left\n{text}", kernel.label());
    naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}: {}", kernel.label(), e.emit_to_string(&text)))
}

#[test]
fn naga_accepts_every_variant() {
    for kernel in Kernel::all() {
        let module = module(&kernel);
        // the built-in functions that unpack halves; numbers of that type are not asked for
        let needed = if kernel.label().contains("half: true") {
            Capabilities::SHADER_FLOAT16_IN_FLOAT32
        } else {
            Capabilities::empty()
        };
        Validator::new(ValidationFlags::all(), needed)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{}: {e:?}", kernel.label()));
        let entry = &module.entry_points[0];
        assert_eq!((entry.name.as_str(), entry.workgroup_size), ("main", [WORKGROUP, 1, 1]), "{}", kernel.label());
    }
}

#[test]
fn the_listed_bindings_are_those_of_the_text() {
    for kernel in Kernel::all() {
        let mut found: Vec<(u32, Access)> = module(&kernel)
            .global_variables
            .iter()
            .filter_map(|(_, v)| match v.space {
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Some((v.binding.as_ref()?.binding, Access::Write))
                }
                AddressSpace::Storage { .. } => Some((v.binding.as_ref()?.binding, Access::Read)),
                _ => None,
            })
            .collect();
        found.sort_by_key(|b| b.0);
        assert_eq!(found, kernel.bindings(), "{}", kernel.label());
        assert!(found.len() <= 8, "{}: more storage buffers than the portable limit", kernel.label());
    }
}

#[test]
fn workgroup_memory_stays_within_the_portable_limit() {
    for kernel in Kernel::all() {
        let module = module(&kernel);
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].size)
            .sum();
        assert!(bytes <= WORKGROUP_MEMORY, "{}: {bytes} bytes of workgroup memory", kernel.label());
    }
}

#[test]
fn no_kernel_is_listed_twice_and_each_file_says_what_it_computes() {
    let all = Kernel::all();
    let mut seen = std::collections::HashSet::new();
    assert!(all.iter().all(|k| seen.insert(*k)));
    assert!(all.iter().all(|k| k.source().starts_with("// ")));
}
