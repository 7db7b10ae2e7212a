//! The form of a kernel that serves several runs in one dispatch: runs lie along the grid's third dimension, and each buffer
//! begins `step` quads later for the next run (not at all for what all runs share, X above all).
//!
//! The text of a kernel says nothing of runs. Here every access to one of its buffers is moved by the run's distance, and `par.k`
//! becomes the run's own: so a run in a batch does the same operations in the same order as one alone.

use crate::MAX_RUNS;

/// What the parameter block holds besides.
pub(super) fn fields() -> String {
    let steps: String = (1..=8)
        .map(|n| format!("    step{n}: u32,   // quads from one run's part of binding {n} to the next\n"))
        .collect();
    format!(
        "{steps}    members: array<vec4<u32>, {}>, // which runs take part: a byte for each
    narrow: vec4<u32>, // for each run two bits: how many of the last quad's columns it lacks
",
        MAX_RUNS / 16
    )
}

/// What finding one's place adds.
pub(super) const PLACE: &str =
    "    run = (par.members[wid.z >> 4u][(wid.z >> 2u) & 3u] >> (8u * (wid.z & 3u))) & 0xffu;
    run_k = 4u * par.kq - ((par.narrow[(run >> 4u) & 3u] >> (2u * (run & 15u))) & 3u);
";

/// Where a thread keeps them.
pub(super) const MEMORY: &str = "
// The run that this workgroup works for, and its number of columns.
var<private> run: u32;
var<private> run_k: u32;
";

/// Where the run's part of the other factor begins, in a texture that is a copy of all parts.
pub(super) const OTHER: &str = "run * par.step3 + ";

/// A buffer of a text: its name, its binding, and how many of its elements make a quad.
struct Buffer {
    name: String,
    binding: u32,
    per_quad: u32,
}

/// Moves every access of a text; `double`: its quads are of f64.
pub(super) fn moved(text: &str, double: bool) -> String {
    let buffers = buffers(text, double);
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let (code, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
        // a declaration is no access, and its brackets are none
        if code.contains("@binding(") {
            out.push_str(line);
            continue;
        }
        out.push_str(&moved_code(code, &buffers));
        out.push_str(comment);
    }
    out
}

fn buffers(text: &str, double: bool) -> Vec<Buffer> {
    text.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("@binding(")?;
            let (binding, rest) = rest.split_once(')')?;
            let (_, rest) = rest.split_once("var<storage")?;
            let (name, rest) = rest.split_once("> ")?.1.split_once(':')?;
            let per_quad = match rest.trim().strip_prefix("array<")? {
                element if element.starts_with("vec4") || element.starts_with("vec2<u64>") => 1,
                element if element.starts_with("vec2") => 2,
                // a quad of f64 is as long as eight words
                element if double && !element.starts_with("f64") => 8,
                _ => 4,
            };
            Some(Buffer { name: name.trim().into(), binding: binding.parse().ok()?, per_quad })
        })
        .collect()
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c == b'.'
}

fn moved_code(code: &str, buffers: &[Buffer]) -> String {
    let mut out = String::with_capacity(code.len());
    // for every open bracket, whether it is one of a buffer's
    let mut open: Vec<bool> = Vec::new();
    let (bytes, mut at) = (code.as_bytes(), 0);
    while at < bytes.len() {
        let starts = at == 0 || !is_word(bytes[at - 1]);
        let length = bytes[at..].iter().take_while(|c| is_word(**c)).count();
        if starts && length > 0 {
            let word = &code[at..at + length];
            at += length;
            match buffers.iter().find(|b| b.name == word && bytes.get(at) == Some(&b'[')) {
                Some(Buffer { name, binding, per_quad }) => {
                    let times = if *per_quad > 1 { format!(" * {per_quad}u") } else { String::new() };
                    out.push_str(&format!("{name}[run * par.step{binding}{times} + ("));
                    open.push(true);
                    at += 1;
                }
                None => out.push_str(if word == "par.k" { "run_k" } else { word }),
            }
            continue;
        }
        match bytes[at] {
            b'[' => open.push(false),
            b']' if open.pop() == Some(true) => out.push(')'),
            _ => {}
        }
        out.push(bytes[at] as char);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDINGS: &str = "@group(0) @binding(2) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> part: array<f32>;
";

    #[test]
    fn every_access_is_moved_and_nothing_else() {
        let code = "    // f[1] stays\n    let a = f[f_at + part[i]].x + w.f[3] + other_f[2]; // part[0]\n    part[(a[0] & 1u)] = par.k + par.kq;\n";
        let expected = "    // f[1] stays\n    let a = f[run * par.step2 + (f_at + part[run * par.step7 * 4u + (i)])].x + w.f[3] + other_f[2]; // part[0]\n    part[run * par.step7 * 4u + ((a[0] & 1u))] = run_k + par.kq;\n";
        assert_eq!(moved(&format!("{BINDINGS}{code}"), false), format!("{BINDINGS}{expected}"));
    }

    #[test]
    fn distances_are_counted_in_quads_of_the_precision() {
        let bindings = "@group(0) @binding(1) var<storage, read> n: array<f64>;
@group(0) @binding(2) var<storage, read> f: array<vec4<f64>>;
@group(0) @binding(3) var<storage, read_write> state: array<i32>;
";
        let code = "state[1] = i32(n[2]) + i32(f[3].x);\n";
        let expected = "state[run * par.step3 * 8u + (1)] = i32(n[run * par.step1 * 4u + (2)]) + i32(f[run * par.step2 + (3)].x);\n";
        assert_eq!(moved(&format!("{bindings}{code}"), true), format!("{bindings}{expected}"));
    }
}
