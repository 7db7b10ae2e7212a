//! Copies within the device: between buffers, and of factors into a texture.

use super::{Command, Params, Stream};
use crate::pool::Buf;
use nmf_core::{Error, Result};
use nmf_shaders::COPY_WIDTH;

/// Bytes per row of a texture that is a copy of a buffer.
const ROW: u64 = 16 * COPY_WIDTH as u64;

/// Rows of a texture for a buffer of so many bytes.
fn rows(bytes: u64) -> u64 {
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

    /// Whether kernels can read this buffer as a texture: one is there for all, as large as the largest buffer so far. Where the
    /// device has no room for it, it is not asked again.
    pub(crate) fn has_picture(&mut self, of: &Buf) -> Result<bool> {
        let (rows, most) = (rows(of.raw().size()), u64::from(self.device.limits.max_texture_dimension_2d));
        if self.no_pictures || rows > most || u64::from(COPY_WIDTH) > most {
            return Ok(false);
        }
        if self.picture.as_ref().is_none_or(|p| u64::from(p.height()) < rows) {
            // what is recorded already keeps the smaller one
            self.picture = None;
            let descriptor = wgpu::TextureDescriptor {
                label: Some("a factor"),
                size: wgpu::Extent3d {
                    width: COPY_WIDTH,
                    height: rows.next_power_of_two().min(most) as u32,
                    depth_or_array_layers: 1,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba32Float,
                usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            };
            match self.device.scoped("a texture of a factor", |d| d.create_texture(&descriptor)) {
                Ok(texture) => self.picture = Some(texture),
                Err(Error::OutOfMemory { .. }) => self.no_pictures = true,
                Err(e) => return Err(e),
            }
        }
        Ok(self.picture.is_some())
    }

    /// Records a copy of the rows q0..q0 + q (of `kq` quads each) of a factor into the texture, those of each run that takes part.
    /// It serves the next kernel alone.
    pub(super) fn fill_picture(&mut self, from: &Buf, at: &Params) -> Result<wgpu::TextureView> {
        let to = self.picture.clone().filter(|p| u64::from(p.height()) >= rows(from.raw().size()));
        let to = to.ok_or_else(|| Error::Device("a factor has no texture".into()))?;
        let runs = match &self.batch {
            Some(b) if from.step() > 0 => b.members(),
            _ => &[0],
        };
        let places = runs.iter().map(|run| from.part(*run as usize));
        let (first, last) = (places.clone().min().unwrap_or(0), places.max().unwrap_or(0));
        let quads = |rows: u32| 16 * u64::from(rows) * u64::from(at.kq);
        // whole rows of the texture, so that everything keeps its place
        let first = (first + quads(at.q0)) / ROW;
        let last = (last + quads(at.q0 + at.q)).min(from.raw().size()).div_ceil(ROW);
        let view = to.create_view(&wgpu::TextureViewDescriptor::default());
        self.commands.push(Command::Picture { from: from.raw().clone(), to, rows: first..last.max(first) });
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
            Command::Picture { from, to, rows } => {
                // a buffer that ends within a row is shorter than one: the pool's sizes are powers of two, or multiples of a row
                let ends = [rows.start * ROW, rows.end * ROW].map(|at| at.min(from.size()));
                let whole = (ends[1] - ends[0]) / ROW;
                let rest = (ends[1] - ends[0]) % ROW / 16;
                for (y, width, height) in [(rows.start, COPY_WIDTH.into(), whole), (rows.start + whole, rest, 1)] {
                    if width == 0 || height == 0 {
                        continue;
                    }
                    let layout = wgpu::TexelCopyBufferLayout {
                        offset: y * ROW,
                        bytes_per_row: Some(ROW as u32),
                        rows_per_image: None,
                    };
                    let origin = wgpu::Origin3d { x: 0, y: y as u32, z: 0 };
                    encoder.copy_buffer_to_texture(
                        wgpu::TexelCopyBufferInfo { buffer: from, layout },
                        wgpu::TexelCopyTextureInfo { origin, ..to.as_image_copy() },
                        wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
                    );
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::{Gpu, GpuOptions};
    use ndarray::Array2;
    use nmf_core::{Backend, MatrixRef, Observed, Side};

    #[test]
    fn where_no_texture_can_be_had_passes_read_buffers() {
        let values = |rows, cols| Array2::from_shape_fn((rows, cols), |(i, j)| ((i * 7 + j * 11) % 23) as f32 + 0.5);
        let [with, without] = [false, true].map(|refused| {
            let mut b = Gpu::new(&GpuOptions::default()).unwrap();
            b.stream.no_pictures = refused;
            let data = b.upload(MatrixRef::from(&values(100, 90)), 1.0, Observed::All).unwrap();
            let other = b.factor(values(90, 7).view()).unwrap();
            let mut out = b.factor(Array2::zeros((100, 7)).view()).unwrap();
            b.cross(&data, Side::Rows, &other, &mut out).unwrap();
            assert!(!refused || b.stream.picture.is_none());
            b.read(&out).unwrap()
        });
        assert_eq!(with, without);
    }
}
