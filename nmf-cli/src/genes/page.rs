//! The report of `genes`.

use super::files::{genes_picture, usage_picture};
use super::programs::Programs;
use super::{GenesArgs, Source};
use crate::args::Global;
use crate::failure::Failure;
use crate::known::Known;
use crate::pictures::bars;
use crate::report::{Model, Page, fit};
use crate::session;
use crate::solve::Solved;
use crate::text::grouped;
use nmf_core::Element;
use nmf_io::Table;

/// Programs of which more are folded away.
const OPEN: usize = 30;

/// The report: programs, cells, how the factorization went, its matrices from afar, settings.
pub(super) fn page<T: Element>(
    args: &GenesArgs,
    solved: &Solved<T>,
    table: &Table<T>,
    programs: &Programs,
    source: &Source,
    known: &Known,
    global: &Global,
) -> Result<Page, Failure> {
    let report = &solved.report;
    let mut page = Page::new(
        &format!("{}: {} programs", fit::file_name(&args.input), programs.programs.len()),
        "Programs of genes by non-negative matrix factorization of cells × genes",
    );
    let mut tiles = vec![
        ("cells", grouped(programs.strongest.len() as u64)),
        ("genes", format!("{} of {}", grouped(programs.genes.len() as u64), grouped(source.genes as u64))),
        ("programs", programs.programs.len().to_string()),
    ];
    if let Some(a) = &programs.agreement {
        tiles.push(("agreement (NMI)", format!("{:.3}", a.nmi)));
    }
    tiles.extend(fit::tiles(report).into_iter().filter(|(name, _)| !["matrix", "components"].contains(name)));
    page.tiles(&tiles);
    each(&mut page, programs);
    cells(&mut page, programs);
    fit::progress(&mut page, report);
    let threads = session::threads(global);
    Model { solved, table, known, rows: "cells", cols: "genes", threads }.heat_maps(&mut page)?;
    fit::loss(&mut page, report);
    let mut extra = vec![
        ("entries", source.normalize.name().to_string()),
        ("genes in at least", format!("{} cells", args.choice.min_cells)),
    ];
    extra.extend(args.choice.genes.as_ref().map(|p| ("genes that match", p.to_string())));
    extra.extend(args.choice.variable.map(|n| ("most variable genes", n.to_string())));
    extra.extend(args.fit.stops());
    fit::settings(&mut page, report, &args.input, &extra);
    Ok(page)
}

/// The section on the programs.
fn each(page: &mut Page, programs: &Programs) {
    page.section(
        "Programs",
        "The genes that set each program apart, by p(g|q)·ln(p(g|q)/p(g)): the gene's part in the divergence of the program from the average \
         cell. Programs that most cells use come first.",
    );
    for (place, q) in programs.largest_first().into_iter().enumerate() {
        if place == OPEN {
            page.fold(&format!("{} programs of fewer cells", programs.programs.len() - OPEN));
        }
        let p = &programs.programs[q];
        let plural = if p.cells == 1 { "cell" } else { "cells" };
        let title = format!("Program {} · {} {plural}", q + 1, grouped(p.cells as u64));
        let genes: Vec<(String, f64)> = p.genes.iter().map(|g| (programs.gene(g.0).to_string(), g.2)).collect();
        let types = if p.types.is_empty() { String::new() } else { format!("Most used by {}.", p.types.join(", ")) };
        page.figure(&format!("program-{:02}", q + 1), bars(&title, &genes), &types);
    }
    if programs.programs.len() > OPEN {
        page.unfold();
    }
    page.figure("genes", genes_picture(programs), "");
}

/// The section on the cells.
fn cells(page: &mut Page, programs: &Programs) {
    page.section("Cells", "Of the counts that the model expects of a cell, the share of each program.");
    let by = if programs.types.is_some() { "Grouped by type." } else { "Grouped by the program they use most." };
    page.figure("usage", usage_picture(programs), by);
    if !programs.kinds.is_empty() {
        let (header, rows) = programs.usage_by_type();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        page.paragraph(
            "Mean usage of the programs by type, in percent; a star marks the program that a type uses most.",
        );
        page.table(&header, &rows);
    }
    if let Some(a) = &programs.agreement {
        page.paragraph(&format!(
            "Agreement of the strongest programs with the types of {} cells: NMI {:.3}, ARI {:.3}, purity {:.3} (1 would be the same groups).",
            grouped(a.documents as u64),
            a.nmi,
            a.ari,
            a.purity
        ));
    }
}
