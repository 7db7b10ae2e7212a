//! Every generated text is accepted by naga, binds what it says, and stays within the limits that every WebGPU
//! device offers. No adapter is needed.

use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};
use nmf_shaders::{Access, Kernel, Ladder, WORKGROUP};

/// Every kernel on every ladder that has it, for one run, and but for the first ladder for a batch of runs as well.
fn all() -> impl Iterator<Item = (Kernel, Ladder, bool)> {
    let kernels = |ladder: Ladder| Kernel::all().into_iter().filter(move |k| k.is_on(ladder));
    let alone = Ladder::ALL.into_iter().map(|ladder| (ladder, false));
    let batched = Ladder::ALL.into_iter().skip(1).map(|ladder| (ladder, true));
    alone.chain(batched).flat_map(move |(ladder, batched)| kernels(ladder).map(move |k| (k, ladder, batched)))
}

fn module(kernel: &Kernel, ladder: Ladder, batched: bool) -> naga::Module {
    let text = if batched { kernel.batched_source(ladder) } else { kernel.source(ladder) };
    // in comments, too, where no parser would notice
    let hole = text.split('{').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase() || c == '{'));
    assert!(!hole, "{}: a hole is left\n{text}", kernel.label());
    naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}: {}", kernel.label(), e.emit_to_string(&text)))
}

#[test]
fn naga_accepts_every_variant() {
    for (kernel, ladder, batched) in all() {
        let module = module(&kernel, ladder, batched);
        let mut needed = Capabilities::empty();
        // the built-in functions that unpack halves; numbers of that type are not asked for
        needed.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, kernel.label().contains("half: true"));
        needed.set(Capabilities::SUBGROUP, ladder.subgroups);
        needed.set(Capabilities::FLOAT64, ladder.double);
        needed.set(Capabilities::SHADER_INT64, ladder.double || kernel.label().contains("reads: Words"));
        if let Kernel::Matrices(pass) = kernel {
            needed |= Capabilities::COOPERATIVE_MATRIX;
            needed.set(Capabilities::SHADER_FLOAT16, pass.matrices.halves);
        }
        let mut validator = Validator::new(ValidationFlags::all(), needed);
        if ladder.subgroups {
            validator.subgroup_stages(ShaderStages::COMPUTE).subgroup_operations(SubgroupOperationSet::all());
        }
        validator.validate(&module).unwrap_or_else(|e| panic!("{} on {ladder:?}: {e:?}", kernel.label()));
        let entry = &module.entry_points[0];
        assert_eq!((entry.name.as_str(), entry.workgroup_size), ("main", [WORKGROUP, 1, 1]), "{}", kernel.label());
    }
}

#[test]
fn the_listed_bindings_are_those_of_the_text() {
    for (kernel, ladder, batched) in all() {
        let mut found: Vec<(u32, Access)> = module(&kernel, ladder, batched)
            .global_variables
            .iter()
            .filter_map(|(_, v)| match v.space {
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Some((v.binding.as_ref()?.binding, Access::Write))
                }
                AddressSpace::Storage { .. } => Some((v.binding.as_ref()?.binding, Access::Read)),
                AddressSpace::Handle => {
                    let access = if v.name.as_deref() == Some("x") { Access::Texture } else { Access::Copy };
                    Some((v.binding.as_ref()?.binding, access))
                }
                _ => None,
            })
            .collect();
        found.sort_by_key(|b| b.0);
        assert_eq!(found, kernel.bindings(), "{}", kernel.label());
        let textures = found.iter().filter(|(_, access)| matches!(access, Access::Texture | Access::Copy)).count();
        assert!(textures <= 4, "{}: more storage textures than the portable limit", kernel.label());
        assert!(found.len() - textures <= 8, "{}: more storage buffers than the portable limit", kernel.label());
    }
}

#[test]
fn workgroup_memory_stays_within_the_portable_limit() {
    for (kernel, ladder, batched) in all() {
        let module = module(&kernel, ladder, batched);
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].size)
            .sum();
        assert!(bytes <= ladder.workgroup_memory(), "{}: {bytes} bytes of workgroup memory", kernel.label());
    }
}

#[test]
fn no_kernel_is_listed_twice_and_each_file_says_what_it_computes() {
    let all = Kernel::all();
    let mut seen = std::collections::HashSet::new();
    assert!(all.iter().all(|k| seen.insert(*k)));
    assert!(all.iter().all(|k| k.source(Ladder::default()).starts_with("// ")));
}

/// The run is found before anything is read, and nothing keeps to the number of columns that all share.
#[test]
fn every_kernel_in_a_batch_finds_its_run_first() {
    for (kernel, text) in Kernel::all().iter().map(|k| (k, k.batched_source(Ladder::default()))) {
        let main = text.split_once("fn main(").map_or("", |(_, main)| main);
        let body = main.split_once("{\n").map_or("", |(_, body)| body);
        let first = body.lines().find(|line| !line.trim_start().starts_with("//"));
        let finds = |line: &str| line.contains("= group_index(wid)") || line.starts_with("    run = ");
        assert!(first.is_some_and(finds), "{}: {first:?}", kernel.label());
        assert!(!text.lines().any(|l| l.contains("par.k ") || l.contains("par.k;")), "{}", kernel.label());
    }
}

#[test]
fn only_the_ladder_with_subgroups_uses_them() {
    let with = |ladder| Kernel::all().iter().filter(|k| k.source(ladder).contains("subgroupAdd(")).count();
    assert_eq!(with(Ladder::default()), 0);
    assert!(with(Ladder { subgroups: true, double: false }) > 20);
}

/// No number of less precision is left on a ladder in f64, and none of more elsewhere; comments may speak of both.
#[test]
fn a_text_has_one_precision() {
    for (kernel, ladder, batched) in all().filter(|(_, ladder, _)| !ladder.subgroups) {
        let text = if batched { kernel.batched_source(ladder) } else { kernel.source(ladder) };
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let other = if ladder.double { ["f32", "vec4f"] } else { ["f64", "u64"] };
        let found = code.filter(|line| other.iter().any(|word| line.contains(word))).count();
        // what unpacks halves is named after them
        assert_eq!(found, 0, "{}", kernel.label());
    }
}
