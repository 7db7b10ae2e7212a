//! Writes swimmers as PNG files: `cargo run -p nmf-image --example swimmer -- FOLDER [COUNT]`.

use nmf_image::{Look, png, swimmer, tile};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1);
    let folder = PathBuf::from(words.next().ok_or("a folder is needed: swimmer FOLDER [COUNT]")?);
    let count = words.next().map_or(Ok(256), |n| n.to_string_lossy().parse::<usize>())?;
    std::fs::create_dir_all(&folder)?;
    let stack = swimmer::swimmers(count, 0);
    for (row, name) in stack.pixels.outer_iter().zip(&stack.names) {
        std::fs::write(folder.join(name), png(&tile(row, stack.shape, Look::Light, 1.0)?)?)?;
    }
    Ok(())
}
