//! Compiled kernels, made on first use.

use crate::cache::Store;
use crate::device::{Device, GpuOptions};
use crate::features::{FeatureState, Switch};
use nmf_core::Result;
use nmf_shaders::{Access, Kernel};
use std::collections::HashMap;
use std::io::ErrorKind;

/// A compiled kernel and the layout of its buffers.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// All kernels compiled so far.
#[derive(Debug, Default)]
pub(crate) struct Pipelines {
    /// By kernel, and whether for a batch of runs.
    made: HashMap<(Kernel, bool), Pipeline>,
    kept: Option<Kept>,
}

/// The driver's compiled kernels and the file they come from and go to.
#[derive(Debug)]
struct Kept {
    raw: wgpu::PipelineCache,
    store: Store,
    key: String,
    device: Device,
    /// What the file holds.
    known: Vec<u8>,
}

impl Pipelines {
    /// No kernels yet; what the driver compiled in former processes at hand, where it can be kept.
    pub(crate) fn open(device: &Device, options: &GpuOptions) -> (Pipelines, FeatureState) {
        let without = |why: String| (Pipelines::default(), FeatureState { name: "pipeline-cache", used: false, why });
        if options.features.pipeline_cache == Switch::Off {
            return without("switched off".into());
        }
        if !device.raw.features().contains(wgpu::Features::PIPELINE_CACHE) {
            let offered = device.info.features.iter().any(|f| f == "PIPELINE_CACHE");
            return without(if offered { "there is no folder for it" } else { "the adapter does not offer it" }.into());
        }
        let Some(folder) = &options.cache else { return without("there is no folder for it".into()) };
        let (store, key) = (Store::new(folder), format!("pipelines; {}", device.key));
        let (known, why) = match store.read(&key) {
            Ok(bytes) => (bytes, String::new()),
            Err(e) if e.kind() == ErrorKind::NotFound => (Vec::new(), "nothing kept yet".into()),
            Err(e) => (Vec::new(), format!("what was kept cannot be used: {e}")),
        };
        match restore(device, &known) {
            Ok(raw) => {
                let kept = Kept { raw, store, key, device: device.clone(), known };
                let state = FeatureState { name: "pipeline-cache", used: true, why };
                (Pipelines { made: HashMap::new(), kept: Some(kept) }, state)
            }
            Err(e) => without(e.to_string()),
        }
    }

    pub(crate) fn get(&mut self, device: &Device, kernel: Kernel, batched: bool) -> Result<Pipeline> {
        if let Some(p) = self.made.get(&(kernel, batched)) {
            return Ok(p.clone());
        }
        let p = compile(device, kernel, batched, self.kept.as_ref().map(|k| &k.raw))?;
        self.made.insert((kernel, batched), p.clone());
        Ok(p)
    }

    pub(crate) fn len(&self) -> usize {
        self.made.len()
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        let Some(kept) = &self.kept else { return };
        if self.made.is_empty() || kept.device.faults.check().is_err() {
            return;
        }
        if let Some(bytes) = kept.raw.get_data().filter(|bytes| *bytes != kept.known) {
            // they would only be compiled again
            let _ = kept.store.write(&kept.key, &bytes);
        }
    }
}

#[allow(unsafe_code)]
fn restore(device: &Device, bytes: &[u8]) -> Result<wgpu::PipelineCache> {
    let descriptor = wgpu::PipelineCacheDescriptor {
        label: Some("nmf"),
        data: Some(bytes).filter(|b| !b.is_empty()),
        // bytes that the driver does not like are ignored
        fallback: true,
    };
    device.scoped("what was compiled before", |d| {
        // SAFETY: the bytes must come from `PipelineCache::get_data` on the same kind of device. `Store::read` returns
        // them only from a file that begins with our magic word and version, names as its key the same adapter, its
        // backend, driver, vendor and device numbers, the version of wgpu and our own, has the length it says, and
        // whose checksum over key and bytes is right; such files are written by `Drop` above alone, whole or not at
        // all, from `get_data`. The folder is the user's own (made with access for the owner only), and whoever can
        // forge a file there can replace the user's programs. wgpu and the driver check headers of their own after
        // this.
        unsafe { d.create_pipeline_cache(&descriptor) }
    })
}

fn entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}

fn buffer(ty: wgpu::BufferBindingType) -> wgpu::BindingType {
    wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}

fn bound(access: Access) -> wgpu::BindingType {
    match access {
        Access::Read | Access::Write => buffer(wgpu::BufferBindingType::Storage { read_only: access == Access::Read }),
        Access::Texture | Access::Copy => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::ReadOnly,
            format: wgpu::TextureFormat::Rgba32Float,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    }
}

fn compile(device: &Device, kernel: Kernel, batched: bool, cache: Option<&wgpu::PipelineCache>) -> Result<Pipeline> {
    let label = if batched { format!("{} for a batch", kernel.label()) } else { kernel.label() };
    let mut entries = vec![entry(0, buffer(wgpu::BufferBindingType::Uniform))];
    entries.extend(kernel.bindings().iter().map(|&(n, access)| entry(n, bound(access))));
    device.scoped(&format!("compiling {label}"), |d| {
        let source = if batched { kernel.batched_source(device.ladder) } else { kernel.source(device.ladder) };
        let text =
            wgpu::ShaderModuleDescriptor { label: Some(&label), source: wgpu::ShaderSource::Wgsl(source.into()) };
        let module = if device.checked { d.create_shader_module(text) } else { unchecked(d, text) };
        let layout =
            d.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&label), entries: &entries });
        let pipeline_layout = d.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let raw = d.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // every kernel writes its workgroup memory before it reads it
                zero_initialize_workgroup_memory: device.checked,
                ..Default::default()
            },
            cache,
        });
        Pipeline { raw, layout }
    })
}

#[allow(unsafe_code)]
fn unchecked(device: &wgpu::Device, text: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: the texts are this workspace's own, never input. Every index into a buffer or a texture is guarded by row, column
    // or count of the parameter block, which the backend fills from the sizes of the buffers it binds (a factor's texture has room
    // for its whole buffer); column
    // indices of sparse matrices are checked at upload, where the groups of their rows are cut from the rows' starts too;
    // orders of sweeps are permutations of the columns; the limbs of
    // an exact sum are addressed by exponents of eight bits (in f64 of eleven, those of factors clamped), which cannot leave them; all loops count up to such a
    // bound (by the threads of a subgroup, at least 1), or halve or double a number up to one; divisors (p_tiles, chunks, kq, width, count, p and q of a strip, p of a fold) are at
    // least 1; workgroup memory is written before it is read. In a batch a run is one of those whose parts the buffers were made for,
    // as `Batch` alone says which take part, and part r of a buffer begins r times its own distance behind the first.
    // The tests run in both modes.
    unsafe { device.create_shader_module_trusted(text, wgpu::ShaderRuntimeChecks::unchecked()) }
}
