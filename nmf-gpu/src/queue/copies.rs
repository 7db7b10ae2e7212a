//! Copies within the device: between buffers, and of factors into a texture.

use super::{Command, Stream};
use crate::pool::Buf;
use nmf_core::Result;
use nmf_shaders::COPY_WIDTH;

/// Bytes per row of a texture that is a copy of a buffer.
const ROW: u64 = 16 * COPY_WIDTH as u64;

/// Rows of a texture for a buffer of so many bytes.
pub(crate) fn rows(bytes: u64) -> u64 {
    bytes.div_ceil(ROW).max(1)
}

impl Stream {
    /// Records a copy between buffers; sizes and offsets in bytes, multiples of 4.
    pub(crate) fn copy(&mut self, from: &Buf, to: &Buf, bytes: u64) {
        self.copy_part((from, 0), (to, 0), bytes);
    }

    /// Records a copy of `bytes` from one offset to another, of each run where the target has a part for each.
    pub(crate) fn copy_part(&mut self, (from, offset): (&Buf, u64), (to, at): (&Buf, u64), bytes: u64) {
        let runs = match &self.batch {
            Some(b) if to.step() > 0 => b.members(),
            _ => &[0],
        };
        for run in runs.iter().map(|r| *r as usize).filter(|_| bytes > 0) {
            let (offset, at) = (offset + from.part(run), at + to.part(run));
            self.commands.push(Command::Copy { from: from.raw().clone(), offset, to: to.raw().clone(), at, bytes });
        }
    }

    /// Records a copy of a buffer into a texture. It serves the next kernel alone: one texture is there for all.
    pub(super) fn picture(&mut self, from: &Buf) -> Result<wgpu::TextureView> {
        let rows = rows(from.raw().size()) as u32;
        let to = match &self.picture {
            Some(texture) if texture.height() >= rows => texture.clone(),
            _ => {
                let height = rows.next_power_of_two();
                let descriptor = wgpu::TextureDescriptor {
                    label: Some("a factor"),
                    size: wgpu::Extent3d { width: COPY_WIDTH, height, depth_or_array_layers: 1 },
                    mip_level_count: 1,
                    sample_count: 1,
                    dimension: wgpu::TextureDimension::D2,
                    format: wgpu::TextureFormat::Rgba32Float,
                    usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
                    view_formats: &[],
                };
                let texture = self.device.scoped("a texture of a factor", |d| d.create_texture(&descriptor))?;
                self.picture.insert(texture).clone()
            }
        };
        let view = to.create_view(&wgpu::TextureViewDescriptor::default());
        self.commands.push(Command::Picture { from: from.raw().clone(), to });
        Ok(view)
    }
}

impl Command {
    /// Encodes a copy; false where this is none.
    pub(super) fn copy(&self, encoder: &mut wgpu::CommandEncoder) -> bool {
        match self {
            Command::Run { .. } => return false,
            Command::Copy { from, offset, to, at, bytes } => {
                encoder.copy_buffer_to_buffer(from, *offset, to, *at, *bytes);
            }
            Command::Picture { from, to } => {
                let layout =
                    wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(ROW as u32), rows_per_image: None };
                let part = |y: u64, width: u64, height: u64| {
                    let layout = wgpu::TexelCopyBufferLayout { offset: y * ROW, ..layout };
                    let origin = wgpu::Origin3d { x: 0, y: y as u32, z: 0 };
                    let size = wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 };
                    (
                        wgpu::TexelCopyBufferInfo { buffer: from, layout },
                        wgpu::TexelCopyTextureInfo { origin, ..to.as_image_copy() },
                        size,
                    )
                };
                let (whole, rest) = (from.size() / ROW, from.size() % ROW / 16);
                let parts =
                    [(whole > 0).then(|| part(0, COPY_WIDTH.into(), whole)), (rest > 0).then(|| part(whole, rest, 1))];
                for (buffer, texture, size) in parts.into_iter().flatten() {
                    encoder.copy_buffer_to_texture(buffer, texture, size);
                }
            }
        }
        true
    }
}
