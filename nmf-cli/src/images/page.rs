//! The report of `images`.

use super::json::Noise;
use super::told::{decibels, method_rows, rank_rows};
use super::{Found, draw};
use crate::failure::Failure;
use crate::report::{Page, fit};
use crate::text::grouped;

/// The report: bases, what they make of the pictures, how the factorization went, settings.
pub(super) fn page(found: &Found) -> Result<Page, Failure> {
    let (stack, report) = (&found.pictures.stack, found.fit);
    let name = fit::file_name(&found.args.input);
    let k = found.own.rank();
    let mut page =
        Page::new(&format!("{name}: {k} parts of pictures"), "Bases of pictures by non-negative matrix factorization");
    let mut tiles = vec![
        ("pictures", grouped(stack.names.len() as u64)),
        ("pixels", stack.shape.text()),
        ("sparseness of bases", format!("{:.2}", found.own.model.sparseness())),
        ("PSNR", format!("{} dB", decibels(found.own.errors.psnr()))),
    ];
    tiles.extend(fit::tiles(report).into_iter().filter(|(name, _)| *name != "matrix"));
    page.tiles(&tiles);
    bases(&mut page, found)?;
    page.section(
        "One picture taken apart",
        "A picture is the sum of the bases, each times its weight. NMF has no negative numbers, so what one basis puts down no other takes away.",
    );
    page.figure("parts", draw::parts(found)?, "");
    again(&mut page, found)?;
    fit::progress(&mut page, report);
    fit::loss(&mut page, report);
    let mut extra = vec![("intensities", found.args.scale.name().to_string())];
    extra.extend(found.args.denoise.map(|s| ("noise added", s.to_string())));
    extra.extend(found.args.fit.stops());
    fit::settings(&mut page, report, &found.args.input, &extra);
    Ok(page)
}

fn bases(page: &mut Page, found: &Found) -> Result<(), Failure> {
    page.section("Bases", "The rows of H, drawn as pictures: each is scaled to its own largest number.");
    page.figure("bases", draw::comparison(found)?, "");
    page.table(&["method", "‖X − V‖ / ‖X‖", "PSNR, dB", "sparseness (Hoyer)"], &method_rows(found));
    Ok(())
}

/// The section on the pictures put together again.
fn again(page: &mut Page, found: &Found) -> Result<(), Failure> {
    page.section(
        "Put together again",
        "W·H at several k: what they keep of the pictures, and what that takes to store.",
    );
    page.figure("reconstructions", draw::reconstructions(found)?, "");
    page.figure("psnr", draw::curve(found), "");
    let mut header = vec!["k", "‖X − WH‖ / ‖X‖", "PSNR, dB", "numbers (m+n)k", "m·n over it"];
    header.extend(found.pictures.clean.as_ref().map(|_| "PSNR against the pictures without noise, dB"));
    page.table(&header, &rank_rows(found));
    if let Some(noise) = Noise::of(found) {
        page.paragraph(&format!(
            "Noise of standard deviation {} was added first (PSNR {:.2} dB). At k = {} the pictures come nearest to those without it: {:.2} dB.",
            noise.sigma, noise.before, noise.best.0, noise.best.1
        ));
    }
    Ok(())
}
