//! Pictures of one size as the rows of a matrix.

use crate::{Error, Result};
use ndarray::Array2;
use std::path::Path;

/// The size of every picture of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
}

impl Shape {
    /// Numbers in a picture, height·width·channels: the columns of the matrix.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there is no pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// "19×19": width by height, with the channels where there are several.
    pub fn text(&self) -> String {
        let colour = if self.channels == 3 { " RGB" } else { "" };
        format!("{}×{}{colour}", self.width, self.height)
    }
}

/// Pictures as rows: column (y·width + x)·channels + c holds channel c of the pixel in row y, column x.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Pictures × (height·width·channels), 0 (black) to 1 (white or the full colour).
    pub pixels: Array2<f32>,
    /// A name for every picture: its path in the folder or archive, or its place in an array, `faces[17]`.
    pub names: Vec<String>,
    /// The size of each.
    pub shape: Shape,
}

impl Stack {
    /// The row of the picture called `name`: its full name, the end of its path (`face00017.pgm`, with or without the ending), or its
    /// number from 0.
    ///
    /// # Errors
    /// If no picture, or more than one, answers to the name; `path` is where the pictures are from.
    pub fn find(&self, name: &str, path: &Path) -> Result<usize> {
        if let Some(i) = self.names.iter().position(|n| n == name) {
            return Ok(i);
        }
        let ends = |n: &String| {
            let last = n.rsplit('/').next().unwrap_or(n);
            n.ends_with(&format!("/{name}"))
                || last == name
                || last.rsplit_once('.').is_some_and(|(stem, _)| stem == name)
        };
        let found: Vec<usize> = (0..self.names.len()).filter(|&i| ends(&self.names[i])).collect();
        match (&found[..], name.parse::<usize>()) {
            ([one], _) => Ok(*one),
            ([], Ok(i)) if i < self.names.len() => Ok(i),
            ([first, second, ..], _) => {
                let message =
                    format!("several pictures are called so ({}, {}, …)", self.names[*first], self.names[*second]);
                Err(Error::picture(path, name, message))
            }
            ([], _) => {
                let example = self.names.first().map_or("", String::as_str);
                let most = self.names.len().saturating_sub(1);
                let message = format!(
                    "there is no such picture; a name such as {example} or a number from 0 to {most} is accepted"
                );
                Err(Error::picture(path, name, message))
            }
        }
    }
}
