//! Windows of dense X as textures, beside their buffers.
//!
//! A processor reads a buffer lane by lane, each read behind a condition, but a texel of a texture for all lanes at once: so
//! the kernels that keep rows in registers read textures there (`benches/RESULTS.md` has the figures), the other factor's copied before
//! each pass (`queue/copies.rs`). The rule: on processors, for X that is resident and stored as f32 in at most 1 GiB,
//! where no budget of memory is set, every window fits the largest texture, and the driver has the memory.
//! (A processor's memory is the host's, and nobody says how much of it is left.)

use super::dense::{Cut, Form};
use crate::device::Device;
use crate::plan::Sharing;
use crate::pool::Pool;
use nmf_core::{Error, Result};

/// Bytes of X that are doubled without asking.
const MOST: u64 = 1 << 30;

/// A texture whose texels are the quads of a window.
pub(super) struct Image {
    raw: wgpu::Texture,
    /// Quads per row.
    width: u32,
}

impl Image {
    /// A texture for each window, or none for any.
    pub(super) fn of_all(device: &Device, pool: &Pool, cuts: &[Cut], form: Form) -> Result<Vec<Image>> {
        let largest = device.limits.max_texture_dimension_2d as usize;
        let fit = |c: &Cut| (1..=largest).contains(&c.ld()) && (1..=largest).contains(&c.rows.len());
        let bytes: u64 = cuts.iter().map(|c| c.bytes(form)).sum();
        if Sharing::on(device) != Sharing::Lanes
            || bytes > MOST
            || form.quad_bytes() != 16
            || pool.budget().is_some()
            || !cuts.iter().all(fit)
        {
            return Ok(Vec::new());
        }
        match cuts.iter().map(|c| Image::new(device, c)).collect() {
            // without them everything works, somewhat slower
            Err(Error::OutOfMemory { .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    fn new(device: &Device, cut: &Cut) -> Result<Image> {
        let width = cut.ld() as u32;
        let descriptor = wgpu::TextureDescriptor {
            label: Some("the matrix X"),
            size: wgpu::Extent3d { width, height: cut.rows.len() as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        };
        Ok(Image { raw: device.scoped("a texture of X", |d| d.create_texture(&descriptor))?, width })
    }

    /// Writes whole rows, from byte `at` on, as they lie in the buffer.
    pub(super) fn put(&self, device: &Device, at: u64, bytes: &[u8]) -> Result<()> {
        let row = 16 * self.width;
        let to = wgpu::TexelCopyTextureInfo {
            origin: wgpu::Origin3d { x: 0, y: (at / u64::from(row)) as u32, z: 0 },
            ..self.raw.as_image_copy()
        };
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        let size = wgpu::Extent3d { width: self.width, height: bytes.len() as u32 / row, depth_or_array_layers: 1 };
        device.scoped("uploading", |_| device.queue.write_texture(to, bytes, layout, size))
    }

    pub(super) fn view(&self) -> wgpu::TextureView {
        self.raw.create_view(&wgpu::TextureViewDescriptor::default())
    }
}
