//! Programs read from the factors: their genes, the cells that use them, and the types of those cells.

use crate::failure::Failure;
use crate::solve::Solved;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use nmf_core::Element;
use nmf_io::Table;
use nmf_text::agreement::{Agreement, agreement};
use nmf_text::topics::{document_topic_shares, documents_per_topic, strongest_topic, top_terms};

/// One program: a group of genes that go together.
pub(crate) struct Program {
    /// Its genes, the largest scores first: column, weight in H, score.
    pub(crate) genes: Vec<(usize, f64, f64)>,
    /// Its genes with the largest weights, largest first.
    pub(crate) heaviest: Vec<usize>,
    /// Cells that use it more than any other.
    pub(crate) cells: usize,
    /// Its share of everything expected.
    pub(crate) share: f64,
    /// The known types that use it more than any other program.
    pub(crate) types: Vec<String>,
}

/// A known type of cells.
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) cells: usize,
    /// Mean usage of each program by its cells.
    pub(crate) usage: Vec<f64>,
    /// Its cells by the program they use most.
    pub(crate) strongest: Vec<usize>,
    /// The program with the largest mean usage.
    pub(crate) program: usize,
}

/// All programs.
pub(crate) struct Programs {
    pub(crate) programs: Vec<Program>,
    /// Cells × programs, each row sums to 1 (or is zero for a cell without counts).
    pub(crate) usage: Array2<f64>,
    /// The program each cell uses most.
    pub(crate) strongest: Vec<Option<usize>>,
    /// Of each gene, the share that each program expects: programs × genes, columns sum to 1 (or are zero).
    pub(crate) share_of_gene: Array2<f64>,
    pub(crate) genes: Vec<String>,
    pub(crate) cells: Vec<String>,
    /// The type of each cell, "" where unknown.
    pub(crate) types: Option<Vec<String>>,
    /// The known types, the most cells first.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) agreement: Option<Agreement>,
}

impl Programs {
    /// Reads the factors: W is cells × k, H is k × genes.
    pub(crate) fn of<T: Element>(
        solved: &Solved<T>,
        table: &Table<T>,
        types: Option<Vec<String>>,
        top: usize,
    ) -> Result<Programs, Failure> {
        let (w, h) = (solved.fitted.w(), solved.fitted.h());
        let (k, n) = h.dim();
        let usage = document_topic_shares(w, h)?;
        let strongest = strongest_topic(usage.view());
        let counts = documents_per_topic(&strongest, k);
        let (scores, share_of_gene) = scores(w, h);
        let expected: Array1<f64> =
            w.columns().into_iter().zip(h.outer_iter()).map(|(w, h)| sum(w.iter()) * sum(h.iter())).collect();
        let all = expected.sum();
        let best = top_terms(scores.view(), top.min(n));
        let heaviest = top_terms(h, top.min(n));
        let mut programs: Vec<Program> = best
            .into_iter()
            .zip(heaviest)
            .enumerate()
            .map(|(q, (genes, heaviest))| Program {
                genes: genes.into_iter().map(|j| (j, h[[q, j]].f64(), scores[[q, j]])).collect(),
                heaviest,
                cells: counts[q],
                share: if all > 0.0 { expected[q] / all } else { 0.0 },
                types: Vec::new(),
            })
            .collect();
        let kinds = types.as_deref().map_or_else(Vec::new, |t| kinds(t, &usage, &strongest));
        for kind in &kinds {
            programs[kind.program].types.push(kind.name.clone());
        }
        let agreement = types.as_deref().map(|labels| agreement(&strongest, labels)).transpose()?;
        let (cells, genes) = (rows(table), columns(table));
        Ok(Programs { programs, usage, strongest, share_of_gene, genes, cells, types, kinds, agreement })
    }

    /// "1 CST3, LYZ": the number and the first genes of a program.
    pub(crate) fn label(&self, q: usize, genes: usize) -> String {
        let names: Vec<&str> = self.programs[q].genes.iter().take(genes).map(|g| self.gene(g.0)).collect();
        format!("{} {}", q + 1, names.join(" "))
    }

    /// The name of a gene.
    pub(crate) fn gene(&self, j: usize) -> &str {
        self.genes.get(j).map_or("", String::as_str)
    }

    /// Cells in an order that shows groups: by type (the most cells first, unknown last), then by program, then by usage.
    pub(crate) fn order(&self) -> Vec<usize> {
        let kind = |i: usize| {
            let own = self.types.as_ref().map_or("", |t| t[i].as_str());
            self.kinds.iter().position(|k| k.name == own).unwrap_or(usize::MAX)
        };
        let mut all: Vec<(usize, usize, f64, usize)> = (0..self.strongest.len())
            .map(|i| {
                let q = self.strongest[i];
                (kind(i), q.unwrap_or(usize::MAX), q.map_or(0.0, |q| self.usage[[i, q]]), i)
            })
            .collect();
        all.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)).then(a.3.cmp(&b.3)));
        all.into_iter().map(|c| c.3).collect()
    }
}

/// Names of the cells; numbers from 1 where the file has none.
pub(crate) fn rows<T: Element>(table: &Table<T>) -> Vec<String> {
    table.row_names.clone().unwrap_or_else(|| (1..=table.dim().0).map(|i| format!("cell {i}")).collect())
}

fn columns<T: Element>(table: &Table<T>) -> Vec<String> {
    table.col_names.clone().unwrap_or_else(|| (1..=table.dim().1).map(|j| format!("gene {j}")).collect())
}

fn sum<'a, T: Element>(values: impl Iterator<Item = &'a T>) -> f64 {
    values.map(|v| v.f64()).sum()
}

/// How much each gene says about each program, and of each gene the share that each program expects; both k × genes.
///
/// The score of gene g is p(g|q)·ln(p(g|q)/p(g)), with p(g|q) row q of H over its sum and p(g) what the whole model expects:
/// the gene's term in the Kullback–Leibler divergence of the program from the average cell. Genes that every cell has in
/// plenty (ribosomal, mitochondrial) have large weights everywhere and a score near 0; rare genes of one program have a
/// large ratio, and a small p(g|q).
fn scores<T: Element>(w: ArrayView2<'_, T>, h: ArrayView2<'_, T>) -> (Array2<f64>, Array2<f64>) {
    // counts that each program expects of each gene
    let mut expected = h.mapv(|v| v.f64());
    for (mut row, column) in expected.outer_iter_mut().zip(w.columns()) {
        let size = sum(column.iter());
        row.mapv_inplace(|v| v * size);
    }
    let (of_gene, of_program) = (expected.sum_axis(Axis(0)), expected.sum_axis(Axis(1)));
    let total = of_gene.sum();
    let score = |(q, j): (usize, usize)| {
        let (v, program) = (expected[[q, j]], of_program[q]);
        if v > 0.0 { v / program * (v / program * total / of_gene[j]).ln() } else { 0.0 }
    };
    let scores = Array2::from_shape_fn(expected.dim(), score);
    let share = |(q, j): (usize, usize)| if of_gene[j] > 0.0 { expected[[q, j]] / of_gene[j] } else { 0.0 };
    (scores, Array2::from_shape_fn(expected.dim(), share))
}

/// The known types, the most cells first.
fn kinds(types: &[String], usage: &Array2<f64>, strongest: &[Option<usize>]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    let k = usage.ncols();
    for ((name, row), best) in types.iter().zip(usage.outer_iter()).zip(strongest).filter(|((n, _), _)| !n.is_empty()) {
        let at = kinds.iter().position(|t| t.name == *name).unwrap_or_else(|| {
            let new = Kind { name: name.clone(), cells: 0, usage: vec![0.0; k], strongest: vec![0; k], program: 0 };
            kinds.push(new);
            kinds.len() - 1
        });
        let kind = &mut kinds[at];
        kind.cells += 1;
        kind.usage.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        if let Some(q) = best {
            kind.strongest[*q] += 1;
        }
    }
    for kind in &mut kinds {
        let n = kind.cells as f64;
        kind.usage.iter_mut().for_each(|v| *v /= n);
        kind.program = (0..k).rev().max_by(|a, b| kind.usage[*a].total_cmp(&kind.usage[*b])).unwrap_or(0);
    }
    kinds.sort_by(|a, b| b.cells.cmp(&a.cells).then_with(|| a.name.cmp(&b.name)));
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_gene_of_every_program_has_no_score() {
        // gene 0 is everywhere in the same share, gene 1 only in program 0, gene 2 mostly in program 1
        let (w, h) = (array![[2.0, 0.0], [0.0, 1.0]], array![[6.0, 3.0, 1.0], [12.0, 0.0, 8.0]]);
        let (s, share) = scores(w.view(), h.view());
        assert!(s[[0, 0]].abs() < 1e-15 && s[[1, 0]].abs() < 1e-15, "{s}");
        // p(1|0) = 0.3, p(1) = 6/40
        assert!((s[[0, 1]] - 0.3 * 2f64.ln()).abs() < 1e-15);
        assert!(s[[0, 2]] < 0.0 && s[[1, 2]] > 0.0 && s[[1, 1]] == 0.0);
        assert!((share[[0, 2]] - 0.2).abs() < 1e-15 && share.sum_axis(Axis(0)).iter().all(|v| (v - 1.0).abs() < 1e-15));
        // the sum over the genes is a divergence, whatever the scales of W and H
        assert!(s.sum_axis(Axis(1)).iter().all(|v| *v >= 0.0));
        let (w, h) = (array![[1.0, 0.0], [0.0, 4.0]], array![[12.0, 6.0, 2.0], [3.0, 0.0, 2.0]]);
        assert!((scores(w.view(), h.view()).0 - s).iter().all(|d| d.abs() < 1e-15));
    }

    #[test]
    fn types_are_counted_by_their_cells() {
        let usage = array![[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.0, 0.0]];
        let types = ["b", "a", "a", ""].map(String::from);
        let kinds = kinds(&types, &usage, &[Some(0), Some(1), Some(1), None]);
        assert_eq!((kinds[0].name.as_str(), kinds[0].cells, kinds[0].program), ("a", 2, 1));
        assert!((kinds[0].usage[1] - 0.7).abs() < 1e-15 && kinds[0].strongest == [0, 2]);
        assert_eq!((kinds[1].name.as_str(), kinds[1].program), ("b", 0));
    }
}
