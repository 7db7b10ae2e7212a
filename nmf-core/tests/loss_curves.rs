//! The picture of the losses in the documentation is what `examples/loss_curves.rs` draws.

#[allow(dead_code)] // its `main` belongs to the example
#[path = "../examples/loss_curves.rs"]
mod loss_curves;

#[test]
fn the_picture_in_the_documentation_is_what_the_example_draws() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/img/losses.svg");
    let committed = std::fs::read_to_string(path).expect("docs/img/losses.svg");
    assert_eq!(committed, loss_curves::picture().unwrap(), "draw it again: see the head of the example");
}
