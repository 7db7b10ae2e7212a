//! `--report FILE.html` and `--plots DIR`: a result for people, as one page that needs no network and no script, and its pictures as files.

mod blocks;
pub(crate) mod fit;
mod html;
mod model;
mod png;
mod typed;

pub(crate) use html::Page;
pub(crate) use model::{Model, named, range, seen_from_afar};
pub(crate) use png::Painter;
pub(crate) use typed::shell_line;

use crate::failure::Failure;
use clap::Args;
use nmf_io::Staging;
use std::path::{Path, PathBuf};

/// Where a report and its pictures go.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportOptions {
    /// Write a report: one HTML page with everything in it (.html)
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write the pictures of the report into this folder, each as SVG and as PNG
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
}

impl ReportOptions {
    /// Whether there is anything to write.
    pub(crate) fn wanted(&self) -> bool {
        self.report.is_some() || self.plots.is_some()
    }

    /// Before the work: whether these can be written. The folder of the report must exist.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.check_beside(None)
    }

    /// As [`ReportOptions::check`]; the folder of the report may also be one that `output` (of `-o`) will create.
    pub(crate) fn check_beside(&self, output: Option<&Path>) -> Result<(), Failure> {
        if let Some(path) = &self.report {
            let (folder, name) = place(path)?;
            if !folder.is_dir() && output != Some(folder.as_path()) {
                let message = format!("{}: the folder {} does not exist", path.display(), folder.display());
                return Err(Failure::work(format!("--report {message}")));
            }
            // what is staged and not committed vanishes
            Staging::new(folder)?.bytes(&name, b"")?;
        }
        if let Some(dir) = &self.plots {
            Staging::new(dir)?.bytes("objective.svg", b"")?;
        }
        Ok(())
    }

    /// Writes the report, and each figure as SVG and PNG; files of the same names are replaced, others stay.
    pub(crate) fn write(&self, page: Page) -> Result<(), Failure> {
        let mut staged = Vec::new();
        if let Some(dir) = &self.plots {
            let mut out = Staging::new(dir)?;
            let painter = png::Painter::new();
            for (name, svg) in page.figures() {
                out.bytes(&format!("{name}.svg"), svg.as_bytes())?;
                let png = painter.png(svg).map_err(|e| Failure::work(format!("{name}.png cannot be drawn: {e}")))?;
                out.bytes(&format!("{name}.png"), &png)?;
            }
            staged.push(out);
        }
        if let Some(path) = &self.report {
            let (folder, name) = place(path)?;
            let mut out = Staging::new(folder)?;
            out.bytes(&name, page.finish().as_bytes())?;
            staged.push(out);
        }
        // all are complete before the first appears
        staged.into_iter().try_for_each(|out| Ok(out.commit()?))
    }

    /// What was written and where, a line each, for the summary of a command.
    pub(crate) fn told(&self) -> String {
        let line = |what: &str, path: &Option<PathBuf>| {
            path.as_ref().map_or(String::new(), |p| format!("\n{what:<15}{}", p.display()))
        };
        line("report", &self.report) + &line("pictures", &self.plots)
    }
}

/// The folder and the name of a report.
fn place(path: &Path) -> Result<(PathBuf, String), Failure> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    match (name, ending.as_deref()) {
        (Some(name), Some("html" | "htm")) => {
            let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
            Ok((folder.to_path_buf(), name))
        }
        _ => Err(Failure::usage(format!(
            "--report {}: a report is a web page; a name that ends in .html or .htm is accepted",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(report: Option<PathBuf>, plots: Option<PathBuf>) -> ReportOptions {
        ReportOptions { report, plots }
    }

    #[test]
    fn a_report_is_a_web_page_in_a_folder_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| options(Some(dir.path().join(name)), None);
        assert!(at("a.html").check().is_ok() && at("a.HTM").check().is_ok());
        for name in ["a.pdf", "a", "html", ".html"] {
            assert_eq!(at(name).check().map_err(|e| e.code()), Err(2), "{name}");
        }
        let missing = at("no/a.html");
        let failure = missing.check().unwrap_err();
        assert!(failure.code() == 1 && failure.message().contains("does not exist"), "{}", failure.message());
        assert!(missing.check_beside(Some(&dir.path().join("no"))).is_ok());
        std::fs::create_dir(dir.path().join("b.html")).unwrap();
        assert_eq!(at("b.html").check().map_err(|e| e.code()), Err(1));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a check leaves nothing behind");
    }

    #[test]
    fn pictures_are_replaced_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let plots = dir.path().join("plots");
        std::fs::create_dir(&plots).unwrap();
        for name in ["mine.svg", "curve.png"] {
            std::fs::write(plots.join(name), "old").unwrap();
        }
        let mut page = Page::new("t", "");
        let line = crate::pictures::Series::new("a", [(0.0, 1.0), (1.0, 2.0)]);
        page.figure("curve", crate::pictures::lines("t", "x", "y", &[line], &[], false), "");
        let write = options(Some(dir.path().join("r.html")), Some(plots.clone()));
        write.check().unwrap();
        write.write(page).unwrap();
        let read = |name: &str| std::fs::read(plots.join(name)).unwrap();
        assert_eq!(read("mine.svg"), b"old");
        assert!(read("curve.svg").starts_with(b"<svg ") && read("curve.png").starts_with(b"\x89PNG"));
        assert!(dir.path().join("r.html").exists());
    }
}
