//! The form of a kernel that computes in f64: types and literals are widened, line by line.
//!
//! The texts say f32 alone. Only what depends on the precision beyond that has two files: the elementary functions
//! (`common/numeric.wgsl`), of which drivers have none in f64, and the exact sums of a momentum (`common/exact.wgsl`,
//! `momentum/accumulate.wgsl`).

/// Widens a text. What is in f64 already stays.
pub(super) fn widened(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive('\n') {
        let (code, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
        widen(code, &mut out);
        out.push_str(comment);
    }
    out
}

/// A literal of no type would be an f32 wherever a variable is made of it, so each is given one.
fn widen(code: &str, out: &mut String) {
    let bytes = code.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &code[at..];
        let word = rest.bytes().take_while(|c| c.is_ascii_alphanumeric() || *c == b'_').count();
        let first = bytes[at];
        if word == 0 {
            out.push(first as char);
            at += 1;
        } else if !first.is_ascii_digit() {
            out.push_str(if &rest[..word] == "f32" { "f64" } else { &rest[..word] });
            at += word;
        } else {
            let length = number(rest);
            let (literal, suffix) = (&rest[..length], &rest[length..]);
            out.push_str(literal);
            let is_float = literal.contains('.') || (literal.contains('e') && !literal.starts_with("0x"));
            if is_float && !suffix.starts_with("lf") {
                out.push_str("lf");
            }
            at += length;
        }
    }
}

/// The length of the literal that a text begins with, without the suffix of a float.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while let Some(c) = bytes.get(length) {
        let signed = matches!(c, b'+' | b'-') && length > 0 && bytes[length - 1] == b'e';
        let part = c.is_ascii_digit() || *c == b'.' || *c == b'e' || signed;
        // suffixes of integers, and the digits of hexadecimal ones
        let integer = c.is_ascii_alphanumeric() && !matches!(c, b'l' | b'f');
        let hexadecimal = text.starts_with("0x") && c.is_ascii_alphanumeric();
        if !(part || integer || hexadecimal) {
            break;
        }
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_literals_are_widened_and_nothing_else() {
        for (code, expected) in [
            (
                "let a = vec4<f32>(f32(i), 0.0, x_f32, f32x); // f32 1.0",
                "let a = vec4<f64>(f64(i), 0.0lf, x_f32, f32x); // f32 1.0",
            ),
            ("x.y + 1e-10 * 2.5e+3 - 1e30-1", "x.y + 1e-10lf * 2.5e+3lf - 1e30lf-1"),
            ("a[2u] & 0x7fffffffu | 0xffu >> 16u", "a[2u] & 0x7fffffffu | 0xffu >> 16u"),
            ("vec2<u32>(3, 4i) + o1.x * 0.5lf", "vec2<u32>(3, 4i) + o1.x * 0.5lf"),
            ("array<f32, {ROWS}>", "array<f64, {ROWS}>"),
        ] {
            assert_eq!(widened(code), expected);
        }
    }
}
