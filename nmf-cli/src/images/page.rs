//! The report of `images`.

use super::json::Noise;
use super::told::decibels;
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
    let own = ("NMF", &found.own.errors, found.own.model.sparseness());
    let rivals = found.rivals.iter().map(|r| (r.name, &r.errors, r.model.sparseness()));
    let rows: Vec<Vec<String>> = std::iter::once(own)
        .chain(rivals)
        .map(|(name, e, s)| vec![name.into(), format!("{:.4}", e.relative()), decibels(e.psnr()), format!("{s:.3}")])
        .collect();
    page.table(&["method", "‖X − V‖ / ‖X‖", "PSNR, dB", "sparseness (Hoyer)"], &rows);
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
    if found.pictures.clean.is_some() {
        header.push("PSNR against the pictures without noise, dB");
    }
    let row = |a: &super::Again| {
        let stored = found.stored(a.rank());
        let mut cells = vec![
            a.rank().to_string(),
            format!("{:.4}", a.errors.relative()),
            decibels(a.errors.psnr()),
            grouped(stored.factors),
            format!("{:.2}", stored.ratio()),
        ];
        cells.extend(a.clean.as_ref().map(|c| decibels(c.psnr())));
        cells
    };
    page.table(&header, &found.ranks().into_iter().map(row).collect::<Vec<_>>());
    if let Some(noise) = Noise::of(found) {
        page.paragraph(&format!(
            "Noise of standard deviation {} was added first (PSNR {:.2} dB). At k = {} the pictures come nearest to those without it: {:.2} dB.",
            noise.sigma, noise.before, noise.best.0, noise.best.1
        ));
    }
    Ok(())
}
