//! Compiled kernels, made on first use.

use crate::device::Device;
use nmf_core::Result;
use nmf_shaders::{Access, Kernel};
use std::collections::HashMap;

/// A compiled kernel and the layout of its buffers.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// All kernels compiled so far.
#[derive(Debug, Default)]
pub(crate) struct Pipelines {
    made: HashMap<Kernel, Pipeline>,
}

impl Pipelines {
    pub(crate) fn get(&mut self, device: &Device, kernel: Kernel) -> Result<Pipeline> {
        if let Some(p) = self.made.get(&kernel) {
            return Ok(p.clone());
        }
        let p = compile(device, kernel)?;
        self.made.insert(kernel, p.clone());
        Ok(p)
    }

    pub(crate) fn len(&self) -> usize {
        self.made.len()
    }
}

fn entry(binding: u32, ty: wgpu::BufferBindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

fn compile(device: &Device, kernel: Kernel) -> Result<Pipeline> {
    let label = kernel.label();
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
    entries.extend(
        kernel
            .bindings()
            .iter()
            .map(|&(n, access)| entry(n, wgpu::BufferBindingType::Storage { read_only: access == Access::Read })),
    );
    device.scoped(&format!("compiling {label}"), |d| {
        let text = wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(kernel.source().into()),
        };
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
            cache: None,
        });
        Pipeline { raw, layout }
    })
}

#[allow(unsafe_code)]
fn unchecked(device: &wgpu::Device, text: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: the texts are this workspace's own, never input. Every index into a buffer is guarded by row, column
    // or count of the parameter block, which the backend fills from the sizes of the buffers it binds; column
    // indices of sparse matrices are checked at upload, where the groups of their rows are cut from the rows' starts too;
    // orders of sweeps are permutations of the columns; the limbs of
    // an exact sum are addressed by exponents of eight bits, which cannot leave them; all loops count up to such a
    // bound, or halve or double a number up to one; divisors (p_tiles, chunks, kq, width, count, p and q of a strip, p of a fold) are at
    // least 1; workgroup memory is written before it is read.
    // The tests run in both modes.
    unsafe { device.create_shader_module_trusted(text, wgpu::ShaderRuntimeChecks::unchecked()) }
}
